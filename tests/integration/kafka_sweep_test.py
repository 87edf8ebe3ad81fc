#!/usr/bin/env python3
"""A document of 64 MiB goes through Kafka and is replaced by one of 1 KiB; once the brokers have
compacted, no segment of the old one is left in any topic."""

import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support/kafka"))
from cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position
from kafka_system import KafkaSystem  # noqa: E402  pylint: disable=wrong-import-position
from millrace_process import Client  # noqa: E402  pylint: disable=wrong-import-position

BODY_BYTES_MAX = 64 << 20
TEXT_BYTES = 540 << 10  # more than a segment, and soon embedded
COMPACTED_SECONDS_MAX = 180
WORKERS = {"documents": "extractor,chunker,embedder,indexer", "questions": "query-embedder,answerer",
           "sweeper": "sweeper"}
TOPICS = ("documents", "texts", "embeddings.g1")


def page(size):
    """HTML of `size` bytes, of which TEXT_BYTES are sentences."""
    sentences, length = [], 0
    while length < TEXT_BYTES:
        sentences.append(f"<p>Entry {len(sentences)} of the register tells of the ferry number "
                         f"{len(sentences) * 7919 % 10007} and of its journey to the far shore.</p>\n")
        length += len(sentences[-1])
    text = "".join(sentences).encode()
    head, tail = b"<html><body>", b"</body></html>"
    filler = size - len(head) - len(text) - len(tail) - len("<!---->")
    return head + text + b"<!--" + b"x" * filler + b"-->" + tail


class KafkaSweepTest(unittest.TestCase):
    def test_no_segment_of_a_replaced_document_is_left(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            with Cluster(folder / "kafka") as cluster, \
                    KafkaSystem(folder / "system", bootstrap=cluster.bootstrap, workers=WORKERS,
                                partitions=1) as system:
                for topic in TOPICS:
                    cluster.set_topic(system.prefix + topic, "segment.ms", "1000")
                    cluster.set_topic(system.prefix + topic, "max.compaction.lag.ms", "1000")
                self.check(cluster, system)

    def check(self, cluster, system):
        client = Client(system)
        self.put(client, "big", page(BODY_BYTES_MAX))
        before = self.segments(cluster, system)
        self.assertGreaterEqual(before["documents"], 127)  # and the last one is the record
        self.assertGreaterEqual(before["texts"], 1)
        found = client.search("the ferry and its journey to the far shore")["passages"]
        self.assertIn("tells of the ferry number", found[0]["text"])

        self.put(client, "big", b"The register was closed. " * 40)
        deadline = time.monotonic() + COMPACTED_SECONDS_MAX
        turn = 0
        while any((left := self.segments(cluster, system)).values()):
            self.assertLess(time.monotonic(), deadline, f"segments are left: {left}")
            # A broker compacts what it has stopped writing to, and stops when more comes.
            self.put(client, "small", f"This is turn {turn}.".encode())
            turn += 1
        found = client.search("the ferry and its journey to the far shore", top_k=30)["passages"]
        self.assertEqual({each["document_id"] for each in found}, {"big", "small"})
        self.assertFalse([each for each in found if "ferry" in each["text"]])
        self.assertEqual(system.stop(), 0)

    def put(self, client, document_id, content):
        media_type = "text/html" if content.startswith(b"<html>") else "text/plain"
        status, _, answer = client.request("PUT", f"{client.base}/documents/{document_id}", content,
                                           {"Content-Type": media_type})
        self.assertEqual(status, 202, answer)
        states = client.wait_settled([document_id])
        self.assertEqual(states, {document_id: "indexed"})

    @staticmethod
    def segments(cluster, system):
        """How many earlier segments of large records each topic holds, their tombstones left out."""
        counts = {}
        for topic in TOPICS:
            rows = subprocess.run(
                ["kcat", "-b", cluster.bootstrap, "-C", "-q", "-e", "-o", "beginning",
                 "-t", system.prefix + topic, "-f", "%S %h\\n"],
                check=True, capture_output=True, text=True, errors="replace").stdout.splitlines()
            counts[topic] = sum("segments=part" in row and not row.startswith("-1 ") for row in rows)
        return counts


if __name__ == "__main__":
    unittest.main(verbosity=2)
