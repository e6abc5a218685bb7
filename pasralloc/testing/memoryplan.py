"""What the zones of a simulation must be: the rules of the kernel, page by page, from a machine's nodes alone.

Nothing here uses the zones, watermarks, zonelists or sizes that a `Machine` computes, so that a model made
of it notices when those are wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pasralloc.machine.machine import Machine
from pasralloc.machine.topology import Node
from pasralloc.policy.presets import Policy
from pasralloc.sizing import Pagesets

TYPES = ("DMA", "DMA32", "Normal", "Movable")
MOVABLE = 3
BLOCK = 1024
MOST_HIGH = 1 << 24  # not the kernel's: what a pageset of this package holds at most
RATIOS = (256, 256, 32, 0)  # sysctl_lowmem_reserve_ratio


@dataclass(kw_only=True)
class ZoneRules:
    """A zone before it is made.

    Attributes
    ----------
    nid, type : int
    start_pfn, end_pfn : int
    pages : set of int
        Those that the allocator manages.
    region_starts : list of int
    first_region : int
        Number of the first region in the zone of the machine.
    group : int
        In a hierarchy, the region of the node that it lies in.
    watermarks : tuple of int
        min, low and high.
    boost_max : int
    lowmem_reserve : list of int
        By the highest type that a request may use.
    kswapd_cpu, nr_reserve : int
    options : dict of str to Any
        Of `ZoneModel`.
    """

    nid: int
    type: int
    start_pfn: int
    end_pfn: int
    pages: set[int]
    region_starts: list[int]
    first_region: int = 0
    group: int = 0
    watermarks: tuple[int, int, int] = (0, 0, 0)
    boost_max: int = 0
    lowmem_reserve: list[int] = field(default_factory=list)
    kswapd_cpu: int = 0
    nr_reserve: int = 0
    options: dict[str, Any] = field(default_factory=dict)


def rules_of(machine: Machine, policy: Policy, pagesets: bool | Pagesets) -> list[ZoneRules]:
    """Zones in ascending order of address, with everything that is computed at boot."""
    zones = zones_of(machine, policy.hierarchy)
    _set_watermarks(machine, policy.kernel, zones)
    for zone in zones:
        sized: Pagesets | None = None
        if isinstance(pagesets, Pagesets):
            sized = replace(pagesets, nr_cpus=_nr_cpus(machine))
        elif pagesets:
            sized = _sizes(machine, policy, zone)
        bounds = [*zone.region_starts, zone.end_pfn]
        zone.options = {
            "nr_pages": zone.end_pfn - zone.start_pfn,
            "region_pages": [bounds[i + 1] - bounds[i] for i in range(len(bounds) - 1)],
            "start_pfn": zone.start_pfn,
            "absent": [
                (pfn, 1) for pfn in range(zone.start_pfn, zone.end_pfn) if pfn not in zone.pages
            ],
            "placement": policy.placement,
            "kernel": policy.kernel,
            "pageblock_order": machine.pageblock_order,
            "region_allocator": policy.region_allocator,
            "grouping": policy.grouping,
            "pagesets": sized,
        }
    return zones


def zones_of(machine: Machine, hierarchy: bool) -> list[ZoneRules]:
    """Zones with memory, whole or cut into one for each region, in ascending order of address."""
    zones = [zone for node in machine.nodes for zone in _of_node(node) if zone.pages]
    if hierarchy:
        zones = [part for zone in zones for part in _parts(machine, zone)]
    return sorted(zones, key=lambda zone: zone.start_pfn)


def _of_node(node: Node) -> Iterator[ZoneRules]:
    present = {pfn for start, end in node.memory for pfn in range(start, end)}
    managed = present - {pfn for start, end in node.reserved for pfn in range(start, end)}
    for name, low, high in node.zones:
        start, end = low - low % BLOCK, high + -high % BLOCK
        starts = [max(first, start) for first, last in node.regions if first < end and last > start]
        # What lies below the first region belongs to it.
        starts[:1] = [start]
        yield ZoneRules(
            nid=node.nid,
            type=TYPES.index(name),
            start_pfn=start,
            end_pfn=end,
            pages={pfn for pfn in managed if start <= pfn < end},
            region_starts=starts,
        )


def _parts(machine: Machine, zone: ZoneRules) -> Iterator[ZoneRules]:
    """Zones of a hierarchy that one zone is cut into."""
    (node,) = (node for node in machine.nodes if node.nid == zone.nid)
    bounds = [*zone.region_starts, zone.end_pfn]
    for number, start in enumerate(zone.region_starts):
        end = bounds[number + 1]
        pages = {pfn for pfn in zone.pages if start <= pfn < end}
        if pages:
            yield replace(
                zone,
                start_pfn=start,
                end_pfn=end,
                pages=pages,
                region_starts=[start],
                first_region=number,
                group=max(sum(first <= start for first, _ in node.regions) - 1, 0),
            )


def zonelists_of(machine: Machine, zones: list[ZoneRules]) -> dict[tuple[int, int], list[int]]:
    """``build_zonelists()``: positions of zones, by nid and highest type."""
    lists = {}
    for node in machine.nodes:
        for highest in range(len(TYPES)):
            lists[node.nid, highest] = [
                zones.index(zone)
                for nid in _nearest_first(machine, node)
                for group in sorted({zone.group for zone in zones if zone.nid == nid})
                for kind in range(highest, -1, -1)
                for zone in zones
                if (zone.nid, zone.group, zone.type) == (nid, group, kind)
            ]
    return lists


def _nearest_first(machine: Machine, node: Node) -> list[int]:
    """``find_next_best_node()`` until there is none; of equals the next in the round."""
    left = [other.nid for other in machine.nodes]
    distance = dict(zip(left, node.distances, strict=True))
    found: list[int] = []
    while left:
        least = min(distance[nid] for nid in left)
        equals = sorted(nid for nid in left if distance[nid] == least)
        later = [nid for nid in equals if nid >= node.nid]
        found.append((later or equals)[0])
        left.remove(found[-1])
    return found


def _set_watermarks(machine: Machine, kernel: str, zones: list[ZoneRules]) -> None:
    """``__setup_per_zone_wmarks()``, ``setup_per_zone_lowmem_reserve()`` and what follows from them."""
    is_new = kernel == "6.12"
    buffer_pages = sum(len(zone.pages) for zone in zones if zone.type != MOVABLE)
    kbytes = machine.min_free_kbytes
    if kbytes is None:
        kbytes = _int_sqrt(buffer_pages * 4 * 16)
        kbytes = max(kbytes, 128)
        kbytes = min(kbytes, 262144 if is_new else 65536)
    pages_min = kbytes >> 2
    # is_highmem() or Movable are left out in 6.12, is_highmem() alone in 3.9.
    lowmem = buffer_pages if is_new else sum(len(zone.pages) for zone in zones)
    pageblock = 1 << machine.pageblock_order
    for zone in zones:
        managed = len(zone.pages)
        tmp = pages_min * managed // lowmem
        if is_new:
            least = tmp
            if zone.type == MOVABLE:
                least = managed // 1024
                least = 32 if least < 32 else 128 if least > 128 else least
            tmp = max(tmp >> 2, managed * machine.watermark_scale_factor // 10000)
            zone.watermarks = (least, least + tmp, least + tmp + tmp)
            boost = zone.watermarks[2] * 15000 // 10000
            has_boost = pageblock * 4 <= managed and boost
            zone.boost_max = max(pageblock, boost) if has_boost else 0
        else:
            zone.watermarks = (tmp, tmp + (tmp >> 2), tmp + (tmp >> 1))
            zone.nr_reserve = min((tmp + pageblock - 1) // pageblock, 2)
        zone.lowmem_reserve = [0] * len(TYPES)
        above = 0
        for highest in range(zone.type + 1, len(TYPES)):
            above += sum(
                len(other.pages)
                for other in zones
                if (other.nid, other.group, other.type) == (zone.nid, zone.group, highest)
            )
            zone.lowmem_reserve[highest] = above // RATIOS[zone.type]
        cpus = [cpu for node in machine.nodes if node.nid == zone.nid for cpu in node.cpus]
        zone.kswapd_cpu = cpus[0] if cpus else 0


def _int_sqrt(value: int) -> int:
    root = 0
    while (root + 1) * (root + 1) <= value:
        root += 1
    return root


def _nr_cpus(machine: Machine) -> int:
    return 1 + max(cpu for node in machine.nodes for cpu in node.cpus)


def _sizes(machine: Machine, policy: Policy, zone: ZoneRules) -> Pagesets:
    """``zone_batchsize()``, and ``zone_highsize()`` or six batches."""
    managed = len(zone.pages)
    is_new = policy.kernel == "6.12"
    batch = min(managed >> 10, 256 if is_new else 128) // 4
    batch = max(batch, 1)
    power = 1
    while power * 2 <= batch + batch // 2:
        power *= 2
    batch = power - 1
    by_region = policy.pagesets is not None and policy.pagesets.by_region
    if not is_new:
        return Pagesets(
            nr_cpus=_nr_cpus(machine), batch=max(1, batch), high=6 * batch, by_region=by_region
        )
    batch = max(1, batch)
    split = sum(len(node.cpus) for node in machine.nodes if node.nid == zone.nid)
    split = split or sum(len(node.cpus) for node in machine.nodes)
    high = min(max(zone.watermarks[1] // split, batch << 2), MOST_HIGH)
    # Not the kernel's: the upper limit is never below the lower one.
    high_max = min(max(managed // 8 // split, high), MOST_HIGH)
    return Pagesets(
        nr_cpus=_nr_cpus(machine), batch=batch, high=high, high_max=high_max, by_region=by_region
    )
