#!/usr/bin/env python3
"""What `make bench` runs: measures one `millrace serve` from outside and writes build/bench.json.

Each row has name, value, unit, reference and ratio: the reference is measured in the same run on the
same texts (or is the aim, where it says so), since machines differ and are noisy. The texts are made
from a fixed seed, or are a BEIR folder's corpus with --corpus.
"""

import argparse
import concurrent.futures
import http.server
import json
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
from millrace_process import Client, Server  # noqa: E402  pylint: disable=wrong-import-position

PER_REQUEST = 200
ASKERS = 32
ENCODER_DOCUMENTS = 1000  # enough for the reference: it takes as long as ingesting them


def made_corpus(count):
    """Texts with the lengths of scientific abstracts: 80 to 350 words in sentences of 8 to 30."""
    rng = random.Random(20261120)
    syllables = ["ka", "ro", "mi", "ten", "sol", "ver", "an", "du", "pli", "gra", "net", "os", "ba",
                 "lu", "cel", "tri", "ma", "phor", "gen", "ic"]
    vocabulary = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(6000)]
    vocabulary += ["the", "of", "and", "in", "to", "with", "is", "for", "that", "was"] * 220
    documents = []
    for number in range(count):
        words = max(80, min(350, int(rng.gauss(200, 60))))
        sentences = []
        while words > 0:
            length = min(words, rng.randint(8, 30))
            sentences.append(" ".join(rng.choices(vocabulary, k=length)).capitalize() + ".")
            words -= length
        documents.append({"id": f"bench-{number}", "title": sentences[0][:80],
                          "text": " ".join(sentences)})
    return documents


def beir_corpus(folder, count):
    with open(folder / "corpus.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [{"id": row["_id"], "title": row.get("title", ""), "text": row["text"]}
            for row in rows[:count]]


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def resident_mb(pid):
    """Resident memory of a process and its children, in MB of 10^6 bytes."""
    total = 0
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        own, parent = int(status.parent.name), int(re.search(r"^PPid:\s+(\d+)", text, re.M).group(1))
        resident = re.search(r"^VmRSS:\s+(\d+) kB", text, re.M)
        if resident and pid in (own, parent):
            total += int(resident.group(1)) * 1024
    return total / 1e6


class InstantModel(http.server.BaseHTTPRequestHandler):
    """A chat server that answers at once and adds up the time that it held each request."""

    protocol_version = "HTTP/1.1"
    held = []

    def do_POST(self):  # noqa: N802  the base class's name
        started = time.perf_counter()
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        InstantModel.held.append(time.perf_counter() - started)
        for word in ("The", " answer", " is", " here", " [1].", None):
            choice = {"index": 0, "delta": {"content": word} if word else {},
                      "finish_reason": None if word else "stop"}
            chunk = {"object": "chat.completion.chunk", "model": "instant", "choices": [choice]}
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def log_message(self, *_):
        pass


