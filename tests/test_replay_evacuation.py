"""Replays whose blocks are moved: every name stays valid, and the result tells what evacuations did."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import BLOCK, GIB, machine, node
from replay_witness import WatchedReplay
from test_replay_machine_model import GFPS, NR_TRACED, as_events, few, many
from test_replay_model import NAMES, TYPE_MAP, assert_same_outcome, hostile_events, seed

import pasralloc as pa
from pasralloc._core.memoryranges import MOVE_SINK
from pasralloc._core.replayer import Replayer
from pasralloc.policy.evacuation import Evacuation
from pasralloc.policy.presets import PRESETS
from pasralloc.sim.ground import Ground, ground_of
from pasralloc.sim.held import held_of, regions_by_holder
from pasralloc.sim.zonememory import ZoneMemory
from pasralloc.testing.simulation import descriptions
from pasralloc.trace.migratetypes import parse_numbering

TYPES = [NAMES[number] for number in TYPE_MAP]
ALLOC, FREE, OTHER = 1, 2, 4
PERIODIC = Evacuation(trigger="periodic", period_ns=1000)

evacuations = st.builds(
    Evacuation,
    trigger=st.sampled_from(["free", "handshake", "periodic"]),
    max_used=st.sampled_from([1, 40, 700, 3000]),
    targets=st.sampled_from(["lower-regions", "other-regions"]),
    order=st.sampled_from(["descending", "ascending"]),
    drain=st.booleans(),
    max_tries=st.integers(1, 3),
    latency_ns=st.sampled_from([0, 300]),
    period_ns=st.sampled_from([1, 1000]),
)


@pytest.fixture(scope="module")
def samples():
    return {name: pa.Trace.sample(name) for name in ("t1", "demo")}


def ground_of_one(evacuation, nr_pages, region_pages, **options):
    options = {"placement": "biased"} | options
    memory = ZoneMemory(evacuation, nr_pages=nr_pages, region_pages=region_pages, **options)
    (zone,) = memory.zones
    return Ground(memory, memory.zones, None, [0], zone.nr_regions, nr_pages)


def replayer_of(ground, nr_pages=NR_TRACED, **options):
    zone = ground.zones[0]
    is_machine = ground.cpu_nodes is not None
    return Replayer(
        ground.memory if is_machine else zone,
        nr_pages,
        [zone.migratetypes.index(name) for name in TYPES],
        cpu_nodes=ground.cpu_nodes,
        first_regions=ground.first_regions,
        around=None if is_machine else ground.memory,
        **options,
    )


@st.composite
def grounds(draw):
    """Memory with a worker: a machine, or one zone of several regions with a hole or none."""
    evacuation = draw(evacuations)
    if draw(st.booleans()):
        description = draw(descriptions())
        policy = replace(description["policy"], hierarchy=False, evacuation=evacuation)
        return ground_of(pa.Simulation(**description | {"policy": policy, "swap_pages": 0}))
    placement = draw(st.sampled_from(["linux", "sorted", "biased"]))
    return ground_of_one(
        evacuation,
        6 * BLOCK,
        BLOCK * draw(st.integers(1, 2)),
        absent=draw(st.sampled_from([(), [(5 * BLOCK, BLOCK)], [(100, 7)]])),
        placement=placement,
        kernel=draw(st.sampled_from(["6.12", "3.9"])),
        region_allocator=None
        if placement == "linux"
        else draw(st.sampled_from([None, "when-dry"])),
        pagesets=draw(st.sampled_from([None, pa.Pagesets(nr_cpus=2, batch=3, high=9)])),
    )


@given(
    grounds(),
    st.none() | st.lists(st.one_of(few, many), max_size=16),
    st.booleans(),
    hostile_events(max_size=40),
    st.integers(0, 999),
    st.booleans(),
)
@settings(max_examples=80)
def test_every_page_keeps_its_name_wherever_it_goes(
    ground, drawn, anew, events, seed_of_gfps, free_on_batched
):
    replayer = replayer_of(ground, free_on_batched=free_on_batched)
    watched = WatchedReplay(ground, replayer, NR_TRACED, TYPES, free_on_batched)
    runs, page = [], 0
    for nr, kind in drawn or ():
        fits = anew or watched.zone.managed.issuperset(range(page, page + nr))
        if kind != "skip" and page + nr <= NR_TRACED:
            runs.append((page, nr, kind if fits else None))
        page += nr
    if drawn is not None:
        migratetypes = ground.zones[0].migratetypes
        seed(replayer, runs, anew, {name: migratetypes.index(name) for name in NAMES})
        watched.seed(runs, anew)
    gfps = np.random.default_rng(seed_of_gfps).choice(GFPS, len(events)).tolist()
    for event, gfp in zip(events, gfps, strict=True):
        event |= {"time_ns": event["time_ns"] % 10_007}
        watched.watch(as_events([event | {"gfp": gfp}]), event)
    assert_same_outcome(replayer.result(), watched)
    ground.memory.check()


def mixed_events(rng, nr):
    """Allocations of all orders and frees of whole and of half blocks, a microsecond apart."""
    live, events = [], []
    for at in range(nr):
        event = {
            "migratetype": int(rng.integers(0, 3) > 0),
            "time_ns": 1000 * at,
            "flags": 0,
            "cpu": 0,
        }
        if live and rng.integers(0, 2):
            page, order = live.pop(int(rng.integers(0, len(live))))
            if order and rng.integers(0, 3) == 0:
                order -= 1
                live.append((page + (1 << order), order))
            events.append({"event": FREE, "pfn": page, "order": order} | event)
            continue
        order = int(rng.choice([0, 0, 0, 1, 3, 5, 9]))
        page = int(rng.integers(0, NR_TRACED >> order)) << order
        if any(page < p + (1 << o) and p < page + (1 << order) for p, o in live):
            continue
        live.append((page, order))
        events.append({"event": ALLOC, "pfn": page, "order": order} | event)
    return events


@pytest.mark.parametrize("trigger", ["free", "handshake", "periodic"])
@pytest.mark.parametrize("targets", ["lower-regions", "other-regions"])
@pytest.mark.parametrize("where", ["zone", "machine"])
def test_blocks_of_all_orders_are_followed_when_many_are_moved(trigger, targets, where):
    evacuation = Evacuation(trigger=trigger, max_used=900, targets=targets, period_ns=5000)
    if where == "zone":
        ground = ground_of_one(evacuation, 8 * BLOCK, BLOCK, placement="linux")
    else:
        regions = tuple((pfn, pfn + BLOCK) for pfn in range(0, 16 * BLOCK, BLOCK))
        pages = {"memory": ((0, 16 * BLOCK),), "zones": (("Normal", 0, 16 * BLOCK),)}
        policy = pa.Policy(name="moving", placement="linux", evacuation=evacuation)
        simulated = machine(node(regions=regions, **pages), min_free_kbytes=0)
        ground = ground_of(pa.Simulation(simulated, policy))
    replayer = replayer_of(ground)
    watched = WatchedReplay(ground, replayer, NR_TRACED, TYPES)
    runs = [(page, 30, "movable") for page in range(1, NR_TRACED, 512)]
    seed(replayer, runs, False, {name: ground.zones[0].migratetypes.index(name) for name in NAMES})
    watched.seed(runs, False)
    for event in mixed_events(np.random.default_rng(5), 300):
        watched.watch(as_events([event]), event)
    assert_same_outcome(replayer.result(), watched)
    moves = ground.memory.moves()
    assert ground.memory.evacuations()["held"]["refused by the sink"] == 0
    if trigger != "handshake" or targets == "other-regions":
        assert len(set(moves["order"].tolist())) > 1
    ground.memory.check()


def test_a_region_that_the_worker_empties_is_noted_when_that_happens():
    ground = ground_of_one(PERIODIC, 2 * BLOCK, BLOCK)
    replayer = replayer_of(ground, 2 * BLOCK)
    seed(replayer, [(5, 1, "movable"), (BLOCK + 7, 1, "movable")], False)
    records = [
        {"event": OTHER, "time_ns": 50},
        {"event": OTHER, "time_ns": 1049},  # not due by then
        {"event": OTHER, "time_ns": 1300},
        {"event": ALLOC, "pfn": 9, "migratetype": 1, "time_ns": 2000},
    ]
    replayer.feed(as_events(records))
    result = replayer.result()
    assert result["transitions"].tolist() == [(1300, 1, 1)]
    assert result["empty_mean"] == pytest.approx(700 / 1950)
    pages, pfns = replayer.places()
    assert (pages.tolist()[0], pages.tolist()[-1]) == (5, BLOCK + 7)
    assert max(pfns.tolist()) < BLOCK


def test_a_machine_notes_it_in_the_zone_that_no_event_touches():
    regions = ((0, BLOCK), (BLOCK, 2 * BLOCK), (2 * BLOCK, GIB))
    policy = pa.Policy(name="p", placement="biased", evacuation=PERIODIC)
    ground = ground_of(pa.Simulation(machine(node(regions=regions)), policy, pagesets=False))
    replayer = replayer_of(ground, 2 * BLOCK)
    seed(replayer, [(5, 1, "movable"), (BLOCK + 7, 1, "movable")], False)
    replayer.feed(as_events([{"event": OTHER, "time_ns": at} for at in (50, 1300)]))
    assert ground.memory.moves()["old_pfn"].tolist() == [BLOCK + 7]
    assert replayer.result()["transitions"].tolist() == [(1300, 1, 1)]


def test_other_sinks_are_told_of_moves_again_once_events_are_fed():
    told = []

    @MOVE_SINK
    def sink(context, old_pfn, new_pfn, order):
        told.append((context, old_pfn, new_pfn, order))
        return 0

    ground = ground_of_one(PERIODIC, 3 * BLOCK, BLOCK)
    sim = ground.memory
    sim.set_move_sink(sink)
    replayer = replayer_of(ground, 3 * BLOCK)
    seed(replayer, [(BLOCK + 7, 1, "movable")], False)
    replayer.feed(as_events([{"event": OTHER, "time_ns": at} for at in (50, 1300)]))
    assert (sim.moves()["old_pfn"].tolist(), told) == ([BLOCK + 7], [])
    pfn = sim.take_range(2 * BLOCK, 1)
    del replayer
    assert sim.evacuate(sim.zones[0], 2).complete
    ((context, old_pfn, _, order),) = told
    assert (pfn, context, old_pfn, order) == (1, None, 2 * BLOCK, 0)


def test_what_the_trace_does_not_own_is_not_moved():
    ground = ground_of_one(PERIODIC, 2 * BLOCK, BLOCK)
    ground.memory.take_range(BLOCK + 9, 1)
    replayer = replayer_of(ground, 2 * BLOCK)
    replayer.feed(as_events([{"event": OTHER, "time_ns": at} for at in (50, 1300)]))
    assert ground.memory.evacuations()["held"]["refused by the sink"] == 1
    assert len(ground.memory.moves()) == 0
    assert ground.zones[0].block_of(BLOCK + 9).state == "allocated"


def test_blocks_stay_where_a_policy_without_a_worker_leaves_them():
    manual = Evacuation(trigger="manual")
    ground = ground_of_one(manual, 2 * BLOCK, BLOCK)
    replayer = replayer_of(ground, 2 * BLOCK)
    seed(replayer, [(BLOCK + 7, 1, "movable")], False)
    replayer.feed(as_events([{"event": OTHER, "time_ns": at} for at in (50, 1300)]))
    assert ground.memory.now_ns == 1250
    assert ground.memory.evacuations()["tried"] == 0
    assert replayer.places()[1].tolist() == [BLOCK + 7]


def test_a_replayer_around_something_else_is_refused():
    ground = ground_of_one(Evacuation(), 2 * BLOCK, BLOCK)
    other = ground_of_one(Evacuation(), 2 * BLOCK, BLOCK)
    for memory, around in (
        (ground.zones[0], other.memory),
        (pa.Zone(2048, region_pages=1024), ground.memory),
        (ground.zones[0], ground.zones[0]),
        (ground.zones[0], ZoneMemory.__new__(ZoneMemory)),
    ):
        with pytest.raises(TypeError, match=r"around must be what .* is the only zone of, got"):
            Replayer(memory, 5, TYPE_MAP, around=around)
    with pytest.raises(TypeError, match="memory must be a Zone or a Simulation, got <Zone"):
        Replayer(ground.zones[0], 5, TYPE_MAP)


# Whole replays

LARGE = {
    name: replace(PRESETS[name], evacuation=replace(PRESETS[name].evacuation, max_used=8192))
    for name in ("sorted-v2", "sorted-v4")
}


@pytest.mark.parametrize("name", ["t1", "demo"])
@pytest.mark.parametrize("start", ["recorded", "booted"])
@pytest.mark.parametrize("policy", LARGE)
@pytest.mark.parametrize("where", [None, "generic-16g"])
def test_samples_lose_no_page_while_hundreds_of_thousands_move(samples, name, start, policy, where):
    if where is not None and start == "recorded":
        start = "booted"
    trace = samples[name]
    plain = pa.replay(trace, "sorted", region_pages=8192, start=start, machine=where)
    first, second = (
        pa.replay(trace, LARGE[policy], region_pages=8192, start=start, machine=where)
        for _ in range(2)
    )
    assert first.provenance == second.provenance
    assert first.outcome() == second.outcome()
    assert first.evacuations == second.evacuations
    assert first.evacuations["tried"] > 0
    assert first.evacuations["held"]["refused by the sink"] == 0
    assert (
        sum(first.evacuations["held"].values()) + first.evacuations["complete"]
        == (first.evacuations["tried"])
    )
    # Of a block that lost its name the trace would free pieces, or nothing.
    assert first.counts == plain.counts
    assert first.counts["failures"] == 0
    used = [
        int(result.used_end.sum()) - int(result.held["cached"].sum()) for result in (first, plain)
    ]
    assert used[0] == used[1]
    assert first.empty_end <= first.packed_end


@pytest.mark.parametrize("name", ["t1", "demo"])
def test_blocks_of_a_sample_are_those_of_its_memory(samples, name):
    trace = samples[name]
    ground = ground_of_one(LARGE["sorted-v4"].evacuation, 1 << 22, 8192, placement="biased")
    replayer = ground.replayer(trace.end_pfn, trace.numbering)
    for events in trace:
        replayer.feed(events)
    assert ground.memory.evacuations()["moved"] > 1000
    blocks = ground.zones[0].blocks()
    pages, pfns = replayer.places()
    assert len(pages) == len(set(pages.tolist()))
    assert sorted(pfns.tolist()) == blocks["pfn"][~blocks["is_free"]].tolist()
    ground.memory.check()


@pytest.mark.parametrize("policy", ["linux", "sorted", "sorted-v3"])
@pytest.mark.parametrize("pagesets", [None, pa.Pagesets(nr_cpus=3)])
def test_the_worker_alone_changes_no_placement(samples, policy, pagesets):
    policy = replace(PRESETS[policy], pagesets=pagesets)
    idle = replace(policy, evacuation=Evacuation(trigger="manual"))
    plain, watched = (
        pa.replay(samples["t1"], p, region_pages=8192, start="booted") for p in (policy, idle)
    )
    assert plain.outcome() == watched.outcome()
    assert plain.counts == watched.counts
    assert plain.transitions.tolist() == watched.transitions.tolist()
    assert plain.held.tolist() == watched.held.tolist()
    assert (plain.evacuations, watched.evacuations["tried"]) == (None, 0)


def test_memory_comes_online_in_a_zone_that_is_evacuated():
    ground = ground_of_one(PERIODIC, 3 * BLOCK, BLOCK, absent=[(BLOCK, BLOCK)])
    replayer = replayer_of(ground, 3 * BLOCK)
    seed(replayer, [(2 * BLOCK + 1, 1, "movable")], False)
    replayer.feed(as_events([{"event": FREE, "pfn": BLOCK, "order": 10, "time_ns": 50}]))
    assert replayer.result()["counts"]["added_pages"] == BLOCK
    replayer.feed(as_events([{"event": OTHER, "time_ns": 1300}]))
    assert replayer.result()["transitions"].tolist() == [(50, 1, 1), (1300, 0, 0), (1300, 2, 1)]
    ground.memory.check()


def test_a_hierarchy_has_nowhere_to_move_pages_to(samples):
    policy = replace(PRESETS["hierarchy"], evacuation=Evacuation())
    with pytest.raises(
        ValueError, match="policy 'hierarchy' cannot evacuate regions: with hierarchy=True"
    ):
        pa.replay(samples["t1"], policy, machine="generic-16g")


# What is left


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.sampled_from(NAMES), st.sampled_from(["keep", "keep", "free"])
        ),
        max_size=60,
    )
)
def test_what_regions_hold_is_what_a_simulation_says_of_them(requests):
    simulated = machine(node(regions=tuple((pfn, pfn + BLOCK) for pfn in range(0, GIB, BLOCK))))
    sim = pa.Simulation(simulated, "sorted")
    for order, migratetype, fate in requests:
        pfn = sim.alloc(order, migratetype)
        if fate == "free":
            sim.free(pfn)
    (zone,) = sim.zones
    assert held_of(zone).tolist() == sim.held(zone).tolist()


def test_regions_are_told_apart_by_what_holds_them():
    held = np.zeros(8, held_of(pa.Zone(1024, region_pages=1024)).dtype)
    held["unmovable"][0] = held["pinned"][1] = 1
    held["movable"][:5] = [9, 9, 33, 30, 0]
    held["cached"][3:6] = [3, 2, 2000]
    managed = np.array([1024] * 7 + [0], np.uint32)
    policy = PRESETS["sorted"]
    assert regions_by_holder(held, managed, policy) == {
        "unmovable": 2, "movable_many": 2, "movable_few": 0, "cached": 2, "free": 1,
    }  # fmt: skip
    larger = replace(policy, evacuation=Evacuation(max_used=33))
    assert regions_by_holder(held, managed, larger)["movable_few"] == 2


def test_free_regions_over_time_are_the_transitions_added_up(samples):
    result = pa.replay(samples["demo"], "sorted", region_pages=8192, start="booted")
    times_ns, nr_free = result.free_regions()
    assert (times_ns[0], nr_free[0]) == (result.first_ns, result.empty_start)
    assert nr_free[-1] == result.empty_end
    assert (np.diff(times_ns) > 0).all()
    assert (np.diff(nr_free) != 0).all()
    lasting = np.diff(np.append(times_ns, result.last_ns))
    assert float((lasting * nr_free).sum()) / 1e9 == pytest.approx(result.region_empty_seconds)


def test_numberings_of_traces_fit_a_zone_with_a_worker():
    ground = ground_of_one(Evacuation(), 2 * BLOCK, BLOCK)
    numbering = parse_numbering("Unmovable,Movable,Reclaimable")
    assert ground.replayer(9, numbering).places()[0].tolist() == []


def test_a_place_that_was_left_has_no_name():
    ground = ground_of_one(PERIODIC, 3 * BLOCK, BLOCK)
    sim = ground.memory
    replayer = replayer_of(ground, 3 * BLOCK)
    seed(replayer, [(BLOCK + 7, 1, "movable")], False)
    replayer.feed(as_events([{"event": OTHER, "time_ns": at} for at in (50, 1300)]))
    ((_, new_pfn, _),) = sim.moves().tolist()
    sim.take_range(BLOCK + 7, 1)
    replayer.feed(as_events([{"event": OTHER, "time_ns": 2300}]))
    assert sim.evacuations()["held"]["refused by the sink"] == 1
    assert replayer.places()[1].tolist() == [new_pfn]
