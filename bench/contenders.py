"""Who is measured: how each is made ready, started, and asked for its version.

All get the brokers, the topic and a fresh directory, and write on the same disk. What cannot be had
on this machine says why."""
import dataclasses
import pathlib
import subprocess
import uuid

import content
import report
import shop
import story

PEERS = report.HERE / "peers"
MADE = report.ROOT / "build" / "bench" / "peers"  # what peers need and Debian does not have
KAFKA = report.ROOT / "kafka"
LONG_QUEUES = ("queued.min.messages=10000000", "queued.max.messages.kbytes=2000000")
PREPARE_SECONDS = 900
# What Kafka's own scripts give every JVM.
JAVA = ("java", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
        "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
        "-Djava.awt.headless=true", f"-Dlog4j.configuration=file:{KAFKA / 'log4j-tool.properties'}")


@dataclasses.dataclass
class Place:
    """Where a contender runs: brokers, topic and how many events it holds, an empty directory."""
    brokers: str
    topic: str
    events: int
    directory: pathlib.Path

    @property
    def file(self):
        return self.directory / "out"

    def write(self, name, text):
        (self.directory / name).write_text(text)
        return str(self.directory / name)


class Contender:
    """`words(place)` starts it. It `writes` lines as content.py names them, to standard output,
    which is place.file, unless it opens that file itself."""
    writes = "line"
    opens_file = False

    def __init__(self, name, about):
        self.name = name
        self.about = about

    def absent(self):
        """Makes it ready; why it cannot be had, or None."""
        return None

    def version(self):
        """(name, version) of what it is made of."""
        raise NotImplementedError

    def words(self, place):
        raise NotImplementedError

    def settings(self, place):
        """Its environment, beside PATH and the like."""
        return {}

    def path(self, place):
        return place.file

    def flaw(self, place, expected):
        """What is wrong with what it wrote, or None."""
        return content.flaw(self.writes, self.path(place), expected)


class Count(Contender):
    writes = "count"

    def __init__(self, name, about, options=()):
        super().__init__(name, about)
        self.options = options

    def absent(self):
        return None if _binary("count").exists() else "it is not built: run/setup release"

    def words(self, place):
        # With the library's own 100000 its queue fills now and then, and it pauses for a second.
        return [_binary("count"), *self.options, place.brokers, place.topic,
                "queued.min.messages=1000000"]

    def version(self):
        return "librdkafka", report.package_version("librdkafka1")


class MetricsConsumer(Contender):
    """With the defaults of the program; PRINT as said."""
    writes = "journal"
    opens_file = True

    def __init__(self, name, about, prints):
        super().__init__(name, about)
        self.prints = prints

    def words(self, place):
        return [shop.program("metrics-consumer")]

    def settings(self, place):
        # The port and the group are those of a second one on the same machine.
        return {"KAFKA_BROKERS": place.brokers, "TOPIC": place.topic, "HTTP_PORT": 0,
                "STATE_DIRECTORY": place.directory, "PRINT": self.prints,
                "GROUP_ID": f"bench-{uuid.uuid4().hex[:8]}"}

    def path(self, place):
        return place.directory / "metrics.log"

    def version(self):
        return "metrics-consumer", report.said([shop.program("metrics-consumer"), "--version"],
                                               r"metrics-consumer (.*)")

    def flaw(self, place, expected):
        """By the program's own proof, and by the second opinion."""
        seconds = 60 + expected.lines // 100000
        run = subprocess.run(
            [shop.program("metrics-consumer"), "verify"], capture_output=True, text=True,
            env=shop.environment(self.settings(place)), timeout=seconds, stdin=subprocess.DEVNULL)
        if run.returncode != 0:
            told = (run.stdout + run.stderr).strip().splitlines()
            return f"verify: exit status {run.returncode}: {told[-1] if told else ''}"
        return super().flaw(place, expected)


class Kcat(Contender):
    """Its last lines are in a buffer until it ends, so it is told how many there are: at the end of a
    partition (-e) it would wait for another fetch before."""

    def __init__(self, name, about, settings=()):
        super().__init__(name, about)
        self.given = [word for setting in settings for word in ("-X", setting)]

    def absent(self):
        return None if report.package_version("kcat") else "Debian's kcat is not installed"

    def words(self, place):
        return ["kcat", "-C", "-q", "-c", str(place.events), "-b", place.brokers, "-t", place.topic, "-o",
                "beginning", "-f", r"%p %o %s\n", *self.given]

    def version(self):
        return "kcat", report.package_version("kcat")


class Franz(Contender):
    def absent(self):
        MADE.mkdir(parents=True, exist_ok=True)
        return _made(["go", "build", "-o", MADE / "franz", "."], PEERS / "franz")

    def words(self, place):
        return [MADE / "franz", place.brokers, place.topic]

    def version(self):
        found = report.found(r"github.com/twmb/franz-go (v\S+)", PEERS / "franz" / "go.mod")
        return "franz-go", f"{found} with {report.said(['go', 'version'], r'(go[0-9.]+)')}"


