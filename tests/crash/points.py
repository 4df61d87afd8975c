"""A crash point: one call of one kind at which a process is killed or fails; and sweeping them.

What kinds there are, and how a process ends, says crash_plan.h."""
import collections
import concurrent.futures
import http.client
import itertools
import re
import shutil
import signal
import struct
import subprocess
import threading
import time
import traceback

import shop
import story

LIBRARY = story.BUILD / "tests" / "crash_point.so"
OPERATIONS = "write", "sync", "rename", "cut", "create", "send", "lock"
TARGETS = ("store", "wal", "journal", "rotated", "checkpoint", "dead", "directory", "kafka", "http",
           "other")
COUNTS_BYTES = 8 * (1 + len(OPERATIONS) * len(TARGETS))
END_SECONDS = 60    # longest a process may take to its end, or to what it is there for
EVERY_SECONDS = 0.003
SHOWN_MAX = 5       # offenders of which everything is told

# Series of points: the first to the last call of a kind.
Series = collections.namedtuple("Series", "scenario kind how times lose lose_how",
                                defaults=(1, "", "cut"))


class Wrong(Exception):
    """What is wrong after a point."""


def await_fact(what, fact):
    try:
        return story.await_fact(what, fact, END_SECONDS, EVERY_SECONDS)
    except AssertionError as why:
        raise Wrong(str(why)) from None


def replay(series, at):
    words = [f"--scenario {series.scenario} --kind {series.kind} --how {series.how} --at {at}"]
    if series.times != 1:
        words.append(f"--times {series.times}")
    if series.lose:
        words.append(f"--lose {series.lose} --lose-how {series.lose_how}")
    return " ".join(words)


