"""Replays on a machine: beside replays into one zone, and what they refuse."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from machines import BLOCK, GIB, machine, node, two_nodes
from test_replay_model import POLICIES, TYPE_MAP, as_events, hostile_events, start_maps

import pasralloc as pa
from pasralloc._core.replayer import Replayer
from pasralloc.analysis.quality import assess
from pasralloc.cli.main import cli
from pasralloc.policy.presets import PRESETS
from pasralloc.sim.ground import ground_of
from pasralloc.testing.inside import freelist
from pasralloc.trace.pageclasses import ABSENT, FREE, MOVABLE, UNMOVABLE
from pasralloc.trace.samples import sample_paths

GFP_DMA, GFP_DMA32, HIGHUSER_MOVABLE = 1, 4, 10


@pytest.fixture(scope="module")
def samples():
    return {name: pa.Trace.sample(name) for name in ("t1", "demo")}


def replayer_of(sim, nr_pages, type_map=TYPE_MAP):
    ground = ground_of(sim)
    return Replayer(
        sim, nr_pages, type_map, cpu_nodes=ground.cpu_nodes, first_regions=ground.first_regions
    )


# One zone, as a machine and without


def one_zone(nr_pages, region_pages, absent=()):
    """A machine of one zone, so small that its watermarks are 0."""
    present, at = [], 0
    for hole, nr in [*absent, (nr_pages, 0)]:
        if at < hole:
            present.append((at, hole))
        at = hole + nr
    regions = [(pfn, min(pfn + region_pages, nr_pages)) for pfn in range(0, nr_pages, region_pages)]
    return machine(
        node(
            memory=tuple(present),
            zones=(("Normal", 0, nr_pages),),
            regions=tuple(regions),
        ),
        min_free_kbytes=0,
        watermark_scale_factor=1,
    )


@given(
    st.integers(1, 5),
    st.integers(1, 2),
    st.sampled_from(POLICIES[:3]),
    st.data(),
    st.booleans(),
    hostile_events(),
)
def test_a_machine_of_one_zone_comes_out_as_the_zone(nr_blocks, size, policy, data, anew, events):
    nr_pages = BLOCK * nr_blocks
    start_map = data.draw(st.none() | start_maps(nr_pages)) or pa.StartMap([nr_pages], [FREE])
    absent = start_map.absent_ranges()
    if sum(nr for _, nr in absent) > nr_pages - BLOCK:  # blocks without memory belong to no zone
        absent = []
    ends = {0, nr_pages}
    absent = [(pfn, nr) for pfn, nr in absent if not {pfn, pfn + nr} & ends]
    zone = pa.Zone(
        nr_pages,
        region_pages=BLOCK * size,
        absent=absent,
        placement=policy.placement,
        region_allocator=policy.region_allocator,
    )
    sim = pa.Simulation(one_zone(nr_pages, BLOCK * size, absent), policy, pagesets=False)
    outcomes = []
    is_used = np.isin(start_map.classes, (MOVABLE, UNMOVABLE))
    for memory in (zone, sim):
        plain = Replayer(zone, nr_pages + 900, TYPE_MAP)
        replayer = plain if memory is zone else replayer_of(sim, nr_pages + 900)
        replayer.seed(
            start_map.pfns[is_used], start_map.nrs[is_used], start_map.classes[is_used] == MOVABLE, anew=anew
        )  # fmt: skip
        # Memory of a machine is there from the start: nothing of it comes online.
        replayer.feed(as_events([e for e in events if e["order"] != 10 or e["event"] == 1]))
        result = replayer.result()
        result["transitions"] = result["transitions"].tolist()
        outcomes.append(result)
    assert outcomes[0] == outcomes[1]
    assert sim.zones[0].blocks().tolist() == zone.blocks().tolist()
    for order in range(11):
        for kind in ("unmovable", "movable", "reclaimable"):
            assert freelist(sim.zones[0], order, kind) == freelist(zone, order, kind)


@pytest.mark.parametrize("policy", ["linux", "sorted", "sorted-v3"])
@pytest.mark.parametrize("pagesets", [None, pa.Pagesets(nr_cpus=2)])
def test_a_sample_in_a_large_zone_comes_out_the_same_on_a_machine(policy, pagesets):
    trace = pa.Trace.open(sample_paths("demo")[0])
    policy = PRESETS[policy]
    zone = pa.Zone(
        16 * GIB,
        region_pages=GIB // 8,
        placement=policy.placement,
        region_allocator=policy.region_allocator,
        pagesets=pagesets,
    )
    regions = tuple((pfn, pfn + GIB // 8) for pfn in range(0, 16 * GIB, GIB // 8))
    sim = pa.Simulation(
        machine(node(memory=((0, 16 * GIB),), zones=(("Normal", 0, 16 * GIB),), regions=regions)),
        policy,
        pagesets=pagesets or False,
        vmstat_interval_ns=0,
    )
    numbers = trace.numbering.for_zone(zone)
    one, other = Replayer(zone, trace.end_pfn, numbers), replayer_of(sim, trace.end_pfn, numbers)
    for events in trace:
        one.feed(events)
        other.feed(events)
    one, other = one.result(), other.result()
    assert one.pop("transitions").tolist() == other.pop("transitions").tolist()
    assert one == other
    assert (zone.blocks() == sim.zones[0].blocks()).all()
    assert sim.counters()["slow"] == 0


# Every preset


@pytest.mark.parametrize("policy", sorted(PRESETS))
@pytest.mark.parametrize("name", ["t1", "demo"])
def test_every_preset_replays_a_sample_on_a_machine(samples, name, policy):
    trace = samples[name]
    first, second = (pa.replay(trace, policy, machine="generic-16g") for _ in range(2))
    assert first.provenance == second.provenance
    assert first.provenance["machine"] == "generic-16g"
    assert (first.provenance["start"], first.provenance["region_pages"]) == ("booted", None)
    assert first.counters == second.counters
    assert first.transitions.tolist() == second.transitions.tolist()
    plain = pa.replay(trace, "linux").counts
    assert first.counts == plain, "what is odd about a trace does not depend on the memory"
    pages = trace.start_map.pages_by_class()
    in_use = pages["unmovable"] + pages["movable"] + pages["cache"]
    assert int(first.used_start.sum()) == in_use
    assert int(first.managed.sum()) == sum(
        z.managed for z in pa.Machine.preset("generic-16g").zones
    )
    assert first.empty_end <= first.packed_end
    assert first.nr_regions == 33
    assert (first.counters["walked"] > 0) == (policy == "hierarchy"), "region after region fills up"


def test_policies_number_the_regions_of_a_machine_alike(samples):
    results = pa.compare(samples["t1"], ["linux", "hierarchy"], machine="x86-8g-2013")
    linux, hierarchy = results
    table = pa.Simulation("x86-8g-2013", "linux").regions()
    assert linux.managed.tolist() == table["managed"].tolist()
    assert hierarchy.managed.tolist() == linux.managed.tolist()
    assert hierarchy.used_end.argmax() < linux.used_end.argmax(), "its regions are used in order"
    assert len(pa.Simulation("x86-8g-2013", "hierarchy").regions()) < len(table)
    for result in results:
        used, sizes = (
            int(result.used_start.sum()),
            sorted(result.managed[result.managed > 0].tolist()),
        )
        while used > 0:
            used -= sizes.pop()
        assert result.packed_start == len(sizes)


def test_pages_that_were_in_use_may_stay_where_they_were(samples):
    trace = samples["demo"]
    start_map = trace.start_map
    end = -(-start_map.nr_pages // BLOCK) * BLOCK
    present = [
        (int(pfn), int(pfn + nr))
        for pfn, nr, kind in zip(start_map.pfns, start_map.nrs, start_map.classes, strict=True)
        if kind != ABSENT
    ]
    joined = [list(present[0])]
    for start, stop in present[1:]:
        if start == joined[-1][1]:
            joined[-1][1] = stop
        else:
            joined.append([start, stop])
    traced = machine(
        node(
            memory=tuple(map(tuple, joined)),
            zones=(("DMA32", 0, GIB * 4), ("Normal", GIB * 4, end)),
            regions=tuple((pfn, min(pfn + GIB // 8, end)) for pfn in range(0, end, GIB // 8)),
        )
    )
    plain = pa.replay(trace, "sorted", start="recorded")
    result = pa.replay(trace, "sorted", machine=traced, start="recorded")
    # The machine knows of no region above the last memory, the zone of all memory does.
    assert result.used_start.tolist() == plain.used_start[: len(result.used_start)].tolist()
    assert result.counts == plain.counts
    assert result.provenance["start"] == "recorded"


# Where requests go


def run_on(simulated, *records):
    """Replay allocations of (pfn, order, migratetype, gfp, cpu); return the simulation and the result."""
    sim = pa.Simulation(simulated, "sorted", pagesets=False)
    replayer = replayer_of(sim, 8 * BLOCK)
    events = np.zeros(len(records), pa.EVENT_DTYPE)
    events["event"] = 1
    for event, record in zip(events, records, strict=True):
        for name, value in zip(("pfn", "order", "migratetype", "gfp", "cpu"), record, strict=True):
            event[name] = value
    replayer.feed(events)
    return sim, replayer.result()


ZONES = (
    ("DMA", 0, 4 * BLOCK), ("DMA32", 4 * BLOCK, GIB // 4), ("Normal", GIB // 4, GIB // 2),
    ("Movable", GIB // 2, GIB),
)  # fmt: skip


@pytest.mark.parametrize(
    ("gfp", "kind", "name"),
    [
        (0, 1, "Movable"),
        (0, 0, "Normal"),
        (HIGHUSER_MOVABLE, 1, "Movable"),
        (8, 1, "Normal"),  # movable, but not for memory that has no kernel address
        (2, 0, "Normal"),
        (GFP_DMA32, 0, "DMA32"),
        (GFP_DMA32 | HIGHUSER_MOVABLE, 1, "DMA32"),
        (GFP_DMA, 0, "DMA"),
        (GFP_DMA | HIGHUSER_MOVABLE, 1, "DMA"),
        (1 << 31, 0, "Normal"),
    ],
)
def test_the_flags_of_a_request_say_which_zones_it_may_use(gfp, kind, name):
    simulated = machine(node(zones=ZONES), min_free_kbytes=0)
    sim, result = run_on(simulated, (64, 3, kind, gfp, 0))
    assert [zone.name for zone in sim.zones if zone.nr_free < zone.managed] == [name]
    assert result["counts"]["failures"] == 0


@pytest.mark.parametrize("gfp", [GFP_DMA, GFP_DMA32])
def test_a_machine_without_a_zone_serves_its_requests_from_normal(gfp):
    sim, result = run_on(machine(), (64, 3, 0, gfp, 0))
    assert (result["counts"]["failures"], sim.zones[0].name) == (0, "Normal")


@pytest.mark.parametrize(("cpu", "nid"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 0), (6, 1)])
def test_a_request_starts_on_the_node_of_its_cpu_counted_round(cpu, nid):
    sim, _ = run_on(machine(*two_nodes()), (64, 0, 1, 0, cpu))
    assert [zone.nid for zone in sim.zones if zone.nr_free < zone.managed] == [nid]


def test_a_cpu_that_no_node_has_counts_as_one_of_the_first():
    nodes = two_nodes({"cpus": (0,)}, {"cpus": (3,)})
    assert ground_of(pa.Simulation(machine(*nodes))).cpu_nodes == [0, 0, 0, 1]


def test_only_watermarks_let_requests_fail_on_a_machine():
    """8 MiB of 4 MiB blocks with a min watermark of 1 MiB: the first fits, the second would go below."""
    simulated = machine(
        node(
            memory=((0, 2 * BLOCK),),
            zones=(("Normal", 0, 2 * BLOCK),),
            regions=((0, BLOCK), (BLOCK, 2 * BLOCK)),
        ),
        min_free_kbytes=1024,
    )
    sim, result = run_on(simulated, (0, 10, 1, 0, 0), (1024, 10, 1, 0, 0), (2048, 9, 1, 0, 0))
    assert result["counts"]["failures"] == 1
    assert sim.nr_free == 512
    assert sim.counters()["failures"] == 1
    assert (result["empty_end"], result["packed_end"], result["regions_touched"]) == (0, 0, 2)


def test_pagesets_decay_while_the_trace_goes_on():
    simulated = machine(node(regions=((0, BLOCK), (BLOCK, 2 * BLOCK), (2 * BLOCK, GIB))))
    sim = pa.Simulation(
        simulated,
        "sorted",
        pagesets=pa.Pagesets(nr_cpus=2, batch=63, high=126, high_max=2000),
        vmstat_interval_ns=10_000,
    )
    replayer = replayer_of(sim, 8 * BLOCK)
    some = {"order": 0, "migratetype": 1, "flags": 0, "cpu": 0}
    allocs = [{"event": 1, "pfn": pfn, "time_ns": 5 + pfn, **some} for pfn in range(1100)]
    # Those of the second region first: what was freed first is given back first.
    frees = [{"event": 2, "pfn": 1099 - pfn, "time_ns": 2000, **some} for pfn in range(1100)]
    replayer.feed(as_events(allocs + frees))
    assert replayer.result()["empty_end"] == sim.nr_free_regions() == 1
    for at in range(12_000, 300_000, 10_000):
        replayer.feed(as_events([{"event": 4, "pfn": 0, "time_ns": at, **some}]))
        assert replayer.result()["empty_end"] == sim.nr_free_regions()
    assert sim.now_ns == at - 5
    ((time_ns, region, is_empty),) = replayer.result()["transitions"].tolist()[2:]
    assert (region, is_empty) == (1, 1)
    assert time_ns >= 12_000


# Regions


def test_regions_of_another_size_are_counted_from_the_start_of_each_node(samples):
    lower = {
        "memory": ((2 * BLOCK, GIB),),
        "zones": (("Normal", 2 * BLOCK, GIB),),
        "regions": ((0, GIB),),
    }
    simulated = machine(*two_nodes(lower))
    result = pa.replay(samples["t1"], machine=simulated, region_pages=GIB // 2)
    assert result.managed.tolist() == [GIB // 2, GIB // 2 - 2 * BLOCK, GIB // 2, GIB // 2]
    assert result.provenance["region_pages"] == GIB // 2
    own = pa.replay(samples["t1"], machine=simulated)
    assert own.managed.tolist() == [GIB - 2 * BLOCK, GIB]


# Refusals


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"machine": "generic-16"}, pa.MachineError, "did you mean 'generic-16g'"),
        ({"machine": 5}, TypeError, "machine must be a Machine or the name of a preset, got 5"),
        ({"machine": "phone-8g", "memory_pages": 4096}, ValueError,
         "memory_pages means nothing on a machine, which has memory of its own: got 4096"),
        ({"machine": "phone-8g", "region_pages": 1000}, ValueError, "region_pages must be a multiple of 1024, got 1000"),
        ({"machine": "power7-128g-2013", "region_pages": 1024}, ValueError,
         "region_pages does not fit power7-128g-2013: size must make fewer than 16384 regions, got 1024 pages"),
        ({"policy": "hierarchy"}, ValueError,
         "policy 'hierarchy' gives every region zones of its own, so it needs a machine, such as 'generic-16g'"),
        ({"machine": "phone-8g", "start": "now"}, ValueError, "start must be one of 'recorded', 'booted', got 'now'"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_go_together_are_refused(samples, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        pa.replay(samples["t1"], **options)
    seen = []
    policies = ["linux", options.pop("policy", "sorted")]
    with pytest.raises(error, match=re.escape(message)):
        pa.compare(samples["t1"], policies, progress=seen.append, **options)
    assert seen == []


def test_pages_without_a_place_on_the_machine_are_named():
    trace = pa.Trace.open(
        "sample:t1", start_map=pa.StartMap([8192, 100, 2, 8], [FREE, MOVABLE, UNMOVABLE, FREE])
    )
    simulated = machine(
        node(
            memory=((0, 8282),),
            zones=(("Normal", 0, 8282),),
            regions=((0, 9 * BLOCK),),
        )
    )
    message = (
        "48 KiB of what was in use when the trace begins cannot stay where it was: the first are 12 pages from pfn"
        " 0x205a on, of which test has none, or none that its allocator manages. The start map covers 32.43 MiB"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        pa.replay(trace, machine=simulated, start="recorded")
    assert pa.replay(trace, machine=simulated).used_start.sum() == 102


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "cpu_nodes must have an entry for each of 2 CPUs, got None"),
        ({"cpu_nodes": [0]}, ValueError, "cpu_nodes must have an entry for each of 2 CPUs"),
        ({"cpu_nodes": [0, 7]}, ValueError, r"cpu_nodes\[1\] must be one of 0, got 7"),
        ({"cpu_nodes": [0, 0], "first_regions": [0, 1]}, ValueError, "first_regions must have 1 entries, got 2"),
        ({"cpu_nodes": [0, 0], "first_regions": [-1]}, ValueError, r"first_regions\[0\] must be 0 to"),
    ],
)  # fmt: skip
def test_a_replayer_of_a_simulation_that_makes_no_sense_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        Replayer(pa.Simulation(machine()), BLOCK, TYPE_MAP, **options)


def test_pages_of_the_start_have_a_place_where_there_is_a_zone():
    sim = pa.Simulation(machine(*two_nodes()), pagesets=False)
    replayer = replayer_of(sim, 3 * GIB)
    replayer.seed([GIB - 10, 2 * GIB - 5, 2 * GIB + 2000], [20, 1500, 3], [1, 1, 1], anew=False)
    assert replayer.result()["counts"]["failures"] == 1495 + 3
    assert [zone.managed - zone.nr_free for zone in sim.zones] == [10, 10 + 5]
    replayer.seed([5, 6], [1, 2], [1, 255], anew=False)
    with pytest.raises(ValueError, match="has pfns that do not fit"):
        replayer.seed([3 * GIB], [1], [1], anew=False)


def test_nothing_comes_online_on_a_machine():
    memory = ((0, BLOCK), (3 * BLOCK, 4 * BLOCK))
    simulated = machine(
        node(memory=memory, zones=(("Normal", 0, 4 * BLOCK),), regions=((0, 4 * BLOCK),))
    )
    sim = pa.Simulation(simulated, pagesets=False)
    replayer = replayer_of(sim, 8 * BLOCK)
    free = {
        "event": 2,
        "pfn": BLOCK,
        "order": 10,
        "migratetype": 0,
        "flags": 0,
        "time_ns": 0,
        "cpu": 0,
    }
    replayer.feed(as_events([free]))
    assert {name: nr for name, nr in replayer.result()["counts"].items() if nr} == {
        "frees": 1,
        "unknown_frees": 1,
        "unknown_free_pages": BLOCK,
    }
    assert sim.zones[0].managed == 2 * BLOCK


# Reports


def test_the_quality_says_what_machine_it_was(samples):
    quality = assess(samples["t1"], pa.replay(samples["t1"], machine="generic-16g"))
    assert quality["machine"] == "generic-16g"
    assert quality["region_pages"] is None
    assert quality["memory_pages"] == sum(z.present for z in pa.Machine.preset("generic-16g").zones)
    assert "memory is that of generic-16g" in quality["assumptions"][-3]
    assert assess(samples["t1"], pa.replay(samples["t1"]))["machine"] is None


def invoke(*arguments):
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)])


def test_the_command_line_compares_every_preset_on_a_machine():
    policies = [option for name in PRESETS for option in ("--policy", name)]
    done = invoke("sample:t1", "--machine", "generic-16g", *policies)
    assert done.exit_code == 0, done.output
    assert "33 regions on generic-16g" in done.output
    assert "Requests on their way through the zones" in done.output
    for name, preset in PRESETS.items():
        nr_tables = 3 + (preset.evacuation is not None)
        assert done.output.count(f"│ {name} ") == nr_tables
    assert "Requests on their way" not in invoke("sample:t1").output


def test_the_json_of_a_machine_says_what_its_zones_did(tmp_path, samples):
    path = tmp_path / "board.toml"
    path.write_text(pa.Machine.preset("generic-16g").to_toml())
    done = invoke(
        "sample:t1", "--machine", path, "--policy", "hierarchy", "--region", "64MiB", "--json"
    )
    assert done.exit_code == 0, done.output
    report = json.loads(done.output)
    (policy,) = report["policies"]
    result = pa.replay(samples["t1"], "hierarchy", machine="generic-16g", region_pages=16384)
    assert policy["provenance"] == result.provenance
    assert policy["counters"] == result.counters
    assert set(result.counters) == {"misses", "slow", "walked", "kswapd_runs"}
    assert policy["used_pages"]["end"] == result.used_end.tolist()
    assert report["quality"]["region_pages"] == 16384
    plain = json.loads(invoke("sample:t1", "--policy", "linux", "--json").output)
    assert plain["policies"][0]["counters"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--machine", "phone-8g", "--cpus", 2], 2, "--cpus means nothing with --machine"),
        (["--machine", "phone-8g", "--memory", "8GiB"], 2, "--memory means nothing with --machine"),
        (["--policy", "hierarchy"], 2, "so it needs a machine"),
        (["--machine", "phone-8g", "--start", "recorded"], 2, "let the policy place the pages anew"),
        (["--machine", "phone-8g", "--region", "6MiB"], 2, "region_pages must be a multiple of 1024"),
        (["--machine", "phone"], pa.MachineError, "did you mean 'phone-8g'"),
        (["--machine", "/nowhere.toml"], OSError, "No such file"),
    ],
)  # fmt: skip
def test_the_command_line_refuses_what_does_not_go_together(arguments, code, message):
    done = invoke("sample:t1", *arguments)
    if isinstance(code, int):
        assert done.exit_code == code
        assert message in " ".join(done.output.split())
    else:
        assert isinstance(done.exception, code)
        assert message in str(done.exception)
