#!/usr/bin/env python3
"""What is deleted is gone: after its erasure no byte of a document, of any of its revisions, is
found by a raw search through every file of the data folder and every record of every topic; over
Kafka, nor in the brokers' folders. What was not deleted is all there."""

import base64
import json
import os
import pathlib
import random
import subprocess
import tempfile
import time
import unittest

from kafka_system import KafkaSystem, brokers
from millrace_process import MILLRACE, Client, Server

ERASE_WITHIN = "16s"
OVER_KAFKA = "TEST_KAFKA_BOOTSTRAP" in os.environ
ERASED_SECONDS_MAX = 300
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
WORKERS = {"documents": "extractor,chunker,embedder,sweeper", "index-0": "indexer",
           "index-1": "indexer", "questions": "query-embedder,answerer"}
SEGMENTS = 1_300_000  # bytes: three segments of the log
RNG = random.SystemRandom()


def marker():
    """A word that stands nowhere else, and that no compression finds anything in."""
    return "zq" + "".join(RNG.choice(LETTERS) for _ in range(26))


class Document:
    """A document with a marker in each part that is kept in a way of its own."""

    def __init__(self, document_id, about, size=0):
        self.id, self.about = document_id, about
        self.raw, self.text, self.title, self.metadata, self.name = (marker() for _ in range(5))
        self.size = size

    @property
    def markers(self):
        return [self.raw, self.text, self.title, self.metadata, self.name]

    def json(self):
        filler = "".join(RNG.choice(LETTERS) for _ in range(self.size))
        html = (f"<html><body><!-- {self.raw} --><p>{self.about} Its mark is {self.text} on the "
                f"door.</p><!-- {filler} {self.raw} --></body></html>")
        return {"id": self.id, "title": f"Register {self.title}", "name": f"{self.name}.html",
                "media_type": "text/html", "metadata": {"source": self.metadata},
                "content_base64": base64.b64encode(html.encode()).decode()}


class ErasureTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.environ["MILLRACE_ERASE_WITHIN_MS"] = ERASE_WITHIN  # of `millrace topics` too
        cls.folder = tempfile.TemporaryDirectory()
        data = pathlib.Path(cls.folder.name) / "data"
        cls.server = KafkaSystem(data, workers=WORKERS) if OVER_KAFKA else Server(data)
        cls.server.start()
        cls.client = Client(cls.server)

    @classmethod
    def tearDownClass(cls):
        cls.server.kill_all()
        cls.folder.cleanup()

    def add(self, *documents, state="indexed"):
        self.client.add([each.json() for each in documents])
        names = [each.id for each in documents]
        self.assertEqual(self.client.wait_settled(names), dict.fromkeys(names, state))

    def ask(self, question):
        answer = self.client.json("POST", f"{self.client.base}/queries?wait=true",
                                  {"question": question}, expect=200)
        return answer["id"], answer

    def transcript(self, query_id):
        deadline = time.monotonic() + 60
        while True:
            told = self.client.json("GET", f"/v1/queries/{query_id}", expect=200)
            if told.get("state") == "completed" or "answer" in told:
                return told
            self.assertLess(time.monotonic(), deadline, told)
            time.sleep(.1)

    def delete(self, *names):
        for name in names:
            self.client.json("DELETE", f"{self.client.base}/documents/{name}", expect=202)

    def wait_erased(self, *names):
        deadline = time.monotonic() + ERASED_SECONDS_MAX
        while True:
            statuses = [self.client.status(name) for name in names]
            if {each["state"] for each in statuses} == {"erased"}:
                return statuses
            self.assertLess(time.monotonic(), deadline, statuses)
            time.sleep(.2)

    # Looking -------------------------------------------------------------------------------------

    def files(self):
        folders = [pathlib.Path(self.folder.name)]
        if OVER_KAFKA:
            folders.append(pathlib.Path(os.environ["TEST_KAFKA_BOOTSTRAP"]).parent)
        for folder in folders:
            for path in folder.rglob("*"):
                try:
                    if path.is_file():
                        yield path, path.read_bytes()
                except FileNotFoundError:
                    pass  # it went while we looked

    def in_files(self, markers):
        """Where each marker is, by path."""
        found = {}
        for path, content in self.files():
            for each in markers:
                if each.encode() in content:
                    found.setdefault(each, []).append(str(path))
        return found

    def in_records(self, markers):
        """The topics whose records have a marker: over Kafka as kcat reads them."""
        if not OVER_KAFKA:
            return {}
        listed = subprocess.run(["kcat", "-b", brokers(), "-L", "-J"], check=True,
                                capture_output=True, text=True).stdout
        found = {}
        for topic in (each["topic"] for each in json.loads(listed)["topics"]):
            if not topic.startswith(self.server.prefix):
                continue
            records = subprocess.run(
                ["kcat", "-b", brokers(), "-C", "-q", "-e", "-o", "beginning", "-t", topic,
                 "-X", "isolation.level=read_uncommitted", "-f", "%k %h %s\n"],
                check=True, capture_output=True).stdout
            for each in markers:
                if each.encode() in records:
                    found.setdefault(each, []).append(topic)
        return found

    def check(self, documents, texts=()):
        """What the gateway finds, in every record of every topic and in its folder."""
        return self.client.json("POST", f"{self.client.base}/erasure-check",
                                {"documents": documents, "texts": list(texts)}, expect=200)

    def assert_gone(self, markers):
        """In every file; a broker removes what it has compacted a while after."""
        self.assertEqual(self.in_records(markers), {})
        deadline = time.monotonic() + (ERASED_SECONDS_MAX if OVER_KAFKA else 5)
        while found := self.in_files(markers):
            self.assertLess(time.monotonic(), deadline, found)
            time.sleep(.5)

    # Tests ---------------------------------------------------------------------------------------

    def test_1_after_erasure_nothing_is_found(self):
        first = Document("ledger", "The clerk of Morvale counts the barrels of salted herring.")
        kept = Document("kept", "The miller of Anstow grinds barley by the light of the moon.")
        large = Document("large", "The bridge of Tarn was built of granite in a dry summer.", SEGMENTS)
        broken, heavy = Document("broken", ""), Document("heavy", "")
        self.add(first, kept, large)
        for each, filler in ((broken, 0), (heavy, SEGMENTS)):
            content = f"%PDF-1.4\n{each.raw}\n{filler * 'x'}{each.text}\n%%EOF".encode()
            self.client.add([{"id": each.id, "title": each.title, "media_type": "application/pdf",
                              "metadata": {"source": each.metadata},
                              "content_base64": base64.b64encode(content).decode()}])
            self.assertEqual(self.client.wait_settled([each.id]), {each.id: "failed"})
        asked, answer = self.ask("Who counts the barrels of salted herring?")
        self.assertIn("ledger", [each["document_id"] for each in answer["citations"]], answer)
        other, answer = self.ask("Who grinds barley by the light of the moon?")
        self.assertIn("kept", [each["document_id"] for each in answer["citations"]], answer)
        second = Document("ledger", "The clerk of Morvale counts the barrels of smoked eel.")
        self.add(second)
        again, answer = self.ask("Who counts the barrels of smoked eel?")
        self.assertIn("ledger", [each["document_id"] for each in answer["citations"]], answer)

        names = ["ledger", "large", "broken", "heavy"]
        failed = [broken.raw, broken.title, broken.metadata, heavy.raw, heavy.text, heavy.title]
        erased = [*first.markers, *second.markers, *large.markers, *failed]
        there = [*second.markers, large.raw, *failed, *kept.markers]
        found = self.in_files(there)
        for each in there:
            self.assertIn(each, found, "a raw search does not see what is there")
        places = "\n".join(found[second.text])
        for place in ("/index/", "/gateway/") if OVER_KAFKA else ("/log/", "/index/", "/gateway/"):
            self.assertIn(place, places)
        before = self.check(names, [second.text])
        self.assertFalse(before["clean"])
        places = {each["place"] for each in before["traces"]}
        for topic in ("documents", "texts", "embeddings.g1", "transcripts"):
            self.assertIn(f"topic {topic}", places)

        began = time.monotonic()
        self.delete(*names)
        for status in self.wait_erased(*names):
            self.assertEqual((status["title"], status["metadata"], status["bytes"]), ("", {}, 0))
        print(f"erased after {time.monotonic() - began:.1f} s of {ERASE_WITHIN}")
        self.assert_gone(erased)
        after = self.check(names, erased)
        self.assertTrue(after["clean"], after)
        self.assertGreater(after["records"], 10)
        self.assertGreater(after["files"], 10)

        for query_id in (asked, again):
            told = json.dumps(self.transcript(query_id))
            self.assertIn("erased", told)
            for each in erased:
                self.assertNotIn(each, told)
        self.assertIn(kept.text, json.dumps(self.transcript(other)))
        self.assertEqual(self.client.json("GET", "/v1/dead-letters", expect=200)["dead_letters"], [])
        passages = self.client.search("grinds barley by the light of the moon", 5)["passages"]
        self.assertEqual({each["document_id"] for each in passages}, {"kept"})
        self.assertIn(kept.text, passages[0]["text"])
        self.assertTrue(self.in_files(kept.markers))
        self.assertNotIn("ledger", [each["id"] for each in self.client.json(
            "GET", f"{self.client.base}/documents", expect=200)["documents"]])

    def test_2_a_replaced_revision_goes_as_well(self):
        old = Document("plan", "The garden of Wick has nine terraces.")
        new = Document("plan", "The garden of Wick has ten terraces.")
        self.add(old)
        self.add(new)
        self.assert_gone_by_itself(old.markers)
        self.assertTrue(self.in_files(new.markers))
        found = self.client.search("terraces of the garden of Wick", 3)["passages"]
        self.assertIn(new.text, found[0]["text"])

    def assert_gone_by_itself(self, markers):
        deadline = time.monotonic() + ERASED_SECONDS_MAX
        while found := self.in_files(markers) or self.in_records(markers):
            self.assertLess(time.monotonic(), deadline, found)
            time.sleep(.5)

    def test_3_an_erasure_goes_on_after_a_crash(self):
        document = Document("crash", "The lighthouse of Skerry burns whale oil in autumn.")
        self.add(document)
        self.delete("crash")
        self.client.wait_settled(["crash"])
        self.server.kill()
        self.server.start()
        type(self).client = Client(self.server)
        self.wait_erased("crash")
        self.assert_gone(document.markers)

    def test_4_the_same_id_can_be_added_again(self):
        document = Document("ledger", "The clerk of Morvale counts the barrels of pickled plums.")
        self.add(document)
        passages = self.client.search("barrels of pickled plums", 1)["passages"]
        self.assertEqual(passages[0]["document_id"], "ledger")
        self.assertIn(document.text, passages[0]["text"])

    def test_5_the_command_proves_it(self):
        document = Document("proof", "The archive of Lorne keeps the letters of the last abbot.")
        self.add(document)
        command = [MILLRACE, "erase", "default", "proof", "--verify", "--server", self.server.url]
        ended = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False,
                               timeout=ERASED_SECONDS_MAX)
        self.assertEqual(ended.returncode, 0, ended.stderr + ended.stdout)
        report = json.loads(ended.stdout)
        self.assertTrue(report["erased"] and report["verified"], report)
        self.assertGreater(report["texts"], 2)
        self.assertEqual([each["state"] for each in report["documents"]], ["erased"])
        self.assert_gone(document.markers)
        again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertRegex(again.stdout, r"proof +erased")
        unknown = subprocess.run([*command[:3], "nobody", *command[4:]], capture_output=True,
                                 text=True, check=False, timeout=120)
        self.assertEqual(unknown.returncode, 1)
        self.assertIn("nobody", unknown.stderr)

    def test_6_a_collection_says_how_long_it_keeps(self):
        made = self.client.json("PUT", "/v1/collections/minutes", {"retention_days": 30}, expect=201)
        self.assertEqual(made["retention_days"], 30)
        for wrong in (-1, 36_501, "30", 1.5):
            self.client.json("PUT", "/v1/collections/minutes", {"retention_days": wrong}, expect=400)
        kept = self.client.json("PUT", "/v1/collections/minutes", {"description": "x"}, expect=200)
        self.assertEqual(kept["retention_days"], 30)
        ended = self.client.json("PUT", "/v1/collections/minutes", {"retention_days": 0}, expect=200)
        self.assertNotIn("retention_days", ended)

    def test_7_metrics_tell(self):
        metrics = self.server.metrics()
        self.assertRegex(metrics, r"\nerasure_documents_total [1-9]")
        self.assertIn("\nerasure_within_seconds 16", metrics)
        self.assertRegex(metrics, r"\nerasure_waiting_documents 0")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
