"""Replays of hostile traces on a machine do what the executable model does."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_machine_model import MachineReplayModel, MemoryOfReplay
from test_replay_model import (
    NAMES,
    TYPE_MAP,
    assert_same_outcome,
    assert_same_zone,
    hostile_events,
    seed,
)

import pasralloc as pa
from pasralloc._core.replayer import Replayer
from pasralloc.sim.ground import ground_of
from pasralloc.testing.descriptions import descriptions

NR_TRACED = 12 * 512
GFPS = [0, 0, 2, 4, 8, 10, 10, 10, 1, 3, 5, 14, 11, 1 << 31, 0xFFFFFFFF]
few = st.tuples(st.sampled_from([1, 3, 40]), st.sampled_from(["unmovable", "movable"]))
many = st.tuples(st.sampled_from([1, 300, 700, 2000]), st.sampled_from([None, "skip"]))


@st.composite
def scenes(draw):
    description = draw(descriptions())
    description |= {
        "swap_pages": 0,
        "kswapd_latency_ns": draw(st.sampled_from([0, 300])),
        # The model of a replay does not follow blocks that are moved.
        "policy": replace(description["policy"], evacuation=None),
    }
    runs, page = [], 0
    for nr, kind in draw(st.lists(st.one_of(few, many), max_size=16)):
        if kind != "skip" and page + nr <= NR_TRACED:
            runs.append((page, nr, kind))
        page += nr
    return {
        "description": description,
        "runs": runs if draw(st.booleans()) else None,
        "anew": draw(st.booleans()),
    }


def as_events(records):
    events = np.zeros(len(records), pa.EVENT_DTYPE)
    for event, record in zip(events, records, strict=True):
        for name, value in record.items():
            event[name] = value
    return events


@given(
    scenes(),
    hostile_events(max_size=40),
    st.integers(0, 999),
    st.integers(1, 20),
    st.booleans(),
)
@settings(max_examples=60)
def test_any_events_do_to_a_machine_what_the_model_says(
    scene, events, seed_of_gfps, size, free_on_batched
):
    description = scene["description"]
    ground = ground_of(pa.Simulation(**description))
    sim = ground.memory
    memory = MemoryOfReplay(**description)
    types = [NAMES[number] for number in TYPE_MAP]
    type_map = [sim.zones[0].migratetypes.index(name) for name in types]
    replayer = Replayer(
        sim, NR_TRACED, type_map, free_on_batched=free_on_batched, cpu_nodes=ground.cpu_nodes,
        first_regions=ground.first_regions,
    )  # fmt: skip
    model = MachineReplayModel(memory, NR_TRACED, types, free_on_batched)
    if scene["runs"] is not None:
        managed = memory.managed
        runs = [
            (
                page,
                nr,
                kind if scene["anew"] or managed.issuperset(range(page, page + nr)) else None,
            )
            for page, nr, kind in scene["runs"]
        ]
        numbers = {name: sim.zones[0].migratetypes.index(name) for name in NAMES}
        seed(replayer, runs, scene["anew"], numbers)
        model.seed(runs, scene["anew"])
    before = replayer.result()
    assert (before["empty_start"], before["packed_start"]) == model.history[-1][1:]
    gfps = np.random.default_rng(seed_of_gfps).choice(GFPS, len(events)).tolist()
    for event, gfp in zip(events, gfps, strict=True):
        # Simulated time is long, and the model goes through all of it.
        event |= {"gfp": gfp, "time_ns": event["time_ns"] % 10_007}
    for at in range(0, len(events), size):
        replayer.feed(as_events(events[at : at + size]))
        model.feed(events[at : at + size])
    assert_same_outcome(replayer.result(), model)
    assert sim.now_ns == memory.memory.now_ns
    assert ground.managed.tolist() == memory.region_managed()
    assert (ground.managed - ground.used).tolist() == memory.region_nr_free()
    counters = sim.counters()
    assert memory.memory.counters == {name: counters[name] for name in memory.memory.counters}
    sim.check()
    for zone, of_model in zip(sim.zones, memory.zones, strict=True):
        assert_same_zone(zone, of_model)
