#!/usr/bin/env python3
"""A real Prometheus watches millrace over Kafka and tells who plays Alertmanager: every process is scraped, LagGrowing fires when a
worker is stopped and ends when it is back, HighQueryLatency fires when the model is slow.

The rules are those of compose/, with seconds for their minutes.
"""

import contextlib
import http.server
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse
import urllib.request

import yaml
from parts import ROOT, tool

sys.path.insert(0, str(ROOT / "tests/integration"))
from kafka_system import KafkaSystem  # noqa: E402
from millrace_process import Client  # noqa: E402

WAIT_SECONDS_MAX = 120
LOOK_AGAIN_SECONDS = 0.2
DOCUMENTS = 300           # of one partition: LagGrowing is about more than 100 there
SLOW_SECONDS = 6          # HighQueryLatency is about more than 5
WORKERS = {"extractor": "extractor", "rest": "chunker,embedder,indexer,query-embedder,answerer"}


def free_port():
    for port in range(21000, 32000):
        with contextlib.suppress(OSError), socket.socket() as taken:
            taken.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port below the ephemeral ones")


def hurried(rules):
    """An hour is two seconds, ten minutes are at least half a minute: the gateway looks every ten seconds."""
    rules = re.sub(r"\bfor: \w+", "for: 1s", rules)
    return re.sub(r"\[(?:\d+[mhd])\]", "[30s]", rules)


class SlowModel(http.server.BaseHTTPRequestHandler):
    """Speaks OpenAI's chat protocol, and takes its time."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        threading.Event().wait(SLOW_SECONDS)
        said = {"choices": [{"delta": {"content": "Glaciers are rivers of ice. [1]"}, "finish_reason": "stop"}]}
        self.wfile.write(f"data: {json.dumps(said)}\n\ndata: [DONE]\n\n".encode())

    def log_message(self, *_):
        pass


class Alertmanager(http.server.BaseHTTPRequestHandler):
    """Notes what it is told: alert and severity of what has not ended."""

    def do_POST(self):
        for alert in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            self.server.alerts.add((alert["labels"]["alertname"], alert["labels"]["severity"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class PrometheusTest(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        model = self.serve(SlowModel)
        self.system = KafkaSystem(self.place / "data", workers=WORKERS, partitions=1,
                                  env={"OPENAI_BASE_URL": f"http://127.0.0.1:{model.server_port}/v1"})
        self.enterContext(self.system)
        self.alertmanager = self.serve(Alertmanager)
        self.alertmanager.alerts = set()
        self.prometheus = self.start_prometheus()
        self.client = Client(self.system)

    def serve(self, handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def run_beside(self, *command):
        log = self.enterContext(open(self.place / f"{pathlib.Path(command[0]).name}.log", "wb"))
        process = subprocess.Popen(command, stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def start_prometheus(self):
        port = free_port()
        (self.place / "alerts.yml").write_text(hurried((ROOT / "compose/prometheus/alerts.yml").read_text()))
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["alerts.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [
                {"targets": [f"127.0.0.1:{self.alertmanager.server_port}"]}]}]},
            "scrape_configs": [{"job_name": "millrace", "static_configs": [
                {"targets": [f"127.0.0.1:{each.port}"], "labels": {"name": each.name}} for each in self.system.processes]}],
        }
        (self.place / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.run_beside(tool("prometheus"), f"--config.file={self.place / 'prometheus.yml'}",
                        f"--storage.tsdb.path={self.place / 'prometheus'}", f"--web.listen-address=127.0.0.1:{port}")
        self.wait("Prometheus answers", lambda: self.get(f"http://127.0.0.1:{port}/-/ready", raw=True))
        return f"http://127.0.0.1:{port}"

    def get(self, url, raw=False):
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read() if raw else json.load(answer)
        return None

    def wait(self, what, condition):
        """Until it holds; the time only ends what would never end."""
        until = time.monotonic() + WAIT_SECONDS_MAX
        while not (held := condition()):
            self.assertLess(time.monotonic(), until, f"not within {WAIT_SECONDS_MAX} s: {what}; {self.firing()}")
            threading.Event().wait(LOOK_AGAIN_SECONDS)
        return held

    def query(self, expression):
        answer = self.get(f"{self.prometheus}/api/v1/query?query={urllib.parse.quote(expression)}")
        return answer["data"]["result"] if answer else []

    def firing(self):
        """(alert, stage or process) of those that fire."""
        if not hasattr(self, "prometheus"):
            return set()
        alerts = self.get(f"{self.prometheus}/api/v1/alerts")["data"]["alerts"]
        return {(each["labels"]["alertname"], each["labels"].get("stage") or each["labels"].get("name"))
                for each in alerts if each["state"] == "firing"}

    def test_alerts_fire_and_end(self):
        names = {each.name for each in self.system.processes}
        self.wait("all are scraped", lambda: {each["metric"]["name"] for each in self.query("up == 1")} == names)
        self.wait("the lag is measured", lambda: self.query('log_group_lag_records{stage="extractor"} == 0'))

        extractor = next(each for each in self.system.workers if each.name == "extractor")
        extractor.send(signal.SIGTERM)
        self.assertEqual(extractor.process.wait(), 0)
        self.client.add([{"id": f"d{i}", "text": f"Glacier {i} is a river of ice."} for i in range(DOCUMENTS)])
        wanted = {("LagGrowing", "extractor"), ("ServiceDown", "extractor")}
        self.wait("a stopped worker is noticed", lambda: wanted <= self.firing())
        self.wait("somebody is told", lambda: {("LagGrowing", "warning"), ("ServiceDown", "critical")} <= self.alertmanager.alerts)
        extractor.start().wait_ready()
        self.wait("a worker that is back is noticed", lambda: not wanted & self.firing())

        self.client.wait_settled([f"d{i}" for i in range(DOCUMENTS)])
        self.assertNotIn(("HighQueryLatency", None), self.firing())
        asked = [threading.Thread(target=self.ask) for _ in range(3)]
        for each in asked:
            each.start()
        self.wait("a slow model is noticed", lambda: ("HighQueryLatency", None) in self.firing())
        for each in asked:
            each.join()

    def ask(self):
        client = Client(self.system)
        client.json("POST", f"{client.base}/queries?wait=true", {"question": "What are glaciers?"}, 200)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
