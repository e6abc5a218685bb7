"""Pagesets by region, whole runs, checks of their state, and hostile snapshots."""

import numpy as np
import pytest
from zones import keeping, movable_list, small_zone

import pasralloc as pa
from pasralloc.testing import corrupt, freelist

MOVABLE = 1  # in 6.12


class TestByRegion:
    def test_refills_come_from_the_lowest_region_of_any_order(self):
        chosen = {}
        for by_region in (False, True):
            zone = keeping(by_region=by_region, placement="sorted")
            zone.take_range(3 * 1024, 1023)  # leaves one single page, in the highest region
            chosen[by_region] = zone.region_of(zone.alloc())
        assert chosen == {False: 3, True: 0}

    def test_what_is_given_back_lies_in_the_highest_regions(self):
        zone = keeping(by_region=True, placement="sorted")
        zone.take_range(0, 4096)
        zone.split_allocated(0)
        for start in (1024, 2048, 3072):
            zone.split_allocated(start)
        high = [3072, 3080, 3090]
        low = [0, 8, 16, 24, 32, 40, 48, 56]
        for pfn in (high[0], *low[:4], high[1], *low[4:], high[2]):
            zone.free(pfn)
        assert zone.nr_cached == 11
        zone.free(2048)
        assert zone.nr_cached == 4
        assert movable_list(zone) == low[:3:-1], "the latest of the lowest region stay"
        assert zone.block_of(3072).state == "free"

    def test_a_wide_zone_gathers_in_pieces(self):
        zone = pa.Zone(
            1 << 22,
            region_pages=1024,
            pagesets=pa.Pagesets(batch=500, high=2000, high_max=2000, by_region=True),
        )
        pfns = zone.alloc_batch([0] * 40_000)
        zone.free_batch(np.random.default_rng(0).permutation(pfns))
        zone.check()
        zone.drain()
        zone.check()
        assert zone.nr_free == zone.managed


class TestWholeRuns:
    """Whole blocks that are given back at once leave the lists that single pages would."""

    @pytest.mark.parametrize("step", [1, -1])
    def test_buddies_in_a_row_come_back_as_one_block(self, step, placement):
        zone = small_zone(
            4, 1, placement=placement, pagesets=pa.Pagesets(batch=63, high=2048, high_max=2048)
        )
        zone.take_range(0, 1024)
        zone.split_allocated(0)
        for pfn in range(1024)[::step]:
            zone.free(pfn)
        plain = small_zone(4, 1, placement=placement)
        plain.take_range(0, 1024)
        plain.split_allocated(0)
        zone.drain()
        for pfn in range(1024):
            plain.free(pfn)
        for order in range(11):
            assert sorted(freelist(zone, order, "movable")) == sorted(
                freelist(plain, order, "movable")
            )
        zone.check()


class TestChecks:
    """`Zone.check` notices what cannot be."""

    def test_a_kept_page_that_is_on_no_list(self):
        zone = keeping()
        pfn = zone.alloc()
        corrupt(zone, "tags", pfn, 0x71)
        with pytest.raises(pa.CorruptZone, match="pagesets hold 3 pages, the tags show 4"):
            zone.check()

    def test_a_kept_page_whose_tag_says_otherwise(self):
        zone = keeping()
        pfn = zone.alloc()
        corrupt(zone, "tags", pfn, 0x71)
        corrupt(zone, "tags", pfn + 1, 0x11)
        with pytest.raises(pa.CorruptZone, match=f"names frame {pfn + 1}, which is no such block"):
            zone.check()

    def test_a_page_that_is_kept_twice(self):
        zone = keeping()
        pfn = zone.alloc()
        zone.free(pfn)
        corrupt(zone, MOVABLE, 0, pfn + 1, cpu=0)
        with pytest.raises(pa.CorruptZone, match=f"names frame {pfn + 1}, which stands elsewhere"):
            zone.check()

    @pytest.mark.parametrize(
        ("field", "value", "message"),
        [
            ("count", 7, "counts 7 pages, its lists hold 4"),
            ("high", 13, "state of 13"),
            ("alloc_factor", 6, "state of 6"),
            ("free_count", 5000, "state of 5000"),
        ],
    )
    def test_impossible_states(self, field, value, message):
        zone = keeping()
        zone.free(zone.alloc())
        corrupt(zone, field, 0, value, cpu=0)
        with pytest.raises(pa.CorruptZone, match=message):
            zone.check()

    @pytest.mark.parametrize("kernel", ["3.9", "6.12"])
    @pytest.mark.parametrize("flags", [1, 2])
    def test_flags_that_pagesets_would_not_see(self, kernel, flags):
        zone = keeping(kernel=kernel)
        corrupt(zone, "flags", 0, flags)
        with pytest.raises(pa.CorruptZone, match=f"with flags {flags} pagesets take"):
            zone.check()


def test_hostile_snapshots_with_pagesets_are_refused():
    zone = keeping(nr_cpus=2)
    zone.alloc_batch([0, 1, 2, 3, 9, 0, 0], cpu=1)
    image = zone.snapshot().image
    rng = np.random.default_rng(5)
    before = zone.digest()
    nr_refused = 0
    for at in rng.integers(0, 3000, 300):
        bad = bytearray(image)
        bad[at] ^= int(rng.integers(1, 256))
        try:
            zone.restore(pa.ZoneSnapshot(bytes(bad)))
        except ValueError:
            nr_refused += 1
            assert zone.digest() == before
        else:
            zone.check()
            zone.drain()
            zone.restore(pa.ZoneSnapshot(image))
    assert nr_refused > 100
