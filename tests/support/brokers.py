"""Kafka for a story: librdkafka's mock cluster, or ZooKeeper and two real brokers."""
import os
import shutil
import subprocess
import unittest

import story

COMMAND_SECONDS = 100


class MockCluster:
    """Two brokers inside tests/support/mock_cluster.c."""

    def __init__(self, partitions=2):
        self.name = "mock cluster"
        self.popen = subprocess.Popen([story.BUILD / "tests" / "mock_cluster", str(partitions)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        story.keep(self)
        self.brokers = self.popen.stdout.readline().strip()
        assert self.brokers, "the mock cluster did not start"

    def _tell(self, line):
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()
        answer = self.popen.stdout.readline().split()
        assert answer[:1] == ["done"], f"{line}: {answer}"
        return answer[1:]

    def down(self):
        for broker in (1, 2):
            self._tell(f"down {broker}")

    def up(self):
        for broker in (1, 2):
            self._tell(f"up {broker}")

    def lead(self, partition, broker):
        self._tell(f"leader {partition} {broker}")

    def ends(self):
        """The offset behind the last record of each partition."""
        return [int(end) for end in self._tell("ends")]

    def topic(self, name):
        self._tell(f"topic {name}")

    def put(self, topic, partition, value, source=None, number=None, key=None, time_ms=0):
        """A record of bytes, as a batch of its own; without a source it has no headers."""
        words = [topic, str(partition), source or "-", str(number or "-"),
                 *("-" if each is None else "x" + each.hex() for each in (key, value)),
                 str(time_ms)]
        self._tell(f"put {' '.join(words)}")

    def read(self, topic, partition):
        """All records: (offset, source, id, value), None where there is no source."""
        count, = self._tell(f"read {topic} {partition}")
        records = []
        for _ in range(int(count)):
            offset, source, number, *value = self.popen.stdout.readline().split()
            records.append((int(offset), None if source == "-" else source,
                            None if number == "-" else int(number),
                            bytes.fromhex("".join(value))))
        return records

    def tail(self, lines):
        return "(it keeps no log)"

    def end(self):
        if self.popen.poll() is None:
            self.popen.stdin.close()
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self.popen.stdout.close()


class Cluster:
    """kafka/cluster on free ports, in a directory of its own."""

    def __init__(self, directory=None):
        """A `directory` that is given stays when it ends."""
        for needed in ("java", "kcat"):
            if not shutil.which(needed):
                raise unittest.SkipTest(f"{needed} is not installed")
        if not (story.SOURCE / "kafka" / "target" / "lib").is_dir():
            raise unittest.SkipTest("Kafka's jars are missing: run kafka/jars")
        self.name = "kafka/cluster"
        self.given = directory is not None
        self.directory = directory or story.directory("hw9-cluster-")
        story.keep(self)
        self.up()
        known = dict(line.split("=", 1) for line in self("env").splitlines())
        self.brokers = known["KAFKA_BROKERS"]

    def up(self):
        self("up", "--ports", "free")

    def __call__(self, *words, as_who=()):
        """kafka/cluster WORDS; returns what it says. `as_who` is what stands before the command."""
        return self._run(as_who, "cluster", *words, "--dir", self.directory)

    def topic(self, name):
        """Makes it, or sees that it is as it must be."""
        self._run((), "topic", "--brokers", self.brokers, "--topic", name)

    def _run(self, as_who, command, *words):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(("CLUSTER_", "KAFKA_", "BROKER_", "TOPIC"))}
        run = subprocess.run([*as_who, story.SOURCE / "kafka" / command, *words], env=environment,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=COMMAND_SECONDS)
        said = f"kafka/{command} {' '.join(map(str, words))}: {run.stdout}{run.stderr}"
        assert run.returncode == 0, said
        return run.stdout

    def tail(self, lines):
        told = [f"{log.parent.name}: {line}" for log in sorted(self.directory.glob("*/log"))
                for line in log.read_text(errors="replace").splitlines()[-lines // 4:]]
        return "\n".join(told)

    def end(self):
        if self.directory.exists():
            self("down")
            if not self.given:
                shutil.rmtree(self.directory, ignore_errors=True)
