"""metrics-consumer, killed or failing at a point: every sound record of the topic is in the journal
once and in order, every other one is a dead letter once, and `verify` says so."""
import json
import re
import shutil
import subprocess
import threading

import journal
import shop
import story
from points import END_SECONDS, Counts, Program, Series, Wrong, await_fact, judge_end, preloaded

SETTINGS = {"PRINT": "off", "JOURNAL_SYNC_MS": 5,
            "JOURNAL_ROTATE_BYTES": 4096,  # a few lines a file
            "RDKAFKA_FETCH_WAIT_MAX_MS": 10,
            "RDKAFKA_QUEUED_MIN_MESSAGES": 1}  # a record or two a turn
EXAMPLES = story.SOURCE / "event" / "examples"
NO_ROOM = "until there is room"


def make_records():
    """(partition, value, source, number, key), as they stand in the topic."""
    added, failed, created, changed = (
        (EXAMPLES / f"{name}.json").read_bytes().strip()
        for name in ("cart_item_added", "cart_item_failed", "sku_created", "stock_changed"))
    records = []
    for round_ in range(10):
        first = 4 * round_ + 1
        # Late numbers, copies, and one that is not sound. (stock/2 1 is sound only the second time,
        # which makes it an altered copy.)
        records += [(0, added, "cart/1", first, b"c"), (0, failed, "cart/1", first + 2, b"c"),
                    (0, added, "cart/1", first + 1, b"c"), (0, failed, "cart/1", first + 2, b"c"),
                    (0, b"{", "cart/1", first + 3, b"c")]
        records += [(1, created, "stock/1", 2 * round_ + 1, b"s"),
                    (1, changed, "stock/1", 2 * round_ + 2, b"s"),
                    (1, created, "stock/1", 2 * round_ + 1, b"s")]
    records += [(0, None, None, None, b"tombstone"), (1, b"no json", None, None, None),
                (0, added, None, None, None), (1, changed[:-9], "stock/2", 1, None),
                (1, changed, "stock/2", 1, None), (1, changed, "stock/2", 2, None)]
    return records


class Expected:
    def __init__(self, records):
        self.lines = [[], []]  # (offset, source, id, value) of each partition
        self.dead = set()      # (partition, offset, value in hex)
        self.late = 0          # lines behind a higher number of their source
        known = {}
        highest = {}
        self.ends = ends = [0, 0]
        for partition, value, source, number, _ in records:
            offset = ends[partition]
            ends[partition] += 1
            if source and (source, number) in known:
                if known[source, number] != value:  # an altered copy
                    self.dead.add((partition, offset, value.hex()))
                continue
            known[source, number] = value
            if sound(value):
                self.lines[partition].append((offset, source or "-", number, value))
                if source:
                    self.late += number < highest.get(source, 0)
                    highest[source] = max(number, highest.get(source, 0))
            else:
                self.dead.add((partition, offset, None if value is None else value.hex()))


def sound(value):
    try:
        return value is not None and json.loads(value) is not None
    except ValueError:
        return False


class Topic:
    """The records, once in each Kafka: nobody writes behind them."""
    NAME = "consumers"

    def __init__(self):
        self.records = make_records()
        self.expected = Expected(self.records)
        self.filled = set()
        self.left = {}  # what a killed consumer left, for each Kafka
        self.lock = threading.Lock()

    def fill(self, kafka):
        if kafka in self.filled:
            return
        kafka.topic(self.NAME)
        for record in self.records:
            partition, value, source, number, key = record
            kafka.put(self.NAME, partition, value, source, number, key)
        self.filled.add(kafka)


TOPIC = Topic()


def files(directory):
    """The journal's files in order: rotated ones, plain before compressed, and the active one."""
    path = directory / "metrics.log"
    rotated = {}
    for each in sorted(directory.glob("metrics.log.*")):
        found = re.fullmatch(r"metrics\.log\.(\d+)(\.zst)?", each.name)
        if found and not (found[2] and int(found[1]) in rotated):
            rotated[int(found[1])] = each
    return [rotated[number] for number in sorted(rotated)] + [path]


