#!/usr/bin/env python3
"""What `make bench` runs: measures millrace from outside and writes build/bench.json. One `millrace
serve` here, processes over Kafka in bench_kafka.py.

Each row has name, value, unit, reference and ratio: the reference is measured in the same run on the
same texts (or is the aim, where it says so), since machines differ and are noisy. The texts are made
from a fixed seed, or are a BEIR folder's corpus with --corpus.
"""

import argparse
import concurrent.futures
import functools
import http.server
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from bench_index import SHORT_CHUNKS, IndexBench
from bench_kafka import KafkaBench  # also makes the next ones found
from bench_reindex import ReindexBench
from bench_report import Report, made_corpus, made_questions, percentile
from millrace_process import Client, Server

PER_REQUEST = 200
ASKERS = 32
LAST_LINES = 5  # of a process's log, when something has failed
ENCODER_DOCUMENTS = 1000  # enough for the reference: it takes as long as ingesting them


def beir_corpus(folder, count):
    with open(folder / "corpus.jsonl", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [{"id": row["_id"], "title": row.get("title", ""), "text": row["text"]}
            for row in rows[:count]]


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
    """One process."""

    def __init__(self, report, arguments, folder):
        self.report, self.arguments, self.folder = report, arguments, folder
        self.documents = (beir_corpus(arguments.corpus, arguments.documents) if arguments.corpus
                          else made_corpus(arguments.documents))
        self.questions = made_questions(self.documents, arguments.searches)

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
                self.report.row("memory_idle", resident_mb(server.process.pid), "MB", 250)
            server.stop()
        self.report.row("start_to_ready_first", seconds[0], "s", 2)
        self.report.row("start_to_ready", statistics.median(seconds[1:]), "s", 2)

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
        self.report.row("accept_documents", count / accepted, "documents/s")
        self.report.row("ingest_documents", count / seconds, "documents/s", bare * count / chunks)
        self.report.row("ingest_chunks", chunks / seconds, "chunks/s", bare)
        self.report.row(f"memory_after_{count}_documents", resident_mb(server.process.pid), "MB")

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
        self.report.row("search_p50", p50, "ms")
        self.report.row("search_p99", percentile(totals, 0.99), "ms", p50)
        for name in ("http", "embed", "index", "log"):
            self.report.row(f"search_{name}_p50", percentile(steps[name], 0.5), "ms", p50)
            self.report.row(f"search_{name}_p99", percentile(steps[name], 0.99), "ms", p50)

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
        together = done / (time.perf_counter() - began)
        self.report.row(f"searches_{ASKERS}_askers", together, "searches/s", alone)

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
            self.report.row("first_token_p50", percentile(own, 0.5), "ms", 10)
            self.report.row("first_token_p99", percentile(own, 0.99), "ms", 10)
            self.report.row("first_token_without_embedding_p50",
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


def run_part(name, folder, run):
    """False when it fails, having said why and what its processes said last: the others go on."""
    print(f"{name}:", flush=True)
    began = time.time()
    try:
        run()
        return True
    except Exception:  # pylint: disable=broad-exception-caught
        for log in sorted(folder.rglob("*.log")):
            if log.name[0].isalpha() and log.stat().st_mtime >= began:
                said = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
                print(f"{log.name}, at last:", *said, sep="\n  ", file=sys.stderr)
        traceback.print_exc()
        print(f"bench: {name} has failed: see above", file=sys.stderr, flush=True)
        return False


def run_kafka(report, arguments, folder, names):
    """The names of the parts that have failed."""
    with KafkaBench(report, arguments.tools, arguments.model, folder, arguments.short) as bench:
        return [name for name in names
                if not run_part(name, folder, functools.partial(KafkaBench.PARTS[name], bench))]


def run_index(report, arguments, folder):
    """The names of the parts that have failed."""
    bench = IndexBench(report, arguments.tools, folder, arguments.short)
    parts = {f"index, {chunks} chunks": functools.partial(bench.made, chunks)
             for chunks in arguments.index_chunks}
    if arguments.corpus:
        documents = beir_corpus(arguments.corpus, arguments.documents)
        parts["index, real embeddings"] = functools.partial(bench.real, arguments.model, documents)
    return [name for name, run in parts.items() if not run_part(name, folder, run)]


def parse_arguments():
    parts = ["process", "reindex", "index", "kafka", *KafkaBench.PARTS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--tools", type=pathlib.Path, required=True,
                        help="folder of bench_encoder, bench_index, bench_kafka and bench_log")
    parser.add_argument("--model", type=pathlib.Path, required=True, help="folder of the model")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--corpus", type=pathlib.Path, help="BEIR folder to take the texts from")
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--searches", type=int, default=300)
    parser.add_argument("--only", nargs="+", choices=parts,
                        default=["process", "reindex", "index", "kafka"],
                        help="parts to run; kafka: all from chains on")
    parser.add_argument("--index-chunks", nargs="*", type=int, default=[100_000],
                        help="sizes of the index part; 1000000 takes some 4 GB and half an hour")
    parser.add_argument("--short", action="store_true", help="less of all: to try it")
    arguments = parser.parse_args()
    if arguments.short:
        arguments.documents, arguments.searches = min(arguments.documents, 200), 150
        arguments.index_chunks = [min(each, SHORT_CHUNKS) for each in arguments.index_chunks[:1]]
    return arguments


def main():
    arguments = parse_arguments()
    report, failed = Report(), []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        bench = Bench(report, arguments, folder)
        for part, run in (("process", bench.run), ("reindex", ReindexBench(bench).run)):
            if part in arguments.only and not run_part(part, folder, run):
                failed.append(part)
        if "index" in arguments.only:
            failed += run_index(report, arguments, folder)
        names = [each for each in KafkaBench.PARTS if {each, "kafka"} & set(arguments.only)]
        if names and not run_part("kafka", folder, lambda: failed.extend(
                run_kafka(report, arguments, folder, names))):
            failed.append("kafka")
        report.write(arguments.out)
        report.print_table()
    print(f"\nwritten to {arguments.out}")
    if failed:
        sys.exit(f"bench: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
