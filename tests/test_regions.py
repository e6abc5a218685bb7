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
