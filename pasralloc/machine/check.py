"""What can be wrong with the description of a machine."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pasralloc.choices import unknown
from pasralloc.machine.ranges import BLOCK_PAGES, Range, intersect, round_outwards, subtract, total
from pasralloc.machine.topology import MOVABLE, ZONE_NAMES, Node
from pasralloc.sizing import MAX_CPUS

if TYPE_CHECKING:
    from pasralloc.machine.machine import Machine

MAX_PFN = 1 << 45
MAX_SPANNED = 4_294_964_224  # of a zone
MAX_REGIONS = 4096  # of a zone
MAX_NODES = 1024
MAX_DISTANCE = 255
LOCAL_DISTANCE = 10

Problems = Iterator[tuple[str, str]]


def show(pages: Range) -> str:
    """Write a range of pfns."""
    return f"[{pages[0]:#x}, {pages[1]:#x})"


def problems_of(machine: Machine) -> list[tuple[str, str]]:
    """Every problem of a machine: place and what is wrong there; empty if there is none."""
    found = [*_options(machine), *_cpus(machine.nodes), *_distances(machine.nodes)]
    sound = []
    for i, node in enumerate(machine.nodes):
        shape = [*_shape(i, node)]
        found += shape
        if not shape:  # or comparisons would mean nothing
            sound.append((i, node))
            found += _content(i, node)
    found += _between(sound)
    if len(sound) == len(machine.nodes):
        found += _managed(machine.nodes)
    return found


def _options(machine: Machine) -> Problems:
    for name, value, low, high in (
        ("pageblock_order", machine.pageblock_order, 1, 10),
        ("watermark_scale_factor", machine.watermark_scale_factor, 1, 3000),
        ("min_free_kbytes", machine.min_free_kbytes or 0, 0, 1 << 31),
    ):
        if not low <= value <= high:
            yield name, f"must be {low} to {high}, got {value}"
    if not machine.name:
        yield "name", "must not be empty"
    if not machine.nodes:
        yield "node", "there must be at least one"


def _cpus(nodes: Sequence[Node]) -> Problems:
    owners: dict[int, int] = {}
    for i, node in enumerate(nodes):
        for k, cpu in enumerate(node.cpus):
            place = f"node[{i}].cpus[{k}]"
            if not 0 <= cpu < MAX_CPUS:
                yield place, f"a CPU must be 0 to {MAX_CPUS - 1}, got {cpu}"
            elif cpu in owners:
                yield place, f"CPU {cpu} is also in node[{owners[cpu]}].cpus"
            elif k and cpu < node.cpus[k - 1]:
                yield place, f"CPUs must ascend, {cpu} comes after {node.cpus[k - 1]}"
            owners.setdefault(cpu, i)
    if nodes and not owners:
        yield "node", "at least one node must have CPUs"


def _distances(nodes: Sequence[Node]) -> Problems:
    for i, node in enumerate(nodes):
        if not 0 <= node.nid < MAX_NODES:
            yield f"node[{i}].nid", f"must be 0 to {MAX_NODES - 1}, got {node.nid}"
        elif i and node.nid <= nodes[i - 1].nid:
            yield f"node[{i}].nid", f"nids must ascend, {node.nid} comes after {nodes[i - 1].nid}"
        if len(node.distances) != len(nodes):
            yield (
                f"node[{i}].distances",
                f"there must be one per node, {len(nodes)}, got {len(node.distances)}",
            )
            continue
        for j, distance in enumerate(node.distances):
            place = f"node[{i}].distances[{j}]"
            if i == j and distance != LOCAL_DISTANCE:
                yield (
                    place,
                    f"the distance of a node from itself is {LOCAL_DISTANCE}, got {distance}",
                )
            elif i != j and not LOCAL_DISTANCE < distance <= MAX_DISTANCE:
                yield (
                    place,
                    f"the distance of another node must be {LOCAL_DISTANCE + 1} to {MAX_DISTANCE},"
                    f" got {distance}",
                )
            elif j < i and nodes[j].distances[i : i + 1] not in ((distance,), ()):
                yield (
                    place,
                    f"distances must be symmetric: {distance} here and"
                    f" {nodes[j].distances[i]} in node[{j}].distances[{i}]",
                )


def _ascending(places: Sequence[str], ranges: Sequence[Range]) -> Problems:
    """Problems of ranges that should be proper, ascending and disjoint."""
    for k, (where, (start, end)) in enumerate(zip(places, ranges, strict=True)):
        if not 0 <= start < end <= MAX_PFN:
            yield (
                where,
                f"must hold pages: 0 <= start < end <= {MAX_PFN:#x}, got {show((start, end))}",
            )
        elif k and start < ranges[k - 1][1]:
            problem = "overlaps" if end > ranges[k - 1][0] else "must come before"
            yield where, f"{show((start, end))} {problem} {places[k - 1]}, {show(ranges[k - 1])}"


def _shape(i: int, node: Node) -> Problems:
    """Problems of the ranges of a node as such."""
    yield from _ascending(
        [f"node[{i}].zones.{name}" for name, _, _ in node.zones],
        [(start, end) for _, start, end in node.zones],
    )
    for what, ranges in (
        ("memory", node.memory),
        ("reserved", node.reserved),
        ("regions", node.regions),
    ):
        yield from _ascending([f"node[{i}].{what}[{k}]" for k in range(len(ranges))], ranges)
    yield from _names(i, node)
    for k, region in enumerate(node.regions):
        if region[0] % BLOCK_PAGES or region[1] % BLOCK_PAGES:
            yield (
                f"node[{i}].regions[{k}]",
                f"a region must begin and end at a multiple of {BLOCK_PAGES} pages, got {show(region)}",
            )


def _content(i: int, node: Node) -> Problems:
    """Problems of the ranges of a node with each other."""
    limits = tuple((start, end) for _, start, end in node.zones)
    for k, pages in enumerate(node.reserved):
        if subtract((pages,), node.memory):
            yield f"node[{i}].reserved[{k}]", f"{show(pages)} is not all in the memory of the node"
    for k, pages in enumerate(node.memory):
        for what, ranges in (("zone", limits), ("region", node.regions)):
            for rest in subtract((pages,), ranges):
                yield f"node[{i}].memory[{k}]", f"{show(rest)} belongs to no {what} of the node"
    for name, start, end in node.zones:
        yield from _size(f"node[{i}].zones.{name}", node, name, round_outwards(start, end))


def _names(i: int, node: Node) -> Problems:
    known = [zone for zone in node.zones if zone[0] in ZONE_NAMES]
    for name, _, _ in node.zones:
        if name not in ZONE_NAMES:
            yield f"node[{i}].zones.{name}", unknown("the name of a zone", name, ZONE_NAMES)
    for (below, _, _), (name, _, _) in itertools.pairwise(known):
        if ZONE_NAMES.index(name) <= ZONE_NAMES.index(below):
            yield (
                f"node[{i}].zones.{name}",
                f"zones must come in the order {', '.join(ZONE_NAMES)}, {name} comes after {below}",
            )


def _size(place: str, node: Node, name: str, span: Range) -> Problems:
    """Problems of the size of a zone."""
    if not intersect(node.memory, (span,)):
        yield place, f"zone {name} has no memory"
    if span[1] - span[0] > MAX_SPANNED:
        yield (
            place,
            f"zone {name} spans {span[1] - span[0]} pages, at most {MAX_SPANNED} are possible",
        )
    nr = len(intersect(node.regions, (span,)))
    if nr > MAX_REGIONS:
        yield place, f"zone {name} has {nr} regions, at most {MAX_REGIONS} are possible"


def _between(nodes: Sequence[tuple[int, Node]]) -> Problems:
    """Problems of nodes with each other, and of zones that share a block."""
    spans = sorted(
        (round_outwards(start, end), (start, end), f"node[{i}].zones.{name}", name)
        for i, node in nodes
        for name, start, end in node.zones
    )
    widest = spans[0] if spans else ((0, 0), (0, 0), "", "")
    for span in spans[1:]:
        (below, exact, place, name), (above, other, where, second) = widest, span
        if other[0] < exact[1]:
            yield where, f"zone {second} {show(other)} overlaps zone {name} {show(exact)}, {place}"
        elif above[0] < below[1]:
            yield (
                where,
                f"zone {second} {show(other)} shares the block of {BLOCK_PAGES} pages at {above[0]:#x}"
                f" with zone {name} {show(exact)}, {place}",
            )
        widest = max(widest, span, key=lambda span: span[1][1])
    for i, node in nodes:
        for j, other_node in nodes:
            shared = intersect(node.memory, other_node.memory)
            if i < j:
                for pages in shared:
                    yield f"node[{j}].memory", f"{show(pages)} is also in node[{i}].memory"
            if i != j and not shared:
                yield from _crossing(i, node, j, other_node)


def _crossing(i: int, node: Node, j: int, other: Node) -> Problems:
    pieces = intersect(node.regions, other.memory)
    for k in sorted({bisect_right(node.regions, (start, MAX_PFN)) - 1 for start, _ in pieces}):
        yield (
            f"node[{i}].regions[{k}]",
            f"region {show(node.regions[k])} crosses into the memory of node[{j}]",
        )


def _managed(nodes: Sequence[Node]) -> Problems:
    """Watermarks are shares of the memory below Movable, so there must be some."""
    managed = sum(
        total(subtract(intersect(node.memory, ((start, end),)), node.reserved))
        for node in nodes
        for name, start, end in node.zones
        if ZONE_NAMES.index(name) != MOVABLE
    )
    if nodes and not managed:
        yield "node", "a zone other than Movable must have managed pages"
