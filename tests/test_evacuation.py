"""What migrates where, one test per rule of the engine.

Sources: S. S. Bhat's sorted-buddy series, v2 11/15 and 12/15 and v4 35/40; mm/compaction.c of Linux.
"""

import numpy as np
import pytest
from evacuation import TOP, moved, simulation, take, take_whole, used

import pasralloc as pa
from pasralloc._core.memoryranges import MOVE_SINK
from pasralloc._core.views import pageset_arrays
from pasralloc.testing import freelist, pcplists


class TestTargets:
    def test_pages_move_to_what_an_allocation_would_take(self):
        sim, twin = simulation(), simulation()
        for each in (sim, twin):
            take(each, 5, 70, 2 * TOP + 3, 2 * TOP + 900, 2 * TOP + 901)
        result = sim.evacuate(sim.zones[0], 2)
        assert (result.moved, result.aborted, result.complete) == (3, False, True)
        olds = [2 * TOP + 3, 2 * TOP + 900, 2 * TOP + 901]
        assert moved(sim) == [(old, twin.alloc()) for old in olds]
        assert used(sim) == [5, 0, 0, 0, 0, 0]
        sim.check()

    def test_the_free_pages_of_lower_regions_fill_upwards(self):
        sim = simulation()
        take_whole(sim, 0)
        pfns = take(sim, *range(3 * TOP, 3 * TOP + 40))
        assert sim.evacuate(sim.zones[0], 3).moved == 40
        assert moved(sim) == [(pfn, TOP + i) for i, pfn in enumerate(pfns)]

    def test_it_ends_where_no_lower_region_has_a_page(self):
        """The pages that found one stay where they are by then, the rest where it was."""
        sim = simulation()
        take_whole(sim, 0)
        for pfn in range(TOP, 2 * TOP):
            if pfn not in (TOP + 7, TOP + 500):
                take(sim, pfn, wanted="unmovable")
        pfns = take(sim, *range(2 * TOP, 2 * TOP + 70))
        result = sim.evacuate(sim.zones[0], 2)
        assert result._asdict() == {
            "moved": 2, "dropped": 0, "failed": 30, "aborted": True, "complete": False,
            "complete_after_drain": False, "reason": "next free page not in a lower region",
            "unmovable": 0, "pinned": 0, "cached": 0,
        }  # fmt: skip
        assert [old for old, _ in moved(sim)] == pfns[:2]
        assert {new for _, new in moved(sim)} == {TOP + 7, TOP + 500}
        assert used(sim)[2] == 68

    def test_free_pages_of_the_region_itself_and_above_do_not_count(self):
        sim = simulation()
        take_whole(sim, 0, 1)
        take(sim, 2 * TOP + 9)
        digest = sim.digest()
        result = sim.evacuate(sim.zones[0], 2)
        assert (result.failed, result.reason) == (1, "next free page not in a lower region")
        assert sim.digest() == digest
        result = sim.evacuate(sim.zones[0], 2, targets="other-regions")
        assert (result.moved, result.complete) == (1, True)
        assert moved(sim)[0][1] // TOP == 3

    def test_other_regions_take_what_lists_begin_with(self):
        """The region itself is skipped as a whole, also where it stands in front."""
        sim = simulation()
        take(sim, TOP + 1)
        take(sim, 2 * TOP + 1)
        take_whole(sim, 0)
        assert sim.evacuate(sim.zones[0], 1, targets="other-regions").moved == 1
        assert moved(sim)[0][1] == 2 * TOP

    @pytest.mark.parametrize("region_allocator", ["when-dry", "lowest-first"])
    def test_parked_regions_stay_parked(self, region_allocator):
        """To do instead of 9: an allocation would have got a region; migration does not."""
        sim = simulation("biased", region_allocator=region_allocator)
        zone = sim.zones[0]
        take_whole(sim, 0)
        take(sim, 5 * TOP + 1)
        sim.free_batch(sim.alloc_batch([10] * 3))
        assert zone.parked_regions()
        parked = zone.parked_regions()
        lists = set(range(1, 5)) - set(parked)
        for region in lists:
            sim.take_range(region * TOP, TOP)
        result = sim.evacuate(zone, 5)
        assert (result.moved, result.reason) == (0, "next free page not in a lower region")
        assert zone.parked_regions() == parked

    @pytest.mark.parametrize("kernel", ["6.12", "3.9"])
    @pytest.mark.parametrize("wanted", ["movable", "reclaimable"])
    def test_no_memory_of_other_types_is_taken(self, kernel, wanted):
        sim = simulation(kernel=kernel)
        sim.set_pageblocks(0, 2 * TOP, "unmovable")
        take(sim, 2 * TOP + 1, wanted=wanted, state="movable")
        digest = sim.digest()
        result = sim.evacuate(sim.zones[0], 2)
        assert (result.moved, result.reason) == (0, "next free page not in a lower region")
        assert sim.digest() == digest

    @pytest.mark.parametrize(("kernel", "kept"), [("3.9", "reserve"), ("6.12", "highatomic")])
    def test_what_is_kept_for_emergencies_stays(self, kernel, kept):
        sim = simulation(kernel=kernel)
        names = sim.zones[0].migratetypes
        sim.set_pageblocks(0, 2 * TOP, names.index(kept))
        take(sim, 2 * TOP + 1)
        assert sim.evacuate(sim.zones[0], 2).reason == "next free page not in a lower region"

    def test_a_block_takes_pages_of_its_own_type(self):
        sim = simulation()
        sim.set_pageblocks(TOP, TOP, "unmovable")
        take(sim, 2 * TOP + 1, wanted="unmovable", state="movable")
        take(sim, 2 * TOP + 2)
        assert sim.evacuate(sim.zones[0], 2).complete
        assert [new // TOP for _, new in moved(sim)] == [1, 0]

    @pytest.mark.parametrize("placement", ["linux", "sorted"])
    def test_without_bias_small_blocks_of_the_region_itself_come_first(self, placement):
        """So it ends, although whole lower regions are free: the series' v2 had no bias."""
        sim = simulation(placement)
        zone = sim.zones[0]
        take(sim, 3 * TOP + 1)
        assert freelist(zone, 0, "movable") == [3 * TOP]
        result = sim.evacuate(zone, 3)
        assert (result.failed, result.reason) == (1, "next free page not in a lower region")
        take(sim, *range(TOP, TOP + 4))
        sim.free(TOP)  # in front of the list of single pages, by address and by time
        assert sim.evacuate(zone, 3).complete
        assert moved(sim) == [(3 * TOP + 1, TOP)]


class TestKinds:
    def test_pinned_pages_never_move(self):
        sim = simulation()
        pfns = take(sim, TOP + 1, TOP + 5, TOP + 9)
        sim.set_page_states([TOP + 5], "pinned")
        result = sim.evacuate(sim.zones[0], 1)
        assert (result.moved, result.pinned, result.reason) == (2, 1, "pinned pages")
        assert not result.aborted
        assert [old for old, _ in moved(sim)] == [pfns[0], pfns[2]]
        assert sim.page_state(TOP + 5) == "pinned"

    def test_unmovable_pages_never_move_and_are_named_first(self):
        sim = simulation()
        take(sim, TOP + 1, wanted="unmovable")
        take(sim, TOP + 2, wanted="reclaimable")
        take(sim, TOP + 3, state="pinned")
        digest = sim.digest()
        result = sim.evacuate(sim.zones[0], 1)
        assert (result.unmovable, result.pinned, result.reason) == (2, 1, "unmovable pages")
        assert sim.digest() == digest

    def test_what_is_said_of_a_page_counts_more_than_what_was_requested(self):
        sim = simulation()
        take(sim, TOP + 1, TOP + 2, wanted="unmovable", state="dirty")
        sim.set_pageblocks(0, TOP, "unmovable")
        assert sim.evacuate(sim.zones[0], 1).moved == 2

    @pytest.mark.parametrize("allowed", [False, True])
    def test_unevictable_pages_move_where_that_is_allowed(self, allowed):
        sim = simulation(move_unevictable=allowed)
        take(sim, TOP + 1, state="unevictable")
        result = sim.evacuate(sim.zones[0], 1)
        assert (result.moved, result.pinned) == ((1, 0) if allowed else (0, 1))
        assert sim.page_state(moved(sim)[0][1] if allowed else TOP + 1) == "unevictable"

    @pytest.mark.parametrize("drop_clean", [False, True])
    def test_clean_page_cache_is_dropped_where_that_is_said(self, drop_clean):
        sim = simulation(drop_clean=drop_clean)
        take(sim, TOP + 1, TOP + 3, state="clean")
        take(sim, TOP + 2, state="dirty")
        result = sim.evacuate(sim.zones[0], 1)
        assert (result.dropped, result.moved) == ((2, 1) if drop_clean else (0, 3))
        assert result.complete
        assert sim.reclaimed()["pfn"].tolist() == ([TOP + 1, TOP + 3] if drop_clean else [])
        assert sim.counters()["written"] == 0

    def test_clean_page_cache_is_dropped_also_where_nothing_has_a_place(self):
        sim = simulation()
        take_whole(sim, 0)
        take(sim, TOP + 1, state="dirty")
        take(sim, TOP + 2, state="clean")
        result = sim.evacuate(sim.zones[0], 1)
        assert (result.dropped, result.failed, result.aborted) == (1, 1, True)

    def test_states_move_along_and_moved_blocks_become_the_youngest(self):
        sim = simulation(swap_pages=100)
        pfns = take(sim, TOP + 1, TOP + 2, TOP + 3, 5, state="movable")
        sim.evacuate(sim.zones[0], 1)
        places = dict(moved(sim))
        assert [sim.page_state(places[pfn]) for pfn in pfns[:3]] == ["movable"] * 3
        assert [sim.page_state(pfn) for pfn in pfns[:3]] == ["unknown"] * 3
        sim.check()
        while sim.counters()["reclaimed_blocks"] < 3:
            sim.alloc(order=9 if sim.nr_free > 1000 else 0, migratetype="unmovable")
        # The one that did not move is the oldest now.
        assert sim.reclaimed()["pfn"].tolist()[:3] == [5, *(places[pfn] for pfn in pfns[:2])]


class TestBlocks:
    @pytest.mark.parametrize("order", [1, 4, 9, 10])
    def test_blocks_of_several_pages_move_as_a_whole(self, order):
        sim = simulation()
        take(sim, 2 * TOP, order=order)
        assert sim.evacuate(sim.zones[0], 2).moved == 1 << order
        assert sim.moves().tolist() == [(2 * TOP, 0, order)]
        assert sim.zones[0].block_of(0).order == order

    def test_one_without_a_place_does_not_end_it(self):
        """Single pages go on to small places; the reason is the order."""
        sim = simulation()
        take_whole(sim, 0)
        take(sim, *range(TOP, 2 * TOP, 2), wanted="unmovable")
        take(sim, 2 * TOP, order=1)
        take(sim, 2 * TOP + 9)
        result = sim.evacuate(sim.zones[0], 2)
        assert (result.moved, result.failed, result.aborted) == (1, 2, False)
        assert result.reason == "no place for a block of several pages"
        assert sim.evacuations()["held"][result.reason] == 1

    def test_a_hole_in_a_region_is_no_obstacle(self):
        sim = simulation()
        take(sim, TOP + 1, TOP + 1000)
        assert sim.evacuate(sim.zones[0], 1).complete
        assert sim.evacuate(sim.zones[0], 1).moved == 0


class TestTries:
    def shuffled(self, **evacuation):
        """Region 1 without a free page, but with 8 on the pageset of a CPU; a page to move in region 2."""
        sim = simulation(pagesets=pa.Pagesets(batch=4, high=200), **evacuation)
        take_whole(sim, 0)
        pfns = take(sim, *range(TOP, 2 * TOP))
        sim.free_batch(pfns[100:108], cpu=1)
        take(sim, 2 * TOP + 5)
        return sim

    def test_one_try_does_not_drain(self):
        sim = self.shuffled(max_tries=1)
        digest = sim.digest()
        assert sim.evacuate(sim.zones[0], 2).reason == "next free page not in a lower region"
        assert sim.digest() == digest

    def test_pagesets_are_drained_before_another_try(self):
        """Also for a page without a place, which with the last try ends it."""
        sim = self.shuffled(max_tries=2)
        result = sim.evacuate(sim.zones[0], 2)
        assert (result.moved, result.aborted, result.reason) == (1, False, "pages on per-CPU lists")
        assert moved(sim)[0][1] in range(TOP + 100, TOP + 108)
        assert pcplists(sim.zones[0], 1)[1] == []

    def test_it_leaves_early_when_all_has_moved(self):
        """To do instead of 6: the loop of tries ends with the first that succeeds, and the next batch follows."""
        sim = simulation(pagesets=pa.Pagesets(batch=4, high=200), max_tries=5)
        sim.free_batch(sim.alloc_batch(np.zeros(8, np.uint8), cpu=1), cpu=1)
        kept = pcplists(sim.zones[0], 1)
        take(sim, *range(2 * TOP, 2 * TOP + 100))
        result = sim.evacuate(sim.zones[0], 2)
        assert (result.moved, result.failed) == (100, 0)
        assert pcplists(sim.zones[0], 1) == kept, "a pageset was drained for nothing"

    def test_the_policy_can_drain_first(self):
        sim = self.shuffled(drain=True)
        assert sim.evacuate(sim.zones[0], 2).moved == 1
        assert pcplists(sim.zones[0], 1)[1] == []


class TestPagesets:
    def test_old_places_go_to_the_pageset_of_a_cpu_of_the_node(self):
        """The last one first, as the kernel frees them: the region is complete only after a drain."""
        sim = simulation(pagesets=pa.Pagesets(batch=4, high=200))
        pfns = take(sim, TOP + 1, TOP + 7, TOP + 30)
        result = sim.evacuate(sim.zones[0], 1)
        assert result._asdict() == {
            "moved": 3, "dropped": 0, "failed": 0, "aborted": False, "complete": False,
            "complete_after_drain": True, "reason": "pages on per-CPU lists",
            "unmovable": 0, "pinned": 0, "cached": 0,
        }  # fmt: skip
        assert pcplists(sim.zones[0], 0)[1] == pfns[::-1]
        assert used(sim)[1] == 3
        assert sim.drain() == 3
        assert used(sim)[1] == 0
        told = sim.evacuations()
        assert (told["tried"], told["complete"], told["complete_after_drain"]) == (1, 0, 1)

    def test_cached_pages_are_met_and_counted(self):
        sim = simulation(pagesets=pa.Pagesets(batch=4, high=200))
        take(sim, TOP + 1, TOP + 2)
        sim.free(TOP + 2, cpu=1)
        result = sim.evacuate(sim.zones[0], 1)
        assert (result.moved, result.cached, result.complete_after_drain) == (1, 1, True)

    def test_a_batch_is_32_pages(self):
        """What it leaves is on a pageset before the next one begins, and not earlier."""
        sim = simulation(pagesets=pa.Pagesets(batch=4, high=200))
        pfns = take(sim, *range(2 * TOP, 2 * TOP + 70))
        left = []

        @MOVE_SINK
        def sink(context, old, new, order):
            left.append(int(pageset_arrays(sim.zones[0], 0)["count"][0]))
            return 0

        sim.set_move_sink(sink)
        assert sim.evacuate(sim.zones[0], 2).moved == len(pfns)
        assert left == [0] * 32 + [32] * 32 + [64] * 6


class TestRanges:
    def test_blocks_that_reach_over_an_end_move_as_a_whole(self):
        sim = simulation()
        take(sim, 2 * TOP, order=4)
        take(sim, 2 * TOP + 32, order=4)
        result = sim.evacuate_range(2 * TOP + 15, 18)
        assert (result.moved, result.complete) == (32, True)
        assert used(sim)[2] == 0

    def test_a_block_that_reaches_in_and_stays_is_in_use(self):
        sim = simulation()
        take(sim, 2 * TOP, order=4, state="pinned")
        result = sim.evacuate_range(2 * TOP + 8, 100)
        assert (result.pinned, result.complete, result.reason) == (16, False, "pinned pages")

    def test_pages_never_go_into_a_region_that_the_range_touches(self):
        """Not even a lower one, from which pages have just gone."""
        sim = simulation()
        take_whole(sim, 0)
        for pfn in range(TOP, TOP + 1000):
            take(sim, pfn, wanted="unmovable")
        take(sim, *range(2 * TOP, 2 * TOP + 20))
        take(sim, *range(4 * TOP, 4 * TOP + 20))
        result = sim.evacuate_range(2 * TOP, 3 * TOP)
        assert {new // TOP for _, new in moved(sim)} == {1}
        assert (result.moved, result.aborted) == (24, True)
        result = sim.evacuate_range(2 * TOP, 3 * TOP, targets="other-regions")
        assert (result.moved, result.complete) == (16, True)
        assert {new // TOP for _, new in moved(sim)[24:]} == {5}

    def test_the_first_region_can_be_part_of_one(self):
        sim = simulation()
        take(sim, 3)
        assert sim.evacuate_range(0, 10).aborted
        assert sim.evacuate_range(0, 10, targets="other-regions").complete
        assert sim.evacuations()["tried"] == 0, "that was no region"


class TestCompaction:
    def test_pages_from_the_bottom_go_to_the_top(self):
        sim = simulation()
        pfns = take(sim, 4, 700, 2 * TOP + 1)
        result = sim.compact(sim.zones[0])
        assert (result.moved, result.complete) == (3, True)
        assert [old for old, _ in moved(sim)] == pfns
        assert all(new // TOP == 5 for _, new in moved(sim))
        # What was free in one block was in its lower pageblock: it takes another round.
        assert sim.compact(sim.zones[0]).moved == 3
        assert sim.compact(sim.zones[0]).moved == 0

    def test_the_scanners_meet(self):
        sim = simulation()
        take(sim, *range(0, 6 * TOP, 3))
        sim.compact(sim.zones[0])
        in_use = used(sim)
        assert in_use == sorted(in_use)
        assert sum(in_use) == 2 * TOP

    def test_pageblocks_of_other_types_are_left_alone(self):
        sim = simulation()
        take(sim, 3, TOP + 3)
        sim.set_pageblocks(0, TOP, "unmovable")
        sim.set_pageblocks(5 * TOP, TOP, "reclaimable")
        sim.compact(sim.zones[0])
        assert [(old // TOP, new // TOP) for old, new in moved(sim)] == [(1, 4)]

    def test_a_block_of_several_pageblocks_is_met_once(self):
        sim = simulation(pageblock_order=5)
        take(sim, 0, order=9, state="pinned")
        assert sim.compact(sim.zones[0]).pinned == 512


class TestHeld:
    def test_regions_are_told_by_what_holds_them(self):
        sim = simulation(pagesets=pa.Pagesets(batch=4, high=200))
        take(sim, TOP, order=3, wanted="unmovable")
        take(sim, TOP + 9, state="pinned")
        take(sim, TOP + 10, state="unevictable")
        take(sim, 2 * TOP, order=5)
        take(sim, 2 * TOP + 100, wanted="unmovable", state="clean")
        take(sim, 2 * TOP + 101)
        sim.free(2 * TOP + 101)
        held = sim.held(sim.zones[0])
        assert held[1].tolist() == (8, 2, 0, 0)
        assert held[2].tolist() == (0, 0, 33, 1)
        total = sum(held[name] for name in held.dtype.names)
        assert total.tolist() == used(sim)


def test_a_log_of_moves_and_counters_tell_of_everything():
    sim = simulation()
    take(sim, TOP + 1, 2 * TOP + 1, 2 * TOP + 2)
    take(sim, 2 * TOP + 3, state="pinned")
    for region in (1, 2, 2):
        sim.evacuate(sim.zones[0], region)
    told = sim.evacuations()
    assert told == {
        "tried": 3, "complete": 1, "complete_after_drain": 0, "moved": 3, "dropped": 0, "failed": 0,
        "moved_blocks": 3, "held": {**dict.fromkeys(told["held"], 0), "pinned pages": 2},
    }  # fmt: skip
    assert sim.moves()["old_pfn"].tolist() == [TOP + 1, 2 * TOP + 1, 2 * TOP + 2]


def test_a_region_that_is_complete_is_parked():
    sim = simulation("biased", region_allocator="when-dry")
    take(sim, 2 * TOP + 1, 3 * TOP + 1)
    assert sim.evacuate(sim.zones[0], 2).complete
    assert sim.evacuate(sim.zones[0], 3).complete
    assert sim.zones[0].parked_regions() == [1, 3, 4, 5], "and one is kept on the list"
    sim.check()


def test_a_range_that_is_free_but_for_pagesets_says_so():
    sim = simulation(pagesets=True, max_used=32)
    take(sim, 2 * TOP + 5, 2 * TOP + 9)
    result = sim.evacuate_range(2 * TOP, 100)
    assert (result.moved, result.complete, result.complete_after_drain) == (2, False, True)
    assert result.reason == "pages on per-CPU lists"
    sim.drain()
    assert sim.evacuate_range(2 * TOP, 100).reason is None
