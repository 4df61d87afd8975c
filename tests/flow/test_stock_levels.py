"""What cart knows of stock when the topic is not what it was: ATTACKS B2, D5. The topic made anew
is another mock cluster, with the records of another stock."""
import contextlib
import sqlite3
import time

import brokers
import shop
import story

LEVEL = b'{"type":"stock_changed","service":"stock","timestamp":"2025-07-08T19:21:50Z",' \
        b'"payload":{"sku":"apple","count":%d,"price":12.5}}'


class StockLevels(story.Story):
    def setUp(self):
        self.old, self.new = brokers.MockCluster(), brokers.MockCluster()
        for cluster in (self.old, self.new):
            self.addCleanup(cluster.end)
        self.shop = shop.Shop(self.old.brokers)
        self.other = shop.Shop(self.new.brokers)
        for each in (self.shop, self.other):
            self.addCleanup(each.end)
        self.cart, self.stock = self.shop.cart, self.shop.stock
        for process in (self.cart, self.stock, self.other.stock):
            process.start()
            process.await_ready()

    def fill(self, stock, names, count):
        for name in names:
            shop.put_sku(stock, name, 1, count)
        stock.await_published()

    def await_read(self):
        """Until cart has read, and not asked for, what stock has published."""
        def position():
            store = sqlite3.connect(f"file:{self.cart.directory}/cart.db?mode=ro", uri=True)
            with contextlib.closing(store):
                return store.execute("SELECT next_offset FROM stock_view").fetchone()[0]
        story.await_fact("cart has read partition 1", lambda: position() == self.old.ends()[1])

    def allows(self, sku, count):
        """Whether the cart takes so many; each time another cart."""
        self.nth = getattr(self, "nth", 0) + 1
        return shop.add_item(self.cart, f"cart-{self.nth}", sku, count).status

    def await_level(self, sku, count):
        story.await_fact(f"cart knows of {count} {sku}", lambda: self.allows(sku, count) == 201
                         and self.allows(sku, count + 1) == 409)

    def replace_topic(self):
        """Nobody can ask stock: what cart knows comes from the records."""
        for process in (self.cart, self.stock, self.other.stock):
            process.stop()
        self.cart.start(KAFKA_BROKERS=self.new.brokers)

    def test_a_topic_made_anew_and_grown_past_the_position_is_read_from_its_start(self):
        self.fill(self.stock, ["apple", "pear"], 7)
        self.await_read()
        self.fill(self.other.stock, ["apple", "pear", "plum", "fig"], 3)
        self.replace_topic()
        for sku in ("apple", "pear", "plum", "fig"):
            self.await_level(sku, 3)

    def test_a_topic_made_anew_and_shorter_is_read_from_its_start(self):
        self.fill(self.stock, ["apple", "pear", "plum", "fig"], 7)
        self.await_read()
        self.fill(self.other.stock, ["apple"], 3)
        self.replace_topic()
        self.await_level("apple", 3)
        # stock's store is another one now: what the old one said does not hold any more
        self.assertEqual(self.allows("fig", 1), 503)

    def test_a_store_of_stock_that_is_back_is_believed_again(self):
        """It was away, a new one was made in its place, and then it was put back: ATTACKS D8."""
        self.cart.stop()
        self.stock.stop()
        now = int(time.time() * 1000)
        for seconds, source, number, count in ((0, "stock/away", 1, 7), (10, "stock/new", 1, 1),
                                               (20, "stock/away", 2, 8), (200, "stock/away", 3, 9)):
            self.old.put("metrics", 1, LEVEL % count, source, number, b"apple",
                         now + seconds * 1000)
        self.cart.start()
        self.await_level("apple", 9)

    def test_the_same_topic_is_read_on(self):
        self.fill(self.stock, ["apple", "pear"], 7)
        self.await_read()
        self.cart.stop()
        self.fill(self.stock, ["apple"], 4)
        self.stock.stop()
        self.cart.start()
        self.await_level("apple", 4)
        self.await_level("pear", 7)
        self.assertNotIn("read from its start again", self.cart.log())


if __name__ == "__main__":
    story.main()
