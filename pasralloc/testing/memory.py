"""An executable model of a simulation: one `ZoneModel` per zone, and what goes on between them.

Like the model of a zone it predicts exact pfns, and each rule is written the way its source
states it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from pasralloc.errors import InvalidFree, OutOfMemory
from pasralloc.machine.machine import Machine
from pasralloc.policy.presets import Policy
from pasralloc.sizing import Pagesets
from pasralloc.testing import pagesets as pageset_rules
from pasralloc.testing import reserves
from pasralloc.testing.evacuation import Evacuations
from pasralloc.testing.memoryplan import TYPES, rules_of, zonelists_of
from pasralloc.testing.memoryzone import ALLOC_MIN_RESERVE, HIGH, LOW, MIN, ZoneOfMemory
from pasralloc.testing.model import ALLOC_NOFRAGMENT, ALLOC_NON_BLOCK, ZoneModel

DMA32, NORMAL, MOVABLE = 1, 2, 3
CLUSTER = 32  # pages that are reclaimed at a time
RETRIES = 16
COSTLY_ORDER = 3


class MemoryModel(Evacuations):
    """What a `Simulation` of the same description does.

    Parameters
    ----------
    machine, policy, pagesets, swap_pages, kswapd_latency_ns, vmstat_interval_ns
        As for `Simulation`.

    Attributes
    ----------
    zones : list of ZoneOfMemory
    counters : dict of str to int
        By the names of `Simulation.counters`.
    reclaimed : list of (int, int, int)
        Pfn, order and state of every block that was reclaimed.

    What `Evacuations` has comes on top.
    """

    def __init__(
        self,
        machine: Machine,
        policy: Policy,
        *,
        pagesets: bool | Pagesets = True,
        swap_pages: int = 0,
        kswapd_latency_ns: int = 0,
        vmstat_interval_ns: int = 1_000_000_000,
    ) -> None:
        super().__init__(policy.evacuation)
        by_region = policy.reclaim == "high-region-first"
        rules = rules_of(machine, policy, pagesets)
        self.zones = [ZoneOfMemory(zone, by_region, self.evacuation) for zone in rules]
        self.zonelists = zonelists_of(machine, rules)
        self.nr_nodes = len(machine.nodes)
        self.swap_size = self.swap_free = swap_pages
        self.latency_ns = kswapd_latency_ns
        self.interval_ns = self.vmstat_at_ns = vmstat_interval_ns
        self.now_ns = 0
        self.kswapd_at_ns: int | None = None
        self.reclaimed: list[tuple[int, int, int]] = []
        self.counters = dict.fromkeys(
            (
                *("slow", "walked", "failures", "kswapd_runs", "direct_runs"),
                *("kswapd_zones", "misses", "scanned", "kswapd", "direct", "written", "swapped"),
            ),
            0,
        )

    def copy(self) -> MemoryModel:
        """Independent copy of the whole state."""
        return copy.deepcopy(self)

    def zone_at(self, pfn: int) -> ZoneOfMemory | None:
        """Zone that spans a pfn."""
        for mz in self.zones:
            if mz.zone.start_pfn <= pfn < mz.zone.end_pfn:
                return mz
        return None

    # Allocation

    def alloc(
        self,
        order: int,
        wanted: str,
        *,
        zone: str | None = None,
        nid: int = 0,
        cpu: int = 0,
        flags: int = 0,
    ) -> int:
        """``__alloc_pages()``."""
        highest = MOVABLE if wanted == "movable" else NORMAL
        if zone is not None:
            highest = TYPES.index(zone)
        zonelist = [self.zones[i] for i in self.zonelists[nid, highest]]
        request = (highest, cpu, order, wanted, flags)
        try:
            pfn = self._get_page(
                zonelist, LOW, highest, cpu, order, wanted, flags & ALLOC_NOFRAGMENT
            )
            if pfn is None:
                pfn = self._slow(zonelist, *request)
        finally:
            if self.kswapd_at_ns is not None and self.now_ns >= self.kswapd_at_ns:
                self._kswapd()
        if pfn is None:
            raise OutOfMemory(order, wanted)
        return pfn

    def _avoids_fragments(self, zonelist: list[ZoneOfMemory]) -> bool:
        """``alloc_flags_nofragment()``."""
        if not zonelist or not zonelist[0].zone.generation.claims:
            return False
        first = zonelist[0].plan
        if first.type != NORMAL:
            return False
        return self.nr_nodes == 1 or any(
            mz.plan.nid == first.nid and mz.plan.type == DMA32 for mz in self.zones
        )

    def _get_page(
        self,
        zonelist: list[ZoneOfMemory],
        wmark: int,
        highest: int,
        cpu: int,
        order: int,
        wanted: str,
        flags: int,
    ) -> int | None:
        """``get_page_from_freelist()``: at low first without mixing types, then as it comes."""
        passes = [0]
        if wmark == LOW and not flags & ALLOC_NOFRAGMENT and self._avoids_fragments(zonelist):
            passes = [ALLOC_NOFRAGMENT, 0]
        for avoiding in passes:
            for mz in zonelist:
                if avoiding and mz.plan.nid != zonelist[0].plan.nid:
                    break
                if not mz.may_serve(order, wmark, highest, wanted, flags):
                    self.counters["misses"] += 1
                    self.counters["walked"] += 1
                    continue
                try:
                    pfn = mz.zone.alloc(order, wanted, cpu, (flags | avoiding) & ~ALLOC_MIN_RESERVE)
                except OutOfMemory:
                    self.counters["walked"] += 1
                    continue
                if mz.zone.watermark_boost and not mz.wants_kswapd:
                    self._wake(mz)
                return pfn
        return None

    def _slow(
        self,
        zonelist: list[ZoneOfMemory],
        highest: int,
        cpu: int,
        order: int,
        wanted: str,
        flags: int,
    ) -> int | None:
        """``__alloc_pages_slowpath()``."""
        request = (highest, cpu, order, wanted, flags)
        self.counters["slow"] += 1
        for mz in zonelist:
            self._wake(mz)
        pfn = self._get_page(zonelist, MIN, *request)
        if pfn is None and not flags & ALLOC_NON_BLOCK:
            pfn = self._reclaim_and_retry(zonelist, *request)
        self.counters["failures"] += pfn is None
        return pfn

    def _reclaim_and_retry(
        self,
        zonelist: list[ZoneOfMemory],
        highest: int,
        cpu: int,
        order: int,
        wanted: str,
        flags: int,
    ) -> int | None:
        """``__alloc_pages_direct_reclaim()`` as often as ``should_reclaim_retry()`` allows."""
        request = (zonelist, MIN, highest, cpu, order, wanted, flags)
        attempts = 1 if order > COSTLY_ORDER else RETRIES if order else None
        freed = 1
        while freed and attempts != 0:
            attempts = attempts and attempts - 1
            freed = self._direct_reclaim(zonelist, cpu)
            pfn = self._get_page(*request) if freed else None
            if pfn is None:
                self._unreserve(zonelist, wanted, force=False)
                self.drain()
                pfn = self._get_page(*request)
            if pfn is not None:
                return pfn
        while order <= COSTLY_ORDER:
            found = self._unreserve(zonelist, wanted, force=True)
            self.drain()
            pfn = self._get_page(*request) if found else None
            if pfn is not None or not found:
                return pfn
        return None

    def _unreserve(self, zonelist: list[ZoneOfMemory], wanted: str, *, force: bool) -> bool:
        """``unreserve_highatomic_pageblock()``: of one zone."""
        return any(
            reserves.unreserve_highatomic(mz.zone, wanted, force)
            for mz in zonelist
            if mz.zone.generation.claims
        )

    # Reclaim

    def _wake(self, mz: ZoneOfMemory) -> None:
        mz.wants_kswapd = True
        if self.kswapd_at_ns is None:
            self.kswapd_at_ns = self.now_ns + self.latency_ns

    def _reclaim(self, mz: ZoneOfMemory, cpu: int, nr: int) -> int:
        """Free at least *nr* pages if they are to be had: page cache first."""
        freed = self._shrink(mz, ("clean", "dirty"), cpu, nr)
        if freed < nr:
            freed += self._shrink(mz, ("movable",), cpu, nr - freed)
        return freed

    def _shrink(self, mz: ZoneOfMemory, states: tuple[str, ...], cpu: int, nr: int) -> int:
        freed = 0
        left = 2 * sum(1 << mz.zone.allocated[pfn][0] for pfn in mz.candidates(states))
        while freed < nr and left > 0 and mz.candidates(states):
            pfn = mz.candidates(states)[0]
            order = mz.zone.allocated[pfn][0]
            self.counters["scanned"] += 1 << order
            left -= 1 << order
            if mz.states[pfn] == "dirty":
                self.counters["written"] += 1 << order
                mz.set_state(pfn, "clean")
                continue
            if mz.states[pfn] == "movable":
                if self.swap_free < 1 << order:
                    break
                self.swap_free -= 1 << order
                self.counters["swapped"] += 1 << order
            self.reclaimed.append((pfn, order, 1 if mz.states[pfn] == "movable" else 2))
            self.log.append((pfn, None))
            del mz.states[pfn]
            mz.zone.free(pfn, cpu=cpu)
            freed += 1 << order
        return freed

    def _direct_reclaim(self, zonelist: list[ZoneOfMemory], cpu: int) -> int:
        self.counters["direct_runs"] += 1
        freed = 0
        for mz in zonelist:
            if freed >= CLUSTER:
                break
            nr = self._reclaim(mz, cpu, CLUSTER - freed)
            self.counters["direct"] += nr
            freed += nr
        return freed

    def _kswapd(self) -> None:
        """Bring the zones that asked for it to their high watermark."""
        self.kswapd_at_ns = None
        self.counters["kswapd_runs"] += len({mz.plan.nid for mz in self.zones if mz.wants_kswapd})
        for mz in self.zones:
            if not mz.wants_kswapd:
                continue
            mz.wants_kswapd = False
            is_low = not mz.has_enough(0, HIGH, mz.plan.type, "movable", 0)
            self.counters["kswapd_zones"] += is_low
            mz.zone.is_reclaimed = mz.minds_high
            while not mz.has_enough(0, HIGH, mz.plan.type, "movable", 0):
                freed = self._reclaim(mz, mz.plan.kswapd_cpu, CLUSTER)
                if not freed:
                    break
                self.counters["kswapd"] += freed
            mz.zone.is_reclaimed = False
            mz.zone.watermark_boost = 0

    # Everything else

    def free(self, pfn: int, order: int | None = None, cpu: int = 0) -> None:
        """Free a block; its state is forgotten."""
        mz = self.zone_at(pfn)
        if mz is None:
            raise InvalidFree(pfn, "outside every zone")
        mz.zone.free(pfn, order, cpu)
        mz.states.pop(pfn, None)

    def pagesets(self) -> Iterator[tuple[ZoneModel, int]]:
        """Zone and CPU of every pageset."""
        for mz in self.zones:
            for cpu in range(len(mz.zone.pagesets)):
                yield mz.zone, cpu

    def drain(self) -> int:
        """``drain_all_pages()``."""
        return sum(pageset_rules.drain(zone, cpu) for zone, cpu in self.pagesets())

    def advance(self, now_ns: int) -> None:
        """Let time pass; several vmstat intervals at once are as many decays."""
        since = len(self.log)
        self.collect()
        self.now_ns = now_ns
        if self.kswapd_at_ns is not None and now_ns >= self.kswapd_at_ns:
            self._kswapd()
        while self.interval_ns and self.vmstat_at_ns <= now_ns:
            self.vmstat_at_ns += self.interval_ns
            for zone, cpu in self.pagesets():
                pageset_rules.decay(zone, cpu)
        self.run_worker(since)

    def set_page_state(self, pfn: int, nr: int, state: str) -> None:
        """Set the state of the blocks that start in a range."""
        mz = self.zone_at(pfn)
        assert mz is not None
        for head in sorted(head for head in mz.zone.allocated if pfn <= head < pfn + nr):
            mz.set_state(head, state)
