#!/usr/bin/env python3
"""A seeded run of millrace over Kafka in which everything breaks, and what must hold afterwards.

    SEED=… MINUTES=… chaos.py        (make chaos)

Three brokers, two or three processes of every stage, two gateways. While documents are added,
replaced and deleted and questions asked, faults come one after the other, drawn from the seed, which
is printed: processes are killed or stand still, brokers die, the model server fails or is slow,
documents are poison, members of every group come and go. After each fault, once what it took is
there again, it is measured how long it takes until a new document is searchable and a question is
answered from all partitions. In the
end: every accepted document is there exactly once at its last revision, deleted ones are gone, each
question was answered once or failed with a reason, the dead letters are the poison, the lag is zero.
"""

import collections
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "integration"), str(ROOT / "support/kafka")]
from cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position
from kafka_system import BUILD, KafkaSystem  # noqa: E402  pylint: disable=wrong-import-position
from ledger import Ledger, text_of  # noqa: E402  pylint: disable=wrong-import-position
from millrace_process import Client, metrics_of  # noqa: E402  pylint: disable=wrong-import-position

SEED = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
MINUTES = float(os.environ.get("MINUTES", "2"))
BROKEN = (OSError, http.client.HTTPException)
RECOVERY_SECONDS_MAX = 120
PAUSE_SECONDS_MAX = 6
POISON = b"%PDF-1.7 this was never a PDF"
WORKERS = {
    **{f"text-{i}": "extractor,chunker" for i in range(2)},
    **{f"embed-{i}": "embedder" for i in range(2)},
    **{f"index-{i}": "indexer" for i in range(3)},
    **{f"ask-{i}": "query-embedder" for i in range(2)},
    **{f"answer-{i}": "answerer" for i in range(2)},
}


class Gate:
    """One gateway's address, as a `Server` is for a Client."""

    def __init__(self, process):
        self.process = process

    def connection(self, timeout=20):
        return http.client.HTTPConnection("127.0.0.1", self.process.port, timeout=timeout)


class ModelServer:
    """An OpenAI-compatible server whose `mood` is well, failing or slow."""

    def __init__(self):
        self.mood = "well"
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802  the base class's name
                self.rfile.read(int(self.headers["Content-Length"]))
                if outer.mood == "failing":
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                for word in ("The", " register", " says", " so", " [1].", None):
                    if outer.mood == "slow":
                        time.sleep(0.5)
                    choice = {"index": 0, "delta": {"content": word} if word else {},
                              "finish_reason": None if word else "stop"}
                    chunk = {"object": "chat.completion.chunk", "model": "m", "choices": [choice]}
                    self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                    self.wfile.flush()
                self.wfile.write(b"data: [DONE]\n\n")
                self.close_connection = True

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # an answerer that died in the middle
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"


class Load(threading.Thread):
    """Something that goes on until it is told to stop, whatever breaks. `error`: why it ended else."""

    def __init__(self, system, seed):
        super().__init__(daemon=True)
        self.gates = [Gate(each) for each in system.gateways]
        self.rng = random.Random(seed)
        self.stopping = threading.Event()
        self.error = None

    def run(self):
        try:
            while not self.stopping.is_set():
                self.turn()
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def client(self):
        return Client(self.rng.choice(self.gates))

    def finish(self):
        self.stopping.set()
        self.join()
        if self.error:
            raise self.error


class Writer(Load):
    """Adds documents, replaces some, deletes some, and now and then sends poison."""

    def __init__(self, system, seed):
        super().__init__(system, seed)
        self.ledger = Ledger()
        self.next = 0
        self.versions = {}
        self.sent_poison = {}
        self.poison = {}  # document id -> how often it was sent until it was accepted

    def turn(self):
        draw = self.rng.random()
        if draw < 0.04:
            self.insist(self.send_poison, f"poison-{len(self.poison)}")
        elif draw < 0.25 and self.next > 10:
            number = self.rng.randrange(self.next)
            self.insist(self.put, number, self.versions[number] + 1)
        elif draw < 0.32 and self.next > 10:
            self.insist(self.delete, self.rng.randrange(self.next))
        else:
            self.insist(self.put, self.next, 1)
            self.next += 1
        self.stopping.wait(0.1)

    def insist(self, action, *arguments):
        """The same again until it is accepted: what an answer was lost of may have happened."""
        deadline = time.monotonic() + RECOVERY_SECONDS_MAX
        while True:
            try:
                if action(*arguments):
                    return
            except BROKEN:
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"{action.__name__}{arguments} was not accepted in time")
            time.sleep(0.2)

    def put(self, number, version):
        self.versions[number] = version
        self.ledger.sending(number, version)
        client = self.client()
        status, _, content = client.request(
            "POST", f"{client.base}/documents",
            json.dumps({"documents": [{"id": f"doc-{number}", "text": text_of(number, version)}]}),
            {"Content-Type": "application/json"})
        return self.settle(status, content, number, version)

    def delete(self, number):
        self.ledger.sending(number, None)
        client = self.client()
        status, _, content = client.request("DELETE", f"{client.base}/documents/doc-{number}")
        return status == 404 or self.settle(status, content, number, None)

    def settle(self, status, content, number, version):
        if status == 202:
            self.ledger.answered(number, version)
            return True
        assert status in (500, 503), (status, content)
        return False

    def send_poison(self, document_id):
        self.sent_poison[document_id] = self.sent_poison.get(document_id, 0) + 1
        client = self.client()
        status, _, _ = client.request("PUT", f"{client.base}/documents/{document_id}", POISON,
                                      {"Content-Type": "application/pdf"})
        if status == 202:
            self.poison[document_id] = self.sent_poison[document_id]
        return status == 202


