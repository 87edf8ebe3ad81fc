#!/usr/bin/env python3
"""Apache Kafka on loopback for the tests: brokers that are also controllers (KRaft), no Docker.

    cluster.py start FOLDER [--brokers N]    until they answer; their addresses in FOLDER/bootstrap
    cluster.py stop FOLDER                   ends them and removes the folder

The jars are those that .ci/setup --tests puts into build/parts/kafka, or $KAFKA_LIBS. Whatever
happens to who started them, brokers end after an hour.

A test that needs a cluster of its own, to break it or with other listeners, puts this folder into
sys.path and uses Cluster.
"""

import argparse
import base64
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from broker_protocol import BROKER_SETTING, TOPIC_SETTING, change_setting, create_acl, metadata
from certificates import Authority

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent.parent
START_SECONDS_MAX = 180
STOP_SECONDS_MAX = 30
LIFE_SECONDS_MAX = 3600  # of what `start` has started
OWNED_LIFE_SECONDS_MAX = 4 * 3600  # of what a test has, lest it outlives one that is killed
QUICK_START = ["-XX:TieredStopAtLevel=1"]  # 40% less work until a broker is up; slower in the end

SETTINGS = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map={protocols}
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
log.retention.check.interval.ms=5000
unclean.leader.election.enable=false
"""
# Whoever comes over PLAINTEXT, as the brokers themselves do, may do everything.
USERS = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users={super_users}
"""
SASL = """\
listener.name.{listener}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.{listener}.plain.sasl.jaas.config={plain}
listener.name.{listener}.scram-sha-256.sasl.jaas.config={scram}
listener.name.{listener}.scram-sha-512.sasl.jaas.config={scram}
"""
TLS = """\
listener.name.{listener}.ssl.keystore.type=PEM
listener.name.{listener}.ssl.keystore.location={broker}
listener.name.{listener}.ssl.truststore.type=PEM
listener.name.{listener}.ssl.truststore.location={ca}
"""
LOGIN_MODULE = "org.apache.kafka.common.security.{} required{};"
OWN_FILES = re.compile(r"bootstrap(\.new)?|keeper(\.log)?|broker-\d+")  # in a folder of `start`
CREDENTIAL = re.compile(r"[A-Za-z0-9_.@+-]+")  # what settings and command lines need no quoting for


def find_libs(libs=None):
    libs = pathlib.Path(libs or os.environ.get("KAFKA_LIBS") or REPOSITORY / "build/parts/kafka")
    if not any(libs.glob("kafka_*.jar")):
        raise RuntimeError(f"no Kafka in {libs}; `make test`, or .ci/setup --tests, fetches it")
    if shutil.which("java") is None:
        raise RuntimeError("no java; `make test`, or .ci/setup --tests, installs it")
    return libs.resolve()


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


def last_words(broker_folder, lines=40):
    """What a broker has warned of: the log holds nothing else."""
    log = broker_folder / "broker.log"
    said = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(said[-lines:])


