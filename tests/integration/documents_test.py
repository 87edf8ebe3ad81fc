#!/usr/bin/env python3
"""The main job from outside: files of several formats go in with `millrace add`, `millrace ask`
answers about each, and every citation's span is exactly what it quotes."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from kafka_system import make_server
from millrace_process import MILLRACE, Client


def pdf(pages):
    """A small PDF with one line of text per page."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", None,
               "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for line in pages:
        stream = f"BT /F1 12 Tf 72 700 Td ({line}) Tj ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        objects.append("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
                       f"/Contents {len(objects)} 0 R /Resources << /Font << /F1 3 0 R >> >> >>")
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>"
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    return (f"{out}xref\n0 {size}\n0000000000 65535 f \n{table}"
            f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n").encode("latin-1")


FILES = {
    "lighthouse.pdf": pdf(["The harbour of Farholm was founded by fishermen.",
                           "The lighthouse of Farholm was built in 1874 by Ingrid Dahl."]),
    "bakery.html": b"<html><head><title>Bakery</title><script>var x = 'hidden';</script></head><body>"
                   b"<h1>Bakery</h1><p>The bakery on Mill Street opens at half past five in the "
                   b"morning.</p></body></html>",
    "orchard.md": "# Orchard\n\n## Pears\n\nThe oldest pear tree in the orchard is called "
                  "Großmutter and bears 90 kilograms a year.\n".encode(),
    "comet.txt": "The comet Veranth returns every 212 years. It was last seen in 1903.".encode("utf-16"),
    "staff.csv": b"name,role,office\nMara Quint,beekeeper,North tower\nOle Brandt,archivist,Cellar\n",
    "pumps.json": json.dumps([{"pump": "P-7", "flow_litres": 340, "location": "boiler room"},
                              {"pump": "P-9", "flow_litres": 120, "location": "roof garden"}]).encode(),
    "trips.jsonl": b'{"trip": "Lake Orrin ferry", "duration": "three hours and ten minutes"}\n'
                   b'{"trip": "Ridge railway", "duration": "forty minutes"}\n',
}
QUESTIONS = {
    "lighthouse.pdf": ("Who built the lighthouse of Farholm?", "Ingrid Dahl"),
    "bakery.html": ("When does the bakery on Mill Street open?", "half past five"),
    "orchard.md": ("What is the oldest pear tree in the orchard called?", "Großmutter"),
    "comet.txt": ("How often does the comet Veranth return?", "212 years"),
    "staff.csv": ("Which office does the beekeeper Mara Quint have?", "North tower"),
    "pumps.json": ("Where is the pump P-9 located?", "roof garden"),
    "trips.jsonl": ("How long does the Lake Orrin ferry trip take?", "three hours and ten minutes"),
}


class DocumentsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = pathlib.Path(cls.folder.name)
        cls.files = root / "files"
        cls.files.mkdir()
        for name, content in FILES.items():
            (cls.files / name).write_bytes(content)
        cls.server = make_server(root / "data").start()
        cls.client = Client(cls.server)

    @classmethod
    def tearDownClass(cls):
        cls.server.kill_all()
        cls.folder.cleanup()

    def millrace(self, *arguments):
        return subprocess.run([MILLRACE, *arguments, "--server", self.server.url], text=True,
                              capture_output=True, timeout=300, check=False)

    def test_1_add_reports_every_document(self):
        done = self.millrace("add", str(self.files))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"{len(FILES)} files: {len(FILES)} accepted, {len(FILES)} indexed", done.stdout)

    def test_2_each_answer_cites_its_document_exactly(self):
        for name, (question, expected) in QUESTIONS.items():
            with self.subTest(name):
                done = self.millrace("ask", "--json", question)
                self.assertEqual(done.returncode, 0, done.stderr)
                answer = json.loads(done.stdout)
                self.assertFalse(answer["refused"], answer)
                self.assertIn(expected, answer["answer"])
                citation = next(each for each in answer["citations"] if expected in each["quote"])
                self.assertEqual(citation["document_id"], f"files/{name}")
                self.assertEqual(self.cited_text(citation), citation["quote"])
                self.assertEqual("page" in citation, name.endswith(".pdf"))
        page = next(each["page"] for each in self.ask(QUESTIONS["lighthouse.pdf"][0])["citations"]
                    if "Ingrid" in each["quote"])
        self.assertEqual(page, 2)

    def ask(self, question):
        return json.loads(self.millrace("ask", "--json", question).stdout)

    def cited_text(self, citation):
        path = f"{self.client.base}/documents/{urllib.parse.quote(citation['document_id'], safe='')}/text"
        query = urllib.parse.urlencode({name: citation[name] for name in ("revision", "start", "end")})
        return self.client.json("GET", f"{path}?{query}", expect=200)["text"]

    def test_3_people_read_the_same_answer(self):
        done = self.millrace("ask", QUESTIONS["bakery.html"][0])
        self.assertRegex(done.stdout, r"half past five[\s\S]*Sources[\s\S]*\[1\] Bakery .*revision 0")
        found = self.millrace("search", "pear tree")
        self.assertIn("Großmutter", found.stdout)
        status = self.millrace("status")
        self.assertRegex(status.stdout, rf"default\s+{len(FILES)}\s")

    def test_3b_status_shows_the_index(self):
        deadline = time.monotonic() + 60
        shown = ""
        while f" of {len(FILES)} documents " not in shown and time.monotonic() < deadline:
            shown = self.millrace("status").stdout  # each indexer tells every two seconds
        self.assertRegex(shown, rf"\nindex: \d+ chunks of {len(FILES)} documents in \d+ segments?, "
                                r"\d.* on disk, \d.* in memory, \d+ merges?\n")
        collection = self.client.json("GET", "/v1/collections/default", expect=200)
        whole = self.client.json("GET", "/stats", expect=200)["index"]
        for index in (collection["index"], whole):
            for name in ("documents", "chunks"):
                self.assertEqual(index[name], collection[name], name)
            for name in ("segments", "disk_bytes", "memory_bytes"):
                self.assertGreater(index[name], 0, name)

    def test_4_a_question_without_evidence_is_refused(self):
        answer = self.ask("What is the melting point of tungsten carbide in kelvin?")
        self.assertTrue(answer["refused"], answer)
        self.assertEqual(answer["citations"], [])

    def test_5_broken_files_fail_with_a_reason_and_harm_nothing(self):
        broken = self.files / "broken.pdf"
        broken.write_bytes(FILES["lighthouse.pdf"][:120])
        done = self.millrace("add", str(broken))
        broken.unlink()
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"failed: broken\.pdf: .*PDF")
        status = self.client.status("broken.pdf")
        self.assertEqual(status["state"], "failed")
        self.assertIn("PDF", status["error"])
        metrics = self.server.metrics()
        self.assertRegex(metrics, r'stage_dead_letters_total\{[^}]*stage="extractor"[^}]*\} 1')
        self.assertEqual(self.ask(QUESTIONS["bakery.html"][0])["refused"], False)

    def test_6_replacing_and_deleting(self):
        (self.files / "bakery.html").write_bytes(
            FILES["bakery.html"].replace(b"half past five", b"a quarter to seven"))
        self.millrace("add", str(self.files))
        answer = self.ask(QUESTIONS["bakery.html"][0])["answer"]
        self.assertIn("a quarter to seven", answer)
        self.assertNotIn("half past five", answer)
        self.client.json("DELETE", f"{self.client.base}/documents/files%2Fbakery.html", expect=202)
        self.assertEqual(self.client.wait_settled(["files/bakery.html"]),
                         {"files/bakery.html": "deleted"})
        found = self.client.search("bakery on Mill Street", 20)["passages"]
        self.assertNotIn("files/bakery.html", [each["document_id"] for each in found])

    def test_7_it_stops_when_asked_and_goes_on_where_it_was(self):
        before = self.client.json("GET", "/v1/collections/default", expect=200)
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        type(self).client = Client(self.server)
        after = self.client.json("GET", "/v1/collections/default", expect=200)
        self.assertEqual(after["documents"], before["documents"])
        self.assertIn("Ingrid Dahl", self.ask(QUESTIONS["lighthouse.pdf"][0])["answer"])

    def test_8_filters_modes_and_explanations_on_the_command_line(self):
        shelf = Client(self.server, "shelf")
        added = shelf.add([{"id": f"b{year}", "title": f"Report {year}",
                            "text": f"The mill ground rye in {year}. Its wheel has part E-{year}.",
                            "metadata": {"year": year, "tags": ["mill", "rye"]}}
                           for year in range(2018, 2024)])
        shelf.wait_settled([each["id"] for each in added])

        def search(*flags):
            done = self.millrace("search", "-c", "shelf", "-k", "10", "--json", *flags)
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads(done.stdout)["passages"]

        late = search("mill", "--filter", '{"year": {"gte": 2022}, "tags": "rye"}')
        self.assertEqual({each["document_id"] for each in late}, {"b2022", "b2023"})
        exact = search("E-2020", "--mode", "lexical", "--one-per-document", "--explain")
        self.assertEqual(exact[0]["document_id"], "b2020")
        for passage in exact + late:
            self.assertTrue(0 <= passage["score"] <= 1, passage)
        legs = exact[0]["explanation"]
        self.assertAlmostEqual(legs["dense_weight"] * legs["dense"] +
                               legs["lexical_weight"] * legs["lexical"], exact[0]["score"], 5)
        self.assertNotIn("explanation", late[0])
        people = self.millrace("search", "-c", "shelf", "--explain", "rye", "--diversity", "0.3")
        self.assertRegex(people.stdout, r"1\. Report \d+  \(score (0\.\d+)\)\n   \1 = ")
        answer = self.millrace("ask", "-c", "shelf", "--explain", "--filter", '{"year": 2019}',
                               "When did the mill grind rye?")
        self.assertIn("2019", answer.stdout, answer.stderr)
        self.assertRegex(answer.stdout, r"Passages\n1\. Report 2019  \(score")
        wrong = self.millrace("search", "-c", "shelf", "rye", "--filter", '{"year": {"$gte": 1}}')
        self.assertEqual(wrong.returncode, 1)
        self.assertIn('filter.year: unknown operator "$gte"', wrong.stderr)
        self.assertEqual(self.millrace("search", "rye", "--filter", "year>1").returncode, 2)
        deep = '{"not":' * 9 + '{"year": 1}' + "}" * 9
        for code, flags, says in (
                (1, ["-k", "101"], "from 1 to 100, not 101"), (2, ["-k", "many"], "--top-k = many"),
                (1, ["--filter", deep], "deeper than 8 levels"),
                (1, ["--filter", '{"year": {"in": []}}'], "filter.year.in: expected a list of at least one"),
                (2, ["--filter", "[]"], "is not a JSON object; write it as"),
                (2, ["--diversity", "2"], "must be a number from 0 to 1"),
                (2, ["--mode", "bm25"], "not in {hybrid,dense,lexical}")):
            for command in "search", "ask":
                wrong = self.millrace(command, "rye", *flags)
                self.assertEqual(wrong.returncode, code, wrong)
                self.assertIn(says, wrong.stderr)
                self.assertEqual(wrong.stdout, "")
        for question, says in ((" ", "is empty"), ("rye " * 3000, "is longer than 8192 bytes")):
            self.assertIn(says, self.millrace("search", question).stderr)
            self.assertIn(says, self.millrace("ask", question).stderr)

    def test_9_the_command_line_says_what_is_wrong(self):
        nobody = subprocess.run([MILLRACE, "status", "--server", "http://127.0.0.1:1"], text=True,
                                capture_output=True, check=False)
        self.assertEqual(nobody.returncode, 1)
        self.assertIn("127.0.0.1:1", nobody.stderr)
        missing = self.millrace("add", "no-such-folder")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("no-such-folder: no such file or folder", missing.stderr)
        wrong = subprocess.run([MILLRACE, "serve", "--partitions", "many"], text=True,
                               capture_output=True, check=False,
                               env={**os.environ, "MILLRACE_CHUNK_TOKENS": "3"})
        self.assertEqual(wrong.returncode, 2)
        self.assertRegex(wrong.stderr, r"partitions: .*many")
        self.assertTrue(re.search(r"chunk_tokens: .*3.*MILLRACE_CHUNK_TOKENS", wrong.stderr),
                        wrong.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
