"""Tables of firmware, written by the layout in the specifications."""

import struct

MIB = 1 << 20


def mpst(nodes, characteristics=((0, 1, 2000, 0, 0), (1, 7, 2000, 40, 5000)), *, revision=1):
    """Write a Memory Power State Table.

    nodes: (flags, id, address, length, [(value, index)], [component]);
    characteristics: (id, flags, mW, percent, ns).
    """
    body = b""
    for flags, number, address, length, states, components in nodes:
        size = 32 + 2 * len(states) + 2 * len(components)
        body += struct.pack("<BBHI", flags, 0, number, size)
        body += struct.pack("<QQII", address, length, len(states), len(components))
        body += b"".join(struct.pack("<BB", *state) for state in states)
        body += b"".join(struct.pack("<H", component) for component in components)
    body += struct.pack("<HH", len(characteristics), 0)
    for number, flags, power, saving, latency in characteristics:
        body += struct.pack("<BBHIIQQ", number, flags, 0, power, saving, latency, 0)
    head = b"MPST" + struct.pack("<IBB", 44 + len(body), revision, 0)
    head += b"VENDOR" + b"SERVER01" + struct.pack("<I4sI", 1, b"TEST", 1)
    head += struct.pack("<B3xHH", 0, len(nodes), 0)
    return with_checksum(head + body)


def with_checksum(table):
    table = bytearray(table)
    table[9] = 0
    table[9] = -sum(table) % 256
    return bytes(table)


def cells(*words):
    return struct.pack(f">{len(words)}I", *words)


def devicetree(children, root=None, *, version=17, compatible=16):
    """Write a flattened device tree: root properties, and (name, properties) of its children."""
    strings, structure = bytearray(), b""

    def prop(name, value):
        offset = strings.find(name.encode() + b"\0")
        if offset < 0:
            offset = len(strings)
            strings.extend(name.encode() + b"\0")
        return cells(3, len(value), offset) + value + bytes(-len(value) % 4)

    def begin(name):
        text = name.encode() + b"\0"
        return cells(1) + text + bytes(-len(text) % 4)

    if root is None:
        root = {"#address-cells": cells(2), "#size-cells": cells(2)}
    structure += begin("") + b"".join(prop(*item) for item in root.items())
    for name, properties in children:
        structure += begin(name) + b"".join(prop(*item) for item in properties.items())
        structure += cells(4) + begin("part") + cells(2) + cells(2)
    structure += cells(2, 9)
    header, reserved = 40, bytes(16)
    at = header + len(reserved)
    size = at + len(structure) + len(strings)
    return (
        cells(0xD00DFEED, size, at, at + len(structure), header, version, compatible, 0)
        + cells(len(strings), len(structure))
        + reserved
        + structure
        + bytes(strings)
    )


def memory_node(address, length, nid=None, **more):
    properties = {"device_type": b"memory\0"}
    properties["reg"] = struct.pack(">QQ", address, length)
    if nid is not None:
        properties["numa-node-id"] = cells(nid)
    return f"memory@{address:x}", properties | more
