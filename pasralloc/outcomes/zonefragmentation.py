"""Zones inside regions beside regions beside zones: what many small zones cost under pressure."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from pasralloc.outcomes.outcome import Outcome
from pasralloc.policy.presets import PRESETS
from pasralloc.sim.plan import pieces_of, plans_of
from pasralloc.sim.simulation import Simulation
from pasralloc.workload.kernbench import Kernbench

MACHINE = "phone-8g"
POLICIES = ("hierarchy", "sorted")

# A page cache that fills the memory several times over, and slab in high orders.
LOAD = Kernbench(units=1500, anon_pages=20000, read_pages=1200, written_pages=400, slab_kept=0.5)


def run(*, seed: int = 0, load: Kernbench = LOAD) -> Outcome:
    """Run the same build on the same machine under both designs.

    Parameters
    ----------
    seed : int, default 0
    load : Kernbench, optional

    Returns
    -------
    outcome : Outcome
        *ours* has, per design, the number of zones, what the simulation counted, and completely free
        regions at the end. Published are the complaints alone: too many zones, more reclaim
        activity, unclear watermarks (S. S. Bhat, 7 November 2012; J. Corbet, "Memory power management, take
        2", LWN.net, 8 February 2012).
    """
    ours: dict[str, dict[str, Any]] = {}
    for name in POLICIES:
        policy = replace(PRESETS[name], kernel="3.9")
        sim = Simulation(MACHINE, policy, seed=seed)
        timeline = load.run(sim)
        counters = sim.counters()
        ours[name] = {
            "zones": len(sim.zones),
            **{
                key: counters[key]
                for key in (
                    *("failures", "walked", "misses", "slow"),
                    *("kswapd_runs", "direct_runs", "kswapd", "direct"),
                )
            },
            "low_watermarks": sum(
                plan.watermarks[1]
                for plan in plans_of(
                    sim.machine, pieces_of(sim.machine, policy.hierarchy), policy, False
                )
            ),
            "free_regions_at_the_end": timeline.end_drained,
            "killed": timeline.nr_killed,
        }
    one, other = ours["hierarchy"], ours["sorted"]
    return Outcome(
        outcome="zone-fragmentation",
        parameters={"seed": seed, "machine": MACHINE, "kernel": "3.9", "load": asdict(load)},
        published={"complaints": ["too many zones", "extra reclaim", "unclear watermarks"]},
        ours=ours,
        checks={
            "a hierarchy has more zones": one["zones"] > other["zones"],
            "and walks past more of them in vain": one["walked"] > other["walked"],
            "regions beside zones fail no more requests": other["failures"] <= one["failures"],
        },
    )
