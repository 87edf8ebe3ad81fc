"""The rows of `make bench` over Kafka: processes and one broker, started here on loopback.

Each is beside a figure of librdkafka alone (bench_kafka.cc), or of the model alone, of the same run.
"""

import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "support" / "kafka")]
# pylint: disable=wrong-import-position
from bench_report import made_corpus, made_questions, percentile  # noqa: E402
from cluster import Cluster  # noqa: E402
from kafka_system import KafkaSystem  # noqa: E402
from millrace_process import Client  # noqa: E402

PARTITIONS = 4
SEARCH_CHUNKS = 5_000
# Searches until the broker has compiled what they need: before, most of what one costs is that. A cluster that
# people search has run for longer.
WARM_UP = 2000
RESTARTS = 3
SESSION_TIMEOUT_MS = 10_000  # kafka_session_timeout_ms' default
COMPLETE_SECONDS_MAX = 300
WAIT_SECONDS_MAX = 60
TOOL_SECONDS_MAX = 900


class BenchSystem(KafkaSystem):
    """With the default settings of a process, and flags for some of them: {name: [flag, …]}."""

    def __init__(self, *arguments, own_flags=None, **options):
        super().__init__(*arguments, partitions=PARTITIONS, **options)
        self.own_flags = own_flags or {}

    def settings(self, name):
        flags = super().settings(name)
        session = flags.index("--kafka-session-timeout-ms")
        return flags[:session] + flags[session + 2:] + self.own_flags.get(name, [])

    def make_topics(self):
        made = self.topics("create")
        assert made.returncode == 0, made.stderr
        self.has_topics = True

    def process_named(self, name):
        return next(each for each in self.processes if each.name == name)


