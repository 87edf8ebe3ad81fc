#!/usr/bin/env python3
"""What failed is seen, mended and repeated: a file over a limit of the extractor dies, the limit is
raised, and its dead letter is redriven. What was replaced or deleted meanwhile stays so."""

import json
import os
import pathlib
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from kafka_system import KafkaSystem, make_server
from millrace_process import MILLRACE, Client

LIMIT = "MILLRACE_EXTRACT_OUTPUT_BYTES_MAX"
LARGE = "The ferry over the lake of Orrin carries forty sheep on market days. " * 200
SMALL = "The mill of Orrin grinds rye at night."
PATH = "/v1/dead-letters"


class DeadLettersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.server = make_server(pathlib.Path(cls.folder.name) / "data")
        cls.server.env[LIMIT] = "4KiB"
        cls.server.start()
        cls.client = Client(cls.server)

    @classmethod
    def tearDownClass(cls):
        cls.server.kill_all()
        cls.folder.cleanup()

    def restart(self, limit):
        """With another limit: of many processes only that of the extractor, else the one there is."""
        self.server.env[LIMIT] = limit
        if isinstance(self.server, KafkaSystem):
            worker = next(each for each in self.server.workers if each.name == "documents")
            worker.process.terminate()
            self.assertEqual(worker.process.wait(), 0)
            worker.start().wait_ready()
        else:
            self.assertEqual(self.server.stop(), 0)
            self.server.start()
            type(self).client = Client(self.server)

    def millrace(self, *arguments):
        return subprocess.run([MILLRACE, "dead-letters", *arguments, "--server", self.server.url],
                              capture_output=True, timeout=120, check=False, env=os.environ)

    def fail(self, *names, collection="default"):
        """Documents that are too large to be read; their letters by id of the document."""
        client = Client(self.server, collection)
        client.add([{"id": name, "text": LARGE + name} for name in names])
        self.assertEqual(set(client.wait_settled(names).values()), {"failed"})
        letters = {}
        deadline = time.monotonic() + 60
        while len(letters) < len(names):
            self.assertLess(time.monotonic(), deadline, letters)
            listed = reversed(self.letters(collection=collection, state="waiting"))  # the newest counts
            letters = {each["document_id"]: each for each in listed if each["document_id"] in names}
        return letters

    def letters(self, **conditions):
        found = self.client.json("GET", f"{PATH}?{urllib.parse.urlencode(conditions)}", expect=200)
        return found["dead_letters"]

    def redrive(self, letter, expect=202):
        return self.client.json("POST", f"{PATH}/{letter['id']}/redrive", expect=expect)

    def test_1_a_letter_shows_what_failed_and_why(self):
        letter = self.fail("ferry")["ferry"]
        self.assertEqual((letter["stage"], letter["kind"], letter["state"], letter["attempts"],
                          letter["topic"], letter["collection"]),
                         ("extractor", "rejected", "waiting", 1, "documents", "default"))
        status = self.client.status("ferry")
        self.assertEqual((letter["message"], letter["document_url"]), (status["error"], status["status_url"]))
        whole = self.client.json("GET", f"{PATH}/{letter['id']}", expect=200)
        self.assertEqual(whole["key"], "default/ferry")
        self.assertEqual(whole["history"], [])
        headers = {each["name"]: each["value"] for each in whole["headers"]}
        self.assertEqual(headers["event-type"], "document")
        self.assertIn(whole["trace_id"], headers["traceparent"])
        status, fields, content = self.client.request("GET", letter["bytes_url"])
        self.assertEqual(status, 200)
        self.assertEqual(fields["Content-Type"], "application/octet-stream")
        self.assertEqual(fields["X-Content-Type-Options"], "nosniff")
        self.assertEqual(fields["Content-Disposition"], f'attachment; filename="{letter["id"]}"')
        line, _, value = content.partition(b"\n")
        self.assertEqual(json.loads(line)["document"]["document_id"], "ferry")
        self.assertEqual(value.decode(), LARGE + "ferry")
        self.assertEqual(letter["bytes"], len(content))

    def test_2_after_the_cause_is_mended_redriving_indexes_the_document(self):
        letter = self.letters(document="ferry")[0]
        again = self.redrive(letter)  # the cause is still there: it dies again, under another id
        self.assertEqual((again["id"], again["state"]), (letter["id"], "redriven"))
        self.assertEqual(self.client.wait_settled(["ferry"]), {"ferry": "failed"})
        self.assertEqual(self.client.status("ferry")["revision"], again["redriven"]["revision"])
        [second] = self.fail("other") and self.letters(document="ferry", state="waiting")
        self.assertNotEqual(second["id"], letter["id"])
        self.assertEqual(second["redriven_from"], letter["id"])
        self.restart("64MiB")
        third = self.redrive(second)
        events = [event for event, _, _ in self.client.events(
            f"{self.client.base}/documents/ferry/events", deadline=time.monotonic() + 120)]
        self.assertEqual(events[-1], "indexed")
        self.assertNotIn("failed", events)
        status = self.client.status("ferry")
        self.assertEqual((status["state"], status["revision"]), ("indexed", third["redriven"]["revision"]))
        found = self.client.search("sheep on market days", 1)["passages"][0]
        self.assertEqual(found["document_id"], "ferry")
        shown = self.client.json("GET", f"{PATH}/{second['id']}", expect=200)
        self.assertEqual((shown["state"], shown["history"]), ("redriven", [letter["id"]]))
        problem = self.client.json("GET", f"{PATH}/{second['id']}/bytes", expect=409)
        self.assertIn("not kept", problem["detail"])

    def test_3_twice_is_refused(self):
        letter = self.letters(document="ferry", state="redriven")[0]
        problem = self.redrive(letter, expect=409)
        self.assertIn(letter["redriven"]["revision"], problem["detail"])
        self.assertIn("no dead letter", self.redrive({"id": "documents~0~999999"}, expect=404)["detail"])
        self.assertIn("TOPIC~PARTITION~OFFSET", self.redrive({"id": "documents"}, expect=400)["detail"])

    def test_4_what_was_replaced_or_deleted_stays_so(self):
        self.restart("4KiB")
        letters = self.fail("replaced", "deleted", "again")
        self.client.add([{"id": "replaced", "text": SMALL}])
        self.client.json("DELETE", f"{self.client.base}/documents/deleted", expect=202)
        self.assertEqual(self.client.wait_settled(["replaced", "deleted"]),
                         {"replaced": "indexed", "deleted": "deleted"})
        newer = self.fail("again")["again"]
        self.restart("64MiB")
        self.assertIn("was replaced by revision", self.redrive(letters["replaced"], 409)["detail"])
        self.assertIn("was deleted", self.redrive(letters["deleted"], 409)["detail"])
        self.assertIn("was replaced by revision", self.redrive(letters["again"], 409)["detail"])
        self.assertEqual(self.client.status("replaced")["state"], "indexed")
        self.assertEqual(self.client.status("deleted")["state"], "deleted")
        self.redrive(newer)
        self.assertEqual(self.client.wait_settled(["again"]), {"again": "indexed"})
        # All that was known of the document went with it.
        self.assertEqual(self.client.json("GET", f"{PATH}/{letters['again']['id']}", expect=200)["state"], "redriven")

    def test_5_many_by_filter(self):
        self.restart("4KiB")
        names = [f"shelf-{i}" for i in range(7)]
        letters = self.fail(*names, collection="shelf")
        shelf = Client(self.server, "shelf")
        shelf.add([{"id": "shelf-3", "text": SMALL}])
        shelf.wait_settled(["shelf-3"])
        self.assertEqual({each["document_id"] for each in self.letters(collection="shelf", document="shelf-")},
                         set(names))
        ats = [each["at"] for each in self.letters(collection="shelf")]
        self.assertEqual(ats, sorted(ats, reverse=True))
        self.assertEqual(self.letters(collection="shelf", stage="chunker"), [])
        self.assertEqual(self.letters(collection="shelf", before=min(ats)), [])
        self.assertEqual(len(self.letters(collection="shelf", after=min(ats))), 7)
        walked, cursor = [], ""
        while cursor is not None:
            page = self.client.json("GET", f"{PATH}?collection=shelf&limit=2" + cursor, expect=200)
            walked += [each["id"] for each in page["dead_letters"]]
            cursor = "&cursor=" + page["next"] if "next" in page else None
        self.assertEqual(sorted(walked), sorted(each["id"] for each in letters.values()))
        self.restart("64MiB")
        first = self.client.json("POST", PATH + "/redrive", {"collection": "shelf", "limit": 5}, expect=202)
        self.assertEqual((first["redriven"] + first["skipped"], first["remaining"]), (5, 2))
        second = self.client.json("POST", PATH + "/redrive", {"collection": "shelf", "cursor": first["next"]},
                                  expect=202)
        self.assertEqual((first["redriven"] + second["redriven"], first["skipped"] + second["skipped"],
                          second["remaining"]), (6, 1, 0))
        [skipped] = first["reasons"] + second["reasons"]
        self.assertEqual(skipped["id"], letters["shelf-3"]["id"])
        self.assertIn("replaced", skipped["reason"])
        states = Client(self.server, "shelf").wait_settled(names)
        self.assertEqual(set(states.values()), {"indexed"}, states)

    def test_6_purging(self):
        [waiting] = self.letters(collection="shelf", state="waiting")
        self.client.json("DELETE", f"{PATH}/{waiting['id']}", expect=200)
        self.client.json("DELETE", f"{PATH}/{waiting['id']}", expect=404)
        self.client.json("GET", f"{PATH}/{waiting['id']}/bytes", expect=404)
        self.assertEqual(self.letters(collection="shelf", state="waiting"), [])
        purged = self.client.json("POST", PATH + "/purge", {"collection": "shelf", "state": "redriven"}, expect=200)
        self.assertEqual((purged["purged"], purged["remaining"]), (6, 0))
        self.assertEqual(self.letters(collection="shelf"), [])
        self.assertTrue(self.letters())
        for body, says in (({}, "all"), ({"all": True, "stage": "extractor"}, "all"), ({"limit": 0, "all": True}, "limit"),
                           ({"stages": "x"}, "stages"), ({"kind": "bad"}, "retryable"), ({"after": "noon"}, "after"),
                           ({"stage": 7}, "stage"), ({"state": "lost"}, "waiting or redriven"),
                           ({"cursor": "x", "all": True}, "cursor")):
            self.assertIn(says, self.client.json("POST", PATH + "/purge", body, expect=400)["detail"])

    def test_7_on_the_command_line(self):
        self.restart("4KiB")
        letters = self.fail("a b", "two", "three")
        one = letters["a b"]["id"]
        listed = self.millrace("list", "--state", "waiting", "--document", "a b").stdout.decode()
        self.assertRegex(listed, rf"{one}  extractor  waiting  default/a b\n    rejected: ")
        self.assertEqual(len(json.loads(self.millrace("list", "--json", "--kind", "rejected").stdout)["dead_letters"]),
                         len(self.letters(kind="rejected")))
        shown = self.millrace("show", one).stdout.decode()
        self.assertRegex(shown, r"message +\S.*\n(.*\n)*document +default/a b\n")
        self.assertTrue(self.millrace("show", one, "--bytes", "-").stdout.endswith((LARGE + "a b").encode()))
        self.restart("64MiB")
        done = self.millrace("redrive", one)
        self.assertEqual((done.returncode, done.stdout.decode()), (0, f"redriven {one}\n"))
        again = self.millrace("redrive", one, letters["two"]["id"])
        self.assertEqual((again.returncode, again.stdout.decode()), (1, f"redriven {letters['two']['id']}\n"))
        self.assertIn("already", again.stderr.decode())
        rest = self.millrace("redrive", "--all")
        self.assertEqual(rest.returncode, 0, rest.stderr)
        self.assertRegex(rest.stdout.decode(), r"^\d+ redriven, \d+ skipped\n$")
        states = self.client.wait_settled(["a b", "two", "three"])
        self.assertEqual(set(states.values()), {"indexed"}, states)
        for wrong in (["purge"], ["purge", "--all", one], ["redrive"], ["show"], ["list", "--limit", "many"]):
            self.assertEqual(self.millrace(*wrong).returncode, 2, wrong)
        purged = self.millrace("purge", "--all")
        self.assertRegex(purged.stdout.decode(), r"^[1-9]\d* purged, 0 skipped\n$")
        self.assertEqual(self.millrace("list").stdout, b"No dead letters.\n")

    def test_8_metrics_count_what_waits(self):
        self.restart("4KiB")
        self.fail("counted", "too")
        wanted = 'dead_letters_waiting{stage="extractor"} 2'
        deadline = time.monotonic() + 60
        while wanted not in self.server.metrics():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(.1)
        self.millrace("purge", "--document", "counted")
        while wanted.replace(" 2", " 1") not in self.server.metrics():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(.1)
        self.assertRegex(self.server.metrics(), r"\ndead_letters_purged_total [1-9]")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
