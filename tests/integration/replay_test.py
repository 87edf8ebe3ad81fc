#!/usr/bin/env python3
"""Questions asked again, from outside: an earlier one on today's index with what differs and why; those
that people asked to a new generation before it may answer; and whether people ask something else now."""

import json
import os
import pathlib
import random
import re
import subprocess
import tempfile
import time
import unittest

from kafka_system import make_server
from millrace_process import MILLRACE, Client
from wrong_pooling import plant

MODEL = pathlib.Path(MILLRACE).resolve().parent / "parts" / "all-MiniLM-L6-v2"
SECONDS_MAX = 300
WINDOW = 200  # the smallest one
DRIFT, SCORE_DRIFT = 0.3, 0.25  # of the alert
TEXTS = {
    "mill": "The water mill grinds rye at night. Its wheel has twelve blades of oak. The miller oils the axle.",
    "ferry": "The ferry over the lake leaves at noon. The crossing takes three hours in calm weather.",
    "glacier": "A glacier is a river of ice. It moves a few metres in a year and carries stones along.",
    "comet": "The comet returns every 212 years. It was last seen in 1903 from the southern islands.",
    "orchard": "The oldest pear tree of the orchard bears ninety kilograms of fruit in a good year.",
    "bridge": "The iron bridge opens for ships twice a day. Its engine was made in 1911.",
}
QUESTIONS = ["How many blades has the wheel of the mill?", "When does the ferry leave?", "What is a glacier?",
             "How often does the comet return?", "How much fruit does the pear tree bear?",
             "When does the bridge open for ships?"]
OF_SHIPS = "ferry ship harbour crossing lake noon timetable ticket captain deck anchor sail port".split()
OF_COOKING = "recipe bread oven flour butter sugar cake soup boil fry knife onion pepper".split()


def long_text(number):
    words = random.Random(number).choices(" ".join(TEXTS.values()).replace(".", "").split(), k=400)
    return ". ".join(" ".join(words[i:i + 10]).capitalize() for i in range(0, 400, 10)) + "."


