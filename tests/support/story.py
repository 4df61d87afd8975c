"""A story: a test that starts processes, waits for facts, and tells their logs when it fails.

Whatever it starts is given to keep(): it is ended at the latest with the program, also when the
story fails, is interrupted, or runs out of time (STORY_SECONDS)."""
import atexit
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("STORY_BUILD", SOURCE / "build" / "dev"))
LOG_LINES = 40  # of each process, when a test fails

_kept = []
_accused = set()


def keep(thing):
    """A thing has a name, tail(lines) of its log, and end(), which may be called twice."""
    _kept.append(thing)
    return thing


def directory(prefix):
    """One that is gone when the program ends, at the latest."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def accuse(thing):
    """A sanitizer spoke in its log: the story has failed, whatever else it found."""
    if thing.name not in _accused:
        print(f"\n--- a sanitizer spoke, {thing.name}:\n{thing.tail(200)}", file=sys.stderr)
    _accused.add(thing.name)


def accused():
    """Whether a sanitizer has spoken."""
    return bool(_accused)


def end_all():
    """Ends what was given to keep(), the youngest first."""
    for thing in reversed(_kept):
        thing.end()


class TooLong(KeyboardInterrupt):
    """The story's time is over, or somebody wants it to end."""


def await_fact(what, fact, seconds=30, every=0.02):
    """Waits until fact() is true and returns what it gave. `what` is a text, or makes one."""
    until = time.monotonic() + seconds
    while True:
        found = fact()
        if found:
            return found
        if time.monotonic() >= until:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


class Result(unittest.TextTestResult):
    def __init__(self, *words, **settings):
        super().__init__(*words, **settings)
        Result.last = self


class Runner(unittest.TextTestRunner):
    resultclass = Result


class Story(unittest.TestCase):
    maxDiff = 4000

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            tell_logs(self.id())


def tell_logs(when):
    print(f"\n--- logs, {when}", file=sys.stderr)
    for thing in _kept:
        print(f"--- {thing.name}:\n{thing.tail(LOG_LINES)}", file=sys.stderr)
    sys.stderr.flush()


def _give_up(number, frame):
    signal.alarm(0)
    for each in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise TooLong(f"ended by {signal.Signals(number).name}")


def main():
    """Runs the stories of the calling file. Exit status 77: none can run on this machine."""
    for each in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(each, _give_up)
    signal.alarm(int(os.environ.get("STORY_SECONDS", "600")))
    try:
        result = unittest.main(module="__main__", exit=False, testRunner=Runner).result
    except KeyboardInterrupt as why:
        Result.last.printErrors()
        tell_logs(f"the story did not come to its end: {why}")
        sys.exit(1)
    finally:
        end_all()
    for test, why in result.skipped:
        print(f"skipped: {test}: {why}", file=sys.stderr)
    if result.skipped and result.testsRun <= len(result.skipped) and result.wasSuccessful():
        sys.exit(77)
    sys.exit(0 if result.wasSuccessful() and not _accused else 1)
