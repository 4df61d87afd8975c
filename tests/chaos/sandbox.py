"""A network and mounts of our own, so that connections can be cut and disks filled without anybody
else noticing. Needs root, or a kernel that lets users have namespaces; what is not permitted is
left out of the run, with the reason.

Whose connection it is, iptables knows by the group id that each process runs under: the mark that
the first packet of a connection gets stays with it in both directions."""
import os
import shutil
import subprocess
import sys

ENTERED = "CHAOS_NAMESPACES"  # in the environment: why there are none, or "" if there are
MEGABYTE = 1 << 20
DISK_BYTES = 2048 * MEGABYTE  # memory is used as far as files are


def enter():
    """Starts this program again in namespaces of its own. Returns there, or where none are
    permitted."""
    if ENTERED in os.environ:
        return
    words = ["unshare", "--net", "--mount"]
    if os.geteuid() != 0:
        words += ["--user", "--map-root-user"]
    trial = subprocess.run([*words, "ip", "link", "set", "lo", "up"], capture_output=True,
                           text=True) if shutil.which("unshare") and shutil.which("ip") else None
    os.environ[ENTERED] = "" if trial and trial.returncode == 0 else \
        "no namespaces of its own: " + (trial.stderr.strip() if trial else "no unshare, no ip")
    if os.environ[ENTERED]:
        return
    os.execvp(words[0], [*words, sys.executable, *sys.argv])


def _run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


class Network:
    """`missing` says why connections cannot be cut; empty if they can."""

    def __init__(self, groups):
        self.missing = os.environ.get(ENTERED, "not asked for")
        self.cuts = {}  # name to rules
        if self.missing:
            return
        _run("ip", "link", "set", "lo", "up")
        if not shutil.which("iptables"):
            self.missing = "iptables is not installed"
            return
        try:
            _run("setpriv", "--regid", str(groups[0]), "--clear-groups", "true")
            for group in groups:
                _run("iptables", "-w", "-t", "mangle", "-A", "OUTPUT", "-p", "tcp", "--syn", "-m",
                     "owner", "--gid-owner", str(group), "-j", "CONNMARK", "--set-mark",
                     str(group))
        except OSError as why:
            self.missing = str(why)

    def cut(self, name, group, ports, what):
        """Between the processes of a group and servers on these ports: `requests` get lost,
        `answers`, `both`, or each connection is `reset` and new ones refused."""
        ways = {"requests": ["--dport"], "answers": ["--sport"]}.get(what, ["--dport", "--sport"])
        end = ["REJECT", "--reject-with", "tcp-reset"] if what == "reset" else ["DROP"]
        self.cuts[name] = []
        for port in ports:
            for way in ways:
                rule = ["OUTPUT", "-p", "tcp", way, str(port), "-m", "connmark", "--mark",
                        str(group), "-j", *end]
                _run("iptables", "-w", "-A", *rule)
                self.cuts[name].append(rule)

    def mend(self, name):
        for rule in self.cuts.pop(name, []):
            _run("iptables", "-w", "-D", *rule)


class Disk:
    """A folder that is a disk of its own where that is permitted. It goes with the namespace."""

    def __init__(self, path):
        self.path = path
        self.path.mkdir()
        self.missing = os.environ.get(ENTERED, "not asked for")
        if self.missing:
            return
        try:
            _run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=755", "chaos", self.path)
        except OSError as why:
            self.missing = str(why)

    def fill(self):
        """Not a page is free any more. The disk shrinks to what is on it, which is quicker than
        filling it and the same to whoever writes; while others write it takes some tries."""
        for _ in range(50):
            disk = os.statvfs(self.path)
            used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
            try:
                _run("mount", "-o", f"remount,size={max(used, disk.f_frsize)}", self.path)
                return
            except OSError as why:
                last = why
        raise last

    def free(self):
        _run("mount", "-o", f"remount,size={DISK_BYTES}", self.path)
