"""metrics-consumer redrive, killed or failing at a point. After a second run each repaired letter
is in the journal once, the lines that were there are there, the topic is what it was, and the
consumer goes on."""
import json
import shutil
import threading

import journal
import story
from consumers import EXAMPLES, TOPIC, complete, files, read_plain, start, verify
from points import Program, Wrong, await_fact, judge_end, preloaded

REPAIRED = (EXAMPLES / "cart_item_failed.json").read_bytes().strip()
_lock = threading.Lock()
_left = {}  # of each Kafka: the directory of a consumer that took everything and was stopped


def leave(kafka):
    with _lock:
        if kafka in _left:
            return _left[kafka]
    TOPIC.fill(kafka)
    directory = story.directory("hw9-crash-dead-") / "consumer"
    consumer = start(directory, kafka, [])
    await_fact("all records are taken", lambda: complete(directory))
    if consumer.end() != 0:
        raise Wrong("the consumer does not stop well")
    repair(directory)
    with _lock:
        _left[kafka] = directory
    return directory


def repair(directory):
    """As a person does: of every letter that has a number, and of those without a source."""
    letters = (json.loads(line) for line in
               (directory / "dead-letter.log").read_text().splitlines())
    repaired = [letter | {"value": REPAIRED.decode()} for letter in letters
                if letter.get("source") != "stock/2"]  # the journal has these, from another place
    (directory / "repaired").write_text(
        "".join(json.dumps(letter) + "\n" for letter in repaired))


def redrive(directory, kafka, programs, **more):
    """It is told where Kafka is, as the consumer beside it is."""
    settings = {"KAFKA_BROKERS": kafka.brokers, "TOPIC": TOPIC.NAME} | more
    programs.append(Program("metrics-consumer", directory, settings, "redrive", "repaired"))
    return programs[-1]


def run(series, at, kafka, scratch, counts, programs):
    directory = scratch / "consumer"
    shutil.copytree(leave(kafka), directory)
    before = lines(directory)
    letters = [json.loads(line) for line in (directory / "repaired").read_text().splitlines()]
    struck = redrive(directory, kafka, programs,
                     **preloaded(counts, kafka, series if at else None, at))
    wrong = judge_end(struck, series, struck.end(), counts.read()[0], at)
    again = redrive(directory, kafka, programs)
    if again.end() != 0:
        wrong.append(f"it does not run again: {again.log()}")
    consumer = start(directory, kafka, programs)
    await_fact("the consumer looks at the topic", lambda: consumer.ended() or consumer.ask(
        "GET", "/readyz") and consumer.ask("GET", "/readyz").status == 200)
    if consumer.end() != 0:
        wrong.append(f"the consumer does not go on and stop well: {consumer.log()}")
    if [len(kafka.read(TOPIC.NAME, partition)) for partition in (0, 1)] != TOPIC.expected.ends:
        wrong.append("somebody wrote to the topic")
    after = lines(directory)
    if after[:len(before)] != before:
        wrong.append(f"of the lines that were there: {after[:len(before)]}\n  not {before}")
    repaired = [(letter["partition"], letter["offset"], letter.get("source", "-"),
                 letter.get("id"), REPAIRED) for letter in letters]
    if after[len(before):] != repaired:
        wrong.append(f"redriven: {after[len(before):]}\n  has to be {repaired}")
    return wrong + verify(directory)


def lines(directory):
    found = []
    for path in files(directory):
        plain = directory / "plain"
        plain.write_bytes(read_plain(path))
        found += [(line.partition, line.offset, line.source, line.id, line.value)
                  for line in journal.read(plain)]
    return found
