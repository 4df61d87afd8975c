"""What cart and stock answer over HTTP: the seed's operations, and every input that is wrong.
An input that is refused makes no event."""
import contextlib
import http.client
import json
import socket
import threading
import time

import journal
import shop
import story

ALLOWED_ID = "AZaz09._~-" + "x" * 53  # 63 characters, one of each kind
BIG = 65536                           # bytes a body may have


class Api(story.Story):
    @classmethod
    def setUpClass(cls):
        shop.open_on_mock(cls, cls.addClassCleanup)

    @contextlib.contextmanager
    def events(self, process, count):
        """What is done inside makes so many events, and no more."""
        before = {each: each.outbox()["last"] for each in self.shop.services}
        yield
        after = {each: each.outbox()["last"] for each in self.shop.services}
        for each in self.shop.services:
            self.assertEqual(after[each] - before[each], count if each is process else 0,
                             f"events of {each.name}")

    def no_events(self):
        return self.events(None, 0)

    def event_of(self, answer):
        """The journal's line of the event that an answer names."""
        source, number = answer.json["source"], answer.json["id"]
        self.shop.await_line(source, number)
        lines = [line for line in journal.read(self.shop.journal_path)
                 if (line.source, line.id) == (source, number)]
        self.assertEqual(len(lines), 1)
        return lines[0]

    def assert_problem(self, answer, status, field=None):
        """An answer of RFC 9457 that says what is wrong, and with which field."""
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.type, "application/problem+json", answer)
        problem = answer.json
        self.assertEqual(problem["status"], status, answer)
        self.assertTrue(problem["title"] and problem["detail"], answer)
        if field is not None:
            self.assertEqual(problem.get("field"), field, answer)
            self.assertIn(field, problem["detail"], answer)