class Bench:
    def __init__(self, arguments, folder):
        self.arguments, self.folder, self.rows = arguments, folder, []
        self.documents = (beir_corpus(arguments.corpus, arguments.documents) if arguments.corpus
                          else made_corpus(arguments.documents))
        rng = random.Random(7)
        self.questions = [" ".join(rng.choice(self.documents)["text"].split()[5:17])
                          for _ in range(arguments.searches)]

    def row(self, name, value, unit, reference=None, ratio=None):
        if ratio is None and reference:
            ratio = value / reference
        self.rows.append({"name": name, "value": round(value, 3), "unit": unit,
                          "reference": None if reference is None else round(reference, 3),
                          "ratio": None if ratio is None else round(ratio, 3)})
        print(f"  {name}: {value:.3f} {unit}", flush=True)

    def encoder(self):
        """What bench_encoder says of the embedding model alone, on every nth of the same texts."""
        texts = self.folder / "texts.jsonl"
        step = max(1, len(self.documents) // ENCODER_DOCUMENTS)
        texts.write_text("".join(json.dumps(each) + "\n" for each in self.documents[::step]))
        output = subprocess.run([str(self.arguments.tools / "bench_encoder"),
                                 str(self.arguments.model), str(texts)], check=True,
                                capture_output=True, text=True).stdout
        return json.loads(output)

    def start_up(self):
        seconds = []
        for number in range(3):
            server = Server(self.folder / "start")
            began = time.perf_counter()
            server.start()
            seconds.append(time.perf_counter() - began)
            if number == 2:
                self.row("memory_idle", resident_mb(server.process.pid), "MB", 250)
            server.stop()
        self.row("start_to_ready_first", seconds[0], "s", 2)
        self.row("start_to_ready", statistics.median(seconds[1:]), "s", 2)

    def ingestion(self, server):
        before = self.encoder()
        client = Client(server)
        began = time.perf_counter()
        for first in range(0, len(self.documents), PER_REQUEST):
            client.add(self.documents[first:first + PER_REQUEST])
        accepted = time.perf_counter() - began
        states = client.wait_settled(each["id"] for each in self.documents)
        seconds = time.perf_counter() - began
        assert set(states.values()) == {"indexed"}, "every document must be indexed"
        after = self.encoder()
        bare = (before["chunks_per_second"] + after["chunks_per_second"]) / 2
        chunks = client.json("GET", "/v1/collections/default")["chunks"]
        count = len(self.documents)
        self.row("accept_documents", count / accepted, "documents/s")
        self.row("ingest_documents", count / seconds, "documents/s", bare * count / chunks)
        self.row("ingest_chunks", chunks / seconds, "chunks/s", bare)
        self.row(f"memory_after_{count}_documents", resident_mb(server.process.pid), "MB")

    def search_latency(self, server):
        client = Client(server)
        for question in self.questions[:20]:
            client.search(question)
        totals, steps = [], {}
        for question in self.questions:
            began = time.perf_counter()
            _, headers, _ = client.request("POST", f"{client.base}/search",
                                           json.dumps({"query": question, "top_k": 10}),
                                           {"Content-Type": "application/json"})
            total = 1000 * (time.perf_counter() - began)
            timing = {name: float(value) for name, value in
                      re.findall(r"(\w+);dur=([\d.]+)", headers["Server-Timing"])}
            timing["http"] = max(0.0, total - timing["total"])
            totals.append(total)
            for name, value in timing.items():
                steps.setdefault(name, []).append(value)
        p50 = percentile(totals, 0.5)
        self.row("search_p50", p50, "ms")
        self.row("search_p99", percentile(totals, 0.99), "ms", p50)
        for name in ("http", "embed", "index", "log"):
            self.row(f"search_{name}_p50", percentile(steps[name], 0.5), "ms", p50)
            self.row(f"search_{name}_p99", percentile(steps[name], 0.99), "ms", p50)

    def search_throughput(self, server):
        def ask(share):
            client = Client(server)
            for question in share:
                client.search(question)
            return len(share)

        alone_began = time.perf_counter()
        ask(self.questions)
        alone = len(self.questions) / (time.perf_counter() - alone_began)
        shares = [self.questions[i::ASKERS] * 3 for i in range(ASKERS)]
        began = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(ASKERS) as pool:
            done = sum(pool.map(ask, shares))
        self.row(f"searches_{ASKERS}_askers", done / (time.perf_counter() - began), "searches/s", alone)

    def first_token(self, data, model_url):
        with Server(data, "--openai-base-url", model_url, "--openai-api-key", "none") as server:
            client = Client(server)
            totals, embedding, InstantModel.held = [], [], []
            for question in self.questions[:120]:
                began = time.perf_counter()
                for event, _, content in client.events(f"{client.base}/queries", "POST",
                                                       {"question": question}):
                    if event == "passages":
                        embedding.append(content["timings"]["embedding_ms"])
                    if event == "delta" and len(totals) < len(embedding):
                        totals.append(1000 * (time.perf_counter() - began))
                    assert event != "failed", content
            assert len(InstantModel.held) == len(totals), "each answer asked the model once"
            own = [total - 1000 * held for total, held in zip(totals, InstantModel.held)][20:]
            self.row("first_token_p50", percentile(own, 0.5), "ms", 10)
            self.row("first_token_p99", percentile(own, 0.99), "ms", 10)
            self.row("first_token_without_embedding_p50",
                     percentile([a - b for a, b in zip(own, embedding[20:])], 0.5), "ms")
            server.stop()

    def run(self):
        self.start_up()
        data = self.folder / "data"
        with Server(data) as server:
            self.ingestion(server)
            self.search_latency(server)
            self.search_throughput(server)
            server.stop()
        model = http.server.ThreadingHTTPServer(("127.0.0.1", 0), InstantModel)
        threading.Thread(target=model.serve_forever, daemon=True).start()
        self.first_token(data, f"http://127.0.0.1:{model.server_address[1]}/v1")
        model.shutdown()


def print_table(rows):
    print(f"\n{'name':40} {'value':>12} {'unit':12} {'reference':>12} {'ratio':>8}")
    for row in rows:
        reference = "" if row["reference"] is None else f"{row['reference']:.3f}"
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
        print(f"{row['name']:40} {row['value']:12.3f} {row['unit']:12} {reference:>12} {ratio:>8}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--tools", type=pathlib.Path, required=True, help="folder of bench_encoder")
    parser.add_argument("--model", type=pathlib.Path, required=True, help="folder of the model")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--corpus", type=pathlib.Path, help="BEIR folder to take the texts from")
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--searches", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, pathlib.Path(folder))
        bench.run()
    arguments.out.write_text(json.dumps(bench.rows, indent=1) + "\n")
    print_table(bench.rows)
    print(f"\nwritten to {arguments.out}")


if __name__ == "__main__":
    main()
