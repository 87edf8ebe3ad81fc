"""millrace as many processes over Kafka, with the face of one `Server`. Standard library only."""

import json
import os
import pathlib
import random
import signal
import subprocess
import threading

from millrace_process import Server

BUILD = pathlib.Path(os.environ.get("MILLRACE", "build/millrace")).resolve().parent
READY_SECONDS_MAX = 120
CRASHES = [-each for each in (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)]
DEFAULT_WORKERS = {
    "documents": "extractor,chunker,embedder",
    "index-0": "indexer",
    "index-1": "indexer",
    "questions": "query-embedder,answerer",
}


def brokers():
    return pathlib.Path(os.environ["TEST_KAFKA_BOOTSTRAP"]).read_text().strip()


class Process:
    """One gateway or worker. The same name, and so the same place in its groups, in every life."""

    def __init__(self, system, name, command):
        self.system, self.name, self.command = system, name, command
        self.process = None
        self.port = 0  # of the gateway's HTTP, of a worker's admin endpoints
        self.events = []
        self.changed = threading.Condition()

    def start(self):
        if self.process is not None:
            assert self.process.poll() not in CRASHES, f"{self.name} crashed: {''.join(self.events[-3:])}"
        self.events = []
        self.process = subprocess.Popen(
            [*self.command, "--listen" if self.is_gateway else "--admin-listen",
             f"127.0.0.1:{self.port}", "--data-dir", str(self.system.folder / self.name),
             *self.system.settings(self.name)],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=self.system.env, text=True)
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        return self

    @property
    def is_gateway(self):
        return "gateway" in self.command[0]

    def _read(self, process):
        path = self.system.folder / f"{self.name}.log"
        with process.stderr, open(path, "a", encoding="utf-8") as log:
            for line in process.stderr:
                log.write(line)
                log.flush()
                with self.changed:
                    self.events.append(line)
                    self.changed.notify_all()
        process.wait()
        with self.changed:
            self.changed.notify_all()

    def wait_ready(self):
        """Until it says that it works; its port."""
        def ready():
            for line in self.events:
                if '"event":"gateway_ready"' in line or '"event":"worker_ready"' in line:
                    event = json.loads(line)
                    self.port = event.get("port") or event["admin_port"]
                    return True
            return self.process.poll() is not None
        with self.changed:
            assert self.changed.wait_for(ready, READY_SECONDS_MAX), f"{self.name} is not ready"
        assert self.is_up(), f"{self.name} ended: {''.join(self.events[-3:])}"
        return self

    def is_up(self):
        return self.process is not None and self.process.poll() is None

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.is_up():
            self.send(signal.SIGKILL)
        self.process.wait()


class KafkaSystem(Server):
    """A gateway and workers over the broker that TEST_KAFKA_BOOTSTRAP names, or over `bootstrap`.

    kill() ends some of the processes, drawn by the seed; start() starts those that do not run.
    """

    def __init__(self, data_dir, *flags, env=None, bootstrap=None, workers=None, gateways=1,
                 partitions=4, seed=0):
        super().__init__(data_dir, *flags, env=env)
        self.folder = pathlib.Path(data_dir)
        self.folder.mkdir(parents=True)
        self.bootstrap = bootstrap or brokers()
        self.rng = random.Random(seed)
        self.prefix = f"t{random.SystemRandom().randrange(10**9)}."
        self.partitions = partitions
        self.gateways = [Process(self, f"gateway-{i}", [str(BUILD / "millrace-gateway")])
                         for i in range(gateways)]
        self.workers = [Process(self, name, [str(BUILD / "millrace-worker"), f"--stage={stages}"])
                        for name, stages in (workers or DEFAULT_WORKERS).items()]
        self.has_topics = False

    def settings(self, name):
        """Flags of one process; without a name, of all."""
        flags = ["--brokers", self.bootstrap, "--kafka-prefix", self.prefix,
                 "--partitions", str(self.partitions), "--kafka-session-timeout-ms", "6s"]
        return [*flags, "--kafka-instance", name, *self.flags]

    def topics(self, command):
        return subprocess.run([str(BUILD / "millrace"), "topics", command,
                               "--brokers", self.bootstrap, "--kafka-prefix", self.prefix,
                               "--partitions", str(self.partitions)],
                              capture_output=True, text=True, check=False)

    @property
    def processes(self):
        return [*self.gateways, *self.workers]

    @property
    def ports(self):
        return [each.port for each in self.processes]

    def start(self):
        if not self.has_topics:
            made = self.topics("create")
            assert made.returncode == 0, made.stderr
            self.has_topics = True
        started = [each.start() for each in self.processes if not each.is_up()]
        for each in started:
            each.wait_ready()
        self.process, self.port = self.gateways[0].process, self.gateways[0].port
        return self

    def kill(self):
        count = self.rng.randint(1, len(self.processes))
        for each in self.rng.sample(self.processes, count):
            each.kill()

    def kill_all(self):
        for each in self.processes:
            if each.process is not None:
                each.kill()

    def stop(self):
        """SIGTERM to all; the highest exit code."""
        for each in self.processes:
            each.send(signal.SIGTERM)
        return max(each.process.wait() for each in self.processes)

    def __exit__(self, *_):
        self.kill_all()


def make_server(data_dir, *flags, seed=0):
    """What a test of the whole system runs on: processes over Kafka where ctest has started a broker
    for it, else `millrace serve`."""
    if "TEST_KAFKA_BOOTSTRAP" in os.environ:
        return KafkaSystem(data_dir, *flags, seed=seed)
    return Server(data_dir, *flags)
