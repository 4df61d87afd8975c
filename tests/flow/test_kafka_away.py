"""Kafka is not there, or not as it must be: services accept and say so, the consumer waits, and
when Kafka comes everything arrives in order."""
import contextlib
import http.client
import json
import socket
import sqlite3

import brokers
import journal
import shop
import story


class Away(story.Story):
    partitions = 2

    def setUp(self):
        self.kafka = brokers.MockCluster(self.partitions)
        self.addCleanup(self.kafka.end)
        self.ledger = {}

    def open_shop(self, **settings):
        self.shop = shop.Shop(self.kafka.brokers, **settings)
        self.addCleanup(self.shop.end)
        self.cart, self.stock, self.consumer = self.shop.cart, self.shop.stock, self.shop.consumer
        self.shop.start()

    def note(self, answer, kind, subject):
        """Into the ledger of what was acknowledged."""
        event = answer.json["source"], answer.json["id"]
        self.assertNotIn(event, self.ledger)
        self.ledger[event] = kind, subject

    def put_sku(self, sku, count=1000):
        answer = shop.put_sku(self.stock, sku, 12.5, count)
        self.assertIn(answer.status, (200, 201), answer)
        self.note(answer, "sku_created" if answer.status == 201 else "stock_changed", sku)

    def add_item(self, cart_id, sku, count=1):
        answer = shop.add_item(self.cart, cart_id, sku, count)
        self.assertIn(answer.status, (201, 409), answer)
        self.note(answer, "cart_item_added" if answer.status == 201 else "cart_item_failed", cart_id)

    def do_business(self, rounds):
        for number in range(rounds):
            self.put_sku(f"sku-{number % 7}")
            self.add_item(f"cart-{number % 5}", f"sku-{number % 7}", 900 if number % 9 == 0 else 1)

    def assert_live_and_not_ready(self, process, *why):
        self.assertEqual(process.ask("GET", "/livez").status, 200)
        story.await_fact(lambda: f"{process.name} says {why}: {process.ready()}",
                         lambda: not process.ready()[0] and
                         all(part in process.ready()[1]["kafka"] for part in why))

    def assert_503(self, answer):
        self.assertEqual((answer.status, answer.type), (503, "application/problem+json"), answer)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1, answer)

    def assert_everything_arrived(self):
        self.assertEqual(self.shop.judge(self.ledger), [])
        for service in self.shop.services:
            service.await_published()
        status, said = self.shop.verify()
        self.assertEqual(status, 0, said)


