"""How much do the allocator's paths cost, and how does that grow with memory and regions?

bulk, pair, coin, mixed and order9 are described in `streams`; alloc_only and
free_only take a fragmented zone apart and put it together again.
"""

import numpy as np
import pytest
from rounds import measure
from streams import MOVABLE, Scenario, prepare

from pasralloc import OP_DTYPE, Zone

GIB = 1 << 18
CASES = [(1, r) for r in (8, 64, 256)] + [(g, r) for g in (16, 256) for r in (8, 64, 512, 4096)]
NAMES = ("bulk", "pair", "coin", "mixed", "order9")
NR_OPS = {1: 1_000_000, 16: 2_000_000, 256: 1_000_000}


def zones(gib, regions):
    return [
        Zone(gib * GIB, region_pages=gib * GIB // regions, placement=placement)
        for placement in ("linux", "sorted")
    ]


@pytest.mark.parametrize("gib_regions", CASES, ids=lambda case: f"{case[0]}GiB-{case[1]}")
@pytest.mark.parametrize("name", NAMES)
def bench_scenario(benchmark, name, gib_regions):
    gib, regions = gib_regions
    scenarios = [prepare(name, zone, NR_OPS[gib]) for zone in zones(gib, regions)]
    measure(benchmark, *scenarios, gib, scenario=name, regions=regions)


def one_sided(zone, op):
    """A fragmented zone: allocate single pages, or free random ones, only."""
    prepare("coin", zone, 2)
    blocks = zone.blocks()
    live = blocks["pfn"][~blocks["is_free"]]
    ops = np.zeros(1_000_000, OP_DTYPE)
    ops["op"] = op
    ops["migratetype"] = MOVABLE
    ops["slot"] = np.arange(len(ops))
    rng = np.random.default_rng(1)
    slots = rng.permutation(live)[: len(ops)] if op else np.full(len(ops), -1, np.int64)
    return Scenario(zone, ops, np.ascontiguousarray(slots))


@pytest.mark.parametrize(("name", "op"), [("alloc_only", 0), ("free_only", 1)])
def bench_one_sided(benchmark, name, op):
    scenarios = [one_sided(zone, op) for zone in zones(16, 64)]
    measure(benchmark, *scenarios, 16, scenario=name, regions=64)
