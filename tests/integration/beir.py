#!/usr/bin/env python3
"""Retrieval quality over HTTP, on any BEIR folder (corpus.jsonl, queries.jsonl, qrels.tsv or
qrels/test.tsv): adds the corpus, runs every judged query through /v1/collections/{c}/search and
prints nDCG@10, recall@10 and MRR@10. With --min-ndcg it exits 1 below that.

    tests/integration/beir.py FOLDER [--server URL] [--min-ndcg 0.64]

Without --server it starts `millrace serve` on an empty folder (MILLRACE names the executable), or,
where TEST_KAFKA_BOOTSTRAP names a file with a broker's address, a gateway and workers over Kafka.
"""

import argparse
import http.client
import json
import math
import pathlib
import sys
import tempfile
import time
import urllib.parse

from kafka_system import make_server
from millrace_process import Client

PER_REQUEST = 200


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


def ingest(client, folder):
    started = time.monotonic()
    corpus = [{"id": row["_id"], "title": row.get("title", ""), "text": row["text"]}
              for row in lines(folder / "corpus.jsonl")]
    for first in range(0, len(corpus), PER_REQUEST):
        client.add(corpus[first:first + PER_REQUEST])
    accepted = time.monotonic()
    states = client.wait_settled(row["id"] for row in corpus)
    indexed = time.monotonic()
    failed = [each for each, state in states.items() if state != "indexed"]
    print(f"{len(corpus)} documents accepted in {accepted - started:.1f} s, "
          f"indexed in {indexed - started:.1f} s, {len(failed)} failed")
    return failed


def evaluate(client, folder, top_k):
    qrels = read_qrels(folder)
    queries = {row["_id"]: row["text"] for row in lines(folder / "queries.jsonl")}
    scores, recalls, ranks, seconds = [], [], [], []
    for query_id, relevant in qrels.items():
        started = time.monotonic()
        found = documents_of(client.search(queries[query_id], top_k)["passages"])
        seconds.append(time.monotonic() - started)
        wanted = {each for each, grade in relevant.items() if grade > 0}
        scores.append(ndcg(found, relevant))
        recalls.append(len(wanted & set(found[:10])) / len(wanted) if wanted else 0.0)
        ranks.append(next((1 / (i + 1) for i, each in enumerate(found[:10]) if each in wanted), 0.0))
    seconds.sort()
    count = len(scores)
    figures = {"queries": count, "ndcg@10": sum(scores) / count, "recall@10": sum(recalls) / count,
               "mrr@10": sum(ranks) / count, "search_p50_ms": 1000 * seconds[count // 2],
               "search_p99_ms": 1000 * seconds[min(count - 1, count * 99 // 100)]}
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))
    return figures


def run(server, arguments):
    client = Client(server, arguments.collection)
    failed = [] if arguments.no_ingest else ingest(client, arguments.folder)
    figures = evaluate(client, arguments.folder, arguments.top_k)
    return 1 if failed or figures["ndcg@10"] < arguments.min_ndcg else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--server", help="address of a running gateway")
    parser.add_argument("--collection", default="default")
    parser.add_argument("--top-k", type=int, default=30, help="passages per search")
    parser.add_argument("--no-ingest", action="store_true", help="the corpus is there already")
    parser.add_argument("--min-ndcg", type=float, default=0.0)
    arguments = parser.parse_args()
    if arguments.server:
        return run(RemoteServer(arguments.server), arguments)
    with tempfile.TemporaryDirectory() as folder, \
            make_server(pathlib.Path(folder) / "data") as server:
        return run(server, arguments)


if __name__ == "__main__":
    sys.exit(main())
