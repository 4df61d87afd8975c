"""/metrics of the three, on a mock cluster: as promtool wants it, and the numbers are the journal's."""
import json
import subprocess
import unittest

import brokers
import journal
import metrics
import shop
import story

CONSUMER = {
    "metrics_consumer_events_total": {"type", "service", "partition"},
    "metrics_consumer_repeats_dropped_total": set(),
    "metrics_consumer_holes_total": set(),
    "metrics_consumer_misplaced_total": set(),
    "metrics_consumer_dead_letters_total": {"reason"},
    "metrics_consumer_missing_numbers": set(),
    "metrics_consumer_lag_messages": {"partition"},
    "metrics_consumer_lag_seconds": {"partition"},
    "metrics_consumer_delay_seconds_count": set(),
    "metrics_consumer_journal_sync_seconds_count": set(),
    "metrics_consumer_journal_bytes_total": set(),
}
SERVICE = {"outbox_events_total": {"source"}, "outbox_published_total": {"source"},
           "outbox_waiting_rows": {"source"}, "outbox_max_rows": {"source"},
           "outbox_oldest_row_seconds": {"source"},
           "outbox_commit_seconds_count": {"source"},
           "outbox_checkpoint_seconds_count": {"source"}}
ALL = {
    "http_request_duration_seconds_count": {"method", "route", "code"},
    "http_request_duration_seconds_bucket": {"method", "route", "code", "le"},
    "kafka_client_brokers_up": {"client"},
    "kafka_client_broker_up": {"client", "broker"},
    "kafka_client_requests_in_flight": {"client", "broker"},
    "kafka_client_tx_bytes_total": {"client", "broker"},
    "kafka_client_rx_bytes_total": {"client", "broker"},
    "kafka_client_request_retries_total": {"client", "broker"},
    "kafka_client_request_timeouts_total": {"client", "broker"},
    "kafka_client_rtt_seconds": {"client", "broker"},
    "kafka_client_queued_messages": {"client"},
    "process_cpu_seconds_total": set(), "process_resident_memory_bytes": set(),
    "process_open_fds": set(), "process_start_time_seconds": set(),
    "build_info": {"program", "version", "commit"},
}
MISPLACED = {"type": "cart_item_added", "service": "cart", "timestamp": "2025-07-08T19:15:32Z",
             "payload": {"cartId": "xyz123", "sku": "A123", "count": 2, "status": "success"}}
OTHER = {"type": "cart_paid", "service": "till", "timestamp": "2999-07-08T19:15:32Z",
         "payload": {}}


