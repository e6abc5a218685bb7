"""Rules for the state machine of simulations: blocks in use that are migrated, and found again."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from pasralloc._core.memoryranges import MOVE_SINK
from pasralloc._core.records import PAGE_STATES, Evacuated
from pasralloc._core.views import memory_arrays, zone_arrays
from pasralloc.errors import MoveRefused
from pasralloc.sim.simulation import Simulation
from pasralloc.testing.compaction import REFUSED, kind_of
from pasralloc.testing.memory import MemoryModel

OPENED_NOTED, OPENED_READY = 2, 3

later_times = st.sampled_from([None, None, None, 0, 30, 60, 250])
numbers = st.integers(0, 999)
targets = st.sampled_from([None, None, "lower-regions", "other-regions"])


class MigrationRules(RuleBasedStateMachine):
    """What migrates, and what is known of blocks that are migrated; part of `SimulationMachine`."""

    sim: Simulation
    model: MemoryModel
    known: tuple[list[int], tuple[int, int, int], int] | None

    def passing(self, later: int | None) -> dict[str, Any]:
        """Let time pass in the model; the argument with which a call lets it pass."""
        if later is None:
            return {}
        now = self.model.now_ns + later
        if later:
            self.model.advance(now)
        return {"now_ns": now}

    def allocated(self) -> dict[int, tuple[int, str]]:
        """Order and type of every block in use."""
        return {pfn: block for mz in self.model.zones for pfn, block in mz.zone.allocated.items()}

    def live(self, data: st.DataObject) -> int:
        """Draw a block in use."""
        return int(data.draw(st.sampled_from(sorted(self.allocated())), label="live pfn"))

    def migrate(self, later: int | None, expect: Any, call: Any) -> None:
        """Let the model and the simulation migrate; what may not change does not."""
        when = self.passing(later)
        before, digest = self.allocated(), None
        pinned = {
            pfn
            for mz in self.model.zones
            for pfn in mz.zone.allocated
            if mz.states.get(pfn) == "pinned" or kind_of(mz, pfn, True) == "unmovable"
        }
        drains = self.model.evacuation.drain or self.model.evacuation.max_tries > 1
        if not when and not drains:
            digest = self.sim.digest()
        expected: Evacuated = expect()
        try:
            result = call(**when)
            assert not (expected.aborted and expected.reason == REFUSED)
        except MoveRefused as error:
            result = error.result
            assert (error.old_pfn, error.new_pfn, error.order) == self.model.refused
        assert result == expected
        after = self.allocated()
        assert pinned <= after.keys(), "a block moved that must not"
        nr_blocks = {len(before) - len(after), expected.dropped and -1}
        assert nr_blocks <= {0} or expected.dropped, "a block was lost or came twice"
        pages = [sum(1 << order for order, _ in blocks.values()) for blocks in (before, after)]
        assert pages[0] - pages[1] == expected.dropped
        if digest is not None and not expected.moved and not expected.dropped:
            assert self.sim.digest() == digest, "an evacuation that did nothing left a trace"

    def zone_and_region(self, number: int, region: int) -> tuple[int, int] | None:
        """Choose a zone with more than its first region, and one of the others; None if there is none."""
        larger = [i for i, zone in enumerate(self.sim.zones) if zone.nr_regions > 1]
        if not larger:
            return None
        number = larger[number % len(larger)]
        return number, 1 + region % (self.sim.zones[number].nr_regions - 1)

    @rule(
        number=numbers,
        first=numbers,
        step=st.sampled_from([30, 100, 333, 1000]),
        order=st.sampled_from([0, 0, 0, 1, 4, 6]),
        wanted=st.sampled_from(["movable", "movable", "movable", "unmovable"]),
        state=st.sampled_from(["unknown", *PAGE_STATES]),
    )
    def scatter(
        self, number: int, first: int, step: int, order: int, wanted: str, state: str
    ) -> None:
        """Take few pages of every region of a zone."""
        mz = self.model.zones[number % len(self.model.zones)]
        for pfn in range(mz.zone.start_pfn + first, mz.zone.end_pfn, step):
            pfn = pfn >> order << order
            block = mz.zone.free_block_of(pfn)
            if block is not None and block[1] >= order:
                mz.zone.take_range(pfn, 1 << order, wanted)
                self.sim.take_range(pfn, 1 << order, wanted)
                self.model.set_page_state(pfn, 1, state)
                self.sim.set_page_state(pfn, 1 << order, state)

    @rule(number=numbers, region=numbers, keep=st.sampled_from([0, 1, 5, 32]), cpu=numbers)
    def thin_out(self, number: int, region: int, keep: int, cpu: int) -> None:
        """Free the blocks of a region but for a few."""
        chosen = self.zone_and_region(number, region)
        if chosen is None:
            return
        cpu %= self.sim.machine.nr_cpus
        zone = self.model.zones[chosen[0]].zone
        pfns = [pfn for pfn in sorted(zone.allocated) if zone.region_of(pfn) == chosen[1]]
        for pfn in pfns[keep:]:
            self.model.free(pfn, cpu=cpu)
        self.sim.free_batch(pfns[keep:], cpu=cpu)

    @rule(number=numbers, region=numbers, to=targets, later=later_times)
    def evacuate(self, number: int, region: int, to: str | None, later: int | None) -> None:
        """Empty a region, whatever it holds."""
        chosen = self.zone_and_region(number, region)
        if chosen is None:
            return
        zone = self.sim.zones[chosen[0]]
        self.migrate(
            later,
            lambda: self.model.evacuate(*chosen, to),
            lambda **when: self.sim.evacuate(zone, chosen[1], targets=to, **when),
        )

    @rule(
        number=numbers,
        at=st.integers(0, 5000),
        nr=st.integers(1, 5000),
        to=targets,
        later=later_times,
    )
    def evacuate_range(
        self, number: int, at: int, nr: int, to: str | None, later: int | None
    ) -> None:
        """Anywhere in a zone, also in its first region."""
        zone = self.model.zones[number % len(self.model.zones)].zone
        pfn = zone.start_pfn + at % (zone.end_pfn - zone.start_pfn)
        nr = min(nr, zone.end_pfn - pfn)
        self.migrate(
            later,
            lambda: self.model.evacuate_range(pfn, nr, to),
            lambda **when: self.sim.evacuate_range(pfn, nr, targets=to, **when),
        )

    @rule(number=numbers, later=later_times)
    def compact(self, number: int, later: int | None) -> None:
        """Let the two scanners of a zone meet."""
        number %= len(self.sim.zones)
        self.migrate(
            later,
            lambda: self.model.compact(number),
            lambda **when: self.sim.compact(self.sim.zones[number], **when),
        )

    @rule(modulus=st.sampled_from([0, 0, 2, 5, 20]))
    def set_sink(self, modulus: int) -> None:
        """One that refuses some moves, or none."""
        if not modulus:
            self.sim.set_move_sink(None)
            self.model.sink = None
            return
        self.model.sink = lambda old, new, order: (old + 7 * new + order) % modulus == 1
        self.sim.set_move_sink(
            MOVE_SINK(lambda _, old, new, order: (old + 7 * new + order) % modulus == 1)
        )

    @rule()
    def remember(self) -> None:
        """Note where every block is."""
        self.known = sorted(self.allocated()), self.sim.moment(), len(self.model.log)

    @precondition(lambda self: self.known)
    @rule()
    def find_again(self) -> None:
        """Follow what was noted; of blocks that were freed meanwhile that means nothing."""
        assert self.known is not None
        pfns, moment, since = self.known
        places = np.array(pfns, np.int64)
        self.sim.follow(places, moment)
        expected = [self.model.follow(pfn, since) for pfn in pfns]
        assert places.tolist() == [-22 if pfn is None else pfn for pfn in expected]

    def due(self, queued: int | None, is_noted: bool) -> int | None:
        """When the worker looks at a zone; what is noted by now is queued at the present time."""
        if queued is None:
            return self.model.now_ns + self.model.evacuation.latency_ns if is_noted else None
        return queued

    def agrees_about_migration(self) -> None:
        """Compare moves, counters, queues and what they are filled from."""
        assert self.sim.moves().tolist() == self.model.moves
        assert self.sim.evacuations() == self.model.evacuations()
        for number, (zone, mz) in enumerate(zip(self.sim.zones, self.model.zones, strict=True)):
            held = [
                dict(zip(row.dtype.names, row.tolist(), strict=True)) for row in self.sim.held(zone)
            ]
            assert held == self.model.held(number)
            arrays = zone_arrays(zone) | memory_arrays(self.sim, number)
            noted = _regions(arrays["attention"])
            assert noted | _regions(arrays["queued"]) == mz.zone.attention | mz.queued
            assert self.due(
                int(arrays["evacuate_at_ns"][0]) if arrays["is_queued"][0] else None,
                bool(noted) or arrays["opened_state"][0] == OPENED_READY,
            ) == self.due(mz.evacuate_at_ns, bool(mz.zone.attention) or mz.zone.is_ready)
            opened = int(arrays["opened"][0]) if arrays["opened_state"][0] >= OPENED_NOTED else None
            assert opened == mz.zone.opened
            assert (arrays["opened_state"][0] == OPENED_READY) == mz.zone.is_ready


def _regions(words: np.ndarray[Any, np.dtype[np.uint64]]) -> set[int]:
    """Regions whose bits are set."""
    return {
        64 * number + bit
        for number, word in enumerate(words)
        for bit in range(64)
        if int(word) >> bit & 1
    }
