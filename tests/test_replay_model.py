"""Replays of hostile traces do what the executable model of the rules does."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_model import ReplayModel

import pasralloc as pa
from pasralloc._core.replayer import Replayer
from pasralloc.testing import ZoneModel
from pasralloc.trace.pageclasses import ABSENT, CACHE, FREE, MOVABLE, UNMOVABLE
from pasralloc.trace.text import TextReader
from pasralloc.trace.trace import Trace

NAMES = ("unmovable", "movable", "reclaimable")
TYPE_MAP = [0, 1, 2, 0, 1, *[0] * 11]
FIELDS = ("event", "pfn", "order", "migratetype", "flags", "time_ns", "cpu")
EXTREMES = (-(2**63), -1, 2**31, 2**45, 2**63 - 1)


def as_events(records):
    events = np.zeros(len(records), pa.EVENT_DTYPE)
    for event, record in zip(events, records, strict=True):
        for name in FIELDS:
            event[name] = record[name]
    return events


def seed_ranges(start_map, nr_pages):
    """What `pasralloc.replay` places before a trace: unmovable pages first, each class upwards."""
    types = {UNMOVABLE: "unmovable", MOVABLE: "movable", CACHE: "movable", FREE: None}
    runs = list(
        zip(start_map.pfns.tolist(), start_map.nrs.tolist(), start_map.classes, strict=True)
    )
    rank = {UNMOVABLE: 0, MOVABLE: 1, CACHE: 1, FREE: 2}
    return [
        (page, nr, types[kind])
        for page, nr, kind in sorted(
            (run for run in runs if run[2] != ABSENT), key=lambda run: (rank[run[2]], run[0])
        )
    ]


def seed(replayer, ranges, anew, numbers=None):
    numbers = numbers or {name: number for number, name in enumerate(NAMES)}
    replayer.seed(
        [page for page, _, _ in ranges],
        [nr for _, nr, _ in ranges],
        [255 if name is None else numbers[name] for _, _, name in ranges],
        anew=anew,
    )


def assert_same_outcome(got, model):
    """The result of a replay is that of the model."""
    expected = model.result()
    assert got["counts"] == expected["counts"]
    assert got["transitions"].tolist() == expected["transitions"]
    for name in ("first_ns", "last_ns", "regions_touched", "empty_end", "packed_end"):
        assert got[name] == expected[name], name
    for name in ("empty_mean", "packed_mean"):
        assert got[name] == pytest.approx(expected[name], rel=1e-9, abs=1e-9), name


def assert_same_zone(zone, model):
    """A zone is that of the model, block by block."""
    zone.check()
    assert zone.nr_extfrag == len(model.extfrag)
    assert zone.region_nr_free.tolist() == model.region_nr_free()
    assert zone.region_managed.tolist() == model.region_managed()
    names = (*zone.migratetypes, "parked", "pcp")
    blocks = {
        (block["pfn"], block["order"], names[block["migratetype"]], block["is_free"])
        for block in zone.blocks()
    }
    free = {(pfn, *key, True) for pfn, key in model.free_blocks().items()}
    used = {(pfn, *key, False) for pfn, key in model.allocated.items()}
    cached = {(pfn, order, "pcp", False) for pfn, order in model.cached.items()}
    assert blocks == free | used | cached


def assert_same(zone, got, model):
    """The zone and the result of a replay are those of the model."""
    assert_same_outcome(got, model)
    assert_same_zone(zone, model.zone)


POLICIES = [
    pa.Policy(name="linux", placement="linux"),
    pa.Policy(name="sorted", placement="sorted"),
    pa.Policy(name="v3", placement="biased", region_allocator="when-dry"),
    pa.Policy(name="linux-pcp", placement="linux", pagesets=pa.Pagesets(nr_cpus=2)),
    pa.Policy(
        name="sorted-pcp",
        placement="sorted",
        pagesets=pa.Pagesets(nr_cpus=2, batch=3, high=9, by_region=True),
    ),
]

# Few places and a small zone, so that events collide and memory runs out.
places = st.builds(
    lambda half, page: 512 * half + page,
    st.integers(0, 11),
    st.one_of(st.integers(0, 15), st.sampled_from([64, 256, 511])),
)
orders = st.sampled_from([0, 0, 0, 1, 2, 3, 6, 8, 9, 10, 10])
wild_events = st.fixed_dictionaries(
    {
        "event": st.sampled_from([1, 2, 3, 4, 6, 7, 0, 255]),
        "pfn": st.one_of(places, st.sampled_from(EXTREMES)),
        "order": st.one_of(orders, st.sampled_from([-1, 11, 127, -127])),
        "migratetype": st.sampled_from([-127, -1, 3, 4, 15, 127]),
        "cpu": st.sampled_from([0, 1, 7, 65535]),
        "flags": st.sampled_from([0, 1, 8, 16, 255]),
        "time_ns": st.sampled_from([0, *EXTREMES]),
    }
)


@st.composite
def hostile_events(draw, min_size=15, max_size=45):
    """Events that mostly refer to each other, in wrong ways as well."""
    events, places_taken, time_ns = [], [(0, 0)], draw(st.sampled_from([0, 10**9, -(10**9)]))
    kinds = ["alloc"] * 6 + ["free"] * 3 + ["part", "whole", "batched", "old", "online", "wild"]
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=min_size, max_size=max_size)):
        if kind == "wild":
            events.append(draw(wild_events))
            continue
        page, order = places_taken[draw(st.integers(0, len(places_taken) - 1))]
        if kind == "alloc":
            order = draw(orders)
            page = draw(places) >> order << order
            places_taken.append((page, order))
        elif kind == "part":
            page += draw(st.integers(0, (1 << order) - 1))
            order = 0
        elif kind == "whole":
            order = draw(st.integers(order, 10))
            page = page >> order << order
        elif kind == "online":
            page, order = 1024 * draw(st.integers(0, 5)), 10
        time_ns += draw(st.integers(-10, 1000))
        events.append(
            {
                "event": {"alloc": 1, "batched": 3, "old": 3}.get(kind, 2),
                "pfn": page,
                "order": order if kind not in ("batched", "old") else 0,
                "migratetype": draw(st.integers(0, 4)),
                "cpu": draw(st.integers(0, 3)),
                "flags": (8 if kind == "old" else 0) | draw(st.sampled_from([0, 0, 0, 0, 16])),
                "time_ns": time_ns,
            }
        )
    return events


@st.composite
def start_maps(draw, nr_pages):
    """A start map of exactly *nr_pages*."""
    nrs, classes = [], []
    while sum(nrs) < nr_pages:
        nr = draw(st.sampled_from([1, 3, 8, 64, 300, 512, 1024, 1024, 2048]))
        nrs.append(min(nr, nr_pages - sum(nrs)))
        classes.append(
            draw(st.sampled_from([FREE, FREE, MOVABLE, CACHE, UNMOVABLE, ABSENT, ABSENT]))
        )
    return pa.StartMap(nrs, classes)


@st.composite
def scenes(draw):
    nr_pages = 1024 * draw(st.integers(1, 5))
    return {
        "nr_pages": nr_pages,
        "region_pages": 1024 * draw(st.integers(1, 2)),
        "policy": draw(st.sampled_from(POLICIES)),
        "start_map": draw(st.one_of(st.none(), start_maps(nr_pages))),
        "anew": draw(st.booleans()),
    }


def open_scene(scene, nr_traced, free_on_batched=False):
    """A zone, a replayer and a model that start alike."""
    start_map = scene["start_map"]
    options = {
        "region_pages": scene["region_pages"],
        "placement": scene["policy"].placement,
        "region_allocator": scene["policy"].region_allocator,
        "pagesets": scene["policy"].pagesets,
        "absent": start_map.absent_ranges() if start_map is not None else [],
    }
    zone = pa.Zone(scene["nr_pages"], **options)
    model_zone = ZoneModel(scene["nr_pages"], **options)
    types = [NAMES[number] for number in TYPE_MAP]
    replayer = Replayer(zone, nr_traced, TYPE_MAP, free_on_batched=free_on_batched)
    model = ReplayModel(model_zone, nr_traced, types, free_on_batched)
    if start_map is not None:
        ranges = seed_ranges(start_map, scene["nr_pages"])
        seed(replayer, ranges, scene["anew"])
        model.seed(ranges, scene["anew"])
    return zone, replayer, model


@given(
    scenes(),
    hostile_events(),
    st.integers(1, 20),
    st.sampled_from([0, 1, 1500]),
    st.booleans(),
)
def test_any_events_do_to_a_zone_what_the_model_says(scene, events, size, extra, free_on_batched):
    zone, replayer, model = open_scene(scene, scene["nr_pages"] + extra, free_on_batched)
    before = replayer.result()
    assert (before["empty_start"], before["packed_start"]) == model.history[-1][1:]
    for at in range(0, len(events), size):
        replayer.feed(as_events(events[at : at + size]))
        model.feed(events[at : at + size])
    assert_same(zone, replayer.result(), model)


@pytest.mark.parametrize("seed_number", range(6))
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_a_long_workload_in_too_little_memory_does_what_the_model_says(seed_number, policy):
    """Mostly sound events, of more pages than the zone has, with some lost on the way."""
    rng = np.random.default_rng(seed_number)
    start_map = pa.StartMap([700, 400, 948, 1024, 1024], [UNMOVABLE, MOVABLE, FREE, ABSENT, FREE])
    scene = {
        "nr_pages": 5120 - 1024,
        "region_pages": 1024,
        "policy": policy,
        "anew": seed_number % 2 == 0,
        "start_map": start_map,
    }
    events, live, time_ns = [], {}, 10**9
    for _ in range(700):
        time_ns += int(rng.integers(0, 1000))
        if live and rng.random() < 0.42:
            page = list(live)[int(rng.integers(len(live)))]
            record = {"event": 2, "pfn": page, "order": live.pop(page), "migratetype": -1}
        elif rng.random() < 0.01:
            record = {"event": 2, "pfn": 2048, "order": 10, "migratetype": -1}  # comes online
        else:
            order = int(rng.choice([0, 0, 0, 1, 2, 3, 6, 9]))
            page = int(rng.integers(8192)) >> order << order
            live[page] = order
            record = {"event": 1, "pfn": page, "order": order, "migratetype": int(rng.integers(3))}
        if rng.random() < 0.97:
            cpu = len(events) % 3
            events.append({**record, "flags": 0, "time_ns": time_ns, "cpu": cpu})
    zone, replayer, model = open_scene(scene, 8192)
    replayer.feed(as_events(events))
    model.feed(events)
    assert_same(zone, replayer.result(), model)
    assert model.counts["failures"] > 0
    assert model.counts["implicit_frees"] > 0


TEXT = {
    1: "mm_page_alloc: page=1 pfn={pfn} order={order} migratetype={migratetype} gfp_flags=none",
    2: "mm_page_free: page=1 pfn={pfn} order={order}",
    3: "mm_page_free_batched: page=1 pfn={pfn} order=0",
    7: "CPU:1 [LOST 12 EVENTS]",
}


@given(scenes(), hostile_events(max_size=30), st.booleans())
def test_a_replay_of_text_does_what_the_model_says(scene, drawn, is_batched_only):
    lines, records, now_us = [], [], 0
    for event in drawn:
        if event["event"] not in TEXT or (is_batched_only and event["event"] == 2):
            continue
        if not 0 <= event["pfn"] < 2**31:  # names beyond take memory that no test needs
            event = {**event, "pfn": 2**50}
        is_timed = event["event"] != 7
        now_us += event["time_ns"] % 7 if is_timed else 0
        text = TEXT[event["event"]].format(**event)
        seconds = f"{now_us // 10**6}.{now_us % 10**6:06}"
        cpu = event["cpu"] % 1000
        lines.append(f" sh-1 [{cpu:03}] {seconds}: {text}" if is_timed else text)
        order = event["order"] if event["event"] != 3 else 0
        flags = 0 if is_timed else 16
        records.append(
            {**event, "order": order, "flags": flags, "time_ns": now_us * 1000, "cpu": cpu}
        )
    if not lines:
        return
    reader = TextReader("text", io.BytesIO("\n".join(lines).encode()))
    trace = Trace(reader, scene["start_map"], "unmovable,movable,reclaimable,reserve,cma,isolate")
    result = pa.replay(
        trace,
        scene["policy"],
        region_pages=scene["region_pages"],
        start="booted" if scene["anew"] else "recorded",
        memory_pages=scene["nr_pages"],
    )
    kinds = {record["event"] for record in records}
    nr_traced = max(trace.end_pfn, scene["nr_pages"])
    _, _, model = open_scene(scene, nr_traced, free_on_batched=3 in kinds and 2 not in kinds)
    nr_at_start = len(model.zone.extfrag)
    used_start = np.subtract(model.zone.region_managed(), model.zone.region_nr_free())
    model.feed(records)
    got = {name: getattr(result, name) for name in model.result()}
    assert_same_outcome(got, model)
    assert result.managed.tolist() == model.zone.region_managed()
    assert (result.managed - result.used_end).tolist() == model.zone.region_nr_free()
    assert result.used_start.tolist() == used_start.tolist()
    assert result.nr_events == len(records)
    assert result.nr_extfrag == len(model.zone.extfrag) - nr_at_start
    nr_allocs = result.counts["allocs"]
    assert result.extfrag_per_million * nr_allocs == pytest.approx(result.nr_extfrag * 1e6)
