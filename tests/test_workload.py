"""Workloads: what they hold, what they give back, and that a seed decides everything."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import pasralloc as pa
from pasralloc.analysis.quality import assess
from pasralloc.machine.machine import Machine
from pasralloc.machine.topology import Node
from pasralloc.policy.presets import PRESETS
from pasralloc.workload.ageing import Ageing
from pasralloc.workload.background import Background, BackgroundLoad
from pasralloc.workload.ebizzy import Ebizzy
from pasralloc.workload.kernbench import Kernbench
from pasralloc.workload.loop import LoopedTrace
from pasralloc.workload.pagetest import Pagetest

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

    def test_blocks_and_pages_are_counted_and_what_failed_is_not(self, machine):
        sim = pa.Simulation(machine, "sorted", pagesets=False)
        before = sim.nr_free
        kept = {"anon_pages": 1, "read_pages": 10, "written_pages": 5, "slab_kept": 1.0}
        result = Kernbench(units=30, jobs=1, slab_blocks=40, **kept).run(sim)
        blocks = np.concatenate([zone.blocks() for zone in sim.zones])
        blocks = blocks[~blocks["is_free"]]
        # What is gone by now: a few anonymous pages and a page table for each process.
        gone = result.nr_allocs - len(blocks)
        assert len(blocks) == 30 * (40 + 15)
        assert 30 * 2 <= gone <= 30 * 12
        assert result.nr_pages - gone == before - sim.nr_free > len(blocks)

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
    assert result.free_share == sim.nr_free / (1024 * MIB)
    assert abs(sim.nr_free - 0.3 * 1024 * MIB) < 1024
    assert result.missed == ()


@pytest.mark.parametrize("pagesets", [True, False])
def test_ageing_that_needs_more_whole_blocks_than_there_are_is_refused(machine, pagesets):
    sim = pa.Simulation(machine, "linux", pagesets=pagesets)
    pfns = sim.alloc_batch(np.zeros(1000 * MIB, np.uint8))
    sim.free_batch(pfns[::2])
    before = sim.digest()
    state = sim.rng.bit_generator.state
    with pytest.raises(
        ValueError, match=r"small cannot hold free_share=0.25 with index=300: .* are free$"
    ):
        Ageing(index=300).run(sim)
    assert sim.digest() == before
    assert sim.rng.bit_generator.state == state


def test_ageing_says_what_it_missed(machine):
    """CMA pageblocks stay free, whole as they are."""
    sim = pa.Simulation(machine, "linux")
    sim.set_pageblocks(0, 400 * MIB, "cma")
    with pytest.warns(RuntimeWarning) as warned:
        result = Ageing(index=900, free_share=0.2).run(sim)
    assert len(result.missed) == 2
    assert result.missed[0] == f"an unusable free index of 900, it is {result.index}"
    assert f"a free share of 0.2, it is {result.free_share:.6g}" in result.missed[1]
    assert [str(one.message).partition(": ")[2] for one in warned] == list(result.missed)


def test_ageing_that_leaves_nothing_free_missed_the_share(machine):
    with pytest.warns(RuntimeWarning, match=r"a free share of 1e-06, it is 0 \(0 pages\)"):
        Ageing(index=1000, free_share=1e-6).run(pa.Simulation(machine, "linux"))


def test_ageing_mixes_types(machine):
    sim = pa.Simulation(machine, "linux", seed=4)
    Ageing(index=900, shares=(0.5, 0.3, 0.2)).run(sim)
    assert (sum(zone.pagetypeinfo()[:3, 0] for zone in sim.zones) > 0).all()


def test_pagetest_counts_every_page(machine):
    sim = pa.Simulation(machine, "sorted", pagesets=False)
    result = Pagetest(requests=(1024, 5120), overhead_pages=7).run(sim)
    used = (result.nr_free[0] - result.nr_free[1:]).sum(axis=1)
    assert used.tolist() == [1024 + 2 + 7, 5120 + 10 + 7]


def test_pagetest_tells_which_pages_lie_in_small_blocks(machine):
    sim = pa.Simulation(machine, "sorted", pagesets=False)
    result = Pagetest(requests=(1024, 5000), overhead_pages=0).run(sim)
    assert result.nr_small.shape == result.nr_free.shape == (3, 32)
    assert result.nr_small[0].sum() == 0
    small = sum(
        int(nr) << order for zone in sim.zones for order, nr in enumerate(zone.buddyinfo()[:10])
    )
    assert result.nr_small[2].sum() == small > 0
    assert (result.nr_small <= result.nr_free).all()
    assert ((result.nr_free - result.nr_small) % 1024 == 0).all()


def test_a_growing_pagetest_is_one_process(machine):
    sim = pa.Simulation(machine, "sorted", pagesets=False)
    result = Pagetest(requests=(1000, 1500), overhead_pages=7, grows=True).run(sim)
    used = (result.nr_free[0] - result.nr_free[1:]).sum(axis=1)
    assert used.tolist() == [1000 + 2 + 7, 1500 + 3 + 7]


def test_watermarks_may_keep_a_pagetest_from_the_last_pages(machine):
    with pytest.raises(pa.OutOfMemory):
        Pagetest(requests=(1018 * MIB,)).run(pa.Simulation(machine, "sorted"))


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

    @pytest.mark.parametrize("times", [1, 4])
    def test_the_summary_is_of_all_rounds(self, trace, times):
        looped = LoopedTrace(trace, times)
        events = np.concatenate(list(looped))
        summary = looped.summary
        assert (
            summary["by_kind"]
            == np.bincount(events["event"], minlength=len(summary["by_kind"])).tolist()
        )
        assert summary["events"] == len(events) == len(looped)
        assert summary["lines"] == times * trace.summary["lines"]
        assert summary["failed_allocs"] == int((events["flags"] & 1).sum())
        assert (summary["types_by_gfp"] == times * trace.summary["types_by_gfp"]).all()
        pages = 1 << events["order"].astype(np.int64)
        assert looped.end_pfn == (events["pfn"] + pages).max()
        assert (
            summary["last_ns"]
            == times * (events["time_ns"][len(trace) - 1] + 1 - events["time_ns"][0])
            + events["time_ns"][0]
            - 1
        )
        assert set(vars(looped)) >= set(vars(trace)) - {"_store"}
        assert looped.numbering == trace.numbering
        assert looped.start_map is trace.start_map

    def test_the_quality_is_of_all_rounds(self, trace):
        looped = LoopedTrace(trace, 3)
        one, three = (
            assess(which, pa.replay(which, "sorted", region_pages=8192))
            for which in (trace, looped)
        )
        assert three["trace"] == "sample:t1 x3"
        assert three["events"] == len(looped)
        assert three["events_by_kind"]["alloc"] == 3 * one["events_by_kind"]["alloc"]
        assert three["span_ns"] > 2 * one["span_ns"]
        for name, anomaly in three["anomalies"].items():
            assert anomaly["count"] >= one["anomalies"][name]["count"]

    def test_damage_counts_in_every_round(self, tmp_path):
        """A bad line, a failed allocation, lost events, and batched frees only."""
        line = " sh-7 [001] .....  {at}.000000: mm_page_{what}\n"
        text = "".join(
            (
                line.format(at=1, what="alloc: page=1 pfn=5 order=0 migratetype=1 gfp_flags=none"),
                line.format(at=2, what="alloc: page=1 pfn=6 order=0 migratetype=1 gfp_flags=none"),
                line.format(at=3, what="alloc: page=0 pfn=0 order=9 migratetype=1 gfp_flags=none"),
                "CPU:1 [LOST 7 EVENTS]\n",
                line.format(at=4, what="free: pfn=?"),
                line.format(at=5, what="free_batched: page=1 pfn=5 order=0"),
            )
        )
        path = tmp_path / "trace.txt"
        path.write_text(text)
        trace = pa.Trace.open(path)
        looped = LoopedTrace(trace, 3)
        quality = assess(looped, pa.replay(looped, "sorted", region_pages=1024))
        assert (quality["bad_lines"], quality["lost_events"]) == (3, 21)
        assert quality["anomalies"]["failed_allocs"]["count"] == 3
        assert (
            quality["bad_quotes"]
            == assess(trace, pa.replay(trace, "sorted", region_pages=1024))["bad_quotes"]
        )
        # What is left is freed by the only record of frees that this trace has.
        assert looped.has_batched_frees_only
        assert quality["events_by_kind"]["free_batched"] == 3 + 2
        assert quality["anomalies"]["unknown_frees"]["count"] == 0

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
