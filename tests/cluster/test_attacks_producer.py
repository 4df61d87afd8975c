"""Attacks on the way from row to record, on ZooKeeper and two real brokers with a proxy in front.

One Produce request is answered with an error, or with nothing, while other rows wait or follow. The
plain producer shows what is lost with librdkafka's defaults; our stock-service, treated the same
way, loses nothing. The letters are those of the list of attacks: A1 acknowledged and never written,
A2 expired, A3 refused, A4 a report that proves nothing, A5 a forged number, A6 a zombie.

What the plain producer did, measured with Kafka 3.9.2 and librdkafka 2.0.2. Row 1 is on its way,
the others follow before its answer; 20 and 2,000 rows came to the same. A single row alone is tried
again, or given up where it is refused.

                              defaults                  enable.idempotence=true
  NOT_LEADER                  1 behind younger rows     1 reported delivered, not in the log (A1)
  MSG_SIZE_TOO_LARGE          1 failed, the rest pass   1 failed, the rest pass (A3)
  TOPIC_AUTHORIZATION_FAILED  1 failed, the rest pass   1 failed, the rest pass (A3)
  silence                     1 behind younger rows     1 failed, the rest pass
  message.timeout.ms=10000, an outage of 12 s           1 to 20 failed, 21 to 50 pass (A2)
"""
import collections
import http.client
import re
import signal
import subprocess
import time
import unittest

import brokers
import journal
import kafka_proxy
import shop
import story

SIZES = (1, 20, 2000)
# What becomes of the request. Each is a method of the proxy, given what chooses the request.
FATES = {
    "NOT_LEADER": lambda proxy, **which: proxy.answer("NOT_LEADER", **which),
    "MSG_SIZE_TOO_LARGE": lambda proxy, **which: proxy.answer("MSG_SIZE_TOO_LARGE", **which),
    "TOPIC_AUTHORIZATION_FAILED":
        lambda proxy, **which: proxy.answer("TOPIC_AUTHORIZATION_FAILED", **which),
    "silence": lambda proxy, hold=False, **which: proxy.swallow(**which),
}
CHANCE_SECONDS = 0.3
# Silence ends for librdkafka when this does, by default after a minute.
SILENCE_MS = 2000
EXPIRY_MS = 10000
PLAIN_TOPIC = "plain"
FORGED_TOPIC = "forged"
FORGED = 9007199254740000
CHANGED = '{"type":"stock_changed","service":"stock","timestamp":"2025-07-08T19:21:50Z",' \
          '"payload":{"sku":"A123","count":12,"price":12.5}}'

DEFAULTS = "defaults"
IDEMPOTENT = "enable.idempotence=true"
PLAIN = {DEFAULTS: (), IDEMPOTENT: (IDEMPOTENT,)}


def setUpModule():
    global cluster
    cluster = brokers.Cluster()
    unittest.addModuleCleanup(cluster.end)


def make_topic(name):
    run = subprocess.run([story.SOURCE / "kafka" / "topic", "--brokers", cluster.brokers,
                          "--topic", name], capture_output=True, text=True, timeout=60,
                         env=shop.environment({}))
    assert run.returncode == 0, run


def records(topic, partition, form):
    """All of them, a line each as kcat's @form says."""
    run = subprocess.run(["kcat", "-C", "-b", cluster.brokers, "-t", topic, "-p", str(partition),
                          "-o", "beginning", "-e", "-q", "-f", form + "\\n"],
                         capture_output=True, text=True, timeout=60, check=True,
                         env=shop.environment({}))
    return run.stdout.splitlines()


def numbers(topic):
    """The ce_id of each record of partition 1 in the order of the log, by ce_source."""
    ids = collections.defaultdict(list)
    for line in records(topic, 1, "%h"):
        headers = dict(each.split("=", 1) for each in line.split(",") if "=" in each)
        ids[headers["ce_source"]].append(int(headers["ce_id"]))
    return ids


