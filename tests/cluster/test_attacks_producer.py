"""Attacks on the way from row to record, on ZooKeeper and two real brokers with a proxy in front.

One Produce request is answered with an error, or with nothing, while other rows wait or follow. The
plain producer shows what is lost with librdkafka's defaults; our stock-service, treated the same
way, loses nothing. The letters are those of the list of attacks: A1 acknowledged and never written,
A2 expired, A3 refused, A4 a report that proves nothing.

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
import time

import attack
import journal
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
CHANCE_SECONDS = 0.3  # for a relay that should wait and does not
# Silence ends for librdkafka when this does, by default after a minute.
SILENCE_MS = 2000
EXPIRY_MS = 10000
PLAIN_TOPIC = "plain"

DEFAULTS = "defaults"
IDEMPOTENT = "enable.idempotence=true"
PLAIN = {DEFAULTS: (), IDEMPOTENT: (IDEMPOTENT,)}


def setUpModule():
    attack.open_cluster()


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


class APlainProducer(attack.Attack):
    """What it loses: the reason for all that the relay does."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        attack.make_topic(PLAIN_TOPIC)

    def rows_of(self, label):
        return [int(line.split()[1]) for line in attack.records(PLAIN_TOPIC, 0, "%s")
                if line.split()[0] == label]

    def attack(self, fate, rows, settings, label):
        """Row 1 goes, and while its answer is not there, the others."""
        self.proxy.forgive()
        rule = FATES[fate](self.proxy, hold=True)
        silent = [f"socket.timeout.ms={SILENCE_MS}"] if fate == "silence" else []
        producer = attack.PlainProducer(self.proxy.brokers, PLAIN_TOPIC, *silent, *PLAIN[settings],
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
        for line in attack.records(PLAIN_TOPIC, 0, "%s"):
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
        plain = attack.PlainProducer(self.proxy.brokers, PLAIN_TOPIC, IDEMPOTENT,
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
        self.assertEqual(attack.runs(PLAIN_TOPIC, ours), [[1, 50]])
        refused = shop.run_once("stock-service", directory=self.directory,
                                RDKAFKA_MESSAGE_TIMEOUT_MS=EXPIRY_MS)
        self.assertEqual(refused.returncode, 2, refused)
        self.assertIn("message.timeout.ms", refused.stderr)


class OurRelay(attack.Attack):
    """The same attacks on stock-service. Its rows wait while nothing gets through the proxy."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.consumer = attack.consumer_of(cls.directory, "metrics")
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
        logs = attack.numbers("metrics")
        for source, last in self.last.items():
            runs, highest = attack.runs_of(logs[source]), 0
            for first, end in runs:
                self.assertLessEqual(first, highest + 1, f"{source}: {runs}")
                highest = max(highest, end)
            self.assertEqual(highest, last, f"{source}: {runs}")
            story.await_fact(lambda: f"{source} {last} is in the journal", lambda: journal.holds(
                self.consumer.journal_path, source, last))
        lines = [line for line in journal.read(self.consumer.journal_path)
                 if line.source in self.last]
        self.assertEqual(journal.judge(lines, self.last, {}), [])
        run = shop.run_once("metrics-consumer", "verify", "--journal-path",
                            str(self.consumer.journal_path),
                            KAFKA_BROKERS=attack.cluster.brokers)
        self.assertEqual(run.returncode, 0, run)

    def attack_all(self, rows):
        for fate in FATES:
            for nth in {1: (1,), 20: (1, 2), 2000: (2,)}[rows]:
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
                self.assertEqual(attack.runs("metrics", stock)[-1][1], 2)
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


if __name__ == "__main__":
    story.main()
