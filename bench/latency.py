"""From the answer to an addition until its line is in the journal, at constant rates."""
import customers
import stage

RATES = (100, 1000, 10000)


def measure(cluster, words, rows):
    with stage.Stage(cluster, "latency", words.print) as where:
        where.start().fill(stage.skus(customers.SKUS))
        customers.hurry(where.cart.port, 32, 2, 0)
        where.await_quiet()
        for number in range(1, words.rounds + 1):
            for rate in RATES:
                rows.add(f"{rate:,} a second", number, once(where, rate, words.seconds, number))
                where.await_quiet()
        rows.verified(where.verify())


def once(where, rate, seconds, seed):
    meter = where.meter()
    told = customers.arrive(where.cart, rate, seconds, seed, where.shop.journal_path)
    cpu = meter.cpu()
    figures = {f"{kind}_{name}": told[kind][name] / 1000 for kind in ("answer", "line")
               for name in ("p50", "p90", "p99", "p999", "max")}
    return figures | {
        "line_first": told["lines_first"] / told["requests"],
        "sent_late": told["sent_late"]["p99"] / 1000,
        "cpu_watch": told["journal_cpu_s"] / seconds,
        "cpu_client": told["client_cpu_s"] / seconds,
        "cpu_others": cpu["others"] / seconds, "cpu_stolen": cpu["stolen"] / seconds,
        "cpu_services": sum(cpu[name] for name in ("cart", "stock", "consumer")) / seconds}
