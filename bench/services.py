"""Cart, stock and their relays: how fast, how light, and how soon an event is in the journal.

usage: bench/bench services [--only MEASURE[,MEASURE...]] [--rounds N] [--seconds N] [--out DIR]
                            [--print on]

adds       durable additions over HTTP at 1, 32 and 256 connections, and at constant rates
simulator  the highest rate of the simulators
relay      how fast 1,000,000 waiting rows drain
latency    from the HTTP answer to the line in the journal
growth     a shop of 10,000,000 carts, or of 1,000,000 SKUs
journal    the consumer's start behind a journal of 50 GB
idle       what the three cost while nothing happens

Leaves services.csv, a line for each figure of each round, and services.json; a measure that is
measured again replaces its lines. After each, `metrics-consumer verify` has to find everything in
the journal, once and in order. Exit status: 0 measured, 1 failed or not clean, 64 wrong usage."""
import argparse
import importlib
import pathlib
import shutil
import signal
import sys
import tempfile

import brokers
import customers
import report
import service_tables
import story

MEASURES = {"adds": "adds", "simulator": "simulation", "relay": "drain", "latency": "latency",
            "growth": "growth", "journal": "journal_growth", "idle": "idle"}
COLUMNS = ("run", "case", "round", "figure", "value")


class Rows:
    """The figures of a measure, kept after every round."""

    def __init__(self, out, run, context):
        self.out, self.run, self.context = out, run, context
        self.rows = []

    def add(self, case, number, figures):
        for figure, value in figures.items():
            self.rows.append(dict(zip(COLUMNS, (self.run, case, number, figure, f"{value:.6g}"))))
        shown = " ".join(f"{figure}={value:.4g}" for figure, value in figures.items())
        print(f"{self.run}, {case}, round {number}: {shown}", flush=True)

    def verified(self, said):
        print(f"{self.run}: {said}", flush=True)
        self.context["verified"] = said

    def keep(self):
        """In place of what an earlier run of this measure left."""
        path = self.out / "services.csv"
        rows = [row for row in report.read_rows(path) if row["run"] != self.run] + self.rows
        order = list(MEASURES)
        report.write_rows(path, sorted(rows, key=lambda row: order.index(row["run"])))
        contexts = report.read_contexts(self.out / "services.json")
        contexts[self.run] = self.context
        report.write_contexts(self.out / "services.json", contexts)


def read_words(argv):
    parser = report.Options(prog="bench/bench services", description=__doc__,
                            formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(MEASURES),
                        help="some of: " + ", ".join(MEASURES))
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--seconds", type=int, default=10, help="of each single run; default 10")
    parser.add_argument("--out", type=pathlib.Path, default=report.ROOT / "build" / "bench",
                        help="default build/bench, where stores and brokers work in any case")
    parser.add_argument("--print", choices=("on", "off"), default="off",
                        help="of the consumer; default off")
    words = parser.parse_args(argv)
    words.only = words.only.split(",")
    if unknown := [name for name in words.only if name not in MEASURES]:
        parser.error(f"no such measure: {', '.join(unknown)}")
    if not 1 <= words.rounds <= 100 or not 1 <= words.seconds <= 120:
        parser.error("1 to 100 rounds of 1 to 120 seconds")
    return words


def context(name, argv):
    versions = {package: report.package_version(package) or "missing" for package in
                ("librdkafka1", "libmicrohttpd12", "libsqlite3-0", "wrk", "kcat")}
    versions["Java"] = report.said(["java", "-version"], r'version "([^"]*)"') or "missing"
    jars = sorted((report.ROOT / "kafka" / "target" / "lib").glob("kafka-clients-*.jar"))
    versions["Kafka"] = jars[-1].stem.rpartition("-")[2] if jars else "missing"
    command = " ".join(["bench/bench services", *argv, *(
        [] if "--only" in argv else ["--only", name])])
    return report.context(command, versions)


def give_up(number, frame):
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise story.TooLong(f"ended by {signal.Signals(number).name}")


def measure(words, argv):
    """One after the other, each on brokers of its own; what one left cannot be in another's way."""
    failed = []
    for name in words.only:
        rows = Rows(words.out, name, context(name, argv))
        cluster = None
        try:
            cluster = brokers.Cluster()
            importlib.import_module(MEASURES[name]).measure(cluster, words, rows)
            rows.keep()
            print(service_tables.text(rows.run, rows.rows), flush=True)
        except (AssertionError, OSError) as why:
            print(f"bench services: {name}: {why}", file=sys.stderr)
            failed.append(name)
        finally:
            if cluster:
                cluster.end()
    return failed


def main(argv):
    words = read_words(argv)
    if absent := customers.missing():
        print(f"bench services: missing: {', '.join(absent)}; `run/setup --bench release` gets and "
              "builds them", file=sys.stderr)
        return 1
    # Not in memory, where syncing costs nothing.
    place = report.ROOT / "build" / "bench"
    for each in (words.out, place):
        each.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="services-", dir=place))
    tempfile.tempdir = str(work)
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, give_up)
    try:
        return 1 if measure(words, argv) else 0
    except KeyboardInterrupt as why:
        print(f"bench services: not finished: {why}", file=sys.stderr)
        return 1
    finally:
        story.end_all()
        shutil.rmtree(work, ignore_errors=True)


def section(directory):
    """Its part of docs/BENCHMARKS.md."""
    return service_tables.section(report.read_rows(directory / "services.csv"),
                                  report.read_contexts(directory / "services.json"))
