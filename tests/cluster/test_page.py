"""The page in Chromium, as a person sees it: its numbers are the journal's and the services', a
broker that stops is seen, and an outbox that waits, and a service that is gone; it comes back after
the consumer was killed, it asks nobody else, and axe finds nothing."""
import collections
import os
import pathlib
import subprocess
import time

import brokers
import browser
import journal
import shop
import story

AXE = story.SOURCE / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
# Where `docs/` gets its pictures from: a directory, or nothing is kept.
PICTURES = os.environ.get("PAGE_PICTURES")


def number(text):
    return int(text.replace(",", ""))


class Page(story.Story):
    @classmethod
    def setUpClass(cls):
        cls.window = browser.Browser()
        cls.kafka = brokers.Cluster()
        cls.shop = shop.Shop(cls.kafka.brokers)
        cls.shop.stock.start(SIMULATE_PER_SECOND=30)
        cls.shop.cart.start(SIMULATE_PER_SECOND=30, HTTP_PORT=shop.free_port())
        cls.shop.consumer.start(HTTP_PORT=shop.free_port(), SERVICES=",".join(
            f"http://127.0.0.1:{service.port}" for service in (cls.shop.cart, cls.shop.stock)))
        for process in cls.shop.processes:
            process.await_ready()
        cls.page = f"http://127.0.0.1:{cls.shop.consumer.port}/"

    def setUp(self):
        for service in self.shop.services:
            if not service.running():
                service.start()
                service.await_ready()
        self.window.look(1280, 1000)
        if self.window.run("return location.href") != self.page:
            self.window.open(self.page)
        self.window.await_text("#status", "live")

    def tearDown(self):
        self.assertEqual(self.complaints(), [])
        self.assertEqual(self.window.asked_hosts(), {f"127.0.0.1:{self.shop.consumer.port}"})

    def complaints(self):
        """Of a consumer that was killed there may be one."""
        return [each for each in self.window.complaints() if "ERR_CONNECTION_REFUSED" not in each
                and "ERR_INCOMPLETE_CHUNKED" not in each and "ERR_CONNECTION_RESET" not in each]

    def happenings(self):
        return self.window.texts("#happenings li")

    def await_happening(self, wanted, seconds=20):
        story.await_fact(lambda: f"it happened that {wanted}: {self.happenings()}",
                         lambda: any(wanted in each for each in self.happenings()), seconds, 0.2)

    def await_no_worries(self):
        story.await_fact(lambda: f"there are no worries: {self.window.text('#worries')}",
                         lambda: self.window.text("#worries") == "", 40, every=0.2)

    def keep_picture(self, name):
        if PICTURES:
            time.sleep(1)
            self.window.picture(pathlib.Path(PICTURES) / f"page-{name}.png")

    def quiet(self):
        """Both services stop, and everything is journaled and shown."""
        for service in self.shop.services:
            service.stop()
        lines = story.await_fact("the journal stands still", self.still, 20, every=0.5)
        self.window.await_text("#total", f"{len(lines):,}")
        time.sleep(0.6)  # one more message: the tables come with it
        return lines

    def still(self):
        before = journal.read(self.shop.journal_path)
        time.sleep(0.5)
        after = journal.read(self.shop.journal_path)
        return after if len(before) == len(after) else None

    def test_1_the_numbers_on_the_page_are_those_of_the_journal(self):
        time.sleep(6)
        lines = self.quiet()
        types = collections.Counter((line.event["type"], line.partition) for line in lines)
        shown = {(cells[0], p): number(cells[3 + p]) for cells in self.window.rows("#types")
                 for p in (0, 1) if cells[0] != "all" and number(cells[3 + p])}
        self.assertEqual(shown, dict(types))
        self.assertEqual([cells[5].split(", ")[0] for cells in self.window.rows("#partitions")], ["0.0"] * 2)
        self.assertEqual([self.window.text(f"#{each}") for each in ("missing", "holes", "repeats", "dead")],
                         ["0"] * 4)
        shown = self.shown_events()
        self.assertGreater(len(shown), 80)  # and at most a few gaps, where many came at once
        self.assertEqual(shown[:20], [f"{line.source}, {line.id}" for line in reversed(lines[-20:])])
        self.assertLessEqual(set(shown), {f"{line.source}, {line.id}" for line in lines})
        self.assertEqual(self.shown_skus(), self.skus_of(lines))
        self.assert_filter_is_right(lines)

    def shown_events(self):
        """Source and number of each, the newest first; a gap has one cell."""
        return [cells[9] for cells in self.window.rows("#event-list") if len(cells) == 10]

    def shown_skus(self):
        return {cells[0]: (cells[1], number(cells[3]), number(cells[4]), number(cells[5]))
                for cells in self.window.rows("#skus")}

    def skus_of(self, lines):
        """Level, additions, units and failures of each SKU, by the journal."""
        skus = collections.defaultdict(lambda: ["–", 0, 0, 0])
        for line in lines:
            if line.event["type"] in ("cart_item_removed", "cart_cleared"):
                continue
            each, payload = skus[line.event["payload"]["sku"]], line.event["payload"]
            if line.partition == 1:
                each[0] = f"{payload['count']:,}"
            elif line.event["type"] == "cart_item_failed":
                each[3] += 1
            else:
                each[1] += 1
                each[2] += payload["count"]
        return {sku: tuple(each) for sku, each in skus.items()}

    def assert_filter_is_right(self, lines):
        cart = next(line for line in reversed(lines) if line.event["type"] == "cart_item_added")
        wanted = cart.event["payload"]["cartId"]
        right = [f"{line.source}, {line.id}" for line in reversed(lines[-2000:])
                 if line.event["payload"].get("cartId") == wanted]
        self.window.run("const i = document.querySelector('#filter-cart'); i.value = arguments[0];"
                        "i.dispatchEvent(new Event('input', { bubbles: true }))", wanted)
        story.await_fact(lambda: f"{right}: {self.window.rows('#event-list')}", lambda: right == self.shown_events(), 10, every=0.2)
        self.window.run("document.querySelector('#filter button[type=reset]').click()")

    def test_2_a_broker_that_stops_is_on_the_timeline(self):
        self.window.await_text("#partitions", "broker 1")
        time.sleep(5)
        self.kafka("stop", "1")
        story.await_fact(lambda: f"the leader moved: {self.happenings()}", lambda: any(
            "partition 0 leader moved from broker 1 to broker 2; nothing came for" in each
            for each in self.happenings()), 30, every=0.3)
        story.await_fact(lambda: f"broker 1 is gone: {self.happenings()}", lambda: any(
            "broker 1 is gone" in each for each in self.happenings()), 15, every=0.3)
        self.window.await_text("#partitions", "1 of 2")
        self.window.await_text("#worries", "One in-sync replica is left")
        self.keep_picture("failover")
        self.kafka("start", "1")
        story.await_fact(lambda: f"broker 1 came back: {self.happenings()}", lambda: any(
            "broker 1 is there again" in each for each in self.happenings()), 60, every=0.3)
        self.await_no_worries()

    def test_3_it_comes_back_when_the_consumer_was_killed(self):
        self.window.run("window.witness = true")
        before = number(self.window.text("#total"))
        self.shop.consumer.kill()
        self.window.await_text("#status", "does not answer")
        self.shop.consumer.start()
        self.window.await_text("#status", "live", 30)
        story.await_fact(lambda: f"more than {before}: {self.window.text('#total')}",
                         lambda: number(self.window.text("#total")) > before, 20, every=0.2)
        self.assertTrue(self.window.run("return window.witness"), "it was loaded anew")
        lines = self.quiet()
        self.assertEqual(self.shown_skus(), self.skus_of(lines))
        self.assertEqual(self.shown_events()[:20],
                         [f"{line.source}, {line.id}" for line in reversed(lines[-20:])])

    def test_4_people_who_do_not_see_or_have_no_mouse_can_use_it(self):
        if not AXE.exists():
            self.skipTest("axe-core is not there: run/setup --browser")
        for width, dark in ((1280, False), (1280, True), (390, False)):
            self.window.look(width, 900, dark)
            time.sleep(0.7)
            self.assertEqual(self.axe(), [], f"width {width}, dark {dark}")

    def axe(self):
        self.window.run(AXE.read_text())
        found = self.window.driver.execute_async_script(
            "axe.run().then(arguments[0], why => arguments[0]({ violations: [{ id: String(why), nodes: [] }] }))")
        return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in found["violations"]]

    def test_5_it_fits_a_phone_and_the_keyboard_reaches_everything(self):
        self.window.look(390, 844, scale=2)
        time.sleep(1)
        self.assertEqual(self.window.run("return document.documentElement.scrollWidth"), 390)
        self.keep_picture("phone")
        self.window.look(1280, 1000)
        unreachable = self.window.run("return [...document.querySelectorAll('a, button, input, select, summary')]"
                                      ".filter(e => e.tabIndex < 0 || e.disabled).map(e => e.outerHTML)")
        self.assertEqual(unreachable, [])

    def test_6_a_dead_letter_is_shown_with_reason_and_bytes(self):
        self.put_record(b'{"type":"cart_item_added", <b>no</b>')
        self.window.await_text("#letter-list", "not_json")
        cells, = self.window.rows("#letter-list")[:1]
        self.assertEqual((cells[1], cells[4], cells[5]), ("not_json", "36", '{"type":"cart_item_added", <b>no</b>'))
        self.window.await_text("#dead", "1")
        self.await_no_worries()
        self.keep_picture("light")
        self.window.look(1280, 1000, dark=True)
        self.keep_picture("dark")

    def test_7_an_outbox_that_waits_is_seen_and_that_it_is_drained(self):
        for service in self.shop.services:  # from here on events are only what is asked for
            service.stop()
            service.start(SIMULATE_PER_SECOND=0)
            service.await_ready()
            service.await_published()
        self.put_skus(5)
        self.await_outboxes()
        for broker in "12":
            self.kafka("stop", broker)
        source = self.shop.stock.outbox()["source"]
        self.put_skus(3)
        self.await_outboxes()
        self.window.await_text("#worries", f"The outbox of {source} waits: nothing published for")
        self.window.await_text("#worries", "3 events are not in Kafka yet")
        self.await_happening(f"{source} outbox waits: nothing published for")
        self.put_skus(4)
        self.await_outboxes()
        self.window.await_text("#worries", "7 events are not in Kafka yet")
        self.assert_accessible()
        self.keep_picture("outbox")
        for broker in "21":  # the last one that had everything comes first
            self.kafka("start", broker)
        self.await_happening(f"{source} outbox drained, after", 60)
        self.await_no_worries()
        self.await_outboxes()

    def test_8_a_service_that_is_gone_is_seen_and_that_it_is_back(self):
        status = self.shop.stock.outbox()
        self.shop.stock.kill()
        self.window.await_text("#worries", f"{status['source']} does not answer")
        self.await_happening(f"{status['source']} does not answer: Could")
        row = next(row for row in self.window.rows("#outboxes") if row[0] == status["source"])
        self.assertEqual([number(cell) for cell in row[1:5]],
                         [status["last"], status["published"], status["last"], status["waiting"]])
        self.assertRegex(row[5], "^does not answer for [0-9.]+ s: Could")
        self.assert_accessible()
        self.shop.stock.start()
        self.await_happening(f"{status['source']} answers again, after")
        self.await_no_worries()

    def put_skus(self, count):
        for sku in range(count):
            self.assertIn(shop.put_sku(self.shop.stock, f"page-{sku}", 1.5, 7).status, (200, 201))

    def await_outboxes(self):
        """Until the page shows what the services say, and what the journal has of it."""
        def told():
            ours = [service.outbox() for service in (self.shop.cart, self.shop.stock)]
            return [[each["source"], *(f"{number:,}" for number in (
                each["last"], each["published"], each["published"], each["waiting"]))]
                for each in ours]

        def shown():
            return [cells[:5] for cells in self.window.rows("#outboxes")]
        story.await_fact(lambda: f"{told()} is on the page: {shown()}", lambda: told() == shown(),
                         20, every=0.2)

    def assert_accessible(self):
        if AXE.exists():
            self.assertEqual(self.axe(), [])

    def put_record(self, value):
        subprocess.run(["kcat", "-b", self.kafka.brokers, "-t", "metrics", "-P", "-p", "0"],
                       input=value, check=True, timeout=30)


if __name__ == "__main__":
    story.main()
