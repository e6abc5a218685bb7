"""Regions and their power states from the firmware of a PC: the ACPI table MPST."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pasralloc.errors import MachineError
from pasralloc.machine.check import MAX_PFN, show
from pasralloc.machine.ranges import BLOCK_PAGES, Range
from pasralloc.units import PAGE_BYTES

_HEADER = struct.Struct("<4sIBB26xB3xHH")  # with what the table says of its channel
_NODE = struct.Struct("<BxHIQQII")
_STATE = struct.Struct("<BB")
_COMPONENT = struct.Struct("<H")
_COUNT = struct.Struct("<HH")
_CHARACTERISTICS = struct.Struct("<BBHIIQQ")
ENABLED, POWER_MANAGED, HOT_PLUG_CAPABLE = 1, 2, 4
PRESERVE, AUTO_ENTRY, AUTO_EXIT = 1, 2, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerState:
    """A power state of a memory power node, as the firmware describes it.

    Attributes
    ----------
    value : int
        Number of the state; a higher one saves more and takes longer to leave.
    milliwatts : int
        Average power of the node in its first state, MPS0, mW.
    saving_percent : int
        Power saved against that.
    exit_ns : int
        Time back to the first state, ns.
    preserves_content : bool
        Whether the memory keeps its content.
    auto_entry, auto_exit : bool
        The bits of these names. Beware: the text of the specification says that bit
        1 set means an entry that software has to trigger.
    """

    value: int
    milliwatts: int
    saving_percent: int
    exit_ns: int
    preserves_content: bool
    auto_entry: bool
    auto_exit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerNode:
    """A range of memory whose power can be managed on its own.

    Attributes
    ----------
    node_id : int
        Number of the node; several ranges may share one.
    start_pfn, end_pfn : int
        The range, half open.
    enabled, power_managed, hot_plug : bool
        Flags: whether the entry counts, whether its power is managed, whether its memory
        may come and go.
    states : tuple of PowerState
    components : tuple of int
        Ids of the physical components, such as DIMMs.
    """

    node_id: int
    start_pfn: int
    end_pfn: int
    enabled: bool
    power_managed: bool
    hot_plug: bool
    states: tuple[PowerState, ...]
    components: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerTable:
    """What a Memory Power State Table says.

    Attributes
    ----------
    nodes : tuple of PowerNode
        In the order of the table, disabled ones included.
    """

    nodes: tuple[PowerNode, ...]

    @property
    def regions(self) -> tuple[Range, ...]:
        """Ranges of the enabled nodes, ascending: for `Machine.with_regions`."""
        return tuple(sorted((n.start_pfn, n.end_pfn) for n in self.nodes if n.enabled))


def regions_from_mpst(data: bytes) -> PowerTable:
    """Parse an ACPI Memory Power State Table.

    Parameters
    ----------
    data : bytes
        The table, such as ``/sys/firmware/acpi/tables/MPST``.

    Returns
    -------
    table : PowerTable

    Raises
    ------
    MachineError
        If it is none, damaged, or describes ranges that cannot be regions: nodes that
        overlap (the specification lets one node lie inside another; that is refused as well) or
        that are no whole blocks of 1024 pages.

    References
    ----------
    Advanced Configuration and Power Interface Specification, revision 6.0, section
    5.2.21; revision 1 of the table.
    """
    return _Parser(bytes(data)).table()


class _Parser:
    """Reads a table from the front and collects what is wrong with it on the way."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0
        self.problems: list[tuple[str, str]] = []

    def fail(self, place: str, why: str) -> MachineError:
        return MachineError("MPST", [*self.problems, (place, why)])

    def take(self, layout: struct.Struct, place: str, count: int = 1) -> Iterator[tuple[int, ...]]:
        """Return the next *count* entries; refuse a table that ends before."""
        end = self.offset + layout.size * count
        if end > len(self.data):
            raise self.fail(
                place, f"ends at byte {end}, beyond the table of {len(self.data)} bytes"
            )
        entries = layout.iter_unpack(self.data[self.offset : end])
        self.offset = end
        return entries

    def table(self) -> PowerTable:
        nr_nodes = self.header()
        nodes = [self.node(f"node[{i}]") for i in range(nr_nodes)]
        states = self.characteristics()
        if self.offset != len(self.data):
            self.problems.append(("", f"{len(self.data) - self.offset} bytes too many at the end"))
        table = PowerTable(
            nodes=tuple(self.power_node(f"node[{i}]", node, states) for i, node in enumerate(nodes))
        )
        self.overlaps(table)
        if self.problems:
            raise MachineError("MPST", self.problems)
        return table

    def header(self) -> int:
        if len(self.data) < _HEADER.size or self.data[:4] != b"MPST":
            raise self.fail("", f"expected a table that begins with MPST, got {self.data[:4]!r}")
        ((_, length, revision, _, _, nr_nodes, _),) = self.take(_HEADER, "")
        if length != len(self.data):
            raise self.fail("length", f"the table says {length} bytes, there are {len(self.data)}")
        if revision != 1:
            raise self.fail("revision", f"only revision 1 is known, got {revision}")
        if sum(self.data) % 256:
            self.problems.append(
                ("checksum", f"all bytes must sum to 0, they sum to {sum(self.data) % 256}")
            )
        return int(nr_nodes)

    def node(self, place: str) -> tuple[tuple[int, ...], list[tuple[int, ...]], tuple[int, ...]]:
        """Fields, states and components of a node."""
        start = self.offset
        (fields,) = self.take(_NODE, place)
        states = list(self.take(_STATE, f"{place}.states", fields[5]))
        components = tuple(
            number for (number,) in self.take(_COMPONENT, f"{place}.components", fields[6])
        )
        if fields[2] != self.offset - start:
            raise self.fail(
                f"{place}.length",
                f"must be {self.offset - start} bytes for that many states and components,"
                f" got {fields[2]}",
            )
        return fields, states, components

    def characteristics(self) -> list[tuple[int, ...]]:
        ((count, _),) = self.take(_COUNT, "characteristics")
        found = list(self.take(_CHARACTERISTICS, "characteristics", count))
        for k, (_, _, _, _, saving, _, _) in enumerate(found):
            if saving > 100:
                self.problems.append(
                    (f"characteristics[{k}]", f"the saving must be 0 to 100 per cent, got {saving}")
                )
        return found

    def power_node(
        self,
        place: str,
        node: tuple[tuple[int, ...], list[tuple[int, ...]], tuple[int, ...]],
        characteristics: list[tuple[int, ...]],
    ) -> PowerNode:
        (flags, node_id, _, address, length, _, _), states, components = node
        enabled = bool(flags & ENABLED)
        if enabled:
            for name, value in (("address", address), ("length", length)):
                if value % (BLOCK_PAGES * PAGE_BYTES):
                    self.problems.append(
                        (place, f"{name} must be a multiple of 4 MiB, got {value:#x}")
                    )
            if not 0 < address + length <= MAX_PFN * PAGE_BYTES or not length:
                self.problems.append(
                    (place, f"no range of memory: {length:#x} bytes from {address:#x} on")
                )
        found = []
        for k, (value, index) in enumerate(states):
            if index >= len(characteristics):
                self.problems.append(
                    (
                        f"{place}.states[{k}]",
                        f"there are {len(characteristics)} characteristics, got number {index}",
                    )
                )
                continue
            _, bits, _, milliwatts, saving, exit_ns, _ = characteristics[index]
            found.append(
                PowerState(
                    value=value,
                    milliwatts=milliwatts,
                    saving_percent=saving,
                    exit_ns=exit_ns,
                    preserves_content=bool(bits & PRESERVE),
                    auto_entry=bool(bits & AUTO_ENTRY),
                    auto_exit=bool(bits & AUTO_EXIT),
                )
            )
        return PowerNode(
            node_id=node_id,
            start_pfn=address // PAGE_BYTES,
            end_pfn=(address + length) // PAGE_BYTES,
            enabled=enabled,
            power_managed=bool(flags & POWER_MANAGED),
            hot_plug=bool(flags & HOT_PLUG_CAPABLE),
            states=tuple(found),
            components=components,
        )

    def overlaps(self, table: PowerTable) -> None:
        if not table.regions:
            self.problems.append(("", "no node is enabled"))
        for below, above in itertools.pairwise(table.regions):
            if above[0] < below[1]:
                self.problems.append(("node", f"{show(above)} overlaps {show(below)}"))
