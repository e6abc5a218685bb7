"""Region maps: where the pieces of memory lie that can sleep on their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pasralloc.machine.check import MAX_REGIONS, show
from pasralloc.machine.ranges import BLOCK_PAGES, Range, intersect, round_outwards
from pasralloc.machine.topology import Node


def regular(pages: Range, size: int, origin: int | None = None) -> tuple[Range, ...]:
    """Cut a range into regions of one size.

    Parameters
    ----------
    pages : (start, end)
        Half open; rounded outwards to blocks of 1024 pages.
    size : int
        Pages of a region, a multiple of 1024.
    origin : int, optional
        A pfn where a region begins, a multiple of 1024; by default the start. The first and the last
        region may be short.

    Raises
    ------
    ValueError
        If the range is empty, a number no multiple of 1024, or there would be too many regions.

    Examples
    --------
    >>> regular((1, 5000), 2048)
    ((0, 2048), (2048, 4096), (4096, 5120))
    >>> regular((3072, 6144), 2048, origin=0)
    ((3072, 4096), (4096, 6144))
    """
    start, end = round_outwards(*pages)
    if start >= end:
        raise ValueError(f"must hold pages: start < end, got {show(pages)}")
    if origin is None:
        origin = start
    for name, value in (("size", size), ("origin", origin)):
        if value % BLOCK_PAGES or value < 0 or (name == "size" and value == 0):
            raise ValueError(f"{name} must be a multiple of {BLOCK_PAGES} pages, got {value}")
    if (end - start) // size >= 4 * MAX_REGIONS:
        raise ValueError(f"size must make fewer than {4 * MAX_REGIONS} regions, got {size} pages")
    first = start - (start - origin) % size
    return tuple((max(pfn, start), min(pfn + size, end)) for pfn in range(first, end, size))


def span_of(node: Node) -> Range:
    """From the first to the last block of the memory of a node."""
    return round_outwards(node.memory[0][0], node.memory[-1][1])


def assign(
    nodes: Sequence[Node], regions: Sequence[Range]
) -> tuple[tuple[Node, ...], list[tuple[str, str]]]:
    """Give each region to the node whose memory it holds.

    Returns
    -------
    nodes : tuple of Node
        With these regions and no others. A region without memory is dropped: what
        holds no memory belongs to the region below it.
    problems : list of (place, why)
        Regions that hold memory of two nodes.
    """
    owned: dict[int, list[Range]] = {node.nid: [] for node in nodes}
    problems = []
    for k, region in enumerate(regions):
        owners = [node.nid for node in nodes if intersect(node.memory, (region,))]
        if len(owners) > 1:
            problems.append((f"regions[{k}]", f"region {show(region)} crosses nodes {owners}"))
        elif owners:
            owned[owners[0]].append(region)
    return tuple(replace(node, regions=tuple(owned[node.nid])) for node in nodes), problems
