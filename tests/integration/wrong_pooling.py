"""Plants a regression: a copy of an embedding model whose vectors are those of each text's first
token, where the model was trained for the mean of all tokens. Standard library only."""

import pathlib
import shutil
import struct

GRAPH, NODE, INITIALIZER = 7, 1, 5  # fields of ONNX's ModelProto and GraphProto
INPUT, OUTPUT, OPERATOR, ATTRIBUTE = 1, 2, 4, 5  # of NodeProto
FLOAT, INT64 = 1, 7  # types of tensors
INT = 2  # type of an attribute


def read_number(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number, at


def number(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(key, value):
    """A field of a protobuf message: text and bytes with their length, whole numbers as they are."""
    if isinstance(value, int):
        return number(key << 3) + number(value)
    value = value.encode() if isinstance(value, str) else value
    return number(key << 3 | 2) + number(len(value)) + value


def fields(message):
    """(field, value, its bytes with the key) of a message without 32- and 64-bit fields."""
    at = 0
    while at < len(message):
        start = at
        key, at = read_number(message, at)
        if key & 7 == 2:
            length, at = read_number(message, at)
            value = message[at:at + length]
            at += length
        else:
            assert key & 7 == 0, "a field of a type that models do not have here"
            value, at = read_number(message, at)
        yield key >> 3, value, message[start:at]


def node(operator, inputs, output, attributes=b""):
    return field(NODE, b"".join(field(INPUT, each) for each in inputs) + field(OUTPUT, output) +
                 field(3, output) + field(OPERATOR, operator) + attributes)


def constant(name, kind, values, raw):
    """A tensor: of one dimension, or a single value where `values` is 0."""
    return field(INITIALIZER, (field(1, values) if values else b"") + field(2, kind) +
                 field(8, name) + field(9, raw))


def renamed(message, old, new):
    """A node that writes `new` where it wrote `old`."""
    if not any(key == OUTPUT and value == old for key, value, _ in fields(message)):
        return None
    return b"".join(field(OUTPUT, new) if key == OUTPUT and value == old else raw
                    for key, value, raw in fields(message))


def first_token_everywhere(graph, output):
    """The graph with the first token's vector in the place of every token's."""
    tokens = output + "_of_tokens"
    out, writers = [], 0
    for key, value, raw in fields(graph):
        changed = renamed(value, output.encode(), tokens) if key == NODE else None
        writers += changed is not None
        out.append(raw if changed is None else field(NODE, changed))
    assert writers == 1, f"{writers} nodes write {output}"
    axis = field(ATTRIBUTE, field(1, "axis") + field(3, 1) + field(20, INT))
    out += [constant("first", INT64, 1, struct.pack("<q", 0)),
            constant("nothing", FLOAT, 0, struct.pack("<f", 0)),
            node("Gather", [tokens, "first"], "first_token", axis),
            node("Mul", [tokens, "nothing"], "no_token"),
            node("Add", ["no_token", "first_token"], output)]
    return b"".join(out)


def plant(folder, copy, output="output_0"):
    """Copies the model's folder, with the wrong pooling."""
    folder, copy = pathlib.Path(folder), pathlib.Path(copy)
    copy.mkdir()
    shutil.copy(folder / "tokenizer.json", copy)
    model = (folder / "model.onnx").read_bytes()
    (copy / "model.onnx").write_bytes(b"".join(
        field(GRAPH, first_token_everywhere(value, output)) if key == GRAPH else raw
        for key, value, raw in fields(model)))
    return copy
