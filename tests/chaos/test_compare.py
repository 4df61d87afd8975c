"""The comparison finds what is wrong: each journal here has one flaw, and the first has none."""
import collections
import json
import subprocess

import compare
import journal
import load
import recovery
import actions
import story

CART, STOCK = "cart/0000000a", "stock/0000000b"
ANSWERED = 30

Ledger = collections.namedtuple("Ledger", "entries")


def event(number):
    request = load.cart_request(number)
    payload = request.payload | {"status": "success"}
    return {"type": "cart_item_added", "service": "cart", "timestamp": "2025-07-08T19:15:32Z",
            "payload": payload}


def line(number, offset=None, value=None, source=CART, partition=0, second=None):
    value = json.dumps(value or event(number), separators=(",", ":"))
    offset = number if offset is None else offset
    return (f"2025-07-08T19:15:{10 + number if second is None else second:02}.000Z "
            f"partition={partition} offset={offset} source={source} id={number} delay_ms=500 "
            f"{value}\n")


def entry(number):
    return load.Entry("cart", CART, number, 0.0, 201, load.cart_request(number))


class Compared(story.Story):
    def setUp(self):
        self.path = story.directory("hw9-compare-") / "metrics.log"
        self.lines = [line(number) for number in range(1, ANSWERED + 1)]

    def judge(self, lines=None, last=ANSWERED, ledger=None, **files):
        self.path.write_text("".join(self.lines if lines is None else lines))
        found = compare.Comparison(Ledger(ledger or [entry(number)
                                                     for number in range(1, ANSWERED + 1)]))
        found.read_journal(self.path, {CART: last})
        return found

    def assert_wrong(self, found, *wanted):
        text = "\n".join(found.wrong)
        for each in wanted:
            self.assertIn(each, text)

    def test_all_is_well(self):
        found = self.judge()
        self.assertEqual(found.wrong, [])
        self.assertEqual((found.missing[CART], found.repeated(), found.late()), (0, 0, 0))

    def test_a_missing_line(self):
        del self.lines[4]
        found = self.judge()
        self.assert_wrong(found, "1 of 30 missing: [5]", "5 was answered and is not in the journal")
        self.assertEqual(found.missing[CART], 1)

    def test_the_last_line_is_missing(self):
        self.assert_wrong(self.judge(self.lines[:-1]), "1 of 30 missing: [30]")

    def test_a_repeated_line(self):
        found = self.judge([*self.lines, line(7, offset=31, second=45)])
        self.assert_wrong(found, "7 is repeated", "request http-7 was asked once and made 2")
        self.assertEqual((found.repeated(), found.late()), (1, 0))

    def test_a_late_line(self):
        late = line(7, offset=31, second=45)
        found = self.judge([*self.lines[:6], *self.lines[7:], late])
        self.assert_wrong(found, "7 comes behind 30")
        self.assertEqual((found.missing[CART], found.repeated(), found.late()), (0, 0, 1))

    def test_offsets_that_go_back(self):
        self.lines[9] = line(10, offset=3)
        self.assert_wrong(self.judge(), "offset 3 of partition 0 is behind 9")

    def test_another_content(self):
        self.lines[9] = line(10, value=event(11))
        self.assert_wrong(self.judge(), "10 was answered with 201")

    def test_the_wrong_partition(self):
        self.lines[9] = line(10, partition=1)
        self.assert_wrong(self.judge(), "10 on partition 1")

    def test_a_cart_that_is_cleared(self):
        request = load.cart_request(load.CLEARS)
        gone = {"type": "cart_cleared", "service": "cart", "timestamp": "2025-07-08T19:15:32Z",
                "payload": request.payload}
        lines = [*self.lines, line(31, value=gone, second=45)]
        cleared = load.Entry("cart", CART, 31, 0.0, 200, request)
        entries = [entry(number) for number in range(1, ANSWERED + 1)]
        self.assertEqual(self.judge(lines, 31, [*entries, cleared]).wrong, [])
        again = [*lines, line(32, value=gone, second=46)]
        self.assert_wrong(self.judge(again, 32, [*entries, cleared]),
                          "cleared was asked once and made 2 events")
        self.assert_wrong(self.judge(last=31, ledger=[*entries, cleared]),
                          "31 was answered and is not in the journal")

    def test_the_simulators_carts_are_cleared_again_and_again(self):
        gone = {"type": "cart_cleared", "service": "cart", "timestamp": "2025-07-08T19:15:32Z",
                "payload": {"cartId": "cart-0007", "items": 1}}
        lines = [*self.lines, *(line(number, value=gone, second=45) for number in (31, 32))]
        self.assertEqual(self.judge(lines, 32).wrong, [])

    def test_one_request_done_twice(self):
        self.assert_wrong(self.judge([*self.lines, line(31, value=event(3), second=45)], 31),
                          "request http-3 was asked once and made 2 events")

    def test_a_service_that_forgot_what_it_answered(self):
        self.assert_wrong(self.judge(last=29), "goes to 30, the service to 29",
                          "answered with 30 and has 29")

    def test_a_line_that_is_cut_short(self):
        with self.assertRaisesRegex(AssertionError, "has no end"):
            self.judge([*self.lines[:-1], self.lines[-1][:-1]])

    def test_rotated_compressed_and_moved_files_are_one_journal(self):
        parts = {"metrics.log.000001": self.lines[:5], "metrics.log.000002": self.lines[5:9],
                 "metrics.log.moved": self.lines[9:14], "metrics.log.000004": self.lines[14:20]}
        for name, lines in parts.items():
            self.path.with_name(name).write_text("".join(lines))
        subprocess.run(["zstd", "-q", "--rm", self.path.with_name("metrics.log.000001")],
                       check=True)
        # half compressed: the plain one counts
        self.path.with_name("metrics.log.000002.zst").write_bytes(b"half")
        self.path.with_name("metrics.log.checkpoint").write_text("{}\n")
        self.path.with_name("metrics.log.cut.000001").write_text("2025")
        self.path.with_name("metrics.log.000004.zst.tmp").write_text("2025")
        self.assertEqual(self.judge(self.lines[20:]).wrong, [])
        self.assertEqual([path.name for path in journal.files(self.path)],
                         ["metrics.log.000001.zst", "metrics.log.000002", "metrics.log.moved",
                          "metrics.log.000004", "metrics.log"])

    def topic(self, ids):
        path = self.path.with_name("topic")
        path.write_text("".join(f"0\t{at}\tce_specversion=1.0,ce_id={number},ce_source={CART},"
                                "ce_type=cart_item_added\n" for at, number in enumerate(ids)))
        found = self.judge()
        found.read_topic(path)
        return found

    def test_copies_in_the_topic_are_counted(self):
        found = self.topic([*range(1, 21), *range(15, 31), 30])
        self.assertEqual(found.wrong, [])
        self.assertEqual((found.records[CART], found.copies[CART]), (37, 7))

    def test_a_jump_in_the_topic(self):
        self.assert_wrong(self.topic([*range(1, 21), *range(22, 31), 21]), "22 behind 20")

    def test_recovery_is_the_first_event_after_the_restart(self):
        found = self.judge()
        second = found.sources[CART].times[9]  # of event 10, which happened half a second before
        faults = [actions.Fault("SIGKILL", "cart", second - 2, second - 0.4),
                  actions.Fault("SIGKILL", "consumer", second - 2, second - 0.4)]
        ends = [recovery.recovered(fault, found.sources) - second for fault in faults]
        self.assertEqual([round(end, 3) for end in ends], [1, 0])
        table = recovery.table(faults, found.sources)
        self.assertRegex(table, r"cart: SIGKILL +0 +- +- +1 +1\.40\n")
        table = recovery.table(faults[:1], found.sources)
        self.assertRegex(table, r"cart: SIGKILL +1 +1\.40 +1\.40 +1 +1\.40")

    def test_a_brokers_fault_lasts_as_long_as_events_wait(self):
        self.lines[9] = self.lines[9].replace("delay_ms=500", "delay_ms=900")
        found = self.judge()
        second = found.sources[CART].times[9]
        fault = actions.Fault("SIGKILL", "broker", second - 3, second - 1)
        self.assertAlmostEqual(recovery.recovered(fault, found.sources) - fault.healed, 0.9, places=3)


if __name__ == "__main__":
    story.main()
