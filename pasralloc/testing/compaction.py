"""Migration of blocks in use, for the executable model of a simulation: ranges are emptied batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pasralloc._core.records import Evacuated
from pasralloc.testing import pagesets as pageset_rules
from pasralloc.testing.memoryzone import ZoneOfMemory

CLUSTER_MAX = 32  # pages that are isolated at a time

CACHED = "pages on per-CPU lists"
NO_TARGET = "next free page not in a lower region"
UNMOVABLE = "unmovable pages"
PINNED = "pinned pages"
NO_BLOCK = "no place for a block of several pages"
REFUSED = "refused by the sink"
REASONS = (CACHED, NO_TARGET, UNMOVABLE, PINNED, NO_BLOCK, REFUSED)

# What names a free block for one in use (pfn, order, migratetype): order and type of its list, and its pfn.
Finder = Callable[[int, int, str], tuple[int, str, int] | None]


@dataclass
class Control:
    """How hard to try, and whether the first page that finds no place ends it."""

    drop_clean: bool = False
    move_unevictable: bool = False
    drain: bool = False
    max_tries: int = 1
    ends_early: bool = False


@dataclass
class Done:
    """What was done and met, in pages."""

    moved: int = 0
    dropped: int = 0
    failed: int = 0
    unmovable: int = 0
    pinned: int = 0
    cached: int = 0
    ended: str | None = None  # why it ended early

    def reason(self, left: int) -> str | None:
        """Why *left* pages are in use still."""
        if self.ended is not None or not left:
            return self.ended
        if self.unmovable or self.pinned:
            return UNMOVABLE if self.unmovable else PINNED
        return NO_BLOCK if self.failed else CACHED

    def result(self, left: int) -> Evacuated:
        """Say it as `Simulation.evacuate` does."""
        stuck = self.failed + self.unmovable + self.pinned
        return Evacuated(
            moved=self.moved,
            dropped=self.dropped,
            failed=self.failed,
            aborted=self.ended is not None,
            complete=left == 0,
            complete_after_drain=self.ended is None and not stuck,
            reason=self.reason(left),
            unmovable=self.unmovable,
            pinned=self.pinned,
            cached=self.cached,
        )


def kind_of(mz: ZoneOfMemory, pfn: int, move_unevictable: bool = False) -> str:
    """Say what a block in use is to migration: movable, unmovable or pinned."""
    state = mz.states.get(pfn, "unknown")
    if state == "unknown":
        return "movable" if mz.zone.allocated[pfn][1] == "movable" else "unmovable"
    if state == "pinned" or (state == "unevictable" and not move_unevictable):
        return "pinned"
    return "movable"


def used_in(mz: ZoneOfMemory, first: int, stop: int) -> dict[str, int]:
    """Pages of the blocks in use of a range, by kind; a block that reaches in counts as a whole."""
    used = dict.fromkeys(("unmovable", "pinned", "movable", "cached"), 0)
    for pfn, (order, _) in mz.zone.allocated.items():
        if pfn < stop and pfn + (1 << order) > first:
            used[kind_of(mz, pfn)] += 1 << order
    for pfn, order in mz.zone.cached.items():
        if pfn < stop and pfn + (1 << order) > first:
            used["cached"] += 1 << order
    return used


def lower_finder(mz: ZoneOfMemory, first: int) -> Finder:
    """Find what an allocation would take from the lists of the type, if it lies below the region of *first*."""
    zone = mz.zone

    def find(pfn: int, order: int, name: str) -> tuple[int, str, int] | None:
        high = zone.pick(order, name)
        if high is None:
            return None
        head = zone.lists[high, name][0]
        return (high, name, head) if zone.region_of(head) < zone.region_of(first) else None

    return find


def other_finder(mz: ZoneOfMemory, first: int, stop: int) -> Finder:
    """Find the first block of the type's lists, by order, in a region that the range does not touch."""
    zone = mz.zone
    spared = range(zone.region_of(first), zone.region_of(stop - 1) + 1)

    def find(pfn: int, order: int, name: str) -> tuple[int, str, int] | None:
        for high in range(order, 11):
            for head in zone.lists[high, name]:
                if zone.region_of(head) not in spared:
                    return high, name, head
        return None

    return find


