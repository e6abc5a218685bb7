"""An executable model of a zone: plain lists, and nothing clever.

It predicts the exact pfn of every allocation. Each rule is written the way its
source states it, in terms of lists of pfns, so that it can be checked by
reading; every operation may cost as much as it likes.
"""

from __future__ import annotations

import bisect
import copy
import itertools
from collections.abc import Callable, Iterable, Sequence

from pasralloc._core.generations import GENERATIONS
from pasralloc.errors import InvalidFree, OutOfMemory
from pasralloc.sizing import Pagesets
from pasralloc.testing import fallback, region_alloc, reserves
from pasralloc.testing import pagesets as pageset_rules

__all__ = ["ZoneModel"]

MAX_PAGE_ORDER = 10
TOP_PAGES = 1 << MAX_PAGE_ORDER
ALLOC_NON_BLOCK, ALLOC_HIGHATOMIC, ALLOC_OOM, ALLOC_NOFRAGMENT = 2, 4, 8, 16


class ZoneModel:
    """What a `Zone` of the same description does, block by block.

    Parameters
    ----------
    nr_pages, **options
        As for `Zone`, all but *buffer*, and assumed to be valid.

    Attributes
    ----------
    lists : dict of (int, str) to list of int
        Pfns of the free blocks per (order, migratetype), first to be taken first.
    allocated : dict of int to (int, str)
        Order and migratetype of every allocated block, by its first pfn.
    managed : set of int
        Pfns that belong to the allocator.
    pagesets : list of PagesetModel
        One per CPU.
    cached : dict of int to int
        Order of every block on a pageset, by its first pfn.
    parked : dict of int to list of int
        Blocks of the regions that the region allocator holds, by region.

    Notes
    -----
    Regions that begin inside a block need no rule of their own here: a block counts where its first page lies.
    """

    watermark_boost = boost_max = high_mark = is_below_high = is_reclaimed = 0  # no watermarks

    def __init__(
        self,
        nr_pages: int,
        *,
        region_pages: int | Sequence[int],
        start_pfn: int = 0,
        absent: Iterable[tuple[int, int]] = (),
        placement: str = "sorted",
        kernel: str = "6.12",
        quirks: str = "fixed",
        pageblock_order: int = 9,
        region_allocator: str | None = None,
        grouping: str | None = None,
        pagesets: Pagesets | None = None,
    ) -> None:
        self.start_pfn = start_pfn
        self.end_pfn = start_pfn + nr_pages
        if isinstance(region_pages, int):
            region_pages = [region_pages] * -(-nr_pages // region_pages)
        self.region_starts = list(itertools.accumulate(region_pages, initial=start_pfn))[:-1]
        self.nr_regions = len(self.region_starts)
        self.is_sorted, self.is_biased = placement != "linux", placement == "biased"
        self.generation = GENERATIONS[kernel]
        self.pageblock_pages = 1 << pageblock_order
        self.pageblocks: dict[int, str] = {}  # by number; those not named are movable
        self.lists: dict[tuple[int, str], list[int]] = {
            (order, name): []
            for order in range(MAX_PAGE_ORDER + 1)
            for name in self.generation.migratetypes
        }
        # pfn, order, type, fallback order, its type
        self.extfrag: list[tuple[int, int, str, int, str]] = []
        self.allocated: dict[int, tuple[int, str]] = {}
        self.region_allocator, self.grouping, self.quirks = region_allocator, grouping, quirks
        self.parked: dict[int, list[int]] = {}
        holes = {page for hole, nr in absent for page in range(hole, hole + nr)}
        self.managed = set(range(start_pfn, self.end_pfn)) - holes
        self.cached: dict[int, int] = {}
        self.nr_highatomic = 0
        self.by_region = pagesets is not None and pagesets.by_region
        self.pagesets = pageset_rules.make(self, pagesets, kernel)
        pfn = start_pfn
        for hole, nr in [*sorted(absent), (self.end_pfn, 0)]:
            self.release(pfn, hole - pfn)
            pfn = hole + nr

    # Questions

    def region_of(self, pfn: int) -> int:
        """Region in which a page lies."""
        return bisect.bisect_right(self.region_starts, pfn) - 1

    def pageblock_type(self, pfn: int) -> str:
        """Migratetype of the pageblock of a page."""
        return self.pageblocks.get(pfn // self.pageblock_pages, "movable")

    def free_blocks(self) -> dict[int, tuple[int, str]]:
        """Order and migratetype of every free block, by its first pfn; parked ones are of type "parked"."""
        listed = {pfn: key for key, pfns in self.lists.items() for pfn in pfns}
        parked = {pfn: (MAX_PAGE_ORDER, "parked") for pfns in self.parked.values() for pfn in pfns}
        return listed | parked

    def region_nr_free(self) -> list[int]:
        """Free pages per region; a block counts where it starts."""
        nr_free = [0] * self.nr_regions
        for pfn, (order, _) in self.free_blocks().items():
            nr_free[self.region_of(pfn)] += 1 << order
        return nr_free

    def region_managed(self) -> list[int]:
        """Managed pages per region."""
        managed = [0] * self.nr_regions
        for pfn in self.managed:
            managed[self.region_of(pfn)] += 1
        return managed

    def nr_free_of(self, migratetype: str) -> int:
        """Free pages on the lists of a type."""
        return sum(1 << order for order, name in self.free_blocks().values() if name == migratetype)

    def list_of(self, pfn: int, order: int) -> str | None:
        """Type of the list that holds the free block of exactly that order."""
        for name in self.generation.migratetypes:
            if pfn in self.lists[order, name]:
                return name
        return None

    def free_block_of(self, pfn: int) -> tuple[int, int, str] | None:
        """First pfn, order and migratetype of the free block that covers *pfn*."""
        free = self.free_blocks()
        for order in range(MAX_PAGE_ORDER + 1):
            head = pfn >> order << order
            if head in free and free[head][0] >= order:
                return head, *free[head]
        return None

    def copy(self) -> ZoneModel:
        """Independent copy of the whole state."""
        return copy.deepcopy(self)

    # Lists

    def add(self, pfn: int, order: int, migratetype: str, to_tail: bool = False) -> None:
        """Put a free block on its list."""
        pfns = self.lists[order, migratetype]
        if not self.is_sorted:
            pfns.insert(len(pfns) if to_tail else 0, pfn)
            return
        region = self.region_of(pfn)
        run = [at for at, other in enumerate(pfns) if self.region_of(other) == region]
        lower = sum(self.region_of(other) < region for other in pfns)
        pfns.insert(run[-1] if run else lower, pfn)  # just before the last block of the region

    def split(self, pfn: int, low: int, high: int, migratetype: str) -> None:
        """Allocate the lowest ``2**low`` pages and put the rest back, largest half first."""
        self.note_taken(pfn, high, migratetype)
        while high > low:
            high -= 1
            self.add(pfn + (1 << high), high, migratetype)

    # Operations

    def alloc(
        self, order: int = 0, migratetype: str = "movable", cpu: int = 0, flags: int = 0
    ) -> int:
        """Take from the pageset of the CPU, or what is found in the zone; an atomic request may reserve."""
        if self.pagesets:
            pfn = pageset_rules.alloc(self, cpu, order, migratetype, flags)
        else:
            pfn = self.find_flagged(order, migratetype, flags)
        self.cached.pop(pfn, None)
        self.allocated[pfn] = order, migratetype
        if self.generation.claims and flags & ALLOC_HIGHATOMIC and order:
            reserves.reserve_highatomic(self, pfn, order)
        return pfn

    def find_flagged(self, order: int, migratetype: str, flags: int) -> int:
        """``rmqueue_buddy()``: HIGHATOMIC pageblocks first or last, as the flags of 6.12 say."""
        attempts: list[Callable[[], int]] = [lambda: self.find(order, migratetype, flags)]
        if self.generation.claims and flags & ALLOC_HIGHATOMIC and order:
            attempts.insert(0, lambda: self.take_smallest(order, "highatomic", migratetype))
        if self.generation.claims and flags & (ALLOC_OOM | ALLOC_NON_BLOCK):
            attempts.append(lambda: self.take_smallest(order, "highatomic", migratetype))
        return self.first_success(attempts, order, migratetype)

    def find(
        self,
        order: int,
        migratetype: str,
        flags: int = 0,
        stage: list[str] | None = None,
        biased: bool | None = None,
    ) -> int:
        """``__rmqueue()``: own lists, grouping, the region allocator, what the rules of the generation find."""
        stage = stage or ["own"]
        attempts: list[Callable[[], int]] = []
        if self.generation.claims:
            cma, free = self.nr_free_of("cma"), sum(self.region_nr_free())
            if migratetype == "movable" and cma > (free - self.nr_free_of("isolate")) // 2:
                attempts.append(lambda: self.take_smallest(order, "cma", migratetype))
        if stage[0] == "own":
            attempts.append(lambda: fallback.gather(self, order, migratetype))
            if self.region_allocator == "lowest-first":
                attempts.append(
                    lambda: region_alloc.take_if_lowest(self, order, migratetype, biased)
                )
            attempts.append(lambda: self.take_smallest(order, migratetype, migratetype, biased))
            if self.region_allocator:
                attempts.append(lambda: region_alloc.take_from_parked(self, order, migratetype))
        attempts.append(lambda: fallback.borrow(self, order, migratetype, flags, stage))
        return self.first_success(attempts, order, migratetype)

    @staticmethod
    def first_success(attempts: list[Callable[[], int]], order: int, migratetype: str) -> int:
        """Result of the first attempt that finds memory."""
        for attempt in attempts:
            try:
                return attempt()
            except OutOfMemory:
                pass
        raise OutOfMemory(order, migratetype)

    def take_smallest(self, order: int, name: str, wanted: str, biased: bool | None = None) -> int:
        """Split the first block of the smallest order; when biased, of the lowest region of all orders."""
        high = self.pick(order, name, biased)
        if high is None:
            raise OutOfMemory(order, wanted)
        pfn = self.lists[high, name].pop(0)
        self.split(pfn, order, high, name)
        return pfn

    def pick(self, order: int, name: str, biased: bool | None = None) -> int | None:
        """Order of the list from whose front `take_smallest` takes."""
        highs = [high for high in range(order, MAX_PAGE_ORDER + 1) if self.lists[high, name]]
        if highs and (self.is_biased if biased is None else biased):
            return min(highs, key=lambda high: (self.region_of(self.lists[high, name][0]), high))
        return highs[0] if highs else None

    def note_taken(self, pfn: int, order: int, migratetype: str) -> None:
        """Called when memory of a free block, off its list by now, is about to be allocated."""

    def note_given(self, pfn: int, order: int) -> None:
        """Called when a block is about to be freed: not when free memory changes its place."""

    def note(self, pfn: int, order: int, wanted: str, high: int, other: str) -> None:
        """Log a fallback event."""
        self.extfrag.append((pfn, order, wanted, high, other))

    def free(self, pfn: int, order: int | None = None, cpu: int = 0) -> None:
        """Free the allocated block that starts at *pfn*."""
        if pfn not in self.allocated or order not in (None, self.allocated[pfn][0]):
            raise InvalidFree(pfn, "not the head of an allocated block of that order")
        order, _ = self.allocated.pop(pfn)
        if self.pagesets:
            pageset_rules.free(self, cpu, pfn, order)
        else:
            self.give_pageblocks(pfn, order)

    def give_pageblocks(self, pfn: int, order: int, fresh: bool = False) -> None:
        """``split_large_buddy()`` of 6.12: each pageblock as what it is by now."""
        end = pfn + (1 << order)
        if self.generation.claims:
            order = min(order, self.pageblock_pages.bit_length() - 1)
        for piece in range(pfn, end, 1 << order):
            self.give(piece, order, fresh)

    def give(
        self, pfn: int, order: int, fresh: bool = False, migratetype: str | None = None
    ) -> None:
        """Merge with free buddies, then put the result on a list, by default that of the pageblock's type."""
        migratetype = migratetype or self.pageblock_type(pfn)
        self.note_given(pfn, order)
        while order < MAX_PAGE_ORDER:
            buddy = pfn ^ (1 << order)
            name = self.list_of(buddy, order)
            if name is None:
                break
            if (
                self.generation.claims
                and 1 << order >= self.pageblock_pages
                and name != migratetype
            ):
                if {name, migratetype} & {"highatomic", "cma", "isolate"}:
                    break
                self.retype(buddy, 1 << order, migratetype)
            self.lists[order, name].remove(buddy)
            pfn = min(pfn, buddy)
            order += 1
        to_tail = fresh and self.generation.fresh_to_tail
        if order < MAX_PAGE_ORDER - 1:
            # The buddy of the block that this one and its buddy would make.
            parent = pfn & ~(1 << order)
            uncle = parent ^ (2 << order)
            to_tail = to_tail or self.list_of(uncle, order + 1) is not None
        self.add(pfn, order, migratetype, to_tail)
        region_alloc.park_if_whole(self, pfn, order, migratetype)

    @staticmethod
    def largest_piece(pfn: int, nr: int, limit: int = MAX_PAGE_ORDER) -> int:
        """Order of the largest aligned block at *pfn* within *nr* pages and of at most *limit*."""
        return max(k for k in range(limit + 1) if pfn % (1 << k) == 0 and 1 << k <= nr)

    def add_pages(self, pfn: int, nr: int) -> None:
        """Free absent pages in the largest aligned blocks, in ascending order."""
        region_alloc.unpark_overlapping(self, pfn, nr)
        self.managed.update(range(pfn, pfn + nr))
        self.release(pfn, nr)

    def release(self, pfn: int, nr: int) -> None:
        """Free pages that were never allocated."""
        while nr:
            order = self.largest_piece(pfn, nr)
            self.give_pageblocks(pfn, order, fresh=True)
            pfn += 1 << order
            nr -= 1 << order

    def take_range(self, pfn: int, nr: int, migratetype: str = "movable") -> int:
        """Allocate exactly these free pages; return the number of blocks made."""
        if nr < 1 or any(self.free_block_of(page) is None for page in range(pfn, pfn + nr)):
            raise ValueError("not a range of free pages")
        nr_blocks = 0
        while nr:
            block = self.free_block_of(pfn)
            assert block is not None
            region_alloc.unpark_block(self, block[0])
            head, high, name = self.free_block_of(pfn) or block
            order = self.largest_piece(pfn, nr, high)
            self.lists[high, name].remove(head)
            self.note_taken(head, high, name)
            while high > order:  # keep the half that holds pfn
                high -= 1
                upper = head + (1 << high)
                self.add(head if pfn >= upper else upper, high, name)
                head = upper if pfn >= upper else head
            self.allocated[pfn] = order, migratetype
            pfn += 1 << order
            nr -= 1 << order
            nr_blocks += 1
        return nr_blocks

    def split_allocated(self, pfn: int, order: int = 0) -> None:
        """Turn an allocated block into blocks of *order*."""
        if pfn not in self.allocated or self.allocated[pfn][0] < order:
            raise InvalidFree(pfn, "not the head of an allocated block of at least that order")
        old, migratetype = self.allocated[pfn]
        for piece in range(pfn, pfn + (1 << old), 1 << order):
            self.allocated[piece] = order, migratetype

    def set_pageblocks(self, pfn: int, nr: int, migratetype: str) -> None:
        """Re-type whole pageblocks and move their free blocks to the lists of that type."""
        reserves.set_pageblocks(self, pfn, nr, migratetype)

    # Pageblocks

    def pageblock_pages_of(self, pfn: int) -> range:
        """Pages of the pageblock of a page."""
        first = pfn // self.pageblock_pages * self.pageblock_pages
        return range(first, first + self.pageblock_pages)

    def retype(self, pfn: int, nr: int, migratetype: str) -> None:
        """Give the pageblocks of some pages a type."""
        for number in range(
            pfn // self.pageblock_pages, (pfn + nr - 1) // self.pageblock_pages + 1
        ):
            self.pageblocks[number] = migratetype

    def move_freepages(self, pages: set[int], migratetype: str) -> int:
        """Move free blocks that start in *pages* to the lists of a type; return how many pages they hold."""
        nr_moved = 0
        for block, (order, _) in sorted(self.free_blocks().items()):
            if block in pages:
                region_alloc.unpark_block(self, block)
                self.unlist(block)
                self.add(block, order, migratetype, self.generation.fresh_to_tail)
                nr_moved += 1 << order
        return nr_moved

    def unlist(self, pfn: int) -> str:
        """Take a free block off its list; return the type of the list."""
        order, name = self.free_blocks()[pfn]
        self.lists[order, name].remove(pfn)
        return name
