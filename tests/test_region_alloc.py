"""The region allocator of the sorted-buddy series, one test per rule.

Return, request, cache and loans as in "[RFC PATCH v4 00/40] mm: Memory Power
Management"; the state machine compares whole histories with the model.
"""

import pytest
from zones import small_zone

import pasralloc as pa
from pasralloc.testing import corrupt, freelist

RULES = ("when-dry", "lowest-first")


@pytest.fixture(params=RULES)
def rule(request):
    return request.param


def parking(nr_blocks=8, region_blocks=2, rule="when-dry", placement="biased", **options):
    return small_zone(
        nr_blocks, region_blocks, placement=placement, region_allocator=rule, **options
    )


def tops(*numbers):
    return [number * 1024 for number in numbers]


class TestReturn:
    def test_at_boot_all_regions_sink_but_the_one_that_was_alone_on_its_list(self, rule):
        zone = parking(rule=rule)
        assert zone.parked_regions() == [1, 2, 3]
        assert sorted(freelist(zone, 10, "movable")) == tops(0, 1)
        assert zone.nr_free == 8 * 1024, "parked pages are free pages"
        assert zone.region_nr_free.tolist() == [2048] * 4

    def test_holes_are_known_before_the_first_page_is_freed(self):
        """Otherwise region 1 would seem complete before its second part is there."""
        zone = parking(absent=[(3072, 100)])
        assert zone.parked_regions() == [2, 3]
        whole = parking(absent=[(3072, 1024)])
        assert whole.parked_regions() == [1, 2, 3]

    def test_a_region_returns_with_its_last_page(self, rule):
        zone = parking(rule=rule)
        zone.alloc(10)
        pfns = zone.alloc_batch([0] * 1025)
        assert zone.parked_regions() == [2, 3]
        last = max(pfns)
        assert zone.region_of(last) == 1
        zone.free_batch([pfn for pfn in pfns if pfn != last])
        assert zone.parked_regions() == [2, 3]
        zone.free(last)
        assert zone.parked_regions() == [1, 2, 3], "region 0 has a free block on the list"

    def test_each_type_keeps_one_region(self, rule):
        zone = parking(rule=rule)
        pfn = zone.alloc(0, "unmovable")
        assert zone.region_of(pfn) == 1
        zone.free(pfn)
        assert sorted(freelist(zone, 10, "unmovable")) == tops(2, 3)
        assert zone.parked_regions() == [2, 3]

    def test_free_blocks_on_two_lists_do_not_make_a_region(self):
        zone = parking(4, 2, kernel="3.9", pageblock_order=10)
        pfns = [zone.alloc(10) for _ in range(4)]
        zone.set_pageblocks(3072, 1024, "unmovable")
        for pfn in pfns:
            zone.free(pfn)
        assert zone.parked_regions() == []
        assert freelist(zone, 10, "unmovable") == [3072]

    @pytest.mark.parametrize("name", ["cma", "isolate", "reserve"])
    def test_what_cannot_be_requested_is_never_parked(self, name):
        zone = parking(kernel="3.9")
        zone.set_pageblocks(0, 8 * 1024, name)
        assert zone.parked_regions() == []
        assert len(freelist(zone, 10, name)) == 8

    def test_posted_a_region_is_complete_by_what_is_credited_to_it(self):
        """Region 0 is credited with more than it manages and region 3 with less: neither returns."""
        zone = parking(8, 2, quirks="posted", start_pfn=1)
        assert zone.region_managed.tolist() == [2048] * 4
        assert zone.region_nr_free.tolist() == [3071, 2048, 2048, 1025]
        assert zone.parked_regions() == [1, 2]
        zone.check()


