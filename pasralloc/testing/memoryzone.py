"""One zone of the executable model of a simulation: watermarks, and what is known about blocks in use."""

from __future__ import annotations

from functools import cached_property

from pasralloc.policy.evacuation import Evacuation
from pasralloc.testing import reserves
from pasralloc.testing.memoryplan import ZoneRules
from pasralloc.testing.model import ALLOC_HIGHATOMIC, ALLOC_NON_BLOCK, ALLOC_OOM, ZoneModel

ALLOC_MIN_RESERVE = 32
MIN, LOW, HIGH = 0, 1, 2
DMA, MOVABLE = 0, 3


class WatchedZone(ZoneModel):
    """A zone that notes what the triggers of evacuation wait for.

    Attributes
    ----------
    trigger : str
        Of the policy; "manual" where none is to be noted.
    opened : int or None
        Region that was opened last: an allocation found all of it free.
    is_ready : bool
        Whether something was freed since. Until the worker has looked at it nothing else is noted.
    attention : set of int
        Regions that a free has left with few pages in use.
    """

    trigger = "manual"
    max_used = 0
    opened: int | None = None
    is_ready = False

    def watch(self, trigger: str, max_used: int) -> None:
        """Start to note; what happened before does not count."""
        self.trigger, self.max_used = trigger, max_used
        self.attention: set[int] = set()

    @cached_property
    def managed_of(self) -> list[int]:
        """Managed pages per region, of which there will not be more."""
        return self.region_managed()

    def nr_used(self, region: int) -> int:
        """Pages of a region that are not free; those on pagesets are not."""
        return self.managed_of[region] - self.region_nr_free()[region]

    def note_taken(self, pfn: int, order: int, migratetype: str) -> None:
        """Do the handshake's side of allocations."""
        if self.trigger != "handshake" or self.is_ready:
            return
        region = self.region_of(pfn)
        was_free = self.nr_used(region) == 1 << order
        if was_free and region and migratetype in ("movable", "reclaimable", "cma"):
            self.opened = region

    def note_given(self, pfn: int, order: int) -> None:
        """Do the handshake's side of frees, or what kmempowerd is triggered by."""
        if self.trigger == "handshake" and self.opened is not None:
            self.is_ready = True
        if self.trigger == "free":
            region = self.region_of(pfn)
            left = self.nr_used(region) - (1 << order)
            is_movable = self.pageblock_type(pfn) in ("movable", "reclaimable")
            if region and 0 < left <= self.max_used and is_movable:
                self.attention.add(region)

    def forget_opened(self) -> None:
        """Have the worker look at what was opened, and note again."""
        if self.is_ready:
            self.opened, self.is_ready = None, False


class ZoneOfMemory:
    """A zone with its watermarks, and what is known about its blocks in use."""

    def __init__(self, plan: ZoneRules, by_region: bool, evacuation: Evacuation) -> None:
        self.zone = WatchedZone(**plan.options)
        self.zone.boost_max = plan.boost_max
        self.zone.high_mark = plan.watermarks[HIGH] + plan.lowmem_reserve[MOVABLE]
        if plan.nr_reserve:
            reserves.setup(self.zone, plan.nr_reserve * self.zone.pageblock_pages)
        spared = evacuation.trigger == "free" and plan.type == DMA
        self.zone.watch("manual" if spared else evacuation.trigger, evacuation.max_used)
        self.queued: set[int] = set()  # regions that the worker is to look at
        self.evacuate_at_ns: int | None = None
        self.plan = plan
        self.by_region = by_region
        self.wants_kswapd = False
        self.states: dict[int, str] = {}  # by pfn, in the order in which they were set

    def candidates(self, states: tuple[str, ...]) -> list[int]:
        """Blocks in one of some states, in the order in which reclaim looks at them."""
        pfns = [pfn for pfn, state in self.states.items() if state in states]
        if self.by_region:
            pfns.sort(key=lambda pfn: -self.zone.region_of(pfn))
        return pfns

    def set_state(self, pfn: int, state: str) -> None:
        """Make a block the youngest of its list."""
        self.states.pop(pfn, None)
        if state != "unknown":
            self.states[pfn] = state

    def mark(self, wmark: int) -> int:
        """Pages of a watermark, boost included."""
        return self.plan.watermarks[wmark] + self.zone.watermark_boost

    @property
    def minds_high(self) -> bool:
        """Whether its pagesets become smaller while memory is short."""
        has_marks = self.plan.watermarks[HIGH] > 0
        return has_marks and self.zone.generation.claims and bool(self.zone.pagesets)

    def may_serve(self, order: int, wmark: int, highest: int, wanted: str, flags: int) -> bool:
        """Ask for the high watermark first until it is missed, as ``get_page_from_freelist()``."""
        request = (highest, wanted, flags)
        if self.minds_high and not self.zone.is_below_high:
            if self.has_enough(order, wmark, *request, level=HIGH):
                return True
            self.zone.is_below_high = True
        return self.has_enough(order, wmark, *request)

    def has_enough(
        self,
        order: int,
        wmark: int,
        highest: int,
        wanted: str,
        flags: int,
        level: int | None = None,
    ) -> bool:
        """``zone_watermark_fast()``: ``__GFP_HIGH`` ignores what a boost adds to the min watermark."""
        marks = [self.mark(wmark if level is None else level)]
        if order == 0 and wmark == MIN and flags & ALLOC_MIN_RESERVE:
            marks.append(self.plan.watermarks[MIN])
        return any(self._is_above(mark, order, highest, wanted, flags) for mark in marks)

    def _is_above(self, mark: int, order: int, highest: int, wanted: str, flags: int) -> bool:
        """``__zone_watermark_ok()`` of either generation."""
        zone = self.zone
        free = sum(1 << o for o, _ in zone.free_blocks().values()) - (1 << order) + 1
        free -= zone.nr_free_of("isolate")
        if wanted != "movable":
            free -= zone.nr_free_of("cma")
        least, reserve = mark, self.plan.lowmem_reserve[highest]
        if not zone.generation.claims:
            return self._has_enough_of_steals(order, free, least, reserve, flags)
        if not flags & (ALLOC_NON_BLOCK | ALLOC_MIN_RESERVE | ALLOC_HIGHATOMIC | ALLOC_OOM):
            free -= zone.nr_free_of("highatomic")
        if flags & ALLOC_MIN_RESERVE:
            least -= least // 2
            if flags & ALLOC_NON_BLOCK:
                least -= least // 4
        if flags & ALLOC_OOM:
            least -= least // 2
        if free <= least + reserve:
            return False
        usable = {"unmovable", "movable", "reclaimable", "parked"}
        usable |= {"cma"} if wanted == "movable" else set()
        usable |= {"highatomic"} if flags & (ALLOC_HIGHATOMIC | ALLOC_OOM) else set()
        return order == 0 or any(
            o >= order and name in usable for o, name in zone.free_blocks().values()
        )

    def _has_enough_of_steals(
        self, order: int, free: int, least: int, reserve: int, flags: int
    ) -> bool:
        if flags & ALLOC_MIN_RESERVE:
            least -= least // 2
        if flags & ALLOC_NON_BLOCK:
            least -= least // 4
        if free <= least + reserve:
            return False
        for low in range(order):
            free -= sum(
                1 << o
                for o, name in self.zone.free_blocks().values()
                if o == low and name not in ("isolate", "parked")
            )
            least //= 2
            if free <= least:
                return False
        return True
