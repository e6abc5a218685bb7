"""Files of ``/proc`` about the memory of a whole simulation, as the kernel of the sorted-buddy series prints them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pasralloc._core.memorybase import MemoryZone
from pasralloc.report.procfiles import pagetypeinfo_heading
from pasralloc.report.regionfiles import (
    buddyinfo_regions_text,
    list_rows,
    pageblock_heading,
    pageblock_rows,
    zoneinfo_regions_text,
)
from pasralloc.sim.plan import Piece, pieces_of, plans_of
from pasralloc.sim.simulation import Simulation


def _zones(sim: Simulation) -> Iterator[tuple[Piece, MemoryZone]]:
    """Zones as the kernel lists them: by node, then ascending."""
    pieces = pieces_of(sim.machine, sim.policy.hierarchy)
    both = list(zip(pieces, sim.zones, strict=True))
    yield from sorted(both, key=lambda pair: (pair[0].span.nid, pair[0].span.start_pfn))


def zoneinfo(sim: Simulation) -> str:
    """``/proc/zoneinfo`` with the lines that the series adds to each zone.

    Parameters
    ----------
    sim : Simulation

    Returns
    -------
    text : str
        Of each zone its free pages, watermarks, sizes and reserves, the pagesets of its CPUs, and present and free
        pages of every region. Event counters are left out. Regions of a hierarchy have the numbers that they have
        without one.
    """
    pieces = pieces_of(sim.machine, sim.policy.hierarchy)
    plans = dict(
        zip(
            (piece.span.start_pfn for piece in pieces),
            plans_of(sim.machine, pieces, sim.policy, False),
            strict=True,
        )
    )
    text = ""
    for piece, zone in _zones(sim):
        span, plan = piece.span, plans[piece.span.start_pfn]
        rows = (
            *zip(("min", "low", "high"), plan.watermarks, strict=True),
            ("spanned", span.spanned),
            ("present", span.present),
            ("managed", zone.managed),
        )
        text += f"Node {zone.nid}, zone {zone.name:>8}\n  pages free     {zone.nr_free}\n"
        text += "".join(f"        {name:<8} {nr}\n" for name, nr in rows)
        text += f"        protection: ({', '.join(map(str, plan.lowmem_reserve))})\n"
        text += "  pagesets\n" if zone.pagesets is not None else ""
        for cpu in range(zone.pagesets.nr_cpus if zone.pagesets is not None else 0):
            pageset = zone.pageset(cpu)
            text += f"    cpu: {cpu}\n" + "".join(
                f"              {name + ':':<6} {nr}\n"
                for name, nr in (
                    ("count", pageset.count),
                    ("high", pageset.high),
                    ("batch", pageset.batch),
                )
            )
        text += f"  start_pfn:           {span.start_pfn}\n\n"
        present = [region.present for region in span.regions]
        text += zoneinfo_regions_text(zone, present, piece.first_region)
    return text


def buddyinfo(sim: Simulation) -> str:
    """``/proc/buddyinfo`` by regions: blocks of all types, those of parked regions included."""
    return "".join(
        buddyinfo_regions_text(zone, zone.name, zone.nid, piece.first_region)
        for piece, zone in _zones(sim)
    )


def pagetypeinfo(sim: Simulation) -> str:
    """``/proc/pagetypeinfo`` by regions, node by node: free blocks on lists, then pageblocks."""
    text = ""
    for node in sim.machine.nodes:
        zones = [(piece, zone) for piece, zone in _zones(sim) if zone.nid == node.nid]
        if not zones:
            continue
        places = [(zone, zone.name, zone.nid, piece.first_region) for piece, zone in zones]
        text += pagetypeinfo_heading(places[0][0])
        text += "".join(list_rows(*place) for place in places)
        text += pageblock_heading(places[0][0])
        text += "".join(pageblock_rows(*place) for place in places) + "\n"
    return text


FILES: dict[str, Callable[[Simulation], str]] = {
    "zoneinfo": zoneinfo,
    "buddyinfo": buddyinfo,
    "pagetypeinfo": pagetypeinfo,
}
