"""The simulators as fast as they can: the same commands through the same queue as HTTP's."""
import time

import stage

HIGHEST = 100000  # SIMULATE_PER_SECOND takes no more
SIMULATED_SKUS = [f"sku-{number:03}" for number in range(100)]
SETTLE_SECONDS = 2


def measure(cluster, words, rows):
    for number in range(1, words.rounds + 1):
        for name in ("cart", "stock"):
            with stage.Stage(cluster, f"simulator-{name}", words.print) as where:
                where.start().fill(SIMULATED_SKUS)
                rows.add(name, number, once(where, name, words.seconds))
                rows.verified(where.verify(may_refuse=True))


def once(where, name, seconds):
    """Counted over the same seconds: what was committed, what Kafka has, what the journal has. Cart
    always finds enough; stock's levels are whatever its simulator says."""
    service = {"cart": where.cart, "stock": where.stock}[name]
    partition = 0 if name == "cart" else 1
    restart(service, HIGHEST)
    time.sleep(SETTLE_SECONDS)
    meter, began, before = where.meter(), time.monotonic(), counts(where, service, partition)
    time.sleep(seconds)
    after, took, cpu = counts(where, service, partition), time.monotonic() - began, meter.cpu()
    memory = meter.memory(name)
    restart(service, 0)
    made, published, journaled = (now - then for now, then in zip(after, before))
    return {"per_second": made / took, "published": published / took, "journaled": journaled / took,
            "cpu_service": cpu[name] / made * 1000, "cpu_consumer": cpu["consumer"] / made * 1000,
            "cpu_brokers": (cpu["broker 1"] + cpu["broker 2"]) / made * 1000,
            "cpu_others": cpu["others"] / made * 1000, "memory": memory}


def restart(service, rate):
    status = service.stop()
    assert status == 0, f"{service.name} ended with {status}"
    service.start(SIMULATE_PER_SECOND=rate)


def counts(where, service, partition):
    outbox = service.outbox()
    return outbox["last"], outbox["published"], where.journaled()[partition]
