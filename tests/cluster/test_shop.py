"""The whole shop on ZooKeeper and two brokers, under load, while one part after the other is
stopped, killed and started again. After each story the journal holds everything, once, in order,
from its partition: metrics-consumer says so, and so does this file's own reading."""
import http.client
import json
import re
import subprocess
import threading
import time

import brokers
import journal
import shop
import story

RATE = 100      # simulated commands a second, of each service
CUSTOMERS = 2   # HTTP clients of each service
FLOWING = 150   # events that have to pass to call it flowing
FLOW_SECONDS = 20


class Customer(threading.Thread):
    """Asks one service over HTTP, one request after the other, and keeps a ledger of what it was
    answered. A request without an answer may have been done or not: it is in no ledger."""

    def __init__(self, process, requests):
        super().__init__(daemon=True)
        self.process = process
        self.requests = requests
        self.ledger = {}  # (source, id) to (type, subject)
        self.odd = []     # answers that nobody should get
        self.stopping = threading.Event()

    def run(self):
        connection = None
        while not self.stopping.is_set():
            method, path, body, subject = next(self.requests)
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.process.port,
                                                            timeout=10)
                connection.request(method, path, json.dumps(body))
                response = connection.getresponse()
                self.note(response.status, response.read(), subject)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
                self.stopping.wait(0.05)
            self.stopping.wait(0.02)

    def note(self, status, text, subject):
        answer = json.loads(text)
        if method_of := KINDS.get((self.process.name, status)):
            self.ledger[answer["source"], answer["id"]] = method_of, subject
        elif status != 503:  # it stops
            self.odd.append((status, text))

    def end(self):
        self.stopping.set()
        self.join(15)


KINDS = {("stock", 201): "sku_created", ("stock", 200): "stock_changed",
         ("cart", 201): "cart_item_added", ("cart", 409): "cart_item_failed"}


def stock_requests(number):
    at = 0
    while True:
        sku = f"shelf-{number}-{at % 20}"
        yield "PUT", f"/stocks/{sku}", {"price": at % 100 / 4, "count": at % 50}, sku
        at += 1


def cart_requests(number):
    at = 0
    while True:
        cart = f"http-{number}-{at % 100}"
        # a SKU that stock's simulator creates
        yield "POST", f"/carts/{cart}/items", {"sku": "sku-%03d" % (at % 100),
                                               "count": 1 + at % 5 * 60}, cart
        at += 1


