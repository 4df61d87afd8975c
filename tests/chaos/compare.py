"""What came of it: ledger, services, journal and topic beside each other."""
import array
import collections
import re

import journal

HEADERS = re.compile(rb"(\d+)\t(\d+)\t(?=.*\bce_id=(\d+))(?=.*\bce_source=([^,\s]+))")
COMPLAINTS_MAX = 10  # of each kind


class Source:
    """The events of one service's store in the journal, in the journal's order."""

    def __init__(self):
        self.ids = array.array("q")
        self.times = array.array("d")       # when it was journaled, seconds
        self.event_times = array.array("d")  # when it happened
        self.seen = set()
        self.highest = 0
        self.repeated = self.late = 0


class Comparison:
    def __init__(self, ledger):
        self.entries = {(entry.source, entry.id): entry for entry in ledger.entries}
        self.ledger = ledger
        self.sources = collections.defaultdict(Source)
        self.last = {}
        self.missing = collections.Counter()
        self.tags = collections.Counter()  # requests that have an event
        self.cleared = set()               # carts that nothing is in any more
        self.levels = {}                   # SKU to (count, price, id) of its last event
        self.longest_delay_ms = 0
        self.copies = collections.Counter()
        self.records = collections.Counter()
        self.wrong = []
        self.complaints = collections.Counter()  # by kind, the text before the colon
        self.dropped = 0

    def accuse(self, text):
        kind = text.split(":")[0]
        self.complaints[kind] += 1
        if self.complaints[kind] <= COMPLAINTS_MAX:
            self.wrong.append(text)
        else:
            self.dropped += 1

    # The journal

    def read_journal(self, path, last):
        """`last` is the last number that each source acknowledged."""
        self.last = last
        offsets = {}
        found = set()
        for line in journal.all_lines(path):
            if line.offset <= offsets.get(line.partition, -1):
                self.accuse(f"journal: offset {line.offset} of partition {line.partition} is "
                            f"behind {offsets[line.partition]}")
            offsets[line.partition] = line.offset
            strange = journal.judge_place(line)
            if strange:
                self.accuse(f"journal: {strange[0]}")
                if line.id is None:
                    continue
            self.take(line)
            if not strange:
                self.take_event(line)
            if (line.source, line.id) in self.entries:
                found.add((line.source, line.id))
        for source, number in last.items():
            self.judge_numbers(source, number)
        for source in set(self.sources) - set(last):
            self.accuse(f"journal: {source} is nobody's")
        for key in self.entries.keys() - found:
            self.accuse(f"ledger: {key[0]} {key[1]} was answered and is not in the journal: "
                        f"{self.entries[key]}")
        for tag, times in self.tags.items():
            if times > 1:
                self.accuse(f"journal: request {tag} was asked once and made {times} events")

    def take(self, line):
        source = self.sources[line.source]
        if line.id in source.seen:
            source.repeated += 1
            self.accuse(f"journal: {line.source} {line.id} is repeated at offset {line.offset}")
        elif line.id < source.highest:
            source.late += 1
            self.accuse(f"journal: {line.source} {line.id} comes behind {source.highest}")
        source.seen.add(line.id)
        source.highest = max(source.highest, line.id)
        time = line.time.timestamp()
        source.ids.append(line.id)
        source.times.append(time)
        source.event_times.append(time - line.delay_ms / 1000)
        self.longest_delay_ms = max(self.longest_delay_ms, line.delay_ms)

    def take_event(self, line):
        payload = line.event["payload"]
        if "cartId" not in payload:
            self.levels[payload["sku"]] = payload["count"], payload["price"], line.id
            if payload["sku"].startswith("shelf-"):
                self.tags[f"{payload['sku']} {payload['count']}"] += 1
        elif not payload["cartId"].startswith("http-"):
            pass  # the simulator's, which asks for the same again and again
        elif line.event["type"] == "cart_cleared":
            self.cleared.add(payload["cartId"])
            self.tags[f"{payload['cartId']} cleared"] += 1
        else:
            self.tags[payload["cartId"]] += 1
        entry = self.entries.get((line.source, line.id))
        if entry:
            self.judge_content(entry, line)

    def judge_content(self, entry, line):
        from load import MADE_AN_EVENT
        wanted = MADE_AN_EVENT[entry.service][entry.status]
        payload = line.event["payload"]
        if line.event["type"] != wanted or \
                any(payload.get(name) != value for name, value in entry.request.payload.items()):
            self.accuse(f"journal: {line.source} {line.id} was answered with {entry.status} to "
                        f"{entry.request}, and is {line.value!r}")

    def judge_numbers(self, name, last):
        source = self.sources[name]
        missing = [number for number in range(1, last + 1) if number not in source.seen]
        self.missing[name] = len(missing)
        if missing:
            self.accuse(f"journal: {name}: {len(missing)} of {last} missing: {missing[:10]}")
        if source.highest > last:
            self.accuse(f"journal: {name} goes to {source.highest}, the service to {last}")
        beyond = max((entry.id for entry in self.entries.values() if entry.source == name),
                     default=0)
        if beyond > last:
            self.accuse(f"ledger: {name} answered with {beyond} and has {last}")

    # The topic

    def read_topic(self, path):
        """What kcat read, with the format '%p\\t%o\\t%h\\n'. The numbers of a source may begin again
        below the highest, and never above the one behind it."""
        highest = collections.Counter()
        with open(path, "rb") as lines:
            for raw in lines:
                found = HEADERS.match(raw)
                if not found:
                    self.accuse(f"topic: no event of ours: {raw!r}")
                    continue
                number, source = int(found[3]), found[4].decode()
                self.records[source] += 1
                if number <= highest[source]:
                    self.copies[source] += 1
                elif number > highest[source] + 1:
                    self.accuse(f"topic: {source} {number} behind {highest[source]} at partition "
                                f"{int(found[1])} offset {int(found[2])}")
                highest[source] = max(highest[source], number)
        for source, last in self.last.items():
            if highest[source] != last:
                self.accuse(f"topic: {source} ends with {highest[source]}, the service has {last}")

    # The services

    def read_stock(self, process):
        """What stock has on its shelves is what its events say last."""
        after, count = "", 0
        while after is not None:
            page = process.ask("GET", f"/stocks?limit=1000&after={after}").json
            for item in page["stocks"]:
                count += 1
                had = item["count"], item["price"], item["id"]
                if self.levels.get(item["sku"]) != had:
                    self.accuse(f"stock: it has {item}, its last event in the journal is "
                                f"{self.levels.get(item['sku'])}")
            after = page.get("next")
        if count != len(self.levels):
            self.accuse(f"stock: it has {count} SKUs, the journal {len(self.levels)}")

    def read_carts(self, process, sample):
        """Each cart has what its customer was told."""
        for entry in sample:
            if entry.request.method == "DELETE":
                continue  # its cart was another request's
            answer = process.ask("GET", entry.request.path.removesuffix("/items"))
            items = [(item["sku"], item["count"]) for item in answer.json.get("items", [])]
            told = entry.request.body
            there = entry.status == 201 and entry.request.tag not in self.cleared
            wanted = [(told["sku"], told["count"])] if there else []
            if items != wanted:
                self.accuse(f"cart: it answered {entry.request} with {entry.status} and has {items}")

    def repeated(self):
        return sum(source.repeated for source in self.sources.values())

    def late(self):
        return sum(source.late for source in self.sources.values())
