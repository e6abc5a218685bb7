"""What a workload leaves behind."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pasralloc.sim.simulation import Simulation

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """Completely free regions over time.

    Attributes
    ----------
    free_regions : ndarray of int64, shape (n,)
        One sample per simulated second; the last is of the moment when all was over.
    regions : ndarray of REGION_DTYPE, shape (nr_regions,)
        Every region at the last sample, as `Simulation.regions` tells.
    lists : ndarray of int64, shape (nr_zones, 6, 11)
        Free blocks per zone, migratetype and order at the last sample.
    parked_pages : ndarray of int64, shape (nr_zones,)
        Free pages that are on none of these lists, because the region allocator holds them.
    end_drained : int
        Completely free regions at the end once all pagesets are drained.
    nr_allocs, nr_pages : int
        Blocks that were allocated for the workload, and pages in them; requests that failed and the background
        are not counted.
    nr_killed : int
        Processes that ended because a request found no memory.
    nr_short : int
        Mappings, page tables and stacks that got fewer pages than they asked for.
    nr_background_failures : int
        Pages that the background asked for in vain.
    parameters : dict of str to Any
        Of the workload.
    provenance : dict of str to Any
        Of the simulation.
    """

    free_regions: NDArray[np.int64]
    regions: NDArray[np.void]
    lists: NDArray[np.int64]
    parked_pages: NDArray[np.int64]
    end_drained: int
    nr_allocs: int
    nr_pages: int
    nr_killed: int
    nr_short: int = 0
    nr_background_failures: int = 0
    parameters: dict[str, Any]
    provenance: dict[str, Any]

    @classmethod
    def finish(
        cls,
        sim: Simulation,
        samples: list[int],
        *,
        nr_allocs: int,
        nr_killed: int,
        load: Any,
        nr_pages: int | None = None,
        nr_short: int = 0,
        nr_background_failures: int = 0,
    ) -> Timeline:
        """Take the last sample, then drain the pagesets; by default every block was a single page."""
        regions = sim.regions()
        lists = np.array([zone.pagetypeinfo() for zone in sim.zones])
        parked = [zone.region_nr_free[zone.parked_regions()].sum() for zone in sim.zones]
        samples = [*samples, sim.nr_free_regions()]
        sim.drain()
        return cls(
            free_regions=np.array(samples, np.int64),
            regions=regions,
            lists=lists,
            parked_pages=np.array(parked, np.int64),
            end_drained=sim.nr_free_regions(),
            nr_allocs=nr_allocs,
            nr_pages=nr_allocs if nr_pages is None else nr_pages,
            nr_killed=nr_killed,
            nr_short=nr_short,
            nr_background_failures=nr_background_failures,
            parameters=asdict(load),
            provenance=sim.provenance(),
        )

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
