"""pagetest on the test boxes of the first two versions of the sorted-buddy series."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from pasralloc.machine.machine import Machine
from pasralloc.outcomes.outcome import Outcome
from pasralloc.outcomes.published import PAGETEST, PAGETEST_REQUESTS, REGION_PAGES
from pasralloc.policy.presets import Policy
from pasralloc.sim.simulation import Simulation
from pasralloc.workload.pagetest import PTES, Pagetest

TOP_PAGES = 1024
RESERVE_PAGES = 2 * TOP_PAGES  # pageblocks that 3.9 sets aside in region 1
TOLERANCE = 600
MOST_OVERHEAD = 6 << 8  # 6 MiB

# What the mails do not say: free pages of region 1 on other lists than the movable ones, and pages of the
# process beside its memory and page tables.
ASSUMED = {
    "v1": {"other_pages": 8322, "overhead_pages": 0},
    "v2": {"other_pages": 14334, "overhead_pages": 440},
}

POLICIES = {
    "sorted": Policy(name="sorted", placement="sorted", kernel="3.9"),
    "biased": Policy(name="biased", placement="biased", kernel="3.9"),
}


def machine_of(version: str) -> Machine:
    """Make the box, with the present pages of that version's table."""
    machine = Machine.preset("x86-8g-2013")
    if version == "v2":
        return machine
    # There the regions lie 16 pages too high instead of one.
    (node,) = machine.nodes
    *low, first, rest = node.memory
    memory = (*low, (first[0], first[0] + 16), (rest[0], rest[1] - 15))
    reserved = (*node.reserved[:-1], (node.reserved[-1][0] - 15, node.reserved[-1][1] - 15))
    return replace(
        machine,
        name="x86-8g-2012",
        nodes=(replace(node, memory=memory, reserved=reserved),),
    )


def simulation_of(version: str, policy: Policy, seed: int) -> Simulation:
    """Bring the box into the state that the table starts with."""
    sim = Simulation(machine_of(version), policy, seed=seed)
    table = sim.regions()
    table = table[table["zone"] == "Normal"]
    start = PAGETEST[version][0]
    sim.take_range(int(table["start_pfn"][0]), int(table["managed"][0]), "unmovable")
    # Region 1: RESERVE pageblocks, unmovable pageblocks in use and free, movable ones in use and free.
    nr_movable = start[1] - ASSUMED[version]["other_pages"]
    nr_used = -nr_movable % TOP_PAGES
    nr_typed = REGION_PAGES - RESERVE_PAGES - nr_movable - nr_used
    nr_typed_free = ASSUMED[version]["other_pages"] - RESERVE_PAGES
    pfn = int(table["start_pfn"][1]) + RESERVE_PAGES
    sim.set_pageblocks(pfn, nr_typed, "unmovable")
    sim.take_range(pfn, nr_typed - nr_typed_free, "unmovable")
    sim.take_range(pfn + nr_typed, nr_used, "movable")
    # Region 8: what is free lies at its beginning, as whole blocks and one fragment.
    sim.take_range(
        int(table["start_pfn"][8]) + start[8], int(table["managed"][8]) - start[8], "unmovable"
    )
    return sim


def run(*, seed: int = 0) -> Outcome:
    """Both versions of the table, under sorted and under biased placement.

    Parameters
    ----------
    seed : int, default 0

    Returns
    -------
    outcome : Outcome
        *ours* has a table per version and policy of the shape of the published one.
    """
    ours: dict[str, dict[str, list[list[int]]]] = {}
    checks: dict[str, bool] = {}
    for version, published in PAGETEST.items():
        load = Pagetest(
            requests=PAGETEST_REQUESTS, overhead_pages=ASSUMED[version]["overhead_pages"]
        )
        ours[version] = {}
        for name, policy in POLICIES.items():
            sim = simulation_of(version, policy, seed)
            is_normal = sim.regions()["zone"] == "Normal"
            result = load.run(sim)
            table, small = result.nr_free[:, is_normal], result.nr_small[:, is_normal]
            ours[version][name] = table.tolist()
            used = (table[0] - table[1:]).sum(axis=1) - PAGETEST_REQUESTS
            checks |= {
                f"{version} {name}: starts as published": table[0].tolist() == published[0],
                f"{version} {name}: regions 2 to 7 within {TOLERANCE} pages": bool(
                    (abs(table - np.array(published))[:, 2:8] <= TOLERANCE).all()
                ),
                f"{version} {name}: overhead between page tables and 6 MiB": all(
                    request // PTES <= pages <= MOST_OVERHEAD
                    for request, pages in zip(PAGETEST_REQUESTS, used.tolist(), strict=True)
                ),
                f"{version} {name}: what remains of a region is whole blocks": is_whole(
                    table, small
                ),
            }
    last = {name: {row[8] for row in table[1:]} for name, table in ours["v1"].items()}
    start = PAGETEST["v1"][0][8]
    checks["v1: sorted uses the fragment in region 8, biased does not"] = last == {
        "sorted": {start - start % TOP_PAGES},
        "biased": {start},
    }
    return Outcome(
        outcome="pagetest",
        parameters={
            "seed": seed,
            "assumed": ASSUMED,
            "policies": {name: asdict(policy) for name, policy in POLICIES.items()},
            "machine": "x86-8g-2013; v1: 16 instead of 1 present page in region 0, 131056 in region 8",
            "runs": "one process per request, each on the memory as it was at the start",
        },
        published=PAGETEST,
        ours=ours,
        checks=checks,
    )


def is_whole(nr_free: NDArray[np.int64], nr_small: NDArray[np.int64]) -> bool:
    """Whether, after each request, whole blocks are all that is free of a region that was begun, but for one block.

    Parameters
    ----------
    nr_free, nr_small : ndarray of int64, shape (1 + nr_requests, nr_regions)
        Free pages of each region of the zone, and those in blocks smaller than the largest order.

    Returns
    -------
    is_whole : bool
        False as well if after some request no region from 2 to 7 was begun, so that nothing could be seen.
    """
    middle = slice(2, 8)
    is_begun = (nr_free < nr_free[0])[1:, middle] & (nr_free[1:, middle] > TOP_PAGES)
    return bool(is_begun.any(axis=1).all() and (nr_small[1:, middle][is_begun] < TOP_PAGES).all())
