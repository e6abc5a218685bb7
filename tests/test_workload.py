"""Workloads: what they hold, what they give back, and that a seed decides everything."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import pasralloc as pa
from pasralloc.machine.machine import Machine
from pasralloc.machine.topology import Node
from pasralloc.policy.presets import PRESETS
from pasralloc.workload.ageing import Ageing
from pasralloc.workload.background import Background, BackgroundLoad
from pasralloc.workload.ebizzy import Ebizzy
from pasralloc.workload.kernbench import Kernbench
from pasralloc.workload.loop import LoopedTrace
from pasralloc.workload.pagetest import Pagetest
from pasralloc.workload.parameters import WORKLOADS, workload_of

MIB = 256  # pages
SECOND_NS = 1_000_000_000


@pytest.fixture
def machine():
    """Two nodes of 512 MiB in regions of 32 MiB, four CPUs."""
    nodes = tuple(
        Node(
            nid=nid,
            cpus=(2 * nid, 2 * nid + 1),
            distances=(10, 20) if nid == 0 else (20, 10),
            memory=((nid * 512 * MIB, (nid + 1) * 512 * MIB),),
            zones=(("Normal", nid * 512 * MIB, (nid + 1) * 512 * MIB),),
            regions=tuple(
                (i * 32 * MIB, (i + 1) * 32 * MIB) for i in range(16 * nid, 16 * nid + 16)
            ),
        )
        for nid in (0, 1)
    )
    return Machine(name="small", nodes=nodes)


SMALL = Ebizzy(
    processes=3,
    threads=4,
    chunks=1,
    chunk_pages=5000,
    seconds=2,
    idle_seconds=1,
    pages_per_second=20_000,
)


@pytest.mark.parametrize("policy", ["linux", "sorted", "sorted-v3", "hierarchy"])
@pytest.mark.parametrize("kernel", ["3.9", "6.12"])
class TestEbizzy:
    def test_it_leaves_nothing_behind(self, machine, policy, kernel):
        sim = pa.Simulation(machine, replace(PRESETS[policy], kernel=kernel), seed=2)
        before = sim.nr_free
        result = SMALL.run(sim)
        sim.check()
        assert sim.nr_free == before
        assert result.start == result.end_drained == sim.nr_free_regions() == 32
        assert result.lowest < 25, "three chunks and up to twelve copies of 20 MiB"
        assert result.nr_killed == 0

    def test_without_pagesets_every_region_is_free_at_once(self, machine, policy, kernel):
        sim = pa.Simulation(machine, replace(PRESETS[policy], kernel=kernel), pagesets=False)
        assert SMALL.run(sim).end == 32


def test_a_seed_decides_everything(machine):
    load = replace(SMALL, background=Background(pages_per_second=50, burst=4))
    first, again, other = (
        load.run(pa.Simulation(machine, "sorted", seed=seed)) for seed in (1, 1, 2)
    )
    assert first.free_regions.tolist() == again.free_regions.tolist()
    assert first.provenance["digest"] == again.provenance["digest"]
    assert first.provenance["digest"] != other.provenance["digest"]


def test_threads_use_the_memory_of_their_node(machine):
    sim = pa.Simulation(machine, "sorted")
    load = replace(SMALL, processes=1, threads=1, chunks=0, seconds=0.01, idle_seconds=0)
    load.run(sim)
    assert sim.zones[0].region_nr_free[0] != 0
    assert sim.counters()["walked"] == 0


def test_a_process_that_finds_no_memory_is_killed_and_gives_back_all(machine):
    sim = pa.Simulation(machine, "sorted", pagesets=False)
    result = replace(SMALL, processes=20, chunks=2, speed_sigma=0).run(sim)
    assert result.nr_killed
    assert result.nr_short >= result.nr_killed
    assert result.end == 32
    sim.check()


def test_a_process_that_does_not_get_its_chunks_is_killed(machine):
    """They would fit, but for the watermarks."""
    sim = pa.Simulation(machine, "sorted", pagesets=False)
    load = replace(SMALL, processes=1, threads=1, chunk_pages=400)
    sim.take_range(512 * MIB, 512 * MIB)
    sim.take_range(0, 512 * MIB - 806)
    result = load.run(sim)
    assert (result.nr_killed, result.nr_short) == (1, 3), "the chunk, its page table, and a stack"
    assert result.nr_allocs < 405
    assert sim.nr_free == 806


def test_what_the_background_does_not_get_is_reported(machine):
    sim = pa.Simulation(machine, "sorted", pagesets=False)
    left = sim.nr_free - 5010 - 4 - 5010
    taken = sim.alloc_batch(np.zeros(left, np.uint8))
    assert (taken >= 0).all()
    load = replace(SMALL, processes=1, threads=1, background=Background(pages_per_second=9000))
    result = load.run(sim)
    assert result.nr_background_failures > 0


def test_page_tables_and_stacks_must_fit_as_well(machine):
    sim = pa.Simulation(machine, "sorted", pagesets=False)
    load = replace(SMALL, processes=1, threads=1)  # 2 x (5000 + 10) + 4 pages
    taken = sim.alloc_batch(np.zeros(sim.nr_free - 10023, np.uint8))
    with pytest.raises(ValueError, match="that is 10024 pages, and 10023 are free"):
        load.run(sim)
    sim.free(int(taken[-1]))
    load.run(sim)


def test_a_record_goes_on_when_all_is_over(machine):
    short, long = (
        replace(SMALL, record_seconds=nr).run(pa.Simulation(machine, "sorted")) for nr in (0, 30)
    )
    assert len(short.free_regions) < 20
    assert len(long.free_regions) == 31
    assert long.free_regions[: len(short.free_regions)].tolist() == short.free_regions.tolist()


def test_parked_pages_are_on_no_list(machine):
    policy = replace(PRESETS["sorted-v3"], kernel="3.9")
    result = SMALL.run(pa.Simulation(machine, policy))
    assert result.parked_pages.sum() > 20 * 32 * MIB
    on_lists = (result.lists.sum(axis=1) << np.arange(11)).sum()
    assert on_lists + result.parked_pages.sum() == result.regions["nr_free"].sum()


def test_every_loop_allocates_page_tables(machine):
    sim = pa.Simulation(machine, "sorted", pagesets=False)
    load = Ebizzy(
        processes=1,
        threads=1,
        chunks=0,
        chunk_pages=5120,
        seconds=0.001,
        idle_seconds=0,
        pages_per_second=5120 * 2,
        stack_pages=0,
        slice_ns=SECOND_NS // 4,
    )
    result = load.run(sim)
    assert result.nr_allocs == 5120 + 10


class TestBackground:
    def test_the_rate_is_met(self, machine):
        sim = pa.Simulation(machine, "sorted", pagesets=False)
        load = BackgroundLoad(Background(pages_per_second=1000, burst=10), sim)
        before = sim.nr_free
        load.advance(20 * SECOND_NS)
        assert before - sim.nr_free == 10 * load.nr_bursts
        assert 1700 < load.nr_bursts < 2300

    def test_what_has_a_lifetime_is_freed(self, machine):
        sim = pa.Simulation(machine, "sorted", pagesets=False)
        load = BackgroundLoad(Background(pages_per_second=100, burst=5, lifetime_s=0.5), sim)
        before = sim.nr_free
        for second in range(1, 20):
            load.advance(second * SECOND_NS)
        assert 0 < before - sim.nr_free < 200, "about 50 pages live at a time"
        load.next_ns = None
        load.advance(1000 * SECOND_NS)
        assert sim.nr_free == before

    def test_shares_decide_the_types(self, machine):
        sim = pa.Simulation(machine, "linux", pagesets=False)
        load = BackgroundLoad(Background(pages_per_second=500, shares=(0, 0, 1)), sim)
        load.advance(SECOND_NS)
        types = np.concatenate([zone.blocks() for zone in sim.zones])
        used = types[~types["is_free"]]
        assert len(used)
        assert set(used["migratetype"].tolist()) == {sim.zones[0].migratetypes.index("reclaimable")}

    @pytest.mark.parametrize(
        "bad",
        [
            {"pages_per_second": -1},
            {"burst": 0},
            {"shares": (1, 1, 1)},
            {"shares": (1.5, -0.5, 0)},
            {"lifetime_s": 0},
            {"lifetime_s": float("inf")},
            {"pages_per_second": 1e-320},
            {"shares": (float("nan"), 1, 0)},
        ],
    )
    def test_what_cannot_be_is_refused(self, bad):
        with pytest.raises(ValueError, match=next(iter(bad))):
            Background(**bad)


class TestKernbench:
    def test_page_cache_and_kept_slab_stay_and_the_rest_is_freed(self, machine):
        sim = pa.Simulation(machine, "sorted", pagesets=False)
        before = sim.nr_free
        load = Kernbench(
            units=20, anon_pages=500, read_pages=10, written_pages=5, slab_blocks=10, slab_kept=0
        )
        load.run(sim)
        assert before - sim.nr_free == 20 * 15
        sim.check()

    def test_a_cache_that_fills_the_memory_is_reclaimed(self, machine):
        sim = pa.Simulation(machine, "sorted")
        result = Kernbench(units=300, anon_pages=500, read_pages=800, written_pages=400).run(sim)
        counters = sim.counters()
        assert result.nr_killed == 0
        assert counters["kswapd"] > 10_000
        assert counters["written"] > 0
        sim.check()


@pytest.mark.parametrize("index", [0, 250, 600, 1000])
@pytest.mark.parametrize("policy", ["linux", "sorted-v3"])
def test_ageing_reaches_the_index(machine, index, policy):
    sim = pa.Simulation(machine, policy, seed=4)
    result = Ageing(index=index, order=9, free_share=0.3).run(sim)
    sim.check()
    assert abs(result.index - index) <= 5
    assert result.free_pages == sim.nr_free
    assert abs(sim.nr_free - 0.3 * 1024 * MIB) < 1024


def test_ageing_mixes_types(machine):
    sim = pa.Simulation(machine, "linux", seed=4)
    Ageing(index=900, shares=(0.5, 0.3, 0.2)).run(sim)
    assert (sum(zone.pagetypeinfo()[:3, 0] for zone in sim.zones) > 0).all()


def test_pagetest_counts_every_page(machine):
    sim = pa.Simulation(machine, "sorted", pagesets=False)
    result = Pagetest(requests=(1024, 5120), overhead_pages=7).run(sim)
    used = (result.nr_free[0] - result.nr_free[1:]).sum(axis=1)
    assert used.tolist() == [1024 + 2 + 7, 5120 + 10 + 7]


def test_a_growing_pagetest_is_one_process(machine):
    sim = pa.Simulation(machine, "sorted", pagesets=False)
    result = Pagetest(requests=(1000, 1500), overhead_pages=7, grows=True).run(sim)
    used = (result.nr_free[0] - result.nr_free[1:]).sum(axis=1)
    assert used.tolist() == [1000 + 2 + 7, 1500 + 3 + 7]


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (Pagetest(requests=(1, 1024 * MIB)), "a request of 262144 pages: that is 263176 pages"),
        (Ebizzy(), "20 processes of .* and a copy, with page tables: that is 2694784 pages"),
        (Kernbench(jobs=100), "100 jobs of 8000 anonymous pages: that is 800000 pages"),
    ],
)
def test_a_load_that_the_machine_cannot_hold_is_refused_at_once(machine, load, why):
    sim = pa.Simulation(machine, "sorted")
    before = sim.digest()
    with pytest.raises(ValueError, match=f"small cannot hold {why}, and 26"):
        load.run(sim)
    assert sim.digest() == before


def test_watermarks_may_keep_a_pagetest_from_the_last_pages(machine):
    with pytest.raises(pa.OutOfMemory):
        Pagetest(requests=(1018 * MIB,)).run(pa.Simulation(machine, "sorted"))


class TestParameters:
    def test_settings_reach_their_parameter(self):
        load = workload_of("ebizzy", ["processes=4", "seconds=1.5", "background.burst=8"])
        assert (load.processes, load.seconds, load.background.burst) == (4, 1.5, 8)
        assert workload_of("kernbench") == Kernbench()
        assert set(WORKLOADS) == {"ebizzy", "kernbench"}

    def test_every_problem_is_named(self):
        with pytest.raises(ValueError, match="did you mean 'processes'") as error:
            workload_of("ebizzy", ["proceses=4", "threads", "chunks=many", "background.brst=1"])
        assert "'threads' is not NAME=VALUE" in str(error.value)
        assert "chunks must be a number, got 'many'" in str(error.value)
        assert "did you mean 'background.burst'" in str(error.value)

    def test_values_are_checked(self):
        with pytest.raises(ValueError, match="threads must be 1 to"):
            workload_of("ebizzy", ["threads=0"])
        with pytest.raises(ValueError, match="workload must be one of"):
            workload_of("ebizy")


class TestLoop:
    @pytest.fixture(scope="class")
    @staticmethod
    def trace():
        return pa.Trace.sample("t1")

    def test_one_round_is_the_trace(self, trace):
        one, other = (
            pa.replay(which, "sorted", region_pages=8192)
            for which in (trace, LoopedTrace(trace, 1))
        )
        assert one.outcome() == other.outcome()
        assert one.counts == other.counts

    @pytest.mark.parametrize("policy", ["linux", "sorted", "sorted-v3"])
    def test_memory_in_use_stays_as_it_was(self, trace, policy):
        used = {
            int(pa.replay(LoopedTrace(trace, times), policy, region_pages=8192).used_end.sum())
            for times in (1, 2, 6)
        }
        assert len(used) == 1, "what one round leaves, the next takes away"

    def test_every_round_names_its_own_pages(self, trace):
        looped = LoopedTrace(trace, 3)
        events = np.concatenate(list(looped))
        assert len(events) == len(looped)
        allocs = events[events["event"] == 1]["pfn"] // looped._span
        nr = int(trace.summary["by_kind"][1])
        assert np.bincount(allocs).tolist() == [nr] * 3
        assert events["pfn"].max() < looped.end_pfn
        times = events["time_ns"]
        assert times[-1] > 2 * (times[len(trace) - 1] - times[0])

    def test_anomalies_do_not_grow_with_the_rounds_but_for_what_the_start_knew(self, trace):
        one, three = (
            pa.replay(LoopedTrace(trace, times), "sorted", region_pages=8192).counts
            for times in (1, 3)
        )
        assert three["allocs"] == 3 * one["allocs"]
        assert three["failures"] == 0
        assert three["implicit_frees"] <= 3 * one["implicit_frees"]

    def test_the_command_line_can_loop(self):
        done = subprocess.run(
            [sys.executable, "-m", "pasralloc", "compare", "sample:t1", "--loop", "3", "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "sample:t1 x3" in done.stdout

    @pytest.mark.parametrize("times", [0, -1, 2.5, 10**7])
    def test_what_cannot_be_is_refused(self, trace, times):
        with pytest.raises((ValueError, TypeError), match="times"):
            LoopedTrace(trace, times)
