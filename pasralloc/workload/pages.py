"""Pages of a workload, which evacuation may move."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pasralloc.sim.simulation import Simulation

RENEW_AFTER = 1 << 18  # moves; the simulation remembers four times as many


class Pages:
    """First pages of blocks that were allocated together, and that reclaim leaves alone.

    Parameters
    ----------
    sim : Simulation
        Where they were allocated, just now.
    pfns : ndarray of int64, shape (n,)
        Written to when blocks have been moved; what is negative stays.
    """

    __slots__ = ("_pfns", "_sim", "_since")

    def __init__(self, sim: Simulation, pfns: NDArray[np.int64]) -> None:
        self._sim = sim
        self._pfns = pfns
        self._since = sim.moment()

    def __len__(self) -> int:
        return len(self._pfns)

    @property
    def pfns(self) -> NDArray[np.int64]:
        """Where the blocks are now."""
        self._follow(0)
        return self._pfns

    def renew(self) -> None:
        """Follow the blocks before the simulation forgets where they went: to be called now and then."""
        self._follow(RENEW_AFTER)

    def _follow(self, nr_tolerated: int) -> None:
        moment = self._sim.moment()
        if moment[0] - self._since[0] > nr_tolerated:
            nr_moves, _, nr_restored = self._since
            self._sim.follow(self._pfns, (nr_moves, None, nr_restored))
            self._since = moment


def pfns_of(parts: Iterable[Pages]) -> NDArray[np.int64]:
    """Where all blocks of several parts are now, in order."""
    return np.concatenate([np.empty(0, np.int64), *[part.pfns for part in parts]])
