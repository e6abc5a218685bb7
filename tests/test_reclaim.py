"""Reclaim, in what order and how much of it, one test per rule; see also test_simulation.py."""

import numpy as np
import pytest
from test_simulation import MIB, fill, machine_of, simulation, take_all
from test_watermarks_kernel import BLOCK, exhaust, marks, nr_set_aside

import pasralloc as pa

LATER = 10**9  # a kswapd that comes too late
PRIVILEGED = pa.ALLOC_MIN_RESERVE | pa.ALLOC_NON_BLOCK | pa.ALLOC_OOM


def pfns_reclaimed(sim):
    return sim.reclaimed()["pfn"].tolist()


class TestDirectReclaim:
    @pytest.mark.parametrize("kernel", ["3.9", "6.12"])
    @pytest.mark.parametrize("pagesets", [False, True])
    def test_a_request_reclaims_until_it_is_served(self, kernel, pagesets):
        """However far below the min watermark, and whatever pagesets keep of it."""
        sim = simulation(
            kernel=kernel, pagesets=pagesets, min_free_kbytes=8192, kswapd_latency_ns=LATER
        )
        least = marks(sim).min
        pfns = take_all(sim)
        sim.set_page_states(pfns, "clean")
        sim.alloc()
        direct = sim.counters()["direct"]
        assert least < direct <= least + 32
        assert sim.counters()["failures"] == 0
        assert pfns_reclaimed(sim) == pfns[:direct]

    def test_a_cluster_at_a_time(self):
        sim = simulation(kswapd_latency_ns=LATER)
        pfns = take_all(sim)
        sim.set_page_states(pfns, "clean")
        sim.alloc()
        assert sim.counters()["direct"] == 32 * sim.counters()["direct_runs"]

    def test_the_first_zone_of_the_list_pays_first(self):
        sim = simulation("DMA32", "Normal", kswapd_latency_ns=LATER)
        pfns = take_all(sim)
        low, high = [p for p in pfns if p < 64 * MIB], [p for p in pfns if p >= 64 * MIB]
        sim.set_page_states(low[:40], "clean")
        sim.set_page_states(high[:20], "clean")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc()
        assert pfns_reclaimed(sim) == [*high[:20], *low[:12], *low[12:40]]

    def test_zones_that_the_request_may_not_use_pay_nothing(self):
        sim = simulation("DMA32", "Normal", kswapd_latency_ns=LATER)
        pfns = take_all(sim)
        sim.set_page_states(pfns[-100:], "clean")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(zone="DMA32")
        assert sim.counters()["direct"] == 0

    def test_several_pages_are_worth_16_attempts_and_a_costly_order_one(self):
        for order, runs in ((1, 16), (3, 16), (4, 1), (10, 1)):
            sim = simulation(kswapd_latency_ns=LATER)
            pfns = take_all(sim)
            sim.set_page_states(pfns[::2], "clean")  # no two of them are neighbours
            with pytest.raises(pa.OutOfMemory):
                sim.alloc(order)
            assert sim.counters()["direct_runs"] == runs, order
            assert sim.counters()["direct"] == 32 * runs

    def test_every_attempt_drains_pagesets(self):
        """What is reclaimed goes to the pageset of the CPU that asked."""
        sim = simulation(pagesets=True, kswapd_latency_ns=LATER, cpus=2)
        pfns = take_all(sim)
        sim.set_page_states(pfns[: marks(sim).min + 33], "clean")
        assert sim.alloc(cpu=1) >= 0
        assert sim.zones[0].pageset(0).count == 0

    @pytest.mark.parametrize("order", [0, 4])
    def test_nothing_stays_set_aside_when_a_request_fails_but_of_costly_orders(self, order):
        """``should_reclaim_retry()``; without progress, one pageblock would stay."""
        sim = simulation(kswapd_latency_ns=LATER, min_free_kbytes=16384)
        pfns = take_all(sim)
        for at in (0, 4096, 8192):
            sim.free(pfns[at + 1])
            sim.set_pageblocks(at, BLOCK, "highatomic")
        assert nr_set_aside(sim) == 3
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(order)
        assert nr_set_aside(sim) == (0 if order == 0 else 2)
        assert sim.counters()["failures"] == 1

    def test_one_pageblock_at_a_time_is_given_up(self):
        """``unreserve_highatomic_pageblock()``: of the first zone that has one, and then a new look."""
        sim = simulation("DMA32", "Normal", kswapd_latency_ns=LATER, min_free_kbytes=1024)
        pfns = take_all(sim)
        for at in (0, 8192, 64 * MIB, 64 * MIB + 8192):
            sim.free_batch(pfns[at : at + BLOCK])
            sim.set_pageblocks(at, BLOCK, "highatomic")
        assert sim.alloc() >= 64 * MIB
        assert nr_set_aside(sim) == 2, "DMA32 keeps its own"
        zone = sim.zones[1]
        assert zone.pageblock_counts()[zone.migratetypes.index("highatomic")] == 1

    def test_a_request_that_cannot_wait_reclaims_nothing(self):
        sim = simulation(kswapd_latency_ns=LATER)
        sim.set_page_states(take_all(sim), "clean")
        assert exhaust(sim, flags=PRIVILEGED) == 0
        assert sim.counters()["scanned"] == 0


