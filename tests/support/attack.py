"""What the stories of attacks share: one cluster, a proxy in front of it, a plain producer, and a
stock-service of which one topic is the whole world."""
import collections
import http.client
import re
import subprocess
import unittest

import brokers
import kafka_proxy
import shop
import story


def open_cluster():
    """One for all classes of a file: called by its setUpModule."""
    global cluster
    cluster = brokers.Cluster()
    unittest.addModuleCleanup(cluster.end)


def make_topic(name):
    cluster.topic(name)


def records(topic, partition, form):
    """All of them, a line each as kcat's @form says."""
    run = subprocess.run(["kcat", "-C", "-b", cluster.brokers, "-t", topic, "-p", str(partition),
                          "-o", "beginning", "-e", "-q", "-f", form + "\\n",
                          "-X", "isolation.level=read_uncommitted"],
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
    def __init__(self, kafka, topic, *properties, partition=0, source=None, value="-", time_ms=None,
                 stays_open=False):
        """`stays_open`: what it writes is in a transaction that nobody ends."""
        words = ["-o"] if stays_open else []
        words += ["-s", source] if source else []
        words += ["-t", str(time_ms)] if time_ms else []
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


def runs(topic, stock):
    """Those of one service in the log."""
    return runs_of(numbers(topic)[stock.outbox()["source"]])


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
