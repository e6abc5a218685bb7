"""Pageblocks set aside, for the model: each function restates what its kernel does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pasralloc.testing import region_alloc

if TYPE_CHECKING:
    from pasralloc.testing.model import ZoneModel


def move_pageblock(model: ZoneModel, pfn: int, name: str) -> bool:
    """``move_freepages_block()``: not if the pageblock reaches beyond the zone."""
    block = model.pageblock_pages_of(pfn)
    if block.start < model.start_pfn or block.stop > model.end_pfn:
        return False
    model.move_freepages(set(block), name)
    model.retype(pfn, 1, name)
    region_alloc.park_whole(model, set(block))
    return True


def part_at(model: ZoneModel, *boundaries: int) -> None:
    """Split free blocks on both sides of a boundary of pageblocks: 6.12 does, 3.9 cannot."""
    for boundary in boundaries:
        for pfn, (order, _) in model.free_blocks().items():
            if pfn < boundary < pfn + (1 << order):
                if not model.generation.claims:
                    raise ValueError("a free block reaches beyond the range")
                region_alloc.unpark_block(model, pfn)
                name = model.unlist(pfn)
                piece = model.pageblock_pages.bit_length() - 1
                for part in range(pfn, pfn + (1 << order), model.pageblock_pages):
                    model.add(part, piece, name)


def count_highatomic(model: ZoneModel) -> None:
    """Count the pages of HIGHATOMIC pageblocks anew."""
    if model.generation.claims:
        blocks = [name for name in model.pageblocks.values() if name == "highatomic"]
        model.nr_highatomic = len(blocks) * model.pageblock_pages


def set_pageblocks(model: ZoneModel, pfn: int, nr: int, name: str) -> None:
    """Give whole pageblocks another type; the first and the last may be cut short by the zone."""
    end, pages = pfn + nr, model.pageblock_pages
    if (
        not model.start_pfn <= pfn < end <= model.end_pfn
        or (pfn % pages and pfn != model.start_pfn)
        or (end % pages and end != model.end_pfn)
    ):
        raise ValueError("not whole pageblocks")
    part_at(model, pfn, end)
    model.move_freepages(set(range(pfn, end)), name)
    model.retype(pfn, nr, name)
    count_highatomic(model)
    region_alloc.park_whole(model, set(range(pfn, end)))


def setup(model: ZoneModel, min_wmark: int) -> int:
    """``setup_zone_migrate_reserve()`` of 3.9."""
    pages = model.pageblock_pages
    wanted = min(-(-min_wmark // pages), 2)
    reserve = wanted
    for first in range(-(-model.start_pfn // pages) * pages, model.end_pfn, pages):
        block = range(first, min(first + pages, model.end_pfn))
        name = model.pageblock_type(first)
        if reserve > 0:
            if not model.managed.issuperset(block):
                continue
            if name == "reserve":
                reserve -= 1
                continue
            if name == "movable":
                if not move_pageblock(model, first, "reserve"):
                    model.retype(first, 1, "reserve")
                reserve -= 1
                continue
        if name == "reserve" and not move_pageblock(model, first, "movable"):
            model.retype(first, 1, "movable")
    return wanted - reserve


def reserve_highatomic(model: ZoneModel, pfn: int, order: int) -> None:
    """``reserve_highatomic_pageblock()`` of 6.12."""
    pages = model.pageblock_pages
    share = len(model.managed) // 100
    if share < pages or model.nr_highatomic >= -(-share // pages) * pages:
        return
    if model.pageblock_type(pfn) in ("highatomic", "cma", "isolate"):
        return
    if 1 << order < pages:
        if move_pageblock(model, pfn, "highatomic"):
            model.nr_highatomic += pages
    else:
        model.retype(pfn, 1 << order, "highatomic")
        model.nr_highatomic += 1 << order


def unreserve_highatomic(model: ZoneModel, name: str, force: bool) -> bool:
    """``unreserve_highatomic_pageblock()`` of 6.12."""
    pages = model.pageblock_pages
    if not force and model.nr_highatomic <= pages:
        return False
    for order in range(11):
        if not model.lists[order, "highatomic"]:
            continue
        pfn = model.lists[order, "highatomic"][0]
        size = max(pages, 1 << order)
        if 1 << order < pages:
            if not move_pageblock(model, pfn, name):
                continue
        else:
            model.move_freepages(set(range(pfn, pfn + size)), name)
            model.retype(pfn, size, name)
            region_alloc.park_whole(model, set(range(pfn, pfn + size)))
        model.nr_highatomic -= size
        return True
    return False
