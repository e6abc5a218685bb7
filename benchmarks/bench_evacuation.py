"""What it costs to empty regions of 512 MiB."""

import statistics

import numpy as np
import pytest

import pasralloc as pa
from pasralloc.machine import Node
from pasralloc.policy.evacuation import Evacuation

REGION = 131_072
NR_REGIONS = 6
SOURCE = 4


def simulation(placement, *, pagesets=False):
    """One node of 3 GiB; only calls evacuate."""
    nr = NR_REGIONS * REGION
    node = Node(
        nid=0,
        cpus=(0,),
        memory=((0, nr),),
        zones=(("Normal", 0, nr),),
        regions=tuple((pfn, pfn + REGION) for pfn in range(0, nr, REGION)),
    )
    policy = pa.Policy(
        name="bench", placement=placement, evacuation=Evacuation(trigger="manual", max_used=REGION)
    )
    return pa.Simulation(
        pa.Machine(name="bench", nodes=(node,)), policy, pagesets=pagesets, vmstat_interval_ns=0
    )


def measure(benchmark, sim, nr_moved, per, rounds=30):
    """Evacuate the source region again and again; restoring brings all tables into memory."""
    saved, zone = sim.snapshot(), sim.zones[0]

    def evacuate():
        return sim.evacuate(zone, SOURCE)

    result = benchmark.pedantic(
        evacuate, setup=lambda: sim.restore(saved), rounds=rounds, warmup_rounds=3
    )
    assert (result.moved, result.failed) == (nr_moved, 0)
    assert result.complete or result.complete_after_drain
    sim.check()
    if benchmark.stats:
        median = statistics.median(benchmark.stats.stats.data)
        benchmark.extra_info["ns_per_op"] = median / per * 1e9


@pytest.mark.parametrize("pagesets", [False, True])
@pytest.mark.parametrize("placement", ["sorted", "biased"])
def bench_sparse_region(benchmark, placement, pagesets):
    """32 pages in use, far apart; the time is that of the region."""
    sim = simulation(placement, pagesets=pagesets)
    for i in range(40):
        sim.take_range(2 * i, 1)  # so that single pages are free lower down
    for i in range(32):
        sim.take_range(SOURCE * REGION + 4001 * i, 1)
    measure(benchmark, sim, 32, 1, rounds=200)


# Without bias what pagesets give back of the region itself ends its evacuation.
@pytest.mark.parametrize(
    ("placement", "pagesets"), [("sorted", False), ("biased", False), ("biased", True)]
)
def bench_full_region(benchmark, placement, pagesets):
    """All in use, single movable pages, and lower regions free; the time is that of a page."""
    sim = simulation(placement, pagesets=pagesets)
    low = sim.alloc_batch(np.full(SOURCE * 128, 10, np.uint8))
    pfns = sim.alloc_batch(np.zeros(REGION, np.uint8))
    assert pfns.min() == SOURCE * REGION
    sim.free_batch(low)
    sim.drain()
    measure(benchmark, sim, REGION, REGION)
