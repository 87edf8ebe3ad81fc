#!/usr/bin/env python3
"""Apache Kafka on loopback for the tests: brokers that are also controllers (KRaft), no Docker.

    cluster.py start FOLDER [--brokers N]    until they answer; their addresses in FOLDER/bootstrap
    cluster.py stop FOLDER                   ends them and removes the folder

The jars are those that .ci/setup --tests puts into build/parts/kafka, or $KAFKA_LIBS. Whatever
happens to who started it, a cluster ends after an hour.
"""

import argparse
import base64
import os
import pathlib
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent.parent
START_SECONDS_MAX = 180
LIFE_SECONDS_MAX = 3600

SETTINGS = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=1000
controller.quorum.fetch.timeout.ms=2000
replica.lag.time.max.ms=5000
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.backoff.ms=500
log.segment.delete.delay.ms=1000
unclean.leader.election.enable=false
{more}
"""


def find_libs():
    libs = pathlib.Path(os.environ.get("KAFKA_LIBS", REPOSITORY / "build/parts/kafka"))
    if not any(libs.glob("kafka_*.jar")):
        sys.exit(f"cluster.py: no Kafka in {libs}; `.ci/setup --tests` fetches it")
    return libs


def free_ports(count):
    """Ports below the ephemeral range: nobody gets them by chance."""
    found, rng = [], random.SystemRandom()
    while len(found) < count:
        port = rng.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def metadata(port, timeout=5):
    """(controller id, broker ids) as the broker at the port sees them; OSError when it does not."""
    body = struct.pack(">hhih", 3, 1, 1, -1) + struct.pack(">i", 0)  # Metadata v1, no topics
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        answer = connection.makefile("rb")
        size, = struct.unpack(">i", answer.read(4) or b"\xff" * 4)
        if size < 0:
            raise OSError("closed")
        content = answer.read(size)
    at, brokers = 8, []
    for _ in range(struct.unpack_from(">i", content, 4)[0]):
        node, length = struct.unpack_from(">ih", content, at)
        brokers.append(node)
        at += 6 + length + 4
        rack, = struct.unpack_from(">h", content, at)
        at += 2 + max(rack, 0)
    return struct.unpack_from(">i", content, at)[0], brokers


class Broker:
    def __init__(self, folder, node, port, controller_port):
        self.folder, self.node = folder / f"broker-{node}", node
        self.port, self.controller_port = port, controller_port
        self.process = None

    def signal(self, number):
        self.process.send_signal(number)

    def is_up(self):
        return self.process is not None and self.process.poll() is None


class Cluster:
    """Brokers in a folder. Owned by one thread."""

    def __init__(self, folder, brokers=1, more=""):
        self.folder = pathlib.Path(folder).resolve()
        self.libs = find_libs()
        self.more = more  # further lines of every broker's settings
        ports = free_ports(2 * brokers)
        self.brokers = [Broker(self.folder, i + 1, ports[2 * i], ports[2 * i + 1])
                        for i in range(brokers)]
        self.heap = "512m" if brokers == 1 else "384m"

    @property
    def bootstrap(self):
        return ",".join(f"127.0.0.1:{each.port}" for each in self.brokers)

    def _java(self, *arguments, heap):
        return ["java", f"-Xmx{heap}", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-cp", f"{self.libs}/*", *arguments]

    def _format(self, broker, cluster_id):
        broker.folder.mkdir(parents=True)
        replicas = min(3, len(self.brokers))
        voters = ",".join(f"{each.node}@127.0.0.1:{each.controller_port}" for each in self.brokers)
        settings = broker.folder / "server.properties"
        settings.write_text(SETTINGS.format(
            node=broker.node, voters=voters, port=broker.port, data=broker.folder / "data",
            controller_port=broker.controller_port, replicas=replicas,
            in_sync=max(1, replicas - 1), more=self.more))
        subprocess.run(self._java("kafka.tools.StorageTool", "format", "-t", cluster_id,
                                  "-c", str(settings), heap="64m"),
                       check=True, stdout=subprocess.DEVNULL)

    def start(self):
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        for each in self.brokers:
            self._format(each, cluster_id)
            self._launch(each)
        for each in self.brokers:
            self.wait_for(each)
        return self

    def _launch(self, broker):
        with open(broker.folder / "broker.log", "ab") as log:
            broker.process = subprocess.Popen(
                self._java("kafka.Kafka", str(broker.folder / "server.properties"), heap=self.heap),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def wait_for(self, broker):
        """Until the broker sees a controller and every broker that runs."""
        running = {each.node for each in self.brokers if each.is_up()}
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            if not broker.is_up():
                raise RuntimeError(f"broker {broker.node} ended; see {broker.folder}/broker.log")
            try:
                controller, seen = metadata(broker.port)
                if controller >= 0 and running <= set(seen):
                    return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"broker {broker.node} does not answer")
            time.sleep(0.1)

    def kill(self, broker):
        broker.signal(signal.SIGKILL)
        broker.process.wait()

    def restart(self, broker):
        self._launch(broker)
        self.wait_for(broker)

    def stop(self):
        for each in self.brokers:
            if each.is_up():
                each.signal(signal.SIGCONT)
                each.signal(signal.SIGKILL)  # nothing of it is wanted any more
        for each in self.brokers:
            if each.process is not None:
                each.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()


def keep(folder, brokers, ready):
    """The process that the cluster belongs to."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Cluster(folder, brokers) as cluster:
        (cluster.folder / "bootstrap").write_text(cluster.bootstrap + "\n")
        os.write(ready, b"ready")
        os.close(ready)
        time.sleep(LIFE_SECONDS_MAX)


def start(folder, brokers):
    stop(folder)
    folder.mkdir(parents=True)
    find_libs()
    reading, writing = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        os.close(reading)
        os.setsid()
        with open(folder / "keeper.log", "ab") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        (folder / "keeper").write_text(str(os.getpid()))
        keep(folder, brokers, writing)
        os._exit(0)
    os.close(writing)
    if os.read(reading, 5) != b"ready":
        os.waitpid(keeper, 0)
        sys.exit(f"cluster.py: the cluster did not start:\n{(folder / 'keeper.log').read_text()}")
    print(f"Kafka at {(folder / 'bootstrap').read_text().strip()}")


def stop(folder):
    """Also of what an earlier run has left."""
    try:
        keeper = int((folder / "keeper").read_text())
        if b"cluster.py" in pathlib.Path(f"/proc/{keeper}/cmdline").read_bytes():
            os.kill(keeper, signal.SIGTERM)
            while pathlib.Path(f"/proc/{keeper}").exists():
                time.sleep(0.05)
    except (OSError, ValueError):
        pass
    shutil.rmtree(folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("command", choices=["start", "stop"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--brokers", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.command == "start":
        start(arguments.folder.resolve(), arguments.brokers)
    else:
        stop(arguments.folder.resolve())


if __name__ == "__main__":
    main()
