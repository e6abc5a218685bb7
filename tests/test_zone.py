import pickle
import resource

import numpy as np
import pytest
from zones import small_zone

import pasralloc as pa
from pasralloc.testing import ZoneModel, freelist

ENOMEM = -12


class TestConstruction:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"region_pages": 1000}, "region_pages must be 1024 to .*, got 1000"),
            ({"region_pages": 1500}, "region_pages must be a multiple of 1024 .*, got 1500"),
            ({"region_pages": 0}, "got 0"),
            ({"region_pages": -1024}, "got -1024"),
            ({"nr_pages": 0}, "nr_pages must be 1 to .*, got 0"),
            ({"nr_pages": -5}, "got -5"),
            ({"nr_pages": 1 << 32}, "nr_pages must be .*, got 4294967296"),
            ({"nr_pages": 1 << 80}, "nr_pages must be"),
            ({"nr_pages": 4097 * 1024}, "make 4097 regions, expected at most 4096"),
            ({"start_pfn": -1024}, "start_pfn must be 0 to .*, got -1024"),
            ({"start_pfn": 1 << 50}, "start_pfn must be"),
            (
                {"start_pfn": 1},
                "start_pfn must be a multiple of 1024, got 0x1: start at 0x0 and declare the 1 pages",
            ),
            (
                {"placement": "sort"},
                "placement must be one of 'linux', 'sorted', 'biased', got 'sort'",
            ),
            ({"placement": None}, "placement must be one of"),
            ({"kernel": "6.11"}, "kernel must be one of '3.9', '6.12', got '6.11'"),
            ({"quirks": "all"}, "quirks must be one of 'fixed', 'posted', got 'all'"),
            ({"pageblock_order": 11}, "pageblock_order must be 1 to 10, got 11"),
            (
                {"absent": [(0, 5000)]},
                "nr of the absent range at pfn 0x0 must be 1 to 4096, got 5000",
            ),
            (
                {"absent": [(0, 10), (9, 10)]},
                "the absent range at pfn 0x9 overlaps the one before it",
            ),
            ({"absent": [(4096, 1)]}, "pfn of an absent range must be 0 to 4095, got 4096"),
            ({"absent": [(0, 0)]}, "nr of the absent range at pfn 0x0 must be 1"),
            ({"absent": [7]}, r"absent must hold \(pfn, nr\) pairs, got 7"),
            ({"buffer": bytes(1 << 20)}, "buffer must be a writable"),
            ({"buffer": bytearray(64)}, "buffer must hold at least"),
        ],
    )
    def test_what_does_not_fit_is_refused_by_name(self, options, message):
        arguments = {"nr_pages": 4096, "region_pages": 1024, **options}
        with pytest.raises(ValueError, match=message):
            pa.Zone(**arguments)

    @pytest.mark.parametrize("value", [2.7, "4096", None, 1j])
    def test_what_is_no_integer_is_a_type_error(self, value):
        with pytest.raises(TypeError, match="nr_pages must be an integer, got"):
            pa.Zone(value, region_pages=1024)
        with pytest.raises(TypeError, match="region_pages must be an integer, got"):
            pa.Zone(4096, region_pages=value)

    def test_numpy_integers_are_integers(self):
        assert pa.Zone(np.uint32(4096), region_pages=np.int64(1024)).nr_regions == 4

    def test_the_last_region_may_be_short(self):
        zone = pa.Zone(5000, region_pages=2048)
        assert zone.nr_regions == 3
        assert zone.region_managed.tolist() == [2048, 2048, 904]
        zone.check()

    def test_regions_need_not_be_powers_of_two(self):
        zone = pa.Zone(12 * 1024, region_pages=3 * 1024)
        assert [zone.region_of(pfn) for pfn in (0, 3071, 3072, 12287)] == [0, 0, 1, 3]

    def test_4096_regions_of_any_multiple_of_a_block(self, placement):
        zone = pa.Zone(4096 * 3072, region_pages=3072, placement=placement)
        assert zone.nr_regions == 4096
        assert zone.region_of(4096 * 3072 - 1) == 4095
        zone.check()

    def test_absent_pages_are_neither_managed_nor_given_out(self, placement):
        zone = small_zone(2, 1, absent=[(10, 500), (1024, 1)], placement=placement)
        assert zone.managed == zone.nr_free == 2048 - 501
        pfns = zone.alloc_batch(np.zeros(2048, np.uint8))
        got = set(pfns[pfns >= 0].tolist())
        assert got == set(range(2048)) - set(range(10, 510)) - {1024}
        assert zone.block_of(300) == (300, 0, "absent", None)

    def test_a_zone_of_absent_pages_only_can_grow(self, placement):
        zone = small_zone(2, 1, absent=[(0, 2048)], placement=placement)
        assert zone.managed == 0
        with pytest.raises(pa.OutOfMemory):
            zone.alloc()
        assert zone.block_of(1500) == (1024, 10, "absent", None)
        zone.add_pages(100, 24)
        assert zone.buddyinfo().tolist()[:5] == [0, 0, 2, 2, 0]
        # Sorted: before the last block of the region. Linux: fresh memory at the tail.
        expected = {"sorted": [[120, 100], [112, 104]], "linux": [[100, 120], [104, 112]]}
        assert [freelist(zone, order, "movable") for order in (2, 3)] == expected[placement]

    @pytest.mark.parametrize("kernel", ["3.9", "6.12"])
    def test_pages_join_the_pageblocks_they_lie_in(self, kernel):
        """``split_large_buddy()`` of 6.12 frees each pageblock as what it is; 3.9 goes by the first one."""
        options = {
            "region_pages": 1024,
            "absent": [(0, 128)],
            "pageblock_order": 5,
            "kernel": kernel,
        }
        zone, model = pa.Zone(1024, **options), ZoneModel(1024, **options)
        for either in (zone, model):
            either.set_pageblocks(0, 32, "isolate")
            either.set_pageblocks(64, 32, "unmovable")
            either.add_pages(0, 128)
        lists = {key: pfns for key, pfns in model.lists.items() if pfns}
        assert all(freelist(zone, order, name) == pfns for (order, name), pfns in lists.items())
        assert (
            lists
            == {
                "3.9": {(10, "isolate"): [0]},
                "6.12": {
                    (9, "movable"): [512],
                    (8, "movable"): [256],
                    (7, "movable"): [128],
                    (6, "movable"): [64],
                    (5, "movable"): [32],
                    (5, "isolate"): [0],
                },
            }[kernel]
        )
        zone.check()

    def test_memory_may_be_the_callers(self):
        nr_bytes = pa.Zone.buffer_size(4096, region_pages=1024)
        memory = np.full(nr_bytes + 64, 0xAA, np.uint8)
        start = -memory.ctypes.data % 64
        zone = pa.Zone(4096, region_pages=1024, buffer=memory[start : start + nr_bytes])
        zone.check()
        assert zone.digest() == pa.Zone(4096, region_pages=1024).digest()
        with pytest.raises(ValueError, match="multiple of 64"):
            pa.Zone(1024, region_pages=1024, buffer=memory[start + 1 :])

    def test_tables_take_at_most_13_bytes_per_page(self):
        for nr_pages, region_pages in (
            (1 << 18, 1024),
            (1 << 22, 1024),
            (1 << 22, 1 << 16),
            (1 << 28, 1 << 16),
        ):
            assert pa.Zone.buffer_size(nr_pages, region_pages=region_pages) <= 13 * nr_pages