class FreeScanner:
    """``isolate_freepages()``: from the top of a zone down, pageblock by pageblock, and in each upwards.

    Parameters
    ----------
    mz : ZoneOfMemory

    Attributes
    ----------
    pageblock : int
        Number of the pageblock that it is in.
    last : int
        Pageblock of the migration scanner, which it does not enter.
    """

    def __init__(self, mz: ZoneOfMemory) -> None:
        self.zone = mz.zone
        self.last = -1
        self.enter((self.zone.end_pfn - 1) // self.zone.pageblock_pages)

    def enter(self, pageblock: int) -> None:
        """Begin a pageblock."""
        self.pageblock = pageblock
        self.at = pageblock * self.zone.pageblock_pages
        self.stop = self.at + self.zone.pageblock_pages

    def takes(self, pfn: int) -> bool:
        """``suitable_migration_target()``."""
        return self.zone.pageblock_type(pfn) in ("movable", "cma")

    def __call__(self, pfn: int, order: int, name: str) -> tuple[int, str, int] | None:
        """Find the next free block that is large enough."""
        free = self.zone.free_blocks()
        orders = {head: high for head, (high, _) in free.items()} | self.zone.cached
        orders |= {head: high for head, (high, _) in self.zone.allocated.items()}
        while self.pageblock > self.last:
            for head in sorted(head for head in orders if self.at <= head < self.stop):
                self.at = head
                if not self.takes(head):
                    break
                if head in free and free[head][0] >= order and free[head][1] != "parked":
                    high, other = free[head]
                    # All of it is taken before the scanner goes on.
                    self.stop = max(self.stop, head + (1 << high))
                    return high, other, head
                self.at = head + (1 << orders[head])
            self.enter(self.pageblock - 1)
        return None


class Compaction:
    """Empties ranges; part of `MemoryModel`.

    Attributes
    ----------
    moves : list of (int, int, int)
        Old and new pfn, and order, of every block that was migrated.
    log : list of (int, int or None)
        Pfns of blocks that were migrated and where to, and of those that were reclaimed: None.
    sink : callable, optional
        Asked before each move, with the pfns and the order; if it says anything but 0 the block stays.
    """

    reclaimed: list[tuple[int, int, int]]
    sink: Callable[[int, int, int], int] | None = None
    refused: tuple[int, int, int] | None = None  # the last move that it refused

    def __init__(self) -> None:
        self.moves: list[tuple[int, int, int]] = []
        self.log: list[tuple[int, int | None]] = []

    def follow(self, pfn: int, since: int) -> int | None:
        """Where a block is that was at *pfn* when the log had *since* entries; None if it was reclaimed."""
        at: int | None = pfn
        for old, new in self.log[since:]:
            if old == at:
                at = new
                if at is None:
                    break
        return at

    def compact_range(
        self, mz: ZoneOfMemory, first: int, stop: int, control: Control, find: Finder, done: Done
    ) -> int:
        """``compact_range()``; return where the walk ended."""
        if control.drain:
            self.drain_zone(mz)
        reaching = [
            pfn for pfn, (order, _) in mz.zone.allocated.items() if pfn < first < pfn + (1 << order)
        ]
        at = min(reaching, default=first)
        while at < stop and not done.ended:
            batch, at = self._isolate(mz, at, stop, control, done)
            if control.drop_clean:
                batch = self._drop(mz, batch, done)
            for attempt in range(control.max_tries):
                if attempt:
                    self.drain_zone(mz)
                batch, done.ended = self._move(mz, batch, control, find, done)
                if not batch or done.ended == REFUSED:
                    break
            done.failed += sum(1 << mz.zone.allocated[pfn][0] for pfn in batch)
        return at

    @staticmethod
    def drain_zone(mz: ZoneOfMemory) -> None:
        """``drain_all_pages()``, of one zone."""
        for cpu in range(len(mz.zone.pagesets)):
            pageset_rules.drain(mz.zone, cpu)

    @staticmethod
    def _isolate(
        mz: ZoneOfMemory, at: int, stop: int, control: Control, done: Done
    ) -> tuple[list[int], int]:
        """Movable blocks from *at* on until there are pages enough, and where the next batch begins."""
        zone, nr = mz.zone, 0
        batch: list[int] = []
        for pfn in sorted(pfn for pfn in (*zone.allocated, *zone.cached) if at <= pfn < stop):
            if nr >= CLUSTER_MAX:
                return batch, at
            pages = 1 << (zone.allocated[pfn][0] if pfn in zone.allocated else zone.cached[pfn])
            at = pfn + pages
            if pfn in zone.cached:
                done.cached += pages
                continue
            kind = kind_of(mz, pfn, control.move_unevictable)
            if kind == "movable":
                batch.append(pfn)
                nr += pages
            elif kind == "pinned":
                done.pinned += pages
            else:
                done.unmovable += pages
        return batch, max(at, stop)

    def _drop(self, mz: ZoneOfMemory, batch: list[int], done: Done) -> list[int]:
        """``reclaim_clean_pages_from_list()``; return what is left."""
        for pfn in batch:
            if mz.states.get(pfn) == "clean":
                order = mz.zone.allocated[pfn][0]
                done.dropped += 1 << order
                self.reclaimed.append((pfn, order, 2))
                self.log.append((pfn, None))
                del mz.states[pfn]
                mz.zone.free(pfn, cpu=mz.plan.kswapd_cpu)
        return [pfn for pfn in batch if pfn in mz.zone.allocated]

    def _move(
        self, mz: ZoneOfMemory, batch: list[int], control: Control, find: Finder, done: Done
    ) -> tuple[list[int], str | None]:
        """Move what finds a place, then free the old places; return the rest, and why it ended."""
        left, stuck, ended = [], [], None
        for pfn in batch:
            order = mz.zone.allocated[pfn][0]
            why = ended or self._move_block(mz, pfn, find)
            if why is None:
                left.append(pfn)
                done.moved += 1 << order
                continue
            stuck.append(pfn)
            if why == REFUSED or (control.ends_early and order == 0):
                ended = why
        for pfn in left:
            mz.zone.free(pfn, cpu=mz.plan.kswapd_cpu)
        return stuck, ended

    def _move_block(self, mz: ZoneOfMemory, pfn: int, find: Finder) -> str | None:
        zone = mz.zone
        order, name = zone.allocated[pfn]
        target = find(pfn, order, name)
        if target is None:
            return NO_TARGET
        high, other, head = target
        if self.sink is not None and self.sink(pfn, head, order) != 0:
            self.refused = pfn, head, order
            return REFUSED
        zone.lists[high, other].remove(head)
        zone.split(head, order, high, other)
        zone.allocated[head] = order, name
        state = mz.states.pop(pfn, None)
        if state is not None:
            mz.states[head] = state
        self.moves.append((pfn, head, order))
        self.log.append((pfn, head))
        return None

    def compact_zone(self, mz: ZoneOfMemory) -> Done:
        """``compact_zone()``: the two scanners, until they meet."""
        done, scanner = Done(), FreeScanner(mz)
        pages = mz.zone.pageblock_pages
        pageblock = mz.zone.start_pfn // pages
        while pageblock < scanner.pageblock and not done.ended:
            first = scanner.last = pageblock
            if scanner.takes(first * pages):
                end = self.compact_range(
                    mz, first * pages, (first + 1) * pages, Control(), scanner, done
                )
                pageblock = max(pageblock, end // pages - 1)  # not into a block that was looked at
            pageblock += 1
        return done
