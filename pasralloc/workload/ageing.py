"""A fragmenter: free memory in pieces too small for a request, to a stated degree."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pasralloc.analysis.fragmentation import unusable_free_index
from pasralloc.sim.simulation import Simulation
from pasralloc.sizing import check_range

TOP_ORDER = 10
TOP_PAGES = 1024
SINGLES = 512  # pages of a block of the largest order of which every second is free
PARKED = 6  # where `Zone.blocks` tells the migratetype of a block of a parked region
TYPES = ("unmovable", "movable", "reclaimable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ageing:
    """Parameters of the fragmenter.

    Parameters
    ----------
    index : int, default 500
        Unusable free index to reach, 0 to 1000.
    order : int, default 9
        Order of the requests that the index is about, 1 to 10.
    free_share : float, default 0.25
        Share of the managed pages that is free at the end.
    shares : (float, float, float), default (0.1, 0.85, 0.05)
        Of unmovable, movable and reclaimable blocks of 4 MiB among those that are not whole: what
        pages stay in one is of one type.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range.

    Notes
    -----
    Of the free blocks of the largest order some, chosen at random, stay as they are, as many as *index*
    leaves of the free pages. Of others, chosen likewise, every second page is taken, so that
    nothing merges. All other free memory is taken whole. Where enough blocks are free at the start, the
    index that results is off by what 4 MiB are of the free memory.

    References
    ----------
    M. Gorman, A. Whitcroft, "The What, The Why and the Where To of Anti-Fragmentation", Ottawa Linux
    Symposium, 2006 (unusable free space index).
    """

    index: int = 500
    order: int = 9
    free_share: float = 0.25
    shares: tuple[float, float, float] = (0.1, 0.85, 0.05)

    def __post_init__(self) -> None:
        check_range("index", self.index, 0, 1000)
        check_range("order", self.order, 1, 10)
        if not 0 < self.free_share < 1:
            raise ValueError(f"free_share must be above 0 and below 1, got {self.free_share}")
        if (
            len(self.shares) != len(TYPES)
            or min(self.shares) < 0
            or abs(sum(self.shares) - 1) > 1e-9
        ):
            raise ValueError(f"shares must be three numbers that add up to 1, got {self.shares}")

    def run(self, sim: Simulation) -> AgeingResult:
        """Run on a simulation.

        Parameters
        ----------
        sim : Simulation
            Its `rng` chooses the blocks.

        Returns
        -------
        result : AgeingResult
        """
        sim.drain()
        free = np.concatenate([zone.blocks() for zone in sim.zones])
        free = free[
            free["is_free"] & ((free["migratetype"] < len(TYPES)) | (free["migratetype"] == PARKED))
        ]
        whole = sim.rng.permutation(free["pfn"][free["order"] == TOP_ORDER])
        wanted = int(sum(zone.managed for zone in sim.zones) * self.free_share)
        nr_split = min(round(wanted * self.index / 1000 / SINGLES), len(whole))
        nr_whole = min(round((wanted - nr_split * SINGLES) / TOP_PAGES), len(whole) - nr_split)
        kinds = sim.rng.choice(TYPES, nr_split, p=self.shares)
        for pfn, kind in zip(
            whole[nr_whole : nr_whole + nr_split].tolist(), kinds.tolist(), strict=True
        ):
            sim.set_pageblocks(pfn, TOP_PAGES, kind)
            for page in range(pfn + 1, pfn + TOP_PAGES, 2):
                sim.take_range(page, 1, kind)
        for pfn in whole[nr_whole + nr_split :].tolist():
            sim.take_range(pfn, TOP_PAGES)
        for block in free[free["order"] < TOP_ORDER]:
            sim.take_range(int(block["pfn"]), 1 << int(block["order"]))
        nr_blocks = np.sum([zone.buddyinfo() for zone in sim.zones], axis=0)
        return AgeingResult(
            index=unusable_free_index(nr_blocks, self.order),
            free_pages=sim.nr_free,
            parameters=asdict(self),
            provenance=sim.provenance(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeingResult:
    """What the fragmenter reached.

    Attributes
    ----------
    index : int
        Unusable free index of all zones together.
    free_pages : int
    parameters : dict of str to Any
    provenance : dict of str to Any
        Of the simulation.
    """

    index: int
    free_pages: int
    parameters: dict[str, Any]
    provenance: dict[str, Any]
