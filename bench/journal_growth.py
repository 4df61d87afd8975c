"""How long the consumer takes to start behind journals of several sizes.

A start reads what is behind the checkpoint, the last 4 KB before it, and the first bytes of every
rotated file (journal_recovery.c). The journal of 50 GB is simulated: the consumer wrote and rotated
its lines itself, into files of 1 MB; then each rotated file is made 1 GB long by a hole at its
end, which no start reads. Its lines and its checkpoint are real, and so is the number of files. The
holes are cut off again before `verify` reads everything. Files are dropped from the page cache
before each start."""
import contextlib
import datetime
import os
import pathlib
import re
import time

import customers
import stage
import usage

FILES = 50
ROTATE_BYTES = 1 << 20
FULL_BYTES = 1 << 30
WRITE_SECONDS = 120
HURRY_SECONDS = 3
# case: whether it is written on until there are FILES of them, and what else is set
CASES = {"a small journal": {},
         f"one file of {FILES} MB": {"JOURNAL_ROTATE_BYTES": 0},
         f"{FILES} compressed files": {"JOURNAL_ROTATE_BYTES": ROTATE_BYTES},
         "50 GB of journal": {"JOURNAL_ROTATE_BYTES": ROTATE_BYTES, "JOURNAL_COMPRESS": "off"}}


class Journal:
    def __init__(self, where, case):
        self.stage = where
        self.path = self.stage.shop.journal_path
        self.consumer = self.stage.consumer
        self.holes = {}  # file to its real size
        self.write(CASES[case])
        if case == "50 GB of journal":
            self.make_holes()
        self.consumer.settings |= {"JOURNAL_ROTATE_BYTES": FULL_BYTES}

    def write(self, settings):
        """As many bytes as FILES files need, or only the 1,000 lines of the SKUs."""
        where = self.stage
        self.consumer.settings |= settings
        where.start().fill(stage.skus(customers.SKUS))
        until = time.monotonic() + WRITE_SECONDS
        while settings and usage.megabytes(self.path.parent, "metrics.log*") < FILES and \
                len(self.rotated()) < FILES:
            assert time.monotonic() < until, f"{FILES} MB are not written in {WRITE_SECONDS} s"
            customers.hurry(where.cart.port, 256, HURRY_SECONDS, len(self.rotated()))
            where.await_quiet()
        status = self.consumer.stop()
        assert status == 0, f"the consumer ended with {status}"

    def rotated(self):
        return [path for path in self.path.parent.glob(self.path.name + ".*")
                if re.search(r"\.\d{6}(\.zst)?$", path.name)]

    def make_holes(self):
        for path in self.rotated():
            self.holes[path] = path.stat().st_size
            os.truncate(path, FULL_BYTES)

    def cut_holes(self):
        for path, size in self.holes.items():
            os.truncate(path, size)

    def time_start(self):
        for path in self.path.parent.iterdir():
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        told = len(self.consumer.log())
        began = datetime.datetime.now(datetime.timezone.utc)
        ready = stage.time_start(self.consumer)
        found = re.search(r"^(\S+) info journal read .* lines=(\d+)", self.consumer.log()[told:],
                          re.MULTILINE | re.IGNORECASE)
        assert found, f"no word of the journal: {self.consumer.log()[told:]}"
        read = datetime.datetime.fromisoformat(found[1])
        return {"ready": ready, "journal_read": (read - began).total_seconds(),
                "lines_read": int(found[2]), "files": len(self.rotated()),
                "bytes": usage.megabytes(self.path.parent, self.path.name + "*")}

    def after_stop(self):
        figures = self.time_start()
        self.stage.await_quiet()
        return figures

    def after_kill(self):
        """What came since the last checkpoint is read: at most ten seconds of lines."""
        customers.hurry(self.stage.cart.port, 32, HURRY_SECONDS, 0)
        self.stage.await_quiet()
        self.consumer.kill()
        figures = self.time_start()
        self.stage.await_quiet()
        status = self.consumer.stop()
        assert status == 0, f"the consumer ended with {status}"
        return figures


def measure(cluster, words, rows):
    with contextlib.ExitStack() as stack:
        journals = {case: Journal(stack.enter_context(stage.Stage(cluster, "journal", words.print)),
                                  case) for case in CASES}
        for number in range(1, words.rounds + 1):
            for case, journal in journals.items():
                rows.add(case, number, journal.after_stop())
                rows.add(f"{case}, killed under load", number, journal.after_kill())
        for journal in journals.values():
            journal.cut_holes()
            journal.consumer.start()
            rows.verified(journal.stage.verify())
