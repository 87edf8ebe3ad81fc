#!/usr/bin/env python3
"""Re-indexing under load: thousands of documents get other chunk settings while documents are added,
replaced and deleted and questions asked all the time; in one process, or over Kafka with processes
killed at random. Then the new generation has exactly what a fresh server makes of the same documents,
and so has the old one after the way back. `make reindex-load`; reindex_test.py is its short form."""

import argparse
import contextlib
import pathlib
import random
import sys
import tempfile
import threading
import time

import reindex_test
from kafka_system import KafkaSystem
from millrace_process import Client, Server

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support/kafka"))
from cluster import Cluster  # noqa: E402  pylint: disable=wrong-import-position

CHUNK_TOKENS, OVERLAP_TOKENS = 32, 4
TEXT_WORDS = 40
SECONDS_MAX = 3600
WORKERS = {"documents-0": "extractor,chunker,embedder", "documents-1": "extractor,chunker,embedder",
           "index-0": "indexer", "index-1": "indexer",
           "questions-0": "query-embedder,answerer", "questions-1": "query-embedder,answerer"}
REPEATS_MAX = 10  # a search waits two seconds for what does not come
P99_AIM = 2  # times the quiet one


class Loop(threading.Thread):
    """Calls `turn` so many times a second, until it is told to stop; raises there what that raised."""

    def __init__(self, per_second, turn):
        super().__init__()
        self.pause, self.turn = 1 / per_second, turn
        self.ended, self.error, self.turns = threading.Event(), None, 0

    def run(self):
        due = time.monotonic()
        try:
            while not self.ended.is_set():
                self.turn()
                self.turns += 1
                due = max(due + self.pause, time.monotonic() - 1)
                self.ended.wait(max(0, due - time.monotonic()))
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.error = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.ended.set()
        self.join()
        if self.error and kind is None:
            raise self.error


def text_of(number, revision):
    words = random.Random(100_000 * revision + number)
    sentence = " ".join(words.choices(reindex_test.WORDS, k=TEXT_WORDS)).capitalize()
    return f"Report {number} of revision {revision}. {sentence}."


class Documents:
    """Those that there are, with their revisions, and one change after the other."""

    def __init__(self, count):
        self.revisions = {number: 0 for number in range(count)}
        self.next = count
        self.random = random.Random(1)

    def body(self, number):
        revision = self.revisions[number]
        return {"id": f"d{number}", "text": text_of(number, revision), "metadata": {"number": number}}

    def add_all(self, client):
        numbers = list(self.revisions)
        for first in range(0, len(numbers), 100):
            client.add([self.body(number) for number in numbers[first:first + 100]])
        client.wait_settled((f"d{number}" for number in numbers), limit=SECONDS_MAX)

    def change(self, client):
        kind = self.random.choice(("add", "replace", "delete"))
        if kind == "add":
            number, self.next = self.next, self.next + 1
            self.revisions[number] = 0
        else:
            number = self.random.choice(list(self.revisions)[-5000:])
        if kind == "delete":
            del self.revisions[number]
            again(lambda: client.json("DELETE", f"{client.base}/documents/d{number}"))
        else:
            self.revisions[number] += kind == "replace"
            again(lambda: client.add([self.body(number)]))