class Broker:
    """One process. `ports` has one for each protocol it speaks, and CONTROLLER."""

    def __init__(self, folder, node, ports):
        self.folder, self.node, self.ports = folder / f"broker-{node}", node, ports
        self.settings = self.folder / "server.properties"
        self.process = None  # `timeout`, which ends when the JVM has ended
        self.paused = False

    @property
    def port(self):
        return self.ports["PLAINTEXT"]

    def launch(self, command, life_seconds_max):
        self.paused = False
        pid_file = self.folder / "pid"
        pid_file.write_text("")
        tell_pid = ["sh", "-c", 'echo $$ > "$0"; exec "$@"', str(pid_file)]
        with open(self.folder / "broker.log", "ab") as log:
            self.process = subprocess.Popen(
                ["timeout", "--signal=KILL", str(life_seconds_max), *tell_pid, *command],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        while self.is_up() and not pid_file.read_text().endswith("\n"):
            time.sleep(0.01)

    def signal(self, number):
        """To the JVM: `timeout` goes on beside a paused one, and ends it in the end."""
        try:
            os.kill(int((self.folder / "pid").read_text()), number)
        except ProcessLookupError:
            pass  # it has ended by itself

    def is_up(self):
        return self.process is not None and self.process.poll() is None

    def runs(self):
        return self.is_up() and not self.paused


class Cluster:
    """Brokers in a folder. Owned by one thread.

    It speaks PLAINTEXT.
    With `tls` also SSL: cluster.authority.certificate is to be trusted, cluster.authority.issue()
    makes certificates for clients, who may show one, and must with
    more="listener.name.ssl.ssl.client.auth=required".
    With `users`, {name: password}, also SASL_PLAINTEXT (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512): they
    may do what allow() says, `super_users` everything, as may whoever comes without a name.
    With both also SASL_SSL.
    Kafka 4 refuses the SCRAM of librdkafka before 2.6.1, which repeats its nonce (its #4895).
    """

    def __init__(self, folder, brokers=1, more="", libs=None, users=None, super_users=(), tls=False,
                 quick_start=True, life_seconds_max=OWNED_LIFE_SECONDS_MAX):
        self.folder = pathlib.Path(folder).resolve()
        self.libs = find_libs(libs)
        self.more = more  # further lines of every broker's settings
        self.life_seconds_max = life_seconds_max
        self.quick_start = quick_start  # False where throughput is measured
        self.users, self.super_users = dict(users or {}), list(super_users)
        for each in [*self.users, *self.users.values()]:
            if not CREDENTIAL.fullmatch(each):
                raise ValueError(f"not to be had as a user or a password: {each!r}")
        self.authority = Authority(self.folder / "certificates") if tls else None
        self.listeners = ["PLAINTEXT"] + ["SSL"] * tls + ["SASL_PLAINTEXT"] * bool(self.users) \
            + ["SASL_SSL"] * (tls and bool(self.users)) + ["CONTROLLER"]
        ports = iter(free_ports(brokers * len(self.listeners)))
        self.brokers = [Broker(self.folder, node, dict(zip(self.listeners, ports)))
                        for node in range(1, brokers + 1)]
        self.heap = "512m" if brokers == 1 else "384m"

    @property
    def bootstrap(self):
        return self.addresses("PLAINTEXT")

    def addresses(self, protocol):
        """HOST:PORT,… of all brokers for a security protocol by librdkafka's name, in capitals."""
        return ",".join(f"127.0.0.1:{each.ports[protocol]}" for each in self.brokers)

    def start(self):
        # 16 bytes in base64. The first is 0, for an id that begins with "-" would be an option.
        cluster_id = base64.urlsafe_b64encode(b"\0" + os.urandom(15)).decode().rstrip("=")
        broker_pem = self._broker_certificate() if self.authority else None
        for each in self.brokers:
            each.folder.mkdir(parents=True)
            each.settings.write_text(self._settings(each, broker_pem))
        self._format(cluster_id)
        self.restart(*self.brokers)
        return self

    def restart(self, *brokers):
        """Starts brokers that have ended, on what they had, and waits until they are back."""
        deadline = time.monotonic() + START_SECONDS_MAX
        for each in brokers:
            each.launch(self._java("kafka.Kafka", str(each.settings), heap=self.heap),
                        self.life_seconds_max)
        for each in brokers:
            self.wait_for(each, deadline)

    def wait_for(self, broker, deadline=None):
        """Until the broker knows of a controller and of every broker that runs."""
        deadline = deadline or time.monotonic() + START_SECONDS_MAX
        while True:
            running = {each.node for each in self.brokers if each.runs()}
            if not broker.is_up():
                raise RuntimeError(f"broker {broker.node} has ended:\n{last_words(broker.folder)}")
            try:
                known = metadata(broker.port)
                if known.controller >= 0 and running <= set(known.brokers):
                    return
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"broker {broker.node} is not ready after {START_SECONDS_MAX} s:"
                                   f"\n{last_words(broker.folder)}")
            time.sleep(0.05)

    def leader_of(self, topic, partition):
        """The broker that leads the partition; waits until all that run know it, and it runs."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            running = {each.node: each for each in self.brokers if each.runs()}
            try:
                named = {metadata(each.port, topic).leaders.get(partition)
                         for each in running.values()}
            except OSError:
                named = set()  # one is about to come or to go
            if len(named) == 1 and named <= set(running):
                return running[named.pop()]
            time.sleep(0.05)
        raise RuntimeError(f"nobody leads {topic}-{partition} for {START_SECONDS_MAX} s")

    def allow(self, user, operation, resource, name, prefixed=False):
        """allow("alice", "read", "topic", "documents"); names are those in broker_protocol.py.

        A broker learns of it a moment later. Other principals have their type: "User:CN=client".
        """
        principal = user if ":" in user else f"User:{user}"
        broker = next(each for each in self.brokers if each.runs())
        create_acl(broker.port, principal, operation, resource, name, prefixed)

    def set_topic(self, topic, setting, value):
        """set_topic("documents", "max.message.bytes", "20000"); brokers learn of it a moment later."""
        self._change(TOPIC_SETTING, topic, setting, value)

    def set_brokers(self, setting, value):
        """Of all of them, while they run."""
        self._change(BROKER_SETTING, "", setting, value)

    def _change(self, kind, of, setting, value):
        port = next(each for each in self.brokers if each.runs()).port
        change_setting(port, kind, of, setting, value)

    @staticmethod
    def kill(broker):
        broker.signal(signal.SIGKILL)
        broker.process.wait()

    @staticmethod
    def shut_down(broker):
        """As an administrator would: it hands its partitions over and closes its files.

        Without a majority of controllers beside it that takes STOP_SECONDS_MAX, and a kill.
        """
        broker.signal(signal.SIGTERM)
        try:
            broker.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            Cluster.kill(broker)

    @staticmethod
    def pause(broker):
        """It keeps its connections and says nothing more."""
        broker.paused = True
        broker.signal(signal.SIGSTOP)

    @staticmethod
    def resume(broker):
        broker.signal(signal.SIGCONT)
        broker.paused = False

    def stop(self):
        for each in self.brokers:
            if each.is_up():
                each.signal(signal.SIGKILL)  # nothing of it is wanted any more
        for each in self.brokers:
            if each.process is not None:
                each.process.wait()
            shutil.rmtree(each.folder, ignore_errors=True)  # all that is ours in self.folder
        if self.authority:
            shutil.rmtree(self.authority.folder, ignore_errors=True)

    def _java(self, *arguments, heap):
        return ["java", f"-Xmx{heap}", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                *QUICK_START * self.quick_start, "-cp", f"{self.libs}/*", *arguments]

    def _broker_certificate(self):
        certificate, key = self.authority.issue("broker", "IP:127.0.0.1", "DNS:localhost")
        both = self.authority.folder / "broker-keystore.pem"
        both.write_text(key.read_text() + certificate.read_text())
        return both

    def _settings(self, broker, broker_pem):
        replicas = min(3, len(self.brokers))
        addresses = [f"{name}://127.0.0.1:{port}" for name, port in broker.ports.items()]
        text = SETTINGS.format(
            node=broker.node, data=broker.folder / "data", replicas=replicas,
            in_sync=max(1, replicas - 1), listeners=",".join(addresses),
            advertised=",".join(each for each in addresses if not each.startswith("CONTROLLER")),
            protocols=",".join(f"{name}:{'PLAINTEXT' if name == 'CONTROLLER' else name}"
                               for name in self.listeners),
            voters=",".join(f"{each.node}@127.0.0.1:{each.ports['CONTROLLER']}"
                            for each in self.brokers))
        names = "".join(f' user_{name}="{password}"' for name, password in self.users.items())
        if self.users:
            text += USERS.format(super_users=";".join(
                f"User:{name}" for name in ["ANONYMOUS", *self.super_users]))
        for name in self.listeners:
            if "SASL" in name:
                text += SASL.format(
                    listener=name.lower(),
                    plain=LOGIN_MODULE.format("plain.PlainLoginModule", names),
                    scram=LOGIN_MODULE.format("scram.ScramLoginModule", ""))
            if "SSL" in name:
                text += TLS.format(listener=name.lower(), broker=broker_pem,
                                   ca=self.authority.certificate)
                text += f"listener.name.{name.lower()}.ssl.client.auth=requested\n"
        return text + self.more + "\n"

    def _format(self, cluster_id):
        scram = [f"--add-scram=SCRAM-SHA-{bits}=[name={name},password={password}]"
                 for name, password in self.users.items() for bits in (256, 512)]
        formatting = [subprocess.Popen(
            self._java("kafka.tools.StorageTool", "format", "-t", cluster_id,
                       "-c", str(each.settings), *scram, heap="64m"),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for each in self.brokers]
        try:
            said = [each.communicate(timeout=START_SECONDS_MAX)[0] for each in formatting]
        finally:
            for each in formatting:
                each.kill()
                each.wait()
        if any(each.returncode != 0 for each in formatting):
            raise RuntimeError("the brokers' folders cannot be formatted:\n" + "\n".join(said))

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()


def command_line(pid):
    """Empty when there is no such process, or nothing but its exit code."""
    try:
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        line = b""
    return line.decode(errors="replace").split("\0")


def keeper_command(folder, brokers):
    return [sys.executable, str(pathlib.Path(__file__).resolve()), "keep", str(folder),
            "--brokers", str(brokers)]


def keep(folder, brokers):
    """The process that the cluster belongs to."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Cluster(folder, brokers, life_seconds_max=LIFE_SECONDS_MAX) as cluster:
        written = folder / "bootstrap.new"
        written.write_text(cluster.bootstrap + "\n")
        written.rename(folder / "bootstrap")
        time.sleep(LIFE_SECONDS_MAX)