class PlainProducer:
    def __init__(self, kafka, topic, *properties, partition=0, source=None, value="-"):
        words = ["-s", source] if source else []
        self.name = f"plain_producer {' '.join(properties)}"
        self.popen = subprocess.Popen(
            [story.BUILD / "tests" / "plain_producer", *words, "-v", value, kafka, topic,
             str(partition), *properties], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        story.keep(self)
        assert self.popen.stdout.readline() == "ready\n", self.name

    def put(self, first, last):
        self.popen.stdin.write(f"put {first} {last}\n")
        self.popen.stdin.flush()

    def reports(self):
        """Row to offset, or the name of an error. Waits until each row has its report."""
        said, _ = self.popen.communicate(timeout=90)
        assert self.popen.returncode == 0, said
        pairs = [line.split() for line in said.splitlines()]
        return {int(row): int(word) if re.fullmatch(r"-?\d+", word) else word
                for row, word in pairs}

    def tail(self, lines):
        return "(it keeps no log)"

    def end(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()


class Damage:
    """What a plain producer's rows came to."""

    def __init__(self, rows, reports, log):
        there = set(log)
        self.lied = [row for row in range(1, rows + 1)
                     if isinstance(reports[row], int) and row not in there]
        self.overtaken = [row for row in range(1, rows + 1)
                          if isinstance(reports[row], str) and row not in there
                          and any(each > row for each in there)]
        self.refused = [row for row in range(1, rows + 1) if isinstance(reports[row], str)]
        first_seen = list(dict.fromkeys(log))
        self.reordered = first_seen != sorted(first_seen)
        self.repeated = len(log) - len(there)

    def __str__(self):
        said = [text for count, text in (
            (len(self.lied), f"{len(self.lied)} delivered and not in the log"),
            (len(self.overtaken), f"{len(self.overtaken)} left out, younger rows passed"),
            (len(self.refused) - len(self.overtaken),
             f"{len(self.refused) - len(self.overtaken)} given up"),
            (self.reordered, "out of order"), (self.repeated, f"{self.repeated} twice")) if count]
        return ", ".join(said) or "none"


class Stock(shop.Process):
    """A stock-service of its own store."""

    def __init__(self, directory, name, kafka, **settings):
        common = {"KAFKA_BROKERS": kafka, "OUTBOX_KEEP_SECONDS": 5}
        super().__init__("stock-service", directory / name, common | settings, name)

    def put_rows(self, count, label="row"):
        """Each command is an event."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            for number in range(1, count + 1):
                connection.request("PUT", f"/stocks/{label}-{number}",
                                   b'{"price":12.5,"count":100}')
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 201, answer.status
        finally:
            connection.close()


def consumer_of(directory, topic):
    process = shop.Process("metrics-consumer", directory / f"consumer-{topic}",
                           {"KAFKA_BROKERS": cluster.brokers, "TOPIC": topic}, f"consumer-{topic}")
    process.journal_path = process.directory / "metrics.log"
    return process.start()


def runs_of(ids):
    """A list of numbers in the order of the log, cut where one does not follow."""
    runs = []
    for number in ids:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return runs


class Attack(story.Story):
    @classmethod
    def setUpClass(cls):
        cls.directory = story.directory("hw9-attacks-")
        cls.proxy = kafka_proxy.KafkaProxy(cluster.brokers)
        cls.addClassCleanup(cls.proxy.end)

    def setUp(self):
        self.proxy.forgive()
        self.addCleanup(lambda: self.assertEqual(self.proxy.trouble, []))

    def stock(self, name, **settings):
        process = Stock(self.directory, name, self.proxy.brokers, **settings)
        self.addCleanup(process.end)
        return process


class APlainProducer(Attack):
    """What it loses: the reason for all that the relay does."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        make_topic(PLAIN_TOPIC)

    def rows_of(self, label):
        return [int(line.split()[1]) for line in records(PLAIN_TOPIC, 0, "%s")
                if line.split()[0] == label]

    def attack(self, fate, rows, settings, label):
        """Row 1 goes, and while its answer is not there, the others."""
        self.proxy.forgive()
        rule = FATES[fate](self.proxy, hold=True)
        silent = [f"socket.timeout.ms={SILENCE_MS}"] if fate == "silence" else []
        producer = PlainProducer(self.proxy.brokers, PLAIN_TOPIC, *silent, *PLAIN[settings],
                                 value=label)
        self.addCleanup(producer.end)
        producer.put(1, 1)
        story.await_fact(f"a request for {fate}", lambda: rule.hits == 1)
        if rows > 1:
            producer.put(2, rows)
            story.await_fact("a second request", lambda: len(self.proxy.produced) > 1)
        if fate != "silence":
            rule.release()
        return producer.reports()

    def test_a1_a3_one_request_is_answered_wrongly(self):
        cases = [(settings, fate, rows) for settings in PLAIN for fate in FATES for rows in SIZES]
        reports = {case: self.attack(case[1], case[2], case[0], f"case-{number}")
                   for number, case in enumerate(cases)}
        logs = collections.defaultdict(list)
        for line in records(PLAIN_TOPIC, 0, "%s"):
            label, row = line.split()
            logs[label].append(int(row))
        damage = {case: Damage(case[2], reports[case], logs[f"case-{number}"])
                  for number, case in enumerate(cases)}
        print("\nOne Produce request is answered wrongly; a plain librdkafka producer's loss:")
        for (settings, fate, rows), lost in damage.items():
            print(f"  {settings:24}{fate:28}{rows:5} rows  {lost}")
        for (settings, fate, rows), lost in damage.items():
            with self.subTest(settings=settings, fate=fate, rows=rows):
                self.assert_known(settings, fate, rows, lost)

    def assert_known(self, settings, fate, rows, lost):
        refused = fate in ("MSG_SIZE_TOO_LARGE", "TOPIC_AUTHORIZATION_FAILED")
        if rows == 1:  # nothing is behind it: it is tried again, or given up
            self.assertEqual(lost.refused, [1] if refused else [])
        elif refused:
            self.assertEqual(lost.overtaken, [1])
        elif settings == IDEMPOTENT:
            self.assertEqual(lost.lied if fate == "NOT_LEADER" else lost.overtaken, [1])
        else:
            self.assertTrue(lost.reordered)

    def test_a2_rows_expire_and_younger_ones_pass(self):
        """Ours goes through the same outage and sends all; it refuses such a timeout."""
        self.proxy.forgive()
        ours = self.stock("outage", TOPIC=PLAIN_TOPIC)
        ours.start()
        ours.await_ready()
        plain = PlainProducer(self.proxy.brokers, PLAIN_TOPIC, IDEMPOTENT,
                              f"message.timeout.ms={EXPIRY_MS}", value="a2")
        self.addCleanup(plain.end)
        self.proxy.refuse()
        plain.put(1, 20)
        ours.put_rows(20, "early")
        time.sleep(EXPIRY_MS / 1000 + 2)  # the attack: an outage that is longer than the timeout
        plain.put(21, 50)
        ours.put_rows(30, "late")
        self.proxy.accept()
        lost = Damage(50, plain.reports(), self.rows_of("a2"))
        print(f"\nAn outage longer than message.timeout.ms={EXPIRY_MS}, plain: {lost}")
        self.assertEqual(lost.overtaken, list(range(1, 21)))
        ours.await_published(50)
        self.assertEqual(runs_of(numbers(PLAIN_TOPIC)[ours.outbox()["source"]]), [[1, 50]])
        refused = shop.run_once("stock-service", directory=self.directory,
                                RDKAFKA_MESSAGE_TIMEOUT_MS=EXPIRY_MS)
        self.assertEqual(refused.returncode, 2, refused)
        self.assertIn("message.timeout.ms", refused.stderr)


class OurRelay(Attack):
    """The same attacks on stock-service. Its rows wait while nothing gets through the proxy."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.consumer = consumer_of(cls.directory, "metrics")
        cls.addClassCleanup(cls.consumer.end)

    def setUp(self):
        super().setUp()
        self.last = {}  # of each source of this story

    def fresh(self, name, fate):
        """A new store and a new producer, which has sent nothing."""
        silent = fate in ("silence", "lose_answer")
        stock = self.stock(name, **{"RDKAFKA_SOCKET_TIMEOUT_MS": SILENCE_MS} if silent else {})
        stock.start()
        stock.await_ready()
        self.proxy.forgive()
        return stock

    def waiting(self, name, rows, fate=None):
        """Nothing passes, and rows wait."""
        stock = self.fresh(name, fate)
        self.addCleanup(self.proxy.thaw)
        self.proxy.freeze()
        stock.put_rows(rows, name)
        return stock

    def let_through(self, stock, seconds=40):
        """Until Kafka has all of it."""
        self.proxy.thaw()
        stock.await_published(seconds=seconds)
        status = stock.outbox()
        self.last[status["source"]] = status["last"]
        stock.stop()

    def attack(self, fate, rows, nth):
        name = f"{fate.lower()}-{rows}-{nth}"
        stock = self.waiting(name, rows, fate)
        rule = FATES[fate](self.proxy, nth=nth)
        self.let_through(stock)
        self.assertEqual(rule.hits, 1, name)

    def attack_flow(self, fate, rows, nth):
        """Row @nth is on its way alone, and the others come while its answer is not there."""
        name = f"flow-{fate.lower()}-{rows}-{nth}"
        stock = self.fresh(name, fate)
        if nth > 1:
            stock.put_rows(nth - 1, f"{name}-before")
            stock.await_published(nth - 1)
        self.proxy.forgive()
        rule = FATES[fate](self.proxy, hold=True)
        stock.put_rows(1, name)
        story.await_fact(f"a request for {name}", lambda: rule.hits == 1)
        stock.put_rows(rows - nth, f"{name}-behind")
        if fate != "silence":
            # Ours sends no second request now; one that did would be caught by what it loses.
            until = time.monotonic() + CHANCE_SECONDS
            while time.monotonic() < until and len(self.proxy.produced) < 2:
                time.sleep(0.01)
            rule.release()
        self.let_through(stock)

    def assert_nothing_lost(self):
        """In the partition: all, in gapless runs that do not start too high. In the journal: each
        once, in order."""
        logs = numbers("metrics")
        for source, last in self.last.items():
            highest = 0
            for first, end in runs_of(logs[source]):
                self.assertLessEqual(first, highest + 1, f"{source}: {runs_of(logs[source])}")
                highest = max(highest, end)
            # A number that is skipped inside a run would begin one behind its predecessor.
            pairs = zip(logs[source], logs[source][1:])
            self.assertEqual([pair for pair in pairs if pair[1] > pair[0] + 1], [], source)
            self.assertEqual(highest, last, source)
            story.await_fact(lambda: f"{source} {last} is in the journal", lambda: journal.holds(
                self.consumer.journal_path, source, last))
        lines = [line for line in journal.read(self.consumer.journal_path)
                 if line.source in self.last]
        self.assertEqual(journal.judge(lines, self.last, {}), [])
        run = shop.run_once("metrics-consumer", "verify", "--journal-path",
                            str(self.consumer.journal_path))
        self.assertEqual(run.returncode, 0, run)

    def attack_all(self, rows):
        for fate in FATES:
            for nth in (1, 2) if rows > 1 else (1,):
                with self.subTest(fate=fate, nth=nth):
                    self.attack(fate, rows, nth)
                    if rows > 1:
                        self.attack_flow(fate, rows, nth)
        self.assert_nothing_lost()

    def test_a1_a3_one_row_waits(self):
        self.attack_all(1)

    def test_a1_a3_20_rows_wait(self):
        self.attack_all(20)

    def test_a1_a3_2000_rows_wait(self):
        self.attack_all(2000)

    def test_a3_nothing_overtakes_a_row_that_is_refused_for_long(self):
        for fate in ("MSG_SIZE_TOO_LARGE", "TOPIC_AUTHORIZATION_FAILED"):
            with self.subTest(fate):
                stock = self.waiting(f"long-{fate.lower()}", 20)
                rule = FATES[fate](self.proxy, times=None,
                                   where=lambda batch: b'"long-' in batch.records
                                   and f'{fate.lower()}-3"'.encode() in batch.records)
                self.proxy.thaw()
                story.await_fact(lambda: f"it names event 3: {stock.ready()}", lambda:
                                 "event 3 is refused" in stock.ready()[1]["kafka"], 40)
                stock.put_rows(5, "later")
                hits = rule.hits
                story.await_fact("it is tried again", lambda: rule.hits > hits + 1, 40)
                self.assertEqual(runs_of(numbers("metrics")[stock.outbox()["source"]])[-1][1], 2)
                self.assertEqual(stock.outbox()["published"], 2)
                rule.end()
                self.let_through(stock)
        self.assert_nothing_lost()

    def test_a4_a_report_without_an_offset_is_believed_by_nobody(self):
        """librdkafka takes this error for a success, and has no offset to give."""
        for nth in (1, 2):
            with self.subTest(nth=nth):
                stock = self.waiting(f"offsetless-{nth}", 20)
                rule = self.proxy.answer("DUPLICATE_SEQUENCE_NUMBER", nth=nth)
                self.let_through(stock)
                self.assertEqual(rule.hits, 1)
                self.assertIn("reported without an offset", stock.log())
        self.assert_nothing_lost()

    def test_a4_an_offset_that_does_not_follow_is_believed_by_nobody(self):
        for offset in (0, 10**9):
            with self.subTest(offset=offset):
                stock = self.waiting(f"offset-{offset}", 20)
                rule = self.proxy.answer("NONE", offset=offset, nth=2)
                self.let_through(stock)
                self.assertEqual(rule.hits, 1)
                self.assertIn("the log was cut, or somebody else writes", stock.log())
        self.assert_nothing_lost()

    def test_the_connection_is_cut_before_and_after_a_request_is_written(self):
        for fate in ("cut_before", "cut_after", "lose_answer"):
            for nth in (1, 2):
                with self.subTest(fate, nth=nth):
                    stock = self.waiting(f"{fate}-{nth}", 20, fate)
                    rule = getattr(self.proxy, fate)(nth=nth)
                    self.let_through(stock)
                    self.assertEqual(rule.hits, 1)
        self.assert_nothing_lost()


class OtherWriters(Attack):
    """Records by the hand of somebody who should not write them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        make_topic(FORGED_TOPIC)
        cls.consumer = consumer_of(cls.directory, FORGED_TOPIC)
        cls.addClassCleanup(cls.consumer.end)

    def write(self, source, first, last):
        producer = PlainProducer(cluster.brokers, FORGED_TOPIC, partition=1, source=source,
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
        stock = self.stock("forged", TOPIC=FORGED_TOPIC)
        stock.start()
        stock.put_rows(10, "before")
        source = stock.outbox()["source"]
        stock.await_published()
        self.write(source, FORGED, FORGED)
        self.await_journaled(source, FORGED)
        stock.put_rows(10, "behind")
        stock.await_published()
        self.consumer.kill()  # it is not silenced by what the journal says, either
        self.consumer.start()
        stock.put_rows(10, "restart")
        stock.await_published()
        self.await_journaled(source, 30)
        self.assertEqual(self.journaled(source), [*range(1, 11), FORGED, *range(11, 31)])

    def test_a6_a_stopped_owner_keeps_its_store(self):
        """So no successor can be ahead of it when it goes on."""
        stock = self.stock("stopped", TOPIC=FORGED_TOPIC)
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


if __name__ == "__main__":
    story.main()
