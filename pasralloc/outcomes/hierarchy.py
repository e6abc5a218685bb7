"""Zones inside regions, on the board on which they were tried."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np

from pasralloc.outcomes.outcome import Outcome
from pasralloc.outcomes.published import HIERARCHY, REGION_PAGES
from pasralloc.policy.presets import PRESETS
from pasralloc.sim.plan import pieces_of, plans_of
from pasralloc.sim.simulation import Simulation
from pasralloc.workload.pagetest import PTES, Pagetest

TOP_PAGES = 1024
TOLERANCE = 32


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
        can be accounted for.
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
    requests = tuple(pages - -(-pages // (PTES + 1)) for pages in used)
    ours = Pagetest(requests=requests, grows=True, overhead_pages=0).run(sim).nr_free
    low = plans_of(sim.machine, pieces_of(sim.machine, True), policy, False)[0].watermarks[1]
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
        ours={"regions": ours.tolist()},
        checks={
            f"every region within {TOLERANCE} pages": bool(
                (abs(ours - np.array(HIERARCHY)) <= TOLERANCE).all()
            ),
            "region 1 is opened at the low watermark of region 0": bool(
                0 <= ours[2][0] - low <= TOLERANCE
            ),
        },
    )
