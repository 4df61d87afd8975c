"""Carries a schedule out. Each lane is a thread with its own steps: a process (cart, stock,
consumer), the brokers, the load. It does a step at its time, or as soon as the step before it is
done; it starts again what ended by itself, as a restart policy would; and at the end it heals what
it hurt.

A fault is written down with the moment it struck and the moment from which recovery counts: the
restart of a process, the end of a pause, a cut or a full disk; of a broker the moment it was gone."""
import collections
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time

import brokers
import shop
import story

AGAIN_SECONDS = 0.5   # until what ended by itself is started again
GONE_SECONDS = 30     # SIGTERM may take that long; docker stop gives ten, on a machine of its own
STANDBY_SECONDS = 15
GROUPS = {"cart": 4101, "stock": 4102, "consumer": 4103, "broker-1": 4111, "broker-2": 4112}
CRASHES = {signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}

Fault = collections.namedtuple("Fault", "kind lane struck healed")


class Cluster(brokers.Cluster):
    """Each broker runs under a group id of its own, if connections can be cut."""

    def __init__(self, directory, network):
        self.network = network
        super().__init__(directory)

    def up(self):
        if not self.network.missing:
            self.directory.mkdir(exist_ok=True)
            ports = random.sample(range(15000, 30000), 3)  # nobody else is on this network
            (self.directory / "ports").write_text(" ".join(map(str, ports)) + "\n")
            self("start", "zookeeper")
            for broker in (1, 2):
                self.start(broker)
        super().up()

    def start(self, broker, tries=3):
        """One try may not do on a slow machine: the session ends while the broker starts."""
        group = str(GROUPS[f"broker-{broker}"])
        try:
            self("start", str(broker), as_who=() if self.network.missing else
                 ("setpriv", "--regid", group, "--clear-groups"))
        except AssertionError as why:
            print(why, flush=True)
            if tries == 1:
                raise
            self.start(broker, tries - 1)

    def ports(self):
        """Of ZooKeeper and the brokers."""
        return [int(port) for port in (self.directory / "ports").read_text().split()]

    def pid(self, name):
        """The process itself, not its supervisor; None while there is none."""
        try:
            pid, started = (self.directory / name / "pid").read_text().split()
            with open(f"/proc/{pid}/stat") as stat:
                return int(pid) if stat.read().rsplit(")", 1)[1].split()[19] == started else None
        except (OSError, ValueError, IndexError):
            return None


class World:
    """What the lanes share."""

    def __init__(self, network, cluster, load):
        self.network = network
        self.cluster = cluster
        self.load = load
        self.began = None
        self.over = threading.Event()      # an interrupt: no more steps
        self.released = threading.Event()  # the lanes' threads, and with them the processes, may end
        self.lock = threading.Lock()
        self.signals = collections.Counter()
        self.faults = []
        self.left_out = collections.Counter()  # step that is not permitted here, why
        self.ended = collections.Counter()     # who ended by itself, how
        self.wrong = []                        # what a shop must not do
        self.longest_stop = 0.0
        self.log = []

    def say(self, text):
        with self.lock:
            line = f"{time.time() - self.began:8.2f} {text}"
            self.log.append(line)
            print(line, flush=True)

    def accuse(self, text):
        with self.lock:
            self.wrong.append(f"at {time.time() - self.began:.2f}: {text}")

    def count(self, what):
        with self.lock:
            self.signals[what] += 1

    def note(self, kind, lane, struck, healed=None):
        with self.lock:
            self.faults.append(Fault(kind, lane, struck, healed or time.time()))


class Lane(threading.Thread):
    def __init__(self, world, name, steps):
        super().__init__(daemon=True, name=name)
        self.world = world
        self.lane = name
        self.steps = [step for step in steps if step.lane == name]
        self.done = threading.Event()

    def run(self):
        try:
            for step in self.steps:
                self.wait_until(self.world.began + step.at)
                if self.world.over.is_set():
                    break
                if time.time() > self.world.began + self.world.seconds:
                    self.leave_out(step.action, "its lane was too far behind, the time is over")
                    continue
                self.world.say(f"{step.lane} {step.action} {step.parameters}")
                self.do(step)
            self.wait_until(self.world.began + self.world.seconds)
        finally:
            try:
                self.heal()
            except Exception as why:  # told, and the run has failed
                self.world.accuse(f"{self.lane} could not be healed: {why!r}")
            self.done.set()
            self.world.released.wait()

    def do(self, step):
        try:
            getattr(self, "do_" + step.action)(**step.parameters)
        except Exception as why:
            self.world.accuse(f"{self.lane} {step.action}: {why!r}")

    def leave_out(self, action, why):
        self.world.left_out[f"{self.lane} {action}", why] += 1

    def wait_until(self, when):
        while not self.world.over.is_set() and time.time() < when:
            self.look()
            self.world.over.wait(min(0.05, max(0, when - time.time())))

    def wait(self, seconds):
        self.wait_until(time.time() + seconds)

    def look(self):
        """Whether all is as it should be; often."""

    def heal(self):
        """Everything this lane has hurt; no steps follow."""


