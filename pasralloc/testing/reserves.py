"""Pageblocks set aside, for the model: each function restates what its kernel does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pasralloc.testing.model import ZoneModel


def move_pageblock(model: ZoneModel, pfn: int, name: str) -> bool:
    """``move_freepages_block()``: not if the pageblock reaches beyond the zone."""
    block = model.pageblock_pages_of(pfn)
    if block.start < model.start_pfn or block.stop > model.end_pfn:
        return False
    model.move_freepages(set(block), name)
    model.retype(pfn, 1, name)
    return True


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
        model.nr_highatomic -= min(size, model.nr_highatomic)
        if 1 << order < pages:
            if move_pageblock(model, pfn, name):
                return True
            continue
        model.move_freepages(set(range(pfn, pfn + size)), name)
        model.retype(pfn, size, name)
        return True
    return False
