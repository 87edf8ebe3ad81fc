#!/usr/bin/env python3
"""The rights of k8s/components/strimzi/users.yaml on a real broker: one process for each role, each
with its own principal, and with them a document is indexed, found, answered from, re-indexed and
removed. Nobody is refused anything, and a stage cannot read what is not its own."""

import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

from k8s_manifests import ROLES, ROOT, SECONDS_MAX, STAGES, environment

sys.path += [str(ROOT / "tests/integration"), str(ROOT / "tests/support/kafka")]
from cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position
from kafka_system import KafkaSystem  # noqa: E402  pylint: disable=wrong-import-position
from millrace_process import Client  # noqa: E402  pylint: disable=wrong-import-position

PASSWORD = "mill-word"
BUILD_SECONDS_MAX = 240
TYPES = {"topic": "topic", "group": "group", "transactionalId": "transactional_id"}


class System(KafkaSystem):
    """Each process as its role; no prefix, and an instance for indexers only, as in k8s/."""

    def __init__(self, folder, cluster, partitions):
        super().__init__(folder, "--shutdown-grace-ms", "10s", bootstrap=cluster.addresses("SASL_PLAINTEXT"),
                         workers={stage: stage for stage in STAGES}, partitions=partitions)
        self.prefix, self.plain = "", cluster.bootstrap

    def settings(self, name):
        role = "gateway" if name.startswith("gateway") else name
        flags = ["--brokers", self.bootstrap, "--partitions", str(self.partitions),
                 "--kafka-security-protocol", "sasl_plaintext", "--kafka-sasl-mechanism", "PLAIN",
                 "--kafka-sasl-username", f"kafka-{role}", "--kafka-sasl-password", PASSWORD]
        return flags + ["--kafka-instance", "indexer-0"] * (role == "indexer") + self.flags

    def topics(self, command):
        self.bootstrap, own = self.plain, self.bootstrap  # the topic operator's work, not a process's
        try:
            return super().topics(command)
        finally:
            self.bootstrap = own


class RightsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.cluster = Cluster(cls.folder / "kafka", users={f"kafka-{role}": PASSWORD for role in ROLES})
        cls.addClassCleanup(cls.cluster.stop)
        cls.cluster.start()
        dev = environment("dev")
        for user in dev.of("KafkaUser"):
            for rule in user["spec"]["authorization"]["acls"]:
                resource = rule["resource"]
                for operation in rule["operations"]:
                    cls.cluster.allow(user["metadata"]["name"], operation.lower(), TYPES[resource["type"]],
                                      resource["name"], resource.get("patternType") == "prefix")
        cls.system = System(cls.folder / "system", cls.cluster, dev.partitions)
        cls.addClassCleanup(cls.system.kill_all)
        cls.system.start()
        cls.client = Client(cls.system)

    def wait_built(self, number):
        deadline = time.monotonic() + BUILD_SECONDS_MAX
        while True:
            listed = self.client.json("GET", f"{self.client.base}/generations", expect=200)["generations"]
            found = next(each for each in listed if each["generation"] == number)
            if not found["behind"]:
                return
            self.assertLess(time.monotonic(), deadline, found)
            time.sleep(0.1)

    def test_the_whole_way(self):
        client = self.client
        client.add([{"id": "a", "text": "Herons stand on one leg to keep warm. " * 3},
                    {"id": "b", "text": "Badgers dig setts." + " " * 600_000 + "\n"}])  # in segments
        self.assertEqual(client.wait_settled(["a", "b"]), {"a": "indexed", "b": "indexed"})
        self.assertEqual(client.search("herons", top_k=1)["passages"][0]["document_id"], "a")
        question = {"question": "Why do herons stand on one leg?"}
        answer = client.json("POST", f"{client.base}/queries?wait=true", question, expect=200)
        self.assertIn("warm", answer["answer"])
        made = client.json("POST", f"{client.base}/reindex", {"chunk_tokens": 64, "chunk_overlap_tokens": 8},
                           expect=202)
        self.wait_built(made["generation"])
        client.json("POST", f"{client.base}/generations/{made['generation']}/serve", {}, expect=200)
        self.assertEqual(client.search("herons", top_k=1)["passages"][0]["document_id"], "a")
        client.json("DELETE", f"{client.base}/documents/a", expect=202)
        self.assertEqual(client.wait_settled(["a"]), {"a": "deleted"})
        for process in self.system.processes:
            refused = [line for line in process.events if re.search(r"AUTHORIZATION|grant this principal", line)]
            self.assertEqual(refused, [], process.name)
        metrics = self.system.metrics()
        self.assertEqual(re.findall(r'^kafka_errors_total\{[^}]*AUTHORIZATION[^}]*\}.*', metrics, re.M), [])
        self.assertNotRegex(metrics, r"(?m)^stage_dead_letters_total\{.*\} [1-9]")

    def test_a_stage_does_not_read_what_is_not_its_own(self):
        for role, topic in (("extractor", "texts"), ("answerer", "queries"), ("indexer", "documents")):
            for reader, works in ((f"kafka-{role}", False), (None, True)):
                login = ["-X", "security.protocol=sasl_plaintext", "-X", "sasl.mechanism=PLAIN",
                         "-X", f"sasl.username={reader}", "-X", f"sasl.password={PASSWORD}"] if reader else []
                brokers = self.system.bootstrap if reader else self.system.plain
                done = subprocess.run(["kcat", "-C", "-e", "-q", "-b", brokers, "-t", topic, *login], text=True,
                                      capture_output=True, check=False, timeout=SECONDS_MAX, errors="replace")
                self.assertEqual("authorization failed" in done.stderr.lower(), not works, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
