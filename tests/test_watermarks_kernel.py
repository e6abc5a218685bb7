"""Watermark checks and boosting by their effects, one test per rule.

Rules and names are those of mm/page_alloc.c of Linux v6.12, where not said otherwise.
"""

import numpy as np
import pytest
from test_simulation import MIB, fill, simulation, take_all

import pasralloc as pa

ATOMIC = pa.ALLOC_MIN_RESERVE | pa.ALLOC_NON_BLOCK
BLOCK = 512  # pages of a pageblock


def marks(sim, zone=0):
    return sim.machine.watermarks(sim.policy.kernel)[zone]


def nr_set_aside(sim):
    """Pageblocks that are HIGHATOMIC."""
    zone = sim.zones[0]
    return int(zone.pageblock_counts()[zone.migratetypes.index("highatomic")])


def exhaust(sim, order=0, migratetype="movable", flags=0):
    """Allocate until there is nothing left for such a request; return how often that went well."""
    nr = 0
    while True:
        try:
            sim.alloc(order, migratetype, flags=flags)
        except pa.OutOfMemory:
            return nr
        nr += 1


class TestFirstPass:
    @pytest.mark.parametrize("kernel", ["3.9", "6.12"])
    @pytest.mark.parametrize("flags", [0, ATOMIC, pa.ALLOC_MIN_RESERVE, pa.ALLOC_NON_BLOCK])
    def test_flags_do_not_lower_the_low_watermark(self, kernel, flags):
        """The first attempt is made with ``ALLOC_WMARK_LOW`` alone: every request wakes kswapd there."""
        sim = simulation(kernel=kernel, kswapd_latency_ns=10)
        fill(sim, marks(sim).low + 1)
        sim.alloc(flags=flags)
        assert sim.counters()["slow"] == 0
        sim.alloc(flags=flags)
        assert sim.counters()["slow"] == 1
        sim.advance(10)
        assert sim.counters()["kswapd_runs"] == 1

    def test_the_low_watermark_holds_for_oom_victims_as_well(self):
        sim = simulation()
        fill(sim, marks(sim).low)
        sim.alloc(flags=pa.ALLOC_OOM)
        assert sim.counters()["slow"] == 1

    def test_a_stream_does_not_lower_the_low_watermark(self):
        sim = simulation()
        fill(sim, marks(sim).low)
        ops = np.zeros(1, pa.OP_DTYPE)
        ops["flags"], ops["migratetype"] = pa.ALLOC_OOM, 1
        assert sim.run(ops, np.zeros(1, np.int64)) == 0
        assert sim.counters()["slow"] == 1

    def test_a_stream_takes_no_large_block_across_the_low_watermark(self):
        ops = np.zeros(1, pa.OP_DTYPE)
        ops["order"], ops["migratetype"] = 6, 1
        for above, slow in ((64, 0), (63, 1)):
            sim = simulation()
            fill(sim, marks(sim).low + above)
            assert sim.run(ops, np.zeros(1, np.int64)) == 0
            assert sim.counters()["slow"] == slow

    def test_pageblocks_are_set_aside_below_the_low_watermark_only(self):
        """``ALLOC_HIGHATOMIC`` comes from ``gfp_to_alloc_flags()``, in the slow path."""
        sim = simulation(mib=256)
        sim.alloc(1, flags=ATOMIC | pa.ALLOC_HIGHATOMIC)
        assert nr_set_aside(sim) == 0
        fill(sim, marks(sim).low)
        sim.alloc(1, flags=ATOMIC | pa.ALLOC_HIGHATOMIC)
        assert nr_set_aside(sim) == 1

    def test_types_are_mixed_below_the_low_watermark(self):
        """The slow path has no ``ALLOC_NOFRAGMENT``: the higher zone comes first again."""
        sim = simulation("DMA32", "Normal")
        sim.set_pageblocks(0, 64 * MIB, "unmovable")
        fill(sim, marks(sim, 1).low, zone=1)
        taken = sim.zones[0].nr_free - marks(sim, 0).low - marks(sim, 0).lowmem_reserve[2]
        sim.take_range(0, taken, "unmovable")
        assert sim.zone_of(sim.alloc(migratetype="unmovable")).name == "Normal"
        assert sim.counters()["slow"] == 1

    def test_a_request_that_asks_for_it_never_mixes_types(self):
        sim = simulation("Normal")
        for pfn in range(0, 64 * MIB, BLOCK):
            if sim.zones[0].block_of(pfn).state == "free":
                sim.take_range(pfn, 1)
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(migratetype="unmovable", flags=pa.ALLOC_NOFRAGMENT)
        assert sim.zones[0].nr_free > marks(sim).high


