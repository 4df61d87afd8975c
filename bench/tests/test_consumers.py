"""bench/bench consumers, as somebody types it: a small measurement on two real brokers, and what is
said to wrong words."""
import csv
import pathlib
import subprocess

import shop
import story

BENCH = pathlib.Path(__file__).resolve().parents[1]
NAMES = ["count", "count-headers", "metrics-consumer", "kcat"]


def bench(*words, seconds=200):
    return subprocess.run([BENCH / "bench", *words], capture_output=True, text=True, timeout=seconds,
                          env=shop.environment({"STORY_BUILD": story.BUILD}),
                          stdin=subprocess.DEVNULL)


class Consumers(story.Story):
    def test_every_contender_is_measured_in_every_round_and_complete(self):
        out = story.directory("hw9-bench-")
        run = bench("consumers", "--events", "5001", "--rounds", "2", "--topics", "headers", "--name",
                    ",".join(NAMES), "--wait", "0", "--out", str(out))
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        with open(out / "consumers.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(sorted(row["name"] for row in rows), sorted(NAMES * 2))
        self.assertEqual({row["complete"] for row in rows}, {"yes"})
        self.assertTrue(all(float(row["seconds"]) > 0 for row in rows), rows)
        self.assertIn("headers, 5,001 events, 2 rounds", run.stdout)

    def test_wrong_words_are_one_line_and_exit_status_64(self):
        for words in ((), ("nothing",), ("consumers", "--name", "nobody"),
                      ("consumers", "--events", "0"), ("consumers", "--rounds", "101"),
                      ("consumers", "--topics", "plain,fancy"), ("consumers", "--events", "1e6")):
            with self.subTest(words):
                run = bench(*words)
                self.assertEqual(run.returncode, 64)
                self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)


if __name__ == "__main__":
    story.main()
