"""The journal as somebody reads it who has only its description: a second opinion on what
`metrics-consumer verify` says."""
import collections
import datetime
import json
import re

LINE = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) partition=(\d+) offset=(\d+)"
                  rb" source=(\S+) id=(\d+|-) delay_ms=(-?\d+) (.+)")
SERVICES = {"cart": (0, {"cart_item_added", "cart_item_failed"}),
            "stock": (1, {"sku_created", "stock_changed"})}
COMPLAINTS_MAX = 20

Line = collections.namedtuple("Line", "time partition offset source id delay_ms value event")


def read(path):
    """The whole lines there are now; the last one may be being written. A line that is none is an
    error."""
    lines = []
    *whole, _ = (path.read_bytes() if path.exists() else b"").split(b"\n")
    for at, raw in enumerate(whole, 1):
        found = LINE.fullmatch(raw)
        assert found, f"line {at} of {path} is no line of a journal: {raw!r}"
        time, partition, offset, source, number, delay, value = found.groups()
        lines.append(Line(datetime.datetime.fromisoformat(time.decode()), int(partition),
                          int(offset), source.decode(), None if number == b"-" else int(number),
                          int(delay), value, json.loads(value)))
    return lines


def holds(path, source, number):
    """Whether there is a line of this event. Quicker than reading them all."""
    return path.exists() and f" source={source} id={number} ".encode() in path.read_bytes()


def of_source(lines, source):
    return [line for line in lines if line.source == source]


def judge(lines, last, ledger):
    """What is wrong with the journal; an empty list is the promise kept.

    `last` gives the last number each service acknowledged, by source, asked for before the lines
    were read. `ledger` gives what HTTP clients were answered, (source, id) to (type, subject)."""
    wrong = []
    offsets = {}
    ids = collections.defaultdict(list)
    known = {}
    for line in lines:
        if line.offset <= offsets.get(line.partition, -1):
            wrong.append(f"offset {line.offset} of partition {line.partition} goes back")
        offsets[line.partition] = line.offset
        ids[line.source].append(line.id)
        known[line.source, line.id] = line
        wrong += judge_place(line)
    for source in sorted(set(ids) | set(last)):
        wrong += judge_numbers(source, ids[source], last.get(source))
    for (source, number), (kind, subject) in ledger.items():
        line = known.get((source, number))
        if line is None:
            wrong.append(f"{source} {number} was answered and is not in the journal")
        elif (line.event["type"], line.event["payload"].get("cartId", line.event["payload"]["sku"])) \
                != (kind, subject):
            wrong.append(f"{source} {number} was answered as {kind} of {subject}: {line.value!r}")
    return wrong[:COMPLAINTS_MAX]


def judge_place(line):
    service = line.source.split("/")[0]
    if service not in SERVICES:
        return [f"a stranger's record: {line.source}"]
    partition, types = SERVICES[service]
    if line.partition != partition or line.event["type"] not in types or \
            line.event["service"] != service:
        return [f"{line.source} {line.id} on partition {line.partition}: {line.value!r}"]
    return []


def judge_numbers(source, ids, last):
    if last is None:
        return [f"{source} was not asked"]
    wrong = []
    times = collections.Counter(ids)
    missing = [number for number in range(1, last + 1) if number not in times]
    repeated = [number for number, count in times.items() if count > 1]
    if missing:
        wrong.append(f"{source}: {len(missing)} of {last} missing, {missing[:5]} ...")
    if repeated:
        wrong.append(f"{source}: {len(repeated)} repeated, {repeated[:5]} ...")
    if any(after <= before for before, after in zip(ids, ids[1:])):
        wrong.append(f"{source}: out of order")
    return wrong
