"""Regions that begin inside blocks, with everything above the lists: short random histories beside the model.

A piece of a block can lie in the next region here, so that bulk operations and
parked regions meet cases which regions of whole blocks never show.
"""

import random

import pytest

import pasralloc as pa
from pasralloc.testing import ZoneModel, freelist, pagesets

TYPES = ["movable", "unmovable", "reclaimable"]


def description(rng):
    return {
        "nr_pages": rng.choice([3072, 4096, 4000]),
        "region_pages": 1024,
        "start_pfn": rng.choice([1, 512, 700, 1023]),
        "placement": rng.choice(["biased", "biased", "sorted"]),
        "kernel": rng.choice(["6.12", "3.9"]),
        "pageblock_order": rng.choice([5, 9, 10]),
        "region_allocator": rng.choice([None, "when-dry", "lowest-first"]),
        "grouping": rng.choice([None, "by-region"]),
        "pagesets": rng.choice(
            [None, pa.Pagesets(batch=rng.choice([8, 63]), high=200, by_region=rng.random() < 0.5)]
        ),
    }


def outcome(call, *args):
    try:
        return call(*args)
    except pa.OutOfMemory:
        return None


@pytest.mark.parametrize("seed", range(120))
def test_short_histories(seed):
    rng = random.Random(seed)
    options = description(rng)
    zone, model = pa.Zone(quirks="posted", **options), ZoneModel(quirks="posted", **options)
    for _ in range(rng.randint(20, 100)):
        if rng.random() < 0.6 or not model.allocated:
            order, name = rng.choice([0, 0, 0, 1, 2, 3, 8, 9, 10]), rng.choice(TYPES)
            assert outcome(zone.alloc, order, name) == outcome(model.alloc, order, name)
        else:
            pfn = rng.choice(sorted(model.allocated))
            zone.free(pfn)
            model.free(pfn)
        if model.pagesets and rng.random() < 0.05:
            assert zone.drain() == pagesets.drain(model, 0)
        if rng.random() < 0.05:
            block = rng.randrange(1, options["nr_pages"] // 1024) * 1024
            name = rng.choice(["cma", "movable", "unmovable", "isolate"])
            try:
                model.set_pageblocks(block, 1024, name)
            except ValueError:
                continue
            zone.set_pageblocks(block, 1024, name)
    for (order, name), pfns in model.lists.items():
        assert freelist(zone, order, name) == pfns
    assert zone.parked_regions() == sorted(model.parked)
    zone.check()


@pytest.mark.parametrize("quirks", ["fixed", "posted"])
def test_a_region_of_which_boot_reserved_some_never_parks_as_posted(quirks):
    """The series waited for as many free pages as are present."""
    options = {
        "region_pages": 2048,
        "absent": [(4096, 1024)],
        "placement": "biased",
        "kernel": "3.9",
        "pageblock_order": 10,
        "region_allocator": "when-dry",
        "quirks": quirks,
    }
    zone, model = pa.Zone(8 * 2048, **options), ZoneModel(8 * 2048, **options)
    assert zone.quirks == quirks
    expected = [1, 2, 3, 4, 5, 6, 7] if quirks == "fixed" else [1, 3, 4, 5, 6, 7]
    assert zone.parked_regions() == sorted(model.parked) == expected
    zone.add_pages(4096, 1024)
    model.add_pages(4096, 1024)
    assert zone.parked_regions() == sorted(model.parked) == [1, 2, 3, 4, 5, 6, 7]
    zone.check()


@pytest.mark.parametrize("placement", ["sorted", "biased"])
def test_a_piece_of_the_straddling_block_wins_over_the_parked_blocks_of_its_region(placement):
    """Lowest first is about blocks: what the request takes is none of the parked ones."""
    options = {
        "region_pages": 1024,
        "start_pfn": 1,
        "placement": placement,
        "kernel": "3.9",
        "pageblock_order": 10,
        "region_allocator": "lowest-first",
        "quirks": "posted",
    }
    zone, model = pa.Zone(4096, **options), ZoneModel(4096, **options)
    assert zone.alloc(0, "reclaimable") == model.alloc(0, "reclaimable") == 2048, (
        "hands region 1 out"
    )
    assert zone.region_of(2050) == 2
    assert zone.parked_regions() == [2]
    assert zone.alloc(1, "reclaimable") == model.alloc(1, "reclaimable") == 2050
    assert zone.parked_regions() == sorted(model.parked) == [2]
    assert zone.alloc(10, "reclaimable") == model.alloc(10, "reclaimable") == 3072
    assert zone.parked_regions() == sorted(model.parked) == []
    zone.check()