class KafkaIsAway(Away):
    def test_before_kafka_comes_services_accept_and_then_everything_arrives_in_order(self):
        self.kafka.down()
        self.open_shop()
        self.do_business(40)
        for process in self.shop.processes:
            self.assert_live_and_not_ready(process, "broker")
        for service in self.shop.services:
            self.assertEqual(service.outbox()["published"], 0)
        self.assertEqual(journal.read(self.shop.journal_path), [])
        self.kafka.up()
        for process in self.shop.processes:
            process.await_ready()
        self.assert_everything_arrived()
        self.assertEqual(len(self.ledger), 80)

    def test_what_was_accepted_before_kafka_came_outlives_the_services(self):
        self.kafka.down()
        self.open_shop()
        self.do_business(10)
        self.cart.kill()
        self.stock.kill()
        self.consumer.kill()
        self.kafka.up()
        self.shop.start()
        self.do_business(10)
        self.assert_everything_arrived()

    def stored(self, service):
        store = next(service.directory.glob("*.db"))
        with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as opened:
            return opened.execute("SELECT acknowledged FROM outbox_state").fetchone()[0]

    def test_a_killed_service_sends_nothing_again(self):
        self.open_shop()
        self.do_business(10)
        self.assert_everything_arrived()
        for service in self.shop.services:  # a number is stored within a second
            story.await_fact(f"{service.name} has stored how far Kafka is",
                             lambda: self.stored(service) == service.outbox()["last"])
        for process in self.shop.processes:
            process.kill()
            process.start()
        self.do_business(10)
        self.assert_everything_arrived()
        self.assertEqual(sum(self.kafka.ends()), len(self.ledger))

    def test_copies_in_the_topic_are_not_in_the_journal(self):
        self.open_shop()
        self.do_business(10)
        self.assert_everything_arrived()
        for service, end in ((self.cart, self.kafka.ends()[0]), (self.stock, self.kafka.ends()[1])):
            service.kill()
            store = next(service.directory.glob("*.db"))
            with contextlib.closing(sqlite3.connect(store)) as forgetful:  # nothing is in front
                forgetful.execute("UPDATE outbox_state SET acknowledged = 0,"
                                  " acknowledged_offset = ?", (-2 - end,))
                forgetful.commit()
            service.start()
        self.do_business(10)
        self.assert_everything_arrived()
        for end in self.kafka.ends():
            self.assertGreater(end, len(self.ledger) // 2)  # there are some

    def test_an_outage_in_the_middle_only_delays(self):
        self.open_shop()
        self.do_business(10)
        self.assert_everything_arrived()
        self.kafka.down()
        self.do_business(10)
        for process in self.shop.processes:
            self.assert_live_and_not_ready(process)
        self.do_business(10)
        self.kafka.up()
        for process in self.shop.processes:
            process.await_ready()
        self.do_business(10)
        self.assert_everything_arrived()

    def test_clients_that_take_every_connection_do_not_keep_kafka_out(self):
        """They are fewer than the files that the process may have open."""
        stock = shop.Shop(self.kafka.brokers).stock
        self.addCleanup(stock.end)
        stock.words = ["prlimit", "--nofile=256:256", *stock.words]
        stock.start()
        stock.await_ready()
        asking = http.client.HTTPConnection("127.0.0.1", stock.port, timeout=15)

        def ask(method, path, body=None):
            asking.request(method, path, body)
            return json.loads(asking.getresponse().read())

        with contextlib.closing(asking), contextlib.ExitStack() as silent:
            ask("GET", "/outbox")
            for _ in range(300):
                silent.enter_context(socket.create_connection(("127.0.0.1", stock.port), 10))
            self.kafka.down()
            number = ask("PUT", "/stocks/apple", '{"price":1,"count":1}')["id"]
            self.kafka.up()  # and long before a silent connection is closed:
            story.await_fact("Kafka has the event",
                             lambda: ask("GET", "/outbox")["published"] >= number, 15)

    def test_a_new_leader_only_delays(self):
        self.open_shop()
        for leader in (2, 1, 2):
            self.kafka.lead(0, leader)
            self.kafka.lead(1, 3 - leader)
            self.do_business(10)
        self.assert_everything_arrived()


class TheOutboxIsFull(Away):
    ROOM = 20

    def fill(self, ask):
        """Asks until the outbox is full. How many were accepted."""
        for accepted in range(self.ROOM + 1):
            answer = ask(accepted)
            if answer.status == 503:
                self.assert_503(answer)
                return accepted
            self.assertEqual(answer.status, 201, answer)
        self.fail("more was accepted than there is room")

    def test_then_503_with_retry_after_until_kafka_comes(self):
        self.kafka.down()
        self.open_shop(OUTBOX_MAX_ROWS=self.ROOM)
        for name, process, ask in (
                ("stock", self.stock, lambda n: shop.put_sku(self.stock, f"sku-{n}", 1, 100)),
                ("cart", self.cart, lambda n: shop.add_item(self.cart, "c", f"sku-{n % 5}", 1))):
            with self.subTest(name):
                self.assertEqual(self.fill(ask), self.ROOM)
                status = process.outbox()
                self.assertEqual((status["last"], status["waiting"]), (self.ROOM, self.ROOM))
                self.assert_live_and_not_ready(process)
                for _ in range(3):
                    self.assert_503(ask(0))
                self.assertEqual(process.outbox(), status)  # the refused ones made no event
        # A refusal that is an event has no room either, and reading needs none.
        self.assert_503(shop.add_item(self.cart, "c", "sku-1", 5000))
        self.assertEqual(self.stock.ask("GET", "/stocks/sku-1").status, 200)
        self.assertEqual(self.cart.ask("GET", "/carts/c").status, 200)
        self.kafka.up()
        for service in self.shop.services:
            self.assertEqual(service.await_published(), self.ROOM)
        self.do_business(5)
        self.assert_everything_arrived()

    def test_what_was_done_before_is_answered_as_it_was(self):
        self.kafka.down()
        self.open_shop(OUTBOX_MAX_ROWS=self.ROOM)
        path, body, key = "/stocks/sku-0", {"price": 1, "count": 100}, {"Idempotency-Key": "k"}
        first = self.stock.ask("PUT", path, body, key)
        self.assertEqual(first.status, 201, first)
        ask = lambda n: shop.put_sku(self.stock, f"sku-{n + 1}", 1, 100)
        self.assertEqual(self.fill(ask), self.ROOM - 1)
        again = self.stock.ask("PUT", path, body, key)
        self.assertEqual((again.status, again.body), (first.status, first.body))
        self.assertEqual(self.stock.ask("PUT", path, {"price": 1, "count": 5}, key).status, 409)
        self.assert_503(self.stock.ask("PUT", path, body, {"Idempotency-Key": "new"}))

    def test_a_restart_does_not_make_room(self):
        self.kafka.down()
        self.open_shop(OUTBOX_MAX_ROWS=self.ROOM)
        ask = lambda n: shop.put_sku(self.stock, f"sku-{n}", 1, 100)
        self.assertEqual(self.fill(ask), self.ROOM)
        self.stock.kill()
        self.stock.start()
        self.assert_503(ask(0))
        self.kafka.up()
        self.stock.await_published()
        self.assertEqual(ask(0).status, 200)
        self.assert_everything_arrived()


class TheTopicHasAnotherNumberOfPartitions(Away):
    def assert_nothing_is_written(self, count):
        self.open_shop()
        self.do_business(10)
        for process in self.shop.processes:
            self.assert_live_and_not_ready(
                process, f"metrics has {count} partition", "must have 2")
            self.assertIn("must have 2", process.log())
        for service in self.shop.services:
            self.assertEqual(service.outbox()["published"], 0)
        self.assertEqual(self.shop.stop(), [0, 0, 0])  # services try to the end
        self.assertEqual(self.kafka.ends(), [0] * count)
        self.assertEqual(journal.read(self.shop.journal_path), [])


class OnePartition(TheTopicHasAnotherNumberOfPartitions):
    partitions = 1

    def test_nothing_is_written_to_a_topic_with_one_partition(self):
        self.assert_nothing_is_written(1)


class ThreePartitions(TheTopicHasAnotherNumberOfPartitions):
    partitions = 3

    def test_nothing_is_written_to_a_topic_with_three_partitions(self):
        self.assert_nothing_is_written(3)


if __name__ == "__main__":
    story.main()
