"""A stream on a simulation leaves what the same calls leave, one by one.

Streams take a short way wherever nothing but one zone matters. Single calls have none, and are
what the model and the state machine compare with the kernel's rules.
"""

import numpy as np
import pytest
from test_simulation import MIB, simulation, take_all

import pasralloc as pa

PAGEBLOCK = 512
MOVABLE = 1  # in 6.12
KINDS = [("Normal",), ("DMA32", "Normal"), ("Normal", "Movable")]
FLAGS = [pa.ALLOC_NON_BLOCK, pa.ALLOC_HIGHATOMIC, pa.ALLOC_OOM, pa.ALLOC_NOFRAGMENT]


def one_by_one(sim, ops, slots, **where):
    """`Simulation.run` in terms of `alloc` and `free`."""
    nr_failed = 0
    cpu = where.get("cpu", 0)
    for op, order, migratetype, flags, slot in ops.tolist():
        try:
            if op:
                sim.free(int(slots[slot]), order if flags else None, cpu=cpu)
            else:
                slots[slot] = -12  # unless it goes well
                slots[slot] = sim.alloc(order, migratetype, flags=flags, **where)
        except (pa.OutOfMemory, pa.InvalidFree):
            nr_failed += 1
    return nr_failed


def assert_same(make, ops, **where):
    """*make* returns a simulation and the live slots."""
    (one, slots), (two, mirror) = make(), make()
    failed = one_by_one(two, ops, mirror, **where)
    assert one.run(ops, slots, **where) == failed
    assert slots.tolist() == mirror.tolist()
    assert one.counters() == two.counters()
    assert one.digest() == two.digest()
    one.check()
    return one


def stream(rng, nr, nr_slots, *, frees=0.3, orders=(0, 0, 0, 0, 1, 3), flagged=0.0, types=3):
    ops = np.zeros(nr, pa.OP_DTYPE)
    ops["op"] = rng.random(nr) < frees
    ops["order"] = rng.choice(orders, nr)
    ops["migratetype"] = rng.integers(0, types, nr)
    ops["slot"] = rng.integers(0, nr_slots, nr)
    is_flagged = rng.random(nr) < flagged
    ops["flags"] = np.where(is_flagged, np.where(ops["op"], 1, rng.choice(FLAGS, nr)), 0)
    return ops


@pytest.mark.parametrize("pagesets", [False, True], ids=["zone", "pagesets"])
@pytest.mark.parametrize("kernel", ["3.9", "6.12"])
@pytest.mark.parametrize("kinds", KINDS, ids="-".join)
def test_random_streams_fill_and_empty_zones(kinds, kernel, pagesets):
    rng = np.random.default_rng(5)
    ops = np.concatenate(
        [
            stream(rng, 3000, 20000),
            stream(rng, 6000, 20000, orders=(0, 0, 0, 9, 10), frees=0.2),
            stream(rng, 4000, 20000, frees=0.7),
            stream(rng, 3000, 20000, orders=(0, 0, 0, 1), flagged=0.002),
        ]
    )

    def make():
        sim = simulation(*kinds, kernel=kernel, pagesets=pagesets)
        return sim, np.full(20000, -1, np.int64)

    sim = assert_same(make, ops)
    assert sim.counters()["slow"] > 0


@pytest.mark.parametrize("policy", ["sorted", "sorted-v3", "hierarchy"])
@pytest.mark.parametrize("pagesets", [False, True], ids=["zone", "pagesets"])
def test_random_streams_under_other_placements(policy, pagesets):
    ops = stream(np.random.default_rng(6), 8000, 4000)

    def make():
        sim = simulation("DMA32", "Normal", policy=policy, pagesets=pagesets)
        return sim, np.full(4000, -1, np.int64)

    assert_same(make, ops)


def test_a_stream_on_another_node_and_cpu():
    ops = stream(np.random.default_rng(7), 8000, 8000)

    def make():
        sim = simulation("Normal", nodes=2, cpus=2, pagesets=True)
        return sim, np.concatenate(
            [sim.alloc_batch(np.zeros(4000, np.uint8), nid=nid) for nid in (0, 1)]
        )

    assert_same(make, ops, nid=1, cpu=3)


@pytest.mark.parametrize("above", [0, 1])
def test_the_page_at_the_low_watermark_is_not_taken_unseen(above):
    ops = np.zeros(1, pa.OP_DTYPE)
    ops["migratetype"] = MOVABLE

    def make():
        sim = simulation()
        mark = sim.machine.watermarks("6.12")[0].low
        sim.alloc_batch(np.zeros(sim.zones[0].nr_free - mark - above, np.uint8))
        return sim, np.full(1, -1, np.int64)

    assert assert_same(make, ops).counters()["slow"] == 1 - above