class TestKswapd:
    def test_only_zones_of_the_zonelist_are_brought_to_high(self):
        sim = simulation("DMA32", "Normal")
        sim.set_page_states(take_all(sim), "clean")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(zone="DMA32", flags=pa.ALLOC_NON_BLOCK)
        assert sim.zones[0].nr_free > marks(sim).high
        assert sim.zones[1].nr_free == 0

    def test_other_nodes_are_woken_as_well(self):
        sim = simulation("Normal", nodes=2)
        sim.set_page_states(take_all(sim), "clean")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(nid=1, flags=pa.ALLOC_NON_BLOCK)
        assert [zone.nr_free > marks(sim).high for zone in sim.zones] == [True, True]
        assert sim.counters()["kswapd_runs"] == 2, "every node has one"
        assert sim.counters()["kswapd_zones"] == 2

    def test_it_runs_once_for_all_zones_of_a_node(self):
        sim = simulation("DMA32", "Normal")
        sim.set_page_states(take_all(sim), "clean")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(flags=pa.ALLOC_NON_BLOCK)
        assert sim.counters()["kswapd_runs"] == 1
        assert sim.counters()["kswapd_zones"] == 2

    def test_zones_above_high_are_not_counted(self):
        sim = simulation("Normal", nodes=2)
        pfns = take_all(sim)
        for pfn in [pfn for pfn in pfns if pfn >= 64 * MIB]:
            sim.free(pfn)
        sim.set_page_states([pfn for pfn in pfns if pfn < 64 * MIB], "clean")
        while sim.counters()["slow"] == 0:
            try:
                sim.alloc(10, nid=0, flags=pa.ALLOC_NON_BLOCK)
            except pa.OutOfMemory:
                break
        assert sim.counters()["kswapd_zones"] == 1
        assert sim.counters()["kswapd_runs"] == 2

    def test_it_frees_to_a_pageset_of_its_own_node(self):
        sim = simulation("Normal", nodes=2, cpus=2, pagesets=True)
        sim.set_page_states(take_all(sim), "clean")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(nid=0, cpu=1, flags=pa.ALLOC_NON_BLOCK)
        for zone, cpu in zip(sim.zones, (0, 2), strict=True):
            assert [zone.pageset(other).count > 0 for other in range(4)] == [
                other == cpu for other in range(4)
            ]

    def test_it_stops_when_nothing_is_left(self):
        sim = simulation()
        pfns = take_all(sim)
        sim.set_page_states(pfns[:50], "clean")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(flags=pa.ALLOC_NON_BLOCK)
        assert sim.counters()["kswapd"] == 50
        assert sim.zones[0].nr_free == 50

    def test_a_second_call_does_not_put_it_off(self):
        sim = simulation(kswapd_latency_ns=100)
        fill(sim, marks(sim).low)
        sim.alloc(now_ns=1000)
        sim.alloc(now_ns=1050)
        sim.advance(1099)
        assert sim.counters()["kswapd_runs"] == 0
        sim.advance(1100)
        assert sim.counters()["kswapd_runs"] == 1

    def test_a_block_it_takes_as_time_passes_can_not_be_freed_once_more(self):
        for batched in (False, True):
            sim = simulation(kswapd_latency_ns=100)
            pfns = fill(sim, marks(sim).low)
            sim.set_page_states(pfns[:1], "clean")
            sim.alloc()
            if batched:
                sim.free_batch(pfns[:2], now_ns=100)
            else:
                with pytest.raises(pa.InvalidFree, match="was reclaimed"):
                    sim.free(int(pfns[0]), now_ns=100)
            assert pfns_reclaimed(sim) == [int(pfns[0])]
            assert sim.now_ns == 100
            sim.check()