class Told(story.Story):
    @classmethod
    def setUpClass(cls):
        # Statistics come each 5 s otherwise.
        shop.open_on_mock(cls, cls.addClassCleanup, RDKAFKA_STATISTICS_INTERVAL_MS=200)
        for number in range(40):
            shop.put_sku(cls.shop.stock, f"sku-{number % 7}", 12.5, 1000)
            shop.add_item(cls.shop.cart, f"cart-{number % 5}", f"sku-{number % 7}",
                          9000 if number % 9 == 0 else 1)
        for value, partition, name in ((b"broken", 0, ("till/1", 1)), (b"[]", 1, (None, None)),
                                       (json.dumps(MISPLACED).encode(), 1, ("till/1", 2)),
                                       (json.dumps(MISPLACED).encode(), 1, ("till/1", 2)),
                                       (json.dumps(OTHER).encode(), 0, ("till/1", 3))):
            cls.kafka.put("metrics", partition, value, *name)
        cls.shop.await_journaled()
        story.await_fact("the strangers' records are there too", lambda: len(
            cls.shop.dead_letter_path.read_bytes().splitlines()) == 2 and
            journal.holds(cls.shop.journal_path, "till/1", 3))

    def setUp(self):
        """Both partitions are read to their ends, by now and by what is told."""
        self.consumer = story.await_fact(
            lambda: f"lag 0 is told: {metrics.Metrics(self.shop.consumer).text}",
            lambda: self.told_at_rest(), 10)

    def told_at_rest(self):
        told = metrics.Metrics(self.shop.consumer)
        lags = [number for _, number in told.all("metrics_consumer_lag_messages")]
        return told if lags == [0, 0] and told.one("metrics_consumer_journal_sync_seconds_count") \
            else None

    def test_promtool_finds_nothing_to_say(self):
        for process in self.shop.processes:
            with self.subTest(process.name):
                self.assertEqual(metrics.promtool("check", "metrics", text=metrics.Metrics(
                    process).text), (0, ""))

    def test_every_metric_is_there_with_its_labels(self):
        for process, wanted in ((self.shop.consumer, CONSUMER | ALL),
                                (self.shop.cart, SERVICE | ALL), (self.shop.stock, SERVICE | ALL)):
            told = story.await_fact(
                f"librdkafka tells its statistics to {process.name}", lambda: (
                    lambda m: m if m.all("kafka_client_rtt_seconds") else None)(
                        metrics.Metrics(process)), 10)
            for name, labels in wanted.items():
                with self.subTest(process.name, metric=name):
                    found = told.all(name)
                    self.assertTrue(found)
                    for each, _ in found:
                        self.assertEqual(set(each), labels)
            self.assertEqual(told.one("build_info", program=process.binary), 1)
            # librdkafka connects to those brokers that it needs.
            for labels, number in told.all("kafka_client_brokers_up"):
                self.assertIn(number, (1, 2), labels)

    def test_the_numbers_are_those_of_the_files(self):
        lines = journal.read(self.shop.journal_path)
        told = self.consumer
        found = {}
        for line in lines:
            kind = json.loads(line.value)["type"]
            key = kind if kind != "cart_paid" else "other", str(line.partition)
            found[key] = found.get(key, 0) + 1
        self.assertEqual({(labels["type"], labels["partition"]): number for labels, number in
                          told.all("metrics_consumer_events_total") if number > 0}, found)
        self.assertEqual({(labels["type"], labels["service"]) for labels, number in
                          told.all("metrics_consumer_events_total") if number > 0},
                         {("cart_item_added", "cart"), ("cart_item_failed", "cart"),
                          ("sku_created", "stock"), ("stock_changed", "stock"),
                          ("other", "other")})
        self.assertEqual(told.one("metrics_consumer_journal_bytes_total"),
                         self.shop.journal_path.stat().st_size)
        self.assertEqual(told.one("metrics_consumer_misplaced_total"), 1)
        self.assertEqual(told.one("metrics_consumer_repeats_dropped_total"), 1)
        self.assertEqual(told.one("metrics_consumer_holes_total"), 0)
        self.assertEqual(told.one("metrics_consumer_dead_letters_total", reason="not_json"), 1)
        self.assertEqual(told.sum("metrics_consumer_dead_letters_total"), 2)

    def test_delays_are_those_of_the_lines(self):
        delays = [line.delay_ms for line in journal.read(self.shop.journal_path)]
        told = self.consumer
        self.assertLess(min(delays), 0)  # the one from the year 2999
        self.assertEqual(told.one("metrics_consumer_delay_seconds_count"), len(delays))
        self.assertAlmostEqual(told.one("metrics_consumer_delay_seconds_sum"),
                               sum(max(each, 0) for each in delays) / 1000, 3)
        for labels, number in told.all("metrics_consumer_delay_seconds_bucket"):
            self.assertEqual(number, sum(each <= float(labels["le"]) * 1000 for each in delays),
                             labels)

    def test_outboxes_say_what_was_acknowledged(self):
        for service in self.shop.services:
            status, told = service.outbox(), metrics.Metrics(service)
            for name, member in (("outbox_events_total", "last"), ("outbox_published_total",
                                 "published"), ("outbox_waiting_rows", "waiting")):
                self.assertEqual(told.one(name, source=status["source"]), status[member])
            self.assertEqual(told.one("outbox_oldest_row_seconds"), 0)

    def test_requests_are_told_by_route_and_never_by_path(self):
        cart = self.shop.cart
        before = metrics.Metrics(cart)
        for method, path in (("GET", "/carts/secret-1"), ("HEAD", "/carts/secret-2"),
                             ("GET", "/secret-3"), ("BREW", "/carts/secret-4"),
                             ("POST", "/carts/secret-5/items")):
            cart.ask(method, path)
        after = metrics.Metrics(cart)
        self.assertNotIn("secret", after.text)
        name = "http_request_duration_seconds_count"
        for route, code, more in (("/carts/{cartId}", "404", 2), ("none", "404", 1),
                                  ("none", "405", 1), ("/carts/{cartId}/items", "400", 1)):
            self.assertEqual(after.sum(name, route=route, code=code),
                             before.sum(name, route=route, code=code) + more, (route, code))
        self.assertEqual(after.one(name, method="POST", route="/carts/{cartId}/items",
                                   code="201"), 35)
        self.assertEqual(after.sum(name, route="/carts/{cartId}/items", code="409"), 5)