class Member:
    """A raw consumer of a group, in a process of its own."""

    def __init__(self, tool, *arguments):
        self.partitions = 0
        self.changed = threading.Condition()
        self.process = subprocess.Popen([str(tool), *arguments], stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.partitions = json.loads(line)["partitions"]
                self.changed.notify_all()

    def wait_for(self, partitions):
        with self.changed:
            has = self.changed.wait_for(lambda: self.partitions == partitions, WAIT_SECONDS_MAX)
        assert has, f"a raw member has {self.partitions} partitions, not {partitions}"

    def kill(self):
        self.process.kill()
        self.process.wait()


class KafkaBench:
    """`short` makes everything smaller: to try it, not to compare with."""

    def __init__(self, report, tools, model, folder, short=False):
        self.report, self.model, self.folder, self.short = report, model, folder, short
        self.tool, self.encoder_tool = tools / "bench_kafka", tools / "bench_encoder"
        self.cluster = None

    def __enter__(self):
        self.cluster = Cluster(self.folder / "cluster", quick_start=False).start()
        return self

    def __exit__(self, *_):
        self.cluster.stop()

    def run_tool(self, *arguments):
        command = [str(self.tool), self.cluster.bootstrap, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=TOOL_SECONDS_MAX)
        assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}: {done.stderr}"
        return json.loads(done.stdout)

    def system(self, name, workers, **options):
        return BenchSystem(self.folder / name, bootstrap=self.cluster.bootstrap, workers=workers,
                           **options)

    def fill(self, system, chunks):
        """The records that the embedder would have made of so many chunks."""
        if not system.has_topics:
            system.make_topics()
        return self.run_tool("embeddings", system.prefix, PARTITIONS, chunks)

    # ---- ingestion with a stage that copies

    def chains(self):
        for name, rounds in self.run_tool("chains", 2 if self.short else 5).items():
            size, stages = name.split("_")
            self.report.row(f"kafka_copy_{size}_{stages}_stage{'s' * (stages != '1')}",
                            statistics.median(each["ours"] for each in rounds), "records/s",
                            statistics.median(each["bare"] for each in rounds))

    # ---- search

    def search(self):
        workers = {"index-0": "indexer", "index-1": "indexer", "query": "query-embedder",
                   "answer": "answerer"}
        with self.system("search", workers) as system:
            self.fill(system, SEARCH_CHUNKS)
            client = Client(system)
            time_to_complete(client)
            before = self.run_tool("hops")
            totals, steps = self.time_searches(client)
            after = self.run_tool("hops")
            system.stop()
        bare = {name: (before[name] + after[name]) / 2 for name in before}
        p50 = percentile(totals, 0.5)
        self.report.row("kafka_search_p50", p50, "ms", bare["p50_ms"])
        self.report.row("kafka_search_p99", percentile(totals, 0.99), "ms", bare["p99_ms"])
        for name in ("http", "embed", "index"):
            self.report.row(f"kafka_search_{name}_p50", percentile(steps[name], 0.5), "ms", p50)
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            self.report.row(f"kafka_search_log_{name}", percentile(steps["log"], share), "ms",
                            bare[f"{name}_ms"])
        rest = percentile([a + b for a, b in zip(steps["log"], steps["http"])], 0.5)
        self.report.row("kafka_search_above_hops_p50", rest - bare["p50_ms"], "ms", 5)  # the aim

    def time_searches(self, client):
        """Milliseconds of each search, and of its steps as Server-Timing says them."""
        totals, steps = [], {}
        questions = made_questions(made_corpus(300), WARM_UP + (100 if self.short else 500))
        for number, question in enumerate(questions):
            began = time.perf_counter()
            status, headers, body = client.request(
                "POST", f"{client.base}/search", json.dumps({"query": question, "top_k": 10}),
                {"Content-Type": "application/json"})
            total = 1000 * (time.perf_counter() - began)
            found = json.loads(body)
            assert status == 200 and not found["partial"], f"a search gave {status} {body[:300]!r}"
            assert len(found["passages"]) == 10, "a search finds as many as it asks for"
            if number < WARM_UP:
                continue
            timing = {name: float(value) for name, value in
                      re.findall(r"(\w+);dur=([\d.]+)", headers["Server-Timing"])}
            timing["http"] = max(0.0, total - timing["total"])
            totals.append(total)
            for name, value in timing.items():
                steps.setdefault(name, []).append(value)
        return totals, steps

    # ---- an indexer is killed

    def takeover(self):
        workers = {"index-0": "indexer", "index-1": "indexer",
                   "questions": "query-embedder,answerer"}
        with self.system("takeover", workers) as system:
            self.fill(system, SEARCH_CHUNKS)
            client = Client(system)
            time_to_complete(client)
            bare_takeover, bare_restart = self.raw_members(system.prefix)
            killed = system.process_named("index-0")
            restarts = [self.time_restart(client, killed) for _ in range(RESTARTS)]
            self.report.row("kafka_indexer_restart_to_complete", statistics.median(restarts), "s",
                            bare_restart)
            # What took over keeps what it has indexed: the second time it has the index already.
            for way in ("replay", "own_index"):
                killed.kill()
                self.report.row(f"kafka_indexer_takeover_by_{way}_to_complete",
                                time_to_complete(client), "s", bare_takeover)
                killed.start().wait_ready()
                wait_assigned(killed, "indexer", PARTITIONS // 2)
                time_to_complete(client)
            system.stop()

    @staticmethod
    def time_restart(client, process):
        """Seconds from SIGKILL, and a start at once, to complete answers."""
        process.kill()
        process.start()
        seconds = time_to_complete(client)
        process.wait_ready()
        return seconds

    def raw_members(self, prefix):
        """Seconds until partitions are owned again: by the other member, and by the same one."""
        def member(name):
            return Member(self.tool, self.cluster.bootstrap, "member", prefix + "raw",
                          prefix + "embeddings.g1", name, str(SESSION_TIMEOUT_MS))
        members = []
        try:
            for name in ("a", "b"):
                members.append(member(name))
                for each in members:
                    each.wait_for(PARTITIONS // len(members))
            restarts = []
            for _ in range(RESTARTS):
                members[0].kill()
                began = time.perf_counter()
                members[0] = member("a")
                members[0].wait_for(PARTITIONS // 2)
                restarts.append(time.perf_counter() - began)
            members[0].kill()
            began = time.perf_counter()
            members[1].wait_for(PARTITIONS)
            return time.perf_counter() - began, statistics.median(restarts)
        finally:
            for each in members:
                each.kill()

    # ---- an index is read again

    def recovery(self):
        chunks = 10_000 if self.short else 100_000
        system = self.system("recovery", {"index": "indexer", "questions": "query-embedder,answerer"})
        self.fill(system, chunks)
        reads = [self.run_tool("read", system.prefix, PARTITIONS)["seconds"] for _ in range(3)]
        bare = statistics.median(reads)
        with system:
            client, indexer = Client(system), system.process_named("index")
            time_to_complete(client)
            restarts = [self.time_restart(client, indexer) for _ in range(RESTARTS)]
            indexer.kill()
            shutil.rmtree(system.folder / indexer.name / "index")
            replay = self.time_restart(client, indexer)
            system.stop()
        for way, seconds in (("snapshot", statistics.median(restarts)), ("replay", replay)):
            self.report.row(f"kafka_recovery_by_{way}_to_complete", seconds, "s", bare)
            self.report.row(f"kafka_recovery_by_{way}", chunks / seconds, "chunks/s", chunks / bare)

    # ---- more processes

    def scaling(self):
        documents = made_corpus(80 if self.short else 500)
        encoders = [self.encoder_rate(documents[:len(documents) // 3], count) for count in (1, 2)]
        rates = [self.ingestion_rate(documents, count) for count in (1, 2)]
        self.report.row("encoder_1_process_1_thread", encoders[0], "chunks/s")
        self.report.row("encoder_2_processes_1_thread", encoders[1], "chunks/s", encoders[0])
        self.report.row("kafka_ingest_1_process", rates[0], "documents/s")
        self.report.row("kafka_ingest_2_processes", rates[1], "documents/s", rates[0])
        self.report.row("kafka_ingest_scaling", rates[1] / rates[0], "times",
                        encoders[1] / encoders[0])

    def encoder_rate(self, documents, count):
        """Of so many processes side by side, with a thread each."""
        texts = self.folder / "texts.jsonl"
        texts.write_text("".join(json.dumps(each) + "\n" for each in documents))
        running = [subprocess.Popen([str(self.encoder_tool), str(self.model), str(texts), "1"],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                   for _ in range(count)]
        said = [each.communicate(timeout=TOOL_SECONDS_MAX) for each in running]
        assert all(each.returncode == 0 for each in running), f"bench_encoder: {said}"
        return sum(json.loads(output)["chunks_per_second"] for output, _ in said)

    def ingestion_rate(self, documents, count):
        names = [f"documents-{number}" for number in range(count)]
        workers = {"index": "indexer", **dict.fromkeys(names, "extractor,chunker,embedder")}
        own_flags = dict.fromkeys(names, ["--embedding-threads", "1"])
        with self.system(f"scaling-{count}", workers, own_flags=own_flags) as system:
            for name in names:
                wait_assigned(system.process_named(name), "embedder", PARTITIONS // count)
            client = Client(system)
            began = time.perf_counter()
            client.add(documents)
            states = client.wait_settled(each["id"] for each in documents)
            seconds = time.perf_counter() - began
            assert set(states.values()) == {"indexed"}, "every document must be indexed"
            system.stop()
        return len(documents) / seconds

    PARTS = {"chains": chains, "search": search, "takeover": takeover, "recovery": recovery,
             "scaling": scaling}


def time_to_complete(client):
    """Seconds until a search that begins from now on has been answered by every partition."""
    began = time.perf_counter()
    body = json.dumps({"query": "what is complete", "top_k": 10})
    while time.perf_counter() - began < COMPLETE_SECONDS_MAX:
        status, _, answer = client.request("POST", f"{client.base}/search", body,
                                           {"Content-Type": "application/json"})
        assert status in (200, 504), f"a search gave {status} {answer[:300]!r}"
        found = json.loads(answer)
        if status == 200 and not found["partial"]:  # 504: no partition answers at all
            assert len(found["passages"]) == 10, "a complete answer finds as many as it asks for"
            return time.perf_counter() - began
    raise AssertionError(f"searches are partial after {COMPLETE_SECONDS_MAX} s")



def wait_assigned(process, group, partitions):
    """Until the process has said that it has so many of the group's partitions."""
    def has():
        said = [json.loads(line) for line in process.events if '"partitions_assigned"' in line]
        said = [each["all"] for each in said if each["group"] == group]
        return bool(said) and said[-1] == partitions
    with process.changed:
        assert process.changed.wait_for(has, WAIT_SECONDS_MAX), \
            f"{process.name} does not get {partitions} partitions of {group}"
