"""The shop as a user gets it, on two real brokers. Every setting is the default but PRINT=off (the
consumer's copy of the journal on its standard output) and the ports."""
import http.client
import itertools
import json
import pathlib
import re
import sqlite3
import sys
import time

import shop
import story
import usage

PLENTY = 10 ** 12  # pieces of a SKU; the most there can be
LEARN_SECONDS = 120
QUIET_SECONDS = 120
STILL_SECONDS = 0.5  # with nothing new, until it is quiet
VERIFY_SECONDS = 300
LOG_LINES = 30
ALL = ("cart", "stock", "consumer", "broker 1", "broker 2", "zookeeper")

_numbers = itertools.count(1)


def new_topic(cluster, name):
    """A topic of its own for a measurement; returns its name."""
    topic = f"{name}-{next(_numbers)}"
    cluster.topic(topic)
    return topic


class Stage:
    def __init__(self, cluster, name, print_lines="off"):
        self.cluster = cluster
        self.shop = shop.Shop(cluster.brokers, TOPIC=new_topic(cluster, name),
                              OUTBOX_KEEP_SECONDS=30)
        self.cart, self.stock, self.consumer = \
            self.shop.cart, self.shop.stock, self.shop.consumer
        del self.consumer.settings["OUTBOX_KEEP_SECONDS"]
        self.consumer.settings["PRINT"] = print_lines

    def start(self, *without):
        wanted = [process for process in self.shop.processes if process not in without]
        for process in wanted:
            process.start()
        for process in wanted:
            process.await_ready(60)
        return self

    def stop(self):
        """As a user does; the stores and the journal stay."""
        for process in self.shop.processes:
            if process.running():
                status = process.stop()
                assert status == 0, f"{process.name} ended with {status}"

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self.stop()
            else:
                for process in self.shop.processes:
                    print(f"--- {process.name}:\n{process.tail(LOG_LINES)}", file=sys.stderr)
        finally:
            self.shop.end()

    def fill(self, names):
        """Plenty of each SKU, told to cart by the topic."""
        connection = http.client.HTTPConnection("127.0.0.1", self.stock.port, timeout=15)
        for name in names:
            connection.request("PUT", f"/stocks/{name}",
                               json.dumps({"price": 12.5, "count": PLENTY}))
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 201), f"{name}: {answer.status}"
        connection.close()
        self.await_level(names[-1])
        return self

    def await_level(self, name, seconds=LEARN_SECONDS):
        """Until cart knows this SKU, and so all that were made before it."""
        path = pathlib.Path(self.cart.directory) / "cart.db"

        def is_known():
            reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            try:
                return reader.execute("SELECT 1 FROM stock_levels WHERE sku = ?1",
                                      (name,)).fetchone()
            finally:
                reader.close()
        story.await_fact(f"cart knows {name}", is_known, seconds, 0.05)

    def journaled(self):
        """(lines of partition 0, of partition 1, refused additions) there are."""
        lines, refused = [0, 0], 0
        text = self.consumer.ask("GET", "/metrics").body.decode()
        for kind, partition, count in re.findall(
                r'^metrics_consumer_events_total{type="(\w+)",.*partition="(\d)"} (\d+)$', text,
                re.MULTILINE):
            lines[int(partition)] += int(count)
            refused += int(count) if kind == "cart_item_failed" else 0
        return *lines, refused

    def await_quiet(self, seconds=QUIET_SECONDS):
        """Until every event there is is in the journal, and stays so for a while: some more come
        after the customers have gone, since what was on its way is done for nobody. Returns when
        the last of them was there."""
        quiet = [None, 0]

        def behind():
            return [process.outbox()["last"] - lines for process, lines in
                    zip((self.cart, self.stock), self.journaled())]

        def is_quiet():
            last = [process.outbox()["last"] for process in (self.cart, self.stock)]
            if behind() != [0, 0]:
                quiet[0] = None
            elif quiet[0] != last:
                quiet[:] = [last, time.monotonic()]
            return quiet[0] and time.monotonic() - quiet[1] >= STILL_SECONDS
        story.await_fact(lambda: f"no lines of cart and stock left to wait for: {behind()}",
                         is_quiet, seconds, 0.05)
        return quiet[1]

    def meter(self, names=ALL):
        return usage.Meter({name: self.pid(name) for name in names})

    def pid(self, name):
        ours = {"cart": self.cart, "stock": self.stock, "consumer": self.consumer}
        if name in ours:
            return ours[name].popen.pid
        path = self.cluster.directory / name.replace(" ", "-") / "pid"
        return int(path.read_text().split()[0])

    def verify(self, may_refuse=False):
        """Everything acknowledged is in the journal, once and in order, and additions succeeded."""
        self.await_quiet()
        status, said = self.shop.verify(seconds=VERIFY_SECONDS)
        assert status == 0, f"verify: {said}"
        assert may_refuse or self.journaled()[2] == 0, "additions were refused"
        return said.splitlines()[-1]


def time_start(process):
    """Starts it; the seconds until it says that it is ready."""
    process.settings["HTTP_PORT"] = process.port = shop.free_port()
    began = time.monotonic()
    process.launch()
    story.await_fact(f"{process.name} is ready", lambda: _is_ready(process), 120, 0.002)
    return time.monotonic() - began


def _is_ready(process):
    assert process.running(), f"{process.name} ended at its start: {process.tail(3)}"
    try:
        return process.ready()[0]
    except OSError:
        return False


def skus(count):
    return [f"sku-{number:07}" for number in range(count)]
