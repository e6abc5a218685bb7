"""Per-CPU pagesets for the model: each function restates what its kernel does, page by page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pasralloc.errors import OutOfMemory

if TYPE_CHECKING:
    from pasralloc.sizing import Pagesets
    from pasralloc.testing.model import ZoneModel

COSTLY_ORDER = 3
SCALE_MAX = 5


@dataclass
class PagesetModel:
    """The lists of one CPU: first to be taken first, given back from the end."""

    batch: int
    high_min: int
    high_max: int
    high: int
    lists: dict[tuple[int, str], list[int]]
    alloc_factor: int = 0
    free_count: int = 0
    was_high_order: bool = False
    noted: dict[int, str] = field(default_factory=dict)  # 3.9: type to give a page back as

    @property
    def count(self) -> int:
        """Pages on all lists."""
        return sum(len(pfns) << order for (order, _), pfns in self.lists.items())


def make(model: ZoneModel, pagesets: Pagesets | None, kernel: str) -> list[PagesetModel]:
    """Pagesets of a fresh zone, with their lists in the order of their numbers."""
    if pagesets is None:
        return []
    batch, high_min, high_max = pagesets.sizes(kernel, len(model.managed))
    types = model.generation.migratetypes[:3]
    keys = [(order, name) for order in range(COSTLY_ORDER + 1) for name in types]
    pageblock_order = model.pageblock_pages.bit_length() - 1
    keys = [*keys, (pageblock_order, "other"), (pageblock_order, "movable")]
    if not claims(model):
        keys = keys[:3]
    return [
        PagesetModel(batch, high_min, high_max, high_min, {key: [] for key in keys})
        for _ in range(pagesets.nr_cpus)
    ]


def claims(model: ZoneModel) -> bool:
    """Whether this is 6.12."""
    return model.generation.claims


def key_of(model: ZoneModel, order: int, name: str) -> tuple[int, str]:
    """List of a pageset for a block."""
    if order <= COSTLY_ORDER or not claims(model):
        return order, name
    return order, name if name == "movable" else "other"


def alloc(model: ZoneModel, cpu: int, order: int, wanted: str, flags: int) -> int:
    """``rmqueue()``: from the pageset if it keeps that order, else from the zone."""
    pageset = model.pagesets[cpu]
    key = key_of(model, order, wanted)
    if key not in pageset.lists:
        return model.find_flagged(order, wanted, flags)
    tuning = pageset.high, pageset.free_count, pageset.alloc_factor
    pageset.free_count >>= 1
    pfns = pageset.lists[key]
    if not pfns:
        refill(model, pageset, pfns, order, wanted, flags)
    if pfns:
        pfn = pfns.pop(0)
        pageset.noted.pop(pfn, None)
        return pfn
    try:
        if claims(model):
            return model.find_flagged(order, wanted, flags)
        raise OutOfMemory(order, wanted)
    except OutOfMemory:
        # Not as in the kernel: what fails shall leave no trace.
        pageset.high, pageset.free_count, pageset.alloc_factor = tuning
        raise


def nr_to_refill(model: ZoneModel, pageset: PagesetModel, order: int) -> int:
    """``nr_pcp_alloc()`` of 6.12."""
    base = pageset.batch
    if not claims(model):
        return base
    if pageset.high < base:
        return 1
    batch = base if order else base << pageset.alloc_factor
    if pageset.high_min != pageset.high_max and not model.is_below_high:
        pageset.high = min(pageset.high + batch, pageset.high_max)
    if not order:
        most = max(pageset.high - pageset.count - base, base)
        if batch <= most and pageset.alloc_factor < SCALE_MAX:
            pageset.alloc_factor += 1
        batch = min(batch, most)
    return max(batch >> order, 2) if batch > 1 else batch


def refill(
    model: ZoneModel, pageset: PagesetModel, pfns: list[int], order: int, wanted: str, flags: int
) -> None:
    """``rmqueue_bulk()``: one request after the other, remembering where the last one was served."""
    stage = ["own"]
    for _ in range(nr_to_refill(model, pageset, order)):
        try:
            pfn = model.find(order, wanted, flags, stage, biased=model.by_region or model.is_biased)
        except OutOfMemory:
            break
        pfns.append(pfn)
        model.cached[pfn] = order
        name = model.pageblock_type(pfn)
        pageset.noted[pfn] = name if name in ("cma", "isolate") else wanted


def free(model: ZoneModel, cpu: int, pfn: int, order: int) -> None:
    """``free_unref_page()`` of 6.12, ``free_hot_cold_page()`` of 3.9."""
    pageset = model.pagesets[cpu]
    name = model.pageblock_type(pfn)
    key = key_of(model, order, name if name in model.generation.migratetypes[:3] else "movable")
    if key not in pageset.lists or name == "isolate":
        model.give_pageblocks(pfn, order)
        return
    pageset.lists[key].insert(0, pfn)
    pageset.noted[pfn] = name
    model.cached[pfn] = order
    if not claims(model):
        if pageset.count >= pageset.high:
            free_round_robin(model, pageset, pageset.batch)
        return
    pageset.alloc_factor >>= 1
    free_high = False
    if 0 < order <= COSTLY_ORDER:
        free_high = (
            pageset.free_count >= pageset.batch
            and pageset.was_high_order
            and pageset.count >= pageset.batch
        )
    pageset.was_high_order = 0 < order <= COSTLY_ORDER
    if pageset.free_count < pageset.batch << SCALE_MAX:
        pageset.free_count += 1 << order
    high = high_now(model, pageset, free_high)
    if pageset.count >= high:
        nr = nr_to_free(pageset, high, free_high)
        if model.by_region and not free_high:
            nr = max(nr, pageset.count // 8)
        free_bulk(model, pageset, nr, key)
        if model.is_below_high and has_recovered(model):
            model.is_below_high = False


def has_recovered(model: ZoneModel) -> bool:
    """Whether the zone is above its high watermark, for a page that is neither movable nor urgent."""
    kinds = ("isolate", "cma", "highatomic")
    nr_free = sum(1 << order for order, name in model.free_blocks().values() if name not in kinds)
    return nr_free > model.high_mark + model.watermark_boost


def high_now(model: ZoneModel, pageset: PagesetModel, free_high: bool) -> int:
    """``nr_pcp_high()``."""
    high = pageset.high
    if not high:
        return 0
    if free_high:
        pageset.high = max(high - (pageset.batch << SCALE_MAX), pageset.high_min)
        return 0
    smaller = max(high - max(pageset.free_count, pageset.batch), pageset.high_min)
    if model.is_reclaimed:
        pageset.high = smaller
        return min(pageset.batch * 4, smaller)
    if pageset.high_min == pageset.high_max:
        return high
    if model.is_below_high:
        pageset.high = smaller
        return max(pageset.count, pageset.high_min)
    if pageset.count >= high:
        needed = pageset.free_count + pageset.batch
        if high < needed:
            pageset.high = min(max(needed, pageset.high_min), pageset.high_max)
    return high


def nr_to_free(pageset: PagesetModel, high: int, free_high: bool) -> int:
    """``nr_pcp_free()``."""
    if free_high:
        return min(pageset.count, pageset.batch << SCALE_MAX)
    if high < pageset.batch:
        return 1
    return min(max(pageset.free_count, pageset.batch), high - pageset.batch)


def free_bulk(model: ZoneModel, pageset: PagesetModel, nr_pages: int, key: tuple[int, str]) -> None:
    """``free_pcppages_bulk()`` of 6.12."""
    left = min(nr_pages, pageset.count)
    keys = list(pageset.lists)
    at = keys.index(key)
    while left > 0:
        order, _ = keys[at]
        pfns = pageset.lists[keys[at]]
        for pfn in chosen(model, pfns, -(-left >> order) if order else left):
            pfns.remove(pfn)
            release(model, pageset, pfn, order, model.pageblock_type(pfn))
            left -= 1 << order
        at = (at + 1) % len(keys)


def free_round_robin(model: ZoneModel, pageset: PagesetModel, nr: int) -> None:
    """``free_pcppages_bulk()`` of 3.9."""
    keys = list(pageset.lists)
    at = batch_free = 0
    while nr:
        while True:
            batch_free += 1
            at = (at + 1) % len(keys)
            pfns = pageset.lists[keys[at]]
            if pfns:
                break
        if batch_free == len(keys):
            batch_free = nr
        for pfn in chosen(model, pfns, min(nr, batch_free)):
            pfns.remove(pfn)
            release(model, pageset, pfn, 0, pageset.noted[pfn])
            nr -= 1
            batch_free -= 1


def chosen(model: ZoneModel, pfns: list[int], nr: int) -> list[int]:
    """Which of a list's blocks go, in order: the last ones, or those in the highest regions."""
    last_first = pfns[::-1]
    if not model.by_region or nr >= len(pfns):
        return last_first[:nr]
    highest = sorted(last_first, key=model.region_of, reverse=True)[:nr]
    return [pfn for pfn in last_first if pfn in highest]


