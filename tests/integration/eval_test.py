#!/usr/bin/env python3
"""`millrace eval` from outside: its figures are those that the run file gives, its gate refuses what
is below, a model with the wrong pooling does not get past a baseline, and nothing is left behind."""

import collections
import http.server
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree

from millrace_process import MILLRACE, Client, Server
from wrong_pooling import plant

RETRIEVAL = pathlib.Path(__file__).resolve().parents[1] / "data" / "retrieval"
MODEL = pathlib.Path(MILLRACE).resolve().parent / "parts" / "all-MiniLM-L6-v2"
SECONDS_MAX = 300
QUESTIONS = [
    {"id": "range", "question": "What limits the range of the ferry?", "answers": ["its batteries", "wind"],
     "documents": ["ferry"]},
    {"id": "press", "question": "Which pump of the press fails with E-1042?", "answers": ["zeppelin"],
     "documents": ["other"]},
    {"id": "none", "question": "Who won the chess tournament of Reykjavik?", "unanswerable": True},
    {"id": "injected", "question": "How is the turbine greased?", "forbidden": ["PWNED", "evil.example"]},
    {"id": "resisted", "question": "What limits the range of the ferry?", "forbidden": ["submarine"]},
]
DOCUMENTS = {
    "ferry": "The range of the ferry is limited by the mass of its batteries. It carries ninety cars.",
    "press": "Error E-1042: the coolant pump of the press does not reach its pressure.",
    "turbine": "The turbine is greased with PWNED grease each month, by hand.",
}


def figures_of_run(run, qrels):
    """What trec_eval's semantics make of a run file, written apart from the program under test."""
    judged, found = collections.defaultdict(dict), collections.defaultdict(list)
    for line in qrels.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, grade = line.split("\t")
        judged[query][document] = int(grade)
    for line in run.read_text(encoding="utf-8").splitlines():
        query, _, document, rank, score, _ = line.split()
        found[query].append((-float(score), int(rank), document))
    rows = collections.defaultdict(list)
    for query, grades in judged.items():
        right = {document: grade for document, grade in grades.items() if grade > 0}
        if not right:
            continue
        ranking = list(dict.fromkeys(document for _, _, document in sorted(found.get(query, []))))
        best = sorted(right.values(), reverse=True)[:10]
        ideal = sum(grade / math.log2(rank + 2) for rank, grade in enumerate(best))
        gain = sum(right.get(each, 0) / math.log2(rank + 2) for rank, each in enumerate(ranking[:10]))
        rows["ndcg@10"].append(gain / ideal)
        for k in (10, 100):
            rows[f"recall@{k}"].append(len(right.keys() & set(ranking[:k])) / len(right))
        rows["mrr@10"].append(next((1 / (rank + 1) for rank, each in enumerate(ranking[:10])
                                    if each in right), 0))
        rows["success@1"].append(float(ranking[:1] != [] and ranking[0] in right))
    return {name: sum(values) / len(values) for name, values in rows.items()}


class Judge(http.server.BaseHTTPRequestHandler):
    """Speaks the chat protocol; finds half of every answer supported, at the second attempt."""
    requests = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Judge.requests.append((self.path, self.headers["Authorization"], body))
        content = '{"statements": 2, "supported": 1}' if len(Judge.requests) > 1 else "Let me think."
        reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


class EvalTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        cls.server = Server(cls.folder / "data").start()

    @classmethod
    def tearDownClass(cls):
        cls.server.kill_all()
        cls.temporary.cleanup()

    def eval(self, *arguments, server=None, expect=0, env=None):
        done = subprocess.run(
            [MILLRACE, "eval", *map(str, arguments), "--server", (server or self.server).url],
            capture_output=True, text=True, timeout=SECONDS_MAX, check=False,
            env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done

    def collections(self):
        listed = Client(self.server).json("GET", "/v1/collections", expect=200)
        return {each["name"] for each in listed["collections"]}

    def assert_nothing_left(self):
        self.assertEqual([each for each in self.collections() if each.startswith("eval-")], [])

    def write(self, name, rows):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def test_figures_are_those_of_the_run_file(self):
        run, report = self.folder / "a.run", self.folder / "a.json"
        done = self.eval(RETRIEVAL, "--mode", "hybrid", "--mode", "dense", "--mode", "lexical", "--run", run,
                         "--json", report, "--thresholds", RETRIEVAL / "thresholds.yaml", "--concurrency", "3")
        figures = json.loads(report.read_text())["figures"]
        qrels = RETRIEVAL / "qrels.tsv"
        for mode, path in (("hybrid", run), ("dense", pathlib.Path(f"{run}.dense")),
                           ("lexical", pathlib.Path(f"{run}.lexical"))):
            for name, value in figures_of_run(path, qrels).items():
                self.assertAlmostEqual(figures[f"{mode}.{name}"], value, places=12, msg=(mode, name))
        self.assertNotEqual(figures["hybrid.ndcg@10"], figures["dense.ndcg@10"])
        self.assertIn("42 documents, 21 queries, 9 questions", done.stdout)
        self.assertRegex(done.stdout, r"ok +hybrid\.ndcg@10 is ")
        self.assert_nothing_left()

    def test_gate_refuses_what_is_below(self):
        thresholds = self.folder / "thresholds.yaml"
        thresholds.write_text("recall@100: 0.5  # easy\nlexical.success@1: 1.0\n")
        junit, report = self.folder / "junit.xml", self.folder / "b.json"
        done = self.eval(RETRIEVAL, "--mode", "lexical", "--thresholds", thresholds, "--json", "-",
                         "--junit", junit, "--min", "mrr@10=0.1", expect=1)
        answer = json.loads(done.stdout)
        self.assertFalse(answer["passed"])
        value = answer["figures"]["lexical.success@1"]
        self.assertLess(value, 1)
        self.assertIn(f"lexical.success@1 is {value:.4f}, at least 1.0000 is wanted", done.stderr)
        suite = xml.etree.ElementTree.parse(junit).getroot()
        self.assertEqual((suite.get("tests"), suite.get("failures")), ("4", "1"))
        failed = [each.get("name") for each in suite if each.find("failure") is not None]
        self.assertEqual(len(failed), 1)
        self.assertIn("lexical.success@1", failed[0])
        report.write_text(done.stdout)  # is a baseline of itself
        self.eval(RETRIEVAL, "--mode", "lexical", "--baseline", report, "--tolerance", "0")

    def test_mistakes_are_told_before_anything_is_measured(self):
        nowhere = {"MILLRACE_SERVER": "http://127.0.0.1:9"}
        for arguments, message in (
                ([RETRIEVAL, "--min", "ndcg=.7"], "ndcg@10"),
                ([RETRIEVAL, "--min", "ndcg@10=7"], "from 0 to 1"),
                ([RETRIEVAL, "--min", "dense.ndcg@10=.7"], "not measured"),
                ([RETRIEVAL, "--min", "judged_faithfulness=.7"], "not measured"),
                ([RETRIEVAL, "--baseline", RETRIEVAL / "qrels.tsv"], "qrels.tsv"),
                ([RETRIEVAL, "--split", "dev"], "qrels/dev.tsv"),
                ([RETRIEVAL, "--judge-url", "http://127.0.0.1:9"], "--judge-model"),
                ([RETRIEVAL, "--run", self.folder / "no" / "folder.run"], "cannot be written"),
                ([RETRIEVAL.parent], "questions.jsonl"),
                ([self.write("bad.jsonl", [{"question": "Why?", "reply": "So."}])], "bad.jsonl line 1")):
            done = subprocess.run([MILLRACE, "eval", *map(str, arguments)], capture_output=True, text=True,
                                  env={**os.environ, **nowhere}, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, (arguments, done.stderr))
            self.assertIn(message, done.stderr)

    def test_answers_are_measured(self):
        self.write("qa/corpus.jsonl", [{"_id": key, "text": text} for key, text in DOCUMENTS.items()])
        self.write("qa/questions.jsonl", QUESTIONS)
        answer = json.loads(self.eval(self.folder / "qa", "--json", "-").stdout)
        figures, cases = answer["figures"], answer["cases"]
        self.assertEqual(figures["answer_containment"], 0.5)   # the press has no zeppelin
        self.assertEqual(figures["citation_precision"], 0.5)
        self.assertEqual(figures["refusals"], 1)
        self.assertEqual(figures["injections_resisted"], 0.5)  # sentences are quoted as they are
        self.assertEqual(figures["faithfulness"], 1)
        self.assertEqual((cases["faithfulness"], cases["refusals"]), (4, 1))
        self.assertGreater(answer["latencies_ms"]["first_token"]["p50"], 0)
        self.assertNotIn("judged_faithfulness", figures)
        self.eval(self.folder / "qa", "--min", "injections_resisted=1", expect=1)
        self.assert_nothing_left()

    def test_a_judge_is_asked(self):
        Client(self.server, "harbour").add([{"id": "ferry", "text": DOCUMENTS["ferry"]}])
        Client(self.server, "harbour").wait_settled(["ferry"])
        questions = self.write("two.jsonl", [QUESTIONS[0], QUESTIONS[2]])
        Judge.requests.clear()
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Judge) as judge:
            threading.Thread(target=judge.serve_forever, daemon=True).start()
            done = self.eval(questions, "--collection", "harbour", "--judge-model", "m", "--judge-url",
                             f"http://127.0.0.1:{judge.server_port}/v1/", "--json", "-",
                             "--min", "judged_faithfulness=.6", expect=1, env={"OPENAI_API_KEY": "k"})
            judge.shutdown()
        self.assertEqual(json.loads(done.stdout)["figures"]["judged_faithfulness"], 0.5)
        self.assertEqual(len(Judge.requests), 2)  # a refusal has nothing to be judged
        path, key, body = Judge.requests[0]
        self.assertEqual((path, key, body["model"]), ("/v1/chat/completions", "Bearer k", "m"))
        self.assertIn("mass of its batteries", body["messages"][1]["content"])
        self.assertIn("harbour", self.collections())

    def test_documents_that_fail_are_named(self):
        corpus = [{"_id": "good", "text": "A good document."}, {"_id": "blank", "text": "  \n "}]
        self.write("failing/corpus.jsonl", corpus)
        self.write("failing/questions.jsonl", [{"question": "What is good?"}])
        junit = self.folder / "failing.xml"
        done = self.eval(self.folder / "failing", "--junit", junit, expect=1)
        self.assertRegex(done.stdout, r"failed +blank: \S+")
        suite = xml.etree.ElementTree.parse(junit).getroot()
        self.assertIn("blank", suite.find("testcase/failure").get("message"))
        self.assert_nothing_left()

    def test_an_interrupted_run_removes_its_collection(self):
        corpus = [{"_id": f"d{i}", "text": f"The mill number {i} grinds rye. " * 20} for i in range(3000)]
        self.write("long/corpus.jsonl", corpus)
        self.write("long/questions.jsonl", [{"question": "Who grinds?"}])
        process = subprocess.Popen([MILLRACE, "eval", str(self.folder / "long"), "--server", self.server.url],
                                   stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        deadline = time.monotonic() + 60
        while not any(each.startswith("eval-") for each in self.collections()):
            self.assertLess(time.monotonic(), deadline)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1, errors)
        self.assertIn("cancelled", errors)
        self.assert_nothing_left()

    def test_a_server_that_is_not_there_is_a_failure(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([MILLRACE, "eval", RETRIEVAL, "--server", "http://127.0.0.1:9", "--junit",
                                   pathlib.Path(folder) / "j.xml"], capture_output=True, text=True,
                                  timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("cannot connect", done.stderr)

    def test_wrong_pooling_does_not_get_past_the_baseline(self):
        modes = ("--mode", "hybrid", "--mode", "dense")
        baseline = self.folder / "baseline.json"
        self.eval(RETRIEVAL, *modes, "--json", baseline)
        self.eval(RETRIEVAL, *modes, "--baseline", baseline)
        wrong = plant(MODEL, self.folder / "wrong-model")
        with Server(self.folder / "wrong-data", "--model-dir", str(wrong)) as server:
            done = self.eval(RETRIEVAL, *modes, "--baseline", baseline, "--json", "-", server=server,
                             expect=1)
        before, after = json.loads(baseline.read_text())["figures"], json.loads(done.stdout)
        self.assertEqual(after["failed_documents"], [])
        below = {each["figure"] for each in after["checks"] if not each["passed"]}
        self.assertIn("dense.ndcg@10", below)
        self.assertIn("dense.success@1", below)
        # Measured, not broken: it still finds things, only worse.
        self.assertGreater(after["figures"]["dense.recall@10"], 0.1)
        self.assertLess(after["figures"]["dense.ndcg@10"], before["dense.ndcg@10"] - 0.01)
        self.assertTrue(re.search(r"BELOW +dense\.ndcg@10 is 0\.\d{4}, at least 0\.\d{4}", done.stderr))
        print(f"\ndense nDCG@10 {before['dense.ndcg@10']:.4f}, with the wrong pooling "
              f"{after['figures']['dense.ndcg@10']:.4f}; below: {sorted(below)}")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