class Asker(Load):
    """Asks, and follows each answer over whichever gateway there is, to its end."""

    def __init__(self, system, seed):
        super().__init__(system, seed)
        self.outcomes = {}  # query id -> completed, or the reason for which it failed
        self.cuts = 0

    def turn(self):
        query_id = self.ask()
        if query_id:
            self.outcomes[query_id] = None
            self.outcomes[query_id] = self.follow(query_id)
        self.stopping.wait(0.3)

    def ask(self):
        try:
            client = self.client()
            status, _, content = client.request(
                "POST", f"{client.base}/queries",
                json.dumps({"question": text_of(self.rng.randrange(50), 1)}),
                {"Content-Type": "application/json"})
            return json.loads(content)["id"] if status == 202 else None
        except BROKEN:
            time.sleep(0.2)
            return None

    def follow(self, query_id):
        deadline, last = time.monotonic() + RECOVERY_SECONDS_MAX, None
        while time.monotonic() < deadline:
            try:
                client = self.client()
                for event, identifier, data in client.events(f"/v1/queries/{query_id}/events",
                                                             last_event_id=last):
                    last = identifier or last
                    if event in ("completed", "failed"):
                        return event if event == "completed" else data["reason"]
            except (*BROKEN, AssertionError):
                time.sleep(0.2)
            self.cuts += 1
        raise AssertionError(f"query {query_id} never ended")


