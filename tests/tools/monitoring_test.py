#!/usr/bin/env python3
"""Prometheus' rules and the dashboard: promtool takes them, and every metric that they name is one that there is."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

FOLDER = pathlib.Path("tools/monitoring")
LIST = pathlib.Path("router/stats/README.md")
# What Grafana fills in.
VARIABLES = {"$__rate_interval": "5m", "$instance": ".*", "$route": ".*"}
METRIC = re.compile(r"\b((?:tlsbridge|process)_[a-z_]+)\b")
# As Prometheus' own libraries name them; the list tells of them as process_*.
PROCESS = {"process_cpu_seconds_total", "process_open_fds", "process_max_fds", "process_resident_memory_bytes",
           "process_virtual_memory_bytes", "process_start_time_seconds"}


def promtool(*arguments):
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)


def known_metrics():
    metrics = set(PROCESS)
    for line in LIST.read_text().splitlines():
        cells = line.split("|")
        if len(cells) < 4:
            continue
        for name in METRIC.findall(cells[1]):
            metrics.add(name)
            if cells[2].strip() == "histogram":
                metrics.update(name + end for end in ("_bucket", "_sum", "_count"))
    return metrics


def dashboard():
    return json.loads((FOLDER / "dashboard.json").read_text())


def queries():
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            yield panel["title"], expression


class MonitoringTest(unittest.TestCase):
    def test_promtool_takes_the_rules(self):
        result = promtool("check", "rules", str(FOLDER / "alerts.yml"))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_the_rules_do_what_their_examples_say(self):
        result = promtool("test", "rules", str(FOLDER / "alerts_test.yml"))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_every_alert_says_what_it_is_about(self):
        text = (FOLDER / "alerts.yml").read_text()
        self.assertEqual(text.count("- alert:"), text.count("summary:"))
        self.assertEqual(text.count("- alert:"), text.count("severity:"))

    def test_every_metric_of_the_rules_is_one_that_there_is(self):
        used = set(METRIC.findall((FOLDER / "alerts.yml").read_text()))
        self.assertGreater(len(used), 10)
        self.assertEqual(used - known_metrics(), set())

    def test_every_metric_of_the_dashboard_is_one_that_there_is(self):
        used = set()
        for _, expression in queries():
            used.update(METRIC.findall(expression))
        for variable in dashboard()["templating"]["list"]:
            used.update(METRIC.findall(str(variable["query"])))
        self.assertGreater(len(used), 20)
        self.assertEqual(used - known_metrics(), set())

    def test_every_query_of_the_dashboard_can_be_parsed(self):
        rules = [{"record": f"query:{number}", "expr": expression} for number, (_, expression) in enumerate(queries())]
        with tempfile.NamedTemporaryFile("w", suffix=".yml", dir=os.environ.get("TEST_TMPDIR")) as file:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)  # JSON is YAML
            file.flush()
            result = promtool("check", "rules", file.name)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_panels_do_not_overlap(self):
        taken = set()
        for panel in dashboard()["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells


if __name__ == "__main__":
    unittest.main()
