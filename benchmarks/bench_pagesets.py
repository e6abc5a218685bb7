"""What do pagesets make of the allocator's paths, and what does keeping them by region cost?

The scenarios of `streams` at 16 GiB and 64 regions, with the pageset that one CPU
gets by default, in both placements; then sorted lists with pagesets by region
beside plain ones.
"""

import pytest
from rounds import measure
from streams import prepare

from pasralloc import Pagesets, Zone

GIB = 1 << 18
NAMES = ("pair", "coin", "mixed", "order9", "bulk", "kernbench")
NR_OPS = 2_000_000


def zone(placement, pagesets):
    return Zone(16 * GIB, region_pages=GIB // 4, placement=placement, pagesets=pagesets)


@pytest.mark.parametrize("name", NAMES)
def bench_placements(benchmark, name):
    scenarios = [prepare(name, zone(p, Pagesets()), NR_OPS) for p in ("linux", "sorted")]
    measure(benchmark, *scenarios, 16, scenario=name, regions=64, pagesets="plain")


@pytest.mark.parametrize("name", NAMES)
def bench_by_region(benchmark, name):
    scenarios = [
        prepare(name, zone("sorted", Pagesets(by_region=by_region)), NR_OPS)
        for by_region in (False, True)
    ]
    measure(benchmark, *scenarios, 16, scenario=name, regions=64, pagesets="by region")
    for scenario, which in zip(scenarios, ("plain", "by_region"), strict=True):
        scenario.zone.drain()
        regions = scenario.zone.region_nr_free == scenario.zone.region_managed
        benchmark.extra_info[f"free_regions_{which}"] = int(regions.sum())