class Chaos:
    def __init__(self, folder, cluster, model):
        self.cluster, self.model = cluster, model
        self.rng = random.Random(SEED)
        self.system = KafkaSystem(
            folder / "system", env={"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "none"},
            bootstrap=cluster.bootstrap, workers=WORKERS, gateways=2)
        self.faults = [self.kill_workers, self.kill_gateway, self.stand_still, self.kill_broker,
                       self.kill_leader, self.model_fails, self.model_is_slow, self.rebalance_storm]
        self.recoveries = []

    # Each fault heals itself, and returns what it did.

    def kill_workers(self):
        hit = self.rng.sample(self.system.workers, self.rng.randint(1, 4))
        for each in hit:
            each.kill()
        self.wait()
        self.system.start()
        return "SIGKILL " + " ".join(each.name for each in hit)

    def kill_gateway(self):
        hit = self.rng.choice(self.system.gateways)
        hit.kill()
        self.wait()
        self.system.start()
        return f"SIGKILL {hit.name}"

    def stand_still(self):
        hit = self.rng.choice(self.system.workers)
        hit.send(signal.SIGSTOP)
        time.sleep(self.rng.uniform(2, 12))  # some longer than the session lasts
        hit.send(signal.SIGCONT)
        return f"SIGSTOP {hit.name}"

    def kill_broker(self):
        return self.end_broker(self.rng.choice(self.cluster.brokers))

    def kill_leader(self):
        return self.end_broker(self.cluster.leader_of(f"{self.system.prefix}documents", 0))

    def end_broker(self, broker):
        self.cluster.kill(broker)
        self.wait()
        self.cluster.restart(broker)
        return f"SIGKILL broker {broker.node}"

    def model_fails(self):
        self.model.mood = "failing"
        self.wait()
        self.model.mood = "well"
        return "model server fails"

    def model_is_slow(self):
        self.model.mood = "slow"
        self.wait()
        self.model.mood = "well"
        return "model server is slow"

    def rebalance_storm(self):
        for _ in range(4):
            hit = self.rng.choice(self.system.workers)
            hit.send(signal.SIGTERM)
            hit.process.wait()
            self.system.start()
        return "four members leave and come back"

    def wait(self):
        time.sleep(self.rng.uniform(0.5, PAUSE_SECONDS_MAX))

    def revive(self):
        """What a supervisor does: a process that ended by itself is started again."""
        ended = [each.name for each in self.system.processes if not each.is_up()]
        if ended:
            self.system.start()
        return ended

    def measure(self, number):
        """Seconds until a new document is searchable and all partitions answer."""
        began = time.monotonic()
        text = f"Probe {number}: the lantern of gate {number} burns."
        put = False
        while time.monotonic() - began < RECOVERY_SECONDS_MAX:
            self.revive()
            try:
                client = Client(Gate(self.system.gateways[0]))
                if not put:
                    put = client.request("PUT", f"{client.base}/documents/probe-{number}",
                                         text.encode(), {"Content-Type": "text/plain"})[0] == 202
                found = client.search(text, top_k=3)
                if put and not found["partial"] and any(
                        p["document_id"] == f"probe-{number}" for p in found["passages"]):
                    return time.monotonic() - began
            except (*BROKEN, AssertionError):
                pass
            time.sleep(0.1)
        raise AssertionError("the system did not recover in time")

    def run(self):
        self.system.start()
        writer, askers = Writer(self.system, SEED + 1), [Asker(self.system, SEED + 2 + i)
                                                         for i in range(2)]
        loads = [writer, *askers]
        for each in loads:
            each.start()
        self.measure(0)
        deadline = time.monotonic() + 60 * MINUTES
        plan = []
        while time.monotonic() < deadline and not any(each.error for each in loads):
            if not plan:  # every kind before any comes again
                plan = self.rng.sample(self.faults, len(self.faults))
            began = time.monotonic()
            done = plan.pop()()
            lasted = time.monotonic() - began
            seconds = self.measure(len(self.recoveries) + 1)
            self.recoveries.append((done, seconds))
            print(f"{seconds:6.1f} s after {done}, which lasted {lasted:.1f} s", flush=True)
        for each in loads:
            each.finish()
        return writer, askers

    def dead_letters(self):
        """The keys of the documents whose records were given up."""
        letters = subprocess.run(
            ["kcat", "-b", self.cluster.bootstrap, "-C", "-q", "-e", "-o", "beginning",
             "-t", f"{self.system.prefix}dead-letters", "-f", "%s\\n"],
            check=True, capture_output=True, text=True, errors="replace").stdout
        return [re.search(r'"source_key":"default/([^"\\]*)', line).group(1)
                for line in letters.splitlines() if '"source_key"' in line]

    def unsettled(self):
        """Who has records left to process or waits for something: its stages, with how many."""
        left = {each.name: re.findall(r'^stage_(lag_records|paused)\{.*stage="([^"]*)".*\} ([1-9].*)$',
                                      metrics_of(each.port), re.M)
                for each in self.system.workers}
        return {name: stages for name, stages in left.items() if stages}


class ChaosTest(unittest.TestCase):
    def test_nothing_accepted_is_lost_whatever_breaks(self):
        print(f"SEED={SEED} MINUTES={MINUTES}", flush=True)
        model = ModelServer()
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            with Cluster(folder / "kafka", brokers=3) as cluster:
                chaos = Chaos(folder, cluster, model)
                try:
                    writer, askers = chaos.run()
                    self.check(chaos, writer, askers)
                except BaseException:
                    self.keep_logs(folder)
                    raise
                finally:
                    chaos.system.kill_all()

    @staticmethod
    def keep_logs(folder):
        """What each process has said and what the brokers hold, beside the executables."""
        kept = BUILD / "chaos" / f"seed-{SEED}"
        shutil.rmtree(kept, ignore_errors=True)
        with contextlib.suppress(shutil.Error):  # of files that have gone meanwhile
            shutil.copytree(folder, kept, ignore=shutil.ignore_patterns("*index", "model-cache"))
        print(f"kept in {kept}", flush=True)

    def check(self, chaos, writer, askers):
        client = Client(Gate(chaos.system.gateways[1]))
        chunks = writer.ledger.check(self, client)
        client.wait_settled(writer.poison)
        letters = collections.Counter(chaos.dead_letters())
        self.assertEqual(letters.keys(), writer.poison.keys(), "dead letters are the poison")
        for document_id, sent in writer.poison.items():  # an answer may be lost, its record not
            self.assertLessEqual(letters[document_id], sent, document_id)
        outcomes = {}
        for asker in askers:
            outcomes |= asker.outcomes
        for query_id in outcomes:
            events = [event for event, _, _ in client.events(f"/v1/queries/{query_id}/events")]
            ends = sum(event in ("completed", "failed") for event in events)
            self.assertEqual(ends, 1, f"{query_id}: {events}")
        deadline = time.monotonic() + RECOVERY_SECONDS_MAX
        while left := chaos.unsettled():
            self.assertLess(time.monotonic(), deadline, f"not settled: {left}")
            time.sleep(0.2)
        reasons = {each: list(outcomes.values()).count(each) for each in sorted(set(outcomes.values()))}
        seconds = sorted(each for _, each in chaos.recoveries)
        print(f"{len(writer.ledger.uncertain)} documents accepted, {len(chunks)} searchable once, "
              f"{len(writer.poison)} poison = {len(letters)} documents with {letters.total()} dead letters, "
              f"lag 0\n"
              f"{len(outcomes)} questions: {reasons}, {sum(a.cuts for a in askers)} streams resumed\n"
              f"{len(seconds)} faults, recovery median {seconds[len(seconds) // 2]:.1f} s, "
              f"longest {seconds[-1]:.1f} s")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
