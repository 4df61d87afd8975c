"""A topic that is not as it must be: kafka/topic refuses it with the command that repairs it,
cart and stock write nothing to it and say why, and go on once it is repaired."""
import os
import re
import subprocess

import brokers
import journal
import shop
import story


class Topic(story.Story):
    @classmethod
    def setUpClass(cls):
        cls.cluster = brokers.Cluster()
        cls.addClassCleanup(cls.cluster.end)

    def shell(self, command):
        """As a person types it, in the folder that the commands are printed for."""
        return subprocess.run(["bash", "-c", command], cwd=story.SOURCE, text=True,
                              capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
                              env=shop.environment({}) | {"TERM": os.environ.get("TERM", "dumb")})

    def make(self, topic, partitions, more=""):
        run = self.shell(f"kafka/tool kafka-topics --bootstrap-server {self.cluster.brokers} "
                         f"--create --topic {topic} --partitions {partitions} "
                         f"--replication-factor 2 {more}")
        self.assertEqual(run.returncode, 0, run)

    def check(self, topic):
        """(exit status, what it says)"""
        run = self.shell(f"kafka/topic --brokers {self.cluster.brokers} --topic {topic} --wait 10")
        return run.returncode, run.stdout + run.stderr

    def ends(self, topic, partitions):
        """The offset behind the last record of each partition."""
        words = [word for partition in range(partitions)
                 for word in ("-t", f"{topic}:{partition}:-1")]
        run = subprocess.run(["kcat", "-Q", "-b", self.cluster.brokers, *words], text=True,
                             capture_output=True, timeout=30, check=True)
        return [int(end) for end in re.findall(r"offset (\d+)", run.stdout)]

    def open_shop(self, topic):
        self.shop = shop.Shop(self.cluster.brokers, TOPIC=topic)
        self.addCleanup(self.shop.end)
        self.shop.start()
        for number in range(20):
            self.assertEqual(shop.put_sku(self.shop.stock, f"sku-{number}", 1, 9).status, 201)
            self.assertEqual(shop.add_item(self.shop.cart, "c", f"sku-{number}", 1).status, 201)

    def assert_refused_and_not_written(self, topic, partitions):
        for process in self.shop.processes:
            story.await_fact(lambda: f"{process.name} says what is wrong: {process.ready()}",
                             lambda: not process.ready()[0] and
                             f"{topic} has {partitions} partition" in process.ready()[1]["kafka"])
            self.assertEqual(process.ask("GET", "/livez").status, 200)
        self.assertEqual(self.ends(topic, partitions), [0] * partitions)
        self.assertEqual(journal.read(self.shop.journal_path), [])

    def test_one_partition_is_refused_not_written_to_and_repaired(self):
        topic = "one"
        self.make(topic, 1)
        self.open_shop(topic)
        self.assert_refused_and_not_written(topic, 1)
        status, said = self.check(topic)
        self.assertEqual(status, 1, said)
        self.assertRegex(said, rf"topic {topic}: has 1 partition, not 2; repair: .*--alter "
                               rf"--topic {topic} --partitions 2\n")
        self.repair(topic)
        for process in self.shop.processes:
            process.await_ready(60)
        self.assertEqual(self.shop.judge(), [])
        status, said = self.shop.verify()
        self.assertEqual(status, 0, said)

    def repair(self, topic):
        """Types in what it says until it is content."""
        def content():
            status, said = self.check(topic)
            for command in re.findall(r"; repair: (.*)", said):
                self.shell(command)
            return status == 0
        story.await_fact(lambda: f"the topic is repaired: {self.check(topic)}", content, 60)

    def test_three_partitions_are_refused_and_not_written_to(self):
        topic = "three"
        self.make(topic, 3)
        self.open_shop(topic)
        self.assert_refused_and_not_written(topic, 3)
        status, said = self.check(topic)
        self.assertEqual(status, 1, said)
        self.assertRegex(said, rf"topic {topic}: has 3 partitions, not 2; repair: .*--delete "
                               rf"--topic {topic} .*deletes its records")

    def test_a_topic_that_is_not_there_is_not_made_by_asking(self):
        topic = "none"
        self.open_shop(topic)
        for process in self.shop.processes:
            story.await_fact(lambda: f"{process.name} says what is wrong: {process.ready()}",
                             lambda: not process.ready()[0] and
                             f"topic {topic} is not there" in process.ready()[1]["kafka"])
        status, said = self.check(topic)  # which makes it
        self.assertEqual(status, 0, said)
        self.assertIn("made", said)
        for process in self.shop.processes:
            process.await_ready()
        self.assertEqual(self.shop.judge(), [])
        self.assertTrue(all(end >= 20 for end in self.ends(topic, 2)), self.ends(topic, 2))

    def test_a_limit_that_fits_rows_but_no_large_batch_only_slows_down(self):
        topic = "narrow"
        self.open_shop(topic)
        for number in range(1000):
            self.assertIn(shop.put_sku(self.shop.stock, f"sku-{number}", 1, 9).status, (200, 201))
        self.make(topic, 2, "--config max.message.bytes=6000")
        self.shop.stock.await_published(1020, 60)
        self.assertIn("too large", self.shop.stock.log())
        self.assertEqual(self.shop.judge(), [])


if __name__ == "__main__":
    story.main()
