"""stock-service or cart-service, killed or failing at a point: what it acknowledged is in the
topic, what it refused is not, and its store, its topic and the journal made of it agree."""
import concurrent.futures
import contextlib
import itertools
import json
import signal
import sqlite3
import subprocess
import time

import journal
import shop
import story
from points import END_SECONDS, Program, Wrong, await_fact, judge_end, preloaded

EXAMPLES = story.SOURCE / "event" / "examples"
_names = itertools.count(1)


class Stock:
    """Commands that change stock. What they do is known by `count`, of which each has its own."""
    BINARY = "stock-service"
    PARTITION = 1
    DONE = 200, 201
    FIRST = 1  # so many commands at once show that it decides
    SETTINGS = {}

    @staticmethod
    def prepare(kafka, topic):
        """What is in the other partition."""

    @staticmethod
    def ask(program, count):
        """The answer, and what the command is about."""
        sku = f"sku-{count % 4}"
        if count % 3 == 0:
            answer = program.ask("PATCH", f"/stocks/{sku}", {"count": count})
            if answer is None or answer.status != 404:
                return answer, sku
        return program.ask("PUT", f"/stocks/{sku}", {"price": 1.5, "count": count}), sku

    @staticmethod
    def subject(payload):
        return payload["sku"]

    @staticmethod
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


class Cart:
    """Items that are added, and now and then taken out. The levels come from stock's partition, whose end is copies of old
    ones: two SKUs of which there is enough, one of which there is not."""
    BINARY = "cart-service"
    PARTITION = 0
    DONE = 200, 201, 409
    FIRST = 3
    SETTINGS = {"STOCK_URL": "http://127.0.0.1:9"}  # nobody there
    PRICES = {"sku-0": 2.25, "sku-1": 3.25, "sku-2": 1.25}

    @classmethod
    def prepare(cls, kafka, topic):
        values = []
        for price in (9.75, 0.5, 0.75, None):  # each level changes, the last one counts
            for sku, last in cls.PRICES.items():
                name = "stock_changed" if len(values) >= len(cls.PRICES) else "sku_created"
                event = json.loads((EXAMPLES / f"{name}.json").read_bytes())
                count = 1 if price or sku == "sku-2" else 10 ** 6
                event["payload"] = {"sku": sku, "price": price or last, "count": count}
                values.append(json.dumps(event).encode())
        numbers = range(1, len(values) + 1)
        for number in (*numbers, *numbers[:-3]):
            kafka.put(topic, 1, values[number - 1], "stock/before", number, b"s")

    @staticmethod
    def ask(program, count):
        cart = f"cart-{count % 3}"
        if count % 5 == 0:
            answer = program.ask("DELETE", f"/carts/{cart}" + f"/items/sku-{count % 3}" * (count % 2))
            if answer is None or answer.status != 404:
                return answer, cart
        return program.ask("POST", f"/carts/{cart}/items",
                           {"sku": f"sku-{count % 3}", "count": count}), cart

    @staticmethod
    def subject(payload):
        return payload["cartId"]

    @classmethod
    def judge_store(cls, service, records):
        """The carts hold what was added, at the last prices of the topic."""
        told = {}
        for *_, value in sorted({record[2]: record for record in records}.values(),
                                key=lambda record: record[2]):
            event = json.loads(value)
            payload = event["payload"]
            if event["type"] == "cart_item_added":
                item = payload["cartId"], payload["sku"]
                told[item] = told.get(item, 0) + payload["count"]
            elif event["type"] in REMOVALS:
                told = {item: count for item, count in told.items()
                        if item[0] != payload["cartId"]
                        or item[1] != payload.get("sku", item[1])}
        await_fact("cart has the last prices", lambda: cls._prices(service) <= cls.PRICES.items())
        found = {(cart, item["sku"]): item["count"]
                 for cart in (f"cart-{n}" for n in range(3)) for item in cls._items(service, cart)}
        return [] if found == told else [f"the carts hold {found}, their events say {told}"]

    @staticmethod
    def _items(service, cart):
        answer = service.ask("GET", f"/carts/{cart}")
        return answer.json["items"] if answer.status == 200 else []

    @classmethod
    def _prices(cls, service):
        return {(item["sku"], item["price"])
                for cart in range(3) for item in cls._items(service, f"cart-{cart}")}


REMOVALS = {"cart_item_removed", "cart_cleared"}  # their counts are not those of commands


def size(payload):
    return payload["count"] if "count" in payload else payload["items"]


class Business:
    """Commands, and what was answered. Each has a count of its own, by which its event is known."""

    def __init__(self, kind):
        self.kind = kind
        self.asked = itertools.count(1)
        self.acknowledged = {}  # (source, id): (subject, count)
        self.refused = set()    # counts of commands that were not done
        self.lost = 0           # commands without an answer, or with "unknown"

    def put(self, program):
        """Whether it was acknowledged."""
        count = next(self.asked)
        answer, subject = self.kind.ask(program, count)
        if answer is None or answer.status == 500:
            self.lost += 1
            return False
        if answer.status == 503:
            self.refused.add(count)
            return False
        if answer.status not in self.kind.DONE:
            raise Wrong(f"answered {answer}")
        event = answer.json["source"], answer.json["id"]
        if event in self.acknowledged:
            raise Wrong(f"{event} was given out twice")
        self.acknowledged[event] = subject, answer.json.get("removed", count)
        return True

    def do(self, program, one_by_one, at_once):
        for _ in range(one_by_one):
            self.put(program)
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(self.put, program) for _ in range(at_once)]:
                done.result()


