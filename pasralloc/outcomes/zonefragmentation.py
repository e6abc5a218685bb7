"""Zones inside regions beside regions beside zones: what many small zones cost under pressure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pasralloc.outcomes.outcome import Outcome
from pasralloc.policy.presets import PRESETS
from pasralloc.sim.plan import pieces_of, plans_of
from pasralloc.sim.simulation import Simulation
from pasralloc.workload.kernbench import Kernbench
from pasralloc.workload.timeline import SECOND_NS

MACHINE = "phone-8g"
POLICIES = ("hierarchy", "sorted")
COUNTERS = (
    *("failures", "walked", "misses", "slow"),
    *("kswapd_runs", "kswapd_zones", "direct_runs", "kswapd", "direct"),
)

# A page cache that fills the memory several times over, and slab in high orders.
LOAD = Kernbench(units=1500, anon_pages=20000, read_pages=1200, written_pages=400, slab_kept=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Files that are read while buffers of one size come and go.

    Parameters
    ----------
    order : int, default 8
        Of the buffers, which are unmovable.
    cache_pages : int, default 64
        Page cache between two of them.
    kept : int, default 50
        Buffers at a time.
    rounds : int, default 500
        Buffers after the memory was full for the first time.
    """

    order: int = 8
    cache_pages: int = 64
    kept: int = 50
    rounds: int = 500

    def run(self, sim: Simulation) -> dict[str, Any]:
        """Fill the memory, and go on; return what was counted, and of it what happened while a region was free."""
        orders = [np.zeros(self.cache_pages, np.uint8), np.full(1, self.order, np.uint8)]
        buffers: deque[int] = deque()
        left = self.rounds
        with_free_region: dict[str, int] = sim.counters()
        while left:
            if sim.nr_free_regions():
                with_free_region = sim.counters()
            left -= sim.counters()["slow"] != 0
            pfns = sim.alloc_batch(orders[0])
            sim.set_page_states(pfns[pfns >= 0], "clean")
            pfn = int(sim.alloc_batch(orders[1], "unmovable")[0])
            if pfn >= 0:
                buffers.append(pfn)
            if len(buffers) > self.kept:
                sim.free(buffers.popleft())
            sim.advance(sim.now_ns + SECOND_NS // 100)
        counters = sim.counters()
        return {
            **{key: counters[key] for key in COUNTERS},
            "misses_with_a_region_free": with_free_region["misses"],
            "kswapd_runs_with_a_region_free": with_free_region["kswapd_runs"],
            "free_pages_at_the_end": sim.nr_free,
        }


def _build(sim: Simulation, load: Kernbench) -> dict[str, Any]:
    timeline = load.run(sim)
    counters = sim.counters()
    return {
        **{key: counters[key] for key in COUNTERS},
        "free_regions_at_the_end": timeline.end_drained,
        "killed": timeline.nr_killed,
    }


def run(
    *,
    seed: int = 0,
    machine: str = MACHINE,
    load: Kernbench = LOAD,
    stream: Stream | None = None,
    orders: Sequence[int] = (3, 7),
) -> Outcome:
    """Run the same loads on the same machine under both designs.

    Parameters
    ----------
    seed : int, default 0
    machine : str, default "phone-8g"
        Name of a preset.
    load : Kernbench, optional
    stream : Stream, optional
    orders : sequence of int, default (3, 7)
        Orders with which the stream runs as well.

    Returns
    -------
    outcome : Outcome
        *ours* has the number of zones and the sum of their low watermarks per design; per load and design what
        the simulation counted; and failures and direct reclaim by order. Published are the complaints
        alone: too many zones, more reclaim activity, unclear watermarks (S. S. Bhat, 7 November 2012; J. Corbet,
        "Memory power management, take 2", LWN.net, 8 February 2012).
    """
    stream = stream or Stream()
    ours: dict[str, Any] = {"zones": {}, "build": {}, "stream": {}, "by_order": {}}
    all_orders = sorted({stream.order, *orders})
    ours["by_order"]["orders"] = all_orders
    for name in POLICIES:
        policy = replace(PRESETS[name], kernel="3.9")
        sim = Simulation(machine, policy, seed=seed)
        plans = plans_of(sim.machine, pieces_of(sim.machine, policy.hierarchy), policy, False)
        ours["zones"][name] = {
            "zones": len(sim.zones),
            "low_watermarks": sum(plan.watermarks[1] for plan in plans),
        }
        ours["build"][name] = _build(sim, load)
        counted = {
            order: replace(stream, order=order).run(Simulation(machine, policy, seed=seed))
            for order in all_orders
        }
        ours["stream"][name] = counted[stream.order]
        ours["by_order"][name] = {
            key: [counted[order][key] for order in all_orders]
            for key in ("failures", "direct_runs")
        }
    zones, build, streams = (
        [ours[key][name] for name in POLICIES] for key in ("zones", "build", "stream")
    )
    return Outcome(
        outcome="zone-fragmentation",
        parameters={
            "seed": seed,
            "machine": machine,
            "kernel": "3.9",
            "load": asdict(load),
            "stream": asdict(stream),
        },
        published={"complaints": ["too many zones", "extra reclaim", "unclear watermarks"]},
        ours=ours,
        checks={
            "a hierarchy has more zones": zones[0]["zones"] > zones[1]["zones"],
            "build: it misses more watermarks and walks past more zones": all(
                build[0][key] > build[1][key] for key in ("misses", "walked")
            ),
            "build: kswapd finds more of its zones below their high watermark": build[0][
                "kswapd_zones"
            ]
            > build[1]["kswapd_zones"],
            "build: regions beside zones fail no more requests": build[1]["failures"]
            <= build[0]["failures"],
            "stream: a hierarchy misses more watermarks while a region is completely free": streams[
                0
            ]["misses_with_a_region_free"]
            > streams[1]["misses_with_a_region_free"],
            "stream: neither wakes kswapd while a region is completely free": not any(
                counted["kswapd_runs_with_a_region_free"] for counted in streams
            ),
            **{
                f"stream: a hierarchy has more {key.replace('_', ' ')}": streams[0][key]
                > streams[1][key]
                for key in ("failures", "direct_runs", "kswapd_zones", "misses")
            },
        },
    )
