#!/usr/bin/env python3
"""A model in ONNX with its large weights in half precision, at half the size: half_model.py FROM TO

Each such weight is followed by a Cast, so everything is computed as before; a weight keeps 11 bits of its 24.
Knows just enough of protobuf for that: fields are copied as they are but those of large float tensors.
"""

import pathlib
import struct
import sys

ELEMENTS_MIN = 4096
FLOAT, HALF = 1, 10  # TensorProto.DataType
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
GRAPH = 7                     # of ModelProto
NODE, INITIALIZER = 1, 5      # of GraphProto
DIMS, DATA_TYPE, NAME, RAW_DATA = 1, 2, 8, 9  # of TensorProto
HALF_MAX = 65504.0


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at


def fields(data):
    """(number, wire type, value, whole field) of each."""
    at = 0
    while at < len(data):
        begin = at
        key, at = read_varint(data, at)
        kind = key & 7
        if kind == VARINT:
            value, at = read_varint(data, at)
        elif kind == BYTES:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
            value, at = data[at:at + size], at + size
        else:
            raise ValueError(f"wire type {kind} at byte {begin}: this is no ONNX model")
        yield key >> 3, kind, value, data[begin:at]


def encoded(number, value):
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    return varint(number << 3 | BYTES) + varint(len(value)) + bytes(value)


def cast(source, target):
    """A node of the graph: target = Cast(source, to=float)."""
    to = encoded(1, b"to") + encoded(3, FLOAT) + encoded(20, 2)  # name, i, type: INT
    return encoded(NODE, encoded(1, source) + encoded(2, target) + encoded(3, b"Cast:" + target) +
                   encoded(4, b"Cast") + encoded(5, to))


def halved(tensor):
    """(tensor in half precision, its name), or None where it stays as it is."""
    by_number = {number: value for number, _, value, _ in fields(tensor)}
    raw = by_number.get(RAW_DATA)
    if by_number.get(DATA_TYPE) != FLOAT or raw is None or len(raw) < 4 * ELEMENTS_MIN:
        return None
    count = len(raw) // 4
    weights = struct.unpack(f"<{count}f", raw)
    if max(map(abs, weights)) > HALF_MAX:
        return None
    name = bytes(by_number[NAME])
    changed = {DATA_TYPE: encoded(DATA_TYPE, HALF), NAME: encoded(NAME, name + b":half"),
               RAW_DATA: encoded(RAW_DATA, struct.pack(f"<{count}e", *weights))}
    return b"".join(changed.get(number, whole) for number, _, _, whole in fields(tensor)), name


def half_graph(graph):
    casts, rest = [], []
    for number, _, value, whole in fields(graph):
        half = halved(value) if number == INITIALIZER else None
        if half:
            casts.append(cast(half[1] + b":half", half[1]))
            rest.append(encoded(INITIALIZER, half[0]))
        else:
            rest.append(bytes(whole))
    return b"".join(casts + rest)  # nodes stand before those that use them


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    model = memoryview(pathlib.Path(sys.argv[1]).read_bytes())
    made = b"".join(encoded(number, half_graph(value)) if number == GRAPH else bytes(whole)
                    for number, _, value, whole in fields(model))
    pathlib.Path(sys.argv[2]).write_bytes(made)


if __name__ == "__main__":
    main()