class TheSeedsOperations(Api):
    def test_a_sku_is_created_changed_and_seen(self):
        with self.events(self.stock, 2):
            created = shop.put_sku(self.stock, "seen-1", 12.5, 100)
            changed = shop.put_sku(self.stock, "seen-1", 12.5, 12)
        self.assertEqual((created.status, changed.status), (201, 200), (created, changed))
        seen = self.stock.ask("GET", "/stocks/seen-1")
        self.assertEqual((seen.status, seen.type), (200, "application/json"))
        self.assertEqual(seen.json, {"sku": "seen-1", "price": 12.5, "count": 12,
                                     "source": changed.json["source"],
                                     "id": changed.json["id"]})
        for answer, kind, text in (
                (created, "sku_created", b'{"sku":"seen-1","price":12.5,"count":100}'),
                (changed, "stock_changed", b'{"sku":"seen-1","count":12,"price":12.5}')):
            line = self.event_of(answer)
            self.assertEqual(line.partition, 1)
            self.assertTrue(line.value.startswith(
                b'{"type":"%s","service":"stock","timestamp":"' % kind.encode()), line)
            self.assertTrue(line.value.endswith(b'Z","payload":' + text + b"}"), line)

    def test_prices_come_out_as_they_went_in(self):
        for text in (b"0", b"0.01", b"0.1", b"12.5", b"12.50", b"1e2", b"9999999999.99"):
            with self.subTest(price=text):
                answer = self.stock.ask("PUT", "/stocks/price", b'{"price":%s,"count":1}' % text)
                self.assertIn(answer.status, (200, 201), answer)
                self.assertEqual(answer.json["price"], json.loads(text))
                self.assertEqual(self.event_of(answer).event["payload"]["price"],
                                 json.loads(text))

    def test_the_edges_of_what_is_allowed_are_allowed(self):
        with self.events(self.stock, 2):
            self.assertEqual(shop.put_sku(self.stock, ALLOWED_ID, 0, 10**12).status, 201)
            self.assertEqual(shop.put_sku(self.stock, "edge", 9999999999.99, 0).status, 201)
        with self.events(self.cart, 1):
            answer = shop.add_item(self.cart, ALLOWED_ID, ALLOWED_ID, 10**9)
        self.assertEqual(answer.status, 201, answer)

    def change(self, sku, **what):
        return self.stock.ask("PATCH", f"/stocks/{sku}", what)

    def test_a_sku_is_changed_in_what_is_named(self):
        shop.put_sku(self.stock, "patched", 12.5, 100)
        for what, price, count in (({"count": 7}, 12.5, 7), ({"price": 0.05}, 0.05, 7),
                                   ({"delta": -3}, 0.05, 4), ({"delta": 0}, 0.05, 4),
                                   ({"delta": 5, "price": 2}, 2, 9),
                                   ({"count": 10**12, "price": 1}, 1, 10**12),
                                   ({"delta": -10**12}, 1, 0)):
            with self.subTest(what=what), self.events(self.stock, 1):
                answer = self.change("patched", **what)
                self.assertEqual(answer.status, 200, answer)
                self.assertEqual((answer.json["price"], answer.json["count"]), (price, count))
            self.assertEqual(self.stock.ask("GET", "/stocks/patched").json, answer.json)
        self.assertTrue(self.event_of(answer).value.endswith(
            b'"payload":{"sku":"patched","count":0,"price":1}}'))

    def test_a_level_below_zero_or_too_high_is_409_and_no_event(self):
        shop.put_sku(self.stock, "few", 1, 3)
        with self.no_events():
            for delta in (-4, 10**12 - 2):
                answer = self.change("few", delta=delta)
                self.assert_problem(answer, 409)
                self.assertEqual((answer.json["field"], answer.json["count"]), ("delta", 3))
        self.assertEqual(self.change("few", delta=-3).json["count"], 0)

    def test_two_who_take_the_last_one_get_one(self):
        shop.put_sku(self.stock, "last", 1, 50)
        taken = []
        takers = [threading.Thread(target=lambda: taken.extend(
            self.change("last", delta=-1).status for _ in range(10))) for _ in range(8)]
        for taker in takers:
            taker.start()
        for taker in takers:
            taker.join(30)
        self.assertEqual((taken.count(200), taken.count(409)), (50, 30))
        self.assertEqual(self.stock.ask("GET", "/stocks/last").json["count"], 0)

    def test_a_deleted_sku_has_no_stock_and_keeps_its_price(self):
        shop.put_sku(self.stock, "gone", 12.5, 100)
        with self.events(self.stock, 2):
            answers = [self.stock.ask("DELETE", "/stocks/gone") for _ in range(2)]
        for answer in answers:
            self.assertEqual((answer.status, answer.json["count"], answer.json["price"]),
                             (200, 0, 12.5))
            self.assertTrue(self.event_of(answer).value.endswith(
                b'"payload":{"sku":"gone","count":0,"price":12.5}}'))
        self.assertEqual(self.stock.ask("GET", "/stocks/gone").json, answers[1].json)
        self.stock.await_published()
        story.await_fact("cart has read that there is none",
                         lambda: shop.add_item(self.cart, "late", "gone", 1).status == 409)

    def test_a_sku_that_is_not_there_cannot_be_changed(self):
        with self.no_events():
            self.assert_problem(self.change("nobody", count=1), 404)
            self.assert_problem(self.stock.ask("DELETE", "/stocks/nobody"), 404)
        self.assertEqual(self.stock.ask("GET", "/stocks/nobody").status, 404)

    def test_an_item_is_taken_out_of_a_cart(self):
        shop.put_sku(self.stock, "plum", 1, 5)
        shop.put_sku(self.stock, "fig", 1, 5)
        for sku, count in (("plum", 2), ("plum", 3), ("fig", 1)):
            self.assertEqual(shop.add_item(self.cart, "basket", sku, count).status, 201)
        self.assertEqual(shop.add_item(self.cart, "basket", "plum", 1).status, 409)
        with self.events(self.cart, 1):
            answer = self.cart.ask("DELETE", "/carts/basket/items/plum")
            self.assertEqual((answer.status, answer.json["removed"]), (200, 5), answer)
            self.assert_problem(self.cart.ask("DELETE", "/carts/basket/items/plum"), 404)
        line = self.event_of(answer)
        self.assertEqual(line.partition, 0)
        self.assertTrue(line.value.startswith(b'{"type":"cart_item_removed","service":"cart",'))
        self.assertTrue(line.value.endswith(
            b'"payload":{"cartId":"basket","sku":"plum","count":5}}'), line)
        self.assertEqual([item["sku"] for item in self.cart.ask("GET", "/carts/basket").json["items"]],
                         ["fig"])
        self.assertEqual(shop.add_item(self.cart, "basket", "plum", 5).status, 201)

    def test_a_cart_is_cleared(self):
        shop.put_sku(self.stock, "kiwi", 1, 5)
        shop.put_sku(self.stock, "lime", 1, 5)
        for cart, sku in (("full", "kiwi"), ("full", "lime"), ("fuller", "kiwi")):
            self.assertEqual(shop.add_item(self.cart, cart, sku, 2).status, 201)
        with self.events(self.cart, 1):
            answer = self.cart.ask("DELETE", "/carts/full")
            self.assertEqual((answer.status, answer.json["removed"]), (200, 2), answer)
            self.assert_problem(self.cart.ask("DELETE", "/carts/full"), 404)
        self.assertTrue(self.event_of(answer).value.endswith(
            b'"payload":{"cartId":"full","items":2}}'))
        self.assertEqual(self.cart.ask("GET", "/carts/full").status, 404)
        self.assertEqual(self.cart.ask("GET", "/carts/fuller").status, 200)

    def test_a_sku_that_is_not_there_is_404(self):
        self.assert_problem(self.stock.ask("GET", "/stocks/nobody"), 404)

    def test_listing_goes_on_behind_the_last_one_seen(self):
        for number in range(7):
            shop.put_sku(self.stock, f"~list-{number}", number, number)
        seen, after = [], "~list"
        while after is not None:
            page = self.stock.ask("GET", f"/stocks?after={after}&limit=3")
            self.assertEqual(page.status, 200, page)
            self.assertLessEqual(len(page.json["stocks"]), 3)
            seen += [sku["sku"] for sku in page.json["stocks"]]
            after = page.json.get("next")
        self.assertEqual(seen, [f"~list-{number}" for number in range(7)])

    def test_an_item_is_put_into_a_cart_and_seen_there(self):
        shop.put_sku(self.stock, "apple", 0.1, 100)
        shop.put_sku(self.stock, "pear", 2.5, 100)
        with self.events(self.cart, 3):
            first = shop.add_item(self.cart, "xyz123", "apple", 2)
            second = shop.add_item(self.cart, "xyz123", "pear", 1)
            third = shop.add_item(self.cart, "xyz123", "apple", 1)
        self.assertEqual([first.status, second.status, third.status], [201, 201, 201])
        self.assertEqual([answer.json["count"] for answer in (first, second, third)], [2, 1, 3])
        cart = self.cart.ask("GET", "/carts/xyz123")
        self.assertEqual(cart.status, 200, cart)
        self.assertEqual(cart.json, {"cartId": "xyz123", "total": 2.8, "items": [
            {"sku": "apple", "count": 3, "price": 0.1, "total": 0.3},
            {"sku": "pear", "count": 1, "price": 2.5, "total": 2.5}]})
        line = self.event_of(first)
        self.assertEqual(line.partition, 0)
        self.assertTrue(line.value.endswith(
            b'"payload":{"cartId":"xyz123","sku":"apple","count":2,"status":"success"}}'), line)

    def test_a_cart_that_is_not_there_is_404(self):
        self.assert_problem(self.cart.ask("GET", "/carts/nobody"), 404)

    def test_more_than_there_is_is_409_and_an_event(self):
        shop.put_sku(self.stock, "rare", 5, 3)
        self.assertEqual(shop.add_item(self.cart, "greedy", "rare", 2).status, 201)
        with self.events(self.cart, 1):
            answer = shop.add_item(self.cart, "greedy", "rare", 2)
        self.assert_problem(answer, 409)
        self.assertEqual(answer.json["detail"], "not enough stock")
        self.assertEqual(answer.json["count"], 2)  # what it holds is unchanged
        self.assertTrue(self.event_of(answer).value.endswith(
            b'"payload":{"cartId":"greedy","sku":"rare","count":2,"status":"failed",'
            b'"reason":"not enough stock"}}'))

    def test_an_unknown_sku_is_404_and_an_event(self):
        with self.events(self.cart, 1):
            answer = shop.add_item(self.cart, "dreamer", "unicorn", 1)
        self.assert_problem(answer, 404, "sku")
        self.assertTrue(self.event_of(answer).value.endswith(
            b'"payload":{"cartId":"dreamer","sku":"unicorn","count":1,"status":"failed",'
            b'"reason":"unknown sku"}}'))

    def test_a_sku_of_dots_is_a_sku_like_any_other(self):
        """In a URL `..` would be the folder above."""
        for sku in (".", ".."):
            with self.subTest(sku=sku), self.events(self.cart, 1):
                self.assert_problem(shop.add_item(self.cart, "dotted", sku, 1), 404, "sku")

    def test_a_new_level_reaches_cart_while_stock_is_down(self):
        shop.put_sku(self.stock, "known", 1, 5)
        self.assertEqual(shop.add_item(self.cart, "early", "known", 5).status, 201)
        shop.put_sku(self.stock, "known", 1, 6)
        self.stock.await_published()
        self.stock.stop()
        try:
            story.await_fact("one more of them is allowed",
                             lambda: shop.add_item(self.cart, "early", "known", 1).status == 201)
        finally:
            self.stock.start()