class TestRequest:
    def test_the_lowest_region_is_handed_out_with_its_pageblocks(self, rule):
        zone = parking(rule=rule)
        assert zone.region_of(zone.alloc(0, "reclaimable")) == 1
        assert zone.region_of(zone.alloc(0, "unmovable")) == 2
        assert zone.pageblock_counts().tolist() == [4, 8, 4, 0, 0, 0]
        assert zone.nr_extfrag == 0, "request before fallback"

    def test_the_order_within_the_region_is_kept(self, rule):
        zone = parking(12, 4, rule=rule)
        before = freelist(zone, 10, "parked")[:4]
        zone.alloc(0, "unmovable")
        assert freelist(zone, 10, "unmovable") == before[1:]

    def test_a_type_in_a_high_region_ignores_the_low_one_that_was_parked(self):
        """Where the posted rule undercuts lowest-first order, and the mended one does not."""
        chosen = {}
        for rule in RULES:
            zone = parking(rule=rule)
            first = zone.alloc_batch([10, 10])  # region 0
            zone.alloc()  # region 1 opens
            zone.free_batch(first)  # region 0 is free again, and parked
            assert zone.parked_regions() == [0, 2, 3]
            chosen[rule] = zone.region_of(zone.alloc())
        assert chosen == {"when-dry": 1, "lowest-first": 0}

    def test_without_bias_a_smaller_block_wins_over_a_lower_parked_region(self):
        zone = parking(rule="lowest-first", placement="sorted")
        first = zone.alloc_batch([10, 10])
        zone.alloc()
        zone.free_batch(first)
        assert zone.region_of(zone.alloc()) == 1
        assert zone.region_of(zone.alloc(10)) == 0

    def test_huge_requests_are_served_from_parked_regions(self, rule):
        zone = parking(rule=rule)
        assert [zone.region_of(zone.alloc(10)) for _ in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]
        with pytest.raises(pa.OutOfMemory):
            zone.alloc()


class TestLoans:
    """Fallback lends memory; no pageblock changes its type by it."""

    @pytest.mark.parametrize("kernel", ["3.9", "6.12"])
    def test_fallback_waits_until_nothing_is_parked(self, kernel):
        zone = parking(4, 2, kernel=kernel)
        zone.alloc(0, "unmovable")
        assert zone.parked_regions() == []
        pfn = zone.alloc(0, "reclaimable")
        assert zone.nr_extfrag == 1
        assert not zone.extfrag_events()["change_ownership"][0]
        assert zone.migratetypes[zone.extfrag_events()["fallback_migratetype"][0]] == "unmovable"
        assert zone.pageblock_counts()[zone.migratetypes.index("reclaimable")] == 0
        zone.free(pfn)
        assert sum(len(freelist(zone, order, "reclaimable")) for order in range(11)) <= 1

    @pytest.mark.parametrize("kernel", ["3.9", "6.12"])
    def test_what_is_left_of_a_stolen_block_stays_with_the_lender(self, kernel):
        zone = parking(2, 2, kernel=kernel)
        zone.alloc(0, "unmovable")
        assert [len(freelist(zone, order, "movable")) for order in range(10)] == [1] * 10

    def test_3_9_still_moves_the_free_neighbours(self):
        zone = parking(2, 1, kernel="3.9", pageblock_order=10)
        zone.take_range(1024, 1024)
        zone.take_range(32, 992)  # a free block of 32 pages is left
        zone.alloc(0, "reclaimable")
        assert freelist(zone, 4, "movable") == [16]
        zone = parking(2, 1, kernel="3.9", pageblock_order=10)
        zone.take_range(1024, 1024)
        zone.take_range(32, 32)
        zone.take_range(96, 928)  # blocks of 32 pages at 0 and at 64
        zone.alloc(0, "reclaimable")
        moved = freelist(zone, 5, "reclaimable")
        assert len(moved) == 1
        assert moved[0] in (0, 64)

    def test_reserve_is_the_last_resort(self):
        zone = parking(2, 1, kernel="3.9")
        zone.set_pageblocks(1024, 1024, "reserve")
        zone.alloc(10, "unmovable")
        assert zone.region_of(zone.alloc(10, "unmovable")) == 1


class TestRanges:
    def test_a_taken_range_pulls_its_region_back_to_the_movable_lists(self, rule):
        zone = parking(rule=rule)
        zone.take_range(4096 + 7, 10)
        assert zone.parked_regions() == [1, 3]
        assert set(freelist(zone, 10, "movable")) == set(tops(0, 1, 5))
        zone.check()

    def test_pages_that_come_online_pull_their_region_back(self, rule):
        zone = parking(rule=rule, absent=[(3072, 1024)])
        assert 1 in zone.parked_regions()
        zone.add_pages(3072, 512)
        assert 1 not in zone.parked_regions()
        zone.add_pages(3584, 512)
        assert 1 in zone.parked_regions()

    def test_set_pageblocks_takes_parked_regions_along(self, rule):
        zone = parking(rule=rule)
        zone.set_pageblocks(4096, 2048, "unmovable")
        assert zone.parked_regions() == [1, 3], "the only unmovable region stays on its list"
        assert sorted(freelist(zone, 10, "unmovable")) == tops(4, 5)
        assert zone.pageblock_counts()[0] == 4

    def test_block_of_a_parked_page_has_no_type(self):
        zone = parking()
        assert zone.block_of(5000) == (4096, 10, "free", None)
        assert zone.buddyinfo()[10] == 8
        assert zone.pagetypeinfo()[:, 10].sum() == 2
        assert (zone.blocks()["migratetype"] == 6).sum() == 6


