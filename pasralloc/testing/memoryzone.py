"""One zone of the executable model of a simulation: watermarks, and what is known about blocks in use."""

from __future__ import annotations

from pasralloc.testing import reserves
from pasralloc.testing.memoryplan import ZoneRules
from pasralloc.testing.model import ALLOC_HIGHATOMIC, ALLOC_NON_BLOCK, ALLOC_OOM, ZoneModel

ALLOC_MIN_RESERVE = 32
MIN, LOW, HIGH = 0, 1, 2


class ZoneOfMemory:
    """A zone with its watermarks, and what is known about its blocks in use."""

    def __init__(self, plan: ZoneRules, by_region: bool) -> None:
        self.zone = ZoneModel(**plan.options)
        self.zone.boost_max = plan.boost_max
        if plan.nr_reserve:
            reserves.setup(self.zone, plan.nr_reserve * self.zone.pageblock_pages)
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

    def has_enough(self, order: int, wmark: int, highest: int, wanted: str, flags: int) -> bool:
        """``zone_watermark_fast()``: ``__GFP_HIGH`` ignores what a boost adds to the min watermark."""
        marks = [self.mark(wmark)]
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
