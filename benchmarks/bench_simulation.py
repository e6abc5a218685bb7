"""What does a whole machine cost beside one zone of it, and sorted placement beside that of Linux in a workload?"""

import statistics
import time

import numpy as np
import pytest
from rounds import measure
from streams import prepare

import pasralloc as pa
from pasralloc.machine.machine import Machine
from pasralloc.machine.topology import Node
from pasralloc.workload.kernbench import Kernbench

GIB = 1 << 18
NR_CALLS = 20_000
NR_OPS = 2_000_000


def machine_of(gib, nr_regions=64):
    pages = gib * GIB
    return Machine(
        name="one zone",
        nodes=(
            Node(
                nid=0,
                cpus=(0,),
                memory=((0, pages),),
                zones=(("Normal", 0, pages),),
                regions=tuple(
                    (i * pages // nr_regions, (i + 1) * pages // nr_regions)
                    for i in range(nr_regions)
                ),
            ),
        ),
    )


class OneZone(pa.Simulation):
    """A simulation that the scenarios take for a zone."""

    @property
    def nr_pages(self):
        return self.zones[0].nr_pages


@pytest.mark.parametrize("pagesets", [False, True], ids=["zone", "pagesets"])
@pytest.mark.parametrize("name", ["pair", "mixed", "kernbench"])
def bench_stream(benchmark, name, pagesets):
    """The same stream on a zone and on a machine that has nothing but this zone."""
    machine = machine_of(16)
    zone = pa.Zone(
        16 * GIB,
        region_pages=GIB // 4,
        placement="sorted",
        pagesets=machine.pagesets("6.12")[0] if pagesets else None,
    )
    base = prepare(name, zone, NR_OPS)
    other = prepare(name, OneZone(machine, "sorted", pagesets=pagesets), NR_OPS)
    measure(
        benchmark,
        base,
        other,
        16,
        scenario=name,
        pagesets="plain" if pagesets else "none",
        beside="zone",
    )
    assert base.slots.tolist() == other.slots.tolist()


def bench_alloc(benchmark):
    sim = pa.Simulation("generic-16g", "sorted")
    saved = sim.snapshot()

    def loop():
        alloc = sim.alloc
        for _ in range(NR_CALLS):
            alloc()

    benchmark.pedantic(loop, setup=lambda: sim.restore(saved), rounds=15, warmup_rounds=2)
    if benchmark.stats:
        benchmark.extra_info["ns_per_op"] = benchmark.stats.stats.median / NR_CALLS * 1e9


def bench_kernbench(benchmark):
    """A whole build under sorted beside the same under linux: the ratio of processor times."""
    load = Kernbench(units=400)
    times = {"linux": [], "sorted": []}

    def run(policy):
        sim = pa.Simulation("generic-16g", policy, seed=3)
        start = time.process_time()
        result = load.run(sim)
        times[policy].append(time.process_time() - start)
        return result

    benchmark.pedantic(run, args=("sorted",), setup=lambda: run("linux") and None, rounds=7)
    ratios = np.array(times["sorted"]) / np.array(times["linux"])
    benchmark.extra_info["ratio"] = statistics.median(ratios.tolist())
