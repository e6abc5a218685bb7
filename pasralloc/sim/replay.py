"""What-if replay of a trace, to see whether another allocator would have left regions empty."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pasralloc import __version__
from pasralloc._core.replayer import Replayer
from pasralloc._core.zoneobject import Zone
from pasralloc.choices import unknown
from pasralloc.policy.presets import Policy, policy_of
from pasralloc.trace.pageclasses import CACHE, FREE, MOVABLE, UNMOVABLE
from pasralloc.trace.startmap import StartMap
from pasralloc.trace.trace import Trace

STARTS = ("recorded", "booted")
MAX_REGIONS = 4096
TOP_PAGES = 1024

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
        Pages in use and pages managed, per region.
    first_ns, last_ns : int
        Time stamps of the first and the last event.
    seconds : float
        Processor time of the replay itself.
    nr_events : int
        Events of the trace.
    nr_extfrag : int
        Allocations of the trace that were served from blocks of another migratetype.
    provenance : dict of str to Any
        Version, parameters and digest of the final zone.
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
        )


def check_start(start: str) -> None:
    """ValueError unless *start* names a way to place what was in use before."""
    if start not in STARTS:
        raise ValueError(unknown("start", start, STARTS))


def replay(
    trace: Trace,
    policy: str | Policy = "sorted",
    *,
    region_pages: int = 32768,
    start: str = "recorded",
    memory_pages: int | None = None,
) -> Result:
    """Replay the allocations and frees of a trace under an allocator policy.

    A traced pfn is only the name of a block: the allocator under test chooses
    where it lies.

    Parameters
    ----------
    trace : Trace
    policy : str or Policy, default "sorted"
        Name of a preset, or a policy.
    region_pages : int, default 32768
        Pages per region (128 MiB), a multiple of 1024.
    start : {"recorded", "booted"}
        Whether pages in use before the trace sit where they sat, or are placed
        anew by the policy, unmovable ones first. Means nothing without a start map.
    memory_pages : int, optional
        Pages of memory from pfn 0 on. By default as much as the start map
        covers, else what the trace names, rounded up to whole regions.

    Returns
    -------
    result : Result

    Raises
    ------
    ValueError
        If an argument does not fit, or the memory takes more than 4096 regions.
    MemoryError
        If the tables of the zone do not fit.

    Notes
    -----
    All memory is one zone here. Pages that the start map calls cache are placed
    like other movable ones. With pagesets an event uses that of its CPU, counted
    round if there are fewer; pages on them are in use as far as regions are
    concerned, and all are drained before an allocation fails. Deterministic: same input, same result but for
    `seconds`.

    Examples
    --------
    >>> import pasralloc as pa
    >>> result = pa.replay(pa.Trace.sample("t1"), "sorted", region_pages=8192)
    >>> result.counts["failures"]
    0
    """
    policy = policy_of(policy)
    check_start(start)
    zone = _zone_for(trace, policy, region_pages, memory_pages)
    replayer = Replayer(
        zone,
        min(max(trace.end_pfn, zone.nr_pages), 1 << 31),
        trace.numbering.for_zone(zone),
        free_on_batched=trace.has_batched_frees_only,
    )
    if trace.start_map is not None:
        _seed(replayer, zone, trace.start_map, start == "booted")
    used_start = zone.region_managed - zone.region_nr_free
    nr_extfrag = zone.nr_extfrag
    seconds = time.thread_time()
    for events in trace:
        replayer.feed(events)
    seconds = time.thread_time() - seconds
    outcome = replayer.result()
    return Result(
        policy=policy,
        counts=dict(outcome.pop("counts")),
        **outcome,
        used_start=used_start,
        used_end=zone.region_managed - zone.region_nr_free,
        managed=zone.region_managed.copy(),
        seconds=seconds,
        nr_events=len(trace),
        nr_extfrag=zone.nr_extfrag - nr_extfrag,
        provenance={
            "pasralloc": __version__,
            "python": platform.python_version(),
            "trace": trace.name,
            "policy": policy.name,
            "placement": policy.placement,
            "kernel": policy.kernel,
            "quirks": policy.quirks,
            "region_allocator": policy.region_allocator,
            "pagesets": asdict(policy.pagesets) if policy.pagesets is not None else None,
            "region_pages": region_pages,
            "start": start,
            "memory_pages": zone.nr_pages,
            "digest": zone.digest(),
        },
    )


def _zone_for(trace: Trace, policy: Policy, region_pages: int, memory_pages: int | None) -> Zone:
    if region_pages < TOP_PAGES or region_pages % TOP_PAGES:
        raise ValueError(f"region_pages must be a multiple of {TOP_PAGES}, got {region_pages}")
    start_map = trace.start_map
    needed = start_map.nr_pages if start_map is not None else 0
    if memory_pages is None:
        memory_pages = needed or -(-max(trace.end_pfn, 1) // region_pages) * region_pages
    elif memory_pages < needed:
        raise ValueError(
            f"memory_pages must be at least the {needed} that the start map covers, got {memory_pages}"
        )
    if memory_pages > region_pages * MAX_REGIONS:
        smallest = -(-memory_pages // (MAX_REGIONS * TOP_PAGES)) * TOP_PAGES
        raise ValueError(
            f"{memory_pages} pages of memory in regions of {region_pages} are more than {MAX_REGIONS} regions:"
            f" choose regions of at least {smallest} pages, or less memory"
            + ("" if needed else f" (the trace names pfns up to {trace.end_pfn - 1:#x})")
        )
    return Zone(
        memory_pages,
        region_pages=region_pages,
        absent=start_map.absent_ranges() if start_map is not None else (),
        placement=policy.placement,
        kernel=policy.kernel,
        quirks=policy.quirks,
        region_allocator=policy.region_allocator,
        pagesets=policy.pagesets,
    )


def _seed(replayer: Replayer, zone: Zone, start_map: StartMap, anew: bool) -> None:
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