class Counts:
    """The counts of crash_point.so, in a file that outlives the process."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(COUNTS_BYTES))

    def read(self):
        """How many calls of the chosen kinds there were, and how many of each kind."""
        met, *calls = struct.unpack(f"{COUNTS_BYTES // 8}Q", self.path.read_bytes())
        kinds = [f"{operation}.{name}" for operation in OPERATIONS for name in TARGETS]
        return met, {kind: count for kind, count in zip(kinds, calls) if count > 0}


def preloaded(counts, kafka, series=None, at=0):
    """The environment under which a process meets a point; without one its calls are counted."""
    ports = ",".join(address.rsplit(":", 1)[1] for address in kafka.brokers.split(","))
    settings = {"LD_PRELOAD": LIBRARY, "CRASH_COUNT": counts.path, "CRASH_KAFKA": ports,
                "CRASH_JOURNAL": "metrics.log"}
    if series:
        settings |= {"CRASH_KIND": series.kind, "CRASH_HOW": series.how, "CRASH_AT": at,
                     "CRASH_TIMES": series.times, "CRASH_LOSE": series.lose,
                     "CRASH_LOSE_HOW": series.lose_how}
    return settings


class Program:
    """A program that may end at any moment, also before it listens."""

    def __init__(self, binary, directory, settings, *words):
        directory.mkdir(exist_ok=True)
        self.name = binary
        self.log_path = directory / "log"
        self.log_path.touch()
        self.told = self.log_path.stat().st_size
        settings = {"HTTP_PORT": 0, "STATE_DIRECTORY": directory} | settings
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", shop.program(binary), *words],
                cwd=directory,
                env=shop.environment(settings), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=log)
        self.port = await_fact(f"{binary} listens or ends",
                               lambda: self._listening() or (self.ended() and -1))
        self.listens = self.port > 0

    def _listening(self):
        found = re.search(rb"listening address=\S+ port=(\d+)\n", self.log().encode())
        return int(found[1]) if found else None

    def log(self):
        """What it said, this time."""
        return self.log_path.read_bytes()[self.told:].decode(errors="replace")

    def ended(self):
        return self.popen.poll() is not None

    def ask(self, method, path, body=None):
        """None: no answer came, or a part of one."""
        try:
            answer = shop.ask(self.port, method, path, body, seconds=END_SECONDS)
            return answer if answer.json is not None else None
        except (OSError, ValueError, http.client.HTTPException):
            return None

    def end(self, number=signal.SIGTERM):
        """Its exit status."""
        if not self.ended():
            self.popen.send_signal(number)
        try:
            return self.popen.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise Wrong(f"{self.name} hangs: it still runs {END_SECONDS} s after the signal; "
                        f"{self._stacks()}") from None

    def _stacks(self):
        if not shutil.which("gdb"):
            return "without gdb it is not known where"
        return subprocess.run(["gdb", "-p", str(self.popen.pid), "-batch", "-ex",
                               "thread apply all bt 14"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60).stdout

    def clear(self):
        if not self.ended():
            self.popen.kill()
            self.popen.wait()


def judge_end(program, series, status, met, at):
    """How a process ended that met its point, or did not. What is wrong with that."""
    if at == 0 or met < at:
        wanted = (0,)
    elif series.how.startswith("kill"):
        wanted = (-signal.SIGKILL,)
    else:
        wanted = (0, 1)
    if status not in wanted:
        return [f"{program.name} ended with {status}, not with {wanted}"]
    if status == 1 and not re.search(r"^\S+ error \S+ |^[a-z-]+: \w+: ", program.log(), re.M):
        return [f"{program.name} ended with 1 and did not say why"]
    return []


class Sweeper:
    """Tries points on several workers, each with a Kafka of its own that stays."""

    def __init__(self, scenarios, kafkas):
        self.scenarios = scenarios
        self.free = list(kafkas)
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        self.directory = story.directory("hw9-crash-")
        self.offenders = []
        self.points = collections.Counter()  # of each scenario and operation

    def _with_kafka(self, work):
        with self.lock:
            kafka = self.free.pop()
        try:
            return work(kafka)
        finally:
            self.free.append(kafka)

    def _scratch(self):
        path = self.directory / str(next(self.numbers))
        path.mkdir()
        return path

    def count(self, scenario):
        """The calls of a run that nothing happens to, by kind."""
        series = Series(scenario, "", "")

        def work(kafka):
            wrong, met, calls = self._attempt(series, 0, kafka)
            assert not wrong, f"a run of {scenario} without a crash fails: {wrong}"
            return calls
        return self._with_kafka(work)

    def _attempt(self, series, at, kafka):
        scratch = self._scratch()
        counts = Counts(scratch / "counts")
        programs = []
        try:
            wrong = self.scenarios[series.scenario](series, at, kafka, scratch, counts, programs)
        except Wrong as why:
            wrong = [str(why)]
        except Exception:  # what was read is not even what it should look like
            wrong = traceback.format_exc().splitlines()
        finally:
            for program in programs:
                program.clear()
        met, calls = counts.read()
        if wrong:
            logs = [f"{log.parent.name}: {line}" for log in sorted(scratch.glob("*/log"))
                    for line in log.read_text(errors="replace").splitlines()[-25:]]
            wrong = [*wrong, *logs]
        shutil.rmtree(scratch, ignore_errors=True)
        return wrong, met, calls

    def attempt(self, series, at):
        """Whether the run met its point."""
        wrong, met, _ = self._with_kafka(lambda kafka: self._attempt(series, at, kafka))
        with self.lock:
            self.points[series.scenario, series.kind.split(".")[0]] += met >= at
            if wrong:
                self.offenders.append(replay(series, at))
                shown = wrong if len(self.offenders) <= SHOWN_MAX else wrong[0].splitlines()[:1]
                print(f"\n{self.offenders[-1]}\n  " + "\n  ".join(shown), flush=True)
        return met >= at

    def try_these(self, points):
        """Points out of several series."""
        with concurrent.futures.ThreadPoolExecutor(len(self.free)) as pool:
            for done in [pool.submit(self.attempt, *point) for point in points]:
                done.result()

    def sweep(self, series):
        """From the first point on until a run meets none."""
        began, before, found = time.monotonic(), self.points.total(), len(self.offenders)
        over = threading.Event()
        numbers = itertools.count(1)

        def work():
            while not over.is_set():
                with self.lock:
                    at = next(numbers)
                if not self.attempt(series, at):
                    over.set()
        with concurrent.futures.ThreadPoolExecutor(len(self.free)) as pool:
            for done in [pool.submit(work) for _ in range(len(self.free))]:
                done.result()
        what = f"{series.scenario} {series.kind} {series.how}"
        if series.times != 1:
            what += f" x{series.times}" if series.times else " for ever"
        what += f", losing {series.lose} ({series.lose_how})" if series.lose else ""
        print(f"{what}: {self.points.total() - before} points, {len(self.offenders) - found} wrong"
              f" ({time.monotonic() - began:.1f} s)", flush=True)

    def summary(self):
        """A line for each scenario, with its points by operation, and one for all."""
        lines = []
        for scenario in self.scenarios:
            points = {operation: count for (name, operation), count in self.points.items()
                      if name == scenario and count > 0}
            if points:
                kinds = ", ".join(f"{operation} {points[operation]}" for operation in OPERATIONS
                                  if operation in points)
                lines.append(f"{scenario}: {sum(points.values())} points ({kinds})")
        return "\n".join([*lines, f"{self.points.total()} points in all, "
                                  f"{len(self.offenders)} of them wrong"])
