"""Memory from the firmware of a board: the flattened device tree."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping

from pasralloc.errors import MachineError
from pasralloc.machine.check import MAX_NODES, MAX_PFN, show
from pasralloc.machine.ranges import Range
from pasralloc.units import PAGE_BYTES

MAGIC = 0xD00DFEED
VERSION = 17
BEGIN_NODE, END_NODE, PROPERTY, NOP, END = 1, 2, 3, 4, 9
MAX_DEPTH = 64

_HEADER = struct.Struct(">10I")
_WORD = struct.Struct(">I")

Properties = dict[str, bytes]


def memory_from_devicetree(data: bytes) -> dict[int, tuple[Range, ...]]:
    """Memory of a board by its device tree.

    Parameters
    ----------
    data : bytes
        The flattened tree, such as ``/sys/firmware/fdt``.

    Returns
    -------
    memory : dict of int to tuple of (start, end)
        By ``numa-node-id`` (0 where none is given), the pfns of each range, ascending. Ranges
        that touch stay apart: boards describe each bank or controller as one, so
        that they can serve as regions.

    Raises
    ------
    MachineError
        If the tree is damaged, or its memory cannot be understood; every problem of the memory
        nodes.

    References
    ----------
    Devicetree Specification, release 0.4, sections 3.4 and 5; Linux,
    Documentation/devicetree/bindings/numa.txt.
    """
    nodes = _Tree(bytes(data)).root()
    problems: list[tuple[str, str]] = []
    cells = [
        _cells(nodes[0][1], name, default, problems)
        for name, default in (("#address-cells", 2), ("#size-cells", 1))
    ]
    found: list[tuple[Range, int, str]] = []
    for name, properties in nodes[1:]:
        if _is_memory(name, properties):
            nid = _nid(name, properties, problems)
            found += [(pages, nid, name) for pages in _reg(name, properties, cells, problems)]
    found.sort()
    for (below, _, first), (above, _, second) in itertools.pairwise(found):
        if above[0] < below[1]:
            problems.append((second, f"{show(above)} overlaps {show(below)} of {first}"))
    if not found and not problems:
        problems.append(("", "no memory node has any memory"))
    if problems:
        raise MachineError("device tree", problems)
    return {
        nid: tuple(pages for pages, owner, _ in found if owner == nid)
        for nid in sorted({nid for _, nid, _ in found})
    }


def _fail(why: str) -> MachineError:
    return MachineError("device tree", [("", why)])


class _Tree:
    """The structure and strings of a tree; reads nothing outside of them."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEADER.size or _WORD.unpack_from(data)[0] != MAGIC:
            raise _fail(f"expected a tree that begins with {MAGIC:#x}, got {data[:4].hex()!r}")
        (_, size, structure, strings, _, version, compatible, _, nr_strings, nr_structure) = (
            _HEADER.unpack_from(data)
        )
        if compatible > VERSION or version < VERSION:
            raise _fail(
                f"only version {VERSION} is known, got {version}, compatible with {compatible}"
            )
        if size > len(data):
            raise _fail(f"the tree says {size} bytes, there are {len(data)}")
        for name, offset, length in (
            ("structure", structure, nr_structure),
            ("strings", strings, nr_strings),
        ):
            if offset < _HEADER.size or offset + length > size:
                raise _fail(
                    f"the {name} block, {length} bytes from {offset} on, is not in the {size} bytes"
                )
        if structure % 4:
            raise _fail(f"the structure block must be aligned to 4 bytes, is at {structure}")
        self.structure = data[structure : structure + nr_structure]
        self.strings = data[strings : strings + nr_strings]
        self.offset = 0

    def take(self, length: int) -> bytes:
        """Return the next bytes, and skip to the next word after them."""
        taken = self.structure[self.offset : self.offset + length]
        if len(taken) < length:
            raise _fail(f"the structure block ends within an entry at {self.offset}")
        self.offset += (length + 3) & ~3
        return taken

    def word(self) -> int:
        """Return the next 32-bit number."""
        return int(_WORD.unpack(self.take(4))[0])

    def text(self, block: bytes, offset: int) -> str:
        """Return a string of a block."""
        end = block.find(b"\0", offset)
        if end < 0:
            raise _fail(f"a name at {offset} has no end")
        return block[offset:end].decode("ascii", "replace")

    def root(self) -> list[tuple[str, Properties]]:
        """Name and properties of the root, then of each of its children."""
        found: list[tuple[str, Properties]] = []
        path: list[Properties] = []
        while True:
            at = self.offset
            token = self.word()
            if token == BEGIN_NODE:
                name = self.text(self.structure, self.offset)
                self.take(len(name) + 1)
                if len(path) == MAX_DEPTH or (found and not path):
                    raise _fail(f"node {name!r} at {at} is outside of the root, or too deep in it")
                path.append({})
                if len(path) <= 2:
                    found.append((name, path[-1]))
            elif token == END_NODE and path:
                path.pop()
            elif token == PROPERTY and path:
                length, name_offset = self.word(), self.word()
                path[-1][self.text(self.strings, name_offset)] = self.take(length)
            elif token == END and found and not path:
                return found
            elif token != NOP:
                raise _fail(f"unexpected token {token:#x} at {at} of the structure block")


