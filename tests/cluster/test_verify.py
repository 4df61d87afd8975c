"""`metrics-consumer verify` on ZooKeeper and two brokers: clean on a running system, and each
column says it when its promise is broken on purpose, in a copy of the journal or in the topic."""
import json
import re
import shutil
import subprocess

import brokers
import journal
import shop
import story

RATE = 100
FLOWING = 300
COLUMNS = ("missing", "repeated", "out of order", "on a wrong partition", "altered",
           "removed unread")


class Verify(story.Story):
    @classmethod
    def setUpClass(cls):
        cls.cluster = brokers.Cluster()
        cls.addClassCleanup(cls.cluster.end)
        cls.shop = shop.Shop(cls.cluster.brokers)
        cls.addClassCleanup(cls.shop.end)
        for process in cls.shop.processes:
            process.start(SIMULATE_PER_SECOND=RATE)
        for service in cls.shop.services:
            story.await_fact(lambda: f"{service.name} flows: {service.outbox()}",
                             lambda: service.outbox()["last"] >= FLOWING, 60)
        cls.live = [cls.shop.verify() for _ in range(2)] + [cls.shop.verify(by_setting=True)]
        cls.shop.await_journaled()
        assert cls.shop.stop() == [0, 0, 0]
        # The services' last events came after the consumer's stop, perhaps.
        cls.shop.consumer.start()
        cls.shop.consumer.await_ready()
        cls.stores = [word for name in ("cart", "stock")
                      for word in ("--store", str(cls.shop.directory / name / f"{name}.db"))]

    def setUp(self):
        self.directory = story.directory("hw9-verify-")
        self.journal = self.directory / "metrics.log"
        story.await_fact(lambda: f"all is journaled: {self.verify(self.shop.journal_path)[1]}",
                         lambda: self.verify(self.shop.journal_path)[2]["missing"] == 0)
        self.lines = self.shop.journal_path.read_bytes().splitlines(keepends=True)

    def verify(self, path=None, *words, servers=None):
        """(exit status, what it says, the totals by name)."""
        settings = {"KAFKA_BROKERS": servers or self.cluster.brokers}
        run = shop.run_once("metrics-consumer", "verify", "--journal-path",
                            str(path or self.journal), *self.stores, *words, seconds=60,
                            **settings)
        said = run.stdout + run.stderr
        totals = {name: int(number) for number, name in
                  re.findall(rf"(\d+) ({'|'.join(COLUMNS)})", said.splitlines()[-1])}
        return run.returncode, said, totals

    def assert_found(self, *words, **wanted):
        """These totals and no others, and exit status 1 if there are any."""
        status, said, totals = self.verify(None, *words)
        wanted = {name.replace("_", " "): number for name, number in wanted.items()}
        self.assertEqual(totals, {name: wanted.get(name, 0) for name in COLUMNS}, said)
        self.assertEqual(status, 1 if wanted else 0, said)
        self.assertLess(max(map(len, said.splitlines())), 131, said)
        return said

    def write(self, lines):
        self.journal.write_bytes(b"".join(lines))

    def of_source(self, service, count):
        """Where lines of that service stand in the journal, from the middle on."""
        found = [at for at, line in enumerate(self.lines) if b" source=%s/" % service in line]
        return found[len(found) // 2:][:count]

    def test_a_running_system_is_clean_each_time(self):
        for status, said in self.live:
            self.assertEqual(status, 0, said)
            for service in ("cart", "stock"):
                row = re.search(rf"^{service}/\S+ +(\d+) +(\d+) +(\d+) +0 +0 +0 +0 +0 +0$", said,
                                re.MULTILINE)
                self.assertTrue(row, said)
                acknowledged, in_topic, journaled = map(int, row.groups())
                self.assertGreaterEqual(acknowledged, FLOWING)
                self.assertGreaterEqual(in_topic, acknowledged)
                self.assertGreaterEqual(journaled, acknowledged)

    def test_a_copy_is_clean(self):
        self.write(self.lines)
        said = self.assert_found()
        self.assertRegex(said, r"(?m)^topic metrics: \d+ records, \d+ of them copies")

    def test_a_line_with_other_bytes_is_altered(self):
        at, = self.of_source(b"cart", 1)
        self.lines[at] = re.sub(rb'"cartId":"', b'"cartId":"x', self.lines[at])
        self.write(self.lines)
        said = self.assert_found(altered=1)
        name = re.search(rb"source=(\S+) id=(\d+)", self.lines[at])
        self.assertIn(f"altered: source {name[1].decode()} id {name[2].decode()}\n", said)
        # which only the topic can tell
        self.assertEqual(self.verify(None, "--no-topic")[0], 0)

    def test_a_line_that_was_deleted_is_missing(self):
        for at in reversed(self.of_source(b"stock", 2)):
            del self.lines[at]
        self.write(self.lines)
        self.assertIn("missing: source stock/", self.assert_found(missing=2))

    def test_a_line_at_the_end_that_was_deleted_is_missing(self):
        del self.lines[-1]
        self.write(self.lines)
        self.assert_found(missing=1)

    def test_a_line_that_stands_there_twice_is_repeated(self):
        at, = self.of_source(b"cart", 1)
        self.write(self.lines + [self.lines[at]])
        self.assertIn("repeated: source cart/", self.assert_found(repeated=1))

    def test_two_lines_that_were_swapped_are_out_of_order(self):
        one, other = self.of_source(b"stock", 2)
        self.lines[one], self.lines[other] = self.lines[other], self.lines[one]
        self.write(self.lines)
        self.assertIn("out of order: source stock/", self.assert_found(out_of_order=1))

    def test_a_line_from_another_partition_is_on_a_wrong_one(self):
        at, = self.of_source(b"cart", 1)
        self.lines[at] = self.lines[at].replace(b" partition=0 ", b" partition=1 ")
        self.write(self.lines)
        self.assert_found(on_a_wrong_partition=1)

    def test_rotated_compressed_and_moved_files_are_read(self):
        quarter = len(self.lines) // 4
        parts = [self.lines[:quarter], self.lines[quarter:2 * quarter],
                 self.lines[2 * quarter:3 * quarter], self.lines[3 * quarter:]]
        names = ("metrics.log.000001", "metrics.log.2025-07-08", "metrics.log.000002",
                 "metrics.log")
        for name, part in zip(names, parts):
            (self.directory / name).write_bytes(b"".join(part))
        if shutil.which("zstd"):
            subprocess.run(["zstd", "-q", "--rm", self.directory / names[0]], check=True)
        self.assertIn(" lines in 4 files;", self.assert_found())
        (self.directory / names[2]).unlink()
        self.assert_found(missing=quarter)

    def test_without_the_topic_its_columns_are_empty(self):
        self.write(self.lines)
        said = self.assert_found("--no-topic")
        self.assertRegex(said, r"(?m)^cart/\S+ +\d+ +- +\d+ +0 +0 +0 +0 +0 +-$")

    def test_services_are_asked_where_no_option_says_who_is(self):
        self.write(self.lines)
        words = "verify", "--journal-path", str(self.journal), "--no-topic"
        run = shop.run_once("metrics-consumer", *words, SERVICES="http://127.0.0.1:1")
        self.assertEqual((run.returncode, run.stdout), (1, ""), run.stderr)
        self.assertRegex(run.stderr, r"verify: ask http://127\.0\.0\.1:1/outbox: .*connect")
        run = shop.run_once("metrics-consumer", *words, *self.stores,
                            SERVICES="http://127.0.0.1:1")
        self.assertEqual(run.returncode, 0, run)

    def test_without_a_broker_it_says_how_to_go_on(self):
        self.write(self.lines)
        status, said, _ = self.verify(None, servers="127.0.0.1:1")
        self.assertEqual(status, 1, said)
        self.assertRegex(said, r"topic metrics: no broker answers: .*--no-topic")

    def test_you_see_what_was_done_to_the_topic(self):
        """The last one in the alphabet: it changes the topic."""
        self.write(self.lines)
        first = next(line for line in journal.read(self.journal) if line.partition == 0)
        with self.subTest("a record of a known number with other bytes"):
            self.produce(first, first.value.replace(b'"sku":"', b'"sku":"x'))
            said = self.assert_found(altered=1)
            self.assertIn(f"altered: source {first.source} id {first.id}\n", said)
        with self.subTest("removed by retention before it was read"):
            mine = [line for line in journal.read(self.journal) if line.partition == 0]
            self.delete_records(0, mine[40].offset)
            self.write(line for line in self.lines if not any(
                b" source=%s id=%d " % (lost.source.encode(), lost.id) in line
                for lost in mine[30:40]))
            said = self.assert_found(altered=1, removed_unread=10)
            self.assertIn(f"removed unread: source {first.source} id ", said)

    def produce(self, line, value):
        record = self.directory / "record"
        record.write_bytes(value)
        subprocess.run(["kcat", "-P", "-b", self.cluster.brokers, "-t", "metrics", "-p",
                        str(line.partition), "-X", "acks=all", "-H", f"ce_source={line.source}",
                        "-H", f"ce_id={line.id}", str(record)], check=True, timeout=60,
                       env=shop.environment({}), capture_output=True)

    def delete_records(self, partition, offset):
        what = self.directory / "delete.json"
        what.write_text(json.dumps({"version": 1, "partitions": [
            {"topic": "metrics", "partition": partition, "offset": offset}]}))
        subprocess.run([story.SOURCE / "kafka" / "tool", "kafka-delete-records.sh",
                        "--bootstrap-server", self.cluster.brokers, "--offset-json-file", what],
                       check=True, timeout=100, capture_output=True)


if __name__ == "__main__":
    story.main()
