"""Fallback between migratetypes, for the model: each function restates what its kernel does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pasralloc.errors import OutOfMemory

if TYPE_CHECKING:
    from pasralloc.testing.model import ZoneModel

ORDERS = range(11)
ALLOC_NOFRAGMENT = 16


def borrow(model: ZoneModel, order: int, wanted: str, flags: int, stage: list[str]) -> int:
    """Memory of other types, by the rules of the generation."""
    if model.generation.claims:
        return claim_or_steal(model, order, wanted, flags, stage)
    return steal(model, order, wanted)


def gather(model: ZoneModel, order: int, wanted: str) -> int:
    """Whole pageblocks for a type whose lists are dry, from regions that hold unmovable or reclaimable ones."""
    is_dry = not any(model.lists[high, wanted] for high in ORDERS[order:])
    if model.grouping is None or wanted == "movable" or not is_dry:
        raise OutOfMemory(order, wanted)
    nr = model.pageblock_pages
    of_the_group = [
        number for number, name in model.pageblocks.items() if name in ("unmovable", "reclaimable")
    ]
    regions = {
        model.region_of(pfn)
        for number in of_the_group
        for pfn in range(max(number * nr, model.start_pfn), min((number + 1) * nr, model.end_pfn))
    }
    # The lowest region, the largest block, the first type of the row, the first of its list.
    found = min(
        (
            (model.region_of(pfn), -high, i, at)
            for i, other in enumerate(model.generation.fallbacks[wanted])
            for high in ORDERS[order:]
            if 1 << high >= nr
            for at, pfn in enumerate(model.lists[high, other])
            if model.region_of(pfn) in regions
        ),
        default=None,
    )
    if found is None:
        raise OutOfMemory(order, wanted)
    _, negative, i, at = found
    high, other = -negative, model.generation.fallbacks[wanted][i]
    pfn = model.lists[high, other].pop(at)
    model.retype(pfn, 1 << high, wanted)
    model.split(pfn, order, high, wanted)
    model.note(pfn, order, wanted, high, other)
    return pfn


def steal(model: ZoneModel, order: int, wanted: str) -> int:
    """Linux 3.9: the largest block, and perhaps the free pages of its pageblock."""
    for high in reversed(ORDERS[order:]):
        for other in model.generation.fallbacks[wanted]:
            if not model.lists[high, other]:
                continue
            pfn = model.lists[high, other][0]
            is_cma = other == "cma"
            is_loan = model.region_allocator is not None
            if not is_cma and (1 << high >= half_order(model) or wanted == "reclaimable"):
                block = set(model.pageblock_pages_of(pfn))
                if min(block) < model.start_pfn:
                    block = {page for page in block if page >= pfn}
                moved = 0
                if max(block) < model.end_pfn:
                    moved = model.move_freepages(block, wanted)
                if moved >= model.pageblock_pages // 2 and not is_loan:
                    model.retype(pfn, 1, wanted)
            if not is_cma and not is_loan and 1 << high >= model.pageblock_pages:
                model.retype(pfn, 1 << high, wanted)
            name = model.unlist(pfn)
            assert name in (other, wanted)
            model.split(pfn, order, high, other if is_cma or is_loan else wanted)
            model.note(pfn, order, wanted, high, other)
            return pfn
    return model.take_smallest(order, "reserve", wanted)


def half_order(model: ZoneModel) -> int:
    """Pages of a block of half the pageblock order, the first that is worth more than a loan."""
    return 1 << ((model.pageblock_pages.bit_length() - 1) // 2)


def claim_or_steal(model: ZoneModel, order: int, wanted: str, flags: int, stage: list[str]) -> int:
    """Linux 6.12: CMA, then a whole pageblock, then the smallest block that fits.

    *stage* is where the last block of the same refill came from.
    """
    if wanted == "movable" and stage[0] != "steal":
        try:
            pfn = model.take_smallest(order, "cma", wanted)
        except OutOfMemory:
            pass
        else:
            stage[0] = "cma"
            return pfn
    row = model.generation.fallbacks[wanted]
    least = order
    if flags & ALLOC_NOFRAGMENT and 1 << order < model.pageblock_pages:
        least = model.pageblock_pages.bit_length() - 1
    for high in reversed(ORDERS[least:]):
        if (
            stage[0] == "steal"
            or model.region_allocator
            or (wanted == "movable" and 1 << high < half_order(model))
        ):
            break
        other = next((name for name in row if model.lists[high, name]), None)
        if other is None:
            continue
        claimed = claim(model, order, high, wanted, other)
        if claimed is not None:
            model.note(claimed, order, wanted, high, other)
            stage[0] = "own"
            return claimed
    if flags & ALLOC_NOFRAGMENT:
        raise OutOfMemory(order, wanted)
    stage[0] = "steal"
    for high in ORDERS[order:]:
        for other in row:
            if model.lists[high, other]:
                pfn = model.lists[high, other].pop(0)
                model.split(pfn, order, high, other)
                model.note(pfn, order, wanted, high, other)
                return pfn
    raise OutOfMemory(order, wanted)


def claim(model: ZoneModel, order: int, high: int, wanted: str, other: str) -> int | None:
    """Make the pageblock of a free block ours if enough of it is free or of our kind, and allocate."""
    pfn = model.lists[high, other][0]
    if 1 << high >= model.pageblock_pages:
        model.unlist(pfn)
        model.retype(pfn, 1 << high, wanted)
        model.split(pfn, order, high, wanted)
        return pfn
    block = set(model.pageblock_pages_of(pfn))
    model.watermark_boost = min(model.watermark_boost + len(block), model.boost_max)
    if min(block) < model.start_pfn or max(block) >= model.end_pfn:
        return None
    free = sum(1 << o for head, (o, _) in model.free_blocks().items() if head in block)
    movable = sum(
        1 << o for head, (o, name) in model.allocated.items() if head in block and name == "movable"
    )
    alike = 0
    if wanted == "movable":
        alike = movable
    elif other == "movable":
        alike = len(block) - free - movable
    if free + alike < len(block) // 2:
        return None
    model.move_freepages(block, wanted)
    model.retype(pfn, 1, wanted)
    return model.take_smallest(order, wanted, wanted)
