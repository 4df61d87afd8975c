"""What a shop costs that is large: its carts and its SKUs.

The carts are put into cart's own store, made by cart itself, by SQL: their events would have been
sent and removed long ago. The SKUs are put into stock's store with their events as waiting rows, as
if Kafka had been away since; so stock sends 1,000,000 events, cart learns them from the topic and
the consumer journals them."""
import contextlib
import pathlib
import sqlite3
import time

import customers
import stage
import usage

CONNECTIONS = 32
LEARN_SECONDS = 600
# case: carts in the store, carts asked for, SKUs
CASES = {"a new shop": (0, 10 ** 7, 1000),
         "10,000,000 carts": (10 ** 7, 10 ** 7, 1000),
         "1,000,000 SKUs": (0, 10 ** 7, 10 ** 6)}

NUMBERS = """
WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n + 1 < ?1)
"""
CART = "INSERT INTO cart_items (cart_id, sku, count) " + NUMBERS + \
    "SELECT printf('cart-%08d', n), printf('sku-%07d', n % 1000), 1 + n % 4 FROM number"
SKU = "INSERT INTO stock (sku, price_cents, count, event_id) " + NUMBERS + \
    "SELECT printf('sku-%07d', n), 1250, ?2, n + 1 FROM number"
SKU_CREATED = 3  # of enum event_type
ROW = "INSERT INTO outbox (id, type, at_ms, key, value) " + NUMBERS + """
SELECT n + 1, ?2, ?3 * 1000, printf('sku-%07d', n), CAST(printf(
  '{"type":"sku_created","service":"stock","timestamp":"%s",'
  || '"payload":{"sku":"sku-%07d","price":12.5,"count":%d}}',
  strftime('%Y-%m-%dT%H:%M:%SZ', ?3, 'unixepoch'), n, ?4) AS BLOB) FROM number"""


def measure(cluster, words, rows):
    with contextlib.ExitStack() as stack:
        shops = {case: stack.enter_context(stage.Stage(cluster, "growth", words.print))
                 for case in CASES}
        for case, (carts, asked, skus) in CASES.items():
            where = shops[case]
            rows.add(case, 0, {"learned": grow(where, carts, skus)})
            customers.hurry(where.cart.port, CONNECTIONS, 2, 0, asked, skus)
            where.await_quiet()
            where.stop()
        for number in range(1, words.rounds + 1):
            for case, (_, asked, skus) in CASES.items():
                rows.add(case, number, once(shops[case], words.seconds, number, asked, skus))
        for where in shops.values():
            where.start()
            rows.verified(where.verify())
            where.stop()


def grow(where, carts, skus):
    """The seconds from the start of all until cart knows every SKU."""
    where.start().stop()  # they make their stores
    fill(where, carts, skus)
    began = time.monotonic()
    where.start()
    where.await_level(stage.skus(skus)[-1], LEARN_SECONDS)
    learned = time.monotonic() - began
    where.await_quiet()
    return learned


def fill(where, carts, skus):
    with sqlite3.connect(pathlib.Path(where.cart.directory) / "cart.db") as store:
        if carts:
            store.execute(CART, (carts,))
    store.close()
    with sqlite3.connect(pathlib.Path(where.stock.directory) / "stock.db") as store:
        store.execute(SKU, (skus, stage.PLENTY))
        store.execute(ROW, (skus, SKU_CREATED, int(time.time()), stage.PLENTY))
        store.execute("UPDATE outbox_state SET last = ?1", (skus,))
    store.close()


def once(where, seconds, seed, carts, skus):
    where.start(where.cart)
    figures = {"ready": stage.time_start(where.cart)}
    meter = where.meter()
    before = where.cart.outbox()["last"]
    told = customers.hurry(where.cart.port, CONNECTIONS, seconds, seed, carts, skus)
    where.await_quiet()
    made = where.cart.outbox()["last"] - before
    cpu = meter.cpu()
    figures |= {"per_second": told["requests"] / told["seconds"], "p99": told["p99"] / 1000,
                "cpu_cart": cpu["cart"] / made * 1000, "memory": meter.memory("cart"),
                "bytes": usage.megabytes(where.cart.directory, "cart.db*")}
    where.stop()
    return figures
