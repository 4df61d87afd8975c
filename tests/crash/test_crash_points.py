#!/usr/bin/env python3
"""Every point at which a process can die: it is killed at the n-th write, sync, rename or send, for
every n until a run meets none; and the same with calls that fail. After each a restart, `verify`,
and a comparison of our own.

With no words: as many points as fit into a test, spread over all. --all: every one. One point again:
--scenario ... --kind ... --how ... --at ..., as it is named where it failed."""
import argparse
import functools
import itertools
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import brokers
import consumers
import forks
import redrives
import services
import story
from points import Series, Sweeper

SUBSET = 200
MEMORY = "/dev/shm"  # what SIGKILL leaves is the same there, and thousands of syncs are quick

SCENARIOS = {"service": services.run,
             "service-again": functools.partial(services.run, again=True),
             "service-tidy": functools.partial(services.run, keep=2),
             "cart": functools.partial(services.run, kind=services.Cart),
             "cart-again": functools.partial(services.run, kind=services.Cart, again=True),
             "fork": forks.run,
             "consumer": consumers.run,
             "consumer-again": functools.partial(consumers.run, again=True),
             "redrive": redrives.run}
JOURNALS = "consumer", "consumer-again", "redrive"
KILLS = ("kill-before", 1), ("kill-half", 1), ("kill-after", 1)
# How a call ends, and how many of them (0: all from there on). Half a sync there is not. SQLite tries
# again for a while where somebody has a lock: so often that it gives up.
HOWS = {"write": (*KILLS, ("eio", 1), ("enospc", 1), ("enospc", 0), ("short", 1)),
        "sync": (("kill-before", 1), ("kill-after", 1), ("eio", 1)),
        "rename": (("kill-before", 1), ("kill-after", 1), ("eio", 1)),
        "cut": (("kill-before", 1), ("kill-after", 1), ("eio", 1)),
        "create": (("kill-before", 1), ("kill-after", 1), ("eio", 1), ("enospc", 1)),
        "send": (*KILLS, ("short", 1), ("reset", 1)),
        "lock": (("kill-after", 1), ("busy", 1), ("busy", 40))}
FILES = "journal", "rotated", "checkpoint", "dead"
STORE = "store", "wal", "directory"
# What power loss takes with it: what is not synced of one kind of file, or of all; and the names in
# a directory that was not synced.
LOSSES = {FILES: (*itertools.product(("dead", "journal", "checkpoint", ",".join(FILES)),
                                     ("cut", "zero")),
                  ("directory", "cut"), (",".join((*FILES, "directory")), "cut")),
          STORE: (("wal", "cut"), ("wal", "zero"), ("wal,directory", "cut"))}


def losses(scenario, kind):
    """What is lost at kills there: (files, how)."""
    name = kind.split(".")[1]
    if scenario in JOURNALS:
        return LOSSES[FILES] if name in (*FILES, "directory") else ()
    return LOSSES[STORE] if name in (*STORE, "http", "kafka") else ()


def series_of(scenario, kind):
    for how, times in HOWS[kind.split(".")[0]]:
        yield Series(scenario, kind, how, times)
        if how in ("kill-before", "kill-after"):
            for loss, lose_how in losses(scenario, kind):
                yield Series(scenario, kind, how, times, loss, lose_how)


def is_wanted(series, options):
    return options.how in (None, series.how) and options.lose in ("", series.lose) and \
        (not series.lose or options.lose_how in ("both", series.lose_how))


def every_series(sweeper, options):
    """All series that are wanted, with how many points each probably has."""
    found = []
    for scenario in SCENARIOS:
        if options.scenario and scenario != options.scenario:
            continue
        calls = sweeper.count(scenario)
        print(f"{scenario}: " + ", ".join(f"{kind} {count}" for kind, count in calls.items()))
        found += [(series, count) for kind, count in calls.items()
                  if not kind.endswith(".other") and options.kind in (None, kind)
                  for series in series_of(scenario, kind) if is_wanted(series, options)]
    return found


class CrashPoints(story.Story):
    def test_whatever_is_killed_or_fails_everything_arrives_once(self):
        kafkas = [brokers.MockCluster() for _ in range(OPTIONS.workers)]
        for kafka in kafkas:
            self.addCleanup(kafka.end)
        sweeper = Sweeper(SCENARIOS, kafkas)
        if OPTIONS.at:
            sweeper.attempt(Series(OPTIONS.scenario, OPTIONS.kind, OPTIONS.how, OPTIONS.times,
                                   OPTIONS.lose, OPTIONS.lose_how), OPTIONS.at)
        else:
            series = every_series(sweeper, OPTIONS)
            if OPTIONS.all:
                for each, _ in series:
                    sweeper.sweep(each)
            else:
                points = [(each, at) for each, count in series for at in range(1, count + 1)]
                sweeper.try_these(points[::-(-len(points) // OPTIONS.points)])
        print(sweeper.summary(), flush=True)
        self.assertGreater(sweeper.points.total(), 0, "no point was met")
        self.assertEqual(sweeper.offenders, [])


def read_options():
    words = argparse.ArgumentParser(description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--all", action="store_true", help="every point")
    words.add_argument("--points", type=int, default=SUBSET, help="about so many, without --all")
    words.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1))
    words.add_argument("--scenario", choices=SCENARIOS)
    words.add_argument("--kind", help="operation.target, see crash_plan.h")
    words.add_argument("--how")
    words.add_argument("--at", type=int, help="this point alone")
    words.add_argument("--times", type=int, default=1)
    words.add_argument("--lose", default="", help="files that lose what was not synced")
    words.add_argument("--lose-how", choices=("cut", "zero", "both"), default="cut",
                       help="it is gone, or half of it is zeros")
    words.add_argument("--verbose", action="store_true", help="as all stories have it")
    options = words.parse_args()
    if options.at and not (options.scenario and options.kind and options.how):
        words.error("--at needs --scenario, --kind and --how")
    return options


if __name__ == "__main__":
    OPTIONS = read_options()
    if OPTIONS.all:
        os.environ.setdefault("STORY_SECONDS", "7200")
    if os.access(MEMORY, os.W_OK):
        tempfile.tempdir = MEMORY
    sys.argv[1:] = ["--verbose"] if OPTIONS.verbose else []
    sys.exit(story.main())
