#!/usr/bin/env python3
"""Re-indexing from outside: another generation is built beside the one that answers, of all documents
and of what changes meanwhile; a fresh server with its settings finds the same chunks; back is one
request. Questions are asked all the time, and none of them fails or comes back empty."""

import pathlib
import random
import re
import tempfile
import threading
import time
import unittest

from kafka_system import make_server
from millrace_process import MILLRACE, Client, Server
from wrong_pooling import plant

DOCUMENTS = 60
MODEL = pathlib.Path(MILLRACE).resolve().parent / "parts" / "all-MiniLM-L6-v2"
CHUNK_TOKENS, OVERLAP_TOKENS = 48, 8
SETTLED_SECONDS_MAX = 300
COSINE_DELTA = 0.01  # a text's vector depends a little on what it was embedded together with
WORDS = ("ferry battery wheel harbour engine torque valve mill river stone grain flour brake rotor "
         "cable tunnel bridge signal copper timber anchor rudder turbine pressure").split()
QUESTIONS = ["how much torque has the engine", "which valve keeps the pressure", "stone of the mill",
             "brake of the rotor", "copper cable in the tunnel"]


def text_of(number, revision=0):
    words = random.Random(1000 * revision + number)
    sentences = (" ".join(words.choices(WORDS, k=12)).capitalize() + "." for _ in range(12))
    return f"Report {number} of revision {revision}. " + " ".join(sentences)


def document(number, revision=0):
    return {"id": f"d{number}", "text": text_of(number, revision), "metadata": {"number": number}}


class Asker(threading.Thread):
    """Searches until it is told to stop; what failed or found nothing."""

    def __init__(self, server):
        super().__init__()
        self.client = Client(server)
        self.ended = threading.Event()
        self.asked, self.wrong = 0, []

    def run(self):
        while not self.ended.is_set():
            question = QUESTIONS[self.asked % len(QUESTIONS)]
            status, _, body = self.client.request(
                "POST", f"{self.client.base}/search",
                '{"query": "%s", "top_k": 5}' % question, {"Content-Type": "application/json"})
            if status != 200 or b'"document_id"' not in body or b'"partial":true' in body:
                self.wrong.append((question, status, body[:300]))
            self.asked += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


