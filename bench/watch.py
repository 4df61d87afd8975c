"""One run of a consumer: from its start until its last line is in its file, and what that took.

The watcher asks for the size of the file and whether the process lives, 200 times a second, which
is a thousandth of a core. Only where the size of the complete file is not known to the byte does it
count lines, and that when the file has stopped growing."""
import collections
import contextlib
import os
import pathlib
import signal
import subprocess
import time

POLL_SECONDS = 0.005
QUIET_SECONDS = 0.05   # a file that has not grown for so long is counted
STOP_SECONDS = 20      # between SIGTERM and SIGKILL
COUNT_BYTES = 4 << 20
TAIL_BYTES = 2000

Taken = collections.namedtuple("Taken", "seconds cpu_seconds peak_kb idle_percent flaw")


class Growing:
    """A file that is appended to, and may be moved away and begun anew: rotated. It is kept open, so
    that nothing of it is missed when it is compressed and removed."""

    def __init__(self, path):
        self.path = path
        self.files = []
        self.inode = None
        self.counted = (0, 0)  # files that are counted whole, bytes of the next one
        self.lines = 0

    def size(self):
        try:
            inode = os.stat(self.path).st_ino
            if inode != self.inode:
                self.files.append(os.open(self.path, os.O_RDONLY))
                self.inode = os.fstat(self.files[-1]).st_ino
        except FileNotFoundError:
            pass
        return sum(os.fstat(each).st_size for each in self.files)

    def count(self):
        """Lines there are; reads what was not read before."""
        at, offset = self.counted
        while at < len(self.files):
            piece = os.pread(self.files[at], COUNT_BYTES, offset)
            self.lines += piece.count(b"\n")
            offset += len(piece)
            if not piece:
                if at + 1 == len(self.files):
                    break
                at, offset = at + 1, 0
        self.counted = at, offset
        return self.lines

    def close(self):
        for each in self.files:
            os.close(each)


@contextlib.contextmanager
def standard_output(directory, piped):
    """Of a contender: the file `out`; or, where it opens that itself, a pipe that somebody reads, as
    a container's engine does."""
    if not piped:
        with open(directory / "out", "wb") as file:
            yield file
        return
    with open(directory / "printed", "wb") as file:
        reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file)
    try:
        yield reader.stdin
    finally:
        try:
            reader.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            reader.kill()
            reader.wait()


class Run:
    """A process that is being measured."""

    def __init__(self, words, environment, directory, output):
        self.started = time.monotonic()
        self.idle = idle_seconds()
        with open(directory / "error", "wb") as error:
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *words], env=environment, cwd=directory,
                stdin=subprocess.DEVNULL, stdout=output, stderr=error)
        self.error = directory / "error"
        self.usage = None

    def ended(self, options=os.WNOHANG):
        if self.usage is None:
            pid, status, usage = os.wait4(self.popen.pid, options)
            if pid == 0:
                return False
            self.usage = usage
            self.popen.returncode = os.waitstatus_to_exitcode(status)
        return True

    def end(self):
        """SIGTERM, and SIGKILL to who does not hear it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            until = time.monotonic() + STOP_SECONDS
            if not self.ended():
                os.kill(self.popen.pid, number)
            while not self.ended() and time.monotonic() < until:
                time.sleep(POLL_SECONDS)

    def peak_kb(self):
        """Of memory. Of one that has ended only the kernel's account is left, which begins with what
        we had at its start."""
        try:
            for line in pathlib.Path(f"/proc/{self.popen.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1])
        except FileNotFoundError:
            pass
        return 0

    def complaint(self):
        """The last line it said on standard error."""
        with open(self.error, "rb") as error:
            error.seek(max(0, self.error.stat().st_size - TAIL_BYTES))
            told = error.read().decode(errors="replace").strip().splitlines()
        return told[-1][:200] if told else "it said nothing"


def idle_seconds():
    """Of all cores together, since the machine started."""
    words = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return (int(words[4]) + int(words[5])) / os.sysconf("SC_CLK_TCK")


def await_quiet(share, seconds):
    """Until nothing else runs: the cores were idle for this share of the last second. Returns the
    percentage they were, which is less where that did not come about within `seconds`."""
    until = time.monotonic() + seconds
    while True:
        began, idle = time.monotonic(), idle_seconds()
        time.sleep(1)
        passed = time.monotonic() - began
        percent = (idle_seconds() - idle) / (passed * os.cpu_count()) * 100
        if percent >= share * 100 or time.monotonic() >= until:
            return min(percent, 100.0)


def watch(run, path, lines, size, exact, deadline_seconds):
    """Until the file at `path` is complete. Returns the second in which it was, None if it never
    was, and what to say then."""
    file = Growing(path)
    known, grown = 0, run.started
    try:
        while True:
            ended = run.ended()
            now = time.monotonic()
            found = file.size()
            if found != known:
                known, grown = found, now
            if found >= size and (exact or (now - grown >= QUIET_SECONDS or ended)
                                  and file.count() >= lines):
                return grown - run.started, None
            if ended:
                return None, f"ended with {run.popen.returncode}: {run.complaint()}"
            if now - run.started > deadline_seconds:
                return None, f"not complete after {deadline_seconds:.0f} s"
            time.sleep(POLL_SECONDS)
    finally:
        file.close()


def measure(words, environment, directory, path, want, deadline_seconds, output):
    """Runs `words` until the file at `path` has `want`: (lines, size, whether exactly)."""
    run = Run(words, environment, directory, output)
    try:
        seconds, flaw = watch(run, path, *want, deadline_seconds)
        passed = time.monotonic() - run.started
        idle = (idle_seconds() - run.idle) / (passed * os.cpu_count()) * 100
        peak = 0 if run.ended() else run.peak_kb()
    finally:
        run.end()
    return Taken(seconds, run.usage.ru_utime + run.usage.ru_stime, peak or run.usage.ru_maxrss,
                 min(idle, 100.0), flaw)