def start(folder, brokers):
    stop(folder)
    find_libs()
    folder.mkdir(parents=True)
    with open(folder / "keeper.log", "ab") as log:
        keeper = subprocess.Popen(keeper_command(folder, brokers), stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log, start_new_session=True)
    while not (folder / "bootstrap").exists():
        if keeper.poll() is not None:
            said = (folder / "keeper.log").read_text(errors="replace")
            raise RuntimeError(f"the cluster has not started:\n{said}")
        time.sleep(0.05)
    print(f"Kafka at {(folder / 'bootstrap').read_text().strip()}")


def stop(folder):
    """Also of what an earlier run has left, however that ended."""
    if not folder.exists():
        return
    foreign = [each.name for each in folder.iterdir() if not OWN_FILES.fullmatch(each.name)]
    if foreign:
        raise RuntimeError(f"{folder} is not removed: it holds {foreign[0]}, which is not ours")
    own = keeper_command(folder, 0)[1:4]
    keepers = processes(lambda command: command[1:4] == own)
    if not end(keepers, signal.SIGTERM):  # then they end their brokers
        end(keepers, signal.SIGKILL)
    end(processes(lambda command: is_broker_of(folder, command)), signal.SIGKILL)
    shutil.rmtree(folder)


def is_broker_of(folder, command):
    return "kafka.Kafka" in command and any(
        each.startswith(f"{folder}/broker-") and each.endswith("/server.properties")
        for each in command)


def processes(is_wanted):
    """{process id: command line}"""
    numbers = [int(each.name) for each in pathlib.Path("/proc").glob("[0-9]*")]
    found = {number: command_line(number) for number in numbers}
    return {number: command for number, command in found.items() if is_wanted(command)}


def end(wanted, number):
    """Signals processes; False if one is still there after STOP_SECONDS_MAX."""
    for pid in wanted:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while any(command_line(pid) == command for pid, command in wanted.items()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("command", choices=["start", "stop", "keep"])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--brokers", type=int, default=1)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    try:
        if arguments.command == "stop":
            for each in sorted(folder.glob("broker-*")):
                print(f"{each.name}, at last:\n{last_words(each)}")
            stop(folder)
        else:
            {"start": start, "keep": keep}[arguments.command](folder, arguments.brokers)
    except (OSError, RuntimeError) as error:
        sys.exit(f"cluster.py: {error}")


if __name__ == "__main__":
    main()
