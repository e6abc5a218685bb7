"""Two placements side by side."""

import statistics
import time

ROUNDS = {1: 9, 16: 7, 256: 5}


def measure(benchmark, linux, in_regions, gib, **info):
    """Time whole streams from one snapshot each, both placements in turn, and keep the ratio of each round.

    The machine's speed drifts between rounds more than the placements differ,
    so only what was measured side by side is compared.
    """
    seconds = []

    def set_up():
        linux.reset()
        start = time.perf_counter()
        assert linux.run() == 0
        seconds.append(time.perf_counter() - start)
        in_regions.reset()

    nr_failed = benchmark.pedantic(
        in_regions.run, setup=set_up, rounds=ROUNDS[gib], warmup_rounds=1
    )
    assert nr_failed == 0
    for scenario in (linux, in_regions):
        scenario.zone.check()
    benchmark.extra_info.update(info, gib=gib)
    if benchmark.stats:
        nr_ops = len(linux.ops)
        ours, theirs = benchmark.stats.stats.data, seconds[1:]
        benchmark.extra_info.update(
            linux_ns=statistics.median(theirs) / nr_ops * 1e9,
            sorted_ns=statistics.median(ours) / nr_ops * 1e9,
            ratio=statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
        )