class TestLists:
    def test_a_state_that_is_set_again_makes_a_block_the_youngest(self):
        sim = simulation(kswapd_latency_ns=LATER)
        pfns = take_all(sim)
        sim.set_page_states(pfns[:64], "clean")
        sim.set_page_states(pfns[:1], "clean")
        sim.set_page_states(pfns[5:6], "pinned")
        sim.set_page_states(pfns[9:10], "unknown")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc()
        assert pfns_reclaimed(sim) == [
            pfn for i, pfn in enumerate(pfns[:64]) if i not in (0, 5, 9)
        ] + [pfns[0]]

    @pytest.mark.parametrize("state", ["clean", "movable", "pinned"])
    def test_a_stream_forgets_any_state(self, state):
        sim = simulation()
        slots = sim.alloc_batch(np.zeros(2, np.uint8))
        pfn = int(slots[0])
        sim.set_page_states(slots[:1], state)
        ops = np.zeros(2, pa.OP_DTYPE)
        ops["op"], ops["slot"] = 1, [0, 1]
        assert sim.run(ops, slots) == 0
        assert sim.page_state(pfn) == "unknown"
        sim.check()

    def test_page_cache_goes_before_anonymous_memory(self):
        sim = simulation(kswapd_latency_ns=LATER, swap_pages=100)
        pfns = take_all(sim)
        sim.set_page_states(pfns[:100], "movable")
        sim.set_page_states(pfns[100:110], "clean")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc()
        assert pfns_reclaimed(sim) == [*pfns[100:110], *pfns[:100]]
        assert set(sim.reclaimed()["state"].tolist()) == {1, 2}
        assert sim.swap_free == 0

    def test_a_block_that_does_not_fit_into_swap_stays(self):
        sim = simulation(kswapd_latency_ns=LATER, swap_pages=10)
        pfn = sim.alloc(3)
        other = sim.alloc(3)
        take_all(sim)
        sim.set_page_states([pfn, other], "movable")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc()
        assert sim.swap_free == 2
        assert pfns_reclaimed(sim) == [pfn]
        assert sim.page_state(other) == "movable"

    @pytest.mark.parametrize("reclaim", ["region-blind", "high-region-first"])
    def test_the_oldest_of_the_highest_region_goes_first(self, reclaim):
        policy = pa.Policy(name="test", placement="sorted", reclaim=reclaim)
        sim = pa.Simulation(
            machine_of("Normal"), policy, pagesets=False, kswapd_latency_ns=LATER, swap_pages=9
        )
        pfns = take_all(sim)
        region = 8 * MIB
        mixed = [pfns[0], pfns[3 * region], pfns[region], pfns[3 * region + 1], pfns[1]]
        sim.set_page_states(mixed, "dirty")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc()
        by_region = [mixed[i] for i in (1, 3, 2, 0, 4)]
        assert pfns_reclaimed(sim) == (mixed if reclaim == "region-blind" else by_region)

    def test_a_block_of_the_largest_order_and_its_parts_are_on_lists(self):
        """They are linked through different tables."""
        sim = simulation(kswapd_latency_ns=LATER, min_free_kbytes=64)
        whole = [sim.alloc(10), sim.alloc(10)]
        part = sim.alloc(9)
        take_all(sim)
        sim.set_page_states([whole[0], part, whole[1]], "clean")
        sim.check()
        sim.set_page_states([part], "unknown")
        sim.check()
        sim.set_page_states([part], "clean")
        sim.free(whole[1])
        sim.check()
        for _ in range(1500):
            sim.alloc()
        assert pfns_reclaimed(sim) == [whole[0], part][: len(sim.reclaimed())]
        sim.check()

    def test_the_last_1048576_blocks_are_told(self):
        """The log is a ring."""
        sim = simulation("Normal", mib=4300)
        pfns = fill(sim, 4000 + sim.zones[0].managed // 100)
        sim.set_page_states(pfns, "clean")
        nr = 0
        while nr <= 1 << 20:
            sim.alloc_batch(np.zeros(20_000, np.uint8))
            nr = sim.counters()["reclaimed_blocks"]
        told = pfns_reclaimed(sim)
        assert len(told) == 1 << 20
        assert told == pfns[nr - (1 << 20) : nr].tolist()


def test_many_intervals_at_once_are_as_many_decays():
    """Also where a pageset gives back no more than 32 pages per interval."""
    sizes = pa.Pagesets(batch=1, high=4, high_max=30000)
    seen = []
    for steps in ([500], range(1, 501), [3, 499, 500]):
        sim = simulation(pagesets=sizes, vmstat_interval_ns=1)
        sim.free_batch(sim.alloc_batch(np.zeros(15000, np.uint8)))
        assert sim.zones[0].pageset().count > 15000
        for now in steps:
            sim.advance(now)
        seen.append((sim.zones[0].pageset().count, sim.digest()))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] < 100


def test_a_snapshot_of_a_kswapd_far_in_the_future_can_be_restored():
    sim = simulation(kswapd_latency_ns=1 << 61)
    sim.advance(1 << 61)
    fill(sim, marks(sim).low)
    sim.alloc()
    sim.restore(sim.snapshot())
    sim.restore(pa.MemorySnapshot(sim.snapshot().image))
    assert sim.counters()["kswapd_runs"] == 0


def test_a_node_has_a_whole_number():
    sim = simulation("Normal", nodes=2)
    for nid in (1.0, "1", None, 2):
        with pytest.raises(ValueError, match="nid must be one of 0, 1, got"):
            sim.alloc(nid=nid)
    assert sim.alloc(nid=np.int64(1)) >= 64 * MIB
