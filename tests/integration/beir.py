#!/usr/bin/env python3
"""Retrieval quality over HTTP, on any BEIR folders (corpus.jsonl, queries.jsonl, qrels.tsv or
qrels/test.tsv): adds each corpus to a collection of its own, asks every judged query in every mode
and prints nDCG@10, recall@10, recall@100 and MRR@10. Exits 1 when a folder's nDCG@10 in the first
mode is below what is wanted of it.

    tests/integration/beir.py FOLDER[:NDCG] … [--mode hybrid dense lexical] [--server URL]
    tests/integration/beir.py ../shared/data/ir/scifact:.72 ../shared/data/ir/xquad_en:.975 \\
        ../shared/data/ir/xquad_es:.95 ../shared/data/ir/xquad_zh:.90

Without --server it starts `millrace serve` on an empty folder (MILLRACE names the executable), or,
where TEST_KAFKA_BOOTSTRAP names a file with a broker's address, a gateway and workers over Kafka.
"""

import argparse
import http.client
import json
import math
import pathlib
import re
import sys
import tempfile
import time
import urllib.parse

from kafka_system import make_server
from millrace_process import Client

PER_REQUEST = 200
MODES = ("hybrid", "dense", "lexical")
SETTLED_SECONDS_MAX = 1800
FIGURES = ("ndcg@10", "recall@10", "recall@100", "mrr@10", "p50_ms", "p99_ms")


def lines(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def read_qrels(folder):
    path = folder / "qrels.tsv"
    if not path.exists():
        path = folder / "qrels" / "test.tsv"
    qrels = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if len(fields) == 3 and fields[2].strip().lstrip("-").isdigit():
            qrels.setdefault(fields[0], {})[fields[1]] = int(fields[2])
    return qrels


def ndcg(ranking, relevant, k=10):
    """Normalised discounted cumulative gain with linear gains (trec_eval's ndcg_cut)."""
    gains = [max(0, relevant.get(each, 0)) for each in ranking[:k]]
    ideal = sorted((max(0, each) for each in relevant.values()), reverse=True)[:k]
    best = sum(gain / math.log2(rank + 2) for rank, gain in enumerate(ideal))
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains)) / best if best else 0.0


def documents_of(passages):
    """Document ids, best passage first, each once."""
    return list(dict.fromkeys(passage["document_id"] for passage in passages))


class RemoteServer:
    """A server that somebody else runs, as Client wants it."""

    def __init__(self, url):
        self.address = urllib.parse.urlsplit(url)

    def connection(self, timeout=120):
        return http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=timeout)


class Target:
    """A BEIR folder, the collection it goes to and the nDCG@10 that is wanted of it."""

    def __init__(self, argument, prefix, least):
        folder, colon, own = argument.rpartition(":")
        self.folder = pathlib.Path(folder if colon else argument)
        self.least = float(own) if colon else least
        name = re.sub(r"[^a-z0-9_-]", "-", self.folder.resolve().name.lower())
        self.collection = f"{prefix}{name}"[:64]


def ingest(client, target):
    started = time.monotonic()
    corpus = [{"id": row["_id"], "title": row.get("title", ""), "text": row["text"]}
              for row in lines(target.folder / "corpus.jsonl")]
    for first in range(0, len(corpus), PER_REQUEST):
        client.add(corpus[first:first + PER_REQUEST])
    accepted = time.monotonic()
    states = client.wait_settled((row["id"] for row in corpus), SETTLED_SECONDS_MAX)
    indexed = time.monotonic()
    failed = [each for each, state in states.items() if state != "indexed"]
    print(f"{target.collection}: {len(corpus)} documents accepted in {accepted - started:.1f} s, "
          f"indexed in {indexed - started:.1f} s, {len(failed)} failed", flush=True)
    return failed


def evaluate(client, target, mode, top_k):
    """The means over all judged queries, by the names of FIGURES."""
    queries = {row["_id"]: row["text"] for row in lines(target.folder / "queries.jsonl")}
    rows = []
    for query_id, relevant in read_qrels(target.folder).items():
        started = time.monotonic()
        answer = client.search(queries[query_id], top_k, mode=mode, one_per_document=True)
        milliseconds = 1000 * (time.monotonic() - started)
        found = documents_of(answer["passages"])
        wanted = {each for each, grade in relevant.items() if grade > 0}
        recall = [len(wanted & set(found[:k])) / len(wanted) if wanted else 0.0 for k in (10, 100)]
        rank = next((1 / (i + 1) for i, each in enumerate(found[:10]) if each in wanted), 0.0)
        rows.append((ndcg(found, relevant), *recall, rank, milliseconds))
    assert rows, f"{target.folder}: no query is judged"
    *qualities, times = zip(*rows)
    times = sorted(times)
    values = [sum(each) / len(rows) for each in qualities]
    values += [times[len(rows) // 2], times[min(len(rows) - 1, len(rows) * 99 // 100)]]
    return {"queries": len(rows), **dict(zip(FIGURES, values))}


def print_row(name, mode, figures, note=""):
    print(f"{name:20} {mode:8} {figures['queries']:7} " +
          " ".join(f"{figures[each]:10.4f}" for each in FIGURES[:4]) + " " +
          " ".join(f"{figures[each]:8.1f}" for each in FIGURES[4:]) + note, flush=True)


def run(server, targets, arguments):
    """True when everything was indexed and is found as well as is wanted."""
    good = True
    clients = [Client(server, target.collection) for target in targets]
    if not arguments.no_ingest:
        for client, target in zip(clients, targets):
            good = not ingest(client, target) and good
    print(f"{'collection':20} {'mode':8} {'queries':>7} " +
          " ".join(f"{each:>10}" for each in FIGURES[:4]) + " " +
          " ".join(f"{each:>8}" for each in FIGURES[4:]))
    report = []
    for client, target in zip(clients, targets):
        for mode in arguments.mode:
            figures = evaluate(client, target, mode, arguments.top_k)
            missed = mode == arguments.mode[0] and figures["ndcg@10"] < target.least
            good = good and not missed
            print_row(target.collection, mode, figures,
                      f"  below {target.least:g}" if missed else "")
            report.append({"collection": target.collection, "mode": mode, **figures})
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("folders", nargs="+", metavar="FOLDER[:NDCG]")
    parser.add_argument("--mode", nargs="+", choices=MODES, default=["hybrid"])
    parser.add_argument("--min-ndcg", type=float, default=0.0, help="of folders that name none")
    parser.add_argument("--server", help="address of a running gateway")
    parser.add_argument("--prefix", default="", help="of the collections' names")
    parser.add_argument("--top-k", type=int, default=100, help="documents per search")
    parser.add_argument("--no-ingest", action="store_true", help="the corpora are there already")
    parser.add_argument("--out", type=pathlib.Path, help="writes the table as JSON")
    arguments = parser.parse_args()
    targets = [Target(each, arguments.prefix, arguments.min_ndcg) for each in arguments.folders]
    if arguments.server:
        return 0 if run(RemoteServer(arguments.server), targets, arguments) else 1
    with tempfile.TemporaryDirectory() as folder, \
            make_server(pathlib.Path(folder) / "data") as server:
        return 0 if run(server, targets, arguments) else 1


if __name__ == "__main__":
    sys.exit(main())
