"""`doctor` on two real brokers: all is well, a broker stopped, clocks that are set wrong, topics that
are wrong, and that what it says mends them."""
import pathlib
import re
import shutil
import subprocess

import brokers
import shop
import story

CHECKS = ["process", "directory", "disk", "store", "brokers", "listeners", "topic", "its settings",
          "copies", "clocks"]
HOUR_MS = 3600_000
MEND_CLOCKS = "on each of the machines: timedatectl, or chronyc tracking"


class Doctor(story.Story):
    @classmethod
    def setUpClass(cls):
        cls.cluster = brokers.Cluster()
        cls.addClassCleanup(cls.cluster.end)

    def see(self, process, **settings):
        """(exit status, {check: (verdict, what it says, how to mend it)}) with its settings."""
        given = process.settings | {"HTTP_PORT": process.port} | settings
        run = shop.run_once(process.binary, "doctor", seconds=30, **given)
        self.assertEqual(run.stderr, "")
        found = {check: (verdict, said, mend) for verdict, check, said, mend in re.findall(
            r"(?m)^(ok|warn|bad) +(its settings|\S+) +(.*)\n(?: {17}mend: (.*)\n)?", run.stdout)}
        return run.returncode, found

    def started(self, binary="stock-service", **settings):
        directory = story.directory("hw9-doctor-")
        self.addCleanup(shutil.rmtree, directory)
        process = shop.Process(binary, directory / binary,
                               {"KAFKA_BROKERS": self.cluster.brokers} | settings)
        self.addCleanup(process.end)
        return process.start()

    def tool(self, command):
        """One of Kafka's programs, as the doctor writes it, run in this folder."""
        run = subprocess.run(["bash", "-c", f"kafka/tool {command}"], cwd=story.SOURCE, text=True,
                             capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(run.returncode, 0, run)

    def make(self, topic, partitions, copies=2, more=""):
        self.tool(f"kafka-topics --bootstrap-server {self.cluster.brokers} --create --topic {topic}"
                  f" --partitions {partitions} --replication-factor {copies} {more}")

    def test_where_all_is_well_every_check_says_ok(self):
        stock = self.started(SIMULATE_PER_SECOND=50)
        stock.await_ready()
        stock.await_published(20)
        status, found = self.see(stock)
        self.assertEqual(status, 0, found)
        self.assertEqual(list(found), CHECKS)
        self.assertEqual({each[0] for each in found.values()}, {"ok"}, found)
        self.assertIn(f"process {stock.popen.pid} has it", found["store"][1])
        self.assertIn("metrics has 2 partitions", found["topic"][1])
        self.assertIn("kept for 7.0 days", found["its settings"][1])
        self.assertIn("broker 2 leads partition 1", found["copies"][1])
        self.assertRegex(found["clocks"][1], r"by the last \d+ records")
        consumer = self.started("metrics-consumer")
        consumer.await_ready()
        status, found = self.see(consumer)
        self.assertEqual((status, {each[0] for each in found.values()}), (0, {"ok"}), found)
        self.assertTrue(stock.ready()[0] and consumer.ready()[0])

    def clock(self, seconds):
        """What sets the clock of a process wrong."""
        cache = (story.BUILD / "CMakeCache.txt").read_text()
        if re.search(r"(?m)^HW9_SANITIZER:STRING=.", cache):
            self.skipTest("a sanitizer and libfaketime both have to be loaded first")
        found = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not found:
            self.skipTest("libfaketime is not installed: run/setup --tests")
        return {"LD_PRELOAD": f"{story.BUILD}/tests/libcnd_timedwait.so:{found[0]}",
                "FAKETIME": f"{seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": 1}

    def sell(self, stock, cart):
        """More events of each than the doctor reads."""
        for number in range(25):
            shop.put_sku(stock, f"sku-{number}", 1, 100)
        story.await_fact("cart knows them",
                         lambda: shop.add_item(cart, "c", "sku-24", 1).status == 201)
        for number in range(24):
            shop.add_item(cart, "c", f"sku-{number}", 1)
        for process in (stock, cart):
            process.await_published()

    def test_a_clock_that_is_set_wrong_is_told_and_whose_it_is(self):
        """By an hour, that of one service of two; and that of where the doctor is."""
        for topic, seconds, says in (
                ("ahead", 3600, r"partition 1: a record has a time (\d+) ms before its event: the "
                                r"brokers are behind who wrote it, (\S+)$"),
                ("behind", -3600, r"partition 1: the last 20 records came (\d+) ms or more after "
                                  r"their events: they waited, or the brokers are ahead of who "
                                  r"wrote them, (\S+)$")):
            with self.subTest(topic):
                clock = self.clock(seconds)
                self.make(topic, 2, more="--config message.timestamp.type=LogAppendTime")
                stock = self.started(TOPIC=topic, **clock)
                cart = self.started("cart-service", TOPIC=topic)
                self.sell(stock, cart)
                status, found = self.see(cart)
                self.assertEqual((status, found["clocks"][0], found["clocks"][2]),
                                 (0, "warn", MEND_CLOCKS), found)
                self.assertRegex(found["clocks"][1], "^" + says)
                self.assert_hour_off(says, found["clocks"][1])
                self.assertIn(stock.outbox()["source"], found["clocks"][1])
                # Where that service is, and that clock. Nothing tells that it is ahead but its records.
                said = self.see(stock)[1]["clocks"][1]
                self.assertRegex(said, says)
                here = r"^the brokers are (\d+) ms ahead of this machine: "
                self.assertEqual(re.search(here, said) is not None, seconds < 0, said)
                if seconds < 0:
                    self.assert_hour_off(here, said)

    def assert_hour_off(self, says, said):
        off = int(re.search(says, said)[1])
        self.assertTrue(HOUR_MS - 60_000 < off < HOUR_MS + 60_000, said)

    def test_a_stopped_broker_is_named(self):
        stock = self.started()
        stock.await_ready()
        self.cluster("stop", "1")
        try:
            story.await_fact("the other broker leads", lambda: stock.ready()[0])
            status, found = self.see(stock)
        finally:
            self.cluster("start", "1")
        self.assertEqual(status, 0, found)  # it goes on
        self.assertEqual(found["brokers"][0], "warn")
        self.assertEqual(found["copies"][0], "warn")
        self.assertIn("broker 1 is not in sync with partition 0", found["copies"][1])
        self.assertIn("kafka/cluster start N", found["copies"][2])
        status, found = self.see(stock)
        self.assertEqual((status, found["copies"][0], found["brokers"][0]), (0, "ok", "ok"), found)

    def test_a_topic_that_is_not_there_can_be_made_by_what_it_says(self):
        stock = self.started(TOPIC="none")
        status, found = self.see(stock)
        self.assertEqual((status, found["topic"][0]), (1, "bad"), found)
        run = subprocess.run(found["topic"][2].split(), cwd=story.SOURCE, timeout=60,
                             capture_output=True)
        self.assertEqual(run.returncode, 0, run)
        stock.await_ready()
        self.assertEqual(self.see(stock)[0], 0)

    def test_one_partition_is_bad_and_can_be_mended_by_what_it_says(self):
        self.make("one", 1, more="--config message.timestamp.type=LogAppendTime")
        stock = self.started(TOPIC="one")
        status, found = self.see(stock)
        self.assertEqual((status, found["topic"][0]), (1, "bad"), found)
        self.assertIn("one has 1 partition and must have 2", found["topic"][1])
        self.tool(found["topic"][2])
        self.assertEqual(self.see(stock)[1]["topic"][0], "ok")

    def test_wrong_settings_are_all_named_and_mended_by_one_command(self):
        self.make("wrong", 2, 1, "--config min.insync.replicas=2 --config cleanup.policy=compact "
                                 "--config max.message.bytes=1000")
        stock = self.started(TOPIC="wrong")
        status, found = self.see(stock)
        self.assertEqual(status, 1, found)
        verdict, said, mend = found["its settings"]
        self.assertEqual(verdict, "bad")
        for flaw in ("cleanup.policy is compact, not delete",
                     "message.timestamp.type is CreateTime, not LogAppendTime",
                     "min.insync.replicas is 2, not 1", "max.message.bytes is 1000, less than"):
            self.assertIn(flaw, said)
        self.assertEqual(found["topic"][0], "warn")  # one copy
        self.tool(mend)
        self.assertEqual(self.see(stock)[1]["its settings"][0], "ok")


if __name__ == "__main__":
    story.main()