# Bodies of POST /carts/{cartId}/items and the field at fault; None: none can be named.
NO_JSON = [b"", b" ", b"{", b"nonsense", b'{"sku":"A123","count":2', b'{"sku":"A123","count":2}}',
           b'{"sku":"A123","count":2,}', b"{'sku':'A123','count':2}", b'{"sku":"A123","count":02}',
           b'{"sku":"A123","count":+2}', b'{"sku":"A123","count":NaN}', b'{"sku":"A123" "count":2}',
           b'{"sku":"A123","count":2}\0', b'\0{"sku":"A123","count":2}', b"[" * 60000,
           b'{"a":' * 10000, b'\xff\xfe{\0}\0', b'{"sku":"A\n123","count":2}',
           b"[]", b"null", b"true", b"3", b'"text"', b'[{"sku":"A123","count":2}]']
NO_UTF_8 = [b'{"sku":"A\xff","count":2}', b'{"sku":"A\xc0\xaf","count":2}',
            b'{"sku":"A\xed\xa0\x80","count":2}', b'{"sku":"A\xf4\x90\x80\x80","count":2}',
            b'{"sku":"A\xc3","count":2}', b'{"s\xffku":"A123","count":2}',
            b'{"sku":"A\\ud800","count":2}']
KINDS = [(b'{"sku":"A123","count":%s}' % value, "count")
         for value in (b'"2"', b"2.0", b"2.5", b"2e0", b"true", b"null", b"[2]", b"{}")] + \
        [(b'{"sku":%s,"count":2}' % value, "sku") for value in (b"1", b"null", b'["A"]', b"{}", b"true")]
