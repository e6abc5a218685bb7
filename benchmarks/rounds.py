"""Two zones side by side."""

import statistics
import time

ROUNDS = {1: 9, 16: 7, 256: 5}


def measure(benchmark, base, other, gib, **info):
    """Time whole streams from one snapshot each, both zones in turn, and keep the ratio of each round.

    The machine's speed drifts between rounds more than the zones differ,
    so only what was measured side by side is compared.
    """
    seconds = []

    def set_up():
        base.reset()
        start = time.perf_counter()
        assert base.run() == 0
        seconds.append(time.perf_counter() - start)
        other.reset()

    nr_failed = benchmark.pedantic(other.run, setup=set_up, rounds=ROUNDS[gib], warmup_rounds=1)
    assert nr_failed == 0
    for scenario in (base, other):
        scenario.zone.check()
    benchmark.extra_info.update(info, gib=gib)
    if benchmark.stats:
        nr_ops = len(base.ops)
        ours, theirs = benchmark.stats.stats.data, seconds[1:]
        benchmark.extra_info.update(
            base_ns=statistics.median(theirs) / nr_ops * 1e9,
            other_ns=statistics.median(ours) / nr_ops * 1e9,
            ratio=statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
        )
