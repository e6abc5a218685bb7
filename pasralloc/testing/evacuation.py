"""When and how regions are evacuated, for the executable model of a simulation."""

from __future__ import annotations

from pasralloc._core.records import Evacuated
from pasralloc.policy.evacuation import Evacuation
from pasralloc.testing.compaction import (
    CACHED,
    REASONS,
    Compaction,
    Control,
    Done,
    Finder,
    lower_finder,
    other_finder,
    used_in,
)
from pasralloc.testing.memoryzone import ZoneOfMemory

LOG_SIZE = 1 << 20


class Evacuations(Compaction):
    """Triggers, queues, the worker, and what calls evacuate; part of `MemoryModel`.

    Attributes
    ----------
    evacuation : Evacuation
        The policy; one of the trigger "manual" if there is none.
    tally : dict of str to int
        Regions that were tried, pages that were moved, dropped and failed.
    held : dict of (str or None) to int
        Regions by the reason why they were in use after their evacuation.
    """

    zones: list[ZoneOfMemory]
    now_ns: int

    def __init__(self, evacuation: Evacuation | None) -> None:
        super().__init__()
        self.evacuation = evacuation or Evacuation(trigger="manual")
        self.period_at_ns = self.evacuation.period_ns
        self.tally = dict.fromkeys(("tried", "moved", "dropped", "failed"), 0)
        self.held_by: dict[str | None, int] = dict.fromkeys((None, *REASONS), 0)

    # Calls

    def evacuate(self, number: int, region: int, targets: str | None = None) -> Evacuated:
        """Empty a region of a zone, whatever it holds."""
        return self._evacuate(self.zones[number], region, targets)

    def evacuate_range(self, pfn: int, nr: int, targets: str | None = None) -> Evacuated:
        """Empty a range, which lies in one zone; no region counts as evacuated."""
        mz = next(mz for mz in self.zones if mz.zone.start_pfn <= pfn < mz.zone.end_pfn)
        done = self._empty(mz, pfn, pfn + nr, targets)
        return done.result(sum(used_in(mz, pfn, pfn + nr).values()))

    def compact(self, number: int) -> Evacuated:
        """``/proc/sys/vm/compact_memory``, of one zone."""
        done = self.compact_zone(self.zones[number])
        return done.result(done.failed + done.unmovable + done.pinned + done.cached)

    def held(self, number: int) -> list[dict[str, int]]:
        """Pages of each region, by what they are in use for."""
        zone = self.zones[number].zone
        ends = [*zone.region_starts[1:], zone.end_pfn]
        pairs = zip(zone.region_starts, ends, strict=True)
        return [used_in(self.zones[number], *pair) for pair in pairs]

    def evacuations(self) -> dict[str, object]:
        """Say what `Simulation.evacuations` does."""
        return {
            "tried": self.tally["tried"],
            "complete": self.held_by[None],
            "complete_after_drain": self.held_by[CACHED],
            **{name: self.tally[name] for name in ("moved", "dropped", "failed")},
            "moved_blocks": len(self.moves),
            "held": {reason: self.held_by[reason] for reason in REASONS},
        }

    # The worker

    def _finder(self, mz: ZoneOfMemory, first: int, stop: int, targets: str) -> Finder:
        if targets == "lower-regions":
            return lower_finder(mz, first)
        return other_finder(mz, first, stop)

    def _empty(self, mz: ZoneOfMemory, first: int, stop: int, targets: str | None) -> Done:
        policy, done = self.evacuation, Done()
        targets = targets or policy.targets
        control = Control(
            drop_clean=policy.drop_clean,
            move_unevictable=policy.move_unevictable,
            drain=policy.drain,
            max_tries=policy.max_tries,
            ends_early=targets == "lower-regions",
        )
        self.compact_range(mz, first, stop, control, self._finder(mz, first, stop, targets), done)
        return done

    def _evacuate(self, mz: ZoneOfMemory, region: int, targets: str | None = None) -> Evacuated:
        """``evacuate_mem_region()``."""
        zone = mz.zone
        ends = [*zone.region_starts[1:], zone.end_pfn]
        done = self._empty(mz, zone.region_starts[region], ends[region], targets)
        left = zone.nr_used(region)
        self.tally["tried"] += 1
        for name in ("moved", "dropped", "failed"):
            self.tally[name] += getattr(done, name)
        self.held_by[done.reason(left)] += 1
        return done.result(left)

    def _should_evacuate(self, mz: ZoneOfMemory, region: int) -> bool:
        """``should_evacuate_region()``."""
        return region != 0 and 0 < mz.zone.nr_used(region) <= self.evacuation.max_used

    def _queue(self, mz: ZoneOfMemory) -> None:
        if mz.evacuate_at_ns is None:
            mz.evacuate_at_ns = self.now_ns + self.evacuation.latency_ns

    def collect(self) -> None:
        """Queue what zones have noted up to now."""
        for mz in self.zones:
            if mz.zone.is_ready:
                self._queue(mz)
            if mz.zone.attention:
                self._queue(mz)
                mz.queued |= mz.zone.attention
                mz.zone.attention = set()

    def _work(self, mz: ZoneOfMemory, since: int) -> None:
        """Look at everything that is queued of a zone; what comes meanwhile is for the next time."""
        regions, mz.queued, mz.evacuate_at_ns = mz.queued, set(), None
        if mz.zone.is_ready:
            assert mz.zone.opened is not None
            regions.add(mz.zone.opened)
        for region in sorted(regions, reverse=self.evacuation.order == "descending"):
            if not self._should_evacuate(mz, region):
                continue
            if len(self.log) - since + mz.zone.nr_used(region) > LOG_SIZE:
                raise NotImplementedError("a log would overflow, and regions would be put off")
            self._evacuate(mz, region)
        mz.zone.forget_opened()

    def run_worker(self, since: int) -> None:
        """Do what the worker does as time passes, which began with *since* entries in the log."""
        policy = self.evacuation
        if policy.trigger == "manual":
            return
        if policy.trigger == "periodic" and self.now_ns >= self.period_at_ns:
            while self.period_at_ns <= self.now_ns:
                self.period_at_ns += policy.period_ns
            for mz in self.zones:
                due = {
                    region
                    for region in range(mz.zone.nr_regions)
                    if self._should_evacuate(mz, region)
                }
                if due:
                    self._queue(mz)
                mz.queued |= due
        for mz in self.zones:
            if mz.evacuate_at_ns is not None and self.now_ns >= mz.evacuate_at_ns:
                self._work(mz, since)
