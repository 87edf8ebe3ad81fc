#!/usr/bin/env python3
"""Alerts and dashboard speak of metrics that the program exports, and every alert has its runbook."""

import json
import pathlib
import re
import tempfile
import unittest

from millrace_process import Client, Server

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent / "compose"
WORDS = {"sum", "max", "min", "by", "rate", "increase", "deriv", "predict_linear", "and", "or",
         "histogram_quantile", "le", "up"}  # of PromQL, and `up`, which is Prometheus's own


def metrics_of(expression):
    plain = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)|\d[\w.]*", " ", expression)
    return set(re.findall(r"[a-z_:][a-z0-9_:]*", plain)) - WORDS


def exported():
    """The names of all samples after a document and a question."""
    with tempfile.TemporaryDirectory() as folder, Server(pathlib.Path(folder) / "data") as server:
        client = Client(server)
        client.add([{"id": "a", "text": "Glaciers are rivers of ice."}])
        client.wait_settled(["a"])
        client.json("POST", f"{client.base}/queries?wait=true", {"question": "What are glaciers?"}, 200)
        _, _, text = client.request("GET", "/metrics")
        server.stop()
    return set(re.findall(r"^([a-z_:][a-z0-9_:]*)", text.decode(), re.M))


class MonitoringTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.names = exported()

    def check(self, expressions):
        self.assertTrue(expressions)
        for expression in expressions:
            wanted = metrics_of(expression)
            self.assertTrue(wanted or "up{" in expression, expression)
            self.assertEqual(wanted - self.names, set(), expression)

    def test_dashboard(self):
        dashboard = json.loads((ROOT / "grafana/millrace.json").read_text())
        self.check([target["expr"] for panel in dashboard["panels"]
                    for target in panel.get("targets", [])])

    def test_alerts(self):
        text = (ROOT / "prometheus/alerts.yml").read_text()
        self.check(re.findall(r"^ +expr: (.*)$", text, re.M))
        runbook = (ROOT / "README.md").read_text()
        for alert in re.findall(r"- alert: (\w+)", text):
            self.assertIn(f"**{alert}.**", runbook)


if __name__ == "__main__":
    unittest.main(verbosity=2)
