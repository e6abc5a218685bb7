"""One zone whose regions are evacuated."""

from __future__ import annotations

from typing import Any

from pasralloc._core.memoryranges import MemoryRanges
from pasralloc._core.records import ZONE_TYPES, ZonePlan
from pasralloc.policy.evacuation import Evacuation
from pasralloc.sim.plan import evacuation_plan
from pasralloc.sizing import Pagesets


class ZoneMemory(MemoryRanges):
    """A zone without watermarks, and the worker that evacuates its regions as time passes.

    Parameters
    ----------
    evacuation : Evacuation
    pagesets : Pagesets or None
    **options
        Of the zone, as for `pasralloc.Zone`, which must start at a multiple of 1024 pages.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit.
    MemoryError
        If the tables cannot be mapped.
    """

    def __init__(
        self, evacuation: Evacuation, *, pagesets: Pagesets | None = None, **options: Any
    ) -> None:
        normal = ZONE_TYPES.index("Normal")
        plan = ZonePlan(
            options={**options, "pagesets": pagesets},
            nid=0,
            type=normal,
            watermarks=(0, 0, 0),
            boost_max=0,
            lowmem_reserve=(0, 0, 0, 0),
            kswapd_cpu=0,
            nr_reserve=0,
        )
        self._set_up(
            [plan],
            {(0, highest): [0] for highest in range(len(ZONE_TYPES))},
            [0],
            nr_cpus=pagesets.nr_cpus if pagesets is not None else 1,
            reclaim_by_region=False,
            swap_pages=0,
            kswapd_latency_ns=0,
            vmstat_interval_ns=0,
            evacuation=evacuation_plan(evacuation),
        )
