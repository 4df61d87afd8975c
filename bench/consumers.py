#!/usr/bin/python3
"""The consumer beside those that people use instead, and beside the limit.

Two brokers on this machine get a topic of two partitions and two copies, filled with events from a
seed. Then each round starts every contender once, in an order drawn from the seed, on a fresh
directory; what the page cache owes to the disk is written before. Measured is from the start of the
process until its last line is in its file; its CPU time, from the kernel's account when it has ended;
its peak memory. Then the file is compared with what was written to the topic, and the journal by
`metrics-consumer verify` as well.

Topics: plain (records without headers), headers (as our services write them), lz4 and zstd (the same,
compressed by the producer), behind (zstd, and many more: --behind; for a consumer that was away)."""
import argparse
import collections
import os
import pathlib
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "support")]

import brokers  # noqa: E402
import consumer_plots  # noqa: E402
import consumer_tables  # noqa: E402
import contenders  # noqa: E402
import content  # noqa: E402
import report  # noqa: E402
import shop  # noqa: E402
import story  # noqa: E402
import watch  # noqa: E402

TOPICS = {"plain": ("off", "none"), "headers": ("on", "none"), "lz4": ("on", "lz4"),
          "zstd": ("on", "zstd"), "behind": ("on", "zstd")}
EVENTS_MAX = 1_000_000_000
ROUNDS_MAX = 100
SLOWEST = 10000        # events a second; who is slower is given up
START_SECONDS = 60     # beside that
FILL_SLOWEST = 50000
QUIET_SHARE = 0.85     # of the cores must be idle before a run
WAIT_MAX = 600
WARM_UPS = 2

Filled = collections.namedtuple("Filled", "kind events expected")


class Bench:
    def __init__(self, words, command):
        self.words = words
        self.run = report.now()
        self.kept = report.read_rows(words.out / "consumers.csv") if words.keep else []
        self.contexts = report.read_contexts(words.out / "consumers.json") if words.keep else {}
        self.rows = []
        self.command = command
        self.directory = None
        self.cluster = None

    def ready(self):
        """Makes the contenders ready; those that can be had stay."""
        absent, here = {}, []
        for name in self.words.name:
            why = contenders.BY_NAME[name].absent()
            if why:
                absent[name] = why
                print(f"not measured: {name}: {why}", flush=True)
            else:
                here.append(contenders.BY_NAME[name])
        brokers_too = contenders.BY_NAME["console-consumer"]  # of the same Kafka
        versions = dict(each.version() for each in (brokers_too, *here))
        self.contexts[self.run] = report.context(self.command, versions, absent)
        return here

    def start(self):
        made = report.ROOT / "build" / "bench"
        made.mkdir(parents=True, exist_ok=True)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=made))
        # Copies, so that it is one build that is measured, whatever is built meanwhile.
        for name in ("bin/metrics-consumer", "bench/count", "bench/fill"):
            (self.directory / name).parent.mkdir(exist_ok=True)
            shutil.copy2(story.BUILD / name, self.directory / name)
        story.BUILD = self.directory
        self.cluster = brokers.Cluster(self.directory / "kafka")

    def end(self):
        story.end_all()  # brokers too that were only being started
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def fill(self, kind):
        """A topic with events, and what it holds."""
        events = self.words.behind if kind == "behind" else self.words.events
        headers, codec = TOPICS[kind]
        began = time.monotonic()
        self.cluster.topic(kind)
        with open(self.directory / "fill", "w+b") as told, subprocess.Popen(
                ["timeout", str(START_SECONDS + events // FILL_SLOWEST),
                 story.BUILD / "bench" / "fill", "--brokers", self.cluster.brokers, "--topic", kind,
                 "--count", str(events), "--seed", str(self.words.seed), "--headers", headers,
                 "--codec", codec, "--print"], stdout=subprocess.PIPE, stderr=told) as filling:
            expected = content.Content().add(filling.stdout)
        said = (self.directory / "fill").read_text().strip().splitlines()
        assert filling.returncode == 0 and expected.lines == events, f"fill: {said}"
        print(f"{kind}: {said[-1].removeprefix('fill: ')}, filled in "
              f"{time.monotonic() - began:.0f} s", flush=True)
        return Filled(kind, events, expected)

    def place(self, topic):
        """A fresh directory on the disk of the brokers, nothing left to write to it, and nobody at
        work: (the place, how idle the cores were)."""
        shutil.rmtree(self.directory / "place", ignore_errors=True)
        (self.directory / "place").mkdir()
        os.sync()
        return contenders.Place(self.cluster.brokers, topic.kind, topic.events,
                                self.directory / "place"), \
            watch.await_quiet(QUIET_SHARE, self.words.wait)

    def measure(self, contender, topic):
        """(how idle the machine was before, what it took, what is wrong with what it wrote)."""
        place, before = self.place(topic)
        lines = 1 if contender.writes == "count" else topic.events
        want = (lines, *content.size(contender.writes, topic.expected))
        with watch.standard_output(place.directory, contender.opens_file) as output:
            taken = watch.measure(
                contender.words(place), shop.environment(contender.settings(place)),
                place.directory, contender.path(place), want,
                START_SECONDS + topic.events / SLOWEST, output)
        return before, taken, taken.flaw or contender.flaw(place, topic.expected)

    def round(self, topic, number, names):
        order = list(names)
        random.Random(f"{self.words.seed} {topic.kind} {number}").shuffle(order)
        for turn, contender in enumerate(order, 1):
            before, taken, flaw = self.measure(contender, topic)
            row = {"run": self.run, "topic": topic.kind, "events": topic.events, "round": number,
                   "turn": turn, "name": contender.name,
                   "seconds": "" if taken.seconds is None else f"{taken.seconds:.3f}",
                   "cpu_seconds": f"{taken.cpu_seconds:.3f}", "peak_kb": taken.peak_kb,
                   "idle_percent": f"{taken.idle_percent:.0f}",
                   "idle_before": f"{before:.0f}",
                   "complete": "no" if flaw else "yes", "note": flaw or ""}
            self.rows.append(row)
            self.save()
            print(f"{topic.kind} {number}/{self.words.rounds} {consumer_tables.one_run(row)}",
                  flush=True)

    def all_rows(self):
        """Those of former runs stay where they are of something else."""
        now = {consumer_tables.subject(row) for row in self.rows}
        return [row for row in self.kept if consumer_tables.subject(row) not in now] + self.rows

    def save(self):
        rows = self.all_rows()
        report.write_rows(self.words.out / "consumers.csv", rows)
        known = {row["run"] for row in rows}
        report.write_contexts(self.words.out / "consumers.json",
                              {run: each for run, each in self.contexts.items() if run in known})

    def topic(self, kind, here):
        if kind == "behind" and not self.words.named:
            here = [each for each in here if each.name in contenders.BEHIND]
        topic = self.fill(kind)
        for _ in range(WARM_UPS):
            self.measure(contenders.BY_NAME["count"], topic)
        for number in range(1, self.words.rounds + 1):
            self.round(topic, number, here)
        subprocess.run([report.ROOT / "kafka" / "tool", "kafka-topics", "--bootstrap-server",
                        self.cluster.brokers, "--delete", "--topic", kind], check=True, timeout=60,
                       stdin=subprocess.DEVNULL)


def number(largest, smallest=1):
    def read(text):
        if not text.isascii() or not text.isdigit() or not smallest <= int(text) <= largest:
            raise argparse.ArgumentTypeError(
                f"{text!r} must be a number from {smallest} to {largest}")
        return int(text)
    return read


def some_of(known):
    def read(text):
        names = list(dict.fromkeys(text.split(",")))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"there is no {', '.join(map(repr, unknown))}; "
                                             f"there are {', '.join(known)}")
        return names
    return read


