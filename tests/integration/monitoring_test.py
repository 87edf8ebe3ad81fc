#!/usr/bin/env python3
"""Alerts and dashboard speak of metrics that the program exports, and every alert has its runbook.

One process has no metrics of Kafka, and processes over Kafka have none of the embedded log: each run
checks what its own can show, and both together everything.
"""

import json
import os
import pathlib
import re
import tempfile
import unittest

from kafka_system import KafkaSystem, brokers
from millrace_process import Client, Server

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent / "compose"
WORDS = {"sum", "max", "min", "min_over_time", "by", "rate", "increase", "delta", "deriv", "predict_linear", "and", "or",
         "histogram_quantile", "le", "time", "up"}  # of PromQL, and `up`, which is Prometheus's own
OF_KAFKA = re.compile(r"kafka_\w+|log_rebalances_total|log_swept_\w+")
OF_EMBEDDED_LOG = re.compile(r"log_(disk_free|queue)_bytes|log_commit_seconds\w*|log_trimmed_\w+")
NOBODY = "127.0.0.1:1"  # a broker that refuses every connection


def plain(expression):
    return re.sub(r"\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)|\d[\w.]*", " ", expression)


def metrics_of(expression):
    return set(re.findall(r"[a-z_:][a-z0-9_:]*", plain(expression))) - WORDS


def over_kafka():
    return "TEST_KAFKA_BOOTSTRAP" in os.environ


def make_system(data_dir):
    if over_kafka():  # one broker of two is down, so that there are errors to count
        return KafkaSystem(data_dir, bootstrap=f"{brokers()},{NOBODY}", workers={"all": "all"})
    return Server(data_dir)


def samples():
    """Those of all processes after a document and a question: name and labels of each."""
    with tempfile.TemporaryDirectory() as folder, make_system(pathlib.Path(folder) / "data") as server:
        client = Client(server)
        client.add([{"id": "a", "text": "Glaciers are rivers of ice."}])
        client.wait_settled(["a"])
        client.json("POST", f"{client.base}/queries?wait=true", {"question": "What are glaciers?"}, 200)
        text = server.metrics()
        server.stop()
    found = {}
    for name, labels in re.findall(r"^([a-z_:][a-z0-9_:]*)(\{.*\})? ", text, re.M):
        found.setdefault(name, []).append(labels)
    return found


class MonitoringTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.samples = samples()
        cls.elsewhere = OF_EMBEDDED_LOG if over_kafka() else OF_KAFKA

    def check(self, expressions):
        self.assertTrue(expressions)
        checked = 0
        for expression in expressions:
            wanted = metrics_of(expression)
            self.assertTrue(wanted or "up{" in expression, expression)
            if any(self.elsewhere.fullmatch(each) for each in wanted):
                continue
            checked += 1
            self.assertEqual(wanted - set(self.samples), set(), expression)
            self.check_labels(expression)
        self.assertGreater(checked, len(expressions) / 2)

    def check_labels(self, expression):
        """A selector that matches nothing would be silent for ever."""
        for name, labels in re.findall(r"([a-z_:][a-z0-9_:]*)\{([^}]*)\}", expression):
            if name != "up":
                self.assertTrue(any(labels in each for each in self.samples[name]), expression)

    def test_dashboard(self):
        dashboard = json.loads((ROOT / "grafana/millrace.json").read_text())
        panels = dashboard["panels"]
        self.check([target["expr"] for panel in panels for target in panel.get("targets", [])])
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
        self.assertEqual(len(set(places)), len(places))

    def test_alerts(self):
        text = (ROOT / "prometheus/alerts.yml").read_text()
        self.check(re.findall(r"^ +expr: (.*)$", text, re.M))
        alerts = re.findall(r"- alert: (\w+)", text)
        self.assertEqual(len(re.findall(r"severity: (?:critical|warning)\b", text)), len(alerts))
        runbook = re.findall(r"^\*\*(\w+)\.\*\*", (ROOT / "README.md").read_text(), re.M)
        self.assertEqual(runbook, alerts)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
