"""Rules for a request whose own lists are dry, one test per rule, each named after it.

The state machine compares whole histories with the model; here each rule stands alone.
"""

import numpy as np
import pytest
from zones import small_zone

import pasralloc as pa
from pasralloc.testing import corrupt, freelist

PAGEBLOCK = 512


def events(zone):
    names = zone.migratetypes
    return [
        (
            int(e["alloc_order"]),
            names[e["alloc_migratetype"]],
            int(e["fallback_order"]),
            names[e["fallback_migratetype"]],
            bool(e["fragmenting"]),
            bool(e["change_ownership"]),
        )
        for e in zone.extfrag_events()
    ]


def with_free_pages(nr, *, occupant="movable", kernel="6.12", **options):
    """A zone of one pageblock's free pages: the first *nr* of movable pageblock 0; the rest is in use."""
    zone = small_zone(1, 1, kernel=kernel, **options)
    zone.take_range(nr, 1024 - nr, occupant)
    return zone


class TestClaim:
    """Linux 6.12: ``__rmqueue_claim()`` and ``try_to_claim_block()``."""

    def test_a_block_of_a_pageblock_or_more_is_retyped_whole(self, placement):
        zone = small_zone(4, 2, placement=placement)
        pfn = zone.alloc(0, "unmovable")
        assert events(zone) == [(0, "unmovable", 10, "movable", False, True)]
        for order in range(10):
            assert freelist(zone, order, "unmovable") == [pfn + (1 << order)]
        zone.free(pfn)
        assert freelist(zone, 10, "unmovable") == [pfn]
        assert zone.nr_extfrag == 1

    @pytest.mark.parametrize("nr_free", [255, 256])
    def test_half_a_pageblock_free_or_alike_is_enough(self, nr_free):
        zone = with_free_pages(nr_free)
        zone.alloc(0, "reclaimable")
        owned = nr_free >= PAGEBLOCK // 2
        assert events(zone)[0][-1] == owned
        assert sum(len(freelist(zone, o, "movable")) for o in range(11)) == (0 if owned else 7)

    def test_movable_pages_are_alike_for_a_movable_request(self):
        for name, owned in [("movable", True), ("unmovable", False)]:
            zone = small_zone(1, 1)
            zone.set_pageblocks(0, 1024, "unmovable")
            zone.take_range(32, 1024 - 32, name)
            zone.alloc(0, "movable")
            assert events(zone) == [(0, "movable", 5, "unmovable", True, owned)]

    def test_pages_of_unknown_kind_in_a_movable_pageblock_are_alike_for_the_others(self):
        for name, owned in [("movable", False), ("reclaimable", True)]:
            zone = with_free_pages(32, occupant=name)
            zone.alloc(0, "unmovable")
            assert events(zone)[0][-1] == owned

    @pytest.mark.parametrize(("order", "owned"), [(3, False), (4, True)])
    def test_a_movable_request_claims_nothing_below_half_the_pageblock_order(self, order, owned):
        zone = small_zone(1, 1)
        zone.set_pageblocks(0, 1024, "unmovable")
        zone.take_range(
            1 << order, 1024 - (1 << order), "movable"
        )  # one free block, all else alike
        zone.alloc(0, "movable")
        assert events(zone) == [(0, "movable", order, "unmovable", True, owned)]

    def test_a_pageblock_that_the_zone_cuts_is_not_claimed(self):
        zone = pa.Zone(1024 + 300, region_pages=1024)
        zone.take_range(0, 1024, "movable")
        zone.alloc(0, "unmovable")
        assert events(zone)[0][-1] is False


class TestSteal612:
    """Linux 6.12: ``__rmqueue_steal()``."""

    def test_the_smallest_block_goes_and_keeps_its_type(self):
        zone = with_free_pages(7)
        pfn = zone.alloc(0, "unmovable")
        assert pfn == 6, "the single page, not a half of a larger block"
        zone.free(pfn)
        assert freelist(zone, 0, "movable") == [6]

    def test_fallback_rows_come_in_order(self):
        zone = small_zone(2, 1)
        zone.set_pageblocks(0, 1024, "movable")
        zone.set_pageblocks(1024, 1024, "reclaimable")
        assert zone.alloc(10, "unmovable") == 1024


