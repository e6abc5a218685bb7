"""pagetest: one process that allocates so much memory, touches it and stays."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pasralloc.choices import Problems
from pasralloc.errors import OutOfMemory
from pasralloc.sim.simulation import Simulation
from pasralloc.sizing import check_range
from pasralloc.workload.fitting import check_fits

TOP_ORDER = 10
PTES = 512  # pages that one page table maps
FAULTS = 4096  # pages touched before page tables follow; nothing depends on it but speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagetest:
    """Parameters of one process after the other.

    Parameters
    ----------
    requests : tuple of int, default (131072, 262144, 524288)
        Pages that it allocates: 512, 1024 and 2048 MiB.
    grows : bool, default False
        Whether one process grows to each request in turn; otherwise each is a process of its
        own on the memory as it was before.
    overhead_pages : int, default 520
        Pages of the process beside what it asked for and page tables: program, libraries, stack, and
        what the kernel needs for it. Half of them are unmovable.
    cpu : int, default 0
    nid : int, default 0

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range; every problem is named.

    Notes
    -----
    Memory is touched in ascending order, with a page table for every 512 pages.

    References
    ----------
    S. S. Bhat, "[RFC PATCH v2 00/15][Sorted-buddy] mm: Memory Power Management", linux-mm, 9 April
    2013, <20130409214443.4500.44168.stgit@srivatsabhat.in.ibm.com>.
    """

    requests: tuple[int, ...] = (131072, 262144, 524288)
    grows: bool = False
    overhead_pages: int = 520
    cpu: int = 0
    nid: int = 0

    def __post_init__(self) -> None:
        problems = Problems()
        if not isinstance(self.requests, (tuple, list)) or not self.requests:
            problems.add(f"requests must be a tuple of at least one number, got {self.requests!r}")
        else:
            for i, request in enumerate(self.requests):
                problems.check(check_range, f"requests[{i}]", request, 1, 1 << 40)
        problems.check(check_range, "overhead_pages", self.overhead_pages, 0, 1 << 30)
        problems.check(check_range, "cpu", self.cpu, 0, 1 << 16)
        problems.check(check_range, "nid", self.nid, 0, 1 << 16)
        if not isinstance(self.grows, bool):
            problems.add(f"grows must be True or False, got {self.grows!r}")
        elif self.grows and not problems and list(self.requests) != sorted(self.requests):
            problems.add(f"requests must ascend for a process that grows, got {self.requests}")
        problems.refuse()

    def run(self, sim: Simulation) -> PagetestResult:
        """Run on a simulation, which is left as it is after the last request.

        Parameters
        ----------
        sim : Simulation

        Returns
        -------
        result : PagetestResult

        Raises
        ------
        ValueError
            If the machine has not enough pages for a request, or no such CPU or node; every problem is
            named, and nothing is changed.
        OutOfMemory
            If watermarks keep them from it.
        """
        self._check_fits(sim)
        before = sim.snapshot()
        tables = [sim.regions()["nr_free"]]
        small = [_small_pages(sim)]
        held = 0
        for request in self.requests:
            if not self.grows:
                sim.restore(before)
                held = 0
            if not held:
                self._touch(sim, self.overhead_pages // 2, "movable")
                self._touch(sim, self.overhead_pages - self.overhead_pages // 2, "unmovable")
            while held < request:
                nr = min(FAULTS, request - held)
                self._touch(sim, nr, "movable")
                nr_tables = -(-(held + nr) // PTES) - -(-held // PTES)
                self._touch(sim, nr_tables, "unmovable")
                held += nr
            tables.append(sim.regions()["nr_free"])
            small.append(_small_pages(sim))
        return PagetestResult(
            nr_free=np.array(tables),
            nr_small=np.array(small),
            parameters=asdict(self),
            provenance=sim.provenance(),
        )

    def _check_fits(self, sim: Simulation) -> None:
        problems = Problems()
        for i, request in enumerate(self.requests):
            problems.check(
                check_fits,
                sim,
                f"requests[{i}] of {request} pages with page tables and overhead",
                request + -(-request // PTES) + self.overhead_pages,
            )
        if self.cpu >= sim.machine.nr_cpus:
            problems.add(f"cpu must be 0 to {sim.machine.nr_cpus - 1}, got {self.cpu}")
        problems.check(sim.machine.node, self.nid)
        problems.refuse()

    def _touch(self, sim: Simulation, nr: int, kind: str) -> None:
        pfns = sim.alloc_batch(np.zeros(nr, np.uint8), kind, cpu=self.cpu, nid=self.nid)
        if nr and pfns.min() < 0:
            raise OutOfMemory(0, kind)


def _small_pages(sim: Simulation) -> NDArray[np.int64]:
    """Free pages of each region in blocks smaller than the largest order."""
    tables = []
    for zone in sim.zones:
        blocks = zone.blocks()
        blocks = blocks[blocks["is_free"] & (blocks["order"] < TOP_ORDER)]
        regions = np.searchsorted(zone.region_start_pfn, blocks["pfn"], side="right") - 1
        table = np.zeros(zone.nr_regions, np.int64)
        np.add.at(table, regions, 1 << blocks["order"].astype(np.int64))
        tables.append(table)
    return np.concatenate(tables)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PagetestResult:
    """Free pages of every region.

    Attributes
    ----------
    nr_free : ndarray of int64, shape (1 + nr_requests, nr_regions)
        Before the first request, and after each. Regions in the order of `Simulation.regions`.
    nr_small : ndarray of int64, shape (1 + nr_requests, nr_regions)
        How many of them lie in blocks that are smaller than the largest order.
    parameters : dict of str to Any
    provenance : dict of str to Any
        Of the simulation.
    """

    nr_free: NDArray[np.int64]
    nr_small: NDArray[np.int64]
    parameters: dict[str, Any]
    provenance: dict[str, Any]
