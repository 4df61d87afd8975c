"""A client that got no answer sends the same again, with the same Idempotency-Key: ATTACKS D4.
What is asked is done once, and answered alike, whatever was killed in between."""
import contextlib
import http.client
import itertools
import json
import signal
import threading

import shop
import story


class LostReplies(story.Story):
    @classmethod
    def setUpClass(cls):
        shop.open_on_mock(cls, cls.addClassCleanup)
        shop.put_sku(cls.stock, "apple", 1, 1000000)

    def add(self, key, cart_id, count=1, sku="apple"):
        return self.cart.ask("POST", f"/carts/{cart_id}/items", {"sku": sku, "count": count},
                             {"Idempotency-Key": key})

    def put(self, key, sku, count):
        return self.stock.ask("PUT", f"/stocks/{sku}", {"price": 2.5, "count": count},
                              {"Idempotency-Key": key})

    def held(self, cart_id):
        answer = self.cart.ask("GET", f"/carts/{cart_id}")
        return answer.json["items"][0]["count"] if answer.status == 200 else 0

    def assert_same(self, first, second):
        self.assertEqual((first.status, first.type, first.body),
                         (second.status, second.type, second.body))

    def test_the_same_request_is_done_once_and_answered_alike(self):
        last = self.cart.outbox()["last"], self.stock.outbox()["last"]
        self.assert_same(self.add("a-1", "twice", 2), self.add("a-1", "twice", 2))
        self.assertEqual(self.held("twice"), 2)
        first = self.put("s-1", "plum", 7)
        self.assertEqual(first.status, 201)
        self.assert_same(first, self.put("s-1", "plum", 7))  # not 200: it is the first answer
        self.assertEqual((self.cart.outbox()["last"], self.stock.outbox()["last"]),
                         (last[0] + 1, last[1] + 1))

    def test_changes_and_removals_are_done_once_too(self):
        shop.put_sku(self.stock, "pear", 1, 10)
        self.add("d-0", "emptied", 2, "pear")
        self.add("d-1", "cleared", 2, "pear")
        for key, process, method, path, body in (
                ("d-2", self.stock, "PATCH", "/stocks/pear", {"delta": -4}),
                ("d-3", self.stock, "PATCH", "/stocks/pear", {"delta": -7}),  # 409: there are 6
                ("d-4", self.stock, "DELETE", "/stocks/nobody", None),
                ("d-5", self.stock, "DELETE", "/stocks/pear", None),
                ("d-6", self.cart, "DELETE", "/carts/emptied/items/pear", None),
                ("d-7", self.cart, "DELETE", "/carts/cleared", None)):
            with self.subTest(path=path, method=method):
                first = process.ask(method, path, body, {"Idempotency-Key": key})
                last = process.outbox()["last"]
                self.assert_same(first, process.ask(method, path, body, {"Idempotency-Key": key}))
                self.assertEqual(process.outbox()["last"], last)
        self.assertEqual(self.stock.ask("GET", "/stocks/pear").json["count"], 0)
        # Without a key it is another request.
        self.assertEqual(self.cart.ask("DELETE", "/carts/cleared").status, 404)
        other = self.stock.ask("DELETE", "/stocks/pear", None, {"Idempotency-Key": "d-2"})
        self.assertEqual((other.status, other.json["field"]), (409, "Idempotency-Key"))

    def test_white_space_makes_no_other_request(self):
        first = self.put("s-2", "fig", 7)
        second = self.stock.ask("PUT", "/stocks/fig", b'{ "count": 7,\n "price": 2.50 }',
                                {"Idempotency-Key": "s-2"})
        self.assert_same(first, second)

    def test_a_key_used_for_another_request_is_409(self):
        self.add("a-2", "other", 1)
        for answer in (self.add("a-2", "other", 2), self.add("a-2", "another", 1)):
            self.assertEqual((answer.status, answer.json["field"]), (409, "Idempotency-Key"))
        self.assertEqual(self.held("other"), 1)

    def test_refusals_are_kept_too(self):
        many = self.add("a-3", "greedy", 999999999)
        self.assertEqual(many.status, 409)
        self.assert_same(many, self.add("a-3", "greedy", 999999999))
        unknown = self.add("a-4", "dreamer", 1, "unicorn")
        self.assertEqual(unknown.status, 404)
        shop.put_sku(self.stock, "unicorn", 1, 1)
        self.assert_same(unknown, self.add("a-4", "dreamer", 1, "unicorn"))

    def test_what_was_not_decided_is_not_kept(self):
        self.stock.kill()
        try:
            self.assertEqual(self.add("a-5", "patient", 1, "melon").status, 503)
        finally:
            self.stock.start()
        shop.put_sku(self.stock, "melon", 1, 10)
        story.await_fact("the same key is served once stock answers",
                         lambda: self.add("a-5", "patient", 1, "melon").status == 201, 10)
        self.assertEqual(self.held("patient"), 1)

    def test_a_key_that_is_none_is_refused(self):
        for key in ("", "two words", "x" * 256):
            answer = self.add(key, "nobody")
            self.assertEqual((answer.status, answer.json["field"]), (400, "Idempotency-Key"))
        self.assertEqual(self.add("x" * 255, "somebody").status, 201)

    def test_two_keys_are_none(self):
        """Asked again with either of them alone, it would be done twice."""
        connection = http.client.HTTPConnection("127.0.0.1", self.cart.port, timeout=15)
        with contextlib.closing(connection):
            connection.putrequest("POST", "/carts/torn/items")
            for name, value in (("Idempotency-Key", "t-1"), ("idempotency-key", "t-2"),
                                ("Content-Length", "25")):
                connection.putheader(name, value)
            connection.endheaders(b'{"sku":"apple","count":1}')
            answer = shop.Answer(connection.getresponse())
        self.assertEqual((answer.status, answer.json["field"]), (400, "Idempotency-Key"))
        self.assertEqual(self.held("torn"), 0)

    def test_eight_at_once_are_one(self):
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.add("a-6", "crowd", 3)))
                   for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({answer.body for answer in answers}, {answers[0].body})
        self.assertEqual(self.held("crowd"), 3)

    def test_repeats_of_a_request_that_waits_for_stock_are_answered(self):
        """The first one is decided while the others still wait for stock's answer."""
        answers = []

        def ask_four_times(key):
            """Whether stock, which stands still meanwhile, answered in its time."""
            answers.clear()
            threads = [threading.Thread(target=lambda: answers.append(
                self.add(key, "waiting", 3, "basilisk"))) for _ in range(4)]
            self.stock.popen.send_signal(signal.SIGSTOP)
            try:
                for thread in threads:
                    thread.start()
                for nth in range(5):  # the writer answers these behind the first four
                    self.add(f"{key}-{nth}", "quick")
            finally:
                self.stock.popen.send_signal(signal.SIGCONT)
            for thread in threads:
                thread.join()
            return 503 not in {answer.status for answer in answers}

        keys = (f"w-{nth}" for nth in itertools.count())
        story.await_fact("stock answers in time", lambda: ask_four_times(next(keys)), 60)
        self.assertEqual([(answer.status, answer.body) for answer in answers],
                         [(404, answers[0].body)] * 4)

    def test_a_reply_lost_by_a_kill_is_had_by_asking_again(self):
        for nth in range(12):
            connection = http.client.HTTPConnection("127.0.0.1", self.cart.port, timeout=15)
            connection.request("POST", f"/carts/lost-{nth}/items",
                               json.dumps({"sku": "apple", "count": 1}).encode(),
                               {"Idempotency-Key": f"lost-{nth}"})
            if nth % 3 == 1:  # after the commit: the answer is only not read
                connection.sock.recv(1)
            elif nth % 3 == 2:
                connection.sock.settimeout(0.001)
                try:
                    connection.sock.recv(1)
                except TimeoutError:
                    pass
            self.cart.kill()
            connection.close()
            self.cart.start()
            answer = self.add(f"lost-{nth}", f"lost-{nth}")
            self.assertEqual(answer.status, 201)
            self.assert_same(answer, self.add(f"lost-{nth}", f"lost-{nth}"))
            self.assertEqual(self.held(f"lost-{nth}"), 1)
        self.assertEqual(self.shop.judge(), [])


if __name__ == "__main__":
    story.main()
