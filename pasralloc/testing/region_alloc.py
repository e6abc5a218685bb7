"""The region allocator for the model: regions that are completely free, off the lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pasralloc._core.generations import REQUESTABLE
from pasralloc.errors import OutOfMemory

if TYPE_CHECKING:
    from pasralloc.testing.model import ZoneModel

MAX_PAGE_ORDER = 10
TOP_PAGES = 1 << MAX_PAGE_ORDER


def park_if_whole(model: ZoneModel, pfn: int, order: int, migratetype: str) -> None:
    """Park the region of a block that just joined a list, if that is all of the region."""
    if not model.region_allocator or migratetype not in REQUESTABLE or order != MAX_PAGE_ORDER:
        return
    region = model.region_of(pfn)
    pfns = model.lists[order, migratetype]
    own = [pfn for pfn in pfns if model.region_of(pfn) == region]
    nr_free = model.region_nr_free()[region]
    if (
        nr_free == pages_when_whole(model, region)
        and model.region_of(pfns[0]) != model.region_of(pfns[-1])
        and len(own) << order == nr_free
    ):
        model.parked[region] = own
        model.lists[order, migratetype] = [pfn for pfn in pfns if pfn not in own]


def pages_when_whole(model: ZoneModel, region: int) -> int:
    """Free pages at which a region parks: as posted, those that boot reserved would have to be free, too."""
    if model.quirks == "posted":
        ends = [*model.region_starts[1:], model.end_pfn]
        return ends[region] - model.region_starts[region]
    return model.region_managed()[region]


def park_whole(model: ZoneModel, pages: set[int]) -> None:
    """Park what is whole after the free blocks of some pages have moved."""
    for pfn, (order, name) in sorted(model.free_blocks().items()):
        if pfn in pages and name != "parked" and pfn in model.lists[order, name]:
            park_if_whole(model, pfn, order, name)


def unpark(model: ZoneModel, region: int, migratetype: str) -> None:
    """Put a region on the list of a type, with its pageblocks."""
    pfns = model.lists[MAX_PAGE_ORDER, migratetype]
    lower = sum(model.region_of(pfn) < region for pfn in pfns)
    pfns[lower:lower] = own = model.parked.pop(region)
    for pfn in own:
        model.retype(pfn, TOP_PAGES, migratetype)


def unpark_overlapping(model: ZoneModel, pfn: int, nr: int) -> None:
    """Put the parked regions of a range on the movable list."""
    for region in range(model.region_of(pfn), model.region_of(pfn + nr - 1) + 1):
        if region in model.parked:
            unpark(model, region, "movable")


def unpark_block(model: ZoneModel, pfn: int) -> None:
    """Put the region of a block on the movable list if the block is parked, as ``move_freepages()`` does."""
    region = model.region_of(pfn)
    if pfn in model.parked.get(region, []):
        unpark(model, region, "movable")


def take_from_parked(model: ZoneModel, order: int, migratetype: str) -> int:
    """Get the lowest parked region for a type, and take from it."""
    if not model.parked:
        raise OutOfMemory(order, migratetype)
    unpark(model, min(model.parked), migratetype)
    return model.take_smallest(order, migratetype, migratetype)


def take_if_lowest(model: ZoneModel, order: int, migratetype: str, biased: bool | None) -> int:
    """Get the lowest parked region if the type would take from it, were it on the list."""
    if model.parked:
        lowest = min(model.parked)
        trial = model.copy()
        unpark(trial, lowest, migratetype)
        if trial.take_smallest(order, migratetype, migratetype, biased) in model.parked[lowest]:
            unpark(model, lowest, migratetype)
    return model.take_smallest(order, migratetype, migratetype, biased)
