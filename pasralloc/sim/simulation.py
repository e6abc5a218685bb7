"""A machine whose memory is allocated, freed and reclaimed."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pasralloc import __version__
from pasralloc._core.memoryranges import MemoryRanges
from pasralloc.choices import Problems
from pasralloc.machine.machine import Machine
from pasralloc.policy.presets import Policy, policy_of
from pasralloc.sim.plan import evacuation_plan, pieces_of, plans_of, zonelists_of
from pasralloc.sizing import Pagesets, check_range
from pasralloc.units import MAX_TIME_NS

REGION_DTYPE = np.dtype(
    [
        ("nid", "i4"),
        ("zone", "U8"),
        ("region", "i4"),
        ("start_pfn", "i8"),
        ("present", "i8"),
        ("managed", "i8"),
        ("nr_free", "i8"),
    ]
)
SECOND_NS = 1_000_000_000
MAX_SEED = (1 << 128) - 1


class Simulation(MemoryRanges):
    """Memory of a machine under an allocator policy.

    Parameters
    ----------
    machine : Machine or str
        What is simulated, or the name of a preset.
    policy : str or Policy, default "sorted"
        Name of a preset, or a policy.
    seed : int, default 0
        Seeds `rng`, from which workloads draw. A number, never None, so that every result can be had again.
    pagesets : bool or Pagesets, default True
        Whether CPUs have pagesets, of the sizes that the kernel computes for each zone; or the sizes for
        all zones.
    swap_pages : int, default 0
        Pages of anonymous memory that fit into swap.
    kswapd_latency_ns : int, default 0
        Time from the moment when kswapd is woken until it has done its work; 0: at the end of the call that woke it.
    vmstat_interval_ns : int, default 1 s
        How often pagesets of 6.12 decay; 0: never.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit; every problem is named.
    MemoryError
        If the tables cannot be mapped.

    Attributes
    ----------
    machine : Machine
    policy : Policy
    rng : numpy.random.Generator
    zones : tuple of MemoryZone
        Every zone with managed pages, in ascending order of address. They can be looked at like a `Zone`.

    Notes
    -----
    A request goes through the zones of its zonelist. It is served by the first that stays above
    its low watermark; if none does, kswapd is woken and the min watermark decides; if that fails too, a request
    that may wait reclaims page cache, and anonymous memory while there is swap. Only blocks whose state was
    set (`set_page_state`) can be reclaimed; their owner learns of it from `reclaimed`. Differs from Linux: kswapd
    goes by zones instead of nodes, there are no active lists, and compaction, throttling and the OOM killer are
    left to the caller.

    The simulation itself draws nothing: what it does follows from its state and the calls alone. So a snapshot
    and the digest leave `rng` out, and a simulation that is restored goes on exactly as the one it was taken of,
    whatever either's seed is; a workload that is to go on needs ``rng.bit_generator.state`` as well.

    Time is that of the last *now_ns*. Takes the memory of its zones, and one byte per page for states.

    Threading rule: as `Zone`, for all zones together.

    Examples
    --------
    >>> import pasralloc as pa
    >>> sim = pa.Simulation("generic-16g", policy="sorted", seed=1)
    >>> pfn = sim.alloc(order=3, migratetype="unmovable", now_ns=1_000)
    >>> sim.zone_of(pfn).name
    'Normal'
    >>> sim.free(pfn)
    """

    def __init__(
        self,
        machine: Machine | str,
        policy: str | Policy = "sorted",
        *,
        seed: int = 0,
        pagesets: bool | Pagesets = True,
        swap_pages: int = 0,
        kswapd_latency_ns: int = 0,
        vmstat_interval_ns: int = SECOND_NS,
    ) -> None:
        problems = Problems()
        chosen = problems.check(_machine_of, machine)
        policy_chosen = problems.check(policy_of, policy)
        problems.check(check_range, "seed", seed, 0, MAX_SEED)
        if not isinstance(pagesets, (bool, Pagesets)):
            problems.add(f"pagesets must be True, False or Pagesets, got {pagesets!r}")
        problems.check(check_range, "swap_pages", swap_pages, 0, 1 << 62)
        for name, value in (
            ("kswapd_latency_ns", kswapd_latency_ns),
            ("vmstat_interval_ns", vmstat_interval_ns),
        ):
            problems.check(check_range, name, value, 0, MAX_TIME_NS)
        problems.refuse()
        assert chosen is not None
        assert policy_chosen is not None
        machine, policy = chosen, policy_chosen
        pieces = pieces_of(machine, policy.hierarchy)
        self._set_up(
            plans_of(machine, pieces, policy, pagesets),
            zonelists_of(machine, pieces),
            [node.nid for node in machine.nodes],
            nr_cpus=machine.nr_cpus,
            reclaim_by_region=policy.reclaim == "high-region-first",
            swap_pages=swap_pages,
            kswapd_latency_ns=kswapd_latency_ns,
            vmstat_interval_ns=vmstat_interval_ns,
            evacuation=evacuation_plan(policy.evacuation),
        )
        self.machine = machine
        self.policy = policy
        self.rng = np.random.default_rng(seed)
        self._pieces = pieces
        self._options = {
            "seed": seed,
            "pagesets": asdict(pagesets) if isinstance(pagesets, Pagesets) else pagesets,
            "swap_pages": swap_pages,
            "kswapd_latency_ns": kswapd_latency_ns,
            "vmstat_interval_ns": vmstat_interval_ns,
        }

    def regions(self) -> NDArray[np.void]:
        """List every region of every zone, as it is now.

        Returns
        -------
        regions : ndarray of REGION_DTYPE, shape (n,)
            *nid*, *zone* (its name), *region* (its number in the zone of the machine), *start_pfn*, and
            the pages *present*, *managed* and *nr_free*. A region is completely free if it manages
            pages and all of them are free.
        """
        tables = []
        for piece, zone in zip(self._pieces, self.zones, strict=True):
            table = np.empty(zone.nr_regions, REGION_DTYPE)
            table["nid"] = piece.span.nid
            table["zone"] = piece.span.name
            table["region"] = piece.first_region + np.arange(zone.nr_regions)
            table["start_pfn"] = zone.region_start_pfn
            table["present"] = [region.present for region in piece.span.regions]
            table["managed"] = zone.region_managed
            table["nr_free"] = zone.region_nr_free
            tables.append(table)
        return np.concatenate(tables)

    def nr_free_regions(self) -> int:
        """Count the regions that are completely free. O(number of regions)."""
        return sum(
            int(
                np.count_nonzero(
                    (zone.region_managed == zone.region_nr_free) & (zone.region_managed > 0)
                )
            )
            for zone in self.zones
        )

    def provenance(self) -> dict[str, Any]:
        """Tell what this simulation was made of, and the digest of its state."""
        return {
            "pasralloc": __version__,
            "python": platform.python_version(),
            "machine": self.machine.name,
            "policy": asdict(self.policy),
            **self._options,
            "now_ns": self.now_ns,
            "digest": self.digest(),
        }

    def __repr__(self) -> str:
        if not self.zones:
            return "<Simulation that was not set up>"
        return (
            f"<Simulation of {self.machine.name!r} under {self.policy.name!r}: {len(self.zones)} zones,"
            f" {self.nr_free} pages free, {self.now_ns} ns>"
        )


def _machine_of(machine: Machine | str) -> Machine:
    if isinstance(machine, str):
        return Machine.preset(machine)
    if not isinstance(machine, Machine):
        raise TypeError(f"machine must be a Machine or the name of a preset, got {machine!r}")
    return machine