class TestReserves:
    @pytest.mark.parametrize(
        ("flags", "fits"),
        [
            (0, False),
            (pa.ALLOC_NON_BLOCK, True),
            (pa.ALLOC_MIN_RESERVE, True),
            (pa.ALLOC_OOM, True),
        ],
    )
    def test_highatomic_pages_count_for_requests_with_reserves(self, flags, fits):
        """``__zone_watermark_unusable_free()`` and ``ALLOC_RESERVES``."""
        sim = simulation(min_free_kbytes=2048, kswapd_latency_ns=10**9)
        least = marks(sim).min
        pfns = take_all(sim)
        sim.free_batch(pfns[:BLOCK])
        sim.set_pageblocks(0, BLOCK, "highatomic")
        sim.free_batch(pfns[BLOCK : BLOCK + 100])
        assert sim.zones[0].nr_free > least > 100
        assert sim.alloc(flags=flags) >= 0
        # Others are served after the pageblock was given up, as the last resort.
        assert sim.counters()["direct_runs"] == (not fits)
        assert nr_set_aside(sim) == fits

    def test_isolated_pages_are_not_free(self):
        sim = simulation(min_free_kbytes=2048)
        sim.set_pageblocks(0, 60 * MIB, "isolate")
        sim.take_range(60 * MIB, 4 * MIB - marks(sim).min)
        with pytest.raises(pa.OutOfMemory):
            sim.alloc()
        sim.set_pageblocks(0, 60 * MIB, "movable")
        assert sim.alloc() >= 0

    def test_an_isolated_block_does_not_serve_a_large_request(self):
        sim = simulation(min_free_kbytes=2048)
        pfns = take_all(sim)
        sim.free_batch(pfns[::2][:1500])
        sim.free_batch(pfns[8192 : 8192 + BLOCK])
        sim.set_pageblocks(8192, BLOCK, "isolate")
        before = sim.zones[0].nr_free
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(3)
        assert sim.zones[0].nr_free == before


class TestBoost:
    @staticmethod
    def boosted():
        """A zone between its min watermark and what claiming a pageblock has added to it."""
        sim = simulation(min_free_kbytes=2048, kswapd_latency_ns=10**9)
        pfns = take_all(sim)
        for pageblock in range(4):
            sim.free_batch(pfns[BLOCK * pageblock : BLOCK * pageblock + 256])
        sim.alloc(migratetype="unmovable")
        assert sim.counters()["slow"] == 0
        return sim, pfns

    def test_the_min_watermark_is_raised_with_the_others(self):
        sim, _ = self.boosted()
        assert sim.zones[0].nr_free > marks(sim).high
        exhaust(sim)
        assert marks(sim).min < sim.zones[0].nr_free <= marks(sim).min + BLOCK

    def test_a_stream_minds_the_boost_as_well(self):
        sims = [self.boosted()[0] for _ in range(2)]
        ops = np.zeros(450, pa.OP_DTYPE)
        ops["migratetype"] = 1
        sims[0].run(ops, np.zeros(1, np.int64))
        sims[1].alloc_batch(np.zeros(450, np.uint8))
        assert sims[0].counters() == sims[1].counters()
        assert sims[0].counters()["slow"] > 100
        assert sims[0].digest() == sims[1].digest()

    def test_a_single_page_with_reserves_ignores_the_boost(self):
        """``zone_watermark_fast()``: down to half the min watermark, boosted or not."""
        sim, _ = self.boosted()
        assert exhaust(sim, flags=pa.ALLOC_MIN_RESERVE)
        assert sim.zones[0].nr_free == marks(sim).min // 2

    def test_several_pages_do_not_ignore_the_boost(self):
        sim, _ = self.boosted()
        assert exhaust(sim, 1, flags=pa.ALLOC_MIN_RESERVE)
        assert sim.zones[0].nr_free > (marks(sim).min + BLOCK) // 2 - 1

    def test_kswapd_lowers_the_watermarks_again(self):
        sim, _ = self.boosted()
        before = sim.alloc_batch(np.zeros(400, np.uint8))
        assert before.min() < 0
        sim.advance(10**9)
        after = sim.alloc_batch(np.zeros(400, np.uint8))
        assert (after >= 0).sum() > (before >= 0).sum() or after.min() >= 0

    def test_a_boost_has_a_limit(self):
        """Half of the high watermark more, or one pageblock."""
        sim = simulation(min_free_kbytes=8192, kswapd_latency_ns=10**9)
        most = marks(sim).boost_max
        pfns = take_all(sim)
        for pageblock in range(32):
            sim.free_batch(pfns[BLOCK * pageblock : BLOCK * pageblock + 300])
        assert exhaust(sim, 8, "unmovable") > 4
        free = sim.zones[0].nr_free
        assert free - 255 <= marks(sim).min + most, "no more was added"


