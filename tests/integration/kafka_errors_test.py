#!/usr/bin/env python3
"""What Kafka can refuse and how it can fail, one case after the other, seen from outside.

Each says so in one clear log line and a metric and does what its kind of error says; nothing that
was accepted is lost or there twice, and nobody spins: processor time and lines are counted. One
broker for all, so the cases have an order; each begins by mending what the last one has left.
"""

import contextlib
import functools
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "support/kafka"))
from broker_protocol import leave_pending  # noqa: E402  pylint: disable=wrong-import-position
from certificates import Authority  # noqa: E402  pylint: disable=wrong-import-position
from cluster import Cluster, free_ports  # noqa: E402  pylint: disable=wrong-import-position
from kafka_system import BUILD, KafkaSystem, Process  # noqa: E402  pylint: disable=wrong-import-position
from ledger import Ledger, text_of  # noqa: E402  pylint: disable=wrong-import-position
from millrace_process import Client, metrics_of  # noqa: E402  pylint: disable=wrong-import-position

WAIT_SECONDS_MAX = 120
REQUEST_TIMEOUT_SECONDS = 20  # a commit whose end is unknown for twice as long ends the process
CPU_SHARE_MAX = 0.3        # of one processor, while there is nothing to do but wait
PROBE_BYTES = 30_000       # more than a limited topic takes, less than others do
OUTAGE_LINES_MAX = 15      # of one process, from the first failure until all is well again
PARTITIONS = 2
WORKERS = {"documents": "extractor,chunker,embedder", "rest": "indexer,query-embedder,answerer"}
RECORD_BYTES_MAX = 1_048_588  # max.message.bytes of a topic, by default
ADVICE = {
    "topic": "grant this principal Read, Write and Describe on the topics",
    "password": "check kafka_sasl_mechanism, kafka_sasl_username and kafka_sasl_password",
    "fenced": "another process with the same kafka_instance has taken over",
    "missing": "millrace topics create",
}


def eventually(condition, what, seconds=WAIT_SECONDS_MAX):
    """What `condition` gives as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return found


def get(port, path):
    """(status, body) of a request that may find nobody: then status 0."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def metric(process, name, **labels):
    """The sum of the samples that have these labels; None when there are none."""
    found = None
    for line in metrics_of(process.port).splitlines():
        sample = re.fullmatch(rf"{name}(?:\{{(.*)\}})? ([^ ]+)", line)
        if sample and all(f'{each}="{value}"' in (sample[1] or "") for each, value in labels.items()):
            found = (found or 0) + float(sample[2])
    return found


def lines(process, event, part=""):
    """What it has logged of an event since it was started."""
    return [json.loads(each) for each in list(process.events)
            if f'"event":"{event}"' in each and part in each]


def wait_line(process, event, part=""):
    """The first such line."""
    with process.changed:
        there = process.changed.wait_for(
            lambda: lines(process, event, part) or not process.is_up(), WAIT_SECONDS_MAX)
    found = lines(process, event, part)
    assert there and found, f"{process.name}: no {event} with {part!r}: {''.join(process.events)}"
    return found[0]


def wait_end(process):
    """Its exit code, once everything that it wrote has been read."""
    with process.changed:
        assert process.changed.wait_for(lambda: process.process.stderr.closed, WAIT_SECONDS_MAX), \
            f"{process.name} goes on"
    return process.process.wait(WAIT_SECONDS_MAX)


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user, system


