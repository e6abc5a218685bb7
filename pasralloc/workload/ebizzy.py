"""ebizzy: processes whose threads copy large chunks of memory, search them and free them again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from pasralloc.sim.simulation import Simulation
from pasralloc.sizing import check_range
from pasralloc.workload.background import Background, BackgroundLoad, nids_of_cpus
from pasralloc.workload.fitting import check_fits
from pasralloc.workload.pages import Pages, pfns_of
from pasralloc.workload.timeline import SECOND_NS, Timeline

PTES = 512  # pages that one page table maps


@dataclass(frozen=True, slots=True, kw_only=True)
class Ebizzy:
    """Parameters of a run of several processes at once.

    Parameters
    ----------
    processes : int, default 20
    threads : int, default 32
        Per process, each bound to a CPU.
    chunks : int, default 2
        Resident chunks per process.
    chunk_pages : int, default 65536
        256 MiB.
    seconds : float, default 60
        After that no thread begins another loop.
    idle_seconds : int, default 5
        Samples before the processes start.
    pages_per_second : int, default 245000
        What one CPU touches for the first time in a second: zeroing, copying and the fault.
    speed_sigma : float, default 0.25
        Threads differ in speed: standard deviation of its logarithm. Were they equal, all would hold
        their copies at the same time, which is more than the machine of the mails has.
    stack_pages : int, default 4
        Unmovable pages of a thread for as long as it lives.
    slice_ns : int, default 10 ms
        How long a thread has its CPU.
    record_seconds : int, default 0
        Samples go on for so long from the first on, with nothing but the background at work after the last
        thread has ended.
    background : Background
        What else happens.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range.

    Notes
    -----
    Each process allocates its chunks. A thread then loops: it allocates a copy of a chunk page by
    page, with a page table for every 512 pages, searches it, and frees it all at once. ebizzy itself
    leaves nothing behind. A process whose request finds no memory ends with all its threads, as the OOM killer
    would have it.

    References
    ----------
    S. S. Bhat, "[RFC PATCH v4 00/40] mm: Memory Power Management", linux-mm, 26
    September 2013, <20130925231250.26184.31438.stgit@srivatsabhat.in.ibm.com>: 20 processes of
    ``ebizzy -s 268435456 -n 2 -t 32 -S 60``.
    """

    processes: int = 20
    threads: int = 32
    chunks: int = 2
    chunk_pages: int = 65536
    seconds: float = 60.0
    idle_seconds: int = 5
    pages_per_second: int = 245_000
    speed_sigma: float = 0.25
    stack_pages: int = 4
    slice_ns: int = 10_000_000
    record_seconds: int = 0
    background: Background = field(default_factory=Background)

    def __post_init__(self) -> None:
        for name, least in (
            ("processes", 1),
            ("threads", 1),
            ("chunks", 0),
            ("chunk_pages", 1),
            ("idle_seconds", 0),
            ("pages_per_second", 1),
            ("stack_pages", 0),
            ("slice_ns", 1),
            ("record_seconds", 0),
        ):
            check_range(name, getattr(self, name), least, 1 << 40)
        for name in ("seconds", "speed_sigma"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")

    def run(self, sim: Simulation) -> Timeline:
        """Run on a simulation, from its present on.

        Parameters
        ----------
        sim : Simulation
            Its `rng` gives speeds and background.

        Returns
        -------
        timeline : Timeline

        Raises
        ------
        ValueError
            If the machine cannot hold the resident chunks and one copy, page tables and stacks included.
        """
        mapped = self.chunk_pages + -(-self.chunk_pages // PTES)
        check_fits(
            sim,
            f"{self.processes} processes of {self.chunks} chunks of {self.chunk_pages} pages, {self.threads}"
            f" stacks of {self.stack_pages} pages, and a copy, with page tables",
            self.processes * (self.chunks * mapped + self.threads * self.stack_pages) + mapped,
        )
        return _Run(self, sim).run()


class _Process:
    def __init__(self) -> None:
        self.resident: list[Pages] = []
        self.nr_running = 0
        self.is_dead = False


class _Thread:
    """A thread and what it holds."""

    __slots__ = ("copy", "cpu", "nr", "process", "speed", "stack", "tables")

    def __init__(self, process: _Process, cpu: int, speed: float, stack: Pages) -> None:
        self.process = process
        self.cpu = cpu
        self.speed = speed
        self.copy: list[Pages] = []  # nr pages in all
        self.nr = 0
        self.tables: list[Pages] = []
        self.stack = stack


class _Run:
    """A run in progress."""

    def __init__(self, load: Ebizzy, sim: Simulation) -> None:
        self.load = load
        self.sim = sim
        self.nids = nids_of_cpus(sim)
        self.background = BackgroundLoad(load.background, sim)
        self.single = np.zeros(max(load.chunk_pages, 1), np.uint8)
        self.nr_allocs = 0
        self.nr_killed = 0
        self.nr_short = 0
        self.queues: dict[int, deque[_Thread]] = {cpu: deque() for cpu in self.nids}

    def allocate(self, process: _Process, cpu: int, nr: int, kind: str = "unmovable") -> Pages:
        """*nr* single pages for a process; if there are fewer, those, and the process is over."""
        pfns = self.sim.alloc_batch(self.single[:nr], kind, nid=self.nids[cpu], cpu=cpu)
        if nr and pfns.min() < 0:
            pfns = pfns[pfns >= 0]
            self.nr_short += 1
            self.nr_killed += not process.is_dead
            process.is_dead = True
        self.nr_allocs += len(pfns)
        return Pages(self.sim, pfns)

    def start(self) -> None:
        """Make the processes with their chunks, and threads that have not begun."""
        load, cpus = self.load, list(self.nids)
        speeds = self.sim.rng.lognormal(0.0, load.speed_sigma, load.processes * load.threads)
        for number in range(load.processes):
            cpu = cpus[number % len(cpus)]
            process = _Process()
            for _ in range(load.chunks):
                process.resident += [
                    self.allocate(process, cpu, load.chunk_pages, "movable"),
                    self.allocate(process, cpu, -(-load.chunk_pages // PTES)),
                ]
            for i in range(number * load.threads, (number + 1) * load.threads):
                at = cpus[i % len(cpus)]
                stack = self.allocate(process, at, load.stack_pages)
                thread = _Thread(process, at, speeds[i], stack)
                process.nr_running += 1
                self.queues[thread.cpu].append(thread)
        # A CPU does the same work whatever the speeds of its threads are.
        for queue in self.queues.values():
            mean = sum(thread.speed for thread in queue) / max(len(queue), 1)
            for thread in queue:
                thread.speed /= mean

    def let_go(self, thread: _Thread) -> None:
        """``munmap()`` of the copy."""
        for parts in (thread.copy, thread.tables):
            self.sim.free_batch(pfns_of(parts), cpu=thread.cpu)
            parts.clear()
        thread.nr = 0

    def end(self, thread: _Thread) -> None:
        """End a thread, and with the last of them the process."""
        self.let_go(thread)
        self.sim.free_batch(thread.stack.pfns, cpu=thread.cpu)
        process = thread.process
        process.nr_running -= 1
        if not process.nr_running:
            for pages in process.resident:
                self.sim.free_batch(pages.pfns, cpu=thread.cpu)

    def slice(self, thread: _Thread, may_begin: bool) -> bool:
        """Let a thread run for a slice; False when it is over."""
        load = self.load
        if thread.process.is_dead:
            return False
        left = int(load.pages_per_second * load.slice_ns * thread.speed // SECOND_NS) or 1
        while left:
            if thread.nr == 0 and not may_begin:
                return False
            nr = min(left, load.chunk_pages - thread.nr)
            process = thread.process
            got = self.allocate(process, thread.cpu, nr, "movable")
            thread.copy.append(got)
            nr_tables = -(-(thread.nr + len(got)) // PTES) - -(-thread.nr // PTES)
            thread.nr += len(got)
            if nr_tables:
                thread.tables.append(self.allocate(process, thread.cpu, nr_tables))
            if process.is_dead:
                return False
            left -= nr
            if thread.nr == load.chunk_pages:
                self.let_go(thread)
        return True

    def renew(self) -> None:
        """Follow what lives long, before it is too late."""
        for queue in self.queues.values():
            for thread in queue:
                for pages in [*thread.copy, *thread.process.resident]:
                    pages.renew()

    def run(self) -> Timeline:
        load, sim = self.load, self.sim
        begin = now = sim.now_ns
        samples = []
        for second in range(load.idle_seconds):
            samples.append(sim.nr_free_regions())
            now = begin + (second + 1) * SECOND_NS
            self.background.advance(now)
            sim.advance(now)
        self.start()
        stop = now + int(load.seconds * SECOND_NS)
        next_sample = now
        recorded = begin + load.record_seconds * SECOND_NS
        while any(self.queues.values()) or now < recorded:
            if now >= next_sample:
                samples.append(sim.nr_free_regions())
                next_sample += SECOND_NS
                self.renew()
            for queue in self.queues.values():
                if queue:
                    thread = queue.popleft()
                    if self.slice(thread, now < stop):
                        queue.append(thread)
                    else:
                        self.end(thread)
            now += load.slice_ns
            self.background.advance(now)
            sim.advance(now)
        return Timeline.finish(
            sim,
            samples,
            nr_allocs=self.nr_allocs,
            nr_killed=self.nr_killed,
            nr_short=self.nr_short,
            nr_background_failures=self.background.nr_failures,
            load=load,
        )
