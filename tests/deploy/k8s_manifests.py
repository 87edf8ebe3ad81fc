"""The environments of k8s/, rendered by Kustomize, and what the sources say that they should be."""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
K8S = ROOT / "k8s"
BUILD = pathlib.Path(os.environ.get("MILLRACE", ROOT / "build/millrace")).resolve().parent
PARTS = pathlib.Path(os.environ.get("MILLRACE_PARTS", ROOT / "build/parts"))
OVERLAYS = sorted(each.name for each in (K8S / "overlays").glob("[a-z]*"))
COMPONENTS = sorted(each.name for each in (K8S / "components").iterdir())
STAGES = ("extractor", "chunker", "embedder", "indexer", "query-embedder", "answerer", "sweeper")
ROLES = ("gateway", *STAGES)
WORKLOADS = ("Deployment", "StatefulSet", "CronJob")
SECONDS_MAX = 120
MINUTE_MS, DAY_MS = 60_000, 86_400_000
ERASE_WITHIN_MS = 2 * DAY_MS
UNITS = {"m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
ENVIRONMENTS = [*OVERLAYS, "everything"]


def kustomize():
    """The command that renders a folder: that of .ci/setup, or what is installed."""
    fetched = PARTS / "tools/kustomize"
    if fetched.exists():
        return [str(fetched), "build"]
    if shutil.which("kustomize"):
        return ["kustomize", "build"]
    if shutil.which("kubectl"):
        return ["kubectl", "kustomize"]
    raise RuntimeError("no kustomize: `make test`, or .ci/setup --tests, brings it")


def render(folder):
    done = subprocess.run([*kustomize(), str(folder)], capture_output=True, text=True, check=False,
                          timeout=SECONDS_MAX)
    if done.returncode != 0 or done.stderr:  # what is deprecated is a mistake, too
        raise RuntimeError(f"{folder} is not rendered without complaint: {done.stderr}")
    return done.stdout


@functools.cache
def text_of(overlay):
    return render(K8S / "overlays" / overlay)


@functools.cache
def everything():
    """prod with the components that no overlay has beside its own: the text."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "k8s"
        shutil.copytree(K8S, copy)
        kustomization = copy / "overlays/prod/kustomization.yaml"
        prod = yaml.safe_load(kustomization.read_text())
        prod["components"] = ["../../components/blue-green", *prod["components"]]
        prod["components"] += [f"../../components/{each}" for each in ("istio", "openai", "vpa")]
        prod["images"].append({"name": "millrace-green", "newName": "millrace", "newTag": "0.2.0"})
        kustomization.write_text(yaml.safe_dump(prod))
        return render(kustomization.parent)


class Environment:
    """The objects of a rendered text."""

    def __init__(self, text):
        self.objects = [each for each in yaml.safe_load_all(text) if each]

    def of(self, *kinds):
        return [each for each in self.objects if each["kind"] in kinds]

    def one(self, kind, name):
        found = [each for each in self.of(kind) if each["metadata"]["name"] == name]
        assert len(found) == 1, f"{len(found)} of {kind} {name}"
        return found[0]

    @property
    def settings(self):
        return self.of("ConfigMap")[0]["data"]

    @property
    def partitions(self):
        return int(self.settings["MILLRACE_PARTITIONS"])

    def pods(self):
        """(workload, template of its pods) of all that millrace runs."""
        for each in self.of(*WORKLOADS):
            spec = each["spec"]["jobTemplate"]["spec"] if each["kind"] == "CronJob" else each["spec"]
            yield each, spec["template"]

    def autoscaler(self, workload):
        """(least, most) pods of a workload."""
        name = workload["metadata"]["name"]
        for each in self.of("ScaledObject", "HorizontalPodAutoscaler"):
            if each["spec"]["scaleTargetRef"]["name"] == name:
                spec = each["spec"]
                return (spec.get("minReplicas") or spec.get("minReplicaCount"),
                        spec.get("maxReplicas") or spec.get("maxReplicaCount"))
        replicas = workload["spec"].get("replicas", 1)
        return replicas, replicas


@functools.cache
def environment(overlay):
    return Environment(everything() if overlay == "everything" else text_of(overlay))


def selects(selector, labels):
    wanted = selector.get("matchLabels", {}).items()
    rules = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in rules), rules
    return wanted <= labels.items() and all(labels.get(each["key"]) in each["values"] for each in rules)


def help_of(program):
    done = subprocess.run([str(BUILD / program), "--help"], capture_output=True, text=True, check=True,
                          timeout=SECONDS_MAX)
    return done.stdout


@functools.cache
def flags_of(program):
    return set(re.findall(r"^ +(?:-\w,)?(--[\w-]+)", help_of(program), re.M))


def topic_names():
    """Constants of schemas/topics.h, and functions of a generation as prefixes: {kTexts: texts}."""
    header = (ROOT / "schemas/topics.h").read_text()
    names = dict(re.findall(r'string_view (k\w+) = "([\w-]+)"', header))
    names |= {each: f"{each}.g*" for each in re.findall(r"^std::string (\w+)\(int generation\)", header, re.M)}
    assert len(names) > 10, names
    return names


def topic_cells():
    """Of schemas/topics.cc, generation 1: {name: the row's cells as they are written}."""
    source = (ROOT / "schemas/topics.cc").read_text()
    table = source[source.index("kTopics{{"):source.index("}};")]
    names, rows = topic_names(), {}
    for row in re.findall(r"\{([^{}]*(?:\{\d+\}[^{}]*)*)\}(?=,\n)", table[len("kTopics{{"):]):
        row = re.sub(r"\([^()]*\)", "()", row)
        cells = [" ".join(each.split()) for each in re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", row)]
        assert len(cells) == 10, cells
        name = cells[0].strip('"')
        name = names[name.rpartition("::")[2]] if "::" in name else name
        if cells[3] == "kPerGeneration":
            name += ".g1"
        rows[name] = cells
    assert len(rows) == int(re.search(r"TopicRow, (\d+)> kTopics", source)[1]), sorted(rows)
    return rows


def topic_rows():
    """{name: (partitioned, settings in Kafka)}."""
    rows = {}
    for name, cells in topic_cells().items():
        retention = re.fullmatch(r"kForever|(days|minutes)\{(\d+)\}", cells[7])
        assert retention, cells
        unit = {"days": DAY_MS, "minutes": MINUTE_MS}.get(retention[1], 0)
        rows[name] = (cells[6] == "kPartitioned",
                      kafka_settings(cells[4] == "kCompacted", unit * int(retention[2] or 0)))
    return rows


def backed_up_topics():
    return {name for name, cells in topic_cells().items() if cells[8] == "kBackedUp"}


def kafka_settings(compacted, retention_ms):
    """As kafka_topic_settings() of common/log/kafka_topics.cc, with the default of erase_within_ms."""
    step_ms = ERASE_WITHIN_MS // 8
    longest_ms = min(DAY_MS, step_ms)
    policy = ",".join(["compact"] * compacted + ["delete"] * (retention_ms > 0))
    settings = {"cleanup.policy": policy}
    if compacted:
        settings |= {"min.cleanable.dirty.ratio": "0.1", "delete.retention.ms": str(DAY_MS),
                     "segment.ms": str(longest_ms), "max.compaction.lag.ms": str(step_ms)}
    if retention_ms:
        segment_ms = min(max(retention_ms // 4, MINUTE_MS), longest_ms)
        settings |= {"retention.ms": str(retention_ms), "segment.ms": str(segment_ms)}
    return settings


def stage_rows():
    """Of workers/stages.cc: {name: (topics read, topics written, exactly once, per generation)}."""
    source = (ROOT / "workers/stages.cc").read_text()
    swept = topics_in(re.search(r"Topics swept_topics.*?\n}\n", source, re.S)[0])
    table = source[source.index("kStages[] = {"):]
    rows = {}
    for row in re.split(r"\n    \{(?=\")", table[:table.index("\n};")])[1:]:
        name = re.match(r'"([\w-]+)"', row)[1]
        once, each_generation = re.search(r"\n     (true|false),\n     (true|false),\n", row).groups()
        topics = [topics_in(each) for each in re.findall(r"-> Topics \{(.*?)\n?\s*\}[,;]", row, re.S)]
        if not topics:
            assert row.count("swept_topics,") == 2, row
            topics = [swept, swept]
        # Rows of one name are the same stage over different sources.
        read, written = rows.get(name, (set(), set()))[:2]
        rows[name] = (read | topics[0], written | topics[1], once == "true", each_generation == "true")
    assert set(rows) == {*STAGES, "searcher"}, sorted(rows)
    return rows


def reader_group():
    """That readers without a group have all the same."""
    source = (ROOT / "common/log/kafka_reader.cc").read_text()
    return re.search(r'make_consumer\("(\w+)"', source)[1]


def topics_in(source):
    names = topic_names()
    found = {names[each] for each in re.findall(r"topics::(\w+)", source)}
    assert found, source
    return found


def amount(quantity):
    number, unit = re.fullmatch(r"([\d.]+)(m|[KMGT]i)?", str(quantity)).groups()
    return float(number) * UNITS.get(unit, 1)


def name_of(thing):
    return f"{thing['kind']} {thing['metadata']['name']}"


def container_of(template):
    containers = template["spec"]["containers"]
    assert len(containers) == 1 and "initContainers" not in template["spec"], containers
    return containers[0]


class Case(unittest.TestCase):
    """Goes through environments; what fails says in which."""

    place = ""

    def each(self, environments=tuple(ENVIRONMENTS)):
        for self.place in environments:
            yield environment(self.place)

    def pods(self):
        for each in self.each():
            for workload, template in each.pods():
                self.place = f"{self.place.partition(',')[0]}, {name_of(workload)}"
                yield each, workload, template

    def _formatMessage(self, msg, standardMsg):
        return f"{self.place}: {super()._formatMessage(msg, standardMsg)}"