UNKNOWN = [(b'{"sku":"A123","count":2,"price":1}', "price"), (b'{"sku":"A123","Count":2}', "Count"),
           (b'{"sku ":"A123","count":2}', "sku "), (b'{"sku":"A123","count":2,"":1}', ""),
           (b'{"sku":"A123","count":2,"cartId":"x"}', "cartId"),
           (b'{"\xc3\xa4":1}', "\u00e4"), (b'{"%s":1}' % (b"long" * 100), "long" * 100)]
MISSING = [(b"{}", "sku"), (b'{"sku":"A123"}', "count"), (b'{"count":2}', "sku")]
REPEATED = [(b'{"sku":"A123","sku":"A123","count":2}', "sku"),
            (b'{"sku":"A123","count":1,"count":2}', "count"),
            (b'{"sku":"A123","count":1,"co\\u0075nt":2}', None)]  # as it was written
IDS = [(b'{"sku":"%s","count":2}' % sku, "sku")
       for sku in (b"", b"x" * 64, b"x" * 60000, b"A 1", b" ", b"A/1", b"A%31", b"A:1", b"a\\nb",
                   b"\xc3\xa4", b"\\u00e4", b"\xf0\x9f\x9b\x92", b"A'--", b'A\\"')]
COUNTS = [(b'{"sku":"A123","count":%s}' % count, "count")
          for count in (b"0", b"-0", b"-1", b"1000000001", b"9223372036854775807",
                        b"-9223372036854775808")]
DIGITS = [(b'{"sku":"A123","count":%s}' % count, "count")
          for count in (b"9223372036854775808", b"-9223372036854775809", b"9" * 400, b"2.000",
                        b"1e400", b"1e9")]
PRICES = [(b'{"price":%s,"count":1}' % price, "price")
          for price in (b"-0.01", b"-1", b"10000000000", b"9999999999.995", b"0.001", b"12.505",
                        b"12.3456789012345678901234567890", b"12.500000000000000001", b"1e300",
                        b"1e400", b"9" * 400, b'"12.5"', b"null", b"true", b"[]")]
CHANGES = [(b"{}", None), (b'{"count":1,"delta":1}', "delta"), (b'{"delta":0,"count":0,"price":1}', "delta"),
           (b'{"delta":1.0}', "delta"), (b'{"delta":"1"}', "delta"), (b'{"delta":null}', "delta"),
           (b'{"delta":1000000000001}', "delta"), (b'{"delta":-1000000000001}', "delta"),
           (b'{"count":-1}', "count"), (b'{"price":0.001}', "price"), (b'{"price":null}', "price"),
           (b'{"delta":1,"delta":1}', "delta"), (b'{"sku":"A123"}', "sku"), (b"[]", None), (b"", None)]
LEVELS = [(b'{"price":1,"count":%s}' % count, "count")
          for count in (b"-1", b"1000000000001", b"1.5", b'"1"', b"null", b"9" * 30)]

BAD_IDS_IN_PATHS = ["x" * 64, "x" * 3000, "a%20b", "%20", "%C3%A4", "%FF", "a%00", "%00", "a%0Ab",
                    "a:b", "a%25b", "%F0%9F%9B%92", "a+b", "%"]
UNKNOWN_PATHS = ["/", "//", "/nope", "/nope/nope", "/carts", "/carts/", "/carts//items",
                 "/carts/a/items/", "/carts/a/items/b/c", "/stocks/a/b", "/stocks/", "/CARTS/a",
                 "/carts/a%2Fb", "/livez/", "/../etc/passwd", "/%FF", "/%C3", "/nope%00", "/%C3%A4",
                 "/" + "x" * 5000]
