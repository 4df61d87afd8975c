"""stock-service store fork, killed or failing at a point: the store is the old one or the new one,
and whatever was acknowledged under either name is in the topic once and in the journal once."""
import itertools
import json
import signal

import services
from points import Program, Wrong, await_fact, judge_end, preloaded

SENT, WAITING = 5, 4
NOBODY = "127.0.0.1:9"
_names = itertools.count(1)


def run(series, at, kafka, directory, counts, programs):
    topic = f"forks-{next(_names)}"
    kafka.topic(topic)
    settings = {"KAFKA_BROKERS": kafka.brokers, "TOPIC": topic}
    business = services.Business(services.Stock)
    home = directory / "stock-service"

    def start(binary, *words, **more):
        programs.append(Program(binary, directory / binary, settings | more, *words))
        return programs[-1]

    before = start("stock-service")
    business.do(before, SENT, 0)
    await_fact("all is published", lambda: before.ask("GET", "/outbox").json["published"] == SENT)
    before.end()
    alone = start("stock-service", KAFKA_BROKERS=NOBODY)
    business.do(alone, WAITING, 0)
    old = alone.ask("GET", "/outbox").json["source"]
    alone.end(signal.SIGKILL)  # at a SIGTERM it would wait for Kafka
    if len(business.acknowledged) != SENT + WAITING:
        raise Wrong("the commands before were not done")

    struck = start("stock-service", "store", "fork",
                   **preloaded(counts, kafka, series if at else None, at))
    wrong = judge_end(struck, series, struck.end(), counts.read()[0], at)

    service = start("stock-service")
    if not service.listens:
        raise Wrong(f"it does not start again in {home}: {service.log()}")
    business.do(service, 3, 0)
    status = service.ask("GET", "/outbox").json
    await_fact(lambda: f"all is published: {service.ask('GET', '/outbox').json}",
               lambda: service.ask("GET", "/outbox").json["published"] >= status["last"])
    records = kafka.read(topic, services.Stock.PARTITION)
    wrong += judge_topic(records, business, old, status["source"])
    wrong += judge_levels(service, business, records, status["source"])
    wrong += services.judge_journal(start, directory / "metrics-consumer" / "metrics.log", records,
                                    f"http://127.0.0.1:{service.port}")
    if service.end() != 0:
        wrong.append("the service does not stop well")
    if struck.popen.returncode == 0 and status["source"] == old:
        wrong.append("it said that it gave a new name, and the store has the old one")
    return wrong


def judge_topic(records, business, old, new):
    wrong = []
    events = {(source, number): json.loads(value)["payload"]["count"]
              for _, source, number, value in records}
    asked = sorted(count for _, count in business.acknowledged.values())
    if sorted(events.values()) != asked:
        wrong.append(f"the topic has {sorted(events.values())}, acknowledged are {asked}")
    lasts = {old: SENT, new: len(asked) - SENT} if old != new else {old: len(asked)}
    for name, last in lasts.items():
        found = sorted(number for source, number in events if source == name)
        if found != list(range(1, last + 1)):
            wrong.append(f"the topic has {found} of {name}, not 1 to {last}")
    if {source for source, _ in events} - {old, new}:
        wrong.append(f"there are other sources than {old} and {new} in the topic")
    return wrong


def judge_levels(service, business, records, name):
    """The last command counts, with the number its event has now, or 0 if that is under the name
    before."""
    numbers = {json.loads(value)["payload"]["count"]: number if source == name else 0
               for _, source, number, value in records}
    last = {sku: (count, numbers.get(count)) for sku, count in business.acknowledged.values()}
    levels = {sku: service.ask("GET", f"/stocks/{sku}").json for sku in last}
    found = {sku: (level["count"], level["id"]) for sku, level in levels.items()}
    return [] if found == last else [f"the store has {found}, not {last}"]