class Reindex(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        (cls.root / "models").mkdir()
        cls.server = make_server(cls.root / "data", "--models-dir", str(cls.root / "models"))
        cls.addClassCleanup(cls.server.kill_all)
        cls.server.start()
        cls.client = Client(cls.server)
        cls.numbers = {number: 0 for number in range(DOCUMENTS)}  # to their revisions
        cls.client.add([document(number) for number in cls.numbers])
        cls.client.wait_settled([f"d{number}" for number in cls.numbers])

    def post(self, path, body, expect):
        return self.client.json("POST", f"{self.client.base}/{path}", body, expect=expect)

    def generations(self):
        got = self.client.json("GET", f"{self.client.base}/generations", expect=200)
        return {each["generation"]: each for each in got["generations"]}

    def wait_complete(self, number):
        deadline = time.monotonic() + SETTLED_SECONDS_MAX
        while self.generations()[number]["behind"]:
            self.assertLess(time.monotonic(), deadline, self.generations())
            time.sleep(0.1)

    def change_some(self):
        """Adds, replaces and deletes, one by one."""
        for number in range(0, DOCUMENTS, 10):
            self.numbers[number] = 1
            self.client.add([document(number, 1)])
            self.numbers[DOCUMENTS + number] = 0
            self.client.add([document(DOCUMENTS + number)])
            del self.numbers[number + 1]
            self.client.json("DELETE", f"{self.client.base}/documents/d{number + 1}", expect=202)

    def found(self, client):
        """Every chunk of every document, with its nearness to a question, as searches give them."""
        chunks = {}
        for number in self.numbers:
            hits = client.search(QUESTIONS[0], top_k=100, mode="dense", explain=True,
                                 filter={"number": number})["passages"]
            self.assertEqual(client.status(f"d{number}")["chunks"], len(hits))
            for hit in hits:
                self.assertEqual(hit["document_id"], f"d{number}")
                chunks[number, hit["start"], hit["end"], hit["text"]] = hit["explanation"]["cosine"]
        return chunks

    def assert_same(self, got, wanted):
        self.assertEqual(sorted(got), sorted(wanted))
        for chunk, cosine in wanted.items():
            self.assertAlmostEqual(got[chunk], cosine, delta=COSINE_DELTA)

    def test_1_says_what_is_wrong(self):
        self.assertEqual(list(self.generations()), [1])
        for body, wrong in (({"chunk_tokens": 5}, "chunk_tokens"), ({"chunk_size": 5}, "chunk_size"),
                            ({"chunk_overlap_tokens": 5}, "chunk_tokens"),
                            ({"embedding_model": "gone"}, "models_dir"),
                            ({"from": "chunks"}, "known are texts, documents"),
                            ({"chunk_tokens": 64, "chunk_overlap_tokens": 64}, "less than")):
            self.assertIn(wrong, str(self.post("reindex", body, 400)))
        self.assertIn("generation 7", self.post("generations/7/serve", {}, 404)["detail"])
        self.assertIn("number", self.post("generations/two/serve", {}, 400)["detail"])
        gone = self.client.json("POST", "/v1/collections/nobodys/reindex", {}, expect=404)
        self.assertIn("nobodys", gone["detail"])
        gone = self.client.json("GET", f"{self.client.base}/generations/7/events", expect=404)
        self.assertIn("generation 7", gone["detail"])
        self.client.json("DELETE", f"{self.client.base}/generations/1", expect=409)
        self.assertEqual(list(self.generations()), [1])

    def test_2_builds_switches_and_goes_back(self):
        before = self.found(self.client)
        with Asker(self.server) as asker:
            number = self.post("reindex", {"chunk_tokens": CHUNK_TOKENS,
                                           "chunk_overlap_tokens": OVERLAP_TOKENS}, 202)["generation"]
            self.assertIn("already", self.post("reindex", {}, 409)["detail"])
            self.post(f"generations/{number}/pause", {}, 200)
            self.assertIn("paused", self.post(f"generations/{number}/serve", {}, 409)["detail"])
            self.change_some()
            self.post(f"generations/{number}/resume", {}, 200)
            self.client.wait_settled([f"d{each}" for each in self.numbers])
            self.wait_complete(number)
            old = self.found(self.client)
            self.post(f"generations/{number}/serve", {}, 200)
            new = self.found(self.client)
            self.post("generations/1/serve", {}, 200)
            self.assert_same(self.found(self.client), old)
            self.post(f"generations/{number}/serve", {}, 200)
        self.assertEqual(asker.wrong, [])
        self.assertGreater(asker.asked, 10)
        self.assertNotEqual(old, before)
        with Server(self.root / "fresh", "--chunk-tokens", str(CHUNK_TOKENS),
                    "--chunk-overlap-tokens", str(OVERLAP_TOKENS)) as fresh:
            client = Client(fresh)
            client.add([document(each, revision) for each, revision in self.numbers.items()])
            client.wait_settled([f"d{each}" for each in self.numbers])
            self.assert_same(new, self.found(client))

    def test_3_survives_an_end_at_any_moment(self):
        """And the one that answers follows changes, as does the one that is kept."""
        number = max(self.generations())
        self.server.kill_all()
        self.server.start()
        client = Client(self.server)
        type(self).client = client
        self.assertEqual(self.generations()[number]["state"], "serving")
        self.numbers[5] = 9
        client.add([document(5, 9)])
        self.assertEqual(client.wait_settled(["d5"]), {"d5": "indexed"})
        self.wait_complete(1)
        found = client.search("Report 5 of revision 9", mode="lexical")["passages"][0]
        self.assertEqual(found["document_id"], "d5")
        self.post("generations/1/serve", {}, 200)
        found = client.search("Report 5 of revision 9", mode="lexical")["passages"][0]
        self.assertEqual(found["document_id"], "d5")
        client.json("DELETE", f"{client.base}/generations/{number}", expect=200)
        self.assertEqual(list(self.generations()), [1])
        self.assertTrue(client.search("Report 5 of revision 9", mode="lexical")["passages"])


    def wait_gauge(self, name, wanted):
        """Until the sum of its samples, of all processes, is what it should be."""
        deadline = time.monotonic() + SETTLED_SECONDS_MAX
        while True:
            found = re.findall(rf"^{re.escape(name)}(?:,[^}}]*)?}} ([\d.e+]+)$", self.server.metrics(), re.M)
            if sum(map(float, found)) == wanted:
                return
            self.assertLess(time.monotonic(), deadline, (name, found, wanted))
            time.sleep(0.5)

    def test_4_takes_another_model_and_leaves_the_first_generation(self):
        plant(MODEL, self.root / "models" / "first-token")
        number = self.post("reindex", {"embedding_model": "first-token"}, 202)["generation"]
        names = []
        for event, _, view in self.client.events(f"{self.client.base}/generations/{number}/events"):
            names.append(event)
            if event == "ready":
                self.post(f"generations/{number}/serve", {}, 200)
        self.assertEqual(names[-1], "serving", names)
        self.assertIn("ready", names)
        self.assertEqual((view["generation"], view["behind"]), (number, 0))
        got = self.found(self.client)
        with Server(self.root / "planted", "--model-dir", str(self.root / "models/first-token")) as fresh:
            client = Client(fresh)
            client.add([document(each, revision) for each, revision in self.numbers.items()])
            client.wait_settled([f"d{each}" for each in self.numbers])
            self.assert_same(got, self.found(client))
        self.client.json("DELETE", f"{self.client.base}/generations/1", expect=200)
        self.wait_gauge('index_chunks{generation="1"', 0)
        self.client.add([document(3, 7)])
        self.assertEqual(self.client.wait_settled(["d3"]), {"d3": "indexed"})
        self.wait_gauge('index_chunks{generation="1"', 0)
        self.assertTrue(self.client.search("Report 3 of revision 7", mode="lexical")["passages"])
        self.assertEqual(list(self.generations()), [number])

    def test_5_is_made_of_the_documents_themselves(self):
        """Which are parsed anew: the page of an HTML file gives the same chunks as it did."""
        page = "<html><title>Locks</title><body><h1>Locks</h1><p>A lock lifts a boat.</p></body></html>"
        status, _, body = self.client.request("PUT", f"{self.client.base}/documents/page?name=page.html",
                                              page.encode(), {"Content-Type": "text/html"})
        self.assertEqual(status, 202, body)
        self.assertEqual(self.client.wait_settled(["page"]), {"page": "indexed"})
        before = self.found(self.client)
        number = self.post("reindex", {"from": "documents"}, 202)["generation"]
        self.assertEqual(self.generations()[number]["settings"], {"from": "documents"})
        self.numbers[4] = 5
        self.client.add([document(4, 5)])
        self.client.wait_settled(["d4"])
        self.wait_complete(number)
        self.post(f"generations/{number}/serve", {}, 200)
        got = self.found(self.client)
        self.assertNotEqual(sorted(got), sorted(before))
        self.assertEqual({chunk for chunk in got if chunk[0] != 4},
                         {chunk for chunk in before if chunk[0] != 4})
        found = self.client.search("lock lifts a boat", mode="lexical")["passages"][0]
        self.assertEqual((found["document_id"], found["title"]), ("page", "Locks"))
        self.client.json("DELETE", f"{self.client.base}/documents/page", expect=202)
        self.client.wait_settled(["page"])
        self.assertFalse([hit for hit in self.client.search("lock lifts a boat", mode="lexical")["passages"]
                          if hit["document_id"] == "page"])

    def test_6_builds_nothing_while_the_disk_is_nearly_full(self):
        with Server(self.root / "full", "--generation-disk-reserve-bytes", "900000GiB") as server:
            client = Client(server)
            client.add([document(1)])
            client.wait_settled(["d1"])
            refused = client.json("POST", f"{client.base}/reindex", {}, expect=507)
            self.assertIn("generation_disk_reserve_bytes", refused["detail"])
            self.assertTrue(client.search(QUESTIONS[0])["passages"])
            self.assertIn("\ngeneration_builds_held 1", server.metrics())


if __name__ == "__main__":
    unittest.main(verbosity=2)
