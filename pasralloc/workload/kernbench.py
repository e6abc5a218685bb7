"""A kernel being compiled: short processes, a page cache that grows, slab that stays."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pasralloc.choices import Problems
from pasralloc.sim.simulation import Simulation
from pasralloc.sizing import check_range
from pasralloc.workload.background import (
    Background,
    BackgroundLoad,
    check_background,
    nids_of_cpus,
)
from pasralloc.workload.checks import check_number
from pasralloc.workload.fitting import check_fits
from pasralloc.workload.pages import Pages, pfns_of
from pasralloc.workload.timeline import SECOND_NS, Timeline

PTES = 512  # pages that one page table maps
SLAB_ORDERS = np.array([0.6, 0.2, 0.1, 0.1])  # shares of orders 0 to 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernbench:
    """Parameters of a build.

    Parameters
    ----------
    units : int, default 1000
        Files that are compiled, each by a process of its own.
    jobs : int, optional
        Processes at a time; one per CPU by default.
    anon_pages : int, default 8000
        Median of the anonymous pages that a process touches; their logarithm has a standard
        deviation of 0.5.
    read_pages : int, default 80
        Pages that a process reads into the page cache; headers that are there already not counted.
    written_pages : int, default 30
        Pages of the object file: dirty page cache.
    slab_blocks : int, default 60
        Slab blocks per process, of orders 0 to 3, half unmovable and half reclaimable.
    slab_kept : float, default 0.3
        Share of these that outlives the process.
    pages_per_second : int, default 245000
        What one CPU allocates in a second.
    slice_ns : int, default 10 ms
        How long a process has its CPU.
    background : Background
        What else happens.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range; every problem is named.

    Notes
    -----
    Page cache is never freed here: it stays until reclaim takes it. In proportions after what
    a build does to a kernel, not fitted to one.
    """

    units: int = 1000
    jobs: int | None = None
    anon_pages: int = 8000
    read_pages: int = 80
    written_pages: int = 30
    slab_blocks: int = 60
    slab_kept: float = 0.3
    pages_per_second: int = 245_000
    slice_ns: int = 10_000_000
    background: Background = field(default_factory=Background)

    def __post_init__(self) -> None:
        problems = Problems()
        for name, least in (
            ("units", 1),
            ("anon_pages", 1),
            ("read_pages", 0),
            ("written_pages", 0),
            ("slab_blocks", 0),
            ("pages_per_second", 1),
            ("slice_ns", 1),
        ):
            problems.check(check_range, name, getattr(self, name), least, 1 << 30)
        if self.jobs is not None:
            problems.check(check_range, "jobs", self.jobs, 1, 1 << 16)
        problems.check(
            check_number, "slab_kept", self.slab_kept, lambda share: 0 <= share <= 1, "0 to 1"
        )
        problems.check(check_background, self.background)
        problems.refuse()

    def run(self, sim: Simulation) -> Timeline:
        """Run on a simulation, from its present on.

        Parameters
        ----------
        sim : Simulation
            Its `rng` gives sizes and background.

        Returns
        -------
        timeline : Timeline

        Raises
        ------
        ValueError
            If the machine cannot hold as many processes as run at a time.
        """
        jobs = self.jobs or len(nids_of_cpus(sim))
        check_fits(sim, f"{jobs} jobs of {self.anon_pages} anonymous pages", jobs * self.anon_pages)
        return _Build(self, sim).run()


class _Job:
    """A compiler at work: what it still has to allocate, and what it holds."""

    def __init__(
        self, orders: NDArray[np.uint8], types: NDArray[np.uint8], anon: NDArray[np.bool_]
    ) -> None:
        self.orders = orders
        self.types = types
        self.is_anon = anon
        self.parts: list[Pages] = []
        self.nr = 0


class _Build:
    """A build in progress."""

    def __init__(self, load: Kernbench, sim: Simulation) -> None:
        self.load = load
        self.sim = sim
        self.nids = nids_of_cpus(sim)
        self.background = BackgroundLoad(load.background, sim)
        self.numbers = {name: i for i, name in enumerate(sim.zones[0].migratetypes[:3])}
        self.nr_started = 0
        self.nr_allocs = 0
        self.nr_pages = 0
        self.nr_killed = 0

    def begin(self) -> _Job:
        """Draw what the next process allocates, in random order."""
        load, rng = self.load, self.sim.rng
        self.nr_started += 1
        nr_anon = int(rng.lognormal(np.log(load.anon_pages), 0.5)) + 1
        nr_tables = -(-nr_anon // PTES)
        nr = nr_anon + nr_tables + load.slab_blocks
        orders = np.zeros(nr, np.uint8)
        types = np.full(nr, self.numbers["movable"], np.uint8)
        types[nr_anon : nr_anon + nr_tables] = self.numbers["unmovable"]
        orders[nr_anon + nr_tables :] = rng.choice(4, load.slab_blocks, p=SLAB_ORDERS)
        types[nr_anon + nr_tables :] = rng.choice(
            [self.numbers["unmovable"], self.numbers["reclaimable"]], load.slab_blocks
        )
        stays = np.zeros(nr, bool)
        stays[nr_anon + nr_tables :] = rng.random(load.slab_blocks) < load.slab_kept
        order = rng.permutation(nr)
        return _Job(orders[order], types[order], ~stays[order])

    def cache(self, cpu: int, nr: int, state: str) -> None:
        """Read or write *nr* pages of files."""
        if nr:
            pfns = self.sim.alloc_batch(np.zeros(nr, np.uint8), nid=self.nids[cpu], cpu=cpu)
            pfns = pfns[pfns >= 0]
            self.sim.set_page_states(pfns, state)
            self.nr_allocs += len(pfns)
            self.nr_pages += len(pfns)

    def slice(self, cpu: int, job: _Job) -> bool:
        """Let a process run for a slice; False when it is over."""
        if job.nr == 0:
            self.cache(cpu, self.load.read_pages, "clean")
        stop = min(
            job.nr + max(self.load.pages_per_second * self.load.slice_ns // SECOND_NS, 1),
            len(job.orders),
        )
        part = slice(job.nr, stop)
        pfns = self.sim.alloc_batch(job.orders[part], job.types[part], nid=self.nids[cpu], cpu=cpu)
        job.parts.append(Pages(self.sim, pfns))
        is_there = pfns >= 0
        self.nr_allocs += int(np.count_nonzero(is_there))
        self.nr_pages += int((1 << job.orders[part][is_there].astype(np.int64)).sum())
        is_short = not is_there.all()
        job.nr = stop
        if stop == len(job.orders) or is_short:
            held = pfns_of(job.parts)
            self.sim.free_batch(held[job.is_anon[: job.nr] & (held >= 0)], cpu=cpu)
            self.nr_killed += is_short
            self.cache(cpu, self.load.written_pages, "dirty")
            return False
        return True

    def run(self) -> Timeline:
        load, sim = self.load, self.sim
        cpus = list(self.nids)
        nr_jobs = load.jobs or len(cpus)
        queue: deque[_Job] = deque()
        samples = [sim.nr_free_regions()]
        now = sim.now_ns
        next_sample = now + SECOND_NS
        while queue or self.nr_started < load.units:
            while len(queue) < nr_jobs and self.nr_started < load.units:
                queue.append(self.begin())
            for cpu in cpus[: len(queue)]:
                job = queue.popleft()
                if self.slice(cpu, job):
                    queue.append(job)
            now += load.slice_ns
            self.background.advance(now)
            sim.advance(now)
            if now >= next_sample:
                samples.append(sim.nr_free_regions())
                next_sample += SECOND_NS
        return Timeline.finish(
            sim,
            samples,
            nr_allocs=self.nr_allocs,
            nr_pages=self.nr_pages,
            nr_killed=self.nr_killed,
            load=load,
        )
