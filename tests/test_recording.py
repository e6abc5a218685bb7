"""A simulation that is recorded does what it did, and its trace replays to the same allocations and frees."""

import numpy as np
import pytest
from click.testing import CliRunner
from test_simulation import machine_of

import pasralloc as pa
from pasralloc.cli.main import cli
from pasralloc.policy.presets import PRESETS
from pasralloc.sim.recording import RecordedSimulation
from pasralloc.trace.writer import TraceWriter
from pasralloc.workload.ageing import Ageing
from pasralloc.workload.background import Background
from pasralloc.workload.ebizzy import Ebizzy
from pasralloc.workload.kernbench import Kernbench
from pasralloc.workload.pagetest import Pagetest

ALL_PAGES = 512 * 256
BACKGROUND = Background(pages_per_second=200, burst=4, shares=(0.3, 0.4, 0.3), lifetime_s=0.2)
LOADS = {
    "pagetest": Pagetest(requests=(5000, 9000)),
    "growing": Pagetest(requests=(5000, 9000), grows=True),
    "kernbench": Kernbench(units=20, background=BACKGROUND),
    "reclaim": Kernbench(units=60, anon_pages=300, read_pages=3000, written_pages=1500),
    "ebizzy": Ebizzy(
        processes=2,
        threads=2,
        chunks=1,
        chunk_pages=3000,
        seconds=0.5,
        idle_seconds=1,
        background=BACKGROUND,
    ),
    "ageing": Ageing(index=400, free_share=0.2),
}


FULL = Ebizzy(
    processes=20, threads=4, chunks=1, chunk_pages=5000, seconds=1, idle_seconds=0, speed_sigma=0
)


def record(path, load, **options):
    """A recorded run, and the trace."""
    machine = machine_of("DMA32", "Normal", mib=256, cpus=2)
    with open(path, "w", encoding="ascii") as file:
        writer = TraceWriter(file)
        sim = RecordedSimulation(writer, machine, "sorted", seed=4, **options)
        load.run(sim)
    plain = pa.Simulation(machine, "sorted", seed=4, **options)
    load.run(plain)
    assert sim.digest() == plain.digest()
    assert sim.counters() == plain.counters()
    return sim, writer, pa.Trace.open(path)


def in_use(sim):
    """Order of every allocated block by its pfn."""
    blocks = np.concatenate([zone.blocks() for zone in sim.zones])
    blocks = blocks[~blocks["is_free"] & (blocks["migratetype"] < 6)]
    return dict(zip(blocks["pfn"].tolist(), blocks["order"].tolist(), strict=True))


@pytest.mark.parametrize("pagesets", [True, False])
@pytest.mark.parametrize("kind", sorted(LOADS))
def test_a_trace_has_what_the_run_did(tmp_path, kind, pagesets):
    sim, writer, trace = record(tmp_path / "trace.txt", LOADS[kind], pagesets=pagesets)
    assert trace.summary["by_kind"][1:3] == [writer.nr_allocs, writer.nr_frees]
    assert trace.summary["bad_lines"] == 0
    assert trace.numbering.names[:3] == ("unmovable", "movable", "reclaimable")
    # Event by event: nothing is allocated twice or freed that is not there, and what is left is what is in use.
    live = {}
    for events in trace:
        for event in events[events["flags"] & 1 == 0]:
            pfn, order = int(event["pfn"]), int(event["order"])
            if event["event"] == 1:
                assert pfn not in live
                live[pfn] = order
            else:
                assert live.pop(pfn) == order
    assert live == in_use(sim)
    result = pa.replay(trace, "sorted", region_pages=8192, memory_pages=ALL_PAGES)
    odd = ("implicit_frees", "unknown_frees", "order_mismatches", "failures", "bad_records")
    assert [result.counts[name] for name in odd] == [0] * 5
    assert result.counts["allocs"] + result.counts["failed_allocs"] == writer.nr_allocs
    assert result.counts["frees"] == writer.nr_frees
    assert result.used_end.sum() == sum(1 << order for order in live.values())


def test_reclaim_and_failed_requests_are_seen(tmp_path):
    sim, _, trace = record(tmp_path / "trace.txt", LOADS["reclaim"])
    assert sim.counters()["reclaimed_blocks"] > 10_000
    sim, _, trace = record(tmp_path / "trace.txt", FULL)
    assert trace.summary["failed_allocs"] == sim.counters()["failures"] > 0


def test_single_calls_and_restore(tmp_path):
    path = tmp_path / "trace.txt"
    with open(path, "w", encoding="ascii") as file:
        sim = RecordedSimulation(TraceWriter(file), machine_of("Normal"), "linux", pagesets=False)
        kept = [sim.alloc(2), sim.alloc(0, "unmovable", cpu=0, now_ns=5)]
        snapshot = sim.snapshot()
        sim.free(kept[0])
        sim.alloc_batch(np.array([3, 0], np.uint8), "reclaimable")
        sim.alloc_batch(np.full(sim.nr_free >> 10, 10, np.uint8))
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(10)
        sim.restore(snapshot)
        with pytest.raises(NotImplementedError, match="no streams"):
            sim.run(np.zeros(1, pa.OP_DTYPE), np.zeros(1, np.int64))
    trace = pa.Trace.open(path)
    assert trace.summary["failed_allocs"] >= 1
    result = pa.replay(trace, "linux", region_pages=1024)
    assert result.counts["unknown_frees"] == result.counts["implicit_frees"] == 0
    assert result.used_end.sum() == 5
    events = np.concatenate(list(trace))
    assert events["time_ns"][1] == 5


def test_a_policy_that_moves_blocks_cannot_be_recorded(tmp_path):
    moving = next(p for p in PRESETS.values() if p.evacuation is not None)
    with (
        open(tmp_path / "trace.txt", "w", encoding="ascii") as file,
        pytest.raises(ValueError, match="moves blocks"),
    ):
        RecordedSimulation(TraceWriter(file), machine_of("Normal"), moving)


class TestVerb:
    def test_it_writes_a_trace_that_compare_reads(self, tmp_path):
        path = tmp_path / "trace.txt"
        arguments = ["synth", "pagetest", "--machine", "exynos4210-2g", "--set", "requests=1000"]
        done = CliRunner().invoke(cli, [*arguments, "--policy", "linux", "--trace", str(path)])
        assert done.exit_code == 0, done.output
        assert CliRunner().invoke(cli, [*arguments, "--policy", "linux"]).stdout == done.stdout
        assert pa.Trace.open(path).summary["by_kind"][1] == 1000 + 2 + 520
        assert CliRunner().invoke(cli, ["compare", str(path)]).exit_code == 0

    def test_it_is_of_one_run(self, tmp_path):
        done = CliRunner().invoke(cli, ["synth", "pagetest", "--trace", str(tmp_path / "t")])
        assert done.exit_code == 2
        assert "exactly one --policy" in done.stderr


def test_blocks_that_reclaim_took_and_nobody_can_name_are_an_error(tmp_path):
    class Forgetful(RecordedSimulation):
        def reclaimed(self):
            return super().reclaimed()[-1:]

    with open(tmp_path / "trace.txt", "w", encoding="ascii") as file:
        sim = Forgetful(TraceWriter(file), machine_of("Normal"), "linux", pagesets=False)
        sim.set_page_states(sim.alloc_batch(np.zeros(sim.nr_free - 600, np.uint8)), "clean")
        with pytest.raises(RuntimeError, match="blocks were reclaimed at once, and 1 are known"):
            sim.alloc_batch(np.zeros(2000, np.uint8))
