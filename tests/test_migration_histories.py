"""Histories full of migration, beside the model: random, and denser than what the state machine of simulations draws.

Rules are those of the state machine; each step ends with its comparison of everything.
"""

import random
from dataclasses import replace

import pytest

import pasralloc as pa
from pasralloc._core.records import PAGE_STATES
from pasralloc.machine.machine import Machine
from pasralloc.machine.topology import Node
from pasralloc.policy.evacuation import Evacuation
from pasralloc.policy.presets import Policy
from pasralloc.testing import SimulationMachine

TARGETS = [None, "lower-regions", "other-regions"]


def alloc(machine, rng, later):
    machine.alloc_many(
        order=rng.choice([0, 0, 0, 0, 1, 3, 9]),
        nr=rng.choice([1, 40, 400]),
        wanted=rng.choice(["movable", "movable", "movable", "unmovable", "reclaimable"]),
        cpu=rng.randrange(4),
        nid=rng.randrange(3),
        later=later,
    )


def free(machine, rng, later):
    if machine.allocated():
        call = rng.choice([machine.free_many, machine.free_by_a_stream])
        call(share=rng.random(), cpu=rng.randrange(4), later=later)


def scatter(machine, rng, _):
    machine.scatter(
        number=rng.randrange(100),
        first=rng.randrange(1000),
        step=rng.choice([30, 100, 333, 1000]),
        order=rng.choice([0, 0, 0, 1, 4, 6]),
        wanted=rng.choice(["movable", "movable", "movable", "unmovable"]),
        state=rng.choice(["unknown", "unknown", "unknown", "clean", *PAGE_STATES]),
    )


def thin_out(machine, rng, _):
    machine.thin_out(
        rng.randrange(100), rng.randrange(100), rng.choice([0, 1, 5, 32]), rng.randrange(4)
    )


def evacuate(machine, rng, later):
    machine.evacuate(rng.randrange(100), rng.randrange(100), rng.choice(TARGETS), later)


def evacuate_range(machine, rng, later):
    nr = rng.choice([1, 100, 1024, 5000])
    machine.evacuate_range(rng.randrange(100), rng.randrange(5000), nr, rng.choice(TARGETS), later)


def compact(machine, rng, later):
    machine.compact(rng.randrange(100), later)


def advance(machine, rng, _):
    machine.advance(rng.choice([1, 40, 300]))


def retype(machine, rng, _):
    mz = rng.choice(machine.model.zones)
    blocks = range(mz.zone.start_pfn, mz.zone.end_pfn, 1024)
    number = rng.choice([0, 1, 2, 2, 1, 3])
    pfn = rng.choice(blocks)
    mz.zone.set_pageblocks(pfn, 1024, machine.sim.zones[0].migratetypes[number])
    machine.sim.set_pageblocks(pfn, 1024, number)


def sink(machine, rng, _):
    machine.set_sink(rng.choice([0, 0, 2, 20]))


def remember(machine, rng, _):
    if machine.known:
        machine.find_again()
    machine.remember()


def save(machine, rng, _):
    if machine.saved and rng.random() < 0.5:
        machine.go_back()
    machine.save(by_bytes=rng.random() < 0.5)


STEPS = [
    *([alloc] * 5 + [scatter] * 4 + [free] * 3 + [thin_out] * 5 + [evacuate] * 5 + [advance] * 5),
    *[evacuate_range, compact, retype, sink, remember, save, lambda m, *_: m.drain()],
]


def machine_of(rng):
    """One or two nodes, with zones of three to six regions of which one in four is larger."""
    nodes, pfn = [], 0
    for nid in range(rng.choice([1, 1, 2])):
        start, zones, regions = pfn, [], []
        for kind in rng.choice(
            [("Normal",), ("Normal",), ("DMA", "Normal"), ("Normal", "Movable")]
        ):
            first = pfn
            for _ in range(rng.randint(3, 6)):
                size = rng.choice([1024, 1024, 1024, 2048])
                regions.append((pfn, pfn + size))
                pfn += size
            zones.append((kind, first, pfn))
        nodes.append(
            Node(
                nid=nid,
                cpus=(2 * nid, 2 * nid + 1),
                distances=(10, 20) if nid == 0 else (20, 10),
                memory=((start + rng.choice([0, 1, 300]), pfn - rng.choice([0, 3, 700])),),
                zones=tuple(zones),
                regions=tuple(regions),
            )
        )
    if len(nodes) == 1:
        nodes = [replace(nodes[0], distances=(10,))]
    return Machine(
        name="drawn",
        nodes=tuple(nodes),
        pageblock_order=rng.choice([9, 10, 5]),
        min_free_kbytes=rng.choice([64, 64, 2048]),
    )


def description(rng):
    placement = rng.choice(["linux", "sorted", "sorted", "biased"])
    evacuation = Evacuation(
        trigger=rng.choice(["free", "free", "handshake", "handshake", "periodic", "manual"]),
        max_used=rng.choice([1, 32, 32, 300, 100_000]),
        targets=rng.choice(["lower-regions", "lower-regions", "other-regions"]),
        order=rng.choice(["ascending", "descending"]),
        drop_clean=rng.random() < 0.5,
        move_unevictable=rng.random() < 0.5,
        drain=rng.random() < 0.3,
        max_tries=rng.choice([1, 1, 2, 5]),
        latency_ns=rng.choice([0, 0, 40, 120]),
        period_ns=rng.choice([1, 70, 350]),
    )
    return {
        "machine": machine_of(rng),
        "policy": Policy(
            name="drawn",
            placement=placement,
            kernel=rng.choice(["6.12", "3.9"]),
            quirks=rng.choice(["fixed", "fixed", "posted"]),
            region_allocator=None
            if placement == "linux"
            else rng.choice([None, "when-dry", "lowest-first"]),
            reclaim=rng.choice(["region-blind", "high-region-first"]),
            evacuation=evacuation,
        ),
        "pagesets": rng.choice([False, True, pa.Pagesets(nr_cpus=4, batch=4, high=12)]),
        "swap_pages": rng.choice([0, 10_000]),
        "kswapd_latency_ns": rng.choice([0, 50]),
        "vmstat_interval_ns": rng.choice([0, 100]),
    }


@pytest.mark.parametrize("seed", range(60))
def test_short_histories(seed):
    rng = random.Random(seed)
    machine = SimulationMachine()
    machine.boot(description(rng))
    machine.agrees_with_the_model()
    for _ in range(40):
        rng.choice(STEPS)(machine, rng, rng.choice([None, None, 0, 30, 200]))
        machine.agrees_with_the_model()
