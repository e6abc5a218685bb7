"""Zones inside regions, on the board on which they were tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from pasralloc.outcomes.outcome import Outcome
from pasralloc.outcomes.published import HIERARCHY, REGION_PAGES
from pasralloc.policy.presets import PRESETS
from pasralloc.sim.plan import pieces_of, plans_of
from pasralloc.sim.simulation import Simulation
from pasralloc.workload.pagetest import PTES, Pagetest

TOP_PAGES = 1024
TOLERANCE = 32
STEPS = 16


def run(*, seed: int = 0) -> Outcome:
    """Free pages of the four regions while one process grows.

    Parameters
    ----------
    seed : int, default 0

    Returns
    -------
    outcome : Outcome
        The mail's second and third columns are what 122,884 and 123,777 pages in use leave: so
        many are allocated here, page tables included. There are no pagesets, so that all pages
        can be accounted for. The process then grows on in `STEPS` until the last region is open; *steps* are the
        free pages of all regions on the way.
    """
    policy = replace(PRESETS["hierarchy"], kernel="3.9")
    sim = Simulation("exynos4210-2g", policy, seed=seed, pagesets=False)
    first = sim.regions()[0]
    # Behind the kernel image, which is not managed, and the RESERVE pageblock.
    sim.take_range(
        int(first["start_pfn"] + REGION_PAGES - first["managed"]) + TOP_PAGES,
        int(first["nr_free"]) - HIERARCHY[0][0],
        "unmovable",
    )
    used = [sum(HIERARCHY[0]) - sum(row) for row in HIERARCHY[1:]]
    # Until the last region is half used, page tables included.
    last = int(sim.regions()["nr_free"].sum()) - HIERARCHY[0][3] // 2
    used = sorted([*used, *(last * step // STEPS for step in range(1, STEPS + 1))])
    requests = tuple(pages - -(-pages // (PTES + 1)) for pages in used)
    steps = Pagetest(requests=requests, grows=True, overhead_pages=0).run(sim).nr_free
    at = [0, *(1 + used.index(sum(HIERARCHY[0]) - sum(row)) for row in HIERARCHY[1:])]
    ours = steps[at]
    low = [
        plan.watermarks[1]
        for plan in plans_of(sim.machine, pieces_of(sim.machine, True), policy, False)
    ]
    return Outcome(
        outcome="hierarchy",
        parameters={
            "seed": seed,
            "machine": sim.machine.name,
            "policy": asdict(policy),
            "requests": requests,
            "pagesets": False,
        },
        published={"regions": HIERARCHY},
        ours={"regions": ours.tolist(), "steps": steps.tolist()},
        checks={
            f"every region within {TOLERANCE} pages": bool(
                (abs(ours - np.array(HIERARCHY)) <= TOLERANCE).all()
            ),
            "a region is opened at the low watermark of the one before, at every step": opens_at_low(
                steps, low
            ),
            "every region is opened": bool((steps[-1] < steps[0]).all()),
            "every page is accounted for, at every step": bool(
                (steps[0].sum() - steps[1:].sum(axis=1) == used).all()
            ),
        },
    )


def opens_at_low(steps: NDArray[np.int64], low: Sequence[int]) -> bool:
    """Whether all regions below one that is in use are at their low watermark, and none is far below it."""
    for row in steps[1:]:
        opened = np.flatnonzero(row < steps[0])
        above = row[: opened.max(initial=0)] - np.array(low[: opened.max(initial=0)])
        if not ((above >= 0) & (above <= TOLERANCE)).all():
            return False
    return True
