"""Region order at full size: 4096 regions, where the search crosses leaf words."""

import numpy as np
import pytest

import pasralloc as pa
from pasralloc.testing import freelist


@pytest.fixture(params=[1024, 3072])
def zone(request):
    return pa.Zone(4096 * request.param, region_pages=request.param)


def test_blocks_join_in_region_order_whatever_order_they_are_freed_in(zone):
    rng = np.random.default_rng(0)
    nr_blocks = zone.nr_pages // 1024
    pfns = zone.alloc_batch(np.full(nr_blocks, 10, np.uint8))
    assert zone.nr_free == 0
    for pfn in rng.permutation(pfns)[:700].tolist():
        zone.free(pfn)
    zone.check()
    regions = [zone.region_of(pfn) for pfn in freelist(zone, 10, "movable")]
    assert regions == sorted(regions)
    assert len(set(regions)) > 500


@pytest.mark.parametrize(
    "regions", [(4095, 0), (64, 63), (63, 64), (4000, 70, 3), (100, 4095, 36, 164)]
)
def test_a_new_run_finds_the_nearest_lower_one_across_words(zone, regions):
    pfns = {
        zone.region_of(pfn): pfn
        for pfn in zone.alloc_batch(np.full(zone.nr_pages // 1024, 10, np.uint8)).tolist()
    }
    for region in regions:
        zone.free(pfns[region])
        zone.check()
    assert [zone.alloc(10) for _ in regions] == [pfns[region] for region in sorted(regions)]


def test_allocations_fill_low_regions_first(zone):
    zone.alloc_batch(np.zeros(10 * zone.region_pages, np.uint8))
    used = zone.region_managed - zone.region_nr_free
    assert used[:10].tolist() == [zone.region_pages] * 10
    assert not used[10:].any()


def test_regions_may_differ_in_size():
    zone = pa.Zone(8072, region_pages=[1024, 2048, 5120], absent=[(0, 1023)], start_pfn=0)
    assert zone.region_start_pfn.tolist() == [0, 1024, 3072]
    assert zone.region_managed.tolist() == [1, 2048, 5000]
    assert [zone.region_of(pfn) for pfn in (0, 1023, 1024, 3071, 3072, 8071)] == [0, 0, 1, 1, 2, 2]
    pfns = [zone.alloc(), *zone.alloc_batch([10, 10, 10])]
    assert [zone.region_of(pfn) for pfn in pfns] == [0, 1, 1, 2]
    zone.check()


def test_the_sizes_of_regions_describe_the_zone_again():
    zone = pa.Zone(8072, region_pages=iter([1024, 2048, 5120]))
    again = pa.Zone(8072, region_pages=zone.region_pages)
    again.restore(zone.snapshot())
    assert again.region_pages == (1024, 2048, 5120)


def test_regions_of_one_size_start_at_its_multiples():
    zone = pa.Zone(10_000, region_pages=4096, start_pfn=17 * 1024)
    assert zone.region_start_pfn.tolist() == [17408, 21504, 25600]
    assert zone.region_pages == 4096


@pytest.mark.parametrize("other", [[2048, 1024, 5120], [1024, 2048, 1024, 4096], 1024])
def test_a_snapshot_does_not_fit_other_regions(other):
    snapshot = pa.Zone(8072, region_pages=[1024, 2048, 5120]).snapshot()
    with pytest.raises(ValueError, match="is not of a zone like"):
        pa.Zone(8072, region_pages=other).restore(snapshot)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([], r"region_pages must hold 1 to 4096 sizes, got 0"),
        ([1024] * 5000, r"region_pages must hold 1 to 4096 sizes, got 5000"),
        ([1024], r"region_pages must cover the 8072 pages of the zone, got 1024 in all"),
        ([8192, 1024], r"region_pages\[1\] begins behind the 8072 pages of the zone"),
        ([1024, 1500], r"region_pages\[1\] must be a multiple of 1024 .* got 1500"),
        ([1024, 0], r"region_pages\[1\] must be 1024 to \d+, got 0"),
    ],
)
def test_sizes_that_do_not_fit_the_zone_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        pa.Zone(8072, region_pages=sizes)


def test_a_size_that_is_no_number_is_named():
    with pytest.raises(TypeError, match=r"region_pages\[1\] must be an integer, got 'big'"):
        pa.Zone(8072, region_pages=[1024, "big"])
