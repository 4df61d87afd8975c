"""The shop: cart, stock and metrics-consumer as processes, in a directory of their own."""
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import urllib.parse

import brokers
import journal
import story

START_SECONDS = 30
STOP_SECONDS = 15  # docker stop gives ten

# What a process gets of our environment: no settings, no proxies.
PASSED_ON = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS",
             "TSAN_OPTIONS", "LSAN_OPTIONS")


def program(name):
    return str(story.BUILD / "bin" / name)


def environment(settings):
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed | {name: str(value) for name, value in settings.items()}


def free_port():
    """Below the range connections take theirs from, so that it stays free during a restart."""
    while True:
        port = random.randrange(15000, 30000)
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def type(self):
        return self.headers.get("Content-Type")

    def __repr__(self):
        return f"{self.status} {dict(self.headers)} {self.body[:300]!r}"


def ask(port, method, path, body=None, headers=None, seconds=15):
    """One request on a connection of its own. A body that is no bytes is sent as JSON; one that
    comes in pieces (a list) is sent chunked."""
    if body is not None and not isinstance(body, (bytes, list)):
        body = json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, body=iter(body) if isinstance(body, list) else body,
                           headers=headers or {}, encode_chunked=isinstance(body, list))
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Process:
    """One of our programs. Its log is appended to over restarts, as an operator keeps it."""

    def __init__(self, binary, directory, settings, name=None, group=None):
        """`group` is the group id it runs under; needs root."""
        self.binary = binary
        self.name = name or binary
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.log_path = self.directory / "log"
        self.log_path.touch()
        self.settings = {"HTTP_PORT": 0, "STATE_DIRECTORY": self.directory} | settings
        self.popen = None
        self.port = self.settings["HTTP_PORT"] or None
        # With us it dies, whatever becomes of us.
        self.words = ["setpriv", "--pdeathsig", "KILL"]
        if group is not None:
            self.words += ["--regid", str(group), "--clear-groups"]
        story.keep(self)

    def start(self, **settings):
        """Returns when it answers HTTP. Settings given here stay for later starts."""
        told = self.log_path.stat().st_size
        self.launch(**settings)
        self.port = story.await_fact(f"{self.name} listens", lambda: self._listening(told),
                                     START_SECONDS)
        return self

    def launch(self, **settings):
        """Starts it and waits for nothing. It lives as long as the thread that calls this."""
        self.settings |= settings
        with open(self.log_path, "ab") as log, open(self.directory / "out", "ab") as out:
            self.popen = subprocess.Popen(
                [*self.words, program(self.binary)], cwd=self.directory,
                env=environment(self.settings), stdin=subprocess.DEVNULL, stdout=out, stderr=log)

    def _listening(self, told):
        found = re.search(rb"listening address=\S+ port=(\d+)\n",
                          self.log_path.read_bytes()[told:])
        if not found and self.popen.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.popen.returncode} at its start")
        return int(found[1]) if found else None

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def stop(self):
        """SIGTERM; returns the exit status."""
        self.popen.send_signal(signal.SIGTERM)
        return self.gone()

    def kill(self):
        self.popen.send_signal(signal.SIGKILL)
        return self.gone()

    def gone(self):
        """Waits for its end; the exit status."""
        try:
            return self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs {STOP_SECONDS} s after the signal")

    def end(self):
        if self.running():
            self.popen.kill()
            self.popen.wait()
        if self.log_path.exists() and re.search("Sanitizer|runtime error:", self.log()):
            story.accuse(self)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def tail(self, lines):
        try:
            return "\n".join(self.log().splitlines()[-lines:])
        except FileNotFoundError:
            return "(its directory is gone)"

    def ask(self, method, path, body=None, headers=None):
        return ask(self.port, method, path, body, headers)

    def ready(self):
        """(True or False, what /readyz says of each dependency)."""
        answer = self.ask("GET", "/readyz")
        assert answer.status == (200 if answer.json["ready"] else 503), answer
        return answer.json["ready"], answer.json["checks"]

    def await_ready(self, seconds=30):
        story.await_fact(lambda: f"{self.name} is ready; it says {self.ready()}",
                         lambda: self.ready()[0], seconds)

    # of cart and stock
    def outbox(self):
        return self.ask("GET", "/outbox").json

    def await_published(self, number=None, seconds=30):
        """Until Kafka has this event, or the last one there is."""
        wanted = self.outbox()["last"] if number is None else number
        story.await_fact(lambda: f"{self.name} published {wanted}: {self.outbox()}",
                         lambda: self.outbox()["published"] >= wanted, seconds)
        return wanted