def read_options(argv):
    parser = report.Options(prog="bench/bench consumers", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=number(EVENTS_MAX), default=2_000_000, metavar="N")
    parser.add_argument("--behind", type=number(EVENTS_MAX), default=100_000_000, metavar="N",
                        help="events of the topic `behind`")
    parser.add_argument("--rounds", type=number(ROUNDS_MAX), default=5, metavar="N")
    parser.add_argument("--name", type=some_of(contenders.BY_NAME), metavar="NAME[,NAME]",
                        help=f"of {', '.join(contenders.BY_NAME)}")
    parser.add_argument("--topics", type=some_of(TOPICS), default=["plain", "headers"],
                        metavar="TOPIC[,TOPIC]", help=f"of {', '.join(TOPICS)}")
    parser.add_argument("--wait", type=number(WAIT_MAX, 0), default=30, metavar="SECONDS",
                        help="for others at work on this machine, before each run; 30")
    parser.add_argument("--seed", type=number(EVENTS_MAX), default=1, metavar="N")
    parser.add_argument("--out", type=pathlib.Path, default=report.ROOT / "build" / "bench",
                        metavar="DIR", help="where consumers.csv, consumers.json and the plots go")
    parser.add_argument("--keep", action="store_true",
                        help="keep what is there of other topics, numbers of events and names")
    words = parser.parse_args(argv)
    words.named = words.name is not None
    words.name = words.name or list(contenders.BY_NAME)
    return words


def give_up(signum, frame):
    raise KeyboardInterrupt


def main(argv):
    words = read_options(argv)
    words.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, give_up)
    bench = Bench(words, " ".join(["bench/bench consumers", *map(shlex.quote, argv)]))
    here = bench.ready()
    if not here:
        print("bench: nobody is left to be measured", file=sys.stderr)
        return 1
    try:
        bench.start()
        for kind in words.topics:
            bench.topic(kind, here)
    except KeyboardInterrupt:
        print("bench: ended by a signal; what was measured until then is written", file=sys.stderr)
        return 1
    finally:
        bench.end()
    print(f"\n{consumer_tables.text(bench.rows)}")
    busy = sum(float(row["idle_before"]) < QUIET_SHARE * 100 for row in bench.rows)
    if busy:
        print(f"before {busy} of {len(bench.rows)} runs others were at work on this machine")
    for name, why in bench.contexts[bench.run]["absent"].items():
        print(f"not measured: {name}: {why}")
    consumer_plots.all_topics(bench.all_rows(), words.out)
    print(f"\nevery run: {words.out / 'consumers.csv'}")
    return 0 if all(row["complete"] == "yes" for row in bench.rows) else 1


def section(directory):
    """The part of docs/BENCHMARKS.md (report.py)."""
    return consumer_tables.document(report.read_rows(directory / "consumers.csv"),
                                    report.read_contexts(directory / "consumers.json"), directory)
