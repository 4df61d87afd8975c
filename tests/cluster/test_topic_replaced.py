"""The topic is not what it was: made anew, cut from its beginning, or the group is told something
else. Whatever happens, what is in the topic is in the journal, once, and what happened is said."""
import os
import re
import subprocess

import brokers
import journal
import shop
import story


class Replaced(story.Story):
    @classmethod
    def setUpClass(cls):
        cls.cluster = brokers.Cluster()
        cls.addClassCleanup(cls.cluster.end)

    def setUp(self):
        self.topic = re.sub("[^a-z_]", "", self.id().rsplit(".", 1)[1])
        self.begin()

    def begin(self, name=""):
        self.topic = f"{self.topic}{name}"
        self.create()
        self.consumer = shop.Process("metrics-consumer", story.directory("hw9-replaced-"), {
            "KAFKA_BROKERS": self.cluster.brokers, "TOPIC": self.topic, "GROUP_ID": self.topic})
        self.addCleanup(self.consumer.end)

    def tool(self, program, *words):
        run = subprocess.run([story.SOURCE / "kafka" / "tool", program, "--bootstrap-server",
                              self.cluster.brokers, *words], capture_output=True, text=True,
                             timeout=60, stdin=subprocess.DEVNULL, env=dict(os.environ))
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return run.stdout

    def create(self):
        self.tool("kafka-topics", "--create", "--topic", self.topic, "--replica-assignment",
                  "1:2,2:1")

    def make_anew(self):
        self.tool("kafka-topics", "--delete", "--topic", self.topic)
        story.await_fact("the topic is gone", lambda: self.topic not in
                         self.tool("kafka-topics", "--list").split())
        self.create()

    def put(self, source, first, last, partition=0):
        subprocess.run([story.BUILD / "tests" / "produce", self.cluster.brokers, self.topic,
                        str(partition), source, str(first), str(last)], check=True, timeout=40,
                       env=shop.environment({}))

    def lines(self):
        return [(line.source, line.id)
                for line in journal.read(self.consumer.directory / "metrics.log")]

    def await_lines(self, *wanted, seconds=40):
        """`wanted`: (source, first, last) each. They are in the journal, in this order, and
        nothing else is."""
        names = [(source, number) for source, first, last in wanted
                 for number in range(first, last + 1)]
        story.await_fact(lambda: f"{len(names)} lines, there are {self.lines()}",
                         lambda: len(self.lines()) >= len(names), seconds)
        self.assertEqual(self.lines(), names)

    def metric(self, name):
        text = self.consumer.ask("GET", "/metrics").body.decode()
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.startswith("metrics_consumer_" + name))

    def start_with(self, *sources):
        for source, first, last in sources:
            self.put(source, first, last)
        self.consumer.start()
        self.await_lines(*sources)

    def assert_read_anew(self, count):
        """Ten records of one store, then `count` of another in a topic of the same name."""
        self.start_with(("cart/a", 1, 10))
        self.consumer.stop()
        self.make_anew()
        self.put("cart/b", 1, count)
        self.consumer.start()
        self.await_lines(("cart/a", 1, 10), ("cart/b", 1, count))
        self.assertEqual(self.metric("topic_replaced_total"), 1)
        self.put("cart/b", count + 1, count + 2)
        self.await_lines(("cart/a", 1, 10), ("cart/b", 1, count + 2))
        self.consumer.kill()
        self.consumer.start()  # from where it was
        self.put("cart/b", count + 3, count + 3)
        self.await_lines(("cart/a", 1, 10), ("cart/b", 1, count + 3))
        self.assertEqual(self.metric("number_holes_total") + self.metric("missing_numbers"), 0)

    def test_made_anew_with_fewer_records(self):
        self.assert_read_anew(5)

    def test_made_anew_and_ending_where_the_last_line_was(self):
        self.assert_read_anew(9)

    def test_made_anew_with_as_many_records(self):
        self.assert_read_anew(10)

    def test_made_anew_with_more_records(self):
        self.assert_read_anew(15)

    def test_made_anew_with_the_same_records_nothing_is_journaled_twice(self):
        self.start_with(("cart/a", 1, 10))
        self.consumer.stop()
        self.make_anew()
        self.put("cart/a", 4, 12)
        self.consumer.start()
        self.await_lines(("cart/a", 1, 12))

    def test_made_anew_while_it_reads(self):
        for count in (5, 10, 15):
            with self.subTest(count=count):
                self.begin(str(count))
                self.start_with(("cart/a", 1, 10))
                self.make_anew()
                self.put("cart/b", 1, count)
                # Where the new one ends at the old one's end, the next record tells.
                self.put("cart/b", count + 1, count + 1)
                self.await_lines(("cart/a", 1, 10), ("cart/b", 1, count + 1), seconds=60)
                self.consumer.stop()

    def test_made_anew_under_a_service_that_has_nothing_to_send(self):
        """No report steps back, so nobody would notice: ATTACKS B15."""
        directory = story.directory("hw9-replaced-")
        stock = shop.Process("stock-service", directory / "stock", {
            "KAFKA_BROKERS": self.cluster.brokers, "TOPIC": self.topic})
        self.addCleanup(stock.end)
        stock.start()
        for number in range(1, 6):
            shop.put_sku(stock, "apple", 1, number)
        stock.await_published(5)
        self.make_anew()
        self.consumer.start()
        source = stock.outbox()["source"]
        self.await_lines((source, 1, 5))
        self.assertIn("sending events 1 to 5 again", stock.log())

    def delete_records_below(self, offset):
        asked = self.consumer.directory / "below.json"
        asked.write_text('{"version":1,"partitions":[{"topic":"%s","partition":0,"offset":%d}]}'
                         % (self.topic, offset))
        self.tool("kafka-delete-records", "--offset-json-file", str(asked))

    def assert_goes_on(self, below, first):
        """Ten records are journaled and ten more wait; those below an offset are removed."""
        self.start_with(("cart/a", 1, 10))
        self.consumer.stop()
        self.put("cart/a", 11, 20)
        self.delete_records_below(below)
        self.consumer.start()
        self.await_lines(("cart/a", 1, 10), ("cart/a", first, 20))
        self.assertEqual(self.metric("topic_replaced_total"), 0)
        self.assertEqual(self.metric("missing_numbers"), first - 11)

    def test_removed_before_the_last_line(self):
        self.assert_goes_on(5, 11)
        self.assertEqual(self.metric("holes_total"), 0)

    def test_removed_up_to_the_position(self):
        self.assert_goes_on(10, 11)
        self.assertNotIn("records are gone", self.consumer.log())

    def test_removed_beyond_the_position(self):
        self.assert_goes_on(15, 16)
        self.assertIn("records are gone from Kafka that were not read partition=0 from=10 to=14",
                      self.consumer.log())

    def test_all_removed(self):
        self.start_with(("cart/a", 1, 10))
        self.consumer.stop()
        self.delete_records_below(10)
        self.consumer.start()
        self.put("cart/a", 11, 12)
        self.await_lines(("cart/a", 1, 12))
        self.assertEqual(self.metric("topic_replaced_total"), 0)

    def test_a_group_that_was_reset_ahead_is_told_and_decides_nothing(self):
        self.start_with(("cart/a", 1, 10))
        self.consumer.stop()
        self.put("cart/a", 11, 20)
        self.tool("kafka-consumer-groups", "--group", self.topic, "--topic", self.topic,
                  "--reset-offsets", "--to-latest", "--execute")
        self.consumer.start()
        self.await_lines(("cart/a", 1, 20))
        story.await_fact("the alarm", lambda: "the group is ahead of this journal" in
                         self.consumer.log())
        story.await_fact("it is shown", lambda: self.metric("group_ahead") == 1)
        self.consumer.stop()
        told = len(self.consumer.log())
        self.consumer.start()
        story.await_fact("the group is heard", lambda:
                         "the group was heard" in self.consumer.log()[told:])
        self.assertEqual(self.metric("group_ahead"), 0)


if __name__ == "__main__":
    story.main()