def release(model: ZoneModel, pageset: PagesetModel, pfn: int, order: int, name: str) -> None:
    """Give one block to the zone."""
    del model.cached[pfn]
    pageset.noted.pop(pfn, None)
    model.give(pfn, order, migratetype=name)


def drain(model: ZoneModel, cpu: int) -> int:
    """``drain_pages()``."""
    pageset = model.pagesets[cpu]
    nr = pageset.count
    if not claims(model):
        free_round_robin(model, pageset, nr)
        return nr
    while pageset.count:
        chunk = nr if model.by_region else pageset.batch << SCALE_MAX
        free_bulk(model, pageset, chunk, next(iter(pageset.lists)))
    return nr


def decay(model: ZoneModel, cpu: int) -> int:
    """``decay_pcp_high()`` of 6.12."""
    pageset = model.pagesets[cpu]
    before = pageset.count
    if not claims(model):
        return 0
    if pageset.high > pageset.high_min:
        high = max(
            before - (pageset.batch << SCALE_MAX),
            pageset.high - (pageset.high >> 3),
            pageset.high_min,
        )
        pageset.high = min(high, pageset.high_max)  # not as in the kernel
    if before > pageset.high:
        free_bulk(model, pageset, before - pageset.high, next(iter(pageset.lists)))
    return before - pageset.count
