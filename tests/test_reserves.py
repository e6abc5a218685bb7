"""Pageblocks set aside, and what flags let a request do: one test per rule.

RESERVE as in Linux v3.9, HIGHATOMIC and allocation flags as in v6.12 (mm/page_alloc.c).
"""

import numpy as np
import pytest
from zones import small_zone

import pasralloc as pa
from pasralloc.testing import freelist

PAGEBLOCK = 512
ATOMIC = pa.ALLOC_NON_BLOCK | pa.ALLOC_HIGHATOMIC


def pageblocks(zone, name):
    return int(zone.pageblock_counts()[zone.migratetypes.index(name)])


def large_zone(**options):
    """Large enough for two HIGHATOMIC pageblocks: a hundredth is more than one."""
    return pa.Zone(64 * 1024, region_pages=16 * 1024, **options)


class TestReserve:
    """``setup_zone_migrate_reserve()``."""

    @pytest.mark.parametrize(
        ("min_wmark", "nr"), [(0, 0), (1, 1), (512, 1), (513, 2), (100_000, 2)]
    )
    def test_as_many_pageblocks_as_the_min_watermark_fills_but_two_at_most(self, min_wmark, nr):
        zone = small_zone(kernel="3.9")
        assert zone.setup_reserve(min_wmark) == nr
        assert pageblocks(zone, "reserve") == nr

    def test_the_default_is_the_watermark_of_a_machine_of_that_size(self):
        assert small_zone(kernel="3.9").setup_reserve() == 1
        assert pa.Zone(1 << 18, region_pages=1 << 15, kernel="3.9").setup_reserve() == 2

    def test_the_lowest_movable_ones_without_absent_pages(self):
        zone = small_zone(kernel="3.9", absent=[(100, 1)])
        zone.set_pageblocks(1024, 1024, "unmovable")
        assert zone.setup_reserve(1024) == 2
        types = [zone.block_of(pfn).migratetype for pfn in (600, 1024, 2048, 3072)]
        assert types == ["reserve", "unmovable", "reserve", "movable"]
        assert pageblocks(zone, "reserve") == 2

    def test_those_that_are_reserved_already_count_and_the_rest_is_taken_back(self):
        zone = small_zone(kernel="3.9")
        zone.set_pageblocks(4096, 2048, "reserve")
        assert zone.setup_reserve(1024) == 2
        assert pageblocks(zone, "reserve") == 2
        assert zone.block_of(5120).migratetype == "movable"

    def test_the_lowest_may_be_reserved_already(self):
        zone = small_zone(kernel="3.9")
        zone.set_pageblocks(0, 2048, "reserve")
        assert zone.setup_reserve(1024) == 2
        assert pageblocks(zone, "reserve") == 2
        assert zone.block_of(0).migratetype == "reserve"

    def test_a_free_block_stays_with_the_pageblock_it_begins_in(self):
        zone = small_zone(1, 1, kernel="3.9")
        zone.setup_reserve(1024)
        assert zone.setup_reserve(1) == 1
        assert pageblocks(zone, "movable") == 1
        assert zone.block_of(512) == (0, 10, "free", "reserve")

    def test_every_type_takes_from_it_last(self):
        zone = small_zone(1, 1, kernel="3.9")
        zone.take_range(512, 512)
        zone.setup_reserve(512)
        for name in ("unmovable", "reclaimable", "movable"):
            zone.alloc(0, name)
        assert zone.nr_extfrag == 0
        assert freelist(zone, 8, "reserve") == [256]

    def test_other_generations_have_none(self):
        with pytest.raises(ValueError, match=r"only kernel='3.9' has RESERVE .* '6.12'"):
            small_zone().setup_reserve()
        with pytest.raises(ValueError, match=r"only kernel='6.12' has HIGHATOMIC .* '3.9'"):
            small_zone(kernel="3.9").unreserve_highatomic()


