"""Attacks by writers that should not write, on ZooKeeper and two real brokers: a forged number
(A5), an owner of a store that was paused, lost rows, and wakes behind its successor (A6), and a
record whose time is long past (B6)."""
import signal
import subprocess
import time

import attack
import journal
import shop
import story

TOPIC = "forged"
FORGED = 9007199254740000
CHANGED = '{"type":"stock_changed","service":"stock","timestamp":"2025-07-08T19:21:50Z",' \
          '"payload":{"sku":"A123","count":12,"price":12.5}}'


def setUpModule():
    attack.open_cluster()


class OtherWriters(attack.Attack):
    """Records by the hand of somebody who should not write them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        attack.make_topic(TOPIC)
        cls.consumer = attack.consumer_of(cls.directory, TOPIC)
        cls.addClassCleanup(cls.consumer.end)

    def write(self, source, first, last):
        producer = attack.PlainProducer(attack.cluster.brokers, TOPIC, partition=1, source=source,
                                        value=CHANGED)
        self.addCleanup(producer.end)
        producer.put(first, last)
        reports = producer.reports()
        self.assertTrue(all(isinstance(each, int) for each in reports.values()), reports)

    def journaled(self, source):
        lines = journal.read(self.consumer.journal_path)
        return [line.id for line in journal.of_source(lines, source)]

    def await_journaled(self, source, number):
        story.await_fact(lambda: f"{source} {number} is in the journal",
                         lambda: journal.holds(self.consumer.journal_path, source, number))

    def test_a5_a_forged_number_silences_nobody(self):
        for first, last in ((1, 10), (FORGED, FORGED), (11, 20)):
            self.write("stock/forged", first, last)
        self.await_journaled("stock/forged", 20)
        self.consumer.kill()  # it is not silenced by what the journal says, either
        self.consumer.start()
        self.write("stock/forged", 21, 30)
        self.await_journaled("stock/forged", 30)
        self.assertEqual(self.journaled("stock/forged"), [*range(1, 11), FORGED, *range(11, 31)])

    def test_a5_a_service_whose_name_is_used_says_so_and_goes_on_under_another(self):
        stock = self.stock("forged", TOPIC=TOPIC)
        stock.start()
        stock.put_rows(10, "before")
        source = stock.outbox()["source"]
        stock.await_published()
        self.write(source, FORGED, FORGED)
        shop.put_sku(stock, "behind", 1, 1)  # its offset jumps: the relay looks
        self.assertEqual(stock.gone(), 1)
        self.assertIn(f"the topic holds event {FORGED} of {source}", stock.log())
        fork = shop.run_once("stock-service", "store", "fork", seconds=40,
                             STATE_DIRECTORY=stock.directory, TOPIC=TOPIC,
                             KAFKA_BROKERS=self.proxy.brokers)
        self.assertEqual(fork.returncode, 0, fork)
        stock.start()
        stock.put_rows(10, "after")
        stock.await_published()
        other = stock.outbox()
        self.await_journaled(other["source"], other["last"])
        self.assertEqual(self.journaled(source), [*range(1, 11), FORGED, 11])
        self.assertEqual(self.journaled(other["source"]), list(range(1, other["last"] + 1)))

    def test_a6_a_stopped_owner_keeps_its_store(self):
        """So no successor can be ahead of it when it goes on."""
        stock = self.stock("stopped", TOPIC=TOPIC)
        stock.start()
        stock.put_rows(10, "before")
        stock.popen.send_signal(signal.SIGSTOP)
        try:
            second = shop.run_once("stock-service", directory=stock.directory,
                                   STATE_DIRECTORY=stock.directory, HTTP_PORT=0,
                                   KAFKA_BROKERS=self.proxy.brokers)
            self.assertEqual(second.returncode, 3, second)
        finally:
            stock.popen.send_signal(signal.SIGCONT)
        stock.put_rows(10, "behind")
        stock.await_published(20)
        source = stock.outbox()["source"]
        self.await_journaled(source, 20)
        self.assertEqual(self.journaled(source), list(range(1, 21)))

    def test_a6_what_a_zombie_left_out_is_journaled_late(self):
        """100 to 150 had expired when it woke; its successor writes them behind 200."""
        for first, last in ((1, 99), (151, 200), (100, 150), (100, 150), (201, 201)):
            self.write("stock/zombie", first, last)
        self.await_journaled("stock/zombie", 201)
        self.assertEqual(self.journaled("stock/zombie"),
                         [*range(1, 100), *range(151, 201), *range(100, 151), 201])


class OpenTransactions(attack.Attack):
    def test_a_transaction_that_nobody_ends_delays_no_event(self):
        """Offsets jump where somebody else writes, so the relay looks: to the end that there is,
        and not to the one that is shown to readers of what is committed; and so does whoever
        reads for the journal, or proves it."""
        attack.make_topic("opened")
        consumer = attack.consumer_of(self.directory, "opened")
        self.addCleanup(consumer.end)
        consumer.start()
        stock = self.stock("opened", TOPIC="opened")
        stock.start()
        stock.put_rows(10, "before")
        stock.await_published()
        stranger = attack.PlainProducer(attack.cluster.brokers, "opened",
                                        "transactional.id=stranger", partition=1,
                                        source="stranger", stays_open=True)
        self.addCleanup(stranger.end)
        stranger.put(1, 1)
        self.assertEqual(stranger.reports(), {1: 10})
        stock.put_rows(10, "behind")
        stock.await_published(20, seconds=20)
        numbers = attack.numbers("opened")
        self.assertEqual(sorted(set(numbers[stock.outbox()["source"]])), list(range(1, 21)))
        self.assertEqual(numbers["stranger"], [1])
        source = stock.outbox()["source"]
        story.await_fact("the journal has event 20",
                         lambda: journal.holds(consumer.journal_path, source, 20), 10)
        run = shop.run_once("metrics-consumer", "verify", "--journal-path",
                            str(consumer.journal_path), "--outbox",
                            f"http://127.0.0.1:{stock.port}", seconds=60,
                            KAFKA_BROKERS=attack.cluster.brokers, TOPIC="opened")
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)


class OldTimes(attack.Attack):
    """Retention goes by the time of a record, which is the producer's where the topic lets it."""
    LONG_AGO_MS = 1000

    def timestamps(self, topic):
        """The time of a record as the brokers have it, that was written with one of 1970."""
        producer = attack.PlainProducer(attack.cluster.brokers, topic, partition=1, value="old",
                                        time_ms=self.LONG_AGO_MS)
        self.addCleanup(producer.end)
        producer.put(1, 1)
        self.assertEqual(producer.reports(), {1: 0})
        return [int(each) for each in attack.records(topic, 1, "%T")]

    def check(self, topic):
        run = subprocess.run([story.SOURCE / "kafka" / "topic", "--brokers",
                              attack.cluster.brokers, "--topic", topic], capture_output=True,
                             text=True, timeout=60, env=shop.environment({}))
        return run.returncode, run.stderr

    def test_b6_a_record_of_1970_gets_the_time_at_which_it_was_written(self):
        attack.make_topic("dated")
        before = int(time.time() * 1000)
        written, = self.timestamps("dated")
        self.assertGreater(written, before - 60_000)

    def test_b6_a_topic_that_takes_the_producers_time_is_refused(self):
        made = subprocess.run([story.SOURCE / "kafka" / "tool", "kafka-topics",
                               "--bootstrap-server", attack.cluster.brokers, "--create", "--topic",
                               "undated", "--replica-assignment", "1:2,2:1", "--config",
                               "message.timestamp.type=CreateTime", "--config",
                               "max.message.bytes=1048588"],
                              capture_output=True, text=True, timeout=60,
                              env=shop.environment({}))
        self.assertEqual(made.returncode, 0, made)
        self.assertEqual(self.timestamps("undated"), [self.LONG_AGO_MS])  # the attack works there
        status, said = self.check("undated")
        self.assertEqual(status, 1, said)
        self.assertIn("message.timestamp.type is CreateTime, not LogAppendTime; repair: ", said)


if __name__ == "__main__":
    story.main()