class Deaf(threading.Thread):
    """Takes connections at a broker's port, closes them and counts them."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.count = 0
        self.socket = socket.create_server(("127.0.0.1", port))
        self.start()

    def run(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                self.socket.accept()[0].close()
                self.count += 1

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.join()
        self.socket.close()


class Idle:
    """Shows that processes wait and do not spin from now until check()."""

    def __init__(self, *processes):
        self.began = time.monotonic()
        self.before = {each: cpu_seconds(each) for each in processes}

    def check(self, case):
        wall = time.monotonic() - self.began
        for process, before in self.before.items():
            share = (cpu_seconds(process) - before) / wall
            print(f"  {process.name}: {share:.1%} of a processor over {wall:.1f} s")
            case.assertLess(share, CPU_SHARE_MAX, process.name)


class System(KafkaSystem):
    """Processes whose ports are known before they are ready, over any listener of a cluster."""

    def __init__(self, folder, cluster, name, *flags, protocol="PLAINTEXT", user=None, password=None,
                 ca_file=None, **options):
        env = {"MILLRACE_KAFKA_SECURITY_PROTOCOL": protocol.lower()}
        if user:
            env |= {"MILLRACE_KAFKA_SASL_MECHANISM": "PLAIN", "MILLRACE_KAFKA_SASL_USERNAME": user,
                    "MILLRACE_KAFKA_SASL_PASSWORD": password}
        if ca_file:
            env |= {"MILLRACE_KAFKA_TLS_CA_FILE": str(ca_file)}
        flags += ("--kafka-request-timeout-ms", f"{REQUEST_TIMEOUT_SECONDS}s")
        super().__init__(pathlib.Path(folder) / name, *flags, env=env, workers=WORKERS,
                         bootstrap=cluster.addresses(protocol), partitions=PARTITIONS, **options)
        for each, port in zip(self.processes, free_ports(len(self.processes))):
            each.port = port

    def topics(self, command):
        return subprocess.run([str(BUILD / "millrace"), "topics", command, "--brokers",
                               self.bootstrap, "--kafka-prefix", self.prefix, "--partitions",
                               str(self.partitions)],
                              capture_output=True, text=True, check=False, env=self.env)

    def settings(self, name):
        return super().settings(name.removesuffix("-twin"))

    def launch(self):
        """Starts what does not run and waits for nothing."""
        for each in self.processes:
            if not each.is_up():
                each.start()

    def wait_ready(self):
        for each in self.processes:
            each.wait_ready()
        self.process, self.port = self.gateways[0].process, self.gateways[0].port
        eventually(lambda: get(self.port, "/readyz")[0] == 200, "the gateway is ready")

    @property
    def gateway(self):
        return self.gateways[0]

    @property
    def documents(self):
        return self.workers[0]


class Writer(threading.Thread):
    """Adds one document after the other until it is told to stop; what is refused, again."""

    def __init__(self, system, ledger):
        super().__init__(daemon=True)
        self.client, self.ledger = Client(system), ledger
        self.next = len(ledger.accepted)
        self.accepted = self.refused = 0
        self.stopping = threading.Event()
        self.changed = threading.Condition()
        self.error = None

    def run(self):
        try:
            while not self.stopping.is_set():
                self.turn()
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error
            with self.changed:
                self.changed.notify_all()

    def turn(self):
        self.ledger.sending(self.next, 1)
        body = json.dumps({"documents": [{"id": f"doc-{self.next}", "text": text_of(self.next, 1)}]})
        status, headers, content = self.client.request(
            "POST", f"{self.client.base}/documents", body, {"Content-Type": "application/json"})
        assert status in (202, 503), (status, content)
        with self.changed:
            if status == 202:
                self.ledger.answered(self.next, 1)
                self.next += 1
                self.accepted += 1
            else:
                self.refused += 1
            self.changed.notify_all()
        if status == 503:
            self.stopping.wait(float(headers["Retry-After"]))

    def wait_for(self, condition, what):
        with self.changed:
            assert self.changed.wait_for(lambda: self.error or condition(), WAIT_SECONDS_MAX), what
        if self.error:
            raise self.error

    def wait_more(self, accepted):
        goal = self.accepted + accepted
        self.wait_for(lambda: self.accepted >= goal, f"{accepted} more documents are accepted")

    def finish(self):
        self.stop()
        if self.error:
            raise self.error

    def stop(self):
        self.stopping.set()
        self.join()


class KafkaErrorsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.cluster = Cluster(cls.folder / "kafka", users={"root": "root-word", "mill": "mill-word"},
                              super_users=["root"], tls=True)
        cls.cluster.__enter__()
        cls.addClassCleanup(cls.cluster.stop)
        cls.broker = cls.cluster.brokers[0]
        cls.ledger = Ledger()
        cls.system = System(cls.folder, cls.cluster, "shared")
        cls.addClassCleanup(cls.system.kill_all)
        made = cls.system.topics("create")
        assert made.returncode == 0, made.stderr
        cls.system.has_topics = True

    def running(self):
        """The system that most cases share, with its broker."""
        self.mend_broker()
        self.system.launch()
        self.system.wait_ready()
        return self.system

    def mend_broker(self):
        if self.broker.paused:
            self.cluster.resume(self.broker)
        if not self.broker.is_up():
            self.cluster.restart(self.broker)

    @contextlib.contextmanager
    def other(self, name, **options):
        self.mend_broker()
        system = System(self.folder, self.cluster, name, **options)
        try:
            yield system
        finally:
            system.kill_all()

    @staticmethod
    def check_connected(system, wanted):
        def is_so(process):
            assert process.is_up(), f"{process.name} has ended: {''.join(process.events[-3:])}"
            return metric(process, "kafka_connected") == wanted
        for each in system.processes:
            eventually(functools.partial(is_so, each), f"{each.name}: kafka_connected is {wanted}")

    def check_waits(self, process, *parts):
        """It does not work yet, and one log line and /readyz say why, in these words."""
        self.check_not_ready(process, *parts)
        said = wait_line(process, "waiting_for_kafka")
        self.assertEqual(said["brokers"], process.system.bootstrap)
        for each in parts:
            self.assertIn(each, said["reason"])
        self.assertEqual(len(lines(process, "waiting_for_kafka")), 1, process.events)
        self.assertEqual(len(process.events), 1, process.events)

    @staticmethod
    def check_not_ready(process, *parts):
        def is_said():
            status, text = get(process.port, "/readyz")
            return status == 503 and all(each in text for each in parts)
        eventually(is_said, f"/readyz of {process.name} names {parts}")

    def check_documents(self, system):
        """What the ledger knows of is there, once each."""
        client = Client(system)
        chunks = self.ledger.check(self, client)
        self.assertEqual(client.json("GET", client.base, expect=200)["documents"], len(chunks))

    def test_01_a_broker_that_is_down_is_waited_for(self):
        self.cluster.kill(self.broker)
        system = self.system
        system.launch()
        for each in system.processes:
            self.check_waits(each, system.bootstrap)
        self.check_connected(system, 0)
        deaf = Deaf(self.broker.port)
        idle = Idle(*system.processes)
        eventually(lambda: deaf.count >= 10 * len(system.processes), "they ask again")
        idle.check(self)
        deaf.close()
        for each in system.processes:  # one line for each of the two reasons
            self.assertLessEqual(len(each.events), 2, each.events)
            self.check_not_ready(each, system.bootstrap)
        self.cluster.restart(self.broker)
        system.wait_ready()
        self.check_connected(system, 1)
        client = Client(system)
        client.add([{"id": "first", "text": "The first document came after the broker."}])
        self.assertEqual(client.wait_settled(["first"]), {"first": "indexed"})
        client.json("DELETE", f"{client.base}/documents/first", expect=202)

    def outage(self, begin, end):
        """The broker goes away while documents are being accepted and comes back."""
        system = self.running()
        writer = Writer(system, self.ledger)
        self.addCleanup(writer.stop)
        writer.start()
        writer.wait_more(20)
        known = {each: len(each.events) for each in system.processes}
        begin(self.broker)
        idle = Idle(*system.processes)
        self.check_connected(system, 0)
        refused = writer.refused
        writer.wait_for(lambda: writer.refused > refused, "documents are refused")
        idle.check(self)
        end(self.broker)
        self.check_connected(system, 1)
        writer.wait_more(20)
        writer.finish()
        for each in system.processes:
            self.assertTrue(each.is_up(), f"{each.name}: {''.join(each.events[-5:])}")
        self.check_documents(system)
        for each, count in known.items():
            said = each.events[count:]
            print(f"  {each.name}: {len(said)} lines")
            self.assertLessEqual(len(said), OUTAGE_LINES_MAX, said)
            for event in ("kafka_failing", "kafka_answers"):
                self.assertEqual(sum(f'"event":"{event}"' in line for line in said), 1, said)

    def test_02_a_broker_that_dies_costs_nothing_but_time(self):
        self.outage(self.cluster.kill, self.cluster.restart)

    def test_03_a_broker_that_stands_still_costs_nothing_but_time(self):
        self.outage(self.cluster.pause, self.cluster.resume)

    def test_04_missing_topics_are_waited_for(self):
        with self.other("topicless") as system:
            system.launch()
            for each in system.processes:
                self.check_waits(each, "documents", "embeddings.g1", ADVICE["missing"])
            made = system.topics("create")
            self.assertEqual(made.returncode, 0, made.stderr)
            system.wait_ready()
            client = Client(system)
            client.add([{"id": "a", "text": "Otters hold hands."}])
            self.assertEqual(client.wait_settled(["a"]), {"a": "indexed"})

    def test_05_other_partitions_than_the_table_says_end_the_process(self):
        with self.other("narrow") as system:
            self.assertEqual(system.topics("create").returncode, 0)
            system.partitions = PARTITIONS + 1
            for each in (system.gateway, system.documents):
                each.start()
                self.assertEqual(wait_end(each), 1, each.events)
                last = each.events[-1]
                differs = f"has {PARTITIONS} and should have {PARTITIONS + 1}"
                for part in (f"documents {differs}", f"embeddings.g1 {differs}",
                             "millrace topics describe"):
                    self.assertIn(part, last)
                self.assertNotIn("collections", last)  # has one everywhere
            described = system.topics("describe")
            self.assertIn(f"partitions is {PARTITIONS}, the table says {PARTITIONS + 1}",
                          described.stdout)
            changed = system.topics("create")
            self.assertEqual(changed.returncode, 1)
            self.assertIn("keys would fall into other partitions", changed.stderr)

    def test_06_a_second_process_of_a_name_fences_the_first(self):
        system = self.running()
        first = system.documents
        known = len(first.events)
        twin = Process(system, f"{first.name}-twin", first.command)
        writer = Writer(system, self.ledger)
        self.addCleanup(writer.stop)
        writer.start()
        writer.wait_more(10)
        twin.start()
        try:
            self.assertEqual(wait_end(first), 1)
            twin.wait_ready()
            writer.wait_more(20)
            writer.finish()
            self.check_documents(system)
            said = first.events[known:]
            self.assertIn(ADVICE["fenced"], said[-1])
            self.assertNotIn('"event"', said[-1])  # the reason why it ends
            self.assertLessEqual(len(said), OUTAGE_LINES_MAX, said)
            failed = lines(first, "stage_failed")  # one for each of its stages that noticed
            self.assertEqual(len({each["stage"] for each in failed}), len(failed), failed)
            self.assertTrue(failed)
            for each in failed:
                self.assertIn(ADVICE["fenced"], each["error"])
            self.assertNotIn("kafka_failing", "".join(said))  # the cluster answers
            self.assertTrue(twin.is_up())
            self.assertEqual(lines(twin, "stage_failed"), [])
        finally:
            twin.kill()

    def dead_letters(self, system):
        """Those that fit into one record, by their key."""
        done = subprocess.run(
            ["kcat", "-C", "-q", "-e", "-J", "-b", self.cluster.bootstrap, "-o", "beginning",
             "-t", f"{system.prefix}dead-letters"], capture_output=True, check=True, timeout=60)
        found = {}
        for line in done.stdout.splitlines():
            record = json.loads(line)
            if '"kind":' in (record["payload"] or ""):
                found[record["key"]] = json.loads(record["payload"].split("\n", maxsplit=1)[0])
        return found

    def send(self, topic, key, value, *headers):
        """Whether the broker takes this record for partition 0 of a topic, past the gateway."""
        path = self.folder / "record"
        path.write_bytes(value)
        options = [option for each in headers for option in ("-H", each)]
        sent = subprocess.run(["kcat", "-P", "-b", self.cluster.bootstrap, "-t", topic, "-p", "0",
                               "-k", key, "-X", f"message.max.bytes={2 * RECORD_BYTES_MAX}",
                               *options, str(path)], check=False, capture_output=True, timeout=60)
        return sent.returncode == 0

    def produce(self, system, key, value, *headers):
        self.assertTrue(self.send(f"{system.prefix}documents", key, value, *headers))

    def limit(self, topic, size):
        """Sets the largest record that a topic takes, and waits until its broker has learned of it.

        That is asked with a segment of a record that never comes: every reader passes over it.
        """
        self.cluster.set_topic(topic, "max.message.bytes", str(size))
        eventually(lambda: self.send(topic, "probe", b"x" * PROBE_BYTES, "segments=part") ==
                   (PROBE_BYTES < size), f"{topic} takes records of {size} bytes at most")

    def check_given_up(self, system, cause, *parts):
        """`cause` costs one dead letter with these words and nothing else; its row."""
        client, worker = Client(system), system.documents
        letters = functools.partial(metric, worker, "stage_dead_letters_total", stage="extractor")
        before, known = letters(), len(lines(worker, "record_dead_lettered"))
        earlier = self.dead_letters(system)
        cause()
        client.add([{"id": f"after-{n}", "text": f"Document {n} comes after it."} for n in range(4)])
        after = [f"after-{n}" for n in range(4)]
        self.assertEqual(set(client.wait_settled(after).values()), {"indexed"})
        eventually(lambda: letters() == before + 1, "the dead letter is counted")
        said = lines(worker, "record_dead_lettered")[known:]
        self.assertEqual(len(said), 1, said)
        self.assertEqual((said[0]["stage"], said[0]["topic"], said[0]["kind"]),
                         ("extractor", "documents", "rejected"))
        new = {key: each for key, each in self.dead_letters(system).items() if key not in earlier}
        self.assertEqual(list(new), [f"documents:{said[0]['partition']}:{said[0]['offset']}"])
        letter, = new.values()
        for part in parts:
            self.assertIn(part, said[0]["error"])
            self.assertIn(part, json.dumps(letter))
        client.json("GET", client.base, expect=200)
        for each in after:
            client.json("DELETE", f"{client.base}/documents/{each}", expect=202)
        self.assertEqual(set(client.wait_settled(after).values()), {"deleted"})
        return letter

    def test_07_an_unknown_schema_version_is_a_dead_letter(self):
        system = self.running()
        self.check_given_up(
            system, lambda: self.produce(system, "default/odd", b'{"document_id":"odd"}',
                                         "event-type=document", "schema-version=7"),
            "schema version", "this program knows version 1")

    def test_08_a_record_as_large_as_a_broker_takes_is_a_dead_letter_larger_than_that(self):
        system = self.running()
        size = RECORD_BYTES_MAX - 500
        worker = system.documents
        before = metric(worker, "stage_dead_letters_total", stage="extractor")
        self.produce(system, "default/huge", b"x" * size, "event-type=other")
        eventually(lambda: metric(worker, "stage_dead_letters_total", stage="extractor") ==
                   before + 1, "the dead letter is counted")
        self.assertEqual(len(lines(worker, "record_dead_lettered", "other")), 1)

    def test_09_a_topic_that_takes_no_large_records(self):
        """What a stage makes of one document is refused: that one is given up, and the next goes on."""
        system, client = self.running(), Client(self.system)
        large = " ".join(f"Sentence {n} of the large document." for n in range(2_000))
        texts, documents = system.prefix + "texts", system.prefix + "documents"
        self.limit(texts, 20_000)
        try:
            self.check_given_up(system, lambda: client.add([{"id": "large", "text": large}]),
                                "append to", "texts", "MSG_SIZE_TOO_LARGE")
        finally:
            self.limit(texts, RECORD_BYTES_MAX)
        self.assertEqual(client.wait_settled(["large"]), {"large": "failed"})
        self.assertIn("MSG_SIZE_TOO_LARGE", client.status("large")["error"])
        self.limit(documents, 20_000)
        try:
            body = json.dumps({"documents": [{"id": "large", "text": large}]})
            status, _, content = client.request("POST", f"{client.base}/documents", body,
                                                {"Content-Type": "application/json"})
            self.assertIn(status, (400, 413), content)
            self.assertIn("MSG_SIZE_TOO_LARGE", json.loads(content)["detail"])
            client.add([{"id": "small", "text": "Small enough."}])
        finally:
            self.limit(documents, RECORD_BYTES_MAX)
        client.add([{"id": "large", "text": large}])
        self.assertEqual(client.wait_settled(["large", "small"]),
                         {"large": "indexed", "small": "indexed"})
        for each in ("large", "small"):
            client.json("DELETE", f"{client.base}/documents/{each}", expect=202)

    def names_of_topics(self, system):
        done = subprocess.run(["kcat", "-L", "-J", "-b", self.cluster.bootstrap], check=True,
                              capture_output=True, timeout=60)
        return [each["topic"] for each in json.loads(done.stdout)["topics"]
                if each["topic"].startswith(system.prefix)]

    def test_10_a_missing_right_is_waited_for(self):
        with self.other("rights", protocol="SASL_PLAINTEXT", user="mill",
                        password="mill-word") as system:
            with self.other("rights-admin") as admin:  # a principal without rights makes no topics
                admin.prefix = system.prefix
                self.assertEqual(admin.topics("create").returncode, 0)
            allow = functools.partial(self.cluster.allow, "mill")
            closed = [system.prefix + "documents", system.prefix + "texts"]
            for topic in self.names_of_topics(system):
                for operation in ("read", "describe") if topic in closed else ("all",):
                    allow(operation, "topic", topic)
            allow("all", "group", system.prefix, prefixed=True)
            allow("all", "transactional_id", system.prefix, prefixed=True)
            system.launch()
            system.wait_ready()
            self.check_upload_right(system, lambda: allow("write", "topic", closed[0]))
            self.check_stage_right(system, lambda: allow("write", "topic", closed[1]))
            found = Client(system).search("herons")["passages"]
            self.assertEqual([each["document_id"] for each in found], ["a"])

    def check_upload_right(self, system, grant):
        """The gateway may not write documents: it says so and takes none."""
        client, gateway = Client(system), system.gateway
        known = len(gateway.events)
        body = json.dumps({"documents": [{"id": "a", "text": "Herons stand on one leg."}]})
        post = functools.partial(client.request, "POST", f"{client.base}/documents", body,
                                 {"Content-Type": "application/json"})
        for _ in range(3):
            status, headers, content = post()
            self.assertEqual(status, 503, content)
            self.assertIn("Retry-After", headers)
            self.assertIn(ADVICE["topic"], json.loads(content)["detail"])
        said = lambda: [each for each in gateway.events[known:] if ADVICE["topic"] in each]
        eventually(said, "the gateway's log says so")
        self.assertEqual(len(said()), 1, gateway.events[known:])
        self.assertGreaterEqual(
            metric(gateway, "kafka_errors_total", code="TOPIC_AUTHORIZATION_FAILED") or 0, 1)
        grant()
        eventually(lambda: post()[0] == 202, "the document is accepted")

    def check_stage_right(self, system, grant):
        """The extractor may not write what it makes of it: it pauses and goes on when it may."""
        worker = system.documents
        paused = functools.partial(metric, worker, "stage_paused", stage="extractor")
        eventually(lambda: paused() == 1, "the extractor pauses")
        tried = functools.partial(metric, worker, "stage_retries_total", stage="extractor",
                                  kind="unavailable")
        idle = Idle(worker)
        before = tried()
        eventually(lambda: tried() >= before + 3, "the extractor tries again")
        idle.check(self)
        said = [each for each in worker.events if ADVICE["topic"] in each]
        self.assertEqual(len(said), 1, said)
        self.assertEqual(len(lines(worker, "stage_paused")), 1)
        self.assertGreaterEqual(
            metric(worker, "kafka_errors_total", code="TOPIC_AUTHORIZATION_FAILED") or 0, 1)
        self.assertEqual(metric(worker, "stage_dead_letters_total"), 0)
        grant()
        self.assertEqual(Client(system).wait_settled(["a"]), {"a": "indexed"})
        self.assertEqual(len(lines(worker, "stage_resumed")), 1)
        eventually(lambda: paused() == 0, "the extractor goes on")

    def test_11_a_wrong_password_is_said_and_waited_with(self):
        with self.other("password", protocol="SASL_PLAINTEXT", user="mill",
                        password="another") as system:
            system.launch()
            for each in system.processes:
                self.check_waits(each, system.bootstrap, ADVICE["password"])
                self.assertEqual(metric(each, "kafka_connected"), 0)
            idle = Idle(*system.processes)
            for each in system.processes:
                errors = functools.partial(metric, each, "kafka_errors_total", code="_AUTHENTICATION")
                more = max(3, (errors() or 0) + 1)
                eventually(lambda errors=errors, more=more: (errors() or 0) >= more,
                           f"{each.name} asks again")
                self.check_waits(each, system.bootstrap)
                self.assertNotIn("another", "".join(each.events))
            idle.check(self)
            self.assertEqual(system.stop(), 0)

    def test_12_all_of_it_over_tls_with_a_password(self):
        with self.other("tls", protocol="SASL_SSL", user="root", password="root-word",
                        ca_file=self.cluster.authority.certificate) as system:
            with system:
                client = Client(system)
                client.add([{"id": "a", "text": "Badgers dig setts."}])
                self.assertEqual(client.wait_settled(["a"]), {"a": "indexed"})
                found = client.search("What do badgers dig?")["passages"]
                self.assertEqual([each["document_id"] for each in found], ["a"])
                self.assertEqual(system.stop(), 0)

    def test_13_another_authority_is_not_trusted(self):
        stranger = Authority(self.folder / "stranger", "somebody else")
        with self.other("authority", protocol="SASL_SSL", user="root", password="root-word",
                        ca_file=stranger.certificate) as system:
            worker = system.documents.start()
            self.check_waits(worker, system.bootstrap, "check kafka_security_protocol and "
                             "kafka_tls_ca_file")
            self.assertGreaterEqual(metric(worker, "kafka_errors_total", code="_SSL") or 0, 1)

    def test_14_a_search_that_no_topic_takes_ends_with_its_reason(self):
        """Outside of transactions: it alone is given up, and the next one is answered."""
        system, client = self.running(), Client(self.system)
        worker, searches = system.workers[1], system.prefix + "searches.g1"
        letters = functools.partial(metric, worker, "stage_dead_letters_total", stage="query-embedder")
        client.add([{"id": "wren", "text": "Wrens sing louder than they look."}])
        self.assertEqual(client.wait_settled(["wren"]), {"wren": "indexed"})
        before = letters()
        self.limit(searches, 200)
        try:
            status, _, content = client.request(
                "POST", f"{client.base}/search", json.dumps({"query": "wrens"}),
                {"Content-Type": "application/json"})
            self.assertGreaterEqual(status, 500, content)
            eventually(lambda: letters() == before + 1, "the dead letter is counted")
        finally:
            self.limit(searches, RECORD_BYTES_MAX)
        self.assertEqual(len(lines(worker, "record_dead_lettered", "MSG_SIZE_TOO_LARGE")), 1)
        found = eventually(lambda: client.search("What do wrens do?")["passages"], "it searches again")
        self.assertIn("wren", [each["document_id"] for each in found])

    def test_15_offsets_that_a_broker_has_left_pending_do_not_stop_a_group(self):
        """Seen when the only broker was killed: a transaction is done but for its marker on an offset."""
        system, client = self.running(), Client(self.system)
        worker = system.documents
        worker.kill()
        verified = functools.partial(self.cluster.set_brokers, "transaction.partition.verification.enable")
        verified("false")
        self.addCleanup(verified, "true")
        group = f"{system.prefix}chunker"
        for partition, producer in enumerate((worker.name, "another")):
            eventually(functools.partial(leave_pending, self.broker.port, f"{group}.{producer}", group,
                                         f"{system.prefix}texts", partition, 0), "no longer verified")
        worker.start()
        self.assertEqual(wait_line(worker, "pending_offsets_settled")["group"], "chunker")
        worker.wait_ready()
        ids = [f"tern-{each}" for each in range(2 * PARTITIONS)]
        client.add([{"id": each, "text": "Terns fly from pole to pole."} for each in ids])
        self.assertEqual(client.wait_settled(ids), dict.fromkeys(ids, "indexed"))


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")
