"""What is done to the brokers and ZooKeeper."""
import os
import random
import signal
import threading
import time

import brokers
import story
from actions import GROUPS, Lane


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
