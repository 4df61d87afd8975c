"""What is done to cart, stock and the consumer."""
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import story
from actions import GROUPS, Lane

AGAIN_SECONDS = 0.5   # until what ended by itself is started again
GONE_SECONDS = 30     # SIGTERM may take that long; docker stop gives ten, on a machine of its own
STANDBY_SECONDS = 15
CRASHES = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}


class ProcessLane(Lane):
    def __init__(self, world, name, steps, process, disk):
        super().__init__(world, name, steps)
        self.process = process
        self.disk = disk
        self.others = []  # consumers that are down now and can be started
        self.up = False   # it should be
        self.ended_at = None
        self.first_start = threading.Event()

    def run(self):
        self.start_process()
        self.first_start.set()
        while self.world.began is None:
            time.sleep(0.01)
        super().run()

    # One signal, one start

    def hit(self, number, process=None):
        self.world.count(f"{number.name} of {self.lane}")
        (process or self.process).popen.send_signal(number)

    def start_process(self, simulate=None):
        settings = {} if simulate is None or self.lane == "consumer" else \
            {"SIMULATE_PER_SECOND": simulate}
        self.process.launch(**settings)
        self.up = True
        self.ended_at = None

    def kill_process(self):
        self.up = False
        self.hit(signal.SIGKILL)
        self.process.popen.wait(GONE_SECONDS)

    def look(self):
        if not self.up or self.process.running():
            return
        if self.ended_at is None:
            self.ended_at = time.time()
            self.note_end(self.process)
        elif time.time() - self.ended_at > AGAIN_SECONDS:
            self.put_right()
            self.start_process()

    def put_right(self):
        """What an operator has to do before it can start."""

    def note_end(self, process):
        status = process.popen.returncode
        last = (process.log().splitlines() or [""])[-1]
        self.world.say(f"{process.name} ended by itself with {status}: {last}")
        with self.world.lock:
            # Without time, folder and numbers it is the same each time
            text = last.partition(" ")[2].replace(str(process.directory.parent), "...")
            self.world.ended[process.name, status, re.sub(r"\d+", "#", text)] += 1
        if status == 2 or -status in CRASHES:
            self.world.accuse(f"{process.name} ended with {status}: {last}")

    # Steps

    def do_kill(self, down, starting, simulate):
        struck = time.time()
        self.kill_process()
        self.wait(down)
        for after_ms in starting:
            self.start_process(simulate)
            time.sleep(after_ms / 1000)
            if self.process.running():
                self.kill_process()
            else:
                self.note_end(self.process)
        self.start_process(simulate)
        self.world.note("SIGKILL" if not starting else "SIGKILL, also at start", self.lane, struck)

    def do_terminate(self, down, kill_after_ms, simulate):
        struck = time.time()
        self.up = False
        self.hit(signal.SIGTERM)
        if kill_after_ms is not None:
            time.sleep(kill_after_ms / 1000)
            self.hit(signal.SIGKILL)
        self.await_end(self.process, kill_after_ms is None)
        self.wait(down)
        self.start_process(simulate)
        self.world.note("SIGTERM" if kill_after_ms is None else "SIGTERM and SIGKILL", self.lane,
                        struck)

    def await_end(self, process, asked):
        """`asked`: by SIGTERM alone, so that it has to end well."""
        began = time.time()
        try:
            status = process.popen.wait(GONE_SECONDS)
        except subprocess.TimeoutExpired:
            self.world.accuse(f"{process.name} still runs {GONE_SECONDS} s after SIGTERM: "
                              f"{self.write_stacks(process)}")
            process.popen.kill()
            process.popen.wait(GONE_SECONDS)
            return
        if asked:
            self.world.longest_stop = max(self.world.longest_stop, time.time() - began)
            if status not in (0, -signal.SIGTERM):  # it may not have got as far as to catch it
                self.note_end(process)

    @staticmethod
    def write_stacks(process):
        """Where the threads of a process are that should not be there any more."""
        if not shutil.which("gdb"):
            return "no gdb to ask where"
        path = process.directory / f"stacks-{process.popen.pid}"
        with open(path, "wb") as out:
            subprocess.run(["gdb", "-batch", "-p", str(process.popen.pid), "-ex",
                            "thread apply all backtrace"], stdout=out, stderr=subprocess.STDOUT,
                           stdin=subprocess.DEVNULL, timeout=60)
        return f"its stacks are in {path}"

    def do_pause(self, seconds, then_kill, simulate):
        struck = time.time()
        self.hit(signal.SIGSTOP)
        self.wait(seconds)
        if then_kill:
            self.kill_process()
            self.start_process(simulate)
        else:
            self.process.popen.send_signal(signal.SIGCONT)
        self.world.note("SIGSTOP, then SIGKILL" if then_kill else "SIGSTOP", self.lane, struck)

    def do_cut(self, brokers, what, seconds):
        network = self.world.network
        if network.missing:
            return self.leave_out("cut", network.missing)
        struck = time.time()
        ports = self.world.cluster.ports()
        network.cut(self.lane, GROUPS[self.lane], [ports[broker] for broker in brokers], what)
        self.wait(seconds)
        network.mend(self.lane)
        self.world.count(f"connection of {self.lane} cut")
        self.world.note("connection cut", self.lane, struck)

    def do_full(self, seconds, kill, simulate):
        if self.disk.missing:
            return self.leave_out("full disk", self.disk.missing)
        struck = time.time()
        self.disk.fill()
        self.world.count(f"disk of {self.lane} full")
        self.wait(seconds / 2)
        if kill and self.process.running():
            self.kill_process()
            self.start_process(simulate)
        self.wait(seconds / 2)
        self.disk.free()
        self.world.note("full disk", self.lane, struck)

    def heal(self):
        self.world.network.mend(self.lane)
        if not self.disk.missing:
            self.disk.free()
        if self.process.running():
            self.process.popen.send_signal(signal.SIGCONT)
        elif not self.world.over.is_set():
            self.start_process()


