"""A live shop on two brokers and a real Prometheus with the files of monitoring/: every query of every
panel of the dashboard, and every alert, is answered, and with samples."""
import http.client
import json
import re
import subprocess
import urllib.parse

import brokers
import metrics
import shop
import story

PLACE = story.SOURCE / "monitoring"
DASHBOARD = json.loads((PLACE / "grafana" / "dashboards" / "shop.json").read_text())
RATE_INTERVAL = "10s"  # what Grafana makes of $__rate_interval; at a scrape a second here


class Prometheus:
    def __init__(self, targets):
        """`targets` are the ports by the job's name."""
        self.name = "prometheus"
        self.directory = story.directory("hw9-prometheus-")
        self.port = shop.free_port()
        text = (PLACE / "prometheus.yml").read_text()
        for job, port in targets.items():
            text, count = re.subn(rf'"{job}:\d+"', f'"127.0.0.1:{port}"', text)
            assert count == 1, f"{job} is no target of prometheus.yml"
        text = re.sub(r"(scrape|evaluation)_interval: \w+", r"\1_interval: 1s", text)
        (self.directory / "prometheus.yml").write_text(text)
        (self.directory / "alerts.yml").write_text((PLACE / "alerts.yml").read_text())
        self.log = self.directory / "log"
        with open(self.log, "wb") as log:
            self.popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", metrics.tool("prometheus"),
                 f"--config.file={self.directory / 'prometheus.yml'}",
                 f"--storage.tsdb.path={self.directory / 'data'}",
                 f"--web.listen-address=127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        story.keep(self)
        story.await_fact("Prometheus is ready", self.ready)

    def ready(self):
        try:
            return shop.ask(self.port, "GET", "/-/ready").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, path, **parameters):
        answer = shop.ask(self.port, "GET", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
        assert answer.status == 200 and answer.json["status"] == "success", \
            f"{parameters}: {answer}"
        return answer.json["data"]

    def query(self, expression):
        """The samples of now: [(labels, number)]."""
        return [(each["metric"], float(each["value"][1]))
                for each in self.ask("query", query=expression)["result"]]

    def tail(self, lines):
        return "\n".join(self.log.read_text().splitlines()[-lines:])

    def end(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            self.popen.wait(20)


class Monitoring(story.Story):
    @classmethod
    def setUpClass(cls):
        metrics.tool("prometheus")
        cls.cluster = brokers.Cluster()
        cls.addClassCleanup(cls.cluster.end)
        cls.shop = shop.Shop(cls.cluster.brokers, RDKAFKA_STATISTICS_INTERVAL_MS=1000)
        cls.addClassCleanup(cls.shop.end)
        for service in cls.shop.services:
            service.settings["SIMULATE_PER_SECOND"] = 50
        cls.shop.start()
        for process in cls.shop.processes:
            process.await_ready()
        cls.prometheus = Prometheus({"cart": cls.shop.cart.port, "stock": cls.shop.stock.port,
                                     "metrics-consumer": cls.shop.consumer.port})
        cls.addClassCleanup(cls.prometheus.end)
        cls.live()

    @classmethod
    def live(cls):
        """Some seconds in which everything happens that a panel shows."""
        sent = []

        def happened():
            if not sent and cls.prometheus.query("sum(up) == 3"):
                sent.append(subprocess.run(
                    ["kcat", "-P", "-b", cls.cluster.brokers, "-t", "metrics", "-p", "0"],
                    input=b"broken\n", check=True, timeout=30, capture_output=True))
            shop.put_sku(cls.shop.stock, "A123", 12.5, 1000)
            shop.add_item(cls.shop.cart, "xyz123", "A123", 1)
            return cls.prometheus.query(
                "count(count_over_time(up[10s]) >= 8) == 3 and on () "
                f"sum(rate(metrics_consumer_dead_letters_total[{RATE_INTERVAL}])) > 0 and on () "
                "count(kafka_client_rtt_seconds{client='producer'}) >= 2")
        story.await_fact("ten seconds of all three, and a dead letter", happened, 60, 0.2)

    def test_every_panel_has_something_to_show(self):
        queries = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"]
                   for target in panel.get("targets", [])]
        self.assertGreater(len(queries), 30)
        for title, expression in queries:
            with self.subTest(title, query=expression):
                self.assertTrue(self.prometheus.query(
                    expression.replace("$__rate_interval", RATE_INTERVAL)))

    def test_the_numbers_of_the_first_row_are_those_of_the_shop(self):
        shown = {panel["title"]: self.prometheus.query(panel["targets"][0]["expr"])[0][1]
                 for panel in DASHBOARD["panels"] if panel["type"] == "stat"}
        self.assertEqual([shown["Missing"], shown["Holes"], shown["Dead letters"]], [0, 0, 1])
        for title in ("Outbox waiting", "Lag", "Oldest of them waits"):
            self.assertGreaterEqual(shown[title], 0)

    def test_every_annotation_is_answered(self):
        for each in DASHBOARD["annotations"]["list"]:
            self.prometheus.query(each["expr"])

    def test_every_alert_is_evaluated_on_samples(self):
        rules = [rule for group in self.prometheus.ask("rules")["groups"]
                 for rule in group["rules"]]
        self.assertEqual(len(rules), (PLACE / "alerts.yml").read_text().count("- alert:"))
        for rule in rules:
            with self.subTest(rule["name"]):
                self.assertEqual((rule["health"], rule.get("lastError", "")), ("ok", ""))
                self.prometheus.query(rule["query"])
                # What it compares is there, whether it is too much or not.
                compared = re.sub(r" (>|==) [\d.e+]+$", "", rule["query"])
                if rule["name"] == "LagUnknown":
                    compared = compared.split(" unless on (job, instance) ")[1]
                self.assertNotEqual(compared, rule["query"])
                if rule["name"] != "RequestsFail":  # there was no 5xx to be compared
                    self.assertTrue(self.prometheus.query(compared), compared)

    def test_a_shop_at_work_raises_no_alarm_but_the_one_that_was_asked_for(self):
        raised = {alert["labels"]["alertname"]
                  for alert in self.prometheus.ask("alerts")["alerts"]}
        self.assertLessEqual(raised, {"DeadLetters"})


if __name__ == "__main__":
    story.main()
