"""Per-CPU pagesets, one test per rule of either generation.

Rules and names are those of mm/page_alloc.c of Linux v3.9 and v6.12. The state
machine compares whole histories with the model.
"""

from itertools import pairwise

import numpy as np
import pytest
from zones import keeping, movable_list, small_zone

import pasralloc as pa
from pasralloc.testing import pcplists

GIB = 1 << 18
MOVABLE = 1  # in 6.12
BATCH, HIGH = 4, 12


@pytest.mark.parametrize("kernel", ["3.9", "6.12"])
class TestBoth:
    def test_a_refill_takes_a_batch_and_hands_out_the_first(self, kernel):
        zone = keeping(kernel, placement="sorted")
        pfn = zone.alloc()
        rest = movable_list(zone)
        assert rest == [pfn + 1, pfn + 2, pfn + 3], "in physical order"
        assert zone.nr_free == 4096 - BATCH, "what is kept is not free"
        assert [zone.alloc() for _ in range(3)] == rest

    def test_the_page_freed_last_is_taken_first(self, kernel):
        zone = keeping(kernel)
        pfns = [zone.alloc() for _ in range(8)]
        for pfn in pfns[:3]:
            zone.free(pfn)
        assert movable_list(zone)[:3] == pfns[2::-1]
        assert zone.alloc() == pfns[2]

    def test_at_high_a_batch_is_given_back_from_the_end(self, kernel):
        zone = keeping(kernel)
        pfns = [zone.alloc() for _ in range(HIGH)]
        for pfn in pfns[:-1]:
            zone.free(pfn)
        assert zone.nr_cached == HIGH - 1
        zone.free(pfns[-1])
        kept = HIGH - BATCH if kernel == "3.9" else BATCH
        assert movable_list(zone) == pfns[::-1][:kept]
        assert zone.nr_free == 4096 - kept

    def test_a_region_is_not_free_while_one_of_its_pages_is_kept(self, kernel):
        zone = keeping(kernel)
        pfn = zone.alloc()
        region = zone.region_of(pfn)
        zone.free(pfn)
        assert zone.region_nr_free[region] < zone.region_managed[region]
        zone.changed_regions()
        assert zone.drain() == BATCH
        assert zone.region_nr_free[region] == zone.region_managed[region]
        assert zone.changed_regions() == [region]
        assert zone.nr_free == zone.managed
        zone.check()

    def test_each_cpu_has_its_own(self, kernel):
        zone = keeping(kernel, nr_cpus=3)
        pfn = zone.alloc(cpu=0)
        zone.free(pfn, cpu=2)
        assert [zone.pageset(cpu).count for cpu in range(3)] == [BATCH - 1, 0, 1]
        assert zone.alloc(cpu=2) == pfn
        assert zone.drain(0) == BATCH - 1
        assert zone.nr_cached == 0

    def test_reserved_and_cma_pages_ride_with_the_movable_ones(self, kernel):
        zone = keeping(kernel)
        pfn = zone.alloc(0, "unmovable")
        reserved = zone.migratetypes[3]
        for name in ("cma", reserved):
            zone.set_pageblocks(pfn // 1024 * 1024, 1024, name)
            zone.free(pfn)
            assert movable_list(zone)[0] == pfn
            assert zone.alloc() == pfn

    def test_isolated_pages_bypass_the_lists(self, kernel):
        zone = keeping(kernel)
        pfn = zone.alloc()
        zone.set_pageblocks(pfn // 1024 * 1024, 1024, "isolate")
        zone.free(pfn)
        assert pfn not in movable_list(zone)
        assert zone.block_of(pfn).migratetype == "isolate"

    def test_what_is_kept_cannot_be_freed_again(self, kernel):
        zone = keeping(kernel)
        pfn = zone.alloc()
        zone.free(pfn)
        before = zone.digest()
        for call in (
            lambda: zone.free(pfn),
            lambda: zone.free(pfn, 0),
            lambda: zone.free_batch([pfn]),
            lambda: zone.split_allocated(pfn),
        ):
            with pytest.raises(pa.InvalidFree, match="already free, on a per-CPU list"):
                call()
        with pytest.raises(ValueError, match="is on a per-CPU list, expected free"):
            zone.take_range(pfn, 1)
        slots = np.array([pfn])
        ops = np.zeros(1, pa.OP_DTYPE)
        ops["op"] = 1
        assert zone.run(ops, slots) == 1
        assert zone.digest() == before
        assert zone.block_of(pfn) == (pfn, 0, "pcp", None)

    def test_a_snapshot_holds_the_lists(self, kernel):
        zone = keeping(kernel, nr_cpus=2)
        zone.free(zone.alloc(0, "unmovable"), cpu=1)
        saved, lists = zone.snapshot(), [pcplists(zone, cpu) for cpu in range(2)]
        zone.drain()
        zone.alloc_batch([0] * 50)
        zone.restore(saved)
        assert [pcplists(zone, cpu) for cpu in range(2)] == lists
        assert zone.digest() == saved.digest
        with pytest.raises(ValueError, match="not of a zone like"):
            keeping(kernel, nr_cpus=1).restore(saved)

    def test_streams_and_batches_use_them(self, kernel):
        single, batch, stream = (keeping(kernel, nr_cpus=2) for _ in range(3))
        nr = 300
        movable = single.migratetypes.index("movable")
        pfns = [single.alloc(cpu=1) for _ in range(nr)]
        assert batch.alloc_batch([0] * nr, cpu=1).tolist() == pfns
        ops, slots = np.zeros(nr, pa.OP_DTYPE), np.full(nr, -1, np.int64)
        ops["slot"] = np.arange(nr)
        ops["migratetype"] = movable
        assert stream.run(ops, slots, cpu=1) == 0
        assert slots.tolist() == pfns
        for pfn in pfns[::3]:
            single.free(pfn, cpu=0)
        batch.free_batch(pfns[::3], cpu=0)
        ops["op"] = 1
        stream.run(ops[::3].copy(), slots, cpu=0)
        assert single.digest() == batch.digest() == stream.digest()


class Test39:
    def test_only_single_pages_are_kept(self):
        zone = keeping("3.9")
        zone.free(zone.alloc(1))
        assert zone.nr_cached == 0
        zone.free(zone.alloc(0))
        assert zone.nr_cached == BATCH

    @pytest.mark.parametrize(
        ("lengths", "left"),
        [
            ((11, 11, 8), (9, 9, 6)),  # 1 + 1 + 1, then the same again
            ((15, 15, 0), (11, 13, 0)),  # reclaimable 1, unmovable after an empty list 2, and again
        ],
    )
    def test_the_round_robin_frees_more_from_a_list_after_empty_ones(self, lengths, left):
        """From list 1 on, with a count that grows with every list met and shrinks with every page."""
        zone = keeping("3.9", batch=6, high=30, placement="sorted")
        zone.set_pageblocks(1024, 1024, "unmovable")
        zone.set_pageblocks(2048, 1024, "reclaimable")
        names = zone.migratetypes[:3]
        pfns = [[zone.alloc(0, name) for _ in range(20)] for name in names]
        zone.drain()
        for own, length in zip(pfns, lengths, strict=True):
            for pfn in own[:length]:
                zone.free(pfn)
        assert zone.pageset().lengths[:3].tolist() == list(left)

    def test_two_empty_lists_let_the_third_go_at_once(self):
        zone = keeping("3.9")
        pfns = [zone.alloc(0, "movable") for _ in range(HIGH)]
        zone.free_batch(pfns)
        assert zone.pageset().lengths[:3].tolist() == [0, 0, HIGH - BATCH]

    def test_a_page_goes_back_as_the_type_noted_when_it_was_freed(self):
        """``get_freepage_migratetype()``: what the pageblock became meanwhile does not matter."""
        zone = keeping("3.9", placement="sorted")
        pfn = zone.alloc()
        zone.free(pfn)
        zone.set_pageblocks(0, 1024, "unmovable")
        zone.drain()
        assert zone.block_of(pfn) == (0, 10, "free", "movable"), "though the pageblock is unmovable"

    def test_a_free_notes_the_type_of_the_pageblock_anew(self):
        zone = keeping("3.9", placement="sorted")
        pfns = [zone.alloc() for _ in range(BATCH)]  # noted as movable by the refill
        zone.set_pageblocks(0, 1024, "unmovable")
        zone.free(pfns[0])
        zone.drain()
        assert zone.block_of(pfns[0]) == (pfns[0], 0, "free", "unmovable")

    def test_a_snapshot_holds_what_was_noted(self):
        zone, twin = keeping("3.9"), keeping("3.9")
        pfn = zone.alloc()
        zone.free(pfn)
        zone.set_pageblocks(pfn // 1024 * 1024, 1024, "unmovable")
        twin.restore(zone.snapshot())
        twin.drain()
        assert twin.block_of(pfn).migratetype == "movable"

    def test_a_refill_notes_the_type_of_the_request(self):
        zone = keeping("3.9", nr_blocks=1, pageblock_order=10, placement="sorted")
        zone.take_range(8, 1016)
        zone.alloc(0, "unmovable")  # steals 4 pages of a movable pageblock
        kept = pcplists(zone, 0)[0]
        assert len(kept) == 3
        zone.drain()
        assert {zone.block_of(pfn).migratetype for pfn in kept} == {"unmovable"}

    def test_cma_pages_of_a_refill_stay_cma_pages(self):
        zone = keeping("3.9", nr_blocks=1)
        zone.set_pageblocks(0, 1024, "cma")
        zone.alloc(0, "movable")
        kept = pcplists(zone, 0)[2]
        zone.drain()
        assert {zone.block_of(pfn).migratetype for pfn in kept} == {"cma"}

    def test_a_dry_type_does_not_look_at_other_lists(self):
        zone = keeping("3.9", nr_blocks=1)
        zone.take_range(0, 1023)
        zone.free(zone.alloc(0, "movable"))
        assert zone.nr_cached == 1
        with pytest.raises(pa.OutOfMemory):
            zone.alloc(0, "unmovable")
        assert zone.alloc(0, "movable") == 1023

    def test_nothing_decays(self):
        zone = keeping("3.9")
        zone.alloc()
        assert zone.decay() == 0
        assert zone.nr_cached == BATCH - 1


class Test612:
    def test_orders_0_to_3_and_the_pageblock_order_are_kept(self):
        zone = keeping(batch=64, high=4096, nr_blocks=8)
        for order in range(11):
            zone.free(zone.alloc(order))
            kept = zone.nr_cached != 0
            assert kept == (order in (0, 1, 2, 3, 9)), order
            zone.drain()
            assert zone.nr_free == zone.managed

    def test_the_pageblock_order_has_one_list_for_movable_and_one_for_the_rest(self):
        zone = keeping(batch=64, high=4096, nr_blocks=8)
        for name, index in (("movable", 13), ("unmovable", 12), ("reclaimable", 12)):
            zone.alloc(9, name)
            assert zone.pageset().lengths[index] == 1, "two were taken"
            zone.drain()

    def test_high_order_refills_are_smaller_but_two_at_least(self):
        zone = keeping(batch=63, high=1000)
        for order, nr in ((1, 31), (2, 15), (3, 7), (9, 2)):
            zone.alloc(order)
            assert zone.pageset().lengths.max() == nr - 1
            zone.drain()

    def test_a_huge_page_does_not_let_a_pageset_outgrow_its_room(self):
        """``decay_pcp_high()`` sets ``high`` to what is kept less 32 batches, whatever the largest is."""
        sizes = pa.Pagesets(batch=4, high=12, high_max=24)
        zone = pa.Zone(8192, region_pages=2048, pageblock_order=9, pagesets=sizes)
        pfns = zone.alloc_batch(np.zeros(3000, np.uint8))
        zone.alloc(9)
        assert zone.pageset().count > 24 + 32 * 4, "the second of the refill"
        zone.decay()
        assert zone.pageset().high == 24
        zone.check()
        zone.free_batch(pfns)
        assert zone.nr_cached <= 24
        zone.check()

    def test_batches_double_while_nothing_is_freed(self):
        zone = pa.Zone(GIB, region_pages=GIB, pagesets=pa.Pagesets())
        taken = []
        for _ in range(8):
            before = zone.nr_free
            zone.alloc()
            taken.append(before - zone.nr_free)
            zone.alloc_batch([0] * zone.pageset().count)
        assert taken == [63 << factor for factor in (0, 1, 2, 3, 4, 5, 5, 5)]

    def test_a_free_halves_the_exponent_of_the_next_batch(self):
        zone = pa.Zone(GIB, region_pages=GIB, pagesets=pa.Pagesets())
        pfns = zone.alloc_batch([0] * 4000)
        assert zone.pageset().alloc_factor == 5
        zone.free(int(pfns[0]))
        assert zone.pageset().alloc_factor == 2

    def test_refills_raise_high_up_to_high_max(self):
        zone = keeping(batch=4, high=16)
        assert zone.pageset().high == 16
        tuned = small_zone(4, 1, pagesets=pa.Pagesets(batch=4, high=16, high_max=30))
        tuned.alloc()
        assert tuned.pageset().high == 20
        tuned.alloc_batch([0] * 500)
        assert tuned.pageset().high == 30

    def test_a_refill_leaves_room_below_high(self):
        """``max_nr_alloc``: at most high - count - batch, and a batch at least."""
        zone = keeping(batch=4, high=12)
        taken = []
        for _ in range(4):
            before = zone.nr_free
            zone.alloc()
            taken.append(before - zone.nr_free)
            zone.alloc_batch([0] * zone.pageset().count)
        assert taken == [4, 8, 8, 8]

    def test_a_refill_keeps_cma_and_other_memory_in_balance(self):
        zone = keeping(placement="sorted")
        zone.set_pageblocks(1024, 3072, "cma")
        assert zone.region_of(zone.alloc(0, "movable")) == 1, "three quarters are CMA memory"
        assert zone.region_of(zone.alloc(0, "unmovable")) == 0

    def test_frees_in_a_row_are_given_back_in_larger_batches(self):
        zone = small_zone(8, 1, pagesets=pa.Pagesets(batch=4, high=64, high_max=64))
        pfns = zone.alloc_batch([0] * 200)
        zone.drain()
        counts = []
        for pfn in pfns:
            zone.free(int(pfn))
            counts.append(zone.nr_cached)
        drops = [a - b + 1 for a, b in pairwise(counts) if b < a]
        assert drops[0] == 60, "free_count, at most high - batch"

    def test_high_grows_to_hold_what_is_freed_in_a_row(self):
        zone = small_zone(8, 1, pagesets=pa.Pagesets(batch=4, high=16, high_max=100))
        pfns = zone.alloc_batch([0] * 300)
        zone.drain()
        for _ in range(20):
            zone.decay()
        assert zone.pageset().high == 16
        zone.free_batch(pfns)
        assert zone.pageset().high == 100

    def test_an_allocation_halves_free_count(self):
        zone = small_zone(8, 1, pagesets=pa.Pagesets(batch=8, high=64, high_max=64))
        pfns = zone.alloc_batch([0] * 40)
        zone.free_batch(pfns[:20])
        assert zone.pageset().free_count == 20
        zone.alloc()
        assert zone.pageset().free_count == 10

    def test_many_frees_of_high_order_are_not_kept(self):
        """``free_high``: a batch freed in a row, the one before was of high order, and a batch is kept."""
        zone = small_zone(8, 1, pagesets=pa.Pagesets(batch=16, high=400, high_max=400))
        pfns = zone.alloc_batch([3] * 10)
        zone.drain()
        for pfn, kept in zip(pfns, (8, 16, 0, 8), strict=False):
            zone.free(int(pfn))
            assert zone.nr_cached == kept

    def test_the_first_free_of_high_order_is_kept_however_many_pages_were_freed_before(self):
        zone = small_zone(8, 1, pagesets=pa.Pagesets(batch=8, high=400, high_max=400))
        pfns = zone.alloc_batch([0] * 16 + [1, 1])
        zone.drain()
        zone.free_batch(pfns[:17])
        assert zone.nr_cached == 18
        zone.free(int(pfns[17]))
        assert zone.nr_cached == 0

    def test_a_list_is_emptied_before_the_next_and_the_freed_one_is_first(self):
        zone = small_zone(
            8, 1, placement="sorted", pagesets=pa.Pagesets(batch=6, high=24, high_max=24)
        )
        unmovable = [zone.alloc(0, "unmovable") for _ in range(20)]
        movable = [zone.alloc(0, "movable") for _ in range(20)]
        zone.drain()
        for pfn in unmovable[:19]:
            zone.free(pfn)
        for pfn in movable[:5]:
            zone.free(pfn)
        lengths = zone.pageset().lengths
        assert zone.nr_cached < 24
        assert lengths[MOVABLE] == 0, "the list of the last free goes first"

    def test_pages_go_back_as_what_their_pageblock_is_by_now(self):
        zone = keeping(placement="sorted")
        pfn = zone.alloc()
        zone.free(pfn)
        zone.set_pageblocks(0, 1024, "unmovable")
        zone.drain()
        assert zone.block_of(pfn).migratetype == "unmovable"

    def test_kept_pageblocks_of_types_that_do_not_merge_go_back_apart(self):
        zone = small_zone(4, 1, pagesets=pa.Pagesets(batch=64, high=4096, high_max=4096))
        pfn = zone.alloc(10)
        zone.split_allocated(pfn, 9)
        zone.set_pageblocks(pfn + 512, 512, "cma")
        for each in (pfn + 512, pfn):
            zone.free(each)
        zone.drain()
        assert zone.block_of(pfn) == (pfn, 9, "free", "movable")
        assert zone.block_of(pfn + 512) == (pfn + 512, 9, "free", "cma")

    def test_decay_takes_an_eighth_of_high_and_gives_back_what_is_above(self):
        zone = small_zone(8, 1, pagesets=pa.Pagesets(batch=4, high=16, high_max=400))
        pfns = zone.alloc_batch([0] * 600)
        zone.drain()
        zone.free_batch(pfns)
        before = zone.pageset()
        given = zone.decay()
        after = zone.pageset()
        assert after.high == max(before.high - before.high // 8, before.count - 128)
        assert given == before.count - after.count
        assert after.count <= after.high

    def test_a_boot_pageset_keeps_nothing(self):
        zone = small_zone(4, 1, pagesets=pa.Pagesets(batch=1, high=0, high_max=0))
        zone.free(zone.alloc())
        assert zone.nr_cached == 0
