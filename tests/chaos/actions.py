"""Carries a schedule out. Each lane is a thread with its own steps: a process (process_lanes.py), the
brokers (broker_lane.py), the load. It does a step at its time, or as soon as the step before it is
done; a process that ended by itself it starts again, as a restart policy would; and at the end it
heals what it hurt.

A fault is written down with the moment it struck and the moment from which recovery counts: the
restart of a process, the end of a pause, a cut or a full disk; of a broker the moment it was gone.
"""
import collections
import threading
import time

GROUPS = {"cart": 4101, "stock": 4102, "consumer": 4103, "broker-1": 4111, "broker-2": 4112}

Fault = collections.namedtuple("Fault", "kind lane struck healed")


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
