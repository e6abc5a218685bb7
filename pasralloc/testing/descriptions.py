"""Strategies: small machines, policies, and the simulations that they describe."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from pasralloc._core.generations import GENERATIONS
from pasralloc.machine.machine import Machine
from pasralloc.machine.topology import Node
from pasralloc.policy.evacuation import ORDERS, TARGETS, TRIGGERS, Evacuation
from pasralloc.policy.presets import Policy
from pasralloc.sizing import Pagesets
from pasralloc.testing.memoryplan import TYPES

TOP_PAGES = 1024

evacuations = st.builds(
    Evacuation,
    trigger=st.sampled_from(TRIGGERS),
    max_used=st.sampled_from([1, 32, 32, 300, 100_000]),
    targets=st.sampled_from(TARGETS),
    order=st.sampled_from(ORDERS),
    drop_clean=st.booleans(),
    move_unevictable=st.booleans(),
    drain=st.booleans(),
    max_tries=st.sampled_from([1, 1, 2, 5]),
    latency_ns=st.sampled_from([0, 0, 40, 120]),
    period_ns=st.sampled_from([1, 70, 350]),
)


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """One to three nodes with one to three zones of one to four blocks, holes and reserved pages."""
    nodes, pfn = [], draw(st.sampled_from([0, 4]))
    nr_nodes = draw(st.integers(1, 3))
    nids = draw(st.sampled_from([(0, 1, 2), (3, 4, 9)]))[:nr_nodes]
    far = draw(st.lists(st.integers(11, 30), min_size=3, max_size=3))
    for number, nid in enumerate(nids):
        zones, regions, memory = [], [], []
        kinds = draw(st.sampled_from([(2,), (1, 2), (2, 3), (0, 1, 2), (3,)]))
        if number == 0 and kinds == (3,):
            kinds = (1, 2)
        start = pfn
        for kind in kinds:
            end = pfn + draw(st.integers(1, 4))
            zones.append((TYPES[kind], pfn * TOP_PAGES, end * TOP_PAGES))
            pfn = end
        at = start
        while at < pfn:
            size = min(draw(st.sampled_from([1, 1, 2, 3])), pfn - at)
            regions.append((at * TOP_PAGES, (at + size) * TOP_PAGES))
            at += size
        first, last = start * TOP_PAGES, pfn * TOP_PAGES
        hole = draw(st.integers(0, 700))
        memory = [(first + draw(st.sampled_from([0, 1, 300])), last - hole)]
        reserved = draw(st.sampled_from([(), ((last - hole - 20, last - hole),)]))
        nodes.append(
            Node(
                nid=nid,
                cpus=(number,) if number == 0 or draw(st.booleans()) else (),
                distances=tuple(
                    10 if other == number else far[other + number - 1] for other in range(nr_nodes)
                ),
                memory=tuple(memory),
                reserved=reserved,
                zones=tuple(zones),
                regions=tuple(regions),
            )
        )
        pfn += draw(st.sampled_from([0, 2]))
    return Machine(
        name="drawn",
        nodes=tuple(nodes),
        pageblock_order=draw(st.sampled_from([9, 10, 5])),
        min_free_kbytes=draw(st.sampled_from([None, 64, 2048, 6000])),
        watermark_scale_factor=draw(st.sampled_from([10, 1000])),
    )


@st.composite
def descriptions(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of a simulation."""
    placement = draw(st.sampled_from(["linux", "sorted", "biased"]))
    policy = Policy(
        name="drawn",
        placement=placement,
        kernel=draw(st.sampled_from(sorted(GENERATIONS))),
        quirks=draw(st.sampled_from(["fixed", "fixed", "posted"])),
        region_allocator=None
        if placement == "linux"
        else draw(st.sampled_from([None, "when-dry", "lowest-first"])),
        grouping=None if placement == "linux" else draw(st.sampled_from([None, "by-region"])),
        hierarchy=draw(st.booleans()),
        reclaim=draw(st.sampled_from(["region-blind", "high-region-first"])),
        evacuation=draw(st.one_of(evacuations, evacuations, st.none())),
    )
    return {
        "machine": draw(machines()),
        "policy": policy,
        "pagesets": draw(
            st.sampled_from(
                [
                    *(False, True, Pagesets(nr_cpus=4, batch=4, high=12)),
                    Pagesets(nr_cpus=4, batch=4, high=12, by_region=placement != "linux"),
                ]
            )
        ),
        "swap_pages": draw(st.sampled_from([0, 5, 10_000])),
        "kswapd_latency_ns": draw(st.sampled_from([0, 50])),
        "vmstat_interval_ns": draw(st.sampled_from([0, 100])),
    }
