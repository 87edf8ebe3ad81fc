#!/usr/bin/env python3
"""Alerts and dashboards speak of metrics that the program exports, and `millrace health` says whether it is ready.

One process has no metrics of Kafka, and processes over Kafka have none of the embedded log: each run
checks what its own can show, and both together everything.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from kafka_system import KafkaSystem, brokers
from millrace_process import MILLRACE, Client, Server

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent / "compose"
WORDS = {"sum", "max", "min", "avg", "min_over_time", "avg_over_time", "by", "offset", "rate", "increase", "delta", "deriv", "predict_linear", "and", "or",
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


def health(port, *flags):
    return subprocess.run([MILLRACE, "health", "--server", f"http://127.0.0.1:{port}", *flags],
                          capture_output=True, text=True, timeout=60, check=False)


def check_health(port):
    """What a container's health check runs, of any process."""
    for flags in ([], ["--live"]):
        said = health(port, *flags)
        assert said.returncode == 0, (flags, said.stdout, said.stderr)
    assert '"ready":true' in health(port).stdout, "it says what it waits for"


def samples():
    """Those of all processes after a document and a question: name and labels of each."""
    with tempfile.TemporaryDirectory() as folder, make_system(pathlib.Path(folder) / "data") as server:
        client = Client(server)
        client.add([{"id": "a", "text": "Glaciers are rivers of ice."}])
        client.wait_settled(["a"])
        client.json("POST", f"{client.base}/queries?wait=true", {"question": "What are glaciers?"}, 200)
        text = server.metrics()
        while "log_group_lag_records" not in text:  # the gateway asks the log for it at its start
            text = server.metrics()
        for port in server.ports:
            check_health(port)
        server.stop()
        for port in server.ports:
            assert health(port).returncode == 1, "nobody answers"
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

    def test_dashboards(self):
        dashboards = sorted((ROOT / "grafana/dashboards").glob("*.json"))
        self.assertTrue(dashboards)
        self.check([target["expr"] for file in dashboards for panel in json.loads(file.read_text())["panels"]
                    for target in panel.get("targets", [])])

    def test_alerts(self):
        self.check(re.findall(r"^ +expr: (.*)$", (ROOT / "prometheus/alerts.yml").read_text(), re.M))


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
