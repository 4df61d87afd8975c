#!/usr/bin/python3
"""Figures as files and tables: what every measuring command here shares, and what makes the tables
of docs/BENCHMARKS.md from the files that they left.

usage: bench/report.py [--from DIR] [--document FILE]

A measuring command NAME leaves NAME.csv, a line a single run, and NAME.json, what it ran on and how.
Each is a module NAME.py beside this file with section(directory), its part of the document; that
stands between two marks and is replaced. Figures are never written by hand."""
import argparse
import csv
import datetime
import importlib
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
MEASURES = ("consumers", "services")


class Options(argparse.ArgumentParser):
    """One line and exit status 64 where the usage is wrong, as all our commands do."""

    def error(self, message):
        print(f"{self.prog.removeprefix('bench/')}: {message}", file=sys.stderr)
        sys.exit(64)


# --- files -------------------------------------------------------------------------------------

def write_rows(path, rows):
    """Rows are dictionaries with the keys of the first one. The file is whole, or as it was."""
    new = pathlib.Path(f"{path}.new")
    with open(new, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    new.rename(path)


def read_rows(path):
    """All values are text, as in the file; [] where there is none."""
    if not pathlib.Path(path).exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_contexts(path, contexts):
    """`contexts` by the name of their run, which the column `run` of the rows has."""
    new = pathlib.Path(f"{path}.new")
    new.write_text(json.dumps(contexts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    new.rename(path)


def read_contexts(path):
    path = pathlib.Path(path)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


# --- what it ran on ----------------------------------------------------------------------------

def context(command, versions, absent=None):
    """`versions` and `absent` (what could not be measured, and why) are dictionaries of texts."""
    return {"command": command, "date": now(), "machine": machine(), "versions": versions,
            "absent": absent or {}, "commit": commit()}


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def machine():
    """In words: cores, memory, system."""
    cpu = found(r"^model name\s*: (.*)$", "/proc/cpuinfo") or platform.machine()
    memory = int(found(r"^MemTotal: +(\d+)", "/proc/meminfo") or 0)
    system = (found(r'^PRETTY_NAME="(.*)"$', "/etc/os-release") or platform.system())
    return (f"{os.cpu_count()} cores of {cpu}, {memory / 1048576:.0f} GB of memory, {system}, "
            f"Linux {platform.release()}")


def found(pattern, path):
    match = re.search(pattern, pathlib.Path(path).read_text(errors="replace"), re.MULTILINE)
    return match and match[1]


def said(words, pattern="(.*)", seconds=20):
    """The first group of `pattern` in what a command says, or None: for asking versions."""
    try:
        run = subprocess.run(words, capture_output=True, text=True, timeout=seconds,
                             stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(pattern, run.stdout + run.stderr)
    return match[1] if match and run.returncode == 0 else None


def package_version(name):
    """Of a package of Debian; None where it is not installed."""
    return said(["dpkg-query", "-W", "-f=${db:Status-Status} ${Version}", name], "^installed (.+)")


def commit():
    """What was measured; with a plus where files in the tree differ from it."""
    name = said(["git", "-C", ROOT, "rev-parse", "--short=10", "HEAD"])
    changed = said(["git", "-C", ROOT, "status", "--porcelain", "-uno"], r"(\S)")
    return (name or "unknown") + ("+" if changed else "")


# --- tables ------------------------------------------------------------------------------------

def spread(values, show="{:,.0f}"):
    """`median (smallest..largest)`."""
    return (f"{show.format(statistics.median(values))} ({show.format(min(values))}.."
            f"{show.format(max(values))})")


def text_table(head, rows):
    """For a terminal: the first column to the left, all others to the right."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    return "\n".join(row[0].ljust(widths[0]) + "".join(
        "  " + cell.rjust(width) for cell, width in zip(row[1:], widths[1:])) for row in cells)


def markdown_table(head, rows):
    """The same table for a document."""
    line = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |"
                     for row in (head, line, *rows))


def told(contexts):
    """How it was measured, as lines of a document: a paragraph for each run."""
    parts = []
    for run in sorted(contexts):
        each = contexts[run]
        versions = ", ".join(f"{name} {version}" for name, version in each["versions"].items())
        parts.append(f"Measured {each['date']} at commit {each['commit']} by `{each['command']}` on "
                     f"{each['machine']}. Versions: {versions}.")
        parts += [f"Not measured: {name}: {why}." for name, why in each["absent"].items()]
    return "\n\n".join(parts)


# --- the document ------------------------------------------------------------------------------

def replace_section(text, name, body):
    """`text` with `body` between the marks of `name`; they are put at its end where it has none."""
    begin, end = f"<!-- {name}: made by bench/report.py -->", f"<!-- end of {name} -->"
    section = f"{begin}\n{body.strip()}\n{end}"
    if begin not in text:
        return f"{text.rstrip()}\n\n{section}\n".lstrip()
    head, rest = text.split(begin, 1)
    assert end in rest, f"{begin} has no {end}"
    return head + section + rest.split(end, 1)[1]


def main(argv):
    parser = argparse.ArgumentParser(prog="bench/report.py", description=__doc__.split("\n")[0])
    parser.add_argument("--from", dest="source", type=pathlib.Path, default=ROOT / "docs" / "bench",
                        help="where the files are; docs/bench")
    parser.add_argument("--document", type=pathlib.Path, default=ROOT / "docs" / "BENCHMARKS.md")
    words = parser.parse_args(argv)
    text = words.document.read_text(encoding="utf-8") if words.document.exists() else "# Benchmarks\n"
    for name in MEASURES:
        if (HERE / f"{name}.py").exists() and (words.source / f"{name}.csv").exists():
            text = replace_section(text, name, importlib.import_module(name).section(words.source))
            print(f"report: {name} from {words.source}")
        else:
            print(f"report: there are no figures of {name} in {words.source}; its part stays")
    words.document.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
