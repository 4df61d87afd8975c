"""What a process says at /metrics, and Prometheus' own tools to judge it."""
import os
import re
import shutil
import subprocess
import unittest

import story

# Debian's package, as run/setup --monitoring unpacks it: installed, it would start a service.
UNPACKED = story.SOURCE / "build" / "prometheus" / "usr" / "bin"

SAMPLE = re.compile(r'([a-z_0-9]+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"(?:,|$)')


def tool(name):
    """The path of promtool or prometheus; the test is skipped where there is none."""
    path = shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}{UNPACKED}")
    if not path:
        raise unittest.SkipTest(f"{name} is not there: run/setup --monitoring")
    return path


def promtool(*words, text=None):
    """(exit status, what it says)."""
    run = subprocess.run([tool("promtool"), *map(str, words)], input=text, capture_output=True,
                         text=True, timeout=60)
    return run.returncode, run.stdout + run.stderr


class Metrics:
    """The samples of one answer: {(name, frozenset of labels): number}."""

    def __init__(self, process):
        answer = process.ask("GET", "/metrics")
        assert answer.status == 200, answer
        assert answer.type == "text/plain; version=0.0.4; charset=utf-8", answer
        self.text = answer.body.decode()
        self.samples = {}
        self.families = {}
        for line in self.text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in self.families, f"{name} begins twice"
                self.families[name] = kind
            elif not line.startswith("# HELP "):
                self._take(line)

    def _take(self, line):
        found = SAMPLE.fullmatch(line)
        assert found, line
        labels = dict(LABEL.findall(found[2] or ""))
        key = found[1], frozenset(labels.items())
        assert key not in self.samples, f"twice: {line}"
        self.samples[key] = float(found[3])

    def all(self, name, **labels):
        """[(labels, number)] of the samples that have these labels and maybe more."""
        return [(dict(found), number) for (each, found), number in self.samples.items()
                if each == name and labels.items() <= dict(found).items()]

    def sum(self, name, **labels):
        return sum(number for _, number in self.all(name, **labels))

    def one(self, name, **labels):
        """The number of the one sample; None: there is none."""
        found = self.all(name, **labels)
        assert len(found) <= 1, found
        return found[0][1] if found else None
