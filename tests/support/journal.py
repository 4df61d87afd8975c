"""The journal as somebody reads it who has only its description: a second opinion on what
`metrics-consumer verify` says."""
import collections
import datetime
import io
import json
import re
import subprocess

LINE = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) partition=(\d+) offset=(\d+)"
                  rb" source=(\S+) id=(\d+|-) delay_ms=(-?\d+)(?: trace=([0-9a-f]{32}))? (.+)")
SERVICES = {"cart": (0, {"cart_item_added", "cart_item_failed", "cart_item_removed",
                      "cart_cleared"}),
            "stock": (1, {"sku_created", "stock_changed"})}
COMPLAINTS_MAX = 20

Line = collections.namedtuple("Line", "time partition offset source id delay_ms value event trace")


def parse(raw, where):
    """One line, without its end. What is no line is an error that names the place."""
    found = LINE.fullmatch(raw)
    assert found, f"{where} is no line of a journal: {raw!r}"
    time, partition, offset, source, number, delay, trace, value = found.groups()
    return Line(datetime.datetime.fromisoformat(time.decode()), int(partition), int(offset),
                source.decode(), None if number == b"-" else int(number), int(delay), value,
                json.loads(value), trace and trace.decode())


def read(path):
    """The whole lines there are now; the last one may be being written. A line that is none is an
    error."""
    *whole, _ = (path.read_bytes() if path.exists() else b"").split(b"\n")
    return [parse(raw, f"line {at} of {path}") for at, raw in enumerate(whole, 1)]


def open_file(path):
    """A file of the journal, plain or compressed, to be read by lines; zstd is not in Python's
    library."""
    if path.suffix != ".zst":
        return open(path, "rb")
    return io.BytesIO(subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True,
                                     timeout=60).stdout)


NOT_LINES = re.compile(r"checkpoint|.*\.tmp|cut\..*")


def files(path):
    """All files of the journal at `path`, in the order in which they were written: rotated ones by
    their number, plain or compressed (where both are there the plain one counts), those that
    somebody moved by the time of their first line, the active one last."""
    numbered, moved = {}, []
    for each in sorted(path.parent.glob(path.name + ".*")):
        rest = each.name[len(path.name) + 1:]
        number = re.fullmatch(r"(\d{6,})(\.zst)?", rest)
        if number:
            numbered.setdefault(int(number[1]), each)  # the plain name sorts before .zst
        elif not NOT_LINES.fullmatch(rest):
            moved.append(each)
    parts = [numbered[number] for number in sorted(numbered)]
    for each in moved:
        time = _first_time(each)
        if time:
            at = next((at for at, part in enumerate(parts) if (_first_time(part) or time) > time),
                      len(parts))
            parts.insert(at, each)
    return parts + ([path] if path.exists() else [])


def _first_time(path):
    """None: it does not begin with a line of a journal."""
    with open_file(path) as lines:
        found = LINE.fullmatch(lines.readline().rstrip(b"\n"))
    return found and found[1]


def all_lines(path):
    """Every line of every file of the journal at `path`, one after the other: it may be more than
    one wants in memory. Nobody may be writing to it."""
    for each in files(path):
        with open_file(each) as lines:
            for at, raw in enumerate(lines, 1):
                assert raw.endswith(b"\n"), f"line {at} of {each} has no end: {raw!r}"
                yield parse(raw[:-1], f"line {at} of {each}")


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
        elif (line.event["type"], event_subject(line.event["payload"])) != (kind, subject):
            wrong.append(f"{source} {number} was answered as {kind} of {subject}: {line.value!r}")
    return wrong[:COMPLAINTS_MAX]


def event_subject(payload):
    """What the event is about: its key."""
    return payload["cartId"] if "cartId" in payload else payload["sku"]


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