# process, method, path, and what Allow must hold at least
WRONG_METHODS = [("stock", "POST", "/stocks/A123", {"GET", "HEAD", "PUT"}),
                 ("stock", "DELETE", "/stocks", {"GET", "HEAD"}),
                 ("stock", "BREW", "/stocks/A123", {"GET", "HEAD", "PUT"}),
                 ("stock", "POST", "/stocks/%FF", {"GET", "HEAD", "PUT"}),
                 ("stock", "POST", "/livez", {"GET", "HEAD"}),
                 ("stock", "PUT", "/outbox", {"GET", "HEAD"}),
                 ("cart", "GET", "/carts/a/items", {"POST"}),
                 ("cart", "HEAD", "/carts/a/items", {"POST"}),
                 ("cart", "PUT", "/carts/a/items", {"POST"}),
                 ("cart", "PUT", "/carts/a", {"GET", "HEAD"}),
                 ("cart", "PATCH", "/carts/%C3", {"GET", "HEAD", "DELETE", "OPTIONS"}),
                 ("cart", "GET", "/carts/a/items/b", {"DELETE"}),
                 ("cart", "POST", "/readyz", {"GET", "HEAD"})]


class BadInput(Api):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shop.put_sku(cls.stock, "A123", 12.5, 10**12)

    def assert_refused(self, process, method, path, cases):
        for body, field in cases:
            with self.subTest(path=path, body=body[:80], length=len(body)), self.no_events():
                self.assert_problem(process.ask(method, path, body), 400, field)

    def test_a_body_that_is_no_json_object_is_refused(self):
        cases = [(body, None) for body in NO_JSON]
        self.assert_refused(self.cart, "POST", "/carts/a/items", cases)
        self.assert_refused(self.stock, "PUT", "/stocks/A123", cases)

    def test_invalid_utf_8_is_refused(self):
        self.assert_refused(self.cart, "POST", "/carts/a/items", [(b, None) for b in NO_UTF_8])

    def test_wrong_kinds_are_refused_with_the_fields_name(self):
        self.assert_refused(self.cart, "POST", "/carts/a/items", KINDS)

    def test_unknown_fields_are_refused_by_name(self):
        self.assert_refused(self.cart, "POST", "/carts/a/items", UNKNOWN)
        self.assert_refused(self.stock, "PUT", "/stocks/A123",
                            [(b'{"price":1,"count":1,"sku":"A123"}', "sku")])

    def test_an_unknown_field_with_a_very_long_name_is_refused(self):
        """Wherever the name is cut to fit an answer, the answer is sound."""
        for extra in range(3):
            for letter in ("\u00e4", "\u20ac", "\U0001f6d2"):
                name = "x" * extra + letter * 400
                with self.subTest(letter=letter, extra=extra), self.no_events():
                    self.assert_problem(self.cart.ask("POST", "/carts/a/items", {name: 1}), 400)

    def test_missing_fields_are_refused_by_name(self):
        self.assert_refused(self.cart, "POST", "/carts/a/items", MISSING)
        self.assert_refused(self.stock, "PUT", "/stocks/A123",
                            [(b'{"price":1}', "count"), (b'{"count":1}', "price")])

    def test_repeated_fields_are_refused_by_name(self):
        self.assert_refused(self.cart, "POST", "/carts/a/items", REPEATED)
        self.assert_refused(self.stock, "PUT", "/stocks/A123",
                            [(b'{"price":1,"price":1,"count":1}', "price")])

    def test_ids_too_long_or_with_other_characters_are_refused(self):
        self.assert_refused(self.cart, "POST", "/carts/a/items", IDS)

    def test_an_id_with_a_nul_is_refused_by_the_fields_name(self):
        self.assert_refused(self.cart, "POST", "/carts/a/items",
                            [(b'{"sku":"A\\u0000","count":2}', "sku")])

    def test_zero_negative_and_huge_counts_are_refused(self):
        self.assert_refused(self.cart, "POST", "/carts/a/items", COUNTS)

    def test_numbers_with_too_many_digits_are_refused_with_the_fields_name(self):
        self.assert_refused(self.cart, "POST", "/carts/a/items", DIGITS)

    def test_prices_and_levels_out_of_range_are_refused(self):
        self.assert_refused(self.stock, "PUT", "/stocks/A123", PRICES + LEVELS)
        self.assertEqual(self.stock.ask("GET", "/stocks/A123").json["price"], 12.5)

    def test_changes_that_do_not_say_what_are_refused(self):
        self.assert_refused(self.stock, "PATCH", "/stocks/A123", CHANGES)

    def test_unknown_query_parameters_are_refused_by_name(self):
        for process, method, path, body, field in (
                (self.stock, "GET", "/stocks?afte=a", None, "afte"),
                (self.stock, "GET", "/stocks?after=a&limit=1&page=2", None, "page"),
                (self.stock, "GET", "/stocks?limit=1&limit=1", None, "limit"),
                (self.stock, "GET", "/stocks/A123?after=a", None, "after"),
                (self.stock, "PUT", "/stocks/A123?dry=1", {"price": 1, "count": 1}, "dry"),
                (self.stock, "DELETE", "/stocks/A123?force", None, "force"),
                (self.stock, "GET", "/metrics?name=x", None, "name"),
                (self.shop.consumer, "GET", "/readyz?verbose=1", None, "verbose"),
                (self.cart, "DELETE", "/carts/a?all=1", None, "all"),
                (self.cart, "POST", "/carts/a/items?%C3%A4=1", {"sku": "A123", "count": 1}, "\u00e4"),
                (self.cart, "GET", "/carts/a?%FF=1", None, "?")):
            with self.subTest(path=path), self.no_events():
                self.assert_problem(process.ask(method, path, body), 400, field)

    def test_a_change_under_a_condition_is_refused(self):
        body = {"price": 1, "count": 1}
        for header, value in (("If-Match", "*"), ("If-Match", '"a"'), ("If-None-Match", "*")):
            for process, method, path in ((self.stock, "PUT", "/stocks/A123"),
                                          (self.stock, "PATCH", "/stocks/A123"),
                                          (self.stock, "DELETE", "/stocks/A123"),
                                          (self.cart, "POST", "/carts/a/items"),
                                          (self.cart, "DELETE", "/carts/a")):
                with self.subTest(header=header, method=method), self.no_events():
                    answer = process.ask(method, path, body, {header: value})
                    self.assert_problem(answer, 412, header)

    def test_reading_under_conditions_and_in_ranges_is_reading(self):
        whole = self.stock.ask("GET", "/stocks/A123")
        for header, value in (("If-None-Match", "*"), ("If-Match", '"a"'), ("Range", "bytes=0-3"),
                              ("Range", "bytes=99999-"), ("Range", "nonsense"),
                              ("If-Modified-Since", "Thu, 01 Jan 2099 00:00:00 GMT"),
                              ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
                              ("If-Range", '"a"')):
            with self.subTest(header=header, value=value):
                answer = self.stock.ask("GET", "/stocks/A123", None, {header: value})
                self.assertEqual((answer.status, answer.body), (200, whole.body))

    def test_head_is_get_without_a_body(self):
        for process, path in ((self.stock, "/stocks/A123"), (self.stock, "/stocks"),
                              (self.stock, "/stocks/nobody"), (self.stock, "/stocks?limit=0"),
                              (self.cart, "/openapi.json"), (self.cart, "/carts/nobody")):
            with self.subTest(path=path):
                get, head = process.ask("GET", path), process.ask("HEAD", path)
                self.assertEqual((head.status, head.type, head.body), (get.status, get.type, b""))
                self.assertEqual(head.headers["Content-Length"], get.headers["Content-Length"])

    def test_options_says_which_methods_there_are(self):
        for process, path, allow in (
                (self.stock, "/stocks/A123", "DELETE GET HEAD OPTIONS PATCH PUT"),
                (self.stock, "/stocks?anything=1", "GET HEAD OPTIONS"),
                (self.cart, "/carts/%C3", "DELETE GET HEAD OPTIONS"),
                (self.cart, "/carts/a/items", "OPTIONS POST"),
                (self.cart, "/carts/a/items/b", "DELETE OPTIONS"),
                (self.cart, "*", "OPTIONS")):
            with self.subTest(path=path), self.no_events():
                answer = process.ask("OPTIONS", path)
                self.assertEqual((answer.status, answer.body), (204, b""))
                self.assertEqual(sorted(answer.headers["Allow"].split(", ")), allow.split())
        self.assert_problem(self.cart.ask("OPTIONS", "/nope"), 404)

    def test_bad_ids_in_paths_are_refused(self):
        for name in BAD_IDS_IN_PATHS:
            for process, method, path, body, field in (
                    (self.cart, "POST", f"/carts/{name}/items", {"sku": "A123", "count": 1}, "cartId"),
                    (self.cart, "GET", f"/carts/{name}", None, "cartId"),
                    (self.cart, "DELETE", f"/carts/{name}", None, "cartId"),
                    (self.cart, "DELETE", f"/carts/{name}/items/a", None, "cartId"),
                    (self.cart, "DELETE", f"/carts/a/items/{name}", None, "sku"),
                    (self.stock, "PUT", f"/stocks/{name}", {"price": 1, "count": 1}, "sku"),
                    (self.stock, "PATCH", f"/stocks/{name}", {"count": 1}, "sku"),
                    (self.stock, "DELETE", f"/stocks/{name}", None, "sku"),
                    (self.stock, "GET", f"/stocks/{name}", None, "sku")):
                with self.subTest(method=method, path=path[:40]), self.no_events():
                    self.assert_problem(process.ask(method, path, body), 400, field)

    def test_an_id_in_a_path_may_be_escaped(self):
        with self.events(self.cart, 1):
            answer = self.cart.ask("POST", "/carts/%61%2D/items", {"sku": "A123", "count": 1})
        self.assertEqual((answer.status, answer.json["cartId"]), (201, "a-"), answer)

    def test_a_body_of_65_kib_is_refused(self):
        good = b'{"sku":"A123","count":2}'
        whole = good + b" " * (BIG - len(good))
        for name, body in (("one byte", whole + b" "), ("65 KiB", whole + b" " * 1024),
                           ("10 MiB", b" " * 10 * 1024 * 1024),
                           ("one byte, chunked", [whole, b" "]),
                           ("65 KiB, chunked", [whole] + [b" "] * 1024),
                           ("1 MiB, chunked", [b" " * 65536] * 16)):
            with self.subTest(name), self.no_events():
                self.assert_problem(self.cart.ask("POST", "/carts/a/items", body), 413)
        with self.no_events():
            self.assert_problem(self.stock.ask("PUT", "/stocks/A123", whole + b" "), 413)

    def test_a_body_of_64_kib_is_read(self):
        good = b'{"sku":"A123","count":2}'
        whole = good + b" " * (BIG - len(good))
        for name, body in (("at once", whole), ("chunked", [whole[:5], whole[5:]]),
                           ("a byte a chunk", [whole[at:at + 1] for at in range(24)])):
            with self.subTest(name), self.events(self.cart, 1):
                answer = self.cart.ask("POST", "/carts/a/items", body)
                self.assertEqual(answer.status, 201, answer)

    def test_unknown_routes_are_404(self):
        for process in self.shop.services:
            for path in UNKNOWN_PATHS:
                for method, body in (("GET", None), ("POST", {"sku": "A123", "count": 1})):
                    with self.subTest(process.name, method=method, path=path[:40]), \
                            self.no_events():
                        self.assert_problem(process.ask(method, path, body), 404)

    def test_unknown_methods_are_405_with_allow(self):
        for name, method, path, allowed in WRONG_METHODS:
            process = getattr(self, name)
            with self.subTest(method=method, path=path), self.no_events():
                answer = process.ask(method, path, b"{}" if method != "HEAD" else None)
                allow = set(answer.headers.get("Allow", "").replace(" ", "").split(","))
                self.assertLessEqual(allowed, allow, answer)
                self.assertNotIn(method, allow)
                if method == "HEAD":  # has no body
                    self.assertEqual(answer.status, 405)
                else:
                    self.assert_problem(answer, 405)

    def test_bad_limits_and_places_to_go_on_are_refused(self):
        for limit in ("", "0", "-1", "1001", "x", "1.5", "1e2", "+1", "%201", "1%20", "1%00",
                      "0x10", "9" * 30, "%FF"):
            with self.subTest(limit=limit):
                self.assert_problem(self.stock.ask("GET", f"/stocks?limit={limit}"), 400, "limit")
        for after in ("x" * 64, "%20", "a%00", "%FF", "a%2Fb"):
            with self.subTest(after=after):
                self.assert_problem(self.stock.ask("GET", f"/stocks?after={after}"), 400, "after")