class TestPagesetsWhileMemoryIsShort:
    """``ZONE_BELOW_HIGH`` and ``ZONE_RECLAIM_ACTIVE`` of 6.12: ``nr_pcp_alloc()`` and ``nr_pcp_high()``."""

    SIZES = pa.Pagesets(batch=8, high=40, high_max=400)

    def test_a_request_notes_that_the_zone_is_below_its_high_watermark(self):
        sim = simulation(pagesets=True)
        fill(sim, marks(sim).high + 2000)
        assert not sim.zones[0].is_below_high
        while sim.zones[0].nr_free > marks(sim).high:
            sim.alloc()
            assert not sim.zones[0].is_below_high
        sim.alloc()
        assert sim.zones[0].is_below_high
        assert sim.counters()["slow"] == 0

    def test_a_large_block_that_is_not_there_is_noted_as_well(self):
        sim = simulation(pagesets=True)
        pfns = take_all(sim)
        sim.free_batch(pfns[::2])
        sim.drain()
        assert sim.zones[0].nr_free > 2 * marks(sim).high
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(1, flags=pa.ALLOC_NON_BLOCK)
        assert sim.zones[0].is_below_high

    @pytest.mark.parametrize("options", [{"kernel": "3.9", "pagesets": True}, {}])
    def test_3_9_and_zones_without_pagesets_note_nothing(self, options):
        sim = simulation(**options)
        exhaust(sim)
        assert not sim.zones[0].is_below_high
        sim.check()

    def grown(self):
        """A pageset of 400 pages at most that has grown, in a zone that is about to be short."""
        sim = simulation(pagesets=self.SIZES, min_free_kbytes=8192, kswapd_latency_ns=10**9)
        fill(sim, marks(sim).high + 100)
        assert sim.zones[0].pageset(0).high == 400
        return sim, sim.alloc_batch(np.zeros(600, np.uint8))

    def test_pagesets_grow_no_more_by_refills(self):
        sim, _ = self.grown()
        assert sim.zones[0].is_below_high
        sim.drain()
        before = sim.zones[0].pageset(0).high
        sim.alloc_batch(np.zeros(300, np.uint8))
        assert sim.zones[0].pageset(0).high == before

    def test_frees_make_pagesets_smaller_and_give_back(self):
        sim, pfns = self.grown()
        sim.drain()
        highs = []
        for pfn in pfns[:60]:
            sim.free(pfn)
            highs.append(sim.zones[0].pageset(0).high)
        high, expected = 400, []
        for nr_freed in range(1, 61):
            high = max(high - max(nr_freed, 8), 40)
            expected.append(high)
        assert highs == expected, "by what was freed lately, a batch at least"
        assert sim.zones[0].nr_cached <= 40, "what is above high_min goes back"
        assert sim.zones[0].is_below_high

    def test_a_full_pageset_gives_back_at_once(self):
        sim = simulation(pagesets=self.SIZES, min_free_kbytes=8192, kswapd_latency_ns=10**9)
        pfns = fill(sim, marks(sim).high + 600)
        sim.drain()
        sim.free_batch(pfns[:200])
        while not sim.zones[0].is_below_high:
            sim.alloc(9)
        assert sim.zones[0].nr_cached == 200 < sim.zones[0].pageset(0).high
        sim.free(pfns[200])
        assert sim.zones[0].nr_cached <= 201 - 8

    def test_a_zone_recovers_above_what_was_added_to_its_watermarks(self):
        sim = simulation(pagesets=self.SIZES, min_free_kbytes=8192, kswapd_latency_ns=10**9)
        pfns = np.array(take_all(sim))
        is_half = pfns % BLOCK < BLOCK // 2
        halves, rest = pfns[is_half], pfns[~is_half]
        sim.free_batch(halves[: marks(sim).high - 100])
        sim.drain()
        sim.alloc(migratetype="unmovable")  # finds nothing whole and claims half a pageblock
        sim.drain()
        assert sim.zones[0].is_below_high
        sim.free_batch(rest[: marks(sim).high - sim.zones[0].nr_free + 80])
        assert sim.zones[0].nr_free > marks(sim).high
        assert sim.zones[0].is_below_high, "the boost is of a pageblock"

    def test_a_zone_recovers_above_its_reserve(self):
        sim = simulation("Normal", "Movable", pagesets=self.SIZES, kswapd_latency_ns=10**9)
        zone, mark = sim.zones[0], marks(sim).high
        pfns = fill(sim, mark + 1, migratetypes="unmovable")
        sim.alloc_batch(np.zeros(20, np.uint8), "unmovable")
        sim.drain()
        assert zone.is_below_high
        nr = 0
        while zone.is_below_high:
            sim.free(pfns[nr])
            nr += 1
        assert zone.nr_free > mark + 64 * MIB // 32, "lowmem_reserve_ratio of Movable over Normal"

    def test_a_zone_that_has_recovered_is_seen_where_something_is_given_back(self):
        sim, pfns = self.grown()
        sim.drain()
        for pfn in pfns:
            was_above = sim.zones[0].nr_free > marks(sim).high
            assert not was_above
            sim.free(pfn)
            if not sim.zones[0].is_below_high:
                break
        assert sim.zones[0].nr_free > marks(sim).high
        before = sim.zones[0].pageset(0).high
        sim.alloc_batch(np.zeros(sim.zones[0].nr_cached + 1, np.uint8))
        assert sim.zones[0].pageset(0).high > before, "and grows again"

    @pytest.mark.parametrize("migratetype", ["cma", "highatomic"])
    def test_what_is_set_aside_does_not_count_for_the_recovery(self, migratetype):
        sim, pfns = self.grown()
        sim.drain()
        sim.set_pageblocks(0, 64 * MIB, migratetype)
        sim.free_batch(pfns)
        assert sim.zones[0].is_below_high

    def test_kswapd_leaves_no_more_than_four_batches_on_its_pageset(self):
        sizes = pa.Pagesets(batch=8, high=100, high_max=400)
        sim = simulation(pagesets=sizes, min_free_kbytes=8192, kswapd_latency_ns=10)
        fill(sim, marks(sim).low + 1000)
        pfns = sim.alloc_batch(np.zeros(1010, np.uint8))
        sim.set_page_states(pfns, "clean")
        sim.drain()
        assert sim.zones[0].pageset(0).high == 400
        sim.alloc()
        sim.drain()
        sim.advance(10)
        assert sim.counters()["kswapd"] > 400
        assert 0 < sim.zones[0].nr_cached <= 4 * 8
        assert sim.zones[0].pageset(0).high == 100
        sim.check()

    def test_a_zone_alone_does_not_take_it_over(self):
        """It has no watermarks to recover above."""
        sim, _ = self.grown()
        zone = pa.Zone(64 * MIB, region_pages=[8 * MIB] * 8, placement="linux", pagesets=self.SIZES)
        zone.restore(sim.zones[0].snapshot())
        before = zone.pageset(0).high
        zone.free(zone.alloc())
        assert zone.pageset(0).high == before
        zone.check()

    def test_a_snapshot_keeps_it(self):
        sim, _ = self.grown()
        saved = sim.snapshot()
        other = simulation(pagesets=self.SIZES, min_free_kbytes=8192, kswapd_latency_ns=10**9)
        other.restore(saved)
        assert other.zones[0].is_below_high
        other.check()
        assert other.digest() == sim.digest()