class LoadLane(Lane):
    def do_rate(self, per_second):
        self.world.load.per_second = per_second


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
        self.rotates = "JOURNAL_ROTATE_BYTES" in subprocess.run(
            [shop.program("metrics-consumer"), "--help"], capture_output=True, text=True,
            timeout=10).stdout

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
        if not self.rotates:
            return self.leave_out("move_journal", "this metrics-consumer does not rotate")
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


class BrokersLane(Lane):
    def wait_in_sync(self):
        """Before each fault: the promise holds for one broker at a time."""
        for _ in range(4):
            try:
                self.world.cluster("wait")
                return
            except AssertionError as why:
                self.world.say(f"brokers: {why}")
        raise AssertionError("the brokers do not get in sync")

    def do(self, step):
        try:
            self.wait_in_sync()
        except AssertionError as why:
            return self.world.accuse(str(why))
        super().do(step)

    def start_broker(self, broker, kills=()):
        """While it starts it is killed: each time that long after its start."""
        killer = threading.Thread(target=self.kill_starting, args=(broker, kills))
        if kills:
            killer.start()
        try:
            self.world.cluster.start(broker)
        finally:
            if kills:
                killer.join()

    def kill_starting(self, broker, kills):
        """SIGKILL to a broker that starts. Its supervisor starts it again."""
        for after_ms in kills:
            try:
                story.await_fact("it starts", lambda: self.world.cluster.pid(f"broker-{broker}"),
                                 10)
            except AssertionError:
                return
            time.sleep(after_ms / 1000)
            pid = self.world.cluster.pid(f"broker-{broker}")
            if pid:
                os.kill(pid, signal.SIGKILL)
                self.world.count("SIGKILL of a broker")
            time.sleep(0.7)  # the supervisor waits half a second

    def do_kill(self, broker, down, starting):
        struck = time.time()
        self.world.cluster("kill", str(broker))
        self.world.count("SIGKILL of a broker")
        self.world.note("SIGKILL", "broker", struck)
        self.wait(down)
        self.start_broker(broker, starting)

    def do_terminate(self, broker, down, starting):
        struck = time.time()
        self.world.count("SIGTERM of a broker")
        self.world.cluster("stop", str(broker))
        self.world.note("SIGTERM", "broker", struck)
        self.wait(down)
        self.start_broker(broker, starting)

    def do_pause(self, broker, seconds):
        struck = time.time()
        self.world.cluster("pause", str(broker))
        self.world.count("SIGSTOP of a broker")
        self.world.note("SIGSTOP", "broker", struck)
        self.wait(seconds)
        self.world.cluster("resume", str(broker))

    def do_isolate(self, broker, seconds):
        """From ZooKeeper and the other broker, not from its clients: it believes that it leads."""
        network = self.world.network
        if network.missing:
            return self.leave_out("isolate", network.missing)
        struck = time.time()
        ports = self.world.cluster.ports()
        network.cut("broker", GROUPS[f"broker-{broker}"], [ports[0], ports[3 - broker]], "both")
        network.cut("other", GROUPS[f"broker-{3 - broker}"], [ports[broker]], "both")
        self.world.count("broker isolated")
        self.world.note("isolated", "broker", struck)
        self.wait(seconds)
        network.mend("broker")
        network.mend("other")

    def do_both(self, how, seconds):
        cluster = self.world.cluster
        struck = time.time()
        word = {"kill": "kill", "terminate": "stop", "pause": "pause"}[how]
        name = {"kill": "SIGKILL", "terminate": "SIGTERM", "pause": "SIGSTOP"}[how]
        for broker in (1, 2):
            cluster(word, str(broker))
            self.world.count(f"{name} of a broker")
        self.wait(seconds)
        self.world.note(f"both {name}", "brokers", struck)
        if how == "pause":
            for broker in (1, 2):
                cluster("resume", str(broker))
        else:
            # The last one in sync first: the other cannot lead without it
            for broker in (2, 1):
                self.start_broker(broker)

    def do_zookeeper(self, how, seconds):
        cluster = self.world.cluster
        struck = time.time()
        name = {"kill": "SIGKILL", "terminate": "SIGTERM", "pause": "SIGSTOP"}[how]
        cluster({"kill": "kill", "terminate": "stop", "pause": "pause"}[how], "zookeeper")
        self.world.count(f"{name} of ZooKeeper")
        self.world.note(f"ZooKeeper {name}", "broker", struck)
        self.wait(seconds)
        cluster("resume" if how == "pause" else "start", "zookeeper")

    def heal(self):
        self.world.network.mend("broker")
        self.world.network.mend("other")
        if self.world.over.is_set():
            return
        for name in ("zookeeper", "broker-1", "broker-2"):
            pid = self.world.cluster.pid(name)
            if pid:
                os.kill(pid, signal.SIGCONT)
        self.world.cluster("start", "zookeeper")
        for broker in (1, 2):
            self.start_broker(broker)
        self.wait_in_sync()