class Python(Contender):
    def __init__(self, name, about, settings=()):
        super().__init__(name, about)
        self.given = settings

    def absent(self):
        wanted = PEERS / "requirements.txt"
        mark = MADE / "python" / wanted.read_text().strip()
        if mark.exists():
            return None
        why = (_made(["/usr/bin/python3", "-m", "venv", "--clear", MADE / "python"])
               or _made([MADE / "python" / "bin" / "pip", "install", "-q", "-r", wanted]))
        if not why:
            mark.touch()
        return why

    def words(self, place):
        return [MADE / "python" / "bin" / "python", PEERS / "confluent.py", place.brokers,
                place.topic, *self.given]

    def version(self):
        return "confluent-kafka-python", report.said(
            [MADE / "python" / "bin" / "python", "-c", "import confluent_kafka as c;"
             "print(c.version()[0], 'with librdkafka', c.libversion()[0])"])


class Rsyslog(Contender):
    """A private instance, as who started it, with its own files."""
    writes = "value"
    opens_file = True

    def absent(self):
        return None if report.package_version("rsyslog-kafka") else \
            "Debian's rsyslog-kafka is not installed"

    def words(self, place):
        brokers = ", ".join(f'"{each}"' for each in place.brokers.split(","))
        conf = place.write("conf", f"""global(workDirectory="{place.directory}")
module(load="imkafka")
template(name="value" type="string" string="%msg%\\n")
ruleset(name="bench") {{ action(type="omfile" file="{place.file}" template="value") }}
input(type="imkafka" topic="{place.topic}" broker=[{brokers}] ruleset="bench"
      consumergroup="bench-{uuid.uuid4().hex[:8]}" confParam=["auto.offset.reset=earliest"])
""")
        return ["/usr/sbin/rsyslogd", "-n", "-f", conf, "-i", place.directory / "pid"]

    def version(self):
        return "rsyslog", report.package_version("rsyslog-kafka")


class ConsoleConsumer(Contender):
    writes = "console"

    def words(self, place):
        return [*JAVA, "-Xmx512M", "-cp", f"{KAFKA / 'target' / 'lib'}/*",
                "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server",
                place.brokers, "--topic", place.topic, "--from-beginning", "--property",
                "print.partition=true", "--property", "print.offset=true"]

    def version(self):
        kafka = report.found(r"<kafka.version>(.+)<", KAFKA / "pom.xml")
        java = report.said(["java", "-version"], 'version "([^"]*)"')
        return "Kafka", f"{kafka} with Java {java}"


class Connect(Contender):
    """Standalone, with the file sink."""
    writes = "value"
    opens_file = True

    def absent(self):
        mark, pom = MADE / "connect" / ".complete", PEERS / "connect" / "pom.xml"
        if mark.exists() and mark.stat().st_mtime > pom.stat().st_mtime:
            return None
        why = _made(["mvn", "-q", "-B", "-Dstyle.color=never", f"-Dlib={MADE / 'connect'}", "-f", pom,
                     "package"])
        if not why:
            mark.touch()
        return why

    def words(self, place):
        converter = "org.apache.kafka.connect.storage.StringConverter"
        worker = place.write("worker.properties", f"""bootstrap.servers={place.brokers}
key.converter={converter}
value.converter={converter}
offset.storage.file.filename={place.directory / 'offsets'}
listeners=http://127.0.0.1:{shop.free_port()}
plugin.discovery=only_scan
""")
        sink = place.write("sink.properties", f"""name=bench-{uuid.uuid4().hex[:8]}
connector.class=FileStreamSink
tasks.max=1
file={place.file}
topics={place.topic}
""")
        return [*JAVA, "-Xms256M", "-Xmx2G", "-cp", f"{MADE / 'connect'}/*",
                "org.apache.kafka.connect.cli.ConnectStandalone", worker, sink]

    def version(self):
        return "Kafka Connect", report.found(r"<kafka.version>(.+)<", PEERS / "connect" / "pom.xml")


ALL = (
    Count("count", "the limit: librdkafka, counts only, with a queue that never fills"),
    Count("count-headers", "the same, and takes the headers of each record apart", ("--headers",)),
    MetricsConsumer("metrics-consumer", "defaults but PRINT=off", "off"),
    MetricsConsumer("metrics-consumer-print", "all defaults, standard output through a pipe", "on"),
    Franz("franz-go", "a plain loop"),
    Kcat("kcat", "library defaults"),
    Kcat("kcat-long", "long queues", LONG_QUEUES),
    Rsyslog("rsyslog", "imkafka to omfile, value only"),
    Python("python", "confluent-kafka, consume(500)"),
    Python("python-long", "the same, long queues", LONG_QUEUES),
    ConsoleConsumer("console-consumer", "Kafka's own"),
    Connect("connect", "Kafka Connect's FileStreamSink, value only"),
)
BY_NAME = {each.name: each for each in ALL}
# Who is measured far behind.
BEHIND = ("count", "count-headers", "metrics-consumer", "franz-go", "kcat-long")


def _binary(name):
    return story.BUILD / "bench" / name


def _made(words, directory=None):
    """Runs a step that makes a peer ready; why it failed, or None."""
    try:
        run = subprocess.run([str(word) for word in words], cwd=directory, text=True,
                             timeout=PREPARE_SECONDS, capture_output=True,
                             stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        return f"{words[0]} is not installed"
    except subprocess.TimeoutExpired:
        return f"{words[0]} took longer than {PREPARE_SECONDS} s"
    told = (run.stdout + run.stderr).strip().splitlines()
    return None if run.returncode == 0 else \
        f"{pathlib.Path(words[0]).name} failed: {told[-1][:200] if told else 'without a word'}"