class TestSteal39:
    """Linux 3.9: ``__rmqueue_fallback()``."""

    def test_the_largest_block_goes_and_the_rest_of_it_changes_lists(self):
        zone = small_zone(1, 1, kernel="3.9")
        zone.take_range(24, 1000, "movable")  # leaves blocks of 16 and 8 pages
        pfn = zone.alloc(0, "unmovable")
        assert pfn == 0
        lists = [freelist(zone, order, "unmovable") for order in range(5)]
        assert lists == [[1], [2], [4], [8, 16], []], "and the free neighbour came along"
        assert freelist(zone, 3, "movable") == []

    def test_below_half_the_pageblock_order_only_reclaimable_takes_the_neighbours(self):
        for name, moved in [("unmovable", False), ("reclaimable", True)]:
            zone = small_zone(1, 1, kernel="3.9")
            zone.take_range(12, 1012, "movable")  # leaves blocks of 8 and 4 pages
            zone.alloc(0, name)
            assert freelist(zone, 2, "movable") == ([] if moved else [8])

    @pytest.mark.parametrize("nr_free", [255, 256])
    def test_half_a_pageblock_moved_changes_its_type(self, nr_free):
        zone = with_free_pages(nr_free, kernel="3.9")
        zone.alloc(0, "unmovable")
        assert events(zone)[0][-1] == (nr_free >= PAGEBLOCK // 2)
        assert sum(len(freelist(zone, o, "movable")) for o in range(11)) == 0, "all were moved"

    def test_reserve_pageblocks_are_the_last_resort_and_no_event(self):
        zone = small_zone(2, 1, kernel="3.9")
        zone.set_pageblocks(0, 1024, "reserve")
        pfns = [zone.alloc(10, "movable"), zone.alloc(10, "movable")]
        assert pfns == [1024, 0]
        assert zone.nr_extfrag == 0
        zone.free(0)
        assert freelist(zone, 10, "reserve") == [0], "a freed block returns to its reserve"

    def test_what_is_left_of_a_cma_block_stays_cma(self):
        zone = small_zone(1, 1, kernel="3.9")
        zone.set_pageblocks(0, 1024, "cma")
        assert zone.alloc(0, "movable") == 0
        assert all(len(freelist(zone, order, "cma")) == 1 for order in range(10))

    def test_a_merging_buddy_leaves_its_own_list(self):
        """In 3.9 a block that was stolen from can merge across types."""
        zone = small_zone(1, 1, kernel="3.9")
        zone.take_range(24, 1000, "movable")
        pfn = zone.alloc(0, "unmovable")
        zone.free(pfn)  # its buddy is on an unmovable list, the pageblock is movable
        zone.check()
        assert freelist(zone, 0, "unmovable") == []


@pytest.mark.parametrize("kernel", ["3.9", "6.12"])
def test_only_movable_requests_use_cma(kernel):
    zone = small_zone(1, 1, kernel=kernel)
    zone.set_pageblocks(0, 1024, "cma")
    for name in ("unmovable", "reclaimable"):
        with pytest.raises(pa.OutOfMemory):
            zone.alloc(0, name)
    assert zone.alloc(0, "movable") == 0


def test_cma_memory_goes_first_while_it_is_more_than_half_of_what_is_free():
    zone = small_zone(4, 1, placement="linux")
    zone.set_pageblocks(0, 2048, "cma")
    blocks = [zone.alloc(9) // 1024 for _ in range(3)]
    assert blocks == [2, 0, 2], "own first at half and half, CMA when it is more, own again"


def test_isolated_pages_serve_nobody_and_do_not_count_as_free_for_the_balance():
    zone = small_zone(3, 1)
    zone.set_pageblocks(0, 1024, "cma")
    zone.set_pageblocks(1024, 1024, "isolate")
    zone.alloc(0)
    assert zone.alloc(9) == 0, "CMA is more than half of what is not isolated"
    while zone.nr_free > 1024:
        zone.alloc()
    with pytest.raises(pa.OutOfMemory):
        zone.alloc()
    assert freelist(zone, 10, "isolate") == [1024]


class TestMerge:
    """Types of buddies, from the order of a pageblock on."""

    def halves(self, kernel, upper):
        zone = small_zone(1, 1, kernel=kernel)
        zone.take_range(0, 512)
        zone.take_range(512, 512)
        zone.set_pageblocks(512, 512, upper)
        zone.free(512)
        zone.free(0)
        zone.check()
        return zone

    @pytest.mark.parametrize("upper", ["highatomic", "cma", "isolate"])
    def test_what_is_set_apart_does_not_merge_with_others(self, upper):
        zone = self.halves("6.12", upper)
        assert freelist(zone, 9, "movable") == [0]
        assert freelist(zone, 9, upper) == [512]

    def test_ordinary_types_merge_and_the_buddy_is_retyped(self):
        zone = self.halves("6.12", "unmovable")
        assert freelist(zone, 10, "movable") == [0]
        zone.take_range(0, 1024)
        zone.split_allocated(0, 9)
        zone.free(512)
        assert freelist(zone, 9, "movable") == [512]

    def test_3_9_merges_whatever_the_types_and_retypes_nothing(self):
        zone = self.halves("3.9", "cma")
        assert freelist(zone, 10, "movable") == [0]
        zone.take_range(0, 1024)
        zone.split_allocated(0, 9)
        zone.free(512)
        assert freelist(zone, 9, "cma") == [512]


class TestBiased:
    def zone_with_choice(self, placement):
        """Region 0 has a free block of the largest order, region 1 a free page."""
        zone = small_zone(2, 1, placement=placement)
        zone.take_range(1024, 1024)
        zone.split_allocated(1024, 0)
        zone.free(1024)
        return zone

    def test_a_larger_block_of_a_lower_region_is_split(self):
        assert self.zone_with_choice("sorted").alloc() == 1024
        assert self.zone_with_choice("biased").alloc() == 0

    def test_of_equal_regions_the_smaller_order_goes(self):
        zone = small_zone(2, 2, placement="biased")
        zone.take_range(1024, 1024)
        zone.split_allocated(1024, 0)
        zone.free(1024)
        assert zone.alloc() == 1024

    def test_run_agrees_with_single_calls(self):
        one, other = self.zone_with_choice("biased"), self.zone_with_choice("biased")
        ops = np.zeros(8, pa.OP_DTYPE)
        ops["migratetype"] = one.migratetypes.index("movable")
        ops["slot"] = np.arange(8)
        slots = np.zeros(8, np.int64)
        one.run(ops, slots)
        assert slots.tolist() == [other.alloc() for _ in range(8)]


class TestEvents:
    def test_the_ring_keeps_the_last_1024(self):
        zone = small_zone(8, 4)
        zone.take_range(0, 8192, "movable")
        for pfn in range(0, 8192, 1024):
            zone.split_allocated(pfn, 0)
        zone.free_batch(np.arange(0, 8192, 4))  # too few in each pageblock for a claim
        pfns = [zone.alloc(0, "unmovable") for _ in range(1500)]
        log = zone.extfrag_events()
        assert zone.nr_extfrag == len(pfns)
        assert log["pfn"].tolist() == pfns[-1024:]
        assert set(log["pageblock_order"]) == {9}

    def test_restore_leaves_history_alone(self):
        zone = small_zone(2, 1)
        before = zone.snapshot()
        zone.alloc(0, "unmovable")
        zone.restore(before)
        assert zone.nr_extfrag == 1
        assert zone.digest() == before.digest

    def test_restore_knows_of_cma(self):
        zone, other = small_zone(4, 1), small_zone(4, 1)
        zone.set_pageblocks(0, 3072, "cma")
        other.restore(zone.snapshot())
        other.check()
        assert other.alloc(0) == zone.alloc(0) < 3072


class TestCheck:
    def test_a_free_block_of_another_type_than_its_pageblock(self):
        zone = small_zone(2, 1)
        corrupt(zone, "pageblocks", 1, 0)
        with pytest.raises(
            pa.CorruptZone, match="free block at frame 0 has migratetype 1, its pageblock 0"
        ):
            zone.check()

    def test_a_mask_that_forgets_cma(self):
        zone = small_zone(2, 1)
        corrupt(zone, "cma_first", 0, 2)
        with pytest.raises(pa.CorruptZone, match="look at CMA pageblocks first is 2, expected 0"):
            zone.check()


def test_a_free_block_is_split_where_only_some_of_its_pageblocks_get_another_type():
    """``split_free_pages()`` of 6.12, at isolation."""
    zone = small_zone(2, 1)
    zone.set_pageblocks(0, 512, "isolate")
    assert zone.block_of(0) == (0, 9, "free", "isolate")
    assert zone.block_of(512) == (512, 9, "free", "movable")
    zone.set_pageblocks(1536, 512, "cma")
    assert zone.block_of(1024).order == zone.block_of(1536).order == 9
    zone.check()


@pytest.mark.parametrize(("pfn", "nr"), [(0, 512), (512, 512)])
def test_39_cannot_split_a_free_block_for_its_pageblocks(pfn, nr):
    zone = small_zone(2, 1, kernel="3.9")
    before = zone.digest()
    with pytest.raises(ValueError, match="a free block reaches beyond"):
        zone.set_pageblocks(pfn, nr, "isolate")
    assert zone.digest() == before


@pytest.mark.parametrize(
    ("pfn", "nr", "name", "why"),
    [
        (0, 100, "cma", "not whole pageblocks of 512 pages"),
        (0, 1024, "reserve", "migratetype must be one of .*'highatomic'.* got 'reserve'"),
        (0, 1024, 6, "migratetype must be 0 to 5, got 6"),
    ],
)
def test_pageblocks_that_cannot_be_set_are_refused(pfn, nr, name, why):
    zone = small_zone(2, 1)
    before = zone.digest()
    with pytest.raises(ValueError, match=why):
        zone.set_pageblocks(pfn, nr, name)
    assert zone.digest() == before


class TestFree:
    """``split_large_buddy()`` of 6.12: each pageblock of a block is freed as what it is by then."""

    def test_types_that_do_not_merge_stay_apart(self, placement):
        zone = small_zone(1, 1, placement=placement)
        zone.alloc(10)
        zone.set_pageblocks(512, 512, "cma")
        zone.free(0)
        assert zone.block_of(0) == (0, 9, "free", "movable")
        assert zone.block_of(512) == (512, 9, "free", "cma")
        zone.check()

    def test_types_that_merge_take_that_of_the_last(self, placement):
        zone = small_zone(1, 1, placement=placement)
        zone.alloc(10)
        zone.set_pageblocks(512, 512, "unmovable")
        zone.free(0)
        assert zone.block_of(0) == (0, 10, "free", "unmovable")
        assert zone.pageblock_counts()[0] == 2

    def test_3_9_takes_the_type_of_the_first_page(self):
        zone = small_zone(1, 1, kernel="3.9")
        zone.alloc(10)
        zone.set_pageblocks(512, 512, "unmovable")
        zone.free(0)
        assert zone.block_of(0) == (0, 10, "free", "movable")

    def test_buddies_merge_up_to_the_largest_order(self, placement):
        zone = small_zone(2, 2, placement=placement)
        zone.take_range(0, 1024)
        zone.split_allocated(0)
        for pfn in range(0, 1024, 2):
            zone.free(pfn)
        assert len(freelist(zone, 0, "movable")) == 512
        for pfn in range(1, 1024, 2):
            zone.free(pfn)
        assert sorted(freelist(zone, 10, "movable")) == [0, 1024], "and no further"


class TestRows:
    """Which type lends first: the rows of the fallback table, written out."""

    @pytest.mark.parametrize(
        ("kernel", "wanted", "row"),
        [
            ("3.9", "unmovable", ["reclaimable", "movable"]),
            ("3.9", "reclaimable", ["unmovable", "movable"]),
            ("3.9", "movable", ["cma", "reclaimable", "unmovable"]),
            ("6.12", "unmovable", ["reclaimable", "movable"]),
            ("6.12", "reclaimable", ["unmovable", "movable"]),
            ("6.12", "movable", ["reclaimable", "unmovable"]),
        ],
    )
    def test_the_first_type_of_the_row_with_memory_lends(self, kernel, wanted, row):
        for nr_gone in range(len(row)):
            zone = small_zone(8, 1, kernel=kernel)
            for number in range(8):
                zone.set_pageblocks(number * 1024, 1024, "isolate")
            lenders = row[nr_gone:]
            for number, name in enumerate(reversed(lenders)):
                zone.set_pageblocks(number * 1024, 1024, name)
            pfn = zone.alloc(0, wanted)
            assert pfn // 1024 == len(lenders) - 1, lenders[0]


class TestLargest:
    def test_6_12_claims_the_largest_block(self):
        zone = small_zone(2, 1)
        zone.take_range(0, 512)
        zone.alloc(0, "unmovable")
        assert events(zone)[0][2] == 10

    def test_3_9_owns_every_pageblock_of_a_large_block(self):
        zone = small_zone(1, 1, kernel="3.9", pageblock_order=5)
        zone.alloc(0, "unmovable")
        assert zone.pageblock_counts().tolist() == [32, 0, 0, 0, 0, 0]
