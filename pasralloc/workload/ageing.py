"""A fragmenter: free memory in pieces too small for a request, to a stated degree."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pasralloc.analysis.fragmentation import unusable_free_index
from pasralloc.choices import Problems
from pasralloc.sim.simulation import Simulation
from pasralloc.sizing import check_range
from pasralloc.workload.checks import TYPES, check_number, check_shares

TOP_ORDER = 10
TOP_PAGES = 1024
SINGLES = 512  # pages of a block of the largest order of which every second is free
PARKED = 6  # where `Zone.blocks` tells the migratetype of a block of a parked region
MOST_OFF = 50  # of the index, where little is free; else 4 MiB


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
        If a parameter is out of range; every problem is named.

    Notes
    -----
    Of the free blocks of the largest order some, chosen at random, stay as they are, as many as *index*
    leaves of the free pages. Of others, chosen likewise, every second page is taken, so that
    nothing merges. All other free memory is taken whole, but for pageblocks that are set aside. The index
    that results is off by what 4 MiB are of the free memory.

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
        problems = Problems()
        problems.check(check_range, "index", self.index, 0, 1000)
        problems.check(check_range, "order", self.order, 1, 10)
        problems.check(
            check_number,
            "free_share",
            self.free_share,
            lambda share: 0 < share < 1,
            "above 0 and below 1",
        )
        problems.check(check_shares, "shares", self.shares)
        problems.refuse()

    def run(self, sim: Simulation) -> AgeingResult:
        """Run on a simulation.

        Parameters
        ----------
        sim : Simulation
            Its `rng` chooses the blocks.

        Returns
        -------
        result : AgeingResult

        Raises
        ------
        ValueError
            If there are not as many free blocks of the largest order as this takes; nothing is changed.

        Warns
        -----
        RuntimeWarning
            If the index or the free share is not what was asked for; `AgeingResult.missed` says it too.
        """
        before = sim.snapshot() if any(zone.nr_cached for zone in sim.zones) else None
        sim.drain()
        free = np.concatenate([zone.blocks() for zone in sim.zones])
        free = free[
            free["is_free"] & ((free["migratetype"] < len(TYPES)) | (free["migratetype"] == PARKED))
        ]
        whole = free["pfn"][free["order"] == TOP_ORDER]
        managed = sum(zone.managed for zone in sim.zones)
        wanted = int(managed * self.free_share)
        nr_split = round(wanted * self.index / 1000 / SINGLES)
        nr_whole = max(round((wanted - nr_split * SINGLES) / TOP_PAGES), 0)
        if nr_split + nr_whole > len(whole):
            if before is not None:
                sim.restore(before)
            raise ValueError(
                f"{sim.machine.name} cannot hold free_share={self.free_share} with index={self.index}: for {wanted}"
                f" free pages of {managed} that takes {nr_whole} free blocks of {TOP_PAGES} pages and {nr_split} to"
                f" split, and {len(whole)} are free"
            )
        whole = sim.rng.permutation(whole)
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
        result = AgeingResult(
            index=unusable_free_index(nr_blocks, self.order),
            free_pages=sim.nr_free,
            free_share=sim.nr_free / managed,
            missed=self._missed(unusable_free_index(nr_blocks, self.order), sim.nr_free, managed),
            parameters=asdict(self),
            provenance=sim.provenance(),
        )
        for what in result.missed:
            warnings.warn(f"ageing did not reach what was asked: {what}", RuntimeWarning, 2)
        return result

    def _missed(self, index: int, nr_free: int, managed: int) -> tuple[str, ...]:
        """Name what is not as it was asked for, by more than 4 MiB."""
        missed = []
        if abs(index - self.index) > min(1 + 1000 * TOP_PAGES // max(nr_free, 1), MOST_OFF):
            missed.append(f"an unusable free index of {self.index}, it is {index}")
        if not nr_free or abs(nr_free - managed * self.free_share) > TOP_PAGES:
            missed.append(
                f"a free share of {self.free_share}, it is {nr_free / managed:.6g} ({nr_free} pages)"
            )
        return tuple(missed)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeingResult:
    """What the fragmenter reached.

    Attributes
    ----------
    index : int
        Unusable free index of all zones together.
    free_pages : int
    free_share : float
        Of the managed pages.
    missed : tuple of str
        What is further from what was asked for than 4 MiB make out: empty if all was reached.
    parameters : dict of str to Any
    provenance : dict of str to Any
        Of the simulation.
    """

    index: int
    free_pages: int
    free_share: float
    missed: tuple[str, ...]
    parameters: dict[str, Any]
    provenance: dict[str, Any]