# What somebody writes to the socket, and goes away.
RUDE = [b"", b"\0", b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200,  # TLS
        b"GET /livez HTTP/1.1\r\nHost: a", b"GET /li", b"POST /carts/a/items HTTP/1.1\r\n",
        b"POST /carts/a/items HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
        b'{"sku":"A123","count":2}',
        b"POST /carts/a/items HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'18\r\n{"sku":"A123","count":2}\r\n',
        b"POST /carts/a/items HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"POST /carts/a/items HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /carts/a/items HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n",
        b"POST /carts/a/items HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 200000 + b"\r\n\r\n",
        b"GET /" + b"z" * 200000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
        b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n" * 200]


class RudeClients(Api):
    def test_a_garbled_or_broken_off_request_leaves_the_service_as_it_was(self):
        for process in self.shop.services:
            for text in RUDE:
                for polite in (True, False):
                    with self.subTest(process.name, text=text[:60], polite=polite), \
                            self.no_events():
                        self.be_rude(process, text, polite)
                        self.assertEqual(process.ask("GET", "/livez").status, 200)
                        self.assertTrue(process.running())

    def be_rude(self, process, text, polite):
        with socket.create_connection(("127.0.0.1", process.port), 10) as connection:
            with contextlib.suppress(OSError):  # it may hang up first
                connection.sendall(text)
                if polite:
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass

    def test_many_clients_that_say_nothing_do_not_keep_others_out(self):
        with contextlib.ExitStack() as silent:
            for _ in range(300):
                silent.enter_context(socket.create_connection(("127.0.0.1", self.cart.port), 10))
            self.assertEqual(self.cart.ask("GET", "/livez").status, 200)


class OddStock:
    """A server in stock's place that gives one answer to everybody, or none."""

    def __init__(self, answer):
        self.name = "odd stock"
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.held = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                if self.answer is None:
                    self.held.append(connection)
                    continue
                connection.recv(65536)
                connection.sendall(self.answer)
                connection.close()

    def end(self):
        self.listener.close()
        for connection in self.held:
            connection.close()


def http_answer(status, body, more=b""):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(body), more, body)


