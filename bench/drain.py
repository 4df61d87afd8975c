"""1,000,000 rows wait in cart's outbox, since Kafka was away; then the brokers come."""
import pathlib
import shutil
import sqlite3
import subprocess
import threading
import time

import brokers
import shop
import simulation
import stage
import story

ROWS = 1000000  # OUTBOX_MAX_ROWS, as by default: cart takes no more
NOBODY = "127.0.0.1:1"  # no broker is there
FILL_SECONDS = 600
DRAIN_SECONDS = 300
SAMPLE_SECONDS = 0.02
AWAY_SECONDS = 5

# Of each record, since kcat gives all of them the same: as many bytes as the relay's.
HEADERS = ("ce_specversion=1.0", "ce_id=0500000", "ce_source=cart/5f2c9e1b",
           "ce_type=cart_item_added", "ce_time=2025-07-08T19:15:32.481Z",
           "content-type=application/json")


class Waiting:
    """The stores of a cart and a stock that never saw a broker."""

    def __init__(self):
        self.shop = shop.Shop(NOBODY, OUTBOX_KEEP_SECONDS=30, OUTBOX_MAX_ROWS=ROWS)
        self.directory = pathlib.Path(self.shop.cart.directory)

    def fill(self):
        """By the simulator; returns how many a second that were."""
        stock, cart = self.shop.stock.start(), self.shop.cart
        for name in simulation.SIMULATED_SKUS:
            answer = shop.put_sku(stock, name, 12.5, stage.PLENTY)
            assert answer.status == 201, answer
        began = time.monotonic()
        cart.start(SIMULATE_PER_SECOND=simulation.HIGHEST)
        story.await_fact(lambda: f"{ROWS} rows wait, not {cart.outbox()}",
                         lambda: cart.outbox()["waiting"] >= ROWS, FILL_SECONDS, 0.1)
        took = time.monotonic() - began
        for process in (cart, stock):
            status = process.stop()
            assert status == 0, f"{process.name} ended with {status}"
        return ROWS / took

    def put_into(self, directory):
        """A copy of the store. It goes to a topic of its own, where nobody has its name."""
        for path in self.directory.glob("cart.db*"):
            shutil.copy(path, directory)

    def write_values(self, path):
        """A line a row, as Kafka gets them."""
        reader = sqlite3.connect(f"file:{self.directory}/cart.db?mode=ro", uri=True)
        with open(path, "wb") as file:
            for value, in reader.execute("SELECT value FROM outbox ORDER BY id"):
                file.write(value + b"\n")
        reader.close()


def measure(cluster, words, rows):
    waiting = Waiting()
    try:
        rows.add("filling, no broker", 0, {"per_second": waiting.fill()})
        values = waiting.directory / "values"
        waiting.write_values(values)
        for number in range(1, words.rounds + 1):
            for case in ("brokers warm", "no consumer", "brokers come back"):
                rows.add(case, number, once(cluster, waiting, case, rows))
            rows.add("kcat, one request in flight", number,
                     {"per_second": kcat(cluster, values)})
    finally:
        waiting.shop.end()


def once(cluster, waiting, case, rows):
    measured = ["cart", "consumer", "broker 1", "broker 2"]
    with stage.Stage(cluster, "relay") as where:
        waiting.put_into(where.cart.directory)
        where.start(where.cart)
        if case == "no consumer":
            measured.remove("consumer")
            assert where.consumer.stop() == 0
        if case == "brokers come back":
            figures = come_back(where)
        else:
            where.cart.start()
            figures = drain(where, measured)
        if case == "no consumer":
            where.consumer.start()
        rows.verified(where.verify())
    return figures


def come_back(where):
    """Both start at the same time, and are drained into as soon as they answer."""
    cluster = where.cluster
    cluster("stop", "2")
    cluster("stop", "1")
    where.cart.start()
    time.sleep(AWAY_SECONDS)
    assert where.cart.outbox()["published"] == 0, "published without a broker"
    coming = threading.Thread(target=cluster.up)
    coming.start()
    try:
        return drain(where, ["cart", "consumer"])
    finally:
        coming.join(brokers.COMMAND_SECONDS)


def drain(where, measured):
    """From the first acknowledgement that is seen to the last. Costs are those until everything is
    in the journal, too."""
    meter, began = where.meter(measured), time.monotonic()
    first = first_rows = last = None
    while last is None:
        published, now = where.cart.outbox()["published"], time.monotonic()
        assert now - began < DRAIN_SECONDS, f"{published} rows after {DRAIN_SECONDS} s"
        if first is None and published > 0:
            first, first_rows = now, published
        if published >= ROWS:
            last = now
        else:
            time.sleep(SAMPLE_SECONDS)
    figures = {"per_second": (ROWS - first_rows) / (last - first), "first": first - began}
    if "consumer" in measured:
        figures["journaled"] = ROWS / (where.await_quiet() - first)
    cpu = meter.cpu()
    figures |= {f"cpu_{name}": cpu[name] for name in ("cart", "consumer") if name in measured}
    figures |= {f"memory_{name}": meter.memory(name) for name in ("cart", "consumer")
                if name in measured}
    if "broker 1" in measured:
        figures["cpu_brokers"] = cpu["broker 1"] + cpu["broker 2"]
        figures["cpu_others"] = cpu["others"]
    return figures


def kcat(cluster, values):
    """The client library alone, as the relay uses it, from its start to its end."""
    topic = stage.new_topic(cluster, "kcat")
    began = time.monotonic()
    run = subprocess.run(
        ["kcat", "-P", "-b", cluster.brokers, "-t", topic, "-p", "0", "-l", values,
         *(word for header in HEADERS for word in ("-H", header)),
         *(word for setting in ("acks=all", "enable.idempotence=true", "linger.ms=0",
                                "enable.gapless.guarantee=true",
                                "max.in.flight.requests.per.connection=1")
           for word in ("-X", setting))],
        capture_output=True, text=True, timeout=DRAIN_SECONDS, stdin=subprocess.DEVNULL,
        env=shop.environment({}))
    took = time.monotonic() - began
    assert run.returncode == 0, f"kcat: {run.stderr}"
    ends = subprocess.run(["kcat", "-Q", "-b", cluster.brokers, "-t", f"{topic}:0:-1"],
                          capture_output=True, text=True, timeout=30, env=shop.environment({}),
                          stdin=subprocess.DEVNULL)
    assert f"offset {ROWS}" in ends.stdout, f"kcat did not write {ROWS}: {ends.stdout}"
    return ROWS / took
