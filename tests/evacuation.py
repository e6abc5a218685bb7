"""Simulations of one zone with small regions, to be evacuated."""

import pytest

import pasralloc as pa
from pasralloc.machine.machine import Machine
from pasralloc.machine.topology import Node
from pasralloc.policy.evacuation import Evacuation
from pasralloc.policy.presets import Policy

TOP = 1024


def machine_of(nr_regions=6, kinds=("Normal",), pageblock_order=9):
    """Zones of regions of 1024 pages."""
    nr = nr_regions * TOP
    return Machine(
        name="test",
        nodes=(
            Node(
                nid=0,
                cpus=(0, 1),
                memory=((0, nr * len(kinds)),),
                zones=tuple((kind, i * nr, (i + 1) * nr) for i, kind in enumerate(kinds)),
                regions=tuple((pfn, pfn + TOP) for pfn in range(0, nr * len(kinds), TOP)),
            ),
        ),
        pageblock_order=pageblock_order,
    )


def simulation(
    placement="biased", *, kernel="6.12", pagesets=False, region_allocator=None, reclaim=None,
    machine=None, nr_regions=6, kinds=("Normal",), pageblock_order=9, swap_pages=0, **evacuation,
):  # fmt: skip
    policy = Policy(
        name="test",
        placement=placement,
        kernel=kernel,
        region_allocator=region_allocator,
        reclaim=reclaim or "region-blind",
        evacuation=Evacuation(**evacuation) if evacuation else None,
    )
    return pa.Simulation(
        machine or machine_of(nr_regions, kinds, pageblock_order),
        policy,
        pagesets=pagesets,
        swap_pages=swap_pages,
        vmstat_interval_ns=0,
    )


def take(sim, *pfns, order=0, wanted="movable", state=None):
    """Take blocks; return their pfns."""
    for pfn in pfns:
        assert sim.take_range(pfn, 1 << order, wanted) == 1
    if state is not None:
        sim.set_page_states(list(pfns), state)
    return list(pfns)


def take_whole(sim, *regions, wanted="unmovable", zone=0):
    """Take all of some regions; return the blocks."""
    start = sim.zones[zone].start_pfn
    return take(sim, *(start + region * TOP for region in regions), order=10, wanted=wanted)


def used(sim, zone=0):
    """Pages in use per region."""
    found = sim.zones[zone]
    return (found.region_managed - found.region_nr_free).tolist()


def moved(sim):
    """Old and new pfn of every move."""
    return [(old, new) for old, new, _ in sim.moves().tolist()]


def without_trace(sim, call, error, match):
    """See a call refused, and nothing changed."""
    digest, told = sim.digest(), sim.evacuations()
    with pytest.raises(error, match=match):
        call()
    assert (sim.digest(), sim.evacuations()) == (digest, told)
    sim.check()