class TestPlacement:
    """Order of the lists, worked out by hand from the rules."""

    def test_sorted_lists_serve_the_lowest_region_and_keep_its_first_block_last(self):
        zone = small_zone(8, 2)
        assert freelist(zone, 10, "movable") == [1024, 0, 3072, 2048, 5120, 4096, 7168, 6144]
        assert [zone.alloc(10) for _ in range(8)] == [1024, 0, 3072, 2048, 5120, 4096, 7168, 6144]

    def test_sorted_insertion_goes_just_before_the_last_block_of_the_region(self):
        zone = small_zone(3, 3)
        pages = [zone.alloc() for _ in range(1024)]
        for pfn in (10, 20, 30, 40):
            assert pfn + 1024 in pages
            zone.free(pfn + 1024)
        assert freelist(zone, 0, "movable") == [1044, 1054, 1064, 1034]

    def test_linux_boot_order_follows_the_generation(self):
        old = small_zone(3, 1, placement="linux", kernel="3.9")
        new = small_zone(3, 1, placement="linux", kernel="6.12")
        assert freelist(old, 10, "movable") == [2048, 1024, 0]
        assert freelist(new, 10, "movable") == [0, 1024, 2048]

    def test_linux_frees_go_to_the_head(self):
        zone = small_zone(1, 1, placement="linux")
        assert [zone.alloc() for _ in range(8)] == list(range(8))
        for pfn in (0, 2, 5):
            zone.free(pfn)
        assert freelist(zone, 0, "movable") == [5, 2, 0]

    def test_linux_frees_go_to_the_tail_when_the_buddy_of_the_parent_is_free(self):
        zone = small_zone(1, 1, placement="linux")
        for _ in range(6):
            zone.alloc()
        # 6-7 is free as a block of order 1: it is the buddy of the parent of page 4.
        zone.free(0)
        zone.free(4)
        assert freelist(zone, 1, "movable") == [6]
        assert freelist(zone, 0, "movable") == [0, 4]

    def test_a_split_puts_the_largest_half_back_first(self, placement):
        zone = small_zone(1, 1, placement=placement)
        assert zone.alloc() == 0
        assert [freelist(zone, order, "movable") for order in range(10)] == [
            [1 << k] for k in range(10)
        ]

    @pytest.mark.parametrize("offset", [1, 16])
    def test_posted_regions_reproduce_the_published_present_counts(self, offset):
        """ZONE_NORMAL of the 2013 (v2) and 2012 (v1) test machine: 4 GiB from 4 GiB on.

        Regions of 512 MiB are counted from the node's first pfn, so the zone's
        region 0 holds the last *offset* pages of a region that began below it.
        """
        start = (1 << 20) + offset - 131072
        below = 131072 - offset
        zone = pa.Zone(
            below + (1 << 20),
            region_pages=131072,
            start_pfn=start,
            absent=[(start, below)],
            quirks="posted",
        )
        assert zone.region_managed.tolist() == [offset, *[131072] * 7, 131072 - offset]
        # The block that holds those pages counts in full, and region 8 misses it.
        assert zone.region_nr_free.tolist() == [1024, *[131072] * 7, 131072 - 1024]
        zone.check()
        # Taking it apart moves its other pages to the region where they lie.
        zone.alloc_batch(np.zeros(1024, np.uint8))
        zone.check()
        assert zone.region_nr_free[0] == 0