class Replay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        (cls.root / "models").mkdir()
        plant(MODEL, cls.root / "models" / "first-token")
        cls.server = make_server(cls.root / "data", "--models-dir", str(cls.root / "models"),
                                 "--drift-window", str(WINDOW))
        cls.addClassCleanup(cls.server.kill_all)
        cls.server.start()
        cls.client = Client(cls.server)
        cls.client.add([{"id": name, "text": text} for name, text in TEXTS.items()] +
                       [{"id": f"long-{i}", "text": long_text(i)} for i in range(10)])
        cls.client.wait_settled([*TEXTS, *(f"long-{i}" for i in range(10))])

    def ask(self, question, **options):
        body = {"question": question, "top_k": 3, **options}
        return self.client.json("POST", f"{self.client.base}/queries?wait=true", body, expect=200)

    def post(self, path, body, expect):
        return self.client.json("POST", f"{self.client.base}/{path}", body, expect=expect)

    def replay(self, query_id, **body):
        """Once its transcript is in the gateway's table, which may be a moment later than its answer."""
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            status, _, content = self.client.request(
                "POST", f"/v1/queries/{query_id}/replay", json.dumps(body), {"Content-Type": "application/json"})
            if status == 200:
                return json.loads(content)
            self.assertEqual(status, 409, content)
            self.assertLess(time.monotonic(), deadline, content)

    def command(self, *arguments, expect):
        done = subprocess.run([MILLRACE, *arguments, "--server", self.server.url], text=True, timeout=SECONDS_MAX,
                              capture_output=True, env={**os.environ}, check=False)
        self.assertEqual(done.returncode, expect, (arguments, done.stdout, done.stderr))
        return done.stdout + done.stderr

    def changes(self, replay):
        return {(each["document_id"], each["change"], each.get("cause")) for each in replay["passages"]}

    def reindex(self, settings):
        number = self.post("reindex", settings, 202)["generation"]
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            listed = self.client.json("GET", f"{self.client.base}/generations", expect=200)["generations"]
            if not [each for each in listed if each["generation"] == number][0]["behind"]:
                return number
            self.assertLess(time.monotonic(), deadline, listed)
            time.sleep(0.1)

    def test_1_nothing_differs(self):
        asked = self.ask(QUESTIONS[0])
        replay = self.replay(asked["id"])
        self.assertTrue(replay["same"], replay)
        self.assertTrue(replay["same_answer"])
        self.assertEqual(replay["causes"], [])
        self.assertEqual([each["change"] for each in replay["passages"]], ["same"] * 3)
        self.assertEqual(replay["before"]["id"], asked["id"])
        self.assertNotEqual(replay["after"]["id"], asked["id"])
        provenance = replay["before"]["provenance"]
        self.assertEqual(provenance, replay["after"]["provenance"])
        self.assertEqual((provenance["chunk_tokens"], provenance["chunk_overlap_tokens"]), (256, 32))
        self.assertIn("MiniLM", provenance["embedding_model"])
        self.assertTrue(sum(each["offset"] for each in provenance["index"]), provenance)
        shown = self.command("replay", asked["id"], expect=0)
        self.assertIn("nothing differs", shown)
        self.assertIn("the answer is the same", shown)
        told = json.loads(self.command("replay", asked["id"], "--retrieval-only", "--json", expect=0))
        self.assertNotIn("same_answer", told)
        self.assertTrue(told["same"])
        self.assertIn("Query ", self.command("ask", QUESTIONS[1], expect=0))

    def test_2_says_what_is_wrong(self):
        self.client.json("POST", "/v1/queries/nonsense/replay", {}, expect=404)
        asked = self.ask(QUESTIONS[0])["id"]
        problem = self.client.json("POST", f"/v1/queries/{asked}/replay", {"answers": True}, expect=400)
        self.assertIn("answer", problem["detail"])
        self.assertIn("there is no query", self.command("replay", "nonsense", expect=1))
        for body, status, wrong in (({}, 409, "is the one that answers"), ({"questions": []}, 400, "empty"),
                                    ({"questions": [7]}, 400, "strings"), ({"min_ndcg": 2}, 400, "min_ndcg"),
                                    ({"limit": 0}, 400, "limit"), ({"top_k": 3}, 400, "top_k"),
                                    ({"questions": ["x" * 100_000]}, 400, "questions")):
            self.assertIn(wrong, str(self.post("generations/1/shadow", body, status)), body)
        self.assertIn("generation 7", self.post("generations/7/shadow", {}, 404)["detail"])

    def test_3_tells_of_replaced_and_deleted_documents(self):
        of_mill, of_ferry = self.ask(QUESTIONS[0]), self.ask(QUESTIONS[1])
        self.client.add([{"id": "mill", "text": "The mill was torn down. A wheel with ten blades is in the museum."}])
        self.client.json("DELETE", f"{self.client.base}/documents/ferry", expect=202)
        self.client.wait_settled(["mill", "ferry"])
        replay = self.replay(of_mill["id"])
        self.assertFalse(replay["same"])
        self.assertLessEqual({("mill", "missing", "document_replaced"), ("mill", "new", "document_replaced")},
                             self.changes(replay))
        self.assertEqual(replay["answer_cause"]["cause"], "other_passages")
        self.assertIn("index_changed", [each["cause"] for each in replay["causes"]])
        self.assertIn(("ferry", "missing", "document_deleted"), self.changes(self.replay(of_ferry["id"])))
        shown = self.command("replay", of_ferry["id"], expect=3)
        self.assertIn("document_deleted", shown)
        self.assertNotIn("nothing differs", shown)
        of_storm = self.ask("Which storm broke the old oak tree?")
        self.client.add([{"id": "storm", "text": "The storm of 1999 broke the old oak tree on the green."}])
        self.client.wait_settled(["storm"])
        self.assertIn(("storm", "new", "document_added"), self.changes(self.replay(of_storm["id"])))

    def test_4_a_gate_allows_and_refuses_a_switch(self):
        for question in QUESTIONS:
            self.replay(self.ask(question)["id"])
        alike = self.reindex({})
        report = self.post(f"generations/{alike}/shadow", {"min_overlap": 0.99, "min_ndcg": 0.9}, 200)
        self.assertEqual(report["source"], "transcripts")
        self.assertGreaterEqual(report["compared"], len(QUESTIONS))
        self.assertTrue(report["passed"], report)
        self.assertAlmostEqual(report["ndcg"], report["ndcg_serving"])  # a document that came since is before a cited one
        self.assertEqual(len({each["question"] for each in report["questions"]}), report["compared"])
        cited = [rank for each in report["questions"] for rank in each["cited"]]
        self.assertTrue(cited)
        self.assertTrue(all(each["rank_serving"] == each["rank_shadow"] for each in cited), cited)
        again = self.post(f"generations/{alike}/shadow", {}, 200)
        self.assertEqual(again["compared"], report["compared"], "questions of shadow are nobody's")
        self.post(f"generations/{alike}/serve", {"min_overlap": 0.99, "min_ndcg": 0.9}, 200)

        worse = self.reindex({"embedding_model": "first-token", "chunk_tokens": 48, "chunk_overlap_tokens": 0})
        gate = {"min_overlap": 0.95, "questions": QUESTIONS, "top_k": 10, "answers": True}
        report = self.post(f"generations/{worse}/shadow", gate, 200)
        self.assertFalse(report["passed"], report)
        self.assertEqual(report["answers"]["compared"], len(QUESTIONS))
        self.assertIn("overlap is", self.post(f"generations/{worse}/serve", gate, 409)["detail"])
        listed = self.client.json("GET", f"{self.client.base}/generations", expect=200)["generations"]
        self.assertEqual({each["generation"]: each["state"] for each in listed}[alike], "serving")
        file = self.root / "questions.jsonl"
        file.write_text(QUESTIONS[0] + "\n\n" + json.dumps({"question": QUESTIONS[2], "answers": ["ice"]}) + "\n")
        shown = self.command("generations", "shadow", str(worse), "--questions", str(file), "--min-overlap", "1",
                             expect=1)
        self.assertIn("REFUSED overlap", shown)
        self.assertIn("2 questions of the file", shown)
        self.command("generations", "serve", str(worse), "--min-overlap", "1", expect=1)
        shown = self.command("generations", "shadow", str(worse), "--min-overlap", "0", expect=0)
        self.assertIn("ok      overlap", shown)

        asked = self.ask("What do the words say of the wheel, the axle and the ice?", top_k=5)
        self.post(f"generations/{worse}/serve", {}, 200)
        replay = self.replay(asked["id"], answer=False)
        causes = [each["cause"] for each in replay["causes"]]
        self.assertEqual(causes[:3], ["generation_changed", "model_changed", "rechunked"], replay["causes"])
        self.assertIn("rechunked", {each.get("cause") for each in replay["passages"]}, replay["passages"])

    def gauge(self, name):
        """The greatest of its samples, of all processes and generations."""
        found = re.findall(rf"^{name}{{[^}}]*}} ([\d.e+-]+)$", self.server.metrics(), re.M)
        self.assertTrue(found)
        return max(map(float, found))

    def search_for(self, words, times, seed, **options):
        chosen = random.Random(seed)
        for _ in range(times):
            self.client.search("how is the " + " ".join(chosen.sample(words, 3)), top_k=1, **options)

    def test_5_drift_shows_what_people_ask_now(self):
        self.search_for(OF_SHIPS, 3 * WINDOW, 1)
        alike = self.gauge("question_drift"), self.gauge("retrieval_score_drift")
        self.assertLess(alike[0], DRIFT)
        self.assertLess(alike[1], 1)
        self.search_for(OF_COOKING, WINDOW, 2, origin="eval")
        self.assertEqual(self.gauge("question_drift"), alike[0])
        self.search_for(OF_COOKING, 2 * WINDOW, 3)
        other = self.gauge("question_drift"), self.gauge("retrieval_score_drift")
        print("drift of the same questions", alike, "of others", other, flush=True)
        self.assertGreater(other[0], DRIFT)
        self.assertGreater(other[1], SCORE_DRIFT)

    def test_6_a_generation_takes_its_metrics_with_it(self):
        listed = self.client.json("GET", f"{self.client.base}/generations", expect=200)["generations"]
        number = [each["generation"] for each in listed if each["state"] == "kept" and each["generation"] != 1][0]
        label = f'question_drift{{generation="{number}"'
        self.assertIn(label, self.server.metrics())
        self.client.json("DELETE", f"{self.client.base}/generations/{number}", expect=200)
        deadline = time.monotonic() + SECONDS_MAX
        while label in self.server.metrics():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
