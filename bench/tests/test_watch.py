"""A run is over when its last line is in the file, wherever the file went meanwhile; and what is
missing, repeated or changed in it shows."""
import pathlib
import sys
import threading

BENCH = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BENCH))

import content  # noqa: E402
import report  # noqa: E402
import story  # noqa: E402
import watch  # noqa: E402

LINES = [b'0 0 {"a":1}\n', b"1 0 v w\n", b"0 1 x\n", b"1 1 y\n"]


def journal_line(line):
    partition, offset, value = line.split(b" ", 2)
    return (b"2026-11-25T12:00:00.000Z partition=%b offset=%b source=a/b id=7 delay_ms=12 %b"
            % (partition, offset, value))


class Watching(story.Story):
    def setUp(self):
        self.directory = story.directory("hw9-watch-")
        self.file = self.directory / "out"

    def measure(self, script, want, seconds=20):
        with watch.standard_output(self.directory, False) as output:
            return watch.measure(["/bin/sh", "-c", script], {"PATH": "/usr/bin:/bin"},
                                 self.directory, self.file, want, seconds, output)

    def test_the_time_is_that_of_the_last_line_and_the_process_is_ended(self):
        taken = self.measure("sleep 0.3; echo one; sleep 0.3; echo two; sleep 100", (2, 8, True))
        self.assertIsNone(taken.flaw)
        self.assertTrue(0.6 <= taken.seconds < 5, taken)
        self.assertGreater(taken.peak_kb, 100)

    def test_lines_are_counted_where_the_size_is_not_known(self):
        taken = self.measure("echo long enough; sleep 0.5; echo two; sleep 100", (2, 5, False))
        self.assertIsNone(taken.flaw)
        self.assertTrue(0.5 <= taken.seconds < 5, taken)

    def test_the_cpu_time_is_the_whole_one_of_a_process_that_ended_by_itself(self):
        taken = self.measure("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo", (1, 1, True))
        self.assertIsNone(taken.flaw)
        self.assertGreater(taken.cpu_seconds, 0.02)
        self.assertGreater(taken.peak_kb, 100)

    def test_who_ends_too_early_says_so_with_its_last_words(self):
        taken = self.measure("echo one; echo no broker >&2; exit 3", (2, 8, True))
        self.assertEqual(taken.flaw, "ended with 3: no broker")
        self.assertIsNone(taken.seconds)

    def test_who_never_comes_to_its_end_is_given_up(self):
        taken = self.measure("echo one; sleep 100", (2, 8, True), seconds=0.5)
        self.assertIn("not complete after", taken.flaw)

    def test_a_file_that_is_rotated_and_removed_counts(self):
        growing = watch.Growing(self.file)
        self.assertEqual(growing.size(), 0)
        self.file.write_bytes(b"1\n2\n")
        self.assertEqual((growing.size(), growing.count()), (4, 2))
        with open(self.file, "ab") as old:
            self.file.rename(self.directory / "out.000001")
            old.write(b"3\n")
        self.file.write_bytes(b"4\n")
        self.assertEqual(growing.size(), 8)
        (self.directory / "out.000001").unlink()
        self.assertEqual((growing.size(), growing.count()), (8, 4))
        growing.close()

    def test_a_pipe_is_read_to_its_end(self):
        with watch.standard_output(self.directory, True) as output:
            writer = threading.Thread(target=lambda: output.write(b"x" * 1000000))
            writer.start()
            writer.join(10)
        story.await_fact("all is there", lambda: (self.directory / "printed").stat().st_size
                         == 1000000, 5)


class Content(story.Story):
    def setUp(self):
        self.file = story.directory("hw9-content-") / "metrics.log"
        self.expected = content.Content().add(LINES)

    def flaw(self, writes, lines):
        self.file.write_bytes(b"".join(lines))
        return content.flaw(writes, self.file, self.expected)

    def test_partitions_may_be_mixed_in_any_way(self):
        self.assertIsNone(self.flaw("line", sorted(LINES)))
        self.assertIsNone(self.flaw("line", LINES))

    def test_every_form_is_understood_and_its_size_known(self):
        forms = {
            "line": LINES, "journal": map(journal_line, LINES),
            "value": (line.split(b" ", 2)[2] for line in LINES),
            "console": (b"Partition:%b\tOffset:%b\t%b" % tuple(line.split(b" ", 2))
                        for line in LINES),
            "count": [b"4\n"]}
        for writes, lines in forms.items():
            with self.subTest(writes):
                self.assertIsNone(self.flaw(writes, lines))
                size, exact = content.size(writes, self.expected)
                found = self.file.stat().st_size
                self.assertTrue(found == size if exact else found >= size, (found, size))

    def test_what_is_missing_repeated_changed_or_swapped_shows(self):
        a, b, c, d = LINES
        for lines in ([a, b, c], [a, b, c, c], [a, b, c, d, d], [a, b, c, b"1 1 z\n"],
                      [c, b, a, d], [a, b, c, b"1 2 y\n"], []):
            with self.subTest(lines):
                self.assertTrue(self.flaw("line", lines))
                self.assertTrue(self.flaw("journal", map(journal_line, lines)))

    def test_what_is_no_line_at_all_is_a_flaw_and_no_accident(self):
        for writes in ("line", "journal", "console", "count"):
            with self.subTest(writes):
                self.assertTrue(self.flaw(writes, [*LINES[:3], b"1\n"]))


class Tables(story.Story):
    def test_a_section_is_replaced_and_the_rest_stays(self):
        once = report.replace_section("# Title\n\nWords.\n", "consumers", "| a |")
        self.assertIn("| a |", once)
        again = report.replace_section(once + "\nMore.\n", "consumers", "| b |")
        self.assertNotIn("| a |", again)
        self.assertTrue(again.startswith("# Title\n\nWords.\n") and again.endswith("More.\n"), again)

    def test_rows_come_back_as_they_were(self):
        path = story.directory("hw9-rows-") / "rows.csv"
        rows = [{"name": "a, b", "seconds": "1.5"}, {"name": 'say "x"', "seconds": ""}]
        report.write_rows(path, rows)
        self.assertEqual(report.read_rows(path), rows)


if __name__ == "__main__":
    story.main()
