"""Linux's own compaction beside the evacuation of regions: they pull in opposite directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from pasralloc._core.memorybase import MemoryZone
from pasralloc.outcomes.outcome import Outcome
from pasralloc.policy.presets import Policy
from pasralloc.sim.simulation import Simulation

MACHINE = "generic-16g"
POLICY = Policy(name="biased", placement="biased")
USED_SHARE = 0.6
FREED_SHARE = 0.7
ROUNDS = 3


def run(*, seed: int = 0) -> Outcome:
    """Evacuate and compact the same fragmented machine in turns.

    Parameters
    ----------
    seed : int, default 0
        Which pages are free.

    Returns
    -------
    outcome : Outcome
        *ours*: steps, each with the pages that it moved, the completely free regions of ZONE_NORMAL, and how many
        of these lie below the highest region that is in use: for evacuations alone, for compactions alone, and for both in
        turns. Published are words alone: "regular compaction algorithm would work against the sorted-buddy
        allocation strategy, since it creates free space at lower pfns" (v2, to-do 2).

    References
    ----------
    S. S. Bhat, "[RFC PATCH v2 00/15][Sorted-buddy] mm: Memory Power Management", linux-mm, 9 April
    2013, <20130409214443.4500.44168.stgit@srivatsabhat.in.ibm.com>.
    """
    sim = Simulation(MACHINE, POLICY, seed=seed, pagesets=False)
    zone = max(sim.zones, key=lambda zone: int(zone.region_managed.sum()))
    pfns = sim.alloc_batch(np.zeros(int(sim.nr_free * USED_SHARE), np.uint8))
    sim.free_batch(pfns[sim.rng.random(len(pfns)) < FREED_SHARE])
    fragmented = sim.snapshot()
    steps: dict[str, list[dict[str, Any]]] = {}
    for name, kinds in (
        ("evacuation", ["evacuate"] * 2),
        ("compaction", ["compact"] * 2),
        ("in turns", ["evacuate", "compact"] * ROUNDS),
    ):
        sim.restore(fragmented)
        steps[name] = [_state(zone, "start", 0)]
        for kind in kinds:
            moved = _evacuate(sim, zone) if kind == "evacuate" else sim.compact(zone).moved
            steps[name].append(_state(zone, kind, moved))
        sim.check()
    first = steps["evacuation"][1]["moved"]
    in_turns = [step["moved"] for step in steps["in turns"][1:]]
    return Outcome(
        outcome="compaction",
        parameters={
            "machine": MACHINE,
            "placement": POLICY.placement,
            "seed": seed,
            "used_share": USED_SHARE,
            "freed_share": FREED_SHARE,
        },
        published={},
        ours=steps,
        checks={
            "evacuation leaves its completely free regions above those in use": all(
                step["free_below"] == 0 for step in steps["evacuation"][1:]
            ),
            "compaction leaves its completely free regions below those in use": all(
                step["free_below"] == step["free"] for step in steps["compaction"][1:]
            ),
            "a second evacuation moves less than a hundredth of the first": (
                steps["evacuation"][2]["moved"] * 100 < first
            ),
            "after a compaction an evacuation moves more than the first one did": (
                min(in_turns[2::2]) > first
            ),
        },
    )


def _evacuate(sim: Simulation, zone: MemoryZone) -> int:
    """Evacuate regions from the highest down until one cannot be; the pages that were moved."""
    moved = 0
    for region in range(zone.nr_regions - 1, 0, -1):
        result = sim.evacuate(zone, region)
        moved += result.moved
        if result.aborted:
            break
    return moved


def _state(zone: MemoryZone, step: str, moved: int) -> dict[str, Any]:
    is_free = zone.region_managed == zone.region_nr_free
    highest = int(np.flatnonzero(~is_free)[-1])
    return {
        "step": step,
        "moved": moved,
        "free": int(is_free.sum()),
        "free_below": int(is_free[:highest].sum()),
    }