class TestRefusals:
    def test_lists_in_the_order_of_linux_have_no_regions_to_park(self):
        with pytest.raises(ValueError, match="region order, got placement='linux'"):
            small_zone(placement="linux", region_allocator="when-dry")

    def test_an_unknown_rule_names_the_nearest(self):
        with pytest.raises(
            ValueError, match=r"one of None, 'when-dry', 'lowest-first'.*mean 'when-dry'"
        ):
            small_zone(region_allocator="whendry")
        with pytest.raises(ValueError, match="got 1"):
            small_zone(region_allocator=1)

    def test_a_snapshot_fits_only_the_same_rule(self):
        with pytest.raises(ValueError, match="not of a zone like"):
            parking(rule="when-dry").restore(parking(rule="lowest-first").snapshot())

    def test_check_sees_a_region_that_is_parked_in_part(self):
        zone = parking(12, 4)
        corrupt(zone, "runs", 1, 3, field="nr_blocks", freelist=(10, 6))
        with pytest.raises(pa.CorruptZone, match=r"region 1 has 3072 pages parked, .* all 4096"):
            zone.check()

    def test_check_sees_a_broken_list_of_parked_regions(self):
        zone = parking()
        corrupt(zone, "head_region", 0, 2, freelist=(10, 6))
        with pytest.raises(pa.CorruptZone, match=r"list of parked regions .* region 2, expected 1"):
            zone.check()
        zone = parking()
        corrupt(zone, "nr_blocks", 0, 5, freelist=(10, 6))
        with pytest.raises(pa.CorruptZone, match="parked regions counts 5 blocks, the tags show 6"):
            zone.check()

    def test_check_sees_a_parked_tag_where_nothing_is_parked(self):
        zone = small_zone()
        corrupt(zone, "top_tags", 0, 0xEB)
        with pytest.raises(pa.CorruptZone, match="malformed tag 0xeb"):
            zone.check()


def test_sorted_v3_survives_a_long_mixed_run():
    """4096 regions of 64 MiB: every region parked or listed, and all of it back at the end."""
    zone = pa.Zone(1 << 26, region_pages=1 << 14, placement="biased", region_allocator="when-dry")
    assert len(zone.parked_regions()) == 4095
    before = zone.region_nr_free.copy()
    orders = [10] * 5000 + [0] * 5000 + [9] * 3000 + [3] * 2000
    pfns = zone.alloc_batch(orders, [0, 1, 2] * 5000)
    zone.check()
    zone.free_batch(pfns[::-1].copy())
    zone.check()
    assert (zone.region_nr_free == before).all()
    assert len(zone.parked_regions()) >= 4093, "each type keeps one"


@pytest.mark.parametrize("kernel", ["3.9", "6.12"])
def test_a_region_parks_only_once_all_its_pageblocks_have_their_type(kernel):
    """A block that completed a region while others were still to move took it back to the movable lists."""
    zone = pa.Zone(
        8192,
        region_pages=2048,
        kernel=kernel,
        placement="biased",
        region_allocator="when-dry",
    )
    for pfn in [zone.alloc(10, "unmovable") for _ in range(2)]:
        zone.free(pfn)
    zone.set_pageblocks(1024, 1024, "unmovable")
    zone.set_pageblocks(0, 2048, "unmovable")
    zone.check()
    for pfn in (0, 1024):
        assert zone.block_of(pfn).migratetype in ("unmovable", None)


def test_a_refill_by_region_takes_a_parked_region_that_is_lower():
    zone = pa.Zone(
        8 * 1024,
        region_pages=1024,
        placement="sorted",
        region_allocator="lowest-first",
        pagesets=pa.Pagesets(batch=4, high=12, high_max=12, by_region=True),
    )
    assert zone.parked_regions() != []
    lowest = min(zone.parked_regions())
    assert zone.region_of(zone.alloc()) <= lowest
