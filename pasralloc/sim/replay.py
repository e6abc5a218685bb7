"""What-if replay of a trace, to see whether another allocator would have left regions empty."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pasralloc import __version__
from pasralloc._core.memorybase import MemoryZone
from pasralloc._core.replayer import Replayer
from pasralloc._core.zoneobject import Zone
from pasralloc.choices import unknown
from pasralloc.machine.machine import Machine
from pasralloc.policy.presets import Policy, policy_of
from pasralloc.sim.ground import (
    REGION_PAGES,
    check_fits,
    check_ground,
    ground_of,
    ground_of_zone,
    machine_of,
)
from pasralloc.sim.held import most_used, regions_by_holder
from pasralloc.sim.simulation import Simulation
from pasralloc.trace.pageclasses import CACHE, FREE, MOVABLE, UNMOVABLE
from pasralloc.trace.startmap import StartMap
from pasralloc.trace.trace import Trace

STARTS = ("recorded", "booted")

_KNOWN_FREE = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Outcome of one replay.

    Attributes
    ----------
    policy : Policy
    counts : dict of str to int
        What happened, by the names of the quality report; *failures* are
        allocations that found no memory here.
    regions_touched : int
        Regions that had pages in use at any time.
    empty_start, empty_mean, empty_end : float
        Completely free regions; the mean is weighted with time.
    packed_start, packed_mean, packed_end : float
        How many would have been completely free if the pages in use had filled
        the largest regions first: an upper bound for every policy.
    transitions : ndarray of (time_ns i8, region u4, is_empty u4), shape (n,)
        When a region became completely free or ceased to be.
    used_start, used_end, managed : ndarray of uint32, shape (nr_regions,)
        Pages in use and pages managed, per region. Regions of a machine are numbered through its
        zones in ascending order of address, under every policy: without a hierarchy the rows of
        `Simulation.regions`.
    first_ns, last_ns : int
        Time stamps of the first and the last event.
    seconds : float
        Processor time of the replay itself.
    nr_events : int
        Events of the trace.
    nr_extfrag : int
        Allocations of the trace that were served from blocks of another migratetype.
    provenance : dict of str to Any
        Version, parameters, the name of the machine, and a digest of the memory at the end.
    counters : dict of str to int, optional
        What the zones of a machine did to requests: *misses*, how often a zone was passed over because a watermark
        forbade it (once per zone and attempt, so one request may count often); *slow*, requests that found all
        zones below their low watermarks; *walked*, how often a zone was tried in vain for whatever reason;
        *kswapd_runs*. None without a machine.
    held : ndarray of HELD_DTYPE, shape (nr_regions,)
        What the pages in use of each region are at the end, as `Simulation.held` tells it. *unmovable* are also
        pinned pages, which nothing in a trace or a start map tells from others.
    evacuations : dict, optional
        What became of the regions that were evacuated, as `Simulation.evacuations` tells it. None if the policy has
        no evacuation.
    """

    policy: Policy
    counts: dict[str, int]
    regions_touched: int
    empty_start: float
    empty_mean: float
    empty_end: float
    packed_start: float
    packed_mean: float
    packed_end: float
    transitions: NDArray[np.void]
    used_start: NDArray[np.uint32]
    used_end: NDArray[np.uint32]
    managed: NDArray[np.uint32]
    first_ns: int
    last_ns: int
    seconds: float
    nr_events: int
    nr_extfrag: int
    provenance: dict[str, Any]
    held: NDArray[np.void]
    counters: dict[str, int] | None = None
    evacuations: dict[str, Any] | None = None

    @property
    def regions_by_holder(self) -> dict[str, int]:
        """Regions at the end by what holds them: *unmovable*, *movable_many*, *movable_few*, *cached*, *free*."""
        return regions_by_holder(self.held, self.managed, self.policy)

    @property
    def most_used(self) -> int:
        """Pages in use that are few in `regions_by_holder`."""
        return most_used(self.policy)

    @property
    def seconds_traced(self) -> float:
        """Time from the first event to the last."""
        return (self.last_ns - self.first_ns) / 1e9

    @property
    def region_empty_seconds(self) -> float:
        """Completely free regions, integrated over the time of the trace."""
        return self.empty_mean * self.seconds_traced

    def free_regions(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """List how many regions were completely free, and since when.

        Returns
        -------
        times_ns, nr_free : ndarray of int64, shape (n,)
            The first entry is of the first event; each other one is a time at which the number changed.
        """
        change = np.where(self.transitions["is_empty"] != 0, 1, -1)
        times_ns, at = np.unique(self.transitions["time_ns"], return_inverse=True)
        net = np.bincount(at, change, len(times_ns)).astype(np.int64)
        times_ns = np.concatenate([[self.first_ns], times_ns])
        nr_free = int(self.empty_start) + np.concatenate([[0], np.cumsum(net)])
        # What the first event changed at once was never otherwise.
        keep = np.append(times_ns[1:] != times_ns[:-1], True)
        times_ns, nr_free = times_ns[keep], nr_free[keep]
        keep = np.append(True, nr_free[1:] != nr_free[:-1])
        return times_ns[keep], nr_free[keep]

    @property
    def extfrag_per_million(self) -> float:
        """Fallback events per million allocations."""
        nr = self.counts["allocs"]
        return self.nr_extfrag * 1e6 / nr if nr else 0.0

    @property
    def nr_regions(self) -> int:
        """Regions that manage any pages at the end."""
        return int(np.count_nonzero(self.managed))

    @property
    def events_per_second(self) -> float:
        """Events replayed per second of processor time."""
        return self.nr_events / self.seconds if self.seconds else 0.0

    def outcome(self) -> tuple[Any, ...]:
        """Tell what a comparison is about; equal outcomes are equal answers."""
        return (
            self.regions_touched,
            self.empty_start,
            self.empty_mean,
            self.empty_end,
            len(self.transitions),
            self.counts["failures"],
            self.used_end.tolist(),
            self.evacuations["moved"] if self.evacuations is not None else 0,
        )


def check_start(start: str | None) -> None:
    """ValueError unless *start* names a way to place what was in use before."""
    if start is not None and start not in STARTS:
        raise ValueError(unknown("start", start, STARTS))


def replay(
    trace: Trace,
    policy: str | Policy = "sorted",
    *,
    machine: Machine | str | None = None,
    region_pages: int | None = None,
    start: str | None = None,
    memory_pages: int | None = None,
    at_end: Callable[[Zone | MemoryZone | Simulation], object] | None = None,
) -> Result:
    """Replay the allocations and frees of a trace under an allocator policy.

    A traced pfn is only the name of a block: the allocator under test chooses
    where it lies.

    Parameters
    ----------
    trace : Trace
    policy : str or Policy, default "sorted"
        Name of a preset, or a policy.
    machine : Machine or str, optional
        Where to replay, or the name of a preset. By default all memory is one zone without
        watermarks, from pfn 0 on.
    region_pages : int, optional
        Pages per region, a multiple of 1024. By default the machine's own regions, or 32768
        (128 MiB) without a machine. On a machine they are counted from the start of each node.
    start : {"recorded", "booted"}, optional
        Whether pages in use before the trace sit where they sat, or are placed
        anew by the policy, unmovable ones first. By default "booted" on a machine, which need not
        be the traced one, else "recorded". Means nothing without a start map.
    memory_pages : int, optional
        Pages of memory from pfn 0 on; not of a machine. By default as much as the start map
        covers, else what the trace names, rounded up to whole regions.
    at_end : callable, optional
        Called with the memory after the last event, which is a `Zone`, a `MemoryZone` if it is evacuated, or a
        `Simulation` on a machine.

    Returns
    -------
    result : Result

    Raises
    ------
    ValueError
        If an argument does not fit, the policy needs a machine, the memory takes more than 4096 regions,
        or pages that were in use cannot sit where they sat.
    MachineError
        If there is no such machine, or it cannot have such regions.
    MemoryError
        If the tables of the zones do not fit.

    Notes
    -----
    Pages that the start map calls cache are placed like other movable ones. A policy with an evacuation moves
    what was requested as movable, and of the start map what it calls movable or cache: cache is moved as well, because
    the trace says later what becomes of it. The worker runs whenever an event comes with a later time
    stamp; moves take no time. With pagesets an event
    uses those of its CPU, counted round if there are fewer; pages on them are in use as far as
    regions are concerned, and all are drained before an allocation fails. Deterministic: same input, same
    result but for `seconds`.

    On a machine a request starts on the node of its CPU, and its GFP flags say which zones it may use
    (``gfp_zone()`` of 6.18); if there are none, movable memory may go to Movable and other to Normal. Every CPU
    has the pagesets that the kernel would give it, whatever the policy says of them but `by_region`. Watermarks
    hold, kswapd runs and pagesets decay by the time of the trace. Reclaim finds nothing, because whatever is in use
    belongs to the trace: what the watermarks refuse fails. No request goes below the min watermark, whatever
    its flags. All memory is there from the start.

    Examples
    --------
    >>> import pasralloc as pa
    >>> result = pa.replay(pa.Trace.sample("t1"), "sorted", region_pages=8192)
    >>> result.counts["failures"]
    0
    >>> result = pa.replay(pa.Trace.sample("t1"), "sorted", machine="generic-16g")
    >>> result.nr_regions, result.counts["failures"]
    (33, 0)
    """
    policy = policy_of(policy)
    check_start(start)
    check_ground(policy, region_pages, memory_pages, machine)
    machine = machine_of(machine, region_pages)
    if start is None:
        start = "recorded" if machine is None else "booted"
    start_map = trace.start_map
    if machine is None:
        region_pages = region_pages or REGION_PAGES
        ground = ground_of_zone(trace, policy, region_pages, memory_pages)
        nr_named = ground.nr_pages
    else:
        if start_map is not None and start == "recorded":
            check_fits(start_map, machine)
        ground = ground_of(Simulation(machine, policy))
        nr_named = start_map.nr_pages if start_map is not None else 1
    replayer = ground.replayer(
        min(max(trace.end_pfn, nr_named), 1 << 31),
        trace.numbering,
        free_on_batched=trace.has_batched_frees_only,
    )
    if start_map is not None:
        _seed(replayer, ground.zones[0], start_map, start == "booted")
    used_start = ground.used
    nr_extfrag = ground.nr_extfrag
    before = ground.counters()
    seconds = time.thread_time()
    for events in trace:
        replayer.feed(events)
    seconds = time.thread_time() - seconds
    counters = ground.counters()
    outcome = replayer.result()
    if at_end is not None:
        at_end(ground.memory if isinstance(ground.memory, Simulation) else ground.zones[0])
    return Result(
        policy=policy,
        counts=dict(outcome.pop("counts")),
        **outcome,
        used_start=used_start,
        used_end=ground.used,
        managed=ground.managed,
        seconds=seconds,
        nr_events=len(trace),
        nr_extfrag=ground.nr_extfrag - nr_extfrag,
        provenance={
            "pasralloc": __version__,
            "python": platform.python_version(),
            "trace": trace.name,
            "policy": policy.name,
            "placement": policy.placement,
            "kernel": policy.kernel,
            "quirks": policy.quirks,
            "region_allocator": policy.region_allocator,
            "grouping": policy.grouping,
            "hierarchy": policy.hierarchy,
            "evacuation": asdict(policy.evacuation) if policy.evacuation is not None else None,
            **ground.provenance(),
            "region_pages": region_pages,
            "start": start,
            "memory_pages": ground.nr_pages,
            "digest": ground.memory.digest(),
        },
        held=ground.held,
        evacuations=ground.evacuations() if policy.evacuation is not None else None,
        counters=(
            {name: nr - before[name] for name, nr in counters.items()}
            if counters is not None and before is not None
            else None
        ),
    )


def _seed(replayer: Replayer, zone: Zone | MemoryZone, start_map: StartMap, anew: bool) -> None:
    """Place what was in use before the trace; unmovable pages come first."""
    types = np.full(5, _KNOWN_FREE, np.uint8)
    types[UNMOVABLE] = zone.migratetypes.index("unmovable")
    types[[MOVABLE, CACHE]] = zone.migratetypes.index("movable")
    rank = np.zeros(5, np.uint8)
    rank[[MOVABLE, CACHE]] = 1
    rank[FREE] = 2
    at = np.flatnonzero(np.isin(start_map.classes, (UNMOVABLE, MOVABLE, CACHE, FREE)))
    at = at[np.argsort(rank[start_map.classes[at]], kind="stable")]
    replayer.seed(start_map.pfns[at], start_map.nrs[at], types[start_map.classes[at]], anew=anew)
