"""From a machine and a policy to the zones of a simulation."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pasralloc._core.records import (
    EVACUATION_TARGETS,
    EVACUATION_TRIGGERS,
    EvacuationPlan,
    ZonePlan,
)
from pasralloc.machine import watermarks as formulas
from pasralloc.machine.machine import Machine
from pasralloc.machine.ranges import intersect, subtract
from pasralloc.machine.topology import ZONE_NAMES, MemoryRegion, ZoneSpan
from pasralloc.policy.evacuation import Evacuation
from pasralloc.policy.presets import Policy
from pasralloc.sizing import Pagesets

MAX_RESERVE = 2  # pageblocks per zone that 3.9 sets aside at boot


@dataclass(frozen=True, slots=True)
class Piece:
    """What becomes a zone: a zone of the machine, or the part of it that lies in one region."""

    span: ZoneSpan
    first_region: int  # number in the zone of the machine
    group: int  # zones that stand next to each other in a zonelist


def pieces_of(machine: Machine, hierarchy: bool) -> list[Piece]:
    """Zones to make, in ascending order of address."""
    pieces = []
    for zone in machine.zones:
        if not zone.managed:
            continue
        if not hierarchy:
            pieces.append(Piece(zone, 0, 0))
            continue
        starts = [start for start, _ in machine.node(zone.nid).regions]
        for number, region in enumerate(zone.regions):
            if region.managed:
                group = max(bisect_right(starts, region.start_pfn) - 1, 0)
                pieces.append(Piece(_part(zone, region), number, group))
    return sorted(pieces, key=lambda piece: piece.span.start_pfn)


def _part(zone: ZoneSpan, region: MemoryRegion) -> ZoneSpan:
    span = (region.start_pfn, region.end_pfn)
    return replace(
        zone,
        start_pfn=region.start_pfn,
        end_pfn=region.end_pfn,
        present=region.present,
        managed=region.managed,
        managed_ranges=intersect(zone.managed_ranges, (span,)),
        regions=(region,),
    )


def zonelists_of(machine: Machine, pieces: Sequence[Piece]) -> dict[tuple[int, int], list[int]]:
    """Positions in *pieces* to try, by nid and highest type.

    In a hierarchy the regions of a node come one after the other, and in each its zones from
    the highest type down.
    """
    zonelists = {}
    for node in machine.nodes:
        for highest in range(len(ZONE_NAMES)):
            nids = list(
                dict.fromkeys(machine.zones[i].nid for i in machine.zonelist(node.nid, highest))
            )
            usable = [i for i, piece in enumerate(pieces) if piece.span.type <= highest]
            zonelists[node.nid, highest] = sorted(
                usable,
                key=lambda i: (
                    nids.index(pieces[i].span.nid),
                    pieces[i].group,
                    -pieces[i].span.type,
                    pieces[i].span.start_pfn,
                ),
            )
    return zonelists


def plans_of(
    machine: Machine, pieces: Sequence[Piece], policy: Policy, pagesets: bool | Pagesets
) -> list[ZonePlan]:
    """Everything about the zones that the compiled part needs."""
    # In a hierarchy a zone holds memory back for requests to the zones of its own region.
    places = [(piece.span.nid, piece.group) for piece in pieces]
    apart = [
        replace(piece.span, nid=places.index(place))
        for piece, place in zip(pieces, places, strict=True)
    ]
    marks = formulas.watermarks(
        policy.kernel,
        apart,
        min_free_kbytes=machine.min_free_kbytes,
        scale_factor=machine.watermark_scale_factor,
        pageblock_order=machine.pageblock_order,
    )
    nr_online = sum(len(node.cpus) for node in machine.nodes)
    node_cpus = {node.nid: len(node.cpus) or nr_online for node in machine.nodes}
    sized = formulas.pagesets(
        policy.kernel,
        [piece.span for piece in pieces],
        marks,
        nr_cpus=machine.nr_cpus,
        node_cpus=node_cpus,
    )
    plans = []
    for piece, mark, own in zip(pieces, marks, sized, strict=True):
        span = piece.span
        chosen = own if pagesets is True else None
        if isinstance(pagesets, Pagesets):
            chosen = replace(pagesets, nr_cpus=machine.nr_cpus)
        if chosen is own and policy.pagesets is not None:
            chosen = replace(own, by_region=policy.pagesets.by_region)
        plans.append(
            ZonePlan(
                options={
                    "nr_pages": span.spanned,
                    "region_pages": [region.end_pfn - region.start_pfn for region in span.regions],
                    "start_pfn": span.start_pfn,
                    "absent": [
                        (start, end - start)
                        for start, end in subtract(
                            ((span.start_pfn, span.end_pfn),), span.managed_ranges
                        )
                    ],
                    "placement": policy.placement,
                    "kernel": policy.kernel,
                    "quirks": policy.quirks,
                    "pageblock_order": machine.pageblock_order,
                    "region_allocator": policy.region_allocator,
                    "grouping": policy.grouping,
                    "pagesets": chosen,
                },
                nid=span.nid,
                type=span.type,
                watermarks=(mark.min, mark.low, mark.high),
                boost_max=mark.boost_max,
                lowmem_reserve=mark.lowmem_reserve,
                kswapd_cpu=min(machine.node(span.nid).cpus, default=0),
                nr_reserve=min(-(-mark.min >> machine.pageblock_order), MAX_RESERVE)
                if policy.kernel == "3.9"
                else 0,
            )
        )
    return plans


def evacuation_plan(evacuation: Evacuation | None) -> EvacuationPlan:
    """Spell a policy out for the kernel; without one only calls evacuate."""
    if evacuation is None:
        evacuation = Evacuation(trigger="manual")
    return EvacuationPlan(
        EVACUATION_TRIGGERS.index(evacuation.trigger),
        evacuation.max_used,
        evacuation.order == "ascending",
        evacuation.latency_ns,
        evacuation.period_ns,
        (
            evacuation.drop_clean,
            evacuation.move_unevictable,
            evacuation.drain,
            evacuation.max_tries,
            EVACUATION_TARGETS.index(evacuation.targets),
        ),
    )