def _cells(
    root: Mapping[str, bytes], name: str, default: int, problems: list[tuple[str, str]]
) -> int:
    value = root.get(name, _WORD.pack(default))
    if value not in (_WORD.pack(1), _WORD.pack(2)):
        problems.append((name, f"must be one word, 1 or 2, got {value[:8].hex()!r}"))
        return default
    return value[-1]


def _string(value: bytes) -> str:
    return value.rstrip(b"\0").decode("ascii", "replace")


def _is_memory(name: str, properties: Mapping[str, bytes]) -> bool:
    if _string(properties.get("status", b"okay")) not in ("okay", "ok"):
        return False
    kind = "memory" if name.partition("@")[0] == "memory" else ""
    return _string(properties.get("device_type", kind.encode())) == "memory"


def _nid(name: str, properties: Mapping[str, bytes], problems: list[tuple[str, str]]) -> int:
    value = properties.get("numa-node-id", bytes(4))
    nid = int.from_bytes(value, "big")
    if len(value) != 4 or nid >= MAX_NODES:
        problems.append(
            (
                f"{name}.numa-node-id",
                f"must be one word, 0 to {MAX_NODES - 1}, got {value[:8].hex()!r}",
            )
        )
    return nid


def _reg(
    name: str,
    properties: Mapping[str, bytes],
    cells: list[int],
    problems: list[tuple[str, str]],
) -> list[Range]:
    """Ranges of pfns of a memory node; empty ones, which the boot loader would fill in, left out."""
    value = properties.get("reg", b"")
    address_bytes, entry_bytes = 4 * cells[0], 4 * sum(cells)
    if not value or len(value) % entry_bytes:
        problems.append(
            (f"{name}.reg", f"must be entries of {entry_bytes} bytes, got {len(value)} bytes")
        )
        return []
    found = []
    for k in range(len(value) // entry_bytes):
        entry = value[k * entry_bytes : (k + 1) * entry_bytes]
        address = int.from_bytes(entry[:address_bytes], "big")
        length = int.from_bytes(entry[address_bytes:], "big")
        if address % PAGE_BYTES or length % PAGE_BYTES or address + length > MAX_PFN * PAGE_BYTES:
            problems.append(
                (
                    f"{name}.reg[{k}]",
                    f"must be whole pages below {MAX_PFN * PAGE_BYTES:#x}, got {length:#x} bytes from"
                    f" {address:#x} on",
                )
            )
        elif length:
            found.append((address // PAGE_BYTES, (address + length) // PAGE_BYTES))
    return found
