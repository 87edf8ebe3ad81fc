"""The rows of `make bench` about a partition index alone: bench_index, at several sizes, and over the
embeddings that the model makes of a BEIR corpus. README.md says what the rows mean."""

import json
import subprocess

TOOL_SECONDS_MAX = 3 * 3600
LOAD_SECONDS, SHORT_LOAD_SECONDS = 5, 1
SHORT_CHUNKS = 20_000
ASKERS = (1, 8, 32)
RECALL_AIMS = ((100_000, 0.98), (1_000_000, 0.95))  # up to so many chunks
OPEN_SECONDS_AIM = 2
KEPT_AIM = 0.8
WRITING_AIM, TOTAL_AIM = 2, 1.3  # p99 over the idle one; a search over the bare legs together


def size_name(chunks):
    """100000 is 100k, 1000000 is 1m."""
    for unit, name in ((1_000_000, "m"), (1_000, "k")):
        if chunks >= unit and chunks % unit == 0:
            return f"{chunks // unit}{name}"
    return str(chunks)


class IndexBench:
    """Runs the tool and reports."""

    def __init__(self, report, tools, folder, short):
        self.report, self.tools, self.folder = report, tools, folder
        self.seconds = SHORT_LOAD_SECONDS if short else LOAD_SECONDS

    def made(self, chunks):
        self.measure(f"index_{size_name(chunks)}", str(chunks))

    def real(self, model, documents):
        """Over the chunks and vectors that the pipeline would make of these documents."""
        corpus = self.folder / "embedded"
        corpus.mkdir()
        texts = corpus / "documents.jsonl"
        texts.write_text("".join(json.dumps(each) + "\n" for each in documents))
        self.run("bench_encoder", model, texts, 0, corpus)
        self.measure("index_real", corpus)

    def run(self, tool, *arguments):
        output = subprocess.run([str(self.tools / tool), *map(str, arguments)], check=True,
                                stdout=subprocess.PIPE, text=True, timeout=TOOL_SECONDS_MAX).stdout
        return json.loads(output)

    def measure(self, name, corpus):
        folder = self.folder / name
        folder.mkdir()
        self.rows(name, self.run("bench_index", folder, corpus, self.seconds))

    def rows(self, name, got):
        """The names end in what they are of; the references are of the same run, or aims."""
        row = self.report.row
        aim = next((aim for chunks, aim in RECALL_AIMS if got["chunks"] <= chunks), RECALL_AIMS[-1][1])
        row(f"{name}_chunks", got["chunks"], "chunks")
        row(f"{name}_recall_at_10", got["recall"], "share", aim)
        row(f"{name}_bare_recall_at_10", got["bare_recall"], "share", got["recall"])
        for askers in ASKERS:
            self.load_rows(f"{name}_{askers}_askers", got, askers)
        for leg in ("vectors", "words"):
            row(f"{name}_{leg}_only_p50", got[f"{leg}_1"]["p50_ms"], "ms",
                got[f"bare_{leg}_1"]["p50_ms"])
        row(f"{name}_restricted_p50", got["restricted_1"]["p50_ms"], "ms", got["idle_1"]["p50_ms"])
        row(f"{name}_indexed_chunks", got["chunks_per_second"], "chunks/s",
            got["chunks"] / got["bare_build_seconds"])
        row(f"{name}_rebuild", got["apply_seconds"], "s", got["bare_build_seconds"])
        row(f"{name}_merged_after", got["merged_after_seconds"], "s")
        row(f"{name}_open", got["open_seconds"], "s", OPEN_SECONDS_AIM)
        bare = got["bare_vectors_bytes_per_chunk"] + got["bare_words_bytes_per_chunk"]
        row(f"{name}_memory_filled", got["filled_bytes_per_chunk"], "bytes/chunk", bare)
        row(f"{name}_memory_opened", got["opened_bytes_per_chunk"], "bytes/chunk", bare)
        row(f"{name}_disk", got["disk_bytes_per_chunk"], "bytes/chunk")

    def load_rows(self, name, got, askers):
        idle, writing = got[f"idle_{askers}"], got[f"writing_{askers}"]
        vectors, words = got[f"bare_vectors_{askers}"], got[f"bare_words_{askers}"]
        row = self.report.row
        bare = 1 / (1 / vectors["per_second"] + 1 / words["per_second"])  # one after the other
        row(f"{name}_idle", idle["per_second"], "searches/s", bare)
        row(f"{name}_idle_mean", idle["mean_ms"], "ms", vectors["mean_ms"] + words["mean_ms"])
        row(f"{name}_idle_p50", idle["p50_ms"], "ms", vectors["p50_ms"] + words["p50_ms"])
        row(f"{name}_idle_p99", idle["p99_ms"], "ms", vectors["p99_ms"] + words["p99_ms"])
        row(f"{name}_writing", writing["per_second"], "searches/s", idle["per_second"])
        row(f"{name}_writing_p50", writing["p50_ms"], "ms", idle["p50_ms"])
        row(f"{name}_writing_p99", writing["p99_ms"], "ms", idle["p99_ms"])
        row(f"{name}_writing_kept", got[f"kept_{askers}"], "share", KEPT_AIM)