def begin(program, business, tries=0):
    """Cart knows no level until it has read the topic, and refuses what it cannot decide: until a
    command about each SKU is done. No more than so many @tries, if there are any, where none may
    ever be."""
    tried = itertools.count(1)

    def begun():
        if program.ended() or next(tried) == tries:
            return True
        if all(business.put(program) for _ in range(business.kind.FIRST)):
            return True
        time.sleep(0.02)  # each try is calls that are swept
        return False
    await_fact(lambda: f"the first command is done: {program.log()}", begun)


def run(series, at, kafka, directory, counts, programs, kind=Stock, again=False, keep=None):
    """The scenario; with `again` the store is one that a killed process left, with `keep` rows are
    kept so many seconds, and commands come after others were deleted."""
    topic = f"services-{next(_names)}"
    kafka.topic(topic)
    kind.prepare(kafka, topic)
    others = kafka.read(topic, 1 - kind.PARTITION)
    settings = {"KAFKA_BROKERS": kafka.brokers, "TOPIC": topic} | kind.SETTINGS
    settings |= {"OUTBOX_KEEP_SECONDS": keep} if keep else {}
    business = Business(kind)
    tries = 5 if series.times == 0 else 0  # it may never have room again

    def start(binary, **more):
        programs.append(Program(binary, directory / binary, settings | more))
        return programs[-1]

    if again:
        killed = start(kind.BINARY)
        begin(killed, business)
        business.do(killed, 4, 3)
        killed.end(signal.SIGKILL)
    struck = start(kind.BINARY, **preloaded(counts, kafka, series if at else None, at))
    if struck.listens:
        begin(struck, business, tries)
        business.do(struck, 5, 6)
    if struck.listens and keep and not tries:
        await_tidy(struck, directory / kind.BINARY, business, keep)
        business.do(struck, 2, 3)
    wrong = judge_end(struck, series, struck.end(), counts.read()[0], at)

    service = start(kind.BINARY)
    if not service.listens:
        raise Wrong(f"it does not start again: {service.log()}")
    begin(service, business)
    for _ in range(3):
        if not business.put(service):
            wrong.append("a command after the restart was not done")
    status = service.ask("GET", "/outbox").json
    await_fact(lambda: f"all is published: {service.ask('GET', '/outbox').json}",
               lambda: service.ask("GET", "/outbox").json["published"] >= status["last"])
    records = kafka.read(topic, kind.PARTITION)
    wrong += judge_topic(records, status, business) + kind.judge_store(service, records)
    if kafka.read(topic, 1 - kind.PARTITION) != others:
        wrong.append("there are other records in the other partition")
    wrong += judge_journal(start, directory / "metrics-consumer" / "metrics.log", records,
                           f"http://127.0.0.1:{service.port}", others)
    if service.end() != 0:
        wrong.append("the restarted service does not stop well")
    return wrong


def await_tidy(program, directory, business, keep):
    """Until rows were deleted from its store: they are when Kafka was seen to have a later one."""
    store, = directory.glob("*.db")
    time.sleep(keep)

    def tidied():
        if program.ended():
            return True
        business.put(program)
        time.sleep(0.1)
        with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
            return db.execute("SELECT COUNT(*) FROM outbox WHERE id = 1").fetchone()[0] == 0
    await_fact("rows are deleted", tidied)


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
    told = {number: json.loads(value) for number, value in events.items()}
    payloads = {number: event["payload"] for number, event in told.items()}
    counts = [size(event["payload"]) for event in told.values() if event["type"] not in REMOVALS]
    if len(set(counts)) < len(counts):
        wrong.append(f"a command made two events: {counts}")
    if business.refused & set(counts):
        wrong.append(f"refused, and an event: {business.refused & set(counts)}")
    for (source, number), (subject, count) in business.acknowledged.items():
        found = payloads.get(number) if source == status["source"] else None
        if not found or (business.kind.subject(found), size(found)) != (subject, count):
            wrong.append(f"{source} {number} was answered for {subject} {count}, the topic has "
                         f"{found}")
    if len(told) > len(business.acknowledged) + business.lost:
        wrong.append("there are more events than commands that may have been done")
    return wrong


def judge_journal(start, path, records, url, others=()):
    """Each event of @records once and in order; those of the other partition are read, too."""
    consumer = start("metrics-consumer", PRINT="off", JOURNAL_SYNC_MS=10)
    events = {(source, number): value for _, source, number, value in records}
    stand_by = {(source, number) for _, source, number, _ in others}
    await_fact(lambda: f"{len(events) + len(stand_by)} lines in the journal: {consumer.log()}",
               lambda: path.exists()
               and path.read_bytes().count(b"\n") >= len(events) + len(stand_by))
    verified = subprocess.run([shop.program("metrics-consumer"), "verify", "--no-topic",
                               "--journal-path", path, "--outbox", url], env=shop.environment({}),
                              capture_output=True, text=True, timeout=END_SECONDS)
    wrong = [] if verified.returncode == 0 else [f"verify: {verified.stdout}{verified.stderr}"]
    if consumer.end() != 0:
        wrong.append("the consumer does not stop well")
    found = [((line.source, line.id), line.value) for line in journal.read(path)
             if (line.source, line.id) not in stand_by]
    first = list(dict.fromkeys((source, number) for _, source, number, _ in records))
    if found != [(name, events[name]) for name in first]:
        wrong.append("the journal is not what the topic is")
    return wrong
