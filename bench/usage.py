"""What processes cost, as the kernel counts it."""
import os
import pathlib
import resource

TICKS = os.sysconf("SC_CLK_TCK")
MEGABYTE = 1 << 20


def cpu_seconds(pid):
    """User and system time of all its threads, those that have ended too."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def forget_peak(pid):
    """From here on peak_memory counts anew."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_memory(pid):
    """The most memory it had, in MB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / MEGABYTE


def megabytes(directory, pattern):
    """Of these files, as their lengths say."""
    return sum(path.stat().st_size for path in pathlib.Path(directory).glob(pattern)) / MEGABYTE


def _children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ourselves():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _machine():
    """All work of the machine, waiting for disks is none; and what its host gave to others when it
    wanted to work."""
    user, nice, system, idle, iowait, irq, softirq, stolen, *_ = map(
        int, pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return {"machine": (user + nice + system + irq + softirq) / TICKS, "stolen": stolen / TICKS}


class Meter:
    """CPU seconds from its making on, by name. `generator` is what was started and has ended
    meanwhile, and this program; `others` is all that is left of the machine's work: the kernel's
    own threads and whoever else uses the machine; `stolen` is what its host kept from it."""

    def __init__(self, pids):
        self.pids = dict(pids)
        for pid in self.pids.values():
            forget_peak(pid)
        self.before = self._now()

    def _now(self):
        now = {name: cpu_seconds(pid) for name, pid in self.pids.items()}
        return now | {"generator": _children() + _ourselves()} | _machine()

    def cpu(self):
        used = {name: value - self.before[name] for name, value in self._now().items()}
        machine = used.pop("machine")
        known = sum(value for name, value in used.items() if name != "stolen")
        return used | {"others": max(0.0, machine - known)}

    def memory(self, name):
        return peak_memory(self.pids[name])