def test_the_merge_heuristic_holds_up_to_the_order_below_the_last_but_one():
    zone = small_zone(2, 1, placement="linux")
    zone.take_range(0, 2048)
    zone.split_allocated(0, 8)
    zone.split_allocated(1024, 8)
    for pfn in (512, 768, 1024, 0):  # the buddy of what 0 and 256 would make is free
        zone.free(pfn)
    assert freelist(zone, 8, "movable") == [1024, 0]


class TestTypes:
    @pytest.mark.parametrize(("kernel", "numbers"), [("6.12", (0, 1, 2)), ("3.9", (0, 2, 1))])
    def test_numbers_follow_the_kernel_generation(self, kernel, numbers):
        zone = small_zone(kernel=kernel)
        names = ("unmovable", "movable", "reclaimable")
        assert tuple(zone.migratetypes.index(name) for name in names) == numbers
        for name, number in zip(names, numbers, strict=True):
            assert zone.block_of(zone.alloc(0, number)).migratetype == name

    @pytest.mark.parametrize(
        ("wanted", "row"),
        [
            ("unmovable", ("reclaimable", "movable")),
            ("reclaimable", ("unmovable", "movable")),
            ("movable", ("reclaimable", "unmovable")),
        ],
    )
    def test_fallback_rows_are_those_of_linux(self, wanted, row, placement):
        zone = small_zone(3, 1, placement=placement)
        for block, name in enumerate((*row, wanted)):
            zone.set_pageblocks(block * 1024, 1024, name)
        assert [zone.alloc(10, wanted) // 1024 for _ in range(3)] == [2, 0, 1]
        with pytest.raises(pa.OutOfMemory):
            zone.alloc(0, wanted)

    def test_a_free_goes_to_the_type_of_its_pageblock(self):
        zone = small_zone(2, 1)
        zone.set_pageblocks(1024, 1024, "reclaimable")
        pfn = zone.alloc(9, "reclaimable")
        assert pfn == 1024
        zone.set_pageblocks(1024, 1024, "unmovable")
        zone.free(pfn)
        assert freelist(zone, 10, "unmovable") == [1024]

    @pytest.mark.parametrize("bad", ["Movable", "highatomic", "cma", 3, -1, 6])
    def test_a_type_that_cannot_be_requested_is_refused(self, bad):
        with pytest.raises(ValueError, match="migratetype must be"):
            small_zone().alloc(0, bad)


class TestRun:
    def test_failures_are_counted_and_the_stream_goes_on(self, placement):
        zone = small_zone(1, 1, placement=placement)
        slots = np.full(3, -1, np.int64)
        ops = np.zeros(6, pa.OP_DTYPE)
        ops["op"] = [0, 0, 1, 1, 0, 1]
        ops["order"] = [10, 0, 0, 0, 3, 4]
        ops["slot"] = [0, 1, 1, 0, 2, 2]
        ops["flags"] = [0, 0, 0, 0, 0, 1]
        # The second allocation finds nothing, its free names an errno; the last free has the wrong order.
        assert zone.run(ops, slots) == 3
        assert slots.tolist() == [0, ENOMEM, 0]
        assert zone.nr_free == 1016

    @pytest.mark.parametrize("nr", [0, 1, 511, 512, 513, 1023, 1024, 5000])
    def test_streams_of_any_length_do_what_single_calls_do(self, nr, placement):
        rng = np.random.default_rng(nr)
        a, b = (small_zone(4, 2, placement=placement) for _ in range(2))
        ops = np.zeros(nr, pa.OP_DTYPE)
        ops["op"] = rng.random(nr) < 0.45
        ops["order"] = rng.choice([0, 0, 0, 1, 4, 9], nr)
        ops["migratetype"] = rng.integers(0, 3, nr)
        ops["slot"] = rng.integers(0, 64, nr)
        slots = np.full(64, -1, np.int64)
        expected, nr_failed = slots.tolist(), 0
        for op, order, migratetype, _, slot in ops.tolist():
            try:
                if op:
                    b.free(expected[slot])
                else:
                    expected[slot] = b.alloc(order, migratetype)
            except pa.OutOfMemory:
                expected[slot], nr_failed = ENOMEM, nr_failed + 1
            except pa.InvalidFree:
                nr_failed += 1
        assert a.run(ops, slots) == nr_failed
        assert slots.tolist() == expected
        assert a.digest() == b.digest()

    def test_blocks_that_were_never_split_touch_no_table_of_pages(self, placement):
        """64 GiB at the largest order: tags would be 16 MiB, so 4096 page faults, in each direction."""
        zone = pa.Zone(1 << 24, region_pages=1 << 18, placement=placement, pageblock_order=10)
        ops = np.zeros((2, 1 << 14), pa.OP_DTYPE)
        ops["op"] = [[0], [1]]
        ops["order"] = 10
        ops["migratetype"] = 1
        ops["slot"] = np.arange(1 << 14)
        slots = np.full(1 << 14, -1)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        assert zone.run(ops.ravel(), slots) == 0
        zone.free_batch(zone.alloc_batch(np.full(1 << 14, 10, np.uint8)))
        for pfn in [zone.alloc(10) for _ in range(1 << 14)]:
            zone.free(pfn)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 2048
        assert zone.nr_free == 1 << 24


class TestState:
    def test_a_snapshot_restores_every_answer(self, placement):
        zone = small_zone(4, 2, placement=placement, absent=[(700, 3)])
        rng = np.random.default_rng(1)
        live = zone.alloc_batch(rng.choice([0, 1, 2, 5], 300))
        zone.free_batch(rng.permutation(live)[:150])
        saved = zone.snapshot()
        first = zone.alloc_batch(np.zeros(500, np.uint8)).tolist()
        assert zone.digest() != saved.digest
        zone.restore(saved)
        zone.check()
        assert zone.digest() == saved.digest
        assert zone.alloc_batch(np.zeros(500, np.uint8)).tolist() == first

    def test_a_snapshot_survives_pickling_and_fits_another_zone_like_it(self, placement):
        zone, other = (small_zone(placement=placement) for _ in range(2))
        zone.alloc(3)
        saved = pickle.loads(pickle.dumps(zone.snapshot()))
        other.restore(saved)
        assert other.digest() == zone.digest()
        assert saved == zone.snapshot()
        assert hash(saved) == hash(zone.snapshot())

    def test_a_snapshot_of_another_kind_of_zone_is_refused(self):
        zone = small_zone(4, 2)
        before = zone.digest()
        for other in (
            small_zone(4, 2, placement="linux"),
            small_zone(4, 2, kernel="3.9"),
            small_zone(4, 1),
            small_zone(5, 2),
            small_zone(4, 2, start_pfn=1024),
            small_zone(4, 2, pageblock_order=10),
        ):
            with pytest.raises(ValueError, match="is not of a zone like"):
                zone.restore(other.snapshot())
        with pytest.raises(TypeError):
            zone.restore(None)
        assert zone.digest() == before

    def test_a_forged_snapshot_is_refused_and_leaves_the_zone_as_it_was(self, placement):
        zone = small_zone(2, 1, placement=placement)
        zone.alloc()
        before = zone.snapshot()
        image = before.image
        with pytest.raises(ValueError, match="does not have the digest"):
            pa.ZoneSnapshot(image, "0" * 32)
        refused = 0
        for at in range(0, len(image), 97):
            forged = bytearray(image)
            forged[at] ^= 0x5A
            zone.restore(before)
            zone.free(zone.alloc())
            changed = zone.changed_regions()
            zone.free(zone.alloc(10))
            try:
                zone.restore(pa.ZoneSnapshot(bytes(forged)))
            except ValueError as error:
                refused += 1
                assert "is not sound" in str(error) or "is not of a zone like" in str(error)
                assert zone.changed_regions(), "the record of changes survives a refusal"
                assert not changed
            zone.check()
        # All but links that no list reaches, which the image writes as zero and nobody reads.
        assert refused >= len(image) // 97 // 10

    @pytest.mark.parametrize("delta", [-8192, -9, -1, 1, 8, 9216])
    def test_a_snapshot_of_another_length_is_refused(self, delta):
        zone = small_zone(2, 1)
        zone.alloc()
        before = zone.digest()
        image = zone.snapshot().image
        image = image[:delta] if delta < 0 else image + bytes(delta)
        for cut in (image, image[:100], b""):
            with pytest.raises(ValueError, match="is not of a zone like"):
                zone.restore(pa.ZoneSnapshot(cut))
        assert zone.digest() == before

    def test_restoring_forgets_what_changed_before(self):
        zone = small_zone()
        saved = zone.snapshot()
        zone.alloc()
        zone.restore(saved)
        assert zone.changed_regions() == []

    def test_a_digest_tells_states_not_histories(self, placement):
        """What lists went through leaves traces in memory that nothing can reach."""
        zone = small_zone(1, 1, placement=placement)
        pages = zone.alloc_batch(np.zeros(64, np.uint8))
        full = zone.digest()
        zone.free(pages[8])
        assert zone.alloc() == pages[8]
        assert zone.digest() == full, "the end of a run that is empty now"
        zone.free(pages[8])
        one_free = zone.digest()
        zone.free(pages[20])
        assert zone.alloc() == pages[20]
        assert zone.digest() == one_free, "the predecessor of what is the head now"

    def test_views_are_live_and_read_only(self):
        zone = small_zone(2, 1)
        free = zone.region_nr_free
        zone.alloc(4)
        assert free.tolist() == [1008, 1024]
        with pytest.raises(ValueError, match="read-only"):
            free[0] = 7
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            free.flags.writeable = True
        del zone
        assert free.tolist() == [1008, 1024]

    def test_changed_regions_are_those_that_became_empty_or_used(self, placement):
        zone = small_zone(4, 1, placement=placement)
        assert zone.changed_regions() == []
        pfn = zone.alloc(3)
        assert zone.changed_regions() == [zone.region_of(pfn)]
        other = zone.alloc(3)
        assert zone.changed_regions() == []
        zone.free(other)
        zone.free(pfn)
        assert zone.changed_regions() == [zone.region_of(pfn)]

    def test_blocks_tile_what_is_managed(self, placement):
        zone = small_zone(3, 1, absent=[(100, 29)], placement=placement)
        pfns = zone.alloc_batch([3, 0, 9, 10])
        blocks = zone.blocks()
        assert (1 << blocks["order"].astype(np.int64)).sum() == zone.managed
        assert sorted(blocks["pfn"][~blocks["is_free"]].tolist()) == sorted(pfns.tolist())
        for pfn, order, number, is_free in blocks.tolist():
            block = zone.block_of(pfn + (1 << order) - 1)
            assert block == (
                pfn,
                order,
                "free" if is_free else "allocated",
                zone.migratetypes[number],
            )

    def test_repr_says_what_it_is(self):
        assert repr(small_zone(2, 1)) == (
            "<Zone 2048 pages from pfn 0x0, 2 regions of 1024, placement='sorted', kernel='6.12', 2048 free>"
        )