class Shop:
    """The three, each not started yet. `settings` are for all of them."""

    def __init__(self, brokers, **settings):
        self.directory = story.directory("hw9-shop-")
        common = {"KAFKA_BROKERS": brokers, "OUTBOX_KEEP_SECONDS": 5} | settings
        stock_port = free_port()
        self.stock = Process("stock-service", self.directory / "stock",
                             common | {"HTTP_PORT": stock_port}, "stock")
        self.cart = Process("cart-service", self.directory / "cart",
                            common | {"STOCK_URL": f"http://127.0.0.1:{stock_port}"}, "cart")
        self.consumer = Process("metrics-consumer", self.directory / "consumer",
                                {"KAFKA_BROKERS": brokers} | settings, "metrics-consumer")
        self.journal_path = self.directory / "consumer" / "metrics.log"
        self.dead_letter_path = self.directory / "consumer" / "dead-letter.log"
        self.services = (self.stock, self.cart)
        self.processes = (*self.services, self.consumer)
        self.name = f"shop in {self.directory}"
        story.keep(self)

    def start(self):
        for process in self.processes:
            process.start()
        return self

    def stop(self):
        """SIGTERM to all at once; the exit statuses."""
        for process in self.processes:
            process.popen.send_signal(signal.SIGTERM)
        return [process.gone() for process in self.processes]

    def end(self):
        for process in self.processes:
            process.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def tail(self, lines):
        paths = (self.journal_path, self.dead_letter_path)
        return "\n".join(f"{path.name}: {len(path.read_bytes().splitlines())} lines"
                         for path in paths if path.exists())

    def await_journaled(self, seconds=30):
        """Until the journal holds everything the services acknowledged by now. Returns the last
        number of each source."""
        last = {status["source"]: status["last"]
                for status in (service.outbox() for service in self.services)}
        for source, number in last.items():
            if number > 0:
                self.await_line(source, number, seconds)
        return last

    def await_line(self, source, number, seconds=30):
        story.await_fact(lambda: f"{source} {number} is in the journal; "
                                 f"the consumer says {self.consumer.ready()}",
                         lambda: journal.holds(self.journal_path, source, number), seconds)

    def judge(self, ledger=None, seconds=30):
        """What is wrong with the journal; see journal.judge."""
        last = self.await_journaled(seconds)
        lines = journal.read(self.journal_path)
        return journal.judge(lines, last, ledger or {})

    def verify(self, *words, seconds=60, by_setting=False):
        """metrics-consumer verify, of services, topic and journal: (exit status, what it says)."""
        urls = [f"http://127.0.0.1:{service.port}" for service in self.services]
        outboxes = [] if by_setting else [word for url in urls for word in ("--outbox", url)]
        settings = {name: value for name, value in self.consumer.settings.items()
                    if name.startswith(("KAFKA_", "TOPIC", "RDKAFKA_"))}
        if by_setting:
            settings["SERVICES"] = ",".join(urls)
        run = subprocess.run([program("metrics-consumer"), "verify", "--journal-path",
                              str(self.journal_path), *outboxes, *words],
                             env=environment(settings),
                             capture_output=True, text=True, timeout=seconds)
        return run.returncode, run.stdout + run.stderr


def open_on_mock(owner, add_cleanup, **settings):
    """A mock cluster and a shop on it that is ready, for a story or its class: `owner` gets kafka,
    shop, cart and stock."""
    owner.kafka = brokers.MockCluster()
    add_cleanup(owner.kafka.end)
    owner.shop = Shop(owner.kafka.brokers, **settings)
    add_cleanup(owner.shop.end)
    owner.shop.start()
    owner.cart, owner.stock = owner.shop.cart, owner.shop.stock
    for process in owner.shop.processes:
        process.await_ready()


def put_sku(stock, sku, price, count):
    return stock.ask("PUT", f"/stocks/{urllib.parse.quote(sku)}", {"price": price, "count": count})


def add_item(cart, cart_id, sku, count):
    return cart.ask("POST", f"/carts/{urllib.parse.quote(cart_id)}/items",
                    {"sku": sku, "count": count})


def run_once(binary, *words, seconds=10, directory=None, **settings):
    """A program that ends by itself: its exit status, standard output and error."""
    return subprocess.run([program(binary), *words], env=environment(settings), text=True,
                          capture_output=True, timeout=seconds, cwd=directory,
                          stdin=subprocess.DEVNULL)
