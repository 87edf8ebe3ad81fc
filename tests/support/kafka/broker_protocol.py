"""The few requests of Kafka's protocol that a cluster for tests is asked, in bytes."""

import socket
import struct
import typing

METADATA, INIT_PRODUCER_ID, TXN_OFFSET_COMMIT, CREATE_ACLS, INCREMENTAL_ALTER_CONFIGS = 3, 22, 28, 30, 44
INVALID_TXN_STATE = 48
TOPIC_SETTING, BROKER_SETTING = 2, 4
RESOURCES = {"topic": 2, "group": 3, "cluster": 4, "transactional_id": 5}
OPERATIONS = {"all": 2, "read": 3, "write": 4, "create": 5, "delete": 6, "alter": 7, "describe": 8,
              "describe_configs": 10, "alter_configs": 11, "idempotent_write": 12}
LITERAL, PREFIXED, ALLOW = 3, 4, 3
ANSWER_BYTES_MAX = 1 << 20


class Metadata(typing.NamedTuple):
    controller: int  # of KRaft brokers: any that lives, -1 when none
    brokers: list    # ids of those that the controller holds for living
    leaders: dict    # partition -> broker id, -1 when none, of the topic that was asked for


def string(value):
    encoded = value.encode()
    return struct.pack(">h", len(encoded)) + encoded


class Fields:
    """Reads an answer from front to back."""

    def __init__(self, content):
        self.content, self.at = content, 0

    def number(self, kind):
        value, = struct.unpack_from(">" + kind, self.content, self.at)
        self.at += struct.calcsize(">" + kind)
        return value

    def string(self):
        length = max(0, self.number("h"))  # -1 is null
        self.at += length
        return self.content[self.at - length:self.at].decode()

    def array(self, read):
        return [read() for _ in range(self.number("i"))]


def ask(port, key, version, body, timeout):
    """The fields of the answer of the broker at a loopback port; OSError when there is none."""
    request = struct.pack(">hhih", key, version, 1, -1) + body  # correlation id 1, no client id
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as stream:
            size = int.from_bytes(stream.read(4), "big")
            if not 4 <= size <= ANSWER_BYTES_MAX:
                raise ConnectionError(f"the broker at port {port} does not answer")
            content = stream.read(size)
    if len(content) < size:
        raise ConnectionError(f"the broker at port {port} breaks off its answer")
    return Fields(content[4:])


def metadata(port, topic=None, timeout=5):
    """What the broker at the port knows of the cluster; OSError when it does not answer."""
    topics = [] if topic is None else [topic]
    body = struct.pack(">i", len(topics)) + b"".join(string(each) for each in topics)
    answer = ask(port, METADATA, 1, body, timeout)

    def broker():
        node = answer.number("i")
        answer.string(), answer.number("i"), answer.string()  # host, port, rack
        return node

    def partition():
        answer.number("h")
        leadership = answer.number("i"), answer.number("i")
        for _ in ("replicas", "in sync"):
            answer.array(lambda: answer.number("i"))
        return leadership

    def topic_leaders():
        answer.number("h"), answer.string(), answer.number("b")  # error, name, internal
        return dict(answer.array(partition))

    brokers, controller = answer.array(broker), answer.number("i")
    leaders = answer.array(topic_leaders)
    return Metadata(controller, brokers, leaders[0] if leaders else {})


def create_acl(port, principal, operation, resource, name, prefixed=False, timeout=30):
    """Lets the principal ("User:alice") do the operation from any host; RuntimeError if refused."""
    body = (struct.pack(">ib", 1, RESOURCES[resource]) + string(name)
            + struct.pack(">b", PREFIXED if prefixed else LITERAL) + string(principal) + string("*")
            + struct.pack(">bb", OPERATIONS[operation], ALLOW))
    answer = ask(port, CREATE_ACLS, 1, body, timeout)
    answer.number("i")  # throttle time
    for error, reason in answer.array(lambda: (answer.number("h"), answer.string())):
        if error != 0:
            raise RuntimeError(f"no right to {operation} {name} for {principal}: {error} {reason}")


def change_setting(port, kind, of, setting, value, timeout=30):
    """Changes one setting of a topic, or ("") of all brokers; RuntimeError if refused."""
    set_it = 0
    body = (struct.pack(">ib", 1, kind) + string(of)
            + struct.pack(">i", 1) + string(setting) + struct.pack(">b", set_it) + string(value)
            + struct.pack(">b", 0))  # not for a trial only
    answer = ask(port, INCREMENTAL_ALTER_CONFIGS, 0, body, timeout)
    answer.number("i")  # throttle time
    for error, reason, _, _ in answer.array(lambda: (answer.number("h"), answer.string(),
                                                     answer.number("b"), answer.string())):
        if error != 0:
            raise RuntimeError(f"{setting} of {of or 'all brokers'} is not changed: {error} {reason}")


def leave_pending(port, transactional_id, group, topic, partition, offset, timeout=30):
    """An offset of a group that belongs to no transaction that is open, as a broker leaves it that forgets
    to end one. False where the broker verifies (transaction.partition.verification.enable)."""
    answer = ask(port, INIT_PRODUCER_ID, 1, string(transactional_id) + struct.pack(">i", 10_000), timeout)
    answer.number("i")  # throttle time
    error, producer, epoch = answer.number("h"), answer.number("q"), answer.number("h")
    if error != 0:
        raise RuntimeError(f"no producer {transactional_id}: {error}")
    body = (string(transactional_id) + string(group) + struct.pack(">qh", producer, epoch)
            + struct.pack(">i", 1) + string(topic)
            + struct.pack(">iiqi", 1, partition, offset, -1) + string(""))
    answer = ask(port, TXN_OFFSET_COMMIT, 2, body, timeout)
    answer.number("i")  # throttle time
    answer.number("i"), answer.string(), answer.number("i"), answer.number("i")  # one of one topic
    if (error := answer.number("h")) not in (0, INVALID_TXN_STATE):
        raise RuntimeError(f"no offset of {group} is left pending: {error}")
    return error == 0
