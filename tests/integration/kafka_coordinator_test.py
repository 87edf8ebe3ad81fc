#!/usr/bin/env python3
"""The coordinator of a group moves to another broker, and the one that it was comes back. A worker
that looks for its place in the group after that finds the new one."""

import json
import pathlib
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support/kafka"))
from cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position
from kafka_system import KafkaSystem, Process  # noqa: E402  pylint: disable=wrong-import-position
from millrace_process import Client, metrics_of  # noqa: E402  pylint: disable=wrong-import-position

WAIT_SECONDS_MAX = 60
OFFSETS_PARTITIONS = 4  # as cluster.py sets it
WORKERS = {"chunker": "chunker", "rest": "extractor,embedder,indexer,query-embedder,answerer"}


def offsets_partition(group):
    """Where Kafka keeps what it knows of a group: by Java's hash of its name."""
    value = 0
    for each in group.encode("utf-16-be")[1::2]:  # names are ASCII
        value = (31 * value + each) & 0xffffffff
    return abs(value - (1 << 32) if value >= 1 << 31 else value) % OFFSETS_PARTITIONS


def eventually(condition, what):
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {WAIT_SECONDS_MAX} s"
        time.sleep(0.05)


def events(process, name):
    return [json.loads(each) for each in list(process.events) if f'"event":"{name}"' in each]


class Twin(KafkaSystem):
    def settings(self, name):
        return super().settings(name.removesuffix("-twin"))


class KafkaCoordinatorTest(unittest.TestCase):
    def test_a_fenced_worker_finds_a_coordinator_that_has_moved(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            with Cluster(folder / "kafka", brokers=3) as cluster, \
                    Twin(folder / "system", bootstrap=cluster.bootstrap, workers=WORKERS,
                         partitions=2) as system:
                self.check(cluster, system)

    def check(self, cluster, system):
        client, worker = Client(system), system.workers[0]
        self.add(client, "before")
        partition = offsets_partition(f"{system.prefix}chunker")
        moved = cluster.leader_of("__consumer_offsets", partition)
        cluster.kill(moved)
        self.assertNotEqual(cluster.leader_of("__consumer_offsets", partition), moved)
        cluster.restart(moved)
        self.add(client, "between")

        twin = Process(system, f"{worker.name}-twin", worker.command).start()
        try:
            eventually(lambda: events(worker, "stage_paused"), "the twin fences the worker")
        finally:
            twin.kill()
        eventually(lambda: len(events(worker, "stage_resumed")) == len(events(worker, "stage_paused")),
                   "the worker has its place again")
        self.assertTrue(worker.is_up())
        self.add(client, "after")
        self.assertIn('stage_paused{stage="chunker"} 0', metrics_of(worker.port))

    def add(self, client, name):
        ids = [f"{name}-{each}" for each in range(8)]
        client.add([{"id": each, "text": f"The lantern of gate {each} burns."} for each in ids])
        self.assertEqual(client.wait_settled(ids), dict.fromkeys(ids, "indexed"))


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
