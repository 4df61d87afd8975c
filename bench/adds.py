"""Durable additions over HTTP while both brokers, stock and the consumer run on the same cores,
side by side with the HTTP library that answers with nothing."""
import time

import customers
import stage

CONNECTIONS = (1, 32, 256)
RATES = (1000, 5000)
SERVICES = ("cart", "stock", "consumer")


def milliseconds(told):
    return {name: told[name] / 1000 for name in ("p50", "p90", "p99", "p999", "max")}


def costs(meter, requests):
    """CPU seconds for a thousand requests, and memory."""
    cpu = meter.cpu()
    figures = {f"cpu_{name}": cpu[name] / requests * 1000 for name in
               (*SERVICES, "generator", "others", "stolen")}
    figures["cpu_brokers"] = (cpu["broker 1"] + cpu["broker 2"]) / requests * 1000
    figures["cpu_services"] = sum(cpu[name] for name in SERVICES) / requests * 1000
    return figures | {f"memory_{name}": meter.memory(name) for name in ("cart", "consumer")}


def hurry(where, connections, seconds, seed):
    """The work is over when the last line is in the journal; so long the cost is counted."""
    before = where.cart.outbox()["last"]
    meter = where.meter()
    told = customers.hurry(where.cart.port, connections, seconds, seed)
    began = time.monotonic()
    behind = where.await_quiet() - began
    made = where.cart.outbox()["last"] - before
    # What was on its way when wrk hung up was answered to nobody.
    assert told["requests"] <= made <= told["requests"] + connections, (told, made)
    return milliseconds(told) | costs(meter, made) | {
        "per_second": told["requests"] / told["seconds"], "behind": behind}


def limit(empty, connections, seconds, seed):
    told = customers.hurry(empty.port, connections, seconds, seed)
    return {"empty_per_second": told["requests"] / told["seconds"], "empty_p99": told["p99"] / 1000}


def constant(where, rate, seconds, seed):
    meter = where.meter()
    told = customers.arrive(where.cart, rate, seconds, seed)
    where.await_quiet()
    return milliseconds(told["answer"]) | costs(meter, told["requests"]) | {
        "per_second": rate, "sent_late": told["sent_late"]["p99"] / 1000}


def measure(cluster, words, rows):
    with stage.Stage(cluster, "adds", words.print) as where:
        where.start().fill(stage.skus(customers.SKUS))
        empty = customers.Empty(customers.answer_length(where.cart))
        customers.hurry(where.cart.port, 32, 2, 0)  # caches fill, brokers compile
        where.await_quiet()
        for number in range(1, words.rounds + 1):
            for connections in CONNECTIONS:
                figures = hurry(where, connections, words.seconds, number)
                figures |= limit(empty, connections, words.seconds, number)
                figures["ratio"] = figures["per_second"] / figures["empty_per_second"]
                rows.add(f"{connections} connections", number, figures)
            for rate in RATES:
                rows.add(f"{rate:,} a second", number,
                         constant(where, rate, words.seconds, number))
        rows.verified(where.verify())
        empty.end()
