"""How much do the allocator's paths cost, and how does that grow with memory and regions?

bulk, pair, coin, mixed and order9 are described in `streams`; alloc_only and
free_only take a fragmented zone apart and put it together again.
"""

import numpy as np
import pytest
from streams import MOVABLE, Scenario, prepare

from pasralloc import OP_DTYPE, Zone

GIB = 1 << 18
PLACEMENTS = ("linux", "sorted")
CASES = [(1, r) for r in (8, 64, 256)] + [(g, r) for g in (16, 256) for r in (8, 64, 512, 4096)]
NR_OPS = {1: 1_000_000, 16: 2_000_000, 256: 1_000_000}


def rounds(gib):
    return {1: 9, 16: 7, 256: 5}[gib]


def measure(benchmark, scenario, gib, **info):
    """Time whole streams, each from the same snapshot."""
    nr_failed = benchmark.pedantic(
        scenario.run, setup=scenario.reset, rounds=rounds(gib), warmup_rounds=1
    )
    assert nr_failed == 0
    scenario.zone.check()
    nr_ops = len(scenario.ops)
    benchmark.extra_info.update(info, gib=gib, nr_ops=nr_ops)
    if benchmark.stats:
        benchmark.extra_info["ns_per_op"] = benchmark.stats.stats.median / nr_ops * 1e9


NAMES = ("bulk", "pair", "coin", "mixed", "order9")


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize(
    ("name", "gib", "regions"),
    # A bulk stream over 256 GiB would itself take a gigabyte.
    [(name, *case) for name in NAMES for case in CASES if not (name == "bulk" and case[0] == 256)],
)
def bench_scenario(benchmark, name, gib, regions, placement):
    zone = Zone(gib * GIB, region_pages=gib * GIB // regions, placement=placement)
    scenario = prepare(name, zone, NR_OPS[gib])
    measure(benchmark, scenario, gib, scenario=name, regions=regions, placement=placement)


def one_sided(placement, op):
    """A fragmented zone of 16 GiB: allocate single pages, or free random ones, only."""
    zone = Zone(16 * GIB, region_pages=16 * GIB // 64, placement=placement)
    prepare("coin", zone, 2)
    rng = np.random.default_rng(1)
    blocks = zone.blocks()
    live = blocks["pfn"][~blocks["is_free"]]
    ops = np.zeros(1_000_000, OP_DTYPE)
    ops["op"] = op
    ops["migratetype"] = MOVABLE
    ops["slot"] = np.arange(len(ops))
    slots = rng.permutation(live)[: len(ops)] if op else np.full(len(ops), -1, np.int64)
    return Scenario(zone, ops, np.ascontiguousarray(slots))


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize(("name", "op"), [("alloc_only", 0), ("free_only", 1)])
def bench_one_sided(benchmark, name, op, placement):
    measure(benchmark, one_sided(placement, op), 16, scenario=name, regions=64, placement=placement)