class TheShop(story.Story):
    @classmethod
    def setUpClass(cls):
        cls.cluster = brokers.Cluster()
        cls.addClassCleanup(cls.cluster.end)
        cls.shop = shop.Shop(cls.cluster.brokers)
        cls.addClassCleanup(cls.shop.end)
        cls.cart, cls.stock, cls.consumer = cls.shop.cart, cls.shop.stock, cls.shop.consumer
        cls.stock.start(SIMULATE_PER_SECOND=RATE)
        story.await_fact("all of the simulated SKUs are there", lambda: len(cls.stock.ask(
            "GET", "/stocks?limit=1000").json["stocks"]) >= 100, 60, 0.2)
        cls.cart.start(SIMULATE_PER_SECOND=RATE)
        cls.consumer.start()
        cls.customers = [Customer(cls.stock, stock_requests(n)) for n in range(CUSTOMERS)] + \
                        [Customer(cls.cart, cart_requests(n)) for n in range(CUSTOMERS)]
        for customer in cls.customers:
            cls.addClassCleanup(customer.end)
            customer.start()

    def setUp(self):
        self.assert_flowing("before")

    def tearDown(self):
        """Everything that was acknowledged so far, while more goes on arriving."""
        ledger = {}
        for customer in self.customers:
            self.assertEqual(customer.odd, [], customer.process.name)
            ledger |= dict(customer.ledger)
        self.assertGreater(len(ledger), 0)
        self.assertEqual(self.shop.judge(ledger), [])
        status, said = self.shop.verify()
        self.assertEqual(status, 0, said)
        self.assertIn("0 missing, 0 repeated, 0 out of order, 0 on a wrong partition", said)

    def assert_flowing(self, when):
        """Both services accept, and what they accept from now on comes through to the journal."""
        began = {each: each.outbox() for each in self.shop.services}
        for each, then in began.items():
            with self.subTest(f"{each.name} {when}"):
                wanted = then["last"] + FLOWING
                story.await_fact(lambda: f"{each.name} accepts {when}: {each.outbox()}",
                                 lambda: each.outbox()["last"] >= wanted, FLOW_SECONDS)
                self.shop.await_line(then["source"], wanted, FLOW_SECONDS)

    def assert_brokers(self, *wanted):
        status = self.cluster_status()
        for broker in (1, 2):
            self.assertEqual("stopped by command" not in status[f"broker-{broker}"],
                             broker in wanted, status)

    def cluster_status(self):
        try:
            said = self.cluster("status")
        except AssertionError as missing:  # it is not all there, and says so
            said = str(missing).split(": ", 1)[1]
        return {line.split()[0]: line for line in said.splitlines() if line.startswith("broker")}

    def test_cart_writes_partition_0_and_stock_partition_1(self):
        self.shop.await_journaled()
        lines = journal.read(self.shop.journal_path)
        places = {(line.source.split("/")[0], line.partition) for line in lines}
        self.assertEqual(places, {("cart", 0), ("stock", 1)})
        self.assertEqual({line.event["type"] for line in lines if line.partition == 0},
                         {"cart_item_added", "cart_item_failed", "cart_item_removed",
                          "cart_cleared"})
        self.assertEqual({line.event["type"] for line in lines if line.partition == 1},
                         {"sku_created", "stock_changed"})

    def test_events_flow_while_broker_1_is_stopped(self):
        self.cluster("stop", "1")
        self.assert_brokers(2)
        self.assert_flowing("without broker 1")
        self.cluster("start", "1")
        self.assert_flowing("with broker 1 again")

    def test_events_flow_while_broker_2_is_killed(self):
        self.cluster("kill", "2")
        self.assert_brokers(1)
        self.assert_flowing("without broker 2")
        self.cluster("start", "2")
        self.assert_flowing("with broker 2 again")

    def test_events_flow_while_the_broker_of_the_group_is_stopped(self):
        """The one that keeps the consumer's offsets (attack C6)."""
        coordinator = story.await_fact("the group has a coordinator", self.coordinator)
        self.cluster("stop", coordinator)
        try:
            self.assert_brokers(3 - int(coordinator))
            self.assert_flowing(f"without broker {coordinator}, which has the group")
        finally:
            self.cluster("start", coordinator)
        self.assert_flowing(f"with broker {coordinator} again")

    def coordinator(self):
        run = subprocess.run([story.SOURCE / "kafka" / "tool", "kafka-consumer-groups",
                              "--bootstrap-server", self.cluster.brokers, "--describe", "--state",
                              "--group", "metrics-consumer"], capture_output=True, text=True,
                             timeout=60, env=shop.environment({}))
        found = re.search(r"^metrics-consumer +\S+ +\((\d)\)", run.stdout, re.M)
        return found and found[1]

    def test_a_broker_that_is_paused_only_delays(self):
        self.cluster("pause", "1")
        try:
            for each in self.shop.services:  # whatever Kafka does
                wanted = each.outbox()["last"] + FLOWING
                story.await_fact(lambda: f"{each.name} accepts: {each.outbox()}",
                                 lambda: each.outbox()["last"] >= wanted, FLOW_SECONDS)
        finally:
            self.cluster("resume", "1")
        self.cluster("wait")
        self.assert_flowing("with broker 1 again")

    def test_a_killed_process_goes_on_where_it_was(self):
        for process in self.shop.processes:
            for again in (1, 2):
                with self.subTest(process.name, time=again):
                    process.kill()
                    process.start()
                    self.assert_flowing(f"after {process.name} was killed")

    def test_a_process_is_killed_while_a_broker_is_stopped(self):
        self.cluster("stop", "1")
        try:
            for process in self.shop.processes:
                process.kill()
                process.start()
            self.assert_flowing("after all were killed")
        finally:
            self.cluster("start", "1")

    def test_sigterm_ends_each_with_status_0_and_totals_that_add_up(self):
        for process in self.shop.processes:
            with self.subTest(process.name):
                told = len(process.log())
                began = time.monotonic()
                status = process.stop()
                took = time.monotonic() - began
                said = process.log()[told:]
                process.start()
                self.assertEqual(status, 0)
                self.assertLess(took, 9)  # docker stop waits ten seconds
                self.assertRegex(said, r"outbox closed last=(\d+) published=\1 waiting=0\n"
                                 if process in self.shop.services else
                                 r"stopped taken=\d+ journaled=\d+ ")
                self.assert_flowing(f"after {process.name} was stopped")


if __name__ == "__main__":
    story.main()
