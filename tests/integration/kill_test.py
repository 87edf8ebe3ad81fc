#!/usr/bin/env python3
"""2,000 documents are being accepted, replaced and deleted while the process (over Kafka: some of the
processes) is killed ten times.

Afterwards every document that got its 202 is searchable exactly once at its last revision, none that
was deleted comes back, and no chunk is there twice. The moments are random but drawn from a printed
seed: SEED=N repeats them.
"""

import http.client
import os
import pathlib
import random
import tempfile
import threading
import time
import unittest

from kafka_system import make_server
from ledger import Ledger, text_of
from millrace_process import Client

DOCUMENTS = int(os.environ.get("DOCUMENTS", "2000"))
KILLS = int(os.environ.get("KILLS", "10"))
SEED = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
PER_REQUEST = 5
BROKEN = (OSError, http.client.HTTPException)


class Writer(threading.Thread):
    """Adds all documents, replaces each seventh and deletes each eleventh, whatever dies meanwhile."""

    def __init__(self, server, ledger, restarted):
        super().__init__(daemon=True)
        self.server, self.ledger, self.restarted = server, ledger, restarted
        self.progress = threading.Condition()
        self.requests = 0
        self.error = None

    def run(self):
        try:
            for batch in self.operations():
                self.send(batch)
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error
        finally:
            with self.progress:
                self.requests = -1
                self.progress.notify_all()

    def operations(self):
        for first in range(0, DOCUMENTS, PER_REQUEST):
            numbers = range(first, min(first + PER_REQUEST, DOCUMENTS))
            yield [("put", n, 1) for n in numbers]
            yield [("put", n, 2) for n in numbers if n % 7 == 0]
            yield from ([("delete", n, None)] for n in numbers if n % 11 == 0)

    def send(self, batch):
        if not batch:
            return
        while True:
            generation = self.restarted.generation
            for _, number, version in batch:
                self.ledger.sending(number, version)
            try:
                self.exchange(batch)
                break
            except BROKEN:
                self.restarted.wait_for_next(generation)  # then the same again
        with self.progress:
            self.requests += 1
            self.progress.notify_all()

    def exchange(self, batch):
        client = Client(self.server)
        if batch[0][0] == "delete":
            document_id = f"doc-{batch[0][1]}"
            client.json("DELETE", f"{client.base}/documents/{document_id}", expect=202)
        else:
            client.add([{"id": f"doc-{n}", "text": text_of(n, v)} for _, n, v in batch])
        for _, number, version in batch:
            self.ledger.answered(number, version)


class Restarts:
    """Counts the process's lives, so that the writer can wait for the next one."""

    def __init__(self):
        self.condition = threading.Condition()
        self.generation = 0

    def next(self):
        with self.condition:
            self.generation += 1
            self.condition.notify_all()

    def wait_for_next(self, generation):
        with self.condition:
            assert self.condition.wait_for(lambda: self.generation > generation, timeout=120), \
                "a request failed although nobody killed the server"


class KillTest(unittest.TestCase):
    def test_nothing_accepted_is_lost_or_doubled(self):
        print(f"SEED={SEED}")
        rng = random.Random(SEED)
        with tempfile.TemporaryDirectory() as folder:
            server = make_server(pathlib.Path(folder) / "data", seed=SEED).start()
            try:
                ledger, restarted = Ledger(), Restarts()
                writer = Writer(server, ledger, restarted)
                self.kill_at_random(server, writer, restarted, rng)
                self.assertIsNone(writer.error)
                self.check(server, ledger)
            finally:
                server.kill_all()

    def kill_at_random(self, server, writer, restarted, rng):
        total = sum(1 for batch in writer.operations() if batch)
        moments = sorted(rng.sample(range(1, total - 1), KILLS))
        writer.start()
        for moment in moments:
            with writer.progress:
                writer.progress.wait_for(lambda: not 0 <= writer.requests < moment)
            server.kill()
            server.start()
            restarted.next()
        writer.join()

    def check(self, server, ledger):
        client = Client(server)
        self.assertEqual(len(ledger.uncertain), DOCUMENTS)
        chunks = ledger.check(self, client)
        collection = client.json("GET", "/v1/collections/default", expect=200)
        self.assertEqual(collection["documents"], len(chunks))
        self.assertEqual(collection["chunks"], len(chunks))
        print(f"{DOCUMENTS} documents, {len(chunks)} searchable, {KILLS} kills")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
