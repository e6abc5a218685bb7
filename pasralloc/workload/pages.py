"""Pages of a workload, which evacuation may move."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pasralloc.sim.simulation import Simulation

RENEW_AFTER = 1 << 18  # moves; the simulation remembers four times as many


class Pages:
    """First pages of blocks that were allocated at one time.

    Parameters
    ----------
    sim : Simulation
        Where they were allocated, just now.
    pfns : ndarray of int64, shape (n,)
        Written to when blocks have been moved.
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
        moment = self._sim.moment()
        if moment != self._since:
            self._sim.follow(self._pfns, self._since)
            self._since = moment
        return self._pfns

    def renew(self) -> None:
        """Follow the blocks if that were impossible before long."""
        if self._sim.moment()[0] - self._since[0] > RENEW_AFTER:
            self._sim.follow(self._pfns, self._since)
            self._since = self._sim.moment()