def read_plain(path):
    if path.suffix != ".zst":
        return path.read_bytes() if path.exists() else b""
    return subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout


def count_lines(directory):
    """Of journal and dead letter; files that move meanwhile are looked at again."""
    dead = directory / "dead-letter.log"
    try:
        lines = sum(read_plain(each).count(b"\n") for each in files(directory))
    except FileNotFoundError:
        return 0, 0
    return lines, dead.read_bytes().count(b"\n") if dead.exists() else 0


def complete(directory):
    lines, dead = count_lines(directory)
    expected = TOPIC.expected
    return lines >= sum(map(len, expected.lines)) and dead >= len(expected.dead)


def start(directory, kafka, programs, **more):
    settings = SETTINGS | {"KAFKA_BROKERS": kafka.brokers, "TOPIC": TOPIC.NAME} | more
    programs.append(Program("metrics-consumer", directory, settings))
    return programs[-1]


def leave(kafka, directory):
    """Makes in @directory what a consumer leaves that is killed in the middle of a line."""
    scratch = story.directory("hw9-crash-left-")
    programs = []
    series = Series("consumer", "write.journal", "kill-half")
    killed = start(scratch / "consumer", kafka, programs,
                   **preloaded(Counts(scratch / "counts"), kafka, series, 2))
    await_fact("it is killed", killed.ended)
    shutil.copytree(scratch / "consumer", directory)


def run(series, at, kafka, scratch, counts, programs, again=False):
    """The scenario; with `again` the files are those that a killed consumer left."""
    TOPIC.fill(kafka)
    directory = scratch / "consumer"
    if again:
        leave(kafka, directory)
    struck = start(directory, kafka, programs,
                   **preloaded(counts, kafka, series if at else None, at))
    await_fact(lambda: f"all records are taken: {count_lines(directory)}",
               lambda: struck.ended() or complete(directory)
               or (series.times == 0 and NO_ROOM in struck.log()))
    wrong = judge_end(struck, series, struck.end(), counts.read()[0], at)

    consumer = start(directory, kafka, programs)
    await_fact(lambda: f"all records are taken after the restart: {count_lines(directory)}",
               lambda: consumer.ended() or complete(directory))
    if consumer.ended():
        raise Wrong(f"it does not start again: {consumer.log()}")
    if consumer.end() != 0:
        wrong.append("the restarted consumer does not stop well")
    return wrong + judge_files(directory) + \
        verify(directory, TOPIC.expected.late)


def judge_files(directory):
    wrong = []
    found = [[], []]
    for path in files(directory):
        plain = directory / "plain"
        plain.write_bytes(read_plain(path))
        for line in journal.read(plain):
            found[line.partition].append((line.offset, line.source, line.id, line.value))
    for partition, expected in enumerate(TOPIC.expected.lines):
        if found[partition] != expected:
            wrong.append(f"partition {partition} in the journal:\n    {found[partition]}\n"
                         f"  has to be:\n    {expected}")
    letters = [json.loads(line) for line in
               (directory / "dead-letter.log").read_bytes().splitlines()]
    dead = sorted((letter["partition"], letter["offset"], letter["value_hex"] or "")
                  for letter in letters)
    if dead != sorted((*place, value or "") for *place, value in TOPIC.expected.dead):
        wrong.append(f"dead letters: {dead}, have to be {sorted(map(str, TOPIC.expected.dead))}")
    return wrong


def verify(directory, late=None):
    """It has to say that nothing is missing or repeated; `late` lines are out of order, as many as
    there are if that is not said."""
    verified = subprocess.run([shop.program("metrics-consumer"), "verify", "--no-topic",
                               "--journal-path", directory / "metrics.log"],
                              env=shop.environment({}), capture_output=True, text=True,
                              timeout=END_SECONDS)
    clean = re.search(rf"^0 missing, 0 repeated, {'[0-9]+' if late is None else late} out of order",
                      verified.stdout, re.M)
    return [] if clean else [f"verify: {verified.stdout}{verified.stderr}"]
