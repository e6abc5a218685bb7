"""What the pages in use of each region are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pasralloc._core.memorybase import MemoryZone
from pasralloc._core.records import HELD_DTYPE
from pasralloc._core.zoneobject import Zone
from pasralloc.policy.evacuation import Evacuation
from pasralloc.policy.presets import Policy

ON_PAGESET = 7  # migratetype of a block on a per-CPU list in BLOCK_DTYPE


def held_of(zone: Zone | MemoryZone) -> NDArray[np.void]:
    """Count the pages in use of each region by what they were requested as, as `Simulation.held` does.

    Parameters
    ----------
    zone : Zone or MemoryZone
        Of which no page has a state.

    Returns
    -------
    held : ndarray of HELD_DTYPE, shape (nr_regions,)

    Notes
    -----
    O(blocks).
    """
    blocks = zone.blocks()
    blocks = blocks[~blocks["is_free"]]
    region = np.searchsorted(zone.region_start_pfn, blocks["pfn"], "right") - 1
    pages = np.int64(1) << blocks["order"].astype(np.int64)
    is_movable = blocks["migratetype"] == zone.migratetypes.index("movable")
    is_cached = blocks["migratetype"] == ON_PAGESET
    held = np.zeros(zone.nr_regions, HELD_DTYPE)
    for name, chosen in (
        ("movable", is_movable),
        ("cached", is_cached),
        ("unmovable", ~is_movable & ~is_cached),
    ):
        held[name] = np.bincount(region[chosen], pages[chosen], zone.nr_regions)
    return held


def most_used(policy: Policy) -> int:
    """Pages in use of a region that are few, so that it would be evacuated: 32, if a policy does not say."""
    return (policy.evacuation or Evacuation()).max_used


def regions_by_holder(
    held: NDArray[np.void], managed: NDArray[np.uint32], policy: Policy
) -> dict[str, int]:
    """Count the regions by what keeps them from being completely free.

    Parameters
    ----------
    held : ndarray of HELD_DTYPE, shape (nr_regions,)
    managed : ndarray of uint32, shape (nr_regions,)
    policy : Policy
        Its evacuation says how many pages are few; 32, if it has none.

    Returns
    -------
    regions : dict of str to int
        By the first of these that is true of a region: *unmovable*, it holds such pages, pinned ones among them;
        *movable_many*, more pages are in use than an evacuation would take on; *movable_few*, no more than that, some
        of them movable; *cached*, all are on pagesets; *free*.
    """
    most = most_used(policy)
    used = sum(held[name] for name in HELD_DTYPE.names or ())
    is_stuck = (held["unmovable"] + held["pinned"]) > 0
    is_movable = ~is_stuck & (held["movable"] > 0)
    tests = {
        "unmovable": is_stuck,
        "movable_many": is_movable & (used > most),
        "movable_few": is_movable & (used <= most),
        "cached": (used > 0) & (used == held["cached"]),
        "free": (used == 0) & (managed > 0),
    }
    return {name: int(np.count_nonzero(test)) for name, test in tests.items()}