OTHER_SKU = (b'{"sku":"another","price":1,"count":5,"source":"stock/1","id":1}')
ODD_ANSWERS = {
    "is silent": None,
    "hangs up": b"",
    "says no HTTP": b"hello\r\n",
    "fails": http_answer(b"500 Internal Server Error", b"{}"),
    "is busy": http_answer(b"503 Service Unavailable", b"{}"),
    "says nonsense": http_answer(b"200 OK", b"nonsense"),
    "says something else": http_answer(b"200 OK", b'{"sku":1}'),
    "tells another SKU": http_answer(b"200 OK", OTHER_SKU),
    "says too much": http_answer(b"200 OK", b" " * 1000000),
    "sends us elsewhere": http_answer(b"302 Found", b"", b"Location: /elsewhere\r\n"),
}


class StockDoesNotAnswer(Api):
    """An unknown SKU, and nobody to ask: nothing was decided, so there is no event."""

    def assert_undecided(self):
        began = time.monotonic()
        with self.no_events():
            answer = shop.add_item(self.cart, "waiting", "unheard-of", 1)
        self.assert_problem(answer, 503)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1, answer)
        self.assertLess(time.monotonic() - began, 5)  # it asks for 1 s

    def with_stock_at(self, url):
        self.cart.stop()
        self.cart.start(STOCK_URL=url)

    def test_503_with_retry_after_and_no_event(self):
        for name, answer in ODD_ANSWERS.items():
            with self.subTest(f"stock {name}"):
                odd = OddStock(answer)
                self.addCleanup(odd.end)
                self.with_stock_at(odd.url)
                self.assert_undecided()
        with self.subTest("stock is not there"):
            self.with_stock_at(f"http://127.0.0.1:{shop.free_port()}")
            self.assert_undecided()

    def test_known_skus_need_no_answer(self):
        shop.put_sku(self.stock, "familiar", 1, 5)
        self.stock.await_published()
        self.with_stock_at(f"http://127.0.0.1:{shop.free_port()}")
        story.await_fact("cart has read the level",
                         lambda: shop.add_item(self.cart, "c", "familiar", 1).status == 201)

    def test_a_proxy_in_the_environment_is_not_asked(self):
        """Docker gives one to every container where its client has one."""
        nobody = f"http://127.0.0.1:{shop.free_port()}"
        self.with_stock_at(f"http://127.0.0.1:{self.stock.port}")
        self.cart.stop()
        self.cart.start(http_proxy=nobody, all_proxy=nobody)
        with self.events(self.cart, 1):
            answer = shop.add_item(self.cart, "c", "never-made", 1)
        self.assert_problem(answer, 404, "sku")

    def test_a_404_of_somebody_else_is_no_answer(self):
        for url in (f"http://127.0.0.1:{self.stock.port}/elsewhere",
                    f"http://127.0.0.1:{self.stock.port}/stocks"):
            with self.subTest(url):
                self.with_stock_at(url)
                self.assert_undecided()

    def test_a_slash_behind_the_url_of_stock_changes_nothing(self):
        shop.put_sku(self.stock, "slashed", 1, 5)
        self.with_stock_at(f"http://127.0.0.1:{self.stock.port}//")
        self.assertEqual(shop.add_item(self.cart, "c", "slashed", 1).status, 201)


class TheEnd(Api):
    def test_a_service_that_stops_answers_to_its_end(self):
        """Connections that are open go on asking while it goes down."""
        for _ in range(6):
            asking = [threading.Thread(target=self.ask_until_it_is_gone) for _ in range(8)]
            for thread in asking:
                thread.start()
            story.await_fact("it answers", lambda: self.stock.ask("GET", "/livez").status == 200)
            self.assertEqual(self.stock.stop(), 0)
            for thread in asking:
                thread.join(30)
            self.assertIn("closed last=", self.stock.log())
            self.stock.start()

    def ask_until_it_is_gone(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.stock.port, timeout=15)
        with contextlib.closing(connection), contextlib.suppress(OSError,
                                                                 http.client.HTTPException):
            while True:
                connection.request("GET", "/readyz")
                connection.getresponse().read()


if __name__ == "__main__":
    story.main()
