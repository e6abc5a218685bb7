"""An executable model of a zone: plain lists, and nothing clever.

It predicts the exact pfn of every allocation. Each rule is written the way its
source states it, in terms of lists of pfns, so that it can be checked by
reading; every operation may cost as much as it likes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

from pasralloc._core.generations import GENERATIONS, REQUESTABLE
from pasralloc.errors import InvalidFree, OutOfMemory

__all__ = ["ZoneModel"]

MAX_PAGE_ORDER = 10
TOP_PAGES = 1 << MAX_PAGE_ORDER


class ZoneModel:
    """What a `Zone` of the same description does, block by block.

    Parameters
    ----------
    nr_pages, region_pages, start_pfn, absent, placement, kernel, pageblock_order
        As for `Zone`, and assumed to be valid.

    Attributes
    ----------
    lists : dict of (int, str) to list of int
        Pfns of the free blocks per (order, migratetype), first to be taken first.
    allocated : dict of int to (int, str)
        Order and migratetype of every allocated block, by its first pfn.
    managed : set of int
        Pfns that belong to the allocator.

    Notes
    -----
    The model serves both settings of `quirks`: regions that begin inside a
    block need no rule of their own here, because a block counts where its first
    page lies.
    """

    def __init__(
        self,
        nr_pages: int,
        *,
        region_pages: int,
        start_pfn: int = 0,
        absent: Iterable[tuple[int, int]] = (),
        placement: str = "sorted",
        kernel: str = "6.12",
        pageblock_order: int = 9,
    ) -> None:
        self.start_pfn = start_pfn
        self.end_pfn = start_pfn + nr_pages
        self.region_pages = region_pages
        self.nr_regions = -(-nr_pages // region_pages)
        self.is_sorted = placement == "sorted"
        self.generation = GENERATIONS[kernel]
        self.pageblock_pages = 1 << pageblock_order
        self.pageblocks: dict[int, str] = {}  # by number; those not named are movable
        self.lists: dict[tuple[int, str], list[int]] = {
            (order, name): [] for order in range(MAX_PAGE_ORDER + 1) for name in REQUESTABLE
        }
        self.allocated: dict[int, tuple[int, str]] = {}
        self.managed: set[int] = set()
        pfn = start_pfn
        for hole, nr in sorted(absent):
            self.add_pages(pfn, hole - pfn)
            pfn = hole + nr
        self.add_pages(pfn, self.end_pfn - pfn)

    # Questions

    def region_of(self, pfn: int) -> int:
        """Region in which a page lies."""
        return (pfn - self.start_pfn) // self.region_pages

    def pageblock_type(self, pfn: int) -> str:
        """Migratetype of the pageblock of a page."""
        return self.pageblocks.get(pfn // self.pageblock_pages, "movable")

    def free_blocks(self) -> dict[int, tuple[int, str]]:
        """Order and migratetype of every free block, by its first pfn."""
        return {pfn: key for key, pfns in self.lists.items() for pfn in pfns}

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
        """Put back all but the lowest ``2**low`` pages, largest half first."""
        while high > low:
            high -= 1
            self.add(pfn + (1 << high), high, migratetype)

    # Operations

    def alloc(self, order: int = 0, migratetype: str = "movable") -> int:
        """Own lists first, smallest block that fits; then the largest block of another type."""
        lists = [(high, migratetype) for high in range(order, MAX_PAGE_ORDER + 1)]
        for other in self.generation.fallbacks[migratetype]:
            lists += [(high, other) for high in range(MAX_PAGE_ORDER, order - 1, -1)]
        for high, name in lists:
            if self.lists[high, name]:
                pfn = self.lists[high, name].pop(0)
                self.split(pfn, order, high, name)
                self.allocated[pfn] = order, migratetype
                return pfn
        raise OutOfMemory(order, migratetype)

    def free(self, pfn: int, order: int | None = None) -> None:
        """Free the allocated block that starts at *pfn*."""
        if pfn not in self.allocated or order not in (None, self.allocated[pfn][0]):
            raise InvalidFree(pfn, "not the head of an allocated block of that order")
        self.give(pfn, self.allocated.pop(pfn)[0])

    def give(self, pfn: int, order: int, fresh: bool = False) -> None:
        """Merge with free buddies, then put the result on the list of the pageblock's type."""
        migratetype = self.pageblock_type(pfn)
        while order < MAX_PAGE_ORDER:
            buddy = pfn ^ (1 << order)
            name = next((name for name in REQUESTABLE if buddy in self.lists[order, name]), None)
            if name is None:
                break
            self.lists[order, name].remove(buddy)
            pfn = min(pfn, buddy)
            order += 1
        to_tail = fresh and self.generation.fresh_to_tail
        if order < MAX_PAGE_ORDER - 1:
            # The buddy of the block that this one and its buddy would make.
            parent = pfn & ~(1 << order)
            uncle = parent ^ (2 << order)
            to_tail = to_tail or any(uncle in self.lists[order + 1, name] for name in REQUESTABLE)
        self.add(pfn, order, migratetype, to_tail)

    @staticmethod
    def largest_piece(pfn: int, nr: int, limit: int = MAX_PAGE_ORDER) -> int:
        """Order of the largest aligned block at *pfn* within *nr* pages and of at most *limit*."""
        return max(k for k in range(limit + 1) if pfn % (1 << k) == 0 and 1 << k <= nr)

    def add_pages(self, pfn: int, nr: int) -> None:
        """Free absent pages in the largest aligned blocks, in ascending order."""
        self.managed.update(range(pfn, pfn + nr))
        while nr:
            order = self.largest_piece(pfn, nr)
            self.give(pfn, order, fresh=True)
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
            head, high, name = block
            order = self.largest_piece(pfn, nr, high)
            self.lists[high, name].remove(head)
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
        """Re-type whole blocks and move their free blocks to the lists of that type."""
        end = pfn + nr
        if (
            not self.start_pfn <= pfn < end <= self.end_pfn
            or (pfn % TOP_PAGES and pfn != self.start_pfn)
            or (end % TOP_PAGES and end != self.end_pfn)
        ):
            raise ValueError("not whole blocks of the largest order")
        for number in range(pfn // self.pageblock_pages, (end - 1) // self.pageblock_pages + 1):
            self.pageblocks[number] = migratetype
        for block, (order, name) in sorted(self.free_blocks().items()):
            if pfn <= block < end and name != migratetype:
                self.lists[order, name].remove(block)
                self.add(block, order, migratetype, self.generation.fresh_to_tail)
