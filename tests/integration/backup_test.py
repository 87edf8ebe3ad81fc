#!/usr/bin/env python3
"""A backup that is taken under load, restored elsewhere, has the same documents, revisions, statuses, texts,
answers and dead letters; from one kind of log to the other and back, too. A damaged one is refused and leaves
nothing behind."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

from kafka_system import KafkaSystem, brokers, make_server
from ledger import text_of
from millrace_process import MILLRACE, Client, Server
from s3_server import S3Server

LIMIT = "MILLRACE_EXTRACT_OUTPUT_BYTES_MAX"
SHELF = {"mill": "The mill of Orrin grinds rye at night. Its wheel has twelve blades of oak.",
         "ferry": "The ferry over the lake of Orrin leaves at noon and takes three hours.",
         "comet": "The comet Veranth returns every 212 years and was last seen in 1903.",
         "large": "The archive of Orrin keeps the ledgers of the harbour."}
LARGE = f"<html><!-- {'-' * 2_000_000} --><p>{SHELF['large']}</p></html>"  # several segments
QUESTIONS = ("How many blades has the wheel of the mill?", "When does the ferry leave?")
OVER_KAFKA = "TEST_KAFKA_BOOTSTRAP" in os.environ
COUNTS_SECONDS_MAX = 120
LOAD = 12  # documents that change all the time


def millrace(*arguments, env=None):
    return subprocess.run([MILLRACE, *arguments], capture_output=True, text=True, timeout=300, check=False,
                          env={**os.environ, **(env or {})})


def seen(server, queries):
    """What clients see of the collection `shelf`, which nobody changes, and of its questions and failures."""
    client = Client(server, "shelf")
    listed = client.json("GET", f"{client.base}/documents?limit=1000", expect=200)["documents"]
    documents = {each["id"]: {name: each[name] for name in ("state", "revision", "chunks")} for each in listed}
    texts = {}
    for name in SHELF:
        path = f"{client.base}/documents/{name}/text"
        texts[name] = client.json("GET", path, expect=200)
    passages = {}
    for name, text in SHELF.items():
        best = client.search(text[:100], 1)["passages"][0]
        passages[name] = {key: best[key] for key in ("document_id", "revision", "chunk_id", "text")}
    letters = client.json("GET", "/v1/dead-letters?collection=shelf", expect=200)["dead_letters"]
    failures = [{key: each[key] for key in ("document_id", "stage", "message", "state", "bytes")} for each in letters]
    contents = [client.request("GET", each["bytes_url"])[2] for each in letters]
    answers = {query: client.json("GET", f"/v1/queries/{query}", expect=200) for query in queries}
    there = sum(each["state"] != "deleted" for each in listed)
    deadline = time.monotonic() + COUNTS_SECONDS_MAX
    while (collection := client.json("GET", client.base, expect=200))["documents"] != there:
        assert time.monotonic() < deadline, (collection, there)
        time.sleep(0.2)  # counts are kept for a while, the longer the longer it took to count
    return {"documents": documents, "texts": texts, "passages": passages, "failures": failures,
            "contents": contents, "answers": answers, "description": collection["description"],
            "counts": (collection["documents"], collection["chunks"])}


def revisions(server):
    """Of every document of every collection, with its state."""
    client = Client(server)
    found = {}
    for collection in client.json("GET", "/v1/collections", expect=200)["collections"]:
        listed = client.json("GET", f"/v1/collections/{collection['name']}/documents?limit=1000", expect=200)
        found[collection["name"]] = {each["id"]: (each["revision"], each["state"]) for each in listed["documents"]}
    return found


class Load:
    """Documents of `default` that are added, replaced and deleted while it runs."""

    def __init__(self, server):
        self.sent, self.warm, self.done = {number: [] for number in range(LOAD)}, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, args=(Client(server),), daemon=True)
        self.thread.start()

    def _run(self, client):
        version = 0
        while not self.done.is_set():
            version += 1
            for number in range(LOAD):
                removes = version % 5 == 4 and number % 3 == 0
                self.sent[number].append(None if removes else version)
                path = f"{client.base}/documents/doc-{number}"
                if removes:
                    client.json("DELETE", path, expect=202)
                else:
                    status, _, answer = client.request("PUT", path, text_of(number, version),
                                                       {"Content-Type": "text/plain"})
                    assert status == 202, answer
            if version == 4:
                self.warm.set()

    def stop(self):
        self.done.set()
        self.thread.join()


class BackupTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        cls.place = cls.root / "backups"
        cls.running = []
        cls.server = make_server(cls.root / "data")
        cls.server.env.update({"MILLRACE_BACKUP_TO": str(cls.place), LIMIT: "2MiB",
                               "MILLRACE_BACKUP_BYTES_PER_SECOND_MAX": "0"})
        cls.start(cls.server)
        client = Client(cls.server, "shelf")
        client.json("PUT", client.base, {"description": "kept"}, expect=201)
        client.add([{"id": name, "text": f"An older text of {name}."} for name in SHELF])
        client.wait_settled(SHELF)
        client.add([{"id": name, "text": text} for name, text in SHELF.items() if name != "large"])
        client.add([{"id": "large", "media_type": "text/html",
                     "content_base64": base64.b64encode(LARGE.encode()).decode()}])
        client.add([{"id": "gone", "text": "To be deleted."}, {"id": "failed", "text": "Too large. " * 300_000}])
        client.wait_settled([*SHELF, "gone", "failed"])
        client.json("DELETE", f"{client.base}/documents/gone", expect=202)
        client.wait_settled(["gone"])
        cls.queries = [client.json("POST", f"{client.base}/queries?wait=true", {"question": each}, expect=200)["id"]
                       for each in QUESTIONS]
        cls.before = seen(cls.server, cls.queries)

    @classmethod
    def start(cls, server):
        cls.running.append(server)
        return server.start()

    @classmethod
    def tearDownClass(cls):
        for each in cls.running:
            each.kill_all()
        cls.folder.cleanup()

    def back_up(self, server=None):
        done = millrace("backup", "--json", "--server", (server or self.server).url)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["name"]

    def restore(self, source, name, env=None):
        """Into a log of one process; the server over it, not started."""
        target = self.root / name
        done = millrace("restore", "--from", str(source), "--data-dir", str(target), env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("restored", done.stdout)
        return Server(target, "--partitions", str(self.partitions), env={LIMIT: "2MiB"})

    def restore_into_kafka(self, source, name):
        system = KafkaSystem(self.root / name, partitions=self.partitions)
        system.env.update({"MILLRACE_BACKUP_TO": str(self.place), LIMIT: "2MiB"})
        system.has_topics = True  # made by the restore
        done = millrace("restore", "--from", str(source), "--brokers", system.bootstrap,
                        "--kafka-prefix", system.prefix)
        self.assertEqual(done.returncode, 0, done.stderr)
        return system

    @property
    def partitions(self):
        return self.server.partitions if OVER_KAFKA else 2

    def wait_indexed(self, server):
        """The index is built anew, from the log."""
        client = Client(server, "shelf")
        deadline = time.monotonic() + 120
        for name, text in SHELF.items():
            found = []
            while name not in found:
                self.assertLess(time.monotonic(), deadline, name)
                found = [each["document_id"] for each in client.search(text[:100], 1)["passages"]]

    def check(self, server):
        self.start(server)
        self.wait_indexed(server)
        self.assertEqual(seen(server, self.queries), self.before)
        # And it goes on: what is new gets in, what replaces is newer than what came from the backup.
        client = Client(server, "shelf")
        client.add([{"id": "mill", "text": "The mill of Orrin stands still."}, {"id": "new", "text": "A new entry."}])
        self.assertEqual(client.wait_settled(["mill", "new"]), {"mill": "indexed", "new": "indexed"})
        self.assertIn("stands still", client.search("mill of Orrin stands still", 1)["passages"][0]["text"])
        client.add([{"id": "mill", "text": SHELF["mill"]}])
        client.json("DELETE", f"{client.base}/documents/new", expect=202)
        client.wait_settled(["mill", "new"])

    def test_1_under_load_and_elsewhere(self):
        load = Load(self.server)
        self.assertTrue(load.warm.wait(120))
        accepted = {number: max(len(versions) - 2, 0) for number, versions in load.sent.items()}
        name = self.back_up()
        load.stop()
        other = self.restore(self.place / name, "loaded")
        self.check(other)
        client = Client(other)
        for number in range(LOAD):
            possible = load.sent[number][accepted[number]:]  # what was accepted before it began, or later
            version = self.settled(client, number, load.sent[number])
            self.assertIn(version, possible, number)
        self.assertEqual(other.stop(), 0)

    def settled(self, client, number, versions):
        """The version of the document, as soon as status, text and search have the same one: the stages go on
        behind what the backup has."""
        name = f"doc-{number}"
        deadline = time.monotonic() + 120
        while True:
            status = client.status(name)
            _, _, answer = client.request("GET", f"{client.base}/documents/{name}/text")
            text = json.loads(answer)
            wanted = text.get("text") or text_of(number, 1)
            found = {each["revision"]: each["text"] for each in client.search(wanted, LOAD)["passages"]
                     if each["document_id"] == name}
            if status["state"] == "deleted" and not found:
                return None
            if status["state"] == "indexed" and found == {status["revision"]: text.get("text")}:
                return next(each for each in versions if each and text_of(number, each) == text["text"])
            self.assertLess(time.monotonic(), deadline, (status, text, found))

    def test_2_the_newest_one_is_taken_where_none_is_named(self):
        name = self.back_up()
        listed = millrace("backups", "--server", self.server.url).stdout
        self.assertRegex(listed, rf"^{name}  whole  \d")
        done = millrace("restore", "--from", str(self.place), "--verify")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, rf"^backup {name} is whole: \d+ records, .* {self.partitions} partitions")
        metrics = self.server.metrics()
        self.assertRegex(metrics, r'backups_total\{outcome="done"\} [1-9]')
        self.assertRegex(metrics, r"\nbackup_last_bytes [1-9]")

    def test_3_a_damaged_one_is_refused_and_leaves_nothing(self):
        name = self.back_up()
        target = self.root / "damaged-target"
        for damage in ("flip", "cut", "missing", "manifest", "no-manifest", "format"):
            with self.subTest(damage):
                copy = self.root / "damaged" / damage / name
                shutil.copytree(self.place / name, copy)
                records = max(copy.glob("documents-*.records"), key=lambda each: each.stat().st_size)
                manifest = copy / "manifest.json"
                content = records.read_bytes()
                if damage == "flip":
                    middle = len(content) // 2
                    records.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:])
                elif damage == "cut":
                    records.write_bytes(content[:-1])
                elif damage == "missing":
                    records.unlink()
                elif damage == "no-manifest":
                    manifest.unlink()
                else:
                    old, new = ('"offset":', '"offset":1') if damage == "manifest" else ('"format":1', '"format":2')
                    manifest.write_text(manifest.read_text().replace(old, new))
                done = millrace("restore", "--from", str(copy), "--data-dir", str(target))
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(name, done.stderr)
                self.assertEqual([each.name for each in self.root.iterdir() if each.name.startswith("damaged-")], [])
        full = self.root / "full"
        full.mkdir()
        (full / "mine").write_text("here")
        done = millrace("restore", "--from", str(self.place / name), "--data-dir", str(full))
        self.assertEqual(done.returncode, 1)
        self.assertIn("not empty", done.stderr)
        self.assertEqual([each.name for each in full.iterdir()], ["mine"])
        for wrong in (["--data-dir", str(target), "--brokers", "x:1"], [], ["--form", "x"]):
            self.assertEqual(millrace("restore", "--from", str(self.place), *wrong).returncode, 2, wrong)
        nothing = millrace("restore", "--from", str(self.root / "nowhere"), "--data-dir", str(target))
        self.assertEqual(nothing.returncode, 1)
        self.assertIn("no whole backup", nothing.stderr)

    @unittest.skipIf(OVER_KAFKA, "is of one process")
    def test_4_one_at_a_time_and_none_without_a_place(self):
        slow = Server(self.root / "slow", "--backup-to", str(self.root / "slow-backups"),
                      "--backup-bytes-per-second-max", "1KiB")
        self.start(slow)
        client = Client(slow)
        client.add([{"id": f"d{i}", "text": SHELF["mill"] * 40} for i in range(40)])
        client.wait_settled(["d39"])
        name = client.json("POST", "/v1/backups", expect=202)["name"]
        self.assertIn(name, client.json("POST", "/v1/backups", expect=409)["detail"])
        deadline = time.monotonic() + 60
        while True:
            running = client.json("GET", "/v1/backups", expect=200)["running"]
            if running["records"] > 0:
                break
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual((running["name"], bool(running["topic"])), (name, True))
        self.assertEqual(slow.stop(), 0)  # broken off: nothing is left of it
        self.assertEqual([each for each in (self.root / "slow-backups").rglob("*") if each.is_file()], [])
        slow.flags = []
        slow.start()
        self.assertIn("backup_to", Client(slow).json("POST", "/v1/backups", expect=409)["detail"])
        self.assertEqual(Client(slow).json("GET", "/v1/backups", expect=200), {"backups": []})
        self.assertIn("backup_to", millrace("backup", "--server", slow.url).stderr)
        slow.stop()

    @unittest.skipIf(OVER_KAFKA, "is of one process")
    def test_5_on_schedule_and_old_ones_go(self):
        place = self.root / "scheduled"
        old = place / "20200101T000000.000Z"
        old.mkdir(parents=True)
        (old / "manifest.json").write_text("{}")
        timed = Server(self.root / "timed", "--backup-to", str(place), "--backup-every-hours", "1")
        self.start(timed)
        client = Client(timed)
        deadline = time.monotonic() + 60
        while True:
            listed = client.json("GET", "/v1/backups", expect=200)
            names = [each["name"] for each in listed["backups"] if each["state"] == "whole"]
            if len(names) == 1 and names[0] > old.name and not old.exists():
                break
            self.assertLess(time.monotonic(), deadline, (listed, old.exists()))
        timed.stop()
        wrong = millrace("serve", "--data-dir", str(self.root / "wrong"), "--backup-to", "s3://bucket/x",
                         env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("AWS_ACCESS_KEY_ID", wrong.stderr)

    @unittest.skipIf(OVER_KAFKA, "is of one process")
    def test_6_in_an_s3_store(self):
        store = S3Server()
        self.addCleanup(store.close)
        name = self.back_up()
        original = Server(self.root / "to-s3", "--backup-to", "s3://backups/a b/c", env=store.env)
        source = self.restore(self.place / name, "to-s3")
        original.flags += source.flags
        self.start(original)
        self.wait_indexed(original)
        failing = iter([503, None, 500, 500])  # the store is busy for a moment
        store.fail = lambda verb, name: next(failing, None) if verb == "PUT" else None
        stored = self.back_up(original)
        self.assertTrue(all(each.startswith(f"a b/c/{stored}/") for each in store.objects), store.objects.keys())
        self.assertGreater(len(store.objects), 6)
        elsewhere = self.restore(f"s3://backups/a b/c/{stored}", "from-s3", env=store.env)
        self.start(elsewhere)
        self.wait_indexed(elsewhere)
        self.assertEqual(seen(elsewhere, self.queries), self.before)
        store.fail = lambda verb, name: 403 if verb == "PUT" else None
        failed = millrace("backup", "--server", original.url)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("AccessDenied", failed.stderr)
        self.assertRegex(original.metrics(), r'backups_total\{outcome="failed"\} 1')
        wrong = millrace("restore", "--from", "s3://backups/a b/c", "--verify",
                         env={**store.env, "AWS_SECRET_ACCESS_KEY": "wrong"})
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("SignatureDoesNotMatch", wrong.stderr)

    @unittest.skipUnless(OVER_KAFKA, "needs a broker")
    def test_7_from_one_log_to_the_other_and_back(self):
        name = self.back_up()  # of Kafka
        embedded = self.restore(self.place / name, "embedded")
        embedded.env["MILLRACE_BACKUP_TO"] = str(self.place)
        self.check(embedded)
        now, documents = seen(embedded, self.queries), revisions(embedded)
        self.assertGreater(len(documents["shelf"]), len(SHELF))
        second = self.back_up(embedded)
        embedded.stop()
        kafka = self.restore_into_kafka(self.place / second, "kafka-again")
        again = millrace("restore", "--from", str(self.place / second), "--brokers", kafka.bootstrap,
                         "--kafka-prefix", kafka.prefix)
        self.assertEqual(again.returncode, 1)
        self.assertIn("not empty", again.stderr)
        self.start(kafka)
        self.wait_indexed(kafka)
        self.assertEqual(seen(kafka, self.queries), now)
        self.assertEqual(revisions(kafka), documents)
        third = self.back_up(kafka)
        kafka.stop()
        last = self.restore(self.place / third, "embedded-again")
        self.start(last)
        self.wait_indexed(last)
        self.assertEqual(seen(last, self.queries), now)
        self.assertEqual(revisions(last), documents)

    @unittest.skipUnless(OVER_KAFKA, "needs a broker")
    def test_8_what_was_cut_off_over_kafka_is_not_served(self):
        store = S3Server()
        self.addCleanup(store.close)
        name = self.back_up()
        for path in (self.place / name).iterdir():
            store.objects[f"{name}/{path.name}"] = path.read_bytes()
        gets = []

        def fail(verb, name):
            gets.append(name)
            return 403 if "document-events" in name and gets.count(name) > 1 else None

        store.fail = fail  # once it has been checked
        system = KafkaSystem(self.root / "cut", partitions=self.partitions)
        system.has_topics = True
        flags = ("--from", f"s3://backups/{name}", "--brokers", system.bootstrap, "--kafka-prefix", system.prefix)
        cut = millrace("restore", *flags, env=store.env)
        self.assertEqual(cut.returncode, 1, cut.stdout)
        self.assertIn("AccessDenied", cut.stderr)
        for process in (system.gateways[0], system.workers[0]):
            process.start()
            with process.changed:
                self.assertTrue(process.changed.wait_for(
                    lambda: any(f"a part of the backup {name}" in each for each in process.events), 60),
                    process.events)
            self.assertEqual(process.process.wait(60), 1)
        store.fail = lambda verb, name: None
        again = millrace("restore", *flags, env=store.env)
        self.assertEqual(again.returncode, 1)
        self.assertIn(f"a part of the backup {name}", again.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
