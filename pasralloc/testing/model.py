"""An executable model of a zone: plain lists, and nothing clever.

It predicts the exact pfn of every allocation. Each rule is written the way its
source states it, in terms of lists of pfns, so that it can be checked by
reading; every operation may cost as much as it likes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

from pasralloc._core.generations import GENERATIONS, REQUESTABLE
from pasralloc.errors import InvalidFree, OutOfMemory
from pasralloc.testing import fallback

__all__ = ["ZoneModel"]

MAX_PAGE_ORDER = 10
TOP_PAGES = 1 << MAX_PAGE_ORDER


class ZoneModel:
    """What a `Zone` of the same description does, block by block.

    Parameters
    ----------
    nr_pages, region_pages, start_pfn, absent, placement, kernel, pageblock_order, region_allocator
        As for `Zone`, and assumed to be valid.

    Attributes
    ----------
    lists : dict of (int, str) to list of int
        Pfns of the free blocks per (order, migratetype), first to be taken first.
    allocated : dict of int to (int, str)
        Order and migratetype of every allocated block, by its first pfn.
    managed : set of int
        Pfns that belong to the allocator.
    parked : dict of int to list of int
        Blocks of the regions that the region allocator holds, by region.

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
        region_allocator: str | None = None,
    ) -> None:
        self.start_pfn = start_pfn
        self.end_pfn = start_pfn + nr_pages
        self.region_pages = region_pages
        self.nr_regions = -(-nr_pages // region_pages)
        self.is_sorted = placement != "linux"
        self.is_biased = placement == "biased"
        self.generation = GENERATIONS[kernel]
        self.pageblock_pages = 1 << pageblock_order
        self.pageblocks: dict[int, str] = {}  # by number; those not named are movable
        self.lists: dict[tuple[int, str], list[int]] = {
            (order, name): []
            for order in range(MAX_PAGE_ORDER + 1)
            for name in self.generation.migratetypes
        }
        self.extfrag: list[
            tuple[int, int, str, int, str]
        ] = []  # pfn, order, type, fallback order, its type
        self.allocated: dict[int, tuple[int, str]] = {}
        self.region_allocator = region_allocator
        self.parked: dict[int, list[int]] = {}
        holes = {page for hole, nr in absent for page in range(hole, hole + nr)}
        self.managed = set(range(start_pfn, self.end_pfn)) - holes
        pfn = start_pfn
        for hole, nr in [*sorted(absent), (self.end_pfn, 0)]:
            self.release(pfn, hole - pfn)
            pfn = hole + nr

    # Questions

    def region_of(self, pfn: int) -> int:
        """Region in which a page lies."""
        return (pfn - self.start_pfn) // self.region_pages

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
        """Put back all but the lowest ``2**low`` pages, largest half first."""
        while high > low:
            high -= 1
            self.add(pfn + (1 << high), high, migratetype)

    # Operations

    def alloc(self, order: int = 0, migratetype: str = "movable") -> int:
        """Own lists first, then what the fallback rules of the generation find."""
        pfn = self.find(order, migratetype)
        self.allocated[pfn] = order, migratetype
        return pfn

    def find(self, order: int, migratetype: str) -> int:
        """Cut ``2**order`` pages from some free block."""
        attempts: list[Callable[[], int]] = [
            lambda: self.take_smallest(order, migratetype, migratetype)
        ]
        if self.region_allocator:
            attempts.append(lambda: self.take_from_parked(order, migratetype))
        if self.region_allocator == "lowest-first":
            self.unpark_if_lowest(order, migratetype)
        if self.generation.claims:
            cma, free = self.nr_free_of("cma"), sum(self.region_nr_free())
            if migratetype == "movable" and cma > (free - self.nr_free_of("isolate")) // 2:
                attempts.insert(0, lambda: self.take_smallest(order, "cma", migratetype))
            attempts.append(lambda: fallback.claim_or_steal(self, order, migratetype))
        else:
            attempts.append(lambda: fallback.steal(self, order, migratetype))
        for attempt in attempts:
            try:
                return attempt()
            except OutOfMemory:
                pass
        raise OutOfMemory(order, migratetype)

    def take_smallest(self, order: int, name: str, wanted: str) -> int:
        """Split the first block of the smallest order; when biased, of the lowest region of all orders."""
        highs = [high for high in range(order, MAX_PAGE_ORDER + 1) if self.lists[high, name]]
        if not highs:
            raise OutOfMemory(order, wanted)
        high = highs[0]
        if self.is_biased:
            high = min(highs, key=lambda high: (self.region_of(self.lists[high, name][0]), high))
        pfn = self.lists[high, name].pop(0)
        self.split(pfn, order, high, name)
        return pfn

    def note(self, pfn: int, order: int, wanted: str, high: int, other: str) -> None:
        """Log a fallback event."""
        self.extfrag.append((pfn, order, wanted, high, other))

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
        self.park_if_whole(pfn, order, migratetype)

    @staticmethod
    def largest_piece(pfn: int, nr: int, limit: int = MAX_PAGE_ORDER) -> int:
        """Order of the largest aligned block at *pfn* within *nr* pages and of at most *limit*."""
        return max(k for k in range(limit + 1) if pfn % (1 << k) == 0 and 1 << k <= nr)

    def add_pages(self, pfn: int, nr: int) -> None:
        """Free absent pages in the largest aligned blocks, in ascending order."""
        self.unpark_overlapping(pfn, nr)
        self.managed.update(range(pfn, pfn + nr))
        self.release(pfn, nr)

    def release(self, pfn: int, nr: int) -> None:
        """Free pages that were never allocated."""
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
        self.unpark_overlapping(pfn, nr)
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
        """Re-type whole pageblocks and move their free blocks to the lists of that type."""
        end = pfn + nr
        pages = self.pageblock_pages
        if (
            not self.start_pfn <= pfn < end <= self.end_pfn
            or (pfn % pages and pfn != self.start_pfn)
            or (end % pages and end != self.end_pfn)
        ):
            raise ValueError("not whole pageblocks")
        for block, (order, _) in self.free_blocks().items():
            if block < pfn < block + (1 << order) or block < end < block + (1 << order):
                raise ValueError("a free block reaches beyond the range")
        self.move_freepages(set(range(pfn, end)), migratetype)
        self.retype(pfn, nr, migratetype)

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
                self.unpark_overlapping(block, 1)
                self.unlist(block)
                self.add(block, order, migratetype, self.generation.fresh_to_tail)
                self.park_if_whole(block, order, migratetype)
                nr_moved += 1 << order
        return nr_moved

    def unlist(self, pfn: int) -> str:
        """Take a free block off its list; return the type of the list."""
        order, name = self.free_blocks()[pfn]
        self.lists[order, name].remove(pfn)
        return name

    # Region allocator

    def park_if_whole(self, pfn: int, order: int, migratetype: str) -> None:
        """Park the region of a block that just joined a list, if that is all of the region."""
        if not self.region_allocator or migratetype not in REQUESTABLE or order != MAX_PAGE_ORDER:
            return
        region = self.region_of(pfn)
        pfns = self.lists[order, migratetype]
        own = [pfn for pfn in pfns if self.region_of(pfn) == region]
        nr_free = self.region_nr_free()[region]
        if (
            nr_free == self.region_managed()[region]
            and self.region_of(pfns[0]) != self.region_of(pfns[-1])
            and len(own) << order == nr_free
        ):
            self.parked[region] = own
            self.lists[order, migratetype] = [pfn for pfn in pfns if pfn not in own]

    def unpark(self, region: int, migratetype: str) -> None:
        """Put a region on the list of a type, with its pageblocks."""
        pfns = self.lists[MAX_PAGE_ORDER, migratetype]
        lower = sum(self.region_of(pfn) < region for pfn in pfns)
        pfns[lower:lower] = own = self.parked.pop(region)
        for pfn in own:
            self.retype(pfn, TOP_PAGES, migratetype)

    def unpark_overlapping(self, pfn: int, nr: int) -> None:
        """Put the parked regions of a range on the movable list, as ``move_freepages()`` does."""
        for region in range(self.region_of(pfn), self.region_of(pfn + nr - 1) + 1):
            if region in self.parked:
                self.unpark(region, "movable")

    def take_from_parked(self, order: int, migratetype: str) -> int:
        """Get the lowest parked region for a type, and take from it."""
        if not self.parked:
            raise OutOfMemory(order, migratetype)
        self.unpark(min(self.parked), migratetype)
        return self.take_smallest(order, migratetype, migratetype)

    def unpark_if_lowest(self, order: int, migratetype: str) -> None:
        """Get the lowest parked region if the type would take from it, were it on the list."""
        if not self.parked:
            return
        trial = self.copy()
        trial.unpark(min(self.parked), migratetype)
        if trial.region_of(trial.take_smallest(order, migratetype, migratetype)) in self.parked:
            self.unpark(min(self.parked), migratetype)
