"""What does a call from Python cost: one page, a small batch, a check?"""

import numpy as np
import pytest

from pasralloc import Zone

NR_CALLS = 20_000
GIB = 1 << 18


def store(benchmark, nr_calls):
    if benchmark.stats:
        benchmark.extra_info["ns_per_op"] = benchmark.stats.stats.median / nr_calls * 1e9


@pytest.fixture
def zone():
    return Zone(4 * GIB, region_pages=1 << 15)


def bench_alloc(benchmark, zone):
    saved = zone.snapshot()

    def loop():
        alloc = zone.alloc
        for _ in range(NR_CALLS):
            alloc()

    benchmark.pedantic(loop, setup=lambda: zone.restore(saved), rounds=15, warmup_rounds=2)
    assert zone.nr_free == zone.nr_pages - NR_CALLS
    store(benchmark, NR_CALLS)


def bench_free(benchmark, zone):
    pfns = zone.alloc_batch(np.zeros(NR_CALLS, np.uint8)).tolist()
    saved = zone.snapshot()

    def loop():
        free = zone.free
        for pfn in pfns:
            free(pfn)

    benchmark.pedantic(loop, setup=lambda: zone.restore(saved), rounds=15, warmup_rounds=2)
    assert zone.nr_free == zone.nr_pages
    store(benchmark, NR_CALLS)


@pytest.mark.parametrize("with_out", [True, False])
def bench_batch_of_one(benchmark, zone, with_out):
    saved = zone.snapshot()
    orders = np.zeros(1, np.uint8)
    out = np.empty(1, np.int64) if with_out else None

    def loop():
        call = zone.alloc_batch
        for _ in range(NR_CALLS):
            call(orders, out=out)

    benchmark.pedantic(loop, setup=lambda: zone.restore(saved), rounds=15, warmup_rounds=2)
    assert zone.nr_free == zone.nr_pages - NR_CALLS
    store(benchmark, NR_CALLS)


@pytest.mark.parametrize("nr", [64, 4096, 262_144])
def bench_batch(benchmark, zone, nr):
    orders = np.zeros(nr, np.uint8)
    out = np.empty(nr, np.int64)

    def both():
        zone.alloc_batch(orders, out=out)
        zone.free_batch(out)

    benchmark.pedantic(both, rounds=15, warmup_rounds=2)
    assert zone.nr_free == zone.nr_pages
    store(benchmark, 2 * nr)


def bench_check(benchmark):
    zone = Zone(16 * GIB, region_pages=1 << 16)
    pfns = zone.alloc_batch(np.zeros(16 * GIB, np.uint8))
    zone.free_batch(np.random.default_rng(0).permutation(pfns)[: len(pfns) // 2])
    benchmark.pedantic(zone.check, rounds=5, warmup_rounds=1)
    store(benchmark, 1)


def bench_construct_a_terabyte(benchmark):
    zone = benchmark(lambda: Zone(1 << 28, region_pages=1 << 16))
    assert zone.nr_free == 1 << 28
    store(benchmark, 1)
