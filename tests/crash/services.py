"""stock-service, killed or failing at a point: what it acknowledged is in the topic, what it refused
is not, and its store, its topic and the journal made of it agree."""
import concurrent.futures
import itertools
import json
import signal
import subprocess

import journal
import shop
from consumers import without_topic
from points import END_SECONDS, Program, Wrong, await_fact, judge_end, preloaded

PARTITION = 1
_names = itertools.count(1)


class Business:
    """Commands, and what was answered. Each has a count of its own, by which its event is known."""

    def __init__(self):
        self.asked = itertools.count(1)
        self.acknowledged = {}  # (source, id): (sku, count)
        self.refused = set()    # counts of commands that were not done
        self.lost = 0           # commands without an answer, or with "unknown"

    def put(self, program):
        """Whether it was acknowledged."""
        count = next(self.asked)
        sku = f"sku-{count % 4}"
        answer = program.ask("PUT", f"/stocks/{sku}", {"price": 1.5, "count": count})
        if answer is None or answer.status == 500:
            self.lost += 1
            return False
        if answer.status == 503:
            self.refused.add(count)
            return False
        if answer.status not in (200, 201):
            raise Wrong(f"answered {answer}")
        event = answer.json["source"], answer.json["id"]
        if event in self.acknowledged:
            raise Wrong(f"{event} was given out twice")
        self.acknowledged[event] = sku, count
        return True

    def do(self, program, one_by_one, at_once):
        for _ in range(one_by_one):
            self.put(program)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(self.put, program) for _ in range(at_once)]:
                done.result()


def run(series, at, kafka, directory, counts, programs, again=False):
    """The scenario; with `again` the store is one that a killed process left."""
    topic = f"services-{next(_names)}"
    kafka.topic(topic)
    settings = {"KAFKA_BROKERS": kafka.brokers, "TOPIC": topic}
    business = Business()

    def start(binary, **more):
        programs.append(Program(binary, directory / binary, settings | more))
        return programs[-1]

    if again:
        killed = start("stock-service")
        business.do(killed, 4, 3)
        killed.end(signal.SIGKILL)
    struck = start("stock-service", **preloaded(counts, kafka, series if at else None, at))
    if struck.listens:
        business.do(struck, 6, 6)
    wrong = judge_end(struck, series, struck.end(), counts.read()[0], at)

    service = start("stock-service")
    if not service.listens:
        raise Wrong(f"it does not start again: {service.log()}")
    for _ in range(3):
        if not business.put(service):
            wrong.append("a command after the restart was not done")
    status = service.ask("GET", "/outbox").json
    await_fact(lambda: f"all is published: {service.ask('GET', '/outbox').json}",
               lambda: service.ask("GET", "/outbox").json["published"] >= status["last"])
    records = kafka.read(topic, PARTITION)
    wrong += judge_topic(records, status, business) + judge_store(service, records)
    if kafka.read(topic, 1 - PARTITION):
        wrong.append("there are records in the other partition")
    wrong += judge_journal(start, directory / "metrics-consumer" / "metrics.log", records,
                           f"http://127.0.0.1:{service.port}", status["last"])
    if service.end() != 0:
        wrong.append("the restarted service does not stop well")
    return wrong


def judge_topic(records, status, business):
    wrong = []
    events = {}
    highest = before = 0
    for offset, source, number, value in records:
        if source != status["source"]:
            wrong.append(f"offset {offset} is of {source}, not of {status['source']}")
            continue
        if number != before + 1 and number > highest + 1:
            wrong.append(f"a run starts too high: {number} at offset {offset}, highest {highest}")
        if events.setdefault(number, value) != value:
            wrong.append(f"{number} is two events: {events[number]} and {value}")
        before, highest = number, max(highest, number)
    if sorted(events) != list(range(1, status["last"] + 1)):
        wrong.append(f"the topic has {sorted(events)}, acknowledged are {status['last']}")
    payloads = {number: json.loads(value)["payload"] for number, value in events.items()}
    counts = [payload["count"] for payload in payloads.values()]
    if len(set(counts)) < len(counts):
        wrong.append(f"a command made two events: {counts}")
    if business.refused & set(counts):
        wrong.append(f"refused, and an event: {business.refused & set(counts)}")
    for (source, number), (sku, count) in business.acknowledged.items():
        found = payloads.get(number) if source == status["source"] else None
        if not found or (found["sku"], found["count"]) != (sku, count):
            wrong.append(f"{source} {number} was answered for {sku} {count}, the topic has {found}")
    if len(counts) > len(business.acknowledged) + business.lost:
        wrong.append("there are more events than commands that may have been done")
    return wrong


def judge_store(service, records):
    """The levels are those that the events tell."""
    told = {}
    for _, _, number, value in sorted(records, key=lambda record: record[2]):
        payload = json.loads(value)["payload"]
        told[payload["sku"]] = payload["count"], number
    wrong = []
    for sku in sorted({f"sku-{n}" for n in range(4)} | set(told)):
        answer = service.ask("GET", f"/stocks/{sku}")
        found = (answer.json["count"], answer.json["id"]) if answer.status == 200 else None
        if found != told.get(sku):
            wrong.append(f"the store has {sku} {found}, its events say {told.get(sku)}")
    return wrong


def judge_journal(start, path, records, url, last):
    consumer = start("metrics-consumer", PRINT="off", JOURNAL_SYNC_MS=10)
    await_fact(lambda: f"{last} lines in the journal: {consumer.log()}",
               lambda: path.exists() and path.read_bytes().count(b"\n") >= last)
    verified = subprocess.run([shop.program("metrics-consumer"), "verify", *without_topic(),
                               "--journal-path", path, "--outbox", url], env=shop.environment({}),
                              capture_output=True, text=True, timeout=END_SECONDS)
    wrong = [] if verified.returncode == 0 else [f"verify: {verified.stdout}{verified.stderr}"]
    if consumer.end() != 0:
        wrong.append("the consumer does not stop well")
    values = {number: value for _, _, number, value in records}
    if [(line.id, line.value) for line in journal.read(path)] != sorted(values.items()):
        wrong.append("the journal is not what the topic is")
    return wrong