class TestHighatomic:
    """``reserve_highatomic_pageblock()`` and ``unreserve_highatomic_pageblock()``."""

    def test_an_atomic_request_of_high_order_reserves_its_pageblock(self, placement):
        zone = large_zone(placement=placement)
        pfn = zone.alloc(3, "unmovable", flags=ATOMIC)
        assert zone.nr_highatomic == PAGEBLOCK
        assert pageblocks(zone, "highatomic") == 1
        first = pfn // PAGEBLOCK * PAGEBLOCK
        assert sorted(freelist(zone, 8, "highatomic")) == [first + 256]
        assert zone.alloc(3, "unmovable", flags=ATOMIC) // PAGEBLOCK == pfn // PAGEBLOCK

    def test_single_pages_and_other_requests_reserve_nothing(self):
        zone = large_zone()
        zone.alloc(0, "unmovable", flags=ATOMIC)
        zone.alloc(3, "unmovable", flags=pa.ALLOC_NON_BLOCK)
        assert zone.nr_highatomic == 0

    def test_about_a_hundredth_of_the_zone_at_most(self):
        zone = large_zone()
        for _ in range(500):
            zone.alloc(5, "unmovable", flags=ATOMIC)
        assert zone.nr_highatomic == 2 * PAGEBLOCK == -(-655 // PAGEBLOCK) * PAGEBLOCK

    def test_zones_of_which_a_hundredth_is_less_than_a_pageblock_reserve_none(self):
        zone = small_zone(48, 1)
        zone.alloc(3, "unmovable", flags=ATOMIC)
        assert zone.nr_highatomic == 0

    def test_only_pageblocks_that_may_merge_are_reserved(self):
        zone = large_zone()
        zone.set_pageblocks(0, 64 * 1024, "cma")
        zone.alloc(3, "movable", flags=ATOMIC)
        assert zone.nr_highatomic == 0

    def test_a_block_larger_than_a_pageblock_reserves_all_of_them(self):
        zone = large_zone()
        zone.alloc(10, "unmovable", flags=ATOMIC)
        assert zone.nr_highatomic == 2 * PAGEBLOCK
        assert pageblocks(zone, "highatomic") == 2

    @pytest.mark.parametrize(
        ("flags", "order", "served"),
        [
            (0, 0, False),
            (pa.ALLOC_NON_BLOCK, 0, True),
            (pa.ALLOC_OOM, 0, True),
            (pa.ALLOC_HIGHATOMIC, 0, False),
            (pa.ALLOC_HIGHATOMIC, 1, True),
        ],
    )
    def test_who_may_take_from_it_when_nothing_else_is_left(self, flags, order, served):
        zone = large_zone()
        zone.alloc(3, "unmovable", flags=ATOMIC)
        while True:
            try:
                zone.alloc(0)
            except pa.OutOfMemory:
                break
        assert zone.nr_free == PAGEBLOCK - 8
        if served:
            assert zone.block_of(zone.alloc(order, "unmovable", flags=flags)).order == order
        else:
            with pytest.raises(pa.OutOfMemory):
                zone.alloc(order, "unmovable", flags=flags)

    def test_under_pressure_all_but_the_last_pageblock_go_back(self):
        zone = large_zone()
        pfns = [zone.alloc(8, "unmovable", flags=ATOMIC) for _ in range(3)]
        for pfn in pfns[1:]:
            zone.free(pfn)
        assert zone.nr_highatomic == 2 * PAGEBLOCK
        assert zone.unreserve_highatomic("movable")
        assert zone.nr_highatomic == PAGEBLOCK
        assert not zone.unreserve_highatomic("movable")
        assert zone.unreserve_highatomic("reclaimable", force=True)
        assert zone.nr_highatomic == 0
        assert pageblocks(zone, "highatomic") == 0
        assert pageblocks(zone, "reclaimable") == 1
        zone.check()

    def test_pagesets_serve_and_reserve_as_well(self):
        zone = large_zone(pagesets=pa.Pagesets())
        zone.alloc(2, "unmovable", flags=ATOMIC)
        zone.alloc(2, "unmovable", flags=ATOMIC)
        assert zone.nr_highatomic == PAGEBLOCK

    def test_streams_carry_the_flags(self):
        zone = large_zone()
        ops, slots = np.zeros(1, pa.OP_DTYPE), np.zeros(1, np.int64)
        ops["order"], ops["flags"] = 3, ATOMIC
        assert zone.run(ops, slots) == 0
        assert zone.nr_highatomic == PAGEBLOCK

    def test_a_snapshot_holds_the_count(self):
        zone = large_zone()
        saved = zone.snapshot()
        zone.alloc(3, flags=ATOMIC)
        zone.restore(saved)
        assert zone.nr_highatomic == 0

    @pytest.mark.parametrize("flags", [1, 3, 32, -1])
    def test_unknown_flags_are_refused(self, flags):
        with pytest.raises(ValueError, match="flags must be"):
            small_zone().alloc(flags=flags)


class TestNofragment:
    """``ALLOC_NOFRAGMENT``: whole pageblocks are claimed, nothing is stolen."""

    def test_a_whole_pageblock_is_claimed(self):
        zone = small_zone(1, 1)
        zone.take_range(512, 512)
        assert zone.alloc(0, "unmovable", flags=pa.ALLOC_NOFRAGMENT) == 0

    def test_less_is_left_alone(self):
        zone = small_zone(1, 1)
        zone.take_range(511, 513)
        with pytest.raises(pa.OutOfMemory):
            zone.alloc(0, "unmovable", flags=pa.ALLOC_NOFRAGMENT)
        assert zone.alloc(0, "unmovable") < 511

    def test_cma_memory_is_not_fragmentation(self):
        zone = small_zone(1, 1)
        zone.set_pageblocks(0, 1024, "cma")
        assert zone.alloc(0, "movable", flags=pa.ALLOC_NOFRAGMENT) == 0

    def test_3_9_knows_no_flags(self):
        zone = small_zone(1, 1, kernel="3.9")
        zone.take_range(511, 513)
        zone.alloc(0, "unmovable", flags=pa.ALLOC_NOFRAGMENT)


class TestCountOfHighatomicPages:
    def test_it_follows_the_types_of_pageblocks(self):
        zone = small_zone(4, 1)
        zone.set_pageblocks(0, 1024, "highatomic")
        assert zone.nr_highatomic == 1024
        zone.set_pageblocks(512, 512, "movable")
        assert zone.nr_highatomic == 512
        zone.check()
        assert zone.unreserve_highatomic(force=True)
        assert zone.nr_highatomic == 0


def test_a_min_watermark_beyond_all_bounds_sets_two_pageblocks_aside():
    zone = small_zone(8, 2, kernel="3.9")
    assert zone.setup_reserve(2**63 - 1) == 2
