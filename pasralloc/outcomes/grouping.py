"""Unmovable and reclaimable memory in few regions: grouping off and on, with and without a region allocator."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from pasralloc.machine.machine import Machine
from pasralloc.machine.regions import regular, span_of
from pasralloc.outcomes.outcome import Outcome
from pasralloc.policy.presets import Policy
from pasralloc.sim.simulation import Simulation
from pasralloc.workload.ageing import Ageing
from pasralloc.workload.kernbench import Kernbench

MACHINE = "generic-16g"
REGION_PAGES = 1 << 15
KERNELS = ("6.12", "3.9")
REGION_ALLOCATORS = (None, "when-dry")
GROUPINGS = (None, "by-region")

Load = Sequence[Ageing | Kernbench]

# A build in memory that is never full; one whose page cache fills it; and one on a machine where pages of all types
# are scattered over half of the memory.
LOADS: dict[str, Load] = {
    "build": (Kernbench(units=1000, anon_pages=30000, slab_kept=0.5),),
    "full": (Kernbench(units=3000, read_pages=1500, written_pages=300, slab_kept=0.5),),
    "aged": (Ageing(index=20, free_share=0.5), Kernbench(units=1500, slab_kept=0.5)),
}


def run(
    *,
    seed: int = 0,
    machine: str = MACHINE,
    region_pages: int = REGION_PAGES,
    loads: Mapping[str, Load] = LOADS,
) -> Outcome:
    """Run the same loads with grouping off and on.

    Parameters
    ----------
    seed : int, default 0
    machine : str, default "generic-16g"
        Name of a preset.
    region_pages : int, default 32768
        Its regions are cut anew, to this size.
    loads : mapping of str to sequence of workloads, optional
        Each runs its workloads one after the other.

    Returns
    -------
    outcome : Outcome
        *ours* has a table per load. A row tells the kernel generation, the region allocator and grouping; how many pages
        are unmovable or reclaimable and in use at the end, all pagesets drained, and in how many regions; the
        pageblocks of these types; the regions that are completely free, and those that are once every region was evacuated, the highest first; and
        the fallback events. Published is the wish alone, to-do 4 of v2: "unmovable and non-reclaimable allocations
        are contained within least no. of memory regions".

    References
    ----------
    S. S. Bhat, "[RFC PATCH v2 00/15][Sorted-buddy] mm: Memory Power Management", linux-mm, 9 April
    2013, <20130409214443.4500.44168.stgit@srivatsabhat.in.ibm.com>.
    """
    cut = Machine.preset(machine)
    cut = cut.with_regions([r for node in cut.nodes for r in regular(span_of(node), region_pages)])
    ours = {
        name: [
            _row(cut, load, seed, kernel, region_allocator, grouping)
            for kernel in KERNELS
            for region_allocator in REGION_ALLOCATORS
            for grouping in GROUPINGS
        ]
        for name, load in loads.items()
    }
    return Outcome(
        outcome="grouping",
        parameters={
            "seed": seed,
            "machine": machine,
            "region_pages": region_pages,
            "placement": "biased",
            "loads": {name: [asdict(part) for part in load] for name, load in loads.items()},
        },
        published={},
        ours=ours,
        checks=_checks(ours),
    )


def _row(
    machine: Machine,
    load: Load,
    seed: int,
    kernel: str,
    region_allocator: str | None,
    grouping: str | None,
) -> dict[str, Any]:
    policy = Policy(
        name="biased",
        placement="biased",
        kernel=kernel,
        region_allocator=region_allocator,
        grouping=grouping,
    )
    sim = Simulation(machine, policy, seed=seed)
    with warnings.catch_warnings():
        # The RESERVE pageblocks of 3.9 stay free, so that ageing is off by as much.
        warnings.simplefilter("ignore", RuntimeWarning)
        for part in load:
            part.run(sim)
    sim.drain()
    nr_pages, nr_pageblocks, nr_holding = _held(sim)
    row = {
        "kernel": kernel,
        "region_allocator": region_allocator or "-",
        "grouping": grouping or "-",
        "pages": nr_pages,
        "pageblocks": nr_pageblocks,
        "regions": nr_holding,
        "free": sim.nr_free_regions(),
        "fallbacks": sum(zone.nr_extfrag for zone in sim.zones),
    }
    for zone in reversed(sim.zones):
        for region in range(zone.nr_regions - 1, 0, -1):
            sim.evacuate(zone, region)
    sim.drain()
    sim.check()
    return row | {"free_evacuated": sim.nr_free_regions()}


def _held(sim: Simulation) -> tuple[int, int, int]:
    """Pages in use that are unmovable or reclaimable, pageblocks of these types, and regions that hold such pages."""
    nr_pages = nr_pageblocks = nr_regions = 0
    for zone in sim.zones:
        numbers = [zone.migratetypes.index(name) for name in ("unmovable", "reclaimable")]
        blocks = zone.blocks()
        blocks = blocks[~blocks["is_free"] & np.isin(blocks["migratetype"], numbers)]
        nr_pages += int((1 << blocks["order"].astype(np.int64)).sum())
        at = np.searchsorted(zone.region_start_pfn, blocks["pfn"], "right")
        nr_regions += len(np.unique(at))
        nr_pageblocks += int(zone.pageblock_counts()[numbers].sum())
    return nr_pages, nr_pageblocks, nr_regions


def _checks(ours: dict[str, list[dict[str, Any]]]) -> dict[str, bool]:
    """Statements about each load; rows come in pairs, grouping off and on."""
    checks: dict[str, bool] = {}
    for name, rows in ours.items():
        pairs = list(zip(rows[::2], rows[1::2], strict=True))
        plain = [pair for pair in pairs if pair[0]["region_allocator"] == "-"]
        parking = [pair for pair in pairs if pair not in plain]
        checks |= {
            f"{name}: as many pages in use with grouping as without": all(
                off["pages"] == on["pages"] for off, on in pairs
            ),
            f"{name}: without a region allocator grouping keeps them in fewer regions": all(
                on["regions"] < off["regions"] for off, on in plain
            ),
            f"{name}: and evacuation empties no fewer": all(
                on["free_evacuated"] >= off["free_evacuated"] for off, on in plain
            ),
        }
        if name == "aged":
            checks["aged: with a region allocator it keeps them in less than half as many"] = all(
                2 * on["regions"] < off["regions"] for off, on in parking
            )
    return checks