def again(request):
    """Until a gateway that was killed is there again."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return request()
        except (OSError, AssertionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class Questions:
    """Searches; their milliseconds by phase, and what was wrong with them. Where processes are killed,
    what they had in hand is asked again, as a client would, and partitions may be missing."""

    def __init__(self, with_kills):
        self.with_kills, self.phase, self.took, self.wrong = with_kills, "", {}, []
        self.number, self.repeated = 0, 0

    def ask(self, client, again_soon=REPEATS_MAX):
        self.number += 1
        question = reindex_test.QUESTIONS[self.number % len(reindex_test.QUESTIONS)]
        phase, began = self.phase, time.perf_counter()
        status, _, body = client.request("POST", f"{client.base}/search",
                                         '{"query": "%s", "top_k": 5}' % question,
                                         {"Content-Type": "application/json"})
        self.took.setdefault(phase, []).append(1000 * (time.perf_counter() - began))
        good = status == 200 and b'"document_id"' in body
        if self.with_kills and not good and again_soon:
            self.repeated += 1
            return self.ask(client, again_soon - 1)
        if not good or (not self.with_kills and b'"partial":true' in body):
            self.wrong.append((phase, status, body[:200]))

    def p99(self, phase):
        return sorted(self.took[phase])[int(len(self.took[phase]) * 0.99)]


def found(client, revisions):
    """Every chunk of every document, with its nearness to a question."""
    chunks = {}
    for number in revisions:
        hits = client.search(reindex_test.QUESTIONS[0], top_k=100, mode="dense", explain=True,
                             filter={"number": number})["passages"]
        assert client.status(f"d{number}")["chunks"] == len(hits), number
        for hit in hits:
            chunks[number, hit["start"], hit["end"], hit["text"]] = hit["explanation"]["cosine"]
    return chunks


def assert_same(got, wanted, what):
    assert sorted(got) == sorted(wanted), f"{what}: {len(set(got) ^ set(wanted))} chunks differ"
    worst = max(abs(got[chunk] - cosine) for chunk, cosine in wanted.items())
    assert worst <= reindex_test.COSINE_DELTA, f"{what}: a chunk is {worst} nearer than it should be"
    print(f"{what}: the same {len(got)} chunks as of a fresh build, cosines within {worst:.4f}", flush=True)


class Run:
    def __init__(self, arguments, root, server):
        self.arguments, self.root, self.server = arguments, root, server
        self.documents = Documents(arguments.documents)

    def generations(self, client):
        got = again(lambda: client.json("GET", f"{client.base}/generations", expect=200))
        return {each["generation"]: each for each in got["generations"]}

    def wait_complete(self, client, number):
        deadline = time.monotonic() + SECONDS_MAX
        while self.generations(client)[number]["behind"]:
            assert time.monotonic() < deadline, self.generations(client)
            time.sleep(0.25)

    def killed(self):
        """Random processes are killed, one at a time, while this is open."""
        if not self.arguments.kills:
            return contextlib.nullcontext()
        chance = random.Random(2)
        workers = self.server.workers

        def kill():
            victim = chance.choice(workers)
            victim.kill()
            victim.start().wait_ready()
        return Loop(1 / self.arguments.kills, kill)

    def phase(self, questions, name, seconds):
        questions.phase = name
        time.sleep(seconds)

    def run(self):
        with contextlib.ExitStack() as stack:
            self.server.start()
            stack.callback(self.server.kill_all)
            client = Client(self.server)
            self.documents.add_all(client)
            print(f"{len(self.documents.revisions)} documents are indexed", flush=True)
            questions = Questions(self.arguments.kills > 0)
            self.under_load(client, questions)
            self.compare(client, questions)

    def under_load(self, client, questions):
        arguments = self.arguments
        asking, changing = Client(self.server), Client(self.server)
        with Loop(arguments.questions, lambda: questions.ask(asking)):
            self.phase(questions, "quiet", arguments.seconds)
            with Loop(arguments.changes, lambda: self.documents.change(changing)) as changes:
                self.phase(questions, "changes", arguments.seconds)
                questions.phase = "building"
                began = time.monotonic()
                self.number = client.json(
                    "POST", f"{client.base}/reindex",
                    {"chunk_tokens": CHUNK_TOKENS, "chunk_overlap_tokens": OVERLAP_TOKENS},
                    expect=202)["generation"]
                with self.killed() as kills:
                    self.wait_near(client)
                print(f"built in {time.monotonic() - began:.0f} s, {changes.turns} changes, "
                      f"{kills.turns if kills else 0} kills", flush=True)
            questions.phase = "catching up"
            client.wait_settled((f"d{number}" for number in self.documents.revisions),
                                limit=SECONDS_MAX)
            self.wait_complete(client, self.number)
            for phase, number in (("switch", self.number), ("rollback", 1), ("again", self.number)):
                questions.phase = phase
                client.json("POST", f"{client.base}/generations/{number}/serve", {}, expect=200)
                time.sleep(arguments.seconds / 4)

    def wait_near(self, client):
        """Until all documents of the beginning are in it: what changes meanwhile is always behind."""
        deadline = time.monotonic() + SECONDS_MAX
        while True:
            seen = self.generations(client)
            if seen[self.number]["documents"] >= 0.98 * seen[1]["documents"]:
                return
            assert time.monotonic() < deadline, seen
            time.sleep(0.5)

    def compare(self, client, questions):
        for phase, took in questions.took.items():
            print(f"{phase:12} {len(took):6} searches, p50 {sorted(took)[len(took) // 2]:7.1f} ms, "
                  f"p99 {questions.p99(phase):7.1f} ms, longest {max(took):7.1f} ms", flush=True)
        ratio = questions.p99("building") / questions.p99("quiet")
        print(f"{questions.repeated} searches were repeated", flush=True)
        print(f"p99 while building is {ratio:.2f} times the quiet one (aim: {P99_AIM})", flush=True)
        assert not questions.wrong, f"{len(questions.wrong)} searches went wrong: {questions.wrong[:3]}"
        new = found(client, self.documents.revisions)
        client.json("POST", f"{client.base}/generations/1/serve", {}, expect=200)
        old = found(client, self.documents.revisions)
        for what, got, flags in (("the new generation", new,
                                  ["--chunk-tokens", str(CHUNK_TOKENS),
                                   "--chunk-overlap-tokens", str(OVERLAP_TOKENS)]),
                                 ("after the way back", old, [])):
            with Server(self.root / what.replace(" ", "-"), *flags) as fresh:
                other = Client(fresh)
                self.documents.add_all(other)
                assert_same(got, found(other, self.documents.revisions), what)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--changes", type=float, default=50, help="a second")
    parser.add_argument("--questions", type=float, default=20, help="a second")
    parser.add_argument("--seconds", type=float, default=20, help="of each phase that is only measured")
    parser.add_argument("--kafka", action="store_true", help="processes over a broker, not one process")
    parser.add_argument("--kills", type=float, default=0,
                        help="with --kafka: seconds between two kills; 0: none")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if not arguments.kafka:
            Run(arguments, folder, Server(folder / "data")).run()
        else:
            with Cluster(folder / "kafka") as cluster:
                system = KafkaSystem(folder / "data", bootstrap=cluster.bootstrap, workers=WORKERS)
                Run(arguments, folder, system).run()
    print("passed", flush=True)


if __name__ == "__main__":
    sys.exit(main())
