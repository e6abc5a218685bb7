"""How fast are traces read and replayed? On the samples that come with the package."""

import lzma

import numpy as np
import pytest

from pasralloc import EVENT_DTYPE, Trace, Zone
from pasralloc._core.replayer import Replayer
from pasralloc._core.textparser import TextParser
from pasralloc.sim.replay import replay
from pasralloc.trace.samples import sample_paths


@pytest.mark.parametrize("name", ["demo", "t1"])
def bench_text(benchmark, name):
    text = lzma.decompress(sample_paths(name)[0].read_bytes())
    room = np.zeros(1 << 19, EVENT_DTYPE)
    nr_bytes, nr_events = benchmark.pedantic(
        lambda parser: parser.parse(text, room, True),
        setup=lambda: ((TextParser(),), {}),
        rounds=15,
        warmup_rounds=2,
    )
    assert (nr_bytes, nr_events) == (len(text), text.count(b"\n"))
    if benchmark.stats:
        median = benchmark.stats.stats.median
        benchmark.extra_info.update(
            mb_per_s=nr_bytes / median / 1e6,
            lines_per_s=nr_events / median,
            ns_per_op=median / nr_events * 1e9,
        )


@pytest.mark.parametrize("placement", ["linux", "sorted"])
def bench_replay(benchmark, placement):
    """Both samples' events in memory, repeated; the tables of the zone are warm after the first repetition."""
    trace = Trace.sample("demo")
    events = np.concatenate(list(trace) * 5)
    start_map = trace.start_map

    def fresh():
        zone = Zone(
            start_map.nr_pages,
            region_pages=32768,
            absent=start_map.absent_ranges(),
            placement=placement,
        )
        return (Replayer(zone, zone.nr_pages, trace.numbering.for_zone(zone)),), {}

    benchmark.pedantic(
        lambda replayer: replayer.feed(events), setup=fresh, rounds=9, warmup_rounds=1
    )
    if benchmark.stats:
        median = benchmark.stats.stats.median
        benchmark.extra_info.update(
            events_per_s=len(events) / median, ns_per_op=median / len(events) * 1e9
        )


@pytest.mark.parametrize("policy", ["linux", "hierarchy", "sorted", "sorted-v3"])
def bench_whole_replay_on_a_machine(benchmark, policy):
    """`replay` of the demo sample on 16 GiB: zonelists, watermarks and pagesets beside what one zone takes."""
    trace = Trace.sample("demo")
    result = benchmark.pedantic(
        lambda: replay(trace, policy, machine="generic-16g"), rounds=7, warmup_rounds=1
    )
    assert result.counts["failures"] == 0
    if benchmark.stats:
        benchmark.extra_info["events_per_s"] = result.events_per_second


@pytest.mark.parametrize("placement", ["linux", "sorted"])
def bench_whole_replay(benchmark, placement):
    """`replay` of the demo sample with its start map: set-up, seeding, events, digest."""
    trace = Trace.sample("demo")
    result = benchmark.pedantic(lambda: replay(trace, placement), rounds=7, warmup_rounds=1)
    assert result.counts["failures"] == 0
    if benchmark.stats:
        benchmark.extra_info["events_per_s"] = result.events_per_second
