"""Records that others wrote onto the topic: each ends where it should, and the good ones behind
them arrive. Written by kcat, read by metrics-consumer, while cart and stock go on working."""
import json
import subprocess

import brokers
import journal
import shop
import story

ADDED = {"type": "cart_item_added", "service": "cart", "timestamp": "2025-07-08T19:15:32Z",
         "payload": {"cartId": "xyz123", "sku": "A123", "count": 2, "status": "success"}}
CHANGED = {"type": "stock_changed", "service": "stock", "timestamp": "2025-07-08T19:21:50Z",
           "payload": {"sku": "A123", "count": 12, "price": 12.5}}


def compact(event):
    return json.dumps(event, separators=(",", ":")).encode()


def without(event, field):
    payload = {name: value for name, value in event["payload"].items() if name != field}
    return event | {"payload": payload}


class Records(story.Story):
    @classmethod
    def setUpClass(cls):
        cls.cluster = brokers.Cluster()
        cls.addClassCleanup(cls.cluster.end)
        cls.shop = shop.Shop(cls.cluster.brokers)
        cls.addClassCleanup(cls.shop.end)
        cls.shop.start()
        for process in cls.shop.processes:
            process.await_ready()

    def setUp(self):
        self.seen = {path: self.lines(path)
                     for path in (self.shop.journal_path, self.shop.dead_letter_path)}

    def lines(self, path):
        return path.read_bytes().splitlines() if path.exists() else []

    def new_in_journal(self):
        """The journal's new lines of foreign records."""
        own = {service.outbox()["source"] for service in self.shop.services}
        new = journal.read(self.shop.journal_path)[len(self.seen[self.shop.journal_path]):]
        return [line for line in new if line.source not in own]

    def new_dead(self):
        lines = self.lines(self.shop.dead_letter_path)
        return [json.loads(line) for line in lines[len(self.seen[self.shop.dead_letter_path]):]]

    def metric(self, name):
        text = self.shop.consumer.ask("GET", "/metrics").body.decode()
        return sum(float(line.split()[-1]) for line in text.splitlines()
                   if line.startswith("metrics_consumer_" + name))

    def put(self, partition, value, key=None, headers=()):
        """Writes one record; None is a tombstone."""
        record = self.cluster.directory / "record"
        words = ["kcat", "-P", "-b", self.cluster.brokers, "-t", "metrics", "-p", str(partition),
                 "-X", "acks=all"]
        for name, text in headers:
            words += ["-H", f"{name}={text}"]
        if not value:  # kcat sends no empty file; -Z makes an empty value none at all
            words += ["-K", "\t", "-l", record] + (["-Z"] if value is None else [])
            record.write_bytes((key or "").encode() + b"\t\n")
        else:
            words += ["-k", key] if key else []
            words += [record]  # the whole file is the value
            record.write_bytes(value)
        subprocess.run(words, check=True, timeout=30, capture_output=True,
                       env=shop.environment({}))

    def put_named(self, partition, value, source, number):
        self.put(partition, value, headers=(("ce_source", source), ("ce_id", number)))

    def assert_good_ones_arrive(self):
        """What cart and stock write behind it is in the journal."""
        changed = shop.put_sku(self.shop.stock, "good", 1, 1000)
        added = shop.add_item(self.shop.cart, "good", "good", 1)
        self.assertIn(changed.status, (200, 201), changed)
        self.assertEqual(added.status, 201, added)
        for answer in (changed, added):
            self.shop.await_line(answer.json["source"], answer.json["id"])

    def assert_all_at_rest(self):
        """However often they were written because of the strangers: each of theirs is there once."""
        last = self.shop.await_journaled()
        lines = [line for line in journal.read(self.shop.journal_path) if line.source in last]
        self.assertEqual(journal.judge(lines, last, {}), [])

    def await_journal(self, count):
        return story.await_fact(lambda: f"{count} foreign records in the journal, there are "
                                        f"{self.new_in_journal()}, dead: {self.new_dead()}",
                                lambda: len(self.new_in_journal()) >= count
                                and self.new_in_journal())

    def await_dead(self, count):
        return story.await_fact(lambda: f"{count} dead letters, there are {self.new_dead()}, "
                                        f"journal: {self.new_in_journal()}",
                                lambda: len(self.new_dead()) >= count and self.new_dead())

    def assert_journaled(self, partition, value, as_line=None, **wanted):
        """Writes it, and finds it in the journal, not in the dead letter."""
        self.put(partition, value)
        line, = self.await_journal(1)
        self.assertEqual((line.partition, line.source, line.id), (partition, "-", None))
        self.assertEqual(line.value, as_line or value)
        self.assert_good_ones_arrive()
        self.assertEqual(self.new_dead(), [])
        self.assert_all_at_rest()

    def assert_dead(self, value, reason, key=None):
        for partition in (0, 1):
            with self.subTest(partition=partition):
                self.setUp()
                self.put(partition, value, key)
                letter, = self.await_dead(1)
                self.assertEqual((letter["partition"], letter["reason"]), (partition, reason))
                self.assertEqual(letter["value_hex"], None if value is None else value.hex())
                if key is not None:
                    self.assertEqual(letter["key_hex"], key.encode().hex())
                self.assertIsInstance(letter["offset"], int)
                self.assert_good_ones_arrive()
                self.assertEqual(self.new_in_journal(), [])
        self.assert_all_at_rest()

    def test_a_record_without_headers_is_journaled_without_a_name(self):
        before = self.metric("events_total")
        self.assert_journaled(0, compact(ADDED))
        self.assertGreater(self.metric("events_total"), before)

    def test_a_record_on_the_wrong_partition_is_journaled_and_counted_as_misplaced(self):
        before = self.metric("misplaced_total")
        self.assert_journaled(1, compact(ADDED))
        self.assertEqual(self.metric("misplaced_total"), before + 1)
        status, said = self.shop.verify()
        self.assertEqual(status, 1, said)
        self.assertIn("0 missing, 0 repeated, 0 out of order", said)
        self.assertRegex(said, r"\n0 missing.* [1-9]\d* on a wrong partition,")

    def test_a_record_of_an_unknown_type_is_journaled_and_counted_as_other(self):
        before = self.metric('events_total{type="other"')
        self.assert_journaled(0, compact({"type": "cart_paid", "service": "cart",
                                          "timestamp": "2025-07-08T19:15:32.5Z",
                                          "payload": {"cartId": "xyz123"}}))
        self.assertEqual(self.metric('events_total{type="other"'), before + 1)

    def test_fields_beyond_the_known_ones_are_kept(self):
        self.assert_journaled(1, compact(CHANGED | {"trace": [1, {"a": "\u00e4"}]}))

    def test_a_record_with_line_breaks_is_one_line(self):
        text = json.dumps(ADDED, indent=2).replace("\n", "\r\n").encode()
        self.assertGreater(text.count(b"\n"), 5)
        self.assert_journaled(0, text, as_line=compact(ADDED))

    def test_a_broken_record_is_a_dead_letter(self):
        self.assert_dead(compact(ADDED)[:-7], "not_json", key="xyz123")

    def test_bytes_that_are_no_text_are_a_dead_letter(self):
        self.assert_dead(bytes(range(256)) + b"\n\n" + b"\xff" * 5000, "not_json")

    def test_an_empty_record_is_a_dead_letter(self):
        self.assert_dead(b"", "not_json")

    def test_a_tombstone_is_a_dead_letter(self):
        self.assert_dead(None, "not_json", key="xyz123")

    def test_invalid_utf_8_is_a_dead_letter(self):
        self.assert_dead(compact(ADDED).replace(b"xyz123", b"xyz\xff23"), "not_json")

    def test_json_that_is_no_event_is_a_dead_letter(self):
        for value, reason in ((b"[1,2]", "not_object"), (b"{}", "missing_field"),
                              (compact(without(ADDED, "sku")), "missing_field"),
                              (compact(ADDED)[:-1] + b',"type":"x"}', "repeated_field"),
                              (compact(ADDED | {"timestamp": "yesterday"}), "out_of_range"),
                              (compact(ADDED | {"payload": "none"}), "wrong_kind")):
            with self.subTest(reason, value=value):
                self.assert_dead(value, reason)

    def test_a_strangers_name_is_kept_and_its_copy_dropped(self):
        for number in (1, 2, 2, 1):
            self.put_named(0, compact(ADDED), "till/1", number)
        self.put_named(0, compact(ADDED), "till/1", 3)
        self.await_journal(3)
        self.assert_good_ones_arrive()
        self.assertEqual([(line.source, line.id) for line in self.new_in_journal()],
                         [("till/1", 1), ("till/1", 2), ("till/1", 3)])

    def test_a_broken_record_counts_as_its_sources_number(self):
        self.put_named(0, compact(ADDED), "till/2", 1)
        self.put_named(0, b"{", "till/2", 2)
        self.put_named(0, compact(ADDED), "till/2", 3)
        letter, = self.await_dead(1)
        self.assertEqual((letter["source"], letter["id"]), ("till/2", 2))
        self.await_journal(2)
        self.assertEqual([line.id for line in self.new_in_journal()], [1, 3])
        self.assertRegex(self.shop.verify()[1], r"\n0 missing, 0 repeated, 0 out of order")

    def test_a_dead_letter_keeps_the_trace_of_its_record(self):
        sound = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        for text in (sound, "nonsense"):
            self.put(0, b"{", headers=(("traceparent", text),))
        one, other = self.await_dead(2)
        self.assertEqual(one["traceparent"], sound)
        self.assertNotIn("traceparent", other)

    def test_nothing_is_written_twice_when_the_consumer_is_killed(self):
        for _ in range(3):
            self.put(0, b"broken")
            self.put(0, compact(ADDED))
            self.put(1, None, key="k")
        self.await_dead(6)
        self.await_journal(3)
        for _ in range(2):
            self.shop.consumer.kill()
            self.shop.consumer.start()
            self.assert_good_ones_arrive()
        self.assertEqual(len(self.new_dead()), 6)
        self.assertEqual(len(self.new_in_journal()), 3)
        self.assert_all_at_rest()


if __name__ == "__main__":
    story.main()