class ConsumerLane(ProcessLane):
    """Two consumers on one journal, of which at most one works."""

    def __init__(self, world, name, steps, process, disk, second, journal_path):
        super().__init__(world, name, steps, process, disk)
        self.second = second
        self.journal_path = journal_path
        self.moved = 0
        self.moved_to = None

    def is_standby(self, process):
        try:
            return b"standby" in process.ask("GET", "/readyz").body
        except OSError:
            return False

    def do_standby(self, first, seconds):
        second = self.second
        second.launch()
        try:
            story.await_fact("the second consumer stands by", lambda: self.is_standby(second) or
                             not self.process.running(), STANDBY_SECONDS)
            if first == "pause":
                self.stay_standby(second, seconds)
            else:
                self.hand_over(second, first)
        finally:
            if self.second.running():
                self.second.popen.send_signal(signal.SIGTERM)
                self.await_end(self.second, True)

    def stay_standby(self, second, seconds):
        """A consumer that is stopped still owns its journal."""
        struck = time.time()
        self.hit(signal.SIGSTOP)
        self.wait(seconds)
        if not self.is_standby(second):
            self.world.accuse("a standby took the journal of a consumer that was only stopped")
        self.process.popen.send_signal(signal.SIGCONT)
        self.world.note("SIGSTOP beside a standby", self.lane, struck)

    def hand_over(self, second, first):
        struck = time.time()
        self.up = False
        self.hit(signal.SIGKILL if first == "kill" else signal.SIGTERM)
        self.await_end(self.process, first != "kill")
        self.process, self.second = second, self.process
        self.up = True
        self.world.note("SIGKILL beside a standby" if first == "kill" else
                        "SIGTERM beside a standby", self.lane, struck, struck)

    def put_right(self):
        """A consumer that was killed before it could know that its journal was moved does not begin
        another one: it asks for it."""
        last = (self.process.log().splitlines() or [""])[-1]
        if "--new-journal" in last and self.moved_to and not self.journal_path.exists():
            os.rename(self.moved_to, self.journal_path)
            self.moved_to = None
            self.world.count("journal moved back by the operator")

    def do_move_journal(self, kill_after_ms, before):
        """As logrotate does it: moved, then SIGHUP. `before`: killed before it could know."""
        if not self.journal_path.exists() or not self.process.running():
            return self.leave_out("move_journal", "no journal or no consumer at that moment")
        struck = time.time()
        self.moved += 1
        self.moved_to = self.journal_path.with_name(f"{self.journal_path.name}.moved-"
                                                    f"{self.moved:03}")
        os.rename(self.journal_path, self.moved_to)
        if not before:
            self.hit(signal.SIGHUP)
        if kill_after_ms is not None:
            time.sleep(kill_after_ms / 1000)
            self.kill_process()
            self.start_process()
        elif before:
            time.sleep(0.5)
            self.hit(signal.SIGHUP)
        self.world.note("journal moved", self.lane, struck)
