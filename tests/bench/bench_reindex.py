"""The rows of `make bench` about re-indexing: a generation with the settings of the one that answers is
built of the log, as fast as it goes; then the switch, and back, as those see it who ask meanwhile.
README.md says what the rows mean."""

import json
import subprocess
import threading
import time

from bench_report import percentile
from millrace_process import Client, Server

BUILD_SECONDS_MAX = 3600
REMOVED_SECONDS_MAX = 120
QUIET_SECONDS = 5
PAUSE_SECONDS = 0.02  # of each asker, between two searches
ASKERS = 4
SWITCH_AIM_MS = 50
BINDS_AIM = 0.95


def folder_bytes(folder):
    """Files with several names count once."""
    sizes = {}
    for path in folder.rglob("*"):
        try:
            status = path.stat()
        except FileNotFoundError:  # removed meanwhile
            continue
        if path.is_file():
            sizes[status.st_ino] = status.st_size
    return sum(sizes.values())


class Askers:
    """Search all the time; when each search began and how long it took, in seconds."""

    def __init__(self, server, questions):
        self.took, self.ended = [], threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(Client(server), questions[i::ASKERS]))
                        for i in range(ASKERS)]

    def ask(self, client, questions):
        number = 0
        while not self.ended.is_set():
            began = time.perf_counter()
            hits = client.search(questions[number % len(questions)], top_k=10)
            self.took.append((began, time.perf_counter() - began))
            assert hits["passages"], "a search found nothing"
            number += 1
            self.ended.wait(PAUSE_SECONDS)

    def __enter__(self):
        for each in self.threads:
            each.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for each in self.threads:
            each.join()

    def between(self, begin, end):
        """Milliseconds of the searches that were under way in that time."""
        return [1000 * took for began, took in self.took if began < end and began + took > begin]


class ReindexBench:
    def __init__(self, bench):
        self.bench, self.report = bench, bench.report
        self.data = bench.folder / "reindex"

    def run(self):
        with Server(self.data) as server:
            client = Client(server)
            documents = self.bench.documents
            for first in range(0, len(documents), 100):
                client.add(documents[first:first + 100])
            client.wait_settled(each["id"] for each in documents)
            self.build(client)
            self.switch(server, client)
            self.remove(client)
            server.stop()
        self.log_rate()

    def generations(self, client):
        got = client.json("GET", f"{client.base}/generations", expect=200)["generations"]
        return {each["generation"]: each for each in got}

    def build(self, client):
        row = self.report.row
        self.before = folder_bytes(self.data)
        bare = self.bench.encoder()["chunks_per_second"]
        began = time.perf_counter()
        self.number = client.json("POST", f"{client.base}/reindex", {}, expect=202)["generation"]
        largest = 0
        while self.generations(client)[self.number]["behind"]:
            assert time.perf_counter() - began < BUILD_SECONDS_MAX, "the generation is not built"
            largest = max(largest, folder_bytes(self.data))
            time.sleep(0.25)
        seconds = time.perf_counter() - began
        bare = (bare + self.bench.encoder()["chunks_per_second"]) / 2
        chunks = self.generations(client)[self.number]["chunks"]
        row("reindex_chunks", chunks / seconds, "chunks/s", BINDS_AIM * bare)
        self.documents_per_second = len(self.bench.documents) / seconds
        row("reindex_documents", self.documents_per_second, "documents/s")
        row("reindex_disk_before", self.before / 1e6, "MB")
        row("reindex_disk_during", largest / 1e6, "MB", self.before / 1e6)
        row("reindex_disk_built", folder_bytes(self.data) / 1e6, "MB", self.before / 1e6)

    def switch(self, server, client):
        """The longest search of those under way in the second after the record."""
        with Askers(server, self.bench.questions) as askers:
            began = time.perf_counter()
            time.sleep(QUIET_SECONDS)
            quiet = askers.between(began, time.perf_counter())
            longest = []
            for number in (self.number, 1, self.number):
                switched = time.perf_counter()
                client.json("POST", f"{client.base}/generations/{number}/serve", {}, expect=200)
                time.sleep(1)
                longest.append(max(askers.between(switched, switched + 1)))
                time.sleep(1)
        row = self.report.row
        row("reindex_quiet_p99", percentile(quiet, 0.99), "ms")
        row("reindex_quiet_longest", max(quiet), "ms")
        row("reindex_switch_longest", longest[0], "ms", SWITCH_AIM_MS)
        row("reindex_rollback_longest", longest[1], "ms", SWITCH_AIM_MS)

    def remove(self, client):
        """The new one again: its topics and files go, which takes its time."""
        client.json("POST", f"{client.base}/generations/1/serve", {}, expect=200)
        client.json("DELETE", f"{client.base}/generations/{self.number}", expect=200)
        log = self.data.parent / f"{self.data.name}.log"
        deadline = time.monotonic() + REMOVED_SECONDS_MAX
        while "generation_topics_deleted" not in log.read_text():
            assert time.monotonic() < deadline, "the topics are still there"
            time.sleep(1)
        self.report.row("reindex_disk_removed", folder_bytes(self.data) / 1e6, "MB", self.before / 1e6)

    def log_rate(self):
        """Reading `texts`, from which a generation is built, and doing nothing with it."""
        output = subprocess.run([str(self.bench.arguments.tools / "bench_log"), str(self.data), "texts"],
                                check=True, capture_output=True, text=True).stdout
        read = json.loads(output)["records_per_second"]
        self.report.row("reindex_log_read", read, "documents/s")
        self.report.row("reindex_of_log_read", self.documents_per_second / read, "share")
