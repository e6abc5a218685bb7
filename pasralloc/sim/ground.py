"""What a replay runs on: one zone, or a machine."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pasralloc._core.memorybase import MemoryZone
from pasralloc._core.records import HELD_DTYPE
from pasralloc._core.replayer import Replayer
from pasralloc._core.zoneobject import Zone
from pasralloc.machine.machine import Machine
from pasralloc.machine.ranges import BLOCK_PAGES, Range, join, subtract, total
from pasralloc.machine.regions import regular, span_of
from pasralloc.policy.presets import Policy
from pasralloc.sim.held import held_of
from pasralloc.sim.plan import pieces_of
from pasralloc.sim.simulation import Simulation
from pasralloc.sim.zonememory import ZoneMemory
from pasralloc.trace.migratetypes import Numbering
from pasralloc.trace.pageclasses import ABSENT, FREE
from pasralloc.trace.startmap import StartMap
from pasralloc.trace.trace import Trace
from pasralloc.units import format_pages

MAX_REGIONS = 4096
REGION_PAGES = 32768
COUNTERS = ("misses", "slow", "walked", "kswapd_runs")


@dataclass(frozen=True, slots=True)
class Ground:
    """Memory for a replay, fresh from boot.

    Attributes
    ----------
    memory : Zone, ZoneMemory or Simulation
    zones : tuple of Zone or MemoryZone
        Those of the memory, in ascending order of address.
    cpu_nodes : list of int or None
        On a machine: nid of each CPU.
    first_regions : list of int
        Number of the first region of each zone, the same under every policy.
    nr_regions : int
        Regions of all zones, and those of a machine that a hierarchy has no zone for: they manage no pages.
    nr_pages : int
        Pages of the memory: those that a zone spans, or that a machine has.
    """

    memory: Zone | ZoneMemory | Simulation
    zones: tuple[Zone | MemoryZone, ...]
    cpu_nodes: list[int] | None
    first_regions: list[int]
    nr_regions: int
    nr_pages: int

    def replayer(
        self, nr_pages: int, numbering: Numbering, *, free_on_batched: bool = False
    ) -> Replayer:
        """Make this the memory of a replay of traced pages from 0 on."""
        around = self.memory if isinstance(self.memory, ZoneMemory) else None
        return Replayer(
            self.memory if around is None else self.zones[0],
            nr_pages,
            numbering.for_zone(self.zones[0]),
            free_on_batched=free_on_batched,
            cpu_nodes=self.cpu_nodes,
            first_regions=self.first_regions,
            around=around,
        )

    def _by_region(self, tables: Iterable[NDArray[Any]], dtype: Any = np.uint32) -> NDArray[Any]:
        whole = np.zeros(self.nr_regions, dtype)
        for first, table in zip(self.first_regions, tables, strict=True):
            whole[first : first + len(table)] = table
        return whole

    @property
    def managed(self) -> NDArray[np.uint32]:
        """Pages that each region manages."""
        return self._by_region(zone.region_managed for zone in self.zones)

    @property
    def used(self) -> NDArray[np.uint32]:
        """Pages in use per region."""
        return self._by_region(zone.region_managed - zone.region_nr_free for zone in self.zones)

    @property
    def held(self) -> NDArray[np.void]:
        """What the pages in use of each region are."""
        return self._by_region((held_of(zone) for zone in self.zones), HELD_DTYPE)

    @property
    def nr_extfrag(self) -> int:
        """Fallbacks so far."""
        return sum(zone.nr_extfrag for zone in self.zones)

    def counters(self) -> dict[str, int] | None:
        """Count what the zones of a machine did to requests so far; None without one."""
        if not isinstance(self.memory, Simulation):
            return None
        counters = self.memory.counters()
        return {name: counters[name] for name in COUNTERS}

    def evacuations(self) -> dict[str, Any] | None:
        """Tell what became of the regions that were evacuated; None without a worker that does that."""
        if isinstance(self.memory, Zone):
            return None
        return self.memory.evacuations()

    def provenance(self) -> dict[str, Any]:
        """Tell what memory this is; pagesets of True are those that the kernel would give each zone."""
        if isinstance(self.memory, Simulation):
            return {"machine": self.memory.machine.name, "pagesets": True}
        pagesets = self.zones[0].pagesets
        return {
            "machine": None,
            "pagesets": asdict(pagesets) if pagesets is not None else None,
        }


def check_ground(
    policy: Policy,
    region_pages: int | None,
    memory_pages: int | None,
    machine: Machine | str | None,
) -> None:
    """ValueError where arguments do not go together, before anything is made of them."""
    if region_pages is not None and (region_pages < BLOCK_PAGES or region_pages % BLOCK_PAGES):
        raise ValueError(f"region_pages must be a multiple of {BLOCK_PAGES}, got {region_pages}")
    if machine is not None and memory_pages is not None:
        raise ValueError(
            f"memory_pages means nothing on a machine, which has memory of its own: got {memory_pages}"
        )
    if machine is None and policy.hierarchy:
        raise ValueError(
            f"policy {policy.name!r} gives every region zones of its own, so it needs a machine,"
            " such as 'generic-16g'"
        )
    if policy.hierarchy and policy.evacuation is not None:
        raise ValueError(
            f"policy {policy.name!r} cannot evacuate regions: with hierarchy=True every region is the first of a"
            " zone of its own, which is never evacuated, and pages do not move to other zones"
        )


def machine_of(machine: Machine | str | None, region_pages: int | None) -> Machine | None:
    """Return a machine by its name, or one as it is, with regions of the size that is asked for."""
    if isinstance(machine, str):
        machine = Machine.preset(machine)
    if machine is None:
        return None
    if not isinstance(machine, Machine):
        raise TypeError(f"machine must be a Machine or the name of a preset, got {machine!r}")
    if region_pages is None:
        return machine
    try:
        regions = [regular(span_of(node), region_pages) for node in machine.nodes]
    except ValueError as error:
        raise ValueError(f"region_pages does not fit {machine.name}: {error}") from None
    return machine.with_regions(sorted(itertools.chain.from_iterable(regions)))


def ground_of(simulation: Simulation) -> Ground:
    """Make the memory of a machine that has just booted one to replay on."""
    machine = simulation.machine
    nodes = {cpu: node.nid for node in machine.nodes for cpu in node.cpus}
    first: dict[tuple[int, int], int] = {}
    nr_regions = 0
    for piece in pieces_of(machine, hierarchy=False):
        first[piece.span.nid, piece.span.type] = nr_regions
        nr_regions += len(piece.span.regions)
    return Ground(
        simulation,
        simulation.zones,
        # CPUs that the machine does not have count as ones of its first node.
        [nodes.get(cpu, machine.nodes[0].nid) for cpu in range(machine.nr_cpus)],
        [
            first[piece.span.nid, piece.span.type] + piece.first_region
            for piece in pieces_of(machine, simulation.policy.hierarchy)
        ],
        nr_regions,
        sum(zone.present for zone in machine.zones),
    )


def ground_of_zone(
    trace: Trace, policy: Policy, region_pages: int, memory_pages: int | None
) -> Ground:
    """One zone from pfn 0 on, that is as large as the start map or the trace wants it."""
    start_map = trace.start_map
    needed = start_map.nr_pages if start_map is not None else 0
    if memory_pages is None:
        memory_pages = needed or -(-max(trace.end_pfn, 1) // region_pages) * region_pages
    elif memory_pages < needed:
        raise ValueError(
            f"memory_pages must be at least the {needed} that the start map covers, got {memory_pages}"
        )
    if memory_pages > region_pages * MAX_REGIONS:
        smallest = -(-memory_pages // (MAX_REGIONS * BLOCK_PAGES)) * BLOCK_PAGES
        raise ValueError(
            f"{memory_pages} pages of memory in regions of {region_pages} are more than {MAX_REGIONS} regions:"
            f" choose regions of at least {smallest} pages, or less memory"
            + ("" if needed else f" (the trace names pfns up to {trace.end_pfn - 1:#x})")
        )
    options: dict[str, Any] = {
        "nr_pages": memory_pages,
        "region_pages": region_pages,
        "absent": start_map.absent_ranges() if start_map is not None else (),
        "placement": policy.placement,
        "kernel": policy.kernel,
        "quirks": policy.quirks,
        "region_allocator": policy.region_allocator,
        "grouping": policy.grouping,
        "pagesets": policy.pagesets,
    }
    zone: Zone | MemoryZone
    memory: Zone | ZoneMemory
    if policy.evacuation is None:
        memory = zone = Zone(**options)
    else:
        memory = ZoneMemory(policy.evacuation, **options)
        (zone,) = memory.zones
    return Ground(memory, (zone,), None, [0], zone.nr_regions, memory_pages)


def _managed_ranges(machine: Machine) -> Iterator[Range]:
    for zone in machine.zones:
        yield from zone.managed_ranges


def check_fits(start_map: StartMap, machine: Machine) -> None:
    """ValueError if pages that were in use do not all have a place of the same pfn on a machine."""
    is_used = ~np.isin(start_map.classes, (FREE, ABSENT))
    starts = start_map.pfns[is_used]
    in_use = join(zip(starts.tolist(), (starts + start_map.nrs[is_used]).tolist(), strict=True))
    missing = subtract(in_use, sorted(_managed_ranges(machine)))
    if not missing:
        return
    start, end = missing[0]
    raise ValueError(
        f"{format_pages(total(missing))} of what was in use when the trace begins cannot stay where it was: the"
        f" first are {end - start} pages from pfn {start:#x} on, of which {machine.name} has none, or none that"
        f" its allocator manages. The start map covers"
        f" {format_pages(start_map.nr_pages)} from pfn 0 on: let the policy place the pages anew"
        " (start='booted'), or choose a machine with memory there"
    )