class Away(story.Story):
    def setUp(self):
        self.kafka = brokers.MockCluster()
        self.addCleanup(self.kafka.end)
        self.shop = shop.Shop(self.kafka.brokers)
        self.addCleanup(self.shop.end)
        self.shop.start()

    def lags(self):
        told = metrics.Metrics(self.shop.consumer)
        return {labels["partition"]: number
                for labels, number in told.all("metrics_consumer_lag_messages")}

    def test_lag_is_told_without_an_event_and_not_told_without_a_broker(self):
        story.await_fact(lambda: f"lag 0 of both: {self.lags()}",
                         lambda: self.lags() == {"0": 0, "1": 0}, 10)
        self.kafka.down()
        story.await_fact(lambda: f"no lag: {self.lags()}", lambda: self.lags() == {}, 10)
        self.assertEqual(metrics.Metrics(self.shop.consumer).all("metrics_consumer_lag_seconds"),
                         [])
        self.kafka.up()
        story.await_fact(lambda: f"lag 0 of both again: {self.lags()}",
                         lambda: self.lags() == {"0": 0, "1": 0}, 15)

    def test_librdkafka_is_asked_without_a_setting(self):
        for process, clients in ((self.shop.cart, {"producer", "consumer"}),
                                 (self.shop.stock, {"producer"}),
                                 (self.shop.consumer, {"consumer"})):
            story.await_fact(f"the clients of {process.name} tell their statistics", lambda: {
                labels["client"] for labels, _ in metrics.Metrics(process).all(
                    "kafka_client_statistics_age_seconds")} == clients, 15)

    def test_an_outbox_tells_for_how_long_its_oldest_row_waits(self):
        self.shop.stock.await_ready()
        self.kafka.down()
        shop.put_sku(self.shop.stock, "sku-1", 1, 1)
        self.assertLess(metrics.Metrics(self.shop.stock).one("outbox_oldest_row_seconds"), 5)
        story.await_fact("it waits for a second", lambda: metrics.Metrics(
            self.shop.stock).one("outbox_oldest_row_seconds") >= 1, 10)
        shop.put_sku(self.shop.stock, "sku-2", 1, 1)
        told = metrics.Metrics(self.shop.stock)
        self.assertEqual(told.one("outbox_waiting_rows"), 2)
        self.assertGreaterEqual(told.one("outbox_oldest_row_seconds"), 1)
        self.kafka.up()
        self.shop.stock.await_published()
        told = metrics.Metrics(self.shop.stock)
        self.assertEqual((told.one("outbox_waiting_rows"), told.one("outbox_oldest_row_seconds")),
                         (0, 0))


class Full(story.Story):
    """The consumer's disk is full: its own thread stands still."""

    def setUp(self):
        self.disk = story.directory("hw9-disk-")
        try:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "hw9", self.disk],
                           check=True, capture_output=True, timeout=20)
        except (OSError, subprocess.CalledProcessError) as why:
            raise unittest.SkipTest(f"no disk of its own can be mounted here: {why}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", self.disk], check=True, timeout=20)
        self.kafka = brokers.MockCluster()
        self.addCleanup(self.kafka.end)
        self.consumer = shop.Process("metrics-consumer", story.directory("hw9-full-"), {
            "KAFKA_BROKERS": self.kafka.brokers, "JOURNAL_PATH": self.disk / "metrics.log",
            "RDKAFKA_STATISTICS_INTERVAL_MS": 200})
        self.addCleanup(self.consumer.end)

    def fill(self):
        """Not a page is free."""
        with open(self.disk / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                pass

    def told(self, name):
        return metrics.Metrics(self.consumer).one(f"metrics_consumer_{name}", partition="0")

    def put(self, number):
        value = json.dumps(MISPLACED | {"padding": "x" * 8000}).encode()
        self.kafka.put("metrics", 0, value, "till/1", number)

    def test_lag_is_right_while_nothing_is_taken(self):
        self.consumer.start()
        story.await_fact("lag 0", lambda: self.told("lag_messages") == 0, 10)
        self.fill()
        for number in range(1, 6):
            self.put(number)
        story.await_fact(lambda: f"the disk is full: {self.consumer.ready()}",
                         lambda: "space" in self.consumer.ready()[1]["journal"], 10)
        for number in range(6, 21):
            self.put(number)
        lines = metrics.Metrics(self.consumer).sum("metrics_consumer_events_total")
        story.await_fact(lambda: f"what is not in the journal is told: {self.told('lag_messages')}",
                         lambda: self.told("lag_messages") == 20 - lines, 10)
        self.assertGreaterEqual(20 - lines, 15)
        before = self.told("lag_seconds")
        story.await_fact("it waits for longer and longer",
                         lambda: self.told("lag_seconds") >= before + 2, 10)
        # What librdkafka has to say is taken meanwhile, and so does not pile up.
        age = metrics.Metrics(self.consumer).one("kafka_client_statistics_age_seconds")
        self.assertLess(age, 2.5)
        (self.disk / "filler").unlink()
        story.await_fact(lambda: f"all is in the journal: {self.told('lag_messages')}",
                         lambda: self.told("lag_messages") == 0, 15)
        self.assertEqual(self.told("lag_seconds"), 0)
        self.assertEqual(metrics.Metrics(self.consumer).sum("metrics_consumer_events_total"), 20)


if __name__ == "__main__":
    story.main()
