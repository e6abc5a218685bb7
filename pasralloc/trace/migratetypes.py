"""Which number means which migratetype in a trace.

Linux 4.4 swapped MOVABLE and RECLAIMABLE and named RESERVE HIGHATOMIC; whether 4
is CMA or ISOLATE depends on the configuration. So the numbering is inferred for
each trace, and how it was found is part of the answer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pasralloc._core.zonebase import ZoneBase

BEFORE_4_4 = ("unmovable", "reclaimable", "movable", "reserve", "cma", "isolate")
SINCE_4_4 = ("unmovable", "movable", "reclaimable", "highatomic", "cma", "isolate")

# What a request of each type asks of a zone that serves three.
_SERVED_AS = {
    "unmovable": "unmovable",
    "movable": "movable",
    "reclaimable": "reclaimable",
    "reserve": "unmovable",
    "highatomic": "unmovable",
    "cma": "movable",
    "isolate": "unmovable",
}


class Numbering(NamedTuple):
    """Names of the migratetypes by number, and where that is known from."""

    names: tuple[str, ...]
    source: str

    def for_zone(self, zone: ZoneBase) -> list[int]:
        """Find the zone's number for each of the 16 numbers that a trace may use."""
        numbers = {name: zone.migratetypes.index(name) for name in set(_SERVED_AS.values())}
        known = [numbers[_SERVED_AS[name]] for name in self.names]
        return (known + [numbers["unmovable"]] * 16)[:16]


def parse_numbering(text: str) -> Numbering:
    """Numbering from what a user says: names joined by commas, in order of their numbers.

    Raises
    ------
    ValueError
        If a name is unknown or given twice.
    """
    names = tuple(name.strip().lower() for name in text.split(","))
    for name in names:
        if name not in _SERVED_AS:
            raise ValueError(
                f"unknown migratetype {name!r} in {text!r}, expected {', '.join(_SERVED_AS)}"
            )
    if len(set(names)) != len(names):
        raise ValueError(f"a migratetype is named twice in {text!r}")
    return Numbering(names, "given")


def infer_numbering(types_by_gfp: NDArray[np.int64]) -> Numbering:
    """Numbering from the trace itself.

    The migratetype of ``mm_page_alloc`` follows from the GFP flags: the number
    that goes with the movable bit is MOVABLE, the one that goes with the
    reclaimable bit RECLAIMABLE.

    Parameters
    ----------
    types_by_gfp : ndarray of int64, shape (16, 3)
        Allocations by migratetype and GFP: neither bit, movable, reclaimable.

    Raises
    ------
    ValueError
        If the trace speaks for both numberings.
    """
    movable = set(np.flatnonzero(types_by_gfp[:, 1]).tolist())
    reclaimable = set(np.flatnonzero(types_by_gfp[:, 2]).tolist())
    speaks_for_new = 1 in movable or 2 in reclaimable
    speaks_for_old = 2 in movable or 1 in reclaimable
    if speaks_for_new and speaks_for_old:
        raise ValueError(
            "migratetypes contradict the GFP flags: movable allocations have numbers "
            f"{sorted(movable)}, reclaimable ones {sorted(reclaimable)}; say which number is which"
        )
    if speaks_for_new or speaks_for_old:
        names = SINCE_4_4 if speaks_for_new else BEFORE_4_4
        nr = int(types_by_gfp[:, 1:].sum())
        return Numbering(names, f"inferred from the GFP flags of {nr:,} allocations")
    if movable == {0}:
        return Numbering(SINCE_4_4, "all 0: the traced kernel does not group pages by mobility")
    return Numbering(SINCE_4_4, "assumed: that of Linux 4.4 and later")
