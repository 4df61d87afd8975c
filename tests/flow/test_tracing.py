"""The trace of a request: from its headers traceparent and tracestate by way of the store to the
record, and from traceparent to the journal's line; and each record as event/asyncapi.json describes
it."""
import http.client
import json
import re
import subprocess

import jsonschema

import journal
import shop
import story

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SOUND = f"00-{TRACE}-{SPAN}-01"
BAD = ["", "nonsense", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", SOUND.upper(),
       f"{SOUND}-more", f"00-{TRACE}-{'0' * 16}-01", SOUND + " " + SOUND]
STATE = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
HEADERS = re.compile(r",(?=(?:ce_\w+|content-type|traceparent|tracestate)=)")
DOCUMENT = json.loads((story.SOURCE / "event" / "asyncapi.json").read_text())


class Traced(story.Story):
    def setUp(self):
        shop.open_on_mock(self, self.addCleanup)

    def records(self, partition):
        """All of them: headers, key, value."""
        run = subprocess.run(["kcat", "-C", "-b", self.kafka.brokers, "-t", "metrics", "-p",
                              str(partition), "-o", "beginning", "-e", "-q", "-f",
                              "%h\\t%k\\t%s\\n"], capture_output=True, text=True, timeout=60,
                             check=True, env=shop.environment({}))
        found = []
        for line in run.stdout.splitlines():
            headers, key, value = line.split("\t")
            found.append((dict(each.split("=", 1) for each in HEADERS.split(headers)), key, value))
        return found

    def put(self, sku, traceparent=None, **more):
        headers = {} if traceparent is None else {"traceparent": traceparent}
        answer = self.stock.ask("PUT", f"/stocks/{sku}", {"price": 1, "count": 5}, headers | more)
        self.assertIn(answer.status, (200, 201), answer)
        return answer

    def line_of(self, answer):
        source, number = answer.json["source"], answer.json["id"]
        self.shop.await_line(source, number)
        line, = [line for line in journal.read(self.shop.journal_path)
                 if (line.source, line.id) == (source, number)]
        return line

    def header_of(self, answer, partition=1, name="traceparent"):
        found, = [headers for headers, _, _ in self.records(partition)
                  if headers["ce_id"] == str(answer.json["id"])]
        return found.get(name)

    def state_of(self, answer, partition=1):
        self.line_of(answer)
        return self.header_of(answer, partition, "tracestate")

    def put_with(self, *headers):
        """PUT with these headers, of which a name may come more than once."""
        connection = http.client.HTTPConnection("127.0.0.1", self.stock.port, timeout=15)
        self.addCleanup(connection.close)
        body = b'{"price":1,"count":5}'
        connection.putrequest("PUT", "/stocks/many")
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = shop.Answer(connection.getresponse())
        self.assertIn(answer.status, (200, 201), answer)
        return answer

    def test_a_trace_is_in_the_record_and_in_the_line(self):
        answer = self.put("apple", SOUND)
        self.assertEqual(self.line_of(answer).trace, TRACE)
        self.assertEqual(self.header_of(answer), SOUND)
        for method, path, body in (("POST", "/carts/c/items", {"sku": "apple", "count": 1}),
                                   ("POST", "/carts/c/items", {"sku": "apple", "count": 99}),
                                   ("POST", "/carts/c/items", {"sku": "nothing", "count": 1}),
                                   ("DELETE", "/carts/c", None)):
            with self.subTest(method=method, body=body):
                answer = self.cart.ask(method, path, body, {"traceparent": SOUND})
                self.assertEqual(self.line_of(answer).trace, TRACE)
                self.assertEqual(self.header_of(answer, 0), SOUND)
        for method, body in (("PATCH", {"delta": 1}), ("DELETE", None)):
            answer = self.stock.ask(method, "/stocks/apple", body, {"traceparent": SOUND})
            self.assertEqual(self.line_of(answer).trace, TRACE)

    def test_without_one_there_is_none(self):
        answer = self.put("pear")
        self.assertIsNone(self.line_of(answer).trace)
        self.assertIsNone(self.header_of(answer))
        self.assertNotIn(b"trace=", self.shop.journal_path.read_bytes())

    def test_one_of_a_later_version_is_handed_on_as_ours(self):
        answer = self.put("plum", f"cc-{TRACE}-{SPAN}-01-what-comes")
        self.assertEqual(self.header_of(answer), SOUND)

    def test_its_tracestate_goes_with_it(self):
        self.assertEqual(self.state_of(self.put("apple", SOUND, tracestate=STATE)), STATE)
        self.assertNotIn("rojo", self.shop.journal_path.read_text())
        self.assertIsNone(self.state_of(self.put("apple", SOUND)))
        for method, path, body in (("POST", "/carts/c/items", {"sku": "apple", "count": 1}),
                                   ("POST", "/carts/c/items", {"sku": "nothing", "count": 1}),
                                   ("DELETE", "/carts/c", None)):
            with self.subTest(method=method, body=body):
                answer = self.cart.ask(method, path, body,
                                       {"traceparent": SOUND, "tracestate": STATE})
                self.assertEqual(self.state_of(answer, 0), STATE)

    def test_several_tracestates_are_one(self):
        answer = self.put_with(("traceparent", SOUND), ("tracestate", "a=1 , b=2"),
                               ("TraceState", ""), ("tracestate", "\tc=3,a=4"))
        self.assertEqual(self.state_of(answer), "a=1,b=2,c=3")

    def test_a_tracestate_of_no_trace_or_that_is_not_sound_is_dropped(self):
        for headers, traceparent in (
                ([("tracestate", STATE)], None),
                ([("traceparent", "nonsense"), ("tracestate", STATE)], "another"),
                ([("traceparent", SOUND)] * 2 + [("tracestate", STATE)], "another"),
                ([("traceparent", SOUND), ("tracestate", "rojo")], SOUND),
                ([("traceparent", SOUND), ("tracestate", "a=1"), ("tracestate", "A=1")], SOUND)):
            with self.subTest(headers):
                answer = self.put_with(*headers)
                self.assertIsNone(self.state_of(answer))
                had = self.header_of(answer)
                self.assertEqual(had if had in (None, SOUND) else "another", traceparent)

    def test_of_a_tracestate_512_characters_are_handed_on(self):
        large = ",".join(f"k{number}={'x' * 60}" for number in range(10))
        self.assertEqual(self.state_of(self.put("pear", SOUND, tracestate=large)),
                         ",".join(large.split(",")[:8]))

    def test_a_bad_one_is_replaced(self):
        seen = set()
        for text in BAD:
            with self.subTest(text):
                trace = self.line_of(self.put("fig", text)).trace
                self.assertRegex(trace, "^[0-9a-f]{32}$")
                self.assertNotEqual(trace, TRACE)
                self.assertNotIn(trace, seen)
                seen.add(trace)

    def test_it_is_not_part_of_what_is_asked(self):
        """A request that is sent again may be in another trace."""
        first = self.put("kiwi", SOUND, **{"Idempotency-Key": "k"})
        again = self.put("kiwi", SOUND.replace("4b", "5b"), **{"Idempotency-Key": "k"})
        self.assertEqual(first.body, again.body)
        self.assertEqual(self.line_of(first).trace, TRACE)

    def test_it_outlives_a_kill(self):
        self.kafka.down()
        answer = self.put("lime", SOUND, tracestate=STATE)
        self.stock.kill()
        self.stock.start()
        self.kafka.up()
        self.assertEqual(self.line_of(answer).trace, TRACE)
        self.assertEqual(self.header_of(answer), SOUND)
        self.assertEqual(self.state_of(answer), STATE)

    def test_the_log_names_it(self):
        self.stock.stop()
        self.stock.start(LOG_LEVEL="debug")
        self.put("date", SOUND)
        story.await_fact("the log says so", lambda: re.search(
            rf"debug http PUT /stocks/\{{sku\}} status=201 trace={TRACE}\n", self.stock.log()))

    def test_verify_reads_lines_with_and_without(self):
        for sku, text in (("one", None), ("two", SOUND), ("three", None)):
            self.put(sku, text)
        self.shop.await_journaled()
        self.shop.consumer.kill()
        self.shop.consumer.start()
        self.put("four", SOUND)
        self.shop.await_journaled()
        status, said = self.shop.verify()
        self.assertEqual(status, 0, said)
        self.assertEqual(self.shop.judge(), [])

    def test_each_record_is_as_it_is_described(self):
        self.put("A123", SOUND, tracestate=STATE)
        self.put("A123")
        for cart, count in (("a", 1), ("b", 1), ("b", 99)):
            shop.add_item(self.cart, cart, "A123", count)
        self.cart.ask("DELETE", "/carts/a/items/A123")
        self.cart.ask("DELETE", "/carts/b")
        self.shop.await_journaled()
        seen = set()
        for partition in (0, 1):
            for headers, key, value in self.records(partition):
                self.judge(headers, key, json.loads(value))
                seen.add(headers["ce_type"])
        self.assertEqual(seen, set(DOCUMENT["components"]["messages"]))

    def judge(self, headers, key, event):
        message = DOCUMENT["components"]["messages"][event["type"]]
        common = DOCUMENT["components"]["schemas"]["headers"]
        jsonschema.validate(headers, common | {"additionalProperties": False})
        jsonschema.validate(headers, {name: message["headers"][name]
                                      for name in ("type", "properties")})
        jsonschema.validate(key, message["bindings"]["kafka"]["key"])
        self.assertIn(key, (event["payload"].get("cartId"), event["payload"].get("sku")))


if __name__ == "__main__":
    story.main()
