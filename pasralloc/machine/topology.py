"""Nodes as they are described, and zones and regions as they follow from that."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from pasralloc.machine.ranges import Range, intersect, round_outwards, subtract, total

ZONE_NAMES = ("DMA", "DMA32", "Normal", "Movable")  # position = type
MOVABLE = ZONE_NAMES.index("Movable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: CPUs and memory at one distance from everything else.

    Parameters
    ----------
    nid : int
        Its number.
    cpus : tuple of int
        CPUs of the node, ascending; a node may have none.
    distances : tuple of int
        Distance to each node of the machine, in the order of nodes; 10 is local.
    memory : tuple of (start, end)
        pfns that are present, ascending and disjoint, half open.
    reserved : tuple of (start, end)
        Part of `memory` that the allocator never gets: memory map, kernel image.
    zones : tuple of (name, start, end)
        Limits of the zones of the node, ascending in pfn and type. What is inside
        and not in `memory` is a hole.
    regions : tuple of (start, end)
        Regions of the node, ascending and disjoint, of whole blocks of 1024 pages.
        They may differ in size, and cover all of `memory`.

    Notes
    -----
    Checked by the `Machine` that it becomes a part of. Immutable; may be shared by
    threads.
    """

    nid: int
    cpus: tuple[int, ...] = ()
    distances: tuple[int, ...] = (10,)
    memory: tuple[Range, ...] = ()
    reserved: tuple[Range, ...] = ()
    zones: tuple[tuple[str, int, int], ...] = ()
    regions: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRegion:
    """A region of a zone.

    Attributes
    ----------
    start_pfn, end_pfn : int
        Its span, half open.
    present, managed : int
        Pages of memory, and pages of those that the allocator manages.
    """

    start_pfn: int
    end_pfn: int
    present: int
    managed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneSpan:
    """A zone of a node.

    Attributes
    ----------
    nid : int
        Number of the node.
    name : {"DMA", "DMA32", "Normal", "Movable"}
    type : int
        Position of the name in that list.
    start_pfn, end_pfn : int
        Its span, half open, of whole blocks of 1024 pages.
    spanned, present, managed : int
        Pages in the span, pages of memory, and pages of those that the allocator manages.
    managed_ranges : tuple of (start, end)
        Which pages the allocator manages.
    regions : tuple of MemoryRegion
        Regions of the node cut to the zone, numbered from 0 in every zone.

    Notes
    -----
    Regions partition the span: a hole that belongs to no region of the node is part of the
    region below it, or of the first one.
    """

    nid: int
    name: str
    type: int
    start_pfn: int
    end_pfn: int
    present: int
    managed: int
    managed_ranges: tuple[Range, ...]
    regions: tuple[MemoryRegion, ...]

    @property
    def spanned(self) -> int:
        """Pages in the span."""
        return self.end_pfn - self.start_pfn


def zones_of(node: Node) -> tuple[ZoneSpan, ...]:
    """Zones of a node, in ascending type.

    Parameters
    ----------
    node : Node
        One without problems.

    Returns
    -------
    zones : tuple of ZoneSpan
    """
    managed = subtract(node.memory, node.reserved)
    return tuple(
        _zone(node, name, round_outwards(start, end), managed) for name, start, end in node.zones
    )


def _zone(node: Node, name: str, span: Range, managed: tuple[Range, ...]) -> ZoneSpan:
    present_ranges, managed_ranges = intersect(node.memory, (span,)), intersect(managed, (span,))
    cut = [start for start, _ in intersect(node.regions, (span,))]
    bounds = [span[0], *cut[1:], span[1]]
    regions = tuple(
        MemoryRegion(
            start_pfn=start,
            end_pfn=end,
            present=total(intersect(present_ranges, ((start, end),))),
            managed=total(intersect(managed_ranges, ((start, end),))),
        )
        for start, end in itertools.pairwise(bounds)
    )
    return ZoneSpan(
        nid=node.nid,
        name=name,
        type=ZONE_NAMES.index(name),
        start_pfn=span[0],
        end_pfn=span[1],
        present=total(present_ranges),
        managed=total(managed_ranges),
        managed_ranges=managed_ranges,
        regions=regions,
    )
