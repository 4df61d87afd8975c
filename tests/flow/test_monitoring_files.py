"""The files of monitoring/: as Prometheus' own tools want them, each alert with its test and its
paragraph in docs/OPERATIONS.md, and a dashboard that holds together. What the queries give is asked
of a live run by cluster/test_monitoring."""
import itertools
import json
import re

import metrics
import story

PLACE = story.SOURCE / "monitoring"
ALERTS = (PLACE / "alerts.yml").read_text()
NAMES = re.findall(r"^ +- alert: (\w+)$", ALERTS, re.MULTILINE)


class Files(story.Story):
    def assert_sound(self, *words):
        status, said = metrics.promtool(*words)
        self.assertEqual(status, 0, said)
        self.assertIn("SUCCESS", said)

    def test_prometheus_reads_its_configuration(self):
        self.assert_sound("check", "config", PLACE / "prometheus.yml")
        self.assert_sound("check", "rules", PLACE / "alerts.yml")

    def test_each_alert_speaks_when_it_has_to(self):
        self.assert_sound("test", "rules", PLACE / "alerts_test.yml")

    def test_each_alert_has_a_test_in_which_it_speaks(self):
        tests = (PLACE / "alerts_test.yml").read_text()
        spoken = re.findall(r"alertname: (\w+)[^\n]*\n +eval_time: \w+\n"
                            r" +exp_alerts:(?: &\w+)?\n +- exp_labels", tests)
        silent = re.findall(r"alertname: (\w+)[^\n]*\n +eval_time: \w+\n +exp_alerts: \[\]", tests)
        self.assertEqual(sorted(set(spoken)), sorted(NAMES))
        self.assertEqual(sorted(set(silent)), sorted(NAMES))

    def test_each_alert_is_told_in_the_operations_guide_and_no_other(self):
        parts = re.split(r"^ +- alert: ", ALERTS, flags=re.MULTILINE)[1:]
        for part in parts:
            name = part.split()[0]
            with self.subTest(name):
                self.assertRegex(part, r"\n +severity: (critical|warning)\n")
                self.assertRegex(part, r'\n +summary: ".+"\n')
                self.assertIn(f"\n          runbook: docs/OPERATIONS.md#{name.lower()}\n",
                              part + "\n")
        guide = (story.SOURCE / "docs" / "OPERATIONS.md").read_text()
        section = guide.split("## What each alert means\n")[1].split("\n## ")[0]
        self.assertEqual(sorted(re.findall(r"^### (\w+)$", section, re.MULTILINE)), sorted(NAMES))

    def test_the_dashboard_holds_together(self):
        dashboard = json.loads((PLACE / "grafana" / "dashboards" / "shop.json").read_text())
        source = re.search(r"^ +uid: (\S+)$", (PLACE / "grafana" / "provisioning" / "datasources" /
                                               "prometheus.yml").read_text(), re.MULTILINE)[1]
        panels = dashboard["panels"]
        self.assertEqual(panels[0]["title"], "The promise")
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        self.assertEqual(len({panel["title"] for panel in panels}), len(panels))
        for panel in panels:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            for each in [panel, *panel.get("targets", [])]:
                if panel["type"] != "row":
                    self.assertEqual(each["datasource"],
                                     {"type": "prometheus", "uid": source}, panel["title"])
            references = [target["refId"] for target in panel.get("targets", [])]
            self.assertEqual(len(set(references)), len(references), panel["title"])
        for one, other in itertools.combinations(panels, 2):
            a, b = one["gridPos"], other["gridPos"]
            self.assertFalse(a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"] and
                             a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"],
                             f"{one['title']} lies on {other['title']}")

    def test_compose_publishes_on_loopback_and_mounts_what_is_there(self):
        compose = (PLACE / "docker-compose.yml").read_text()
        ports = re.findall(r'- "(\S+:\d+)"', compose)
        self.assertEqual(len(ports), 2)
        for port in ports:
            self.assertRegex(port, r"^127\.0\.0\.1:\$\{[A-Z]+_PORT:-\d+\}:\d+$")
        mounted = re.findall(r"- \./(\S+):/\S+:ro$", compose, re.MULTILINE)
        self.assertEqual(len(mounted), 4)
        for path in mounted:
            self.assertTrue((PLACE / path).exists(), path)


if __name__ == "__main__":
    story.main()
