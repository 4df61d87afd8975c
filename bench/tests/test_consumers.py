"""bench/bench consumers, as somebody types it: a small measurement on two real brokers, and what is
said to wrong words."""
import csv
import pathlib
import signal
import subprocess
import sys

BENCH = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCH))

import report  # noqa: E402
import shop  # noqa: E402
import story  # noqa: E402

NAMES = ["count", "count-headers", "metrics-consumer", "kcat"]


class Bench:
    """A run of it. It ends its brokers where it is ended by SIGTERM, so it is never killed."""

    def __init__(self, *words):
        self.name = "bench " + " ".join(words)
        self.popen = subprocess.Popen(
            [BENCH / "bench", *words], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=shop.environment({"STORY_BUILD": story.BUILD}))
        story.keep(self)
        self.out = self.error = ""

    def result(self, seconds=200):
        """(exit status, standard output, standard error)."""
        try:
            self.out, self.error = self.popen.communicate(timeout=seconds)
        finally:
            self.end()
        return self.popen.returncode, self.out, self.error

    def end(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            self.out, self.error = self.popen.communicate()

    def tail(self, lines):
        return "\n".join((self.out + self.error).splitlines()[-lines:])


class Consumers(story.Story):
    def test_every_contender_is_measured_in_every_round_and_complete(self):
        out = story.directory("hw9-bench-")
        status, told, error = Bench(
            "consumers", "--events", "5001", "--rounds", "2", "--topics", "headers", "--name",
            ",".join(NAMES), "--wait", "0", "--out", str(out)).result()
        self.assertEqual(status, 0, told + error)
        with open(out / "consumers.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(sorted(row["name"] for row in rows), sorted(NAMES * 2))
        self.assertEqual({row["complete"] for row in rows}, {"yes"})
        self.assertTrue(all(float(row["seconds"]) > 0 for row in rows), rows)
        self.assertIn("headers, 5,001 events, 2 rounds", told)

    def test_wrong_words_are_one_line_and_exit_status_64(self):
        for words in ((), ("nothing",), ("consumers", "--name", "nobody"),
                      ("consumers", "--events", "0"), ("consumers", "--rounds", "101"),
                      ("consumers", "--topics", "plain,fancy"), ("consumers", "--events", "1e6")):
            with self.subTest(words):
                status, _, error = Bench(*words).result(30)
                self.assertEqual(status, 64)
                self.assertEqual(len(error.splitlines()), 1, error)

    def test_who_is_told_to_end_leaves_nothing_behind(self):
        made = report.ROOT / "build" / "bench"
        before = set(made.glob("run-*"))
        bench = Bench("consumers", "--events", "5000", "--topics", "plain", "--name", "count",
                      "--out", str(story.directory("hw9-bench-")))
        ours = story.await_fact("brokers are being started", lambda: [
            each for each in set(made.glob("run-*")) - before
            if (each / "kafka" / "broker-1" / "pid").exists()], 60)
        bench.end()
        self.assertEqual(bench.popen.returncode, 1, bench.error)
        self.assertIn("ended by a signal", bench.error)
        self.assertFalse(ours[0].exists())
        left = [each for each in pathlib.Path("/proc").glob("[0-9]*/cmdline")
                if str(ours[0]).encode() in _read(each)]
        self.assertEqual(left, [])


def _read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it has ended


if __name__ == "__main__":
    story.main()