@pytest.mark.parametrize("above", [0, 1])
def test_the_page_at_the_high_watermark_is_not_taken_unseen(above):
    ops = np.zeros(1, pa.OP_DTYPE)
    ops["migratetype"] = MOVABLE

    def make():
        sim = simulation(pagesets=pa.Pagesets(batch=2, high=1, high_max=1))
        mark = sim.machine.watermarks("6.12")[0].high
        sim.alloc_batch(np.zeros(sim.zones[0].nr_free - mark - above, np.uint8))
        return sim, np.full(1, -1, np.int64)

    assert assert_same(make, ops).zones[0].is_below_high == (above == 0)


def test_small_blocks_do_not_count_for_a_larger_one_in_3_9():
    ops = np.zeros(2, pa.OP_DTYPE)
    ops["order"], ops["slot"] = 3, [0, 1]
    ops["migratetype"] = simulation(kernel="3.9").zones[0].migratetypes.index("movable")

    def make():
        sim = simulation(kernel="3.9")
        pfns = np.array(take_all(sim))
        sim.free_batch(pfns[(pfns % 2 == 0) | (pfns >= pfns[-64])])
        return sim, np.full(2, -1, np.int64)

    assert assert_same(make, ops).counters()["slow"] == 2


def fragmented(kind, pagesets, **options):
    """A zone where nothing is free but halves of movable pageblocks.

    Types may mix in DMA32, where Normal would rather go to the next zone.
    """
    sim = simulation(kind, pagesets=pagesets, **options)
    pfns = np.array(take_all(sim))
    is_freed = pfns % PAGEBLOCK < PAGEBLOCK // 2
    sim.free_batch(pfns[is_freed])
    sim.drain()
    return sim, pfns[~is_freed]


@pytest.mark.parametrize("kind", ["Normal", "DMA32"])
@pytest.mark.parametrize("pagesets", [False, True], ids=["zone", "pagesets"])
def test_a_stream_that_mixes_types_wakes_kswapd_at_once(kind, pagesets):
    rng = np.random.default_rng(8)
    ops = stream(rng, 1500, 8000, frees=0.2, orders=(0, 0, 0, 4))
    ops["flags"][ops["op"] == 0] = np.where(
        rng.random(np.sum(ops["op"] == 0)) < 0.2, pa.ALLOC_NOFRAGMENT, 0
    )

    def make():
        sim, slots = fragmented(kind, pagesets)
        sim.set_page_states(slots[4000:], "clean")
        return sim, slots[:4000]

    assert assert_same(lambda: fragmented(kind, pagesets), ops).counters()["kswapd_runs"] > 0
    for seed in range(5):
        # The one that mixes types may be the last, or the next a free.
        for nr in (1, 2, 3, 10, 400):
            ops = stream(np.random.default_rng(seed), nr, 4000, orders=(0, 0, 4))
            assert_same(make, ops)
            assert_same(lambda: fragmented(kind, pagesets), ops)


@pytest.mark.parametrize("pagesets", [False, True], ids=["zone", "pagesets"])
def test_raised_watermarks_hold_for_streams(pagesets):
    ops = stream(np.random.default_rng(8), 3000, 8000, frees=0, orders=(0,), types=2)

    def make():
        sim, slots = fragmented("Normal", pagesets, min_free_kbytes=8192, kswapd_latency_ns=10**9)
        for _ in range(8):
            sim.alloc(8, "unmovable")
        assert sim.counters()["slow"] == 0
        return sim, slots

    assert assert_same(make, ops).counters()["slow"] > 500


@pytest.mark.parametrize("migratetype", ["cma", "isolate", "highatomic"])
@pytest.mark.parametrize("pagesets", [False, True], ids=["zone", "pagesets"])
def test_what_is_set_aside_is_not_free_for_all(migratetype, pagesets):
    """Half the zone is, also while nothing of that is free."""
    half = 32 * MIB

    def make(frees):
        sim = simulation(pagesets=pagesets)
        pfns = np.array(take_all(sim))
        sim.set_pageblocks(half, half, migratetype)
        lower, upper = pfns[pfns < half], pfns[pfns >= half]
        sim.free_batch(lower[:6000])
        if frees:
            sim.free_batch(upper[:4000])
            upper = upper[4000:]
        sim.drain()
        return sim, np.concatenate([lower[6000:], upper])

    for frees in (False, True):
        nr_slots = len(make(frees)[1])
        for share in (0.1, 0.6):
            ops = stream(np.random.default_rng(10), 7000, nr_slots, frees=share, orders=(0, 0, 1))
            assert_same(lambda frees=frees: make(frees), ops)


@pytest.mark.parametrize("state", ["clean", "dirty", "pinned", "unevictable"])
def test_a_stream_forgets_states_of_what_it_frees(state):
    ops = stream(np.random.default_rng(11), 6000, 8000, frees=0.5)

    def make():
        sim = simulation()
        slots = sim.alloc_batch(np.zeros(8000, np.uint8))
        sim.set_page_states(slots[::3], state)
        return sim, slots

    assert_same(make, ops)
