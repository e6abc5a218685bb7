"""What a workload leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """Completely free regions over time.

    Attributes
    ----------
    free_regions : ndarray of int64, shape (n,)
        One sample per simulated second; the last is of the moment when all was over.
    end_drained : int
        Completely free regions at the end once all pagesets are drained.
    nr_allocs : int
        Pages that were allocated.
    nr_killed : int
        Processes that ended because a request found no memory.
    parameters : dict of str to Any
        Of the workload.
    provenance : dict of str to Any
        Of the simulation.
    """

    free_regions: NDArray[np.int64]
    end_drained: int
    nr_allocs: int
    nr_killed: int
    parameters: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def start(self) -> int:
        """Completely free regions at the first sample."""
        return int(self.free_regions[0])

    @property
    def lowest(self) -> int:
        """Least of all samples."""
        return int(self.free_regions.min())

    @property
    def end(self) -> int:
        """Completely free regions at the last sample, before pagesets are drained."""
        return int(self.free_regions[-1])
