"""Spans of a request, of the way of its event to Kafka, and of its line in the journal: where the
standard variables OTEL_... ask for them they reach a collector, and whatever a collector does stands
in nobody's way."""
import concurrent.futures
import contextlib
import http.client
import json
import subprocess
import time

import brokers
import collector
import journal
import shop
import story

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STATE = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
SERVER, PRODUCER, CONSUMER = 2, 4, 5
MANY = 1400  # requests of two spans each
HANDS = 7    # at once
MADE = story.SOURCE / "build" / "documents"
AGAINST_SCHEMA = """
import sys
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
for line in sys.stdin:
    json_format.Parse(line, trace_service_pb2.ExportTraceServiceRequest())
"""
COLLECTOR_SETTINGS = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:%d"}}}}
exporters: {otlphttp: {endpoint: "%s", encoding: json, compression: none}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [otlphttp]}}
"""


class Spans(story.Story):
    def open_shop(self, sink=None, **settings):
        self.kafka = brokers.MockCluster()
        self.addCleanup(self.kafka.end)
        self.collector = sink or collector.Collector()
        self.addCleanup(self.collector.end)
        self.shop = shop.Shop(self.kafka.brokers, **{
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.url, "OTEL_BSP_SCHEDULE_DELAY": 50,
            **settings})
        self.addCleanup(self.shop.end)
        self.shop.start()
        self.cart, self.stock = self.shop.cart, self.shop.stock
        for process in self.shop.processes:
            process.await_ready()

    def put(self, sku, traceparent=None, **more):
        answer = self.stock.ask("PUT", f"/stocks/{sku}", {"price": 1, "count": 5},
                                ({"traceparent": traceparent} if traceparent else {}) | more)
        self.assertIn(answer.status, (200, 201), answer)
        return answer

    def put_many(self):
        """More spans than fit the queue."""
        with concurrent.futures.ThreadPoolExecutor(HANDS) as pool:
            for done in [pool.submit(self.put_some, MANY // HANDS) for _ in range(HANDS)]:
                done.result()

    def put_some(self, count):
        connection = http.client.HTTPConnection("127.0.0.1", self.stock.port, timeout=15)
        with contextlib.closing(connection):
            for number in range(count):
                connection.request("PUT", f"/stocks/sku-{number % 50}",
                                   '{"price":1,"count":5}', {"traceparent": SAMPLED})
                response = connection.getresponse()
                response.read()
                self.assertIn(response.status, (200, 201))

    def line_of(self, answer):
        source, number = answer.json["source"], answer.json["id"]
        self.shop.await_line(source, number)
        line, = [line for line in journal.read(self.shop.journal_path)
                 if (line.source, line.id) == (source, number)]
        return line

    def await_spans(self, trace, count):
        story.await_fact(lambda: f"{count} spans of {trace}: {self.collector.spans()}",
                         lambda: len(self.collector.spans(trace)) >= count)
        found = self.collector.spans(trace)
        self.assertEqual(len(found), count, found)
        return {span["kind"]: span for span in found}

    def stop(self):
        """All of them; how long it took."""
        began = time.monotonic()
        self.assertEqual(self.shop.stop(), [0, 0, 0])
        return time.monotonic() - began

    def judge_spans(self, spans, answer, parent):
        server, producer, consumer = spans[SERVER], spans[PRODUCER], spans[CONSUMER]
        self.assertEqual(server.get("parentSpanId"), parent)
        self.assertEqual(producer["parentSpanId"], server["spanId"])
        self.assertEqual(consumer["parentSpanId"], producer["spanId"])
        event = {"cloudevents.event_source": answer.json["source"],
                 "cloudevents.event_id": str(answer.json["id"]), "messaging.system": "kafka",
                 "messaging.destination.name": "metrics"}
        for span in (producer, consumer):
            self.assertLessEqual(event.items(), collector.fields(span).items())
        self.assertLess(int(server["startTimeUnixNano"]), int(producer["startTimeUnixNano"]))
        self.assertLess(int(server["startTimeUnixNano"]), int(consumer["endTimeUnixNano"]))
        for span in spans.values():
            self.assertLessEqual(int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]))
            self.assertNotIn("code", span.get("status", {}))  # a collector adds an empty one

    def test_a_request_can_be_followed_to_its_line(self):
        self.open_shop(OTEL_EXPORTER_OTLP_HEADERS="api-key=secret")
        answer = self.put("apple", SAMPLED, tracestate=STATE)
        line = self.line_of(answer)
        spans = self.await_spans(TRACE, 3)
        self.judge_spans(spans, answer, SPAN)
        self.assertEqual({span.get("traceState") for span in spans.values()}, {STATE})
        self.assertEqual([spans[kind]["name"] for kind in (SERVER, PRODUCER, CONSUMER)],
                         ["PUT /stocks/{sku}", "send metrics", "process metrics"])
        self.assertEqual([spans[kind]["service"] for kind in (SERVER, PRODUCER, CONSUMER)],
                         ["stock-service", "stock-service", "metrics-consumer"])
        self.assertEqual(collector.fields(spans[SERVER]), {
            "http.request.method": "PUT", "url.path": "/stocks/apple", "url.scheme": "http",
            "http.route": "/stocks/{sku}", "http.response.status_code": 201})
        self.assertEqual(collector.fields(spans[CONSUMER])["messaging.kafka.offset"], line.offset)
        headers, path, _ = self.collector.requests[0]
        self.assertEqual((headers["api-key"], headers["Content-Type"], path),
                         ("secret", "application/json", "/v1/traces"))
        for process in self.shop.processes:
            self.assertNotIn("secret", process.log())

    def test_a_trace_begins_with_a_change(self):
        self.open_shop(OTEL_SERVICE_NAME="shop")
        shop.put_sku(self.stock, "pear", 1, 5)
        answer = shop.add_item(self.cart, "c", "pear", 1)
        trace = self.line_of(answer).trace
        spans = self.await_spans(trace, 3)
        self.judge_spans(spans, answer, None)
        self.assertFalse([span for span in spans.values() if "traceState" in span])
        self.assertEqual({span["service"] for span in spans.values()}, {"shop"})
        self.assertNotIn("GET", {span["name"].split()[0] for span in self.collector.spans()})
        self.cart.ask("GET", "/carts/c", None, {"traceparent": SAMPLED})
        self.assertEqual(self.await_spans(TRACE, 1)[SERVER]["name"], "GET /carts/{cartId}")

    def test_who_asks_decides_whether_spans_are_kept(self):
        self.open_shop()
        answer = self.put("plum", UNSAMPLED)
        self.assertEqual(self.line_of(answer).trace, TRACE)
        self.stop()
        self.assertEqual(self.collector.spans(TRACE), [])

    def test_samplers(self):
        for settings, began, brought in (
                ({"OTEL_TRACES_SAMPLER": "always_off"}, 0, 0),
                ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, 0, 3),
                ({"OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
                  "OTEL_TRACES_SAMPLER_ARG": "0"}, 0, 3),
                ({"OTEL_SDK_DISABLED": "true"}, 0, 0)):
            with self.subTest(settings=settings):
                self.open_shop(**settings)
                self.put("fig")
                self.put("fig", SAMPLED)
                self.shop.await_journaled()
                self.stop()
                self.assertEqual((len(self.collector.spans()) - brought,
                                  len(self.collector.spans(TRACE))), (began, brought))

    def test_a_request_that_fails_is_marked(self):
        self.open_shop(OUTBOX_MAX_ROWS=1)
        self.kafka.down()
        for _ in range(3):
            answer = self.stock.ask("PUT", "/stocks/kiwi", {"price": 1, "count": 5},
                                    {"traceparent": SAMPLED})
        self.assertEqual(answer.status, 503)
        story.await_fact("it is marked", lambda: [
            span for span in self.collector.spans(TRACE) if span.get("status") == {"code": 2}
            and collector.fields(span)["http.response.status_code"] == 503])
        self.kafka.up()

    def test_without_the_variables_nothing_is_sent(self):
        self.open_shop(OTEL_EXPORTER_OTLP_ENDPOINT="")
        self.assertEqual(self.line_of(self.put("lime", SAMPLED)).trace, TRACE)
        self.stop()
        self.assertEqual(self.collector.requests, [])
        self.assertNotIn(" trace ", self.stock.log())

    def test_variables_that_are_wrong_stop_nothing(self):
        self.open_shop(OTEL_TRACES_SAMPLER="nobody", OTEL_BSP_SCHEDULE_DELAY="soon",
                       OTEL_EXPORTER_OTLP_HEADERS="nonsense")
        self.assertIn("OTEL_TRACES_SAMPLER=nobody is not heard", self.stock.log())
        self.put("date", SAMPLED)
        self.shop.await_journaled()
        self.stop()
        self.assertEqual(len(self.collector.spans(TRACE)), 3)

    def test_a_collector_that_is_busy_is_asked_again(self):
        self.open_shop(collector.Collector(answers=[503, 429]))
        self.put("apple", SAMPLED)
        self.await_spans(TRACE, 3)

    def test_a_collector_that_refuses_is_told_of(self):
        self.open_shop(collector.Collector(answers=[400] * 100))
        self.put("apple", SAMPLED)
        self.shop.await_journaled()
        self.stop()
        self.assertRegex(self.stock.log(), r"answers 400")
        self.assertRegex(self.stock.log(), r"ended spans sent=0 dropped=2\n")

    def test_a_collector_in_trouble_stands_in_nobodys_way(self):
        for name, sink in (("is silent", collector.Collector(hold=True)),
                           ("is not there", None)):
            with self.subTest(f"the collector {name}"):
                settings = {} if sink else {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{shop.free_port()}"}
                self.open_shop(sink, **settings)
                began = time.monotonic()
                self.put_many()
                self.assertLess(time.monotonic() - began, 60)
                self.assertEqual(self.shop.judge(), [])
                self.assertLess(self.stop(), 8)
                self.assertRegex(self.stock.log(), r"ended spans sent=0 dropped=%d\n" % (2 * MANY))

    def test_the_protocols_schema_takes_what_is_sent(self):
        if not (MADE / "complete").exists():
            self.skipTest("the protocol's schema is not installed: run/setup --documents")
        self.open_shop(OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test")
        self.put("apple", SAMPLED)
        shop.add_item(self.cart, "c", "nothing", 1)
        self.shop.await_journaled()
        self.stop()
        self.assertGreaterEqual(len(self.collector.spans()), 6)
        for span in self.collector.spans():  # in hexadecimal, which the schema cannot say
            self.assertRegex(f"{span['traceId']} {span['spanId']}", "^[0-9a-f]{32} [0-9a-f]{16}$")
        lines = "".join(json.dumps(each) + "\n" for _, _, each in self.collector.requests)
        run = subprocess.run([MADE / "venv" / "bin" / "python3", "-c", AGAINST_SCHEMA],
                             input=lines, capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run.stderr)

    def test_a_real_collector_hands_them_on(self):
        program = MADE / "collector" / "collector"
        if not program.exists():
            self.skipTest("the collector is not installed: run/setup --documents")
        sink = collector.Collector()
        port = shop.free_port()
        directory = story.directory("hw9-collector-")
        (directory / "settings.yaml").write_text(COLLECTOR_SETTINGS % (port, sink.url))
        with open(directory / "log", "wb") as log:
            process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", program, "--config",
                                        directory / "settings.yaml"], stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.open_shop(sink, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
        answer = self.put("apple", SAMPLED, tracestate=STATE)
        spans = self.await_spans(TRACE, 3)
        self.judge_spans(spans, answer, SPAN)
        self.assertEqual({span.get("traceState") for span in spans.values()}, {STATE})


if __name__ == "__main__":
    story.main()
