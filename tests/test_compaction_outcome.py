"""Linux's own compaction beside evacuation."""

import numpy as np
import pytest

import pasralloc as pa
from pasralloc.outcomes import compaction


@pytest.fixture(scope="module")
def outcome():
    return compaction.run()


def test_statements_hold(outcome):
    assert outcome.checks
    assert all(outcome.checks.values()), outcome.checks


def test_nothing_moves_twice_in_the_same_direction(outcome):
    for name in ("evacuation", "compaction"):
        first, second = (step["moved"] for step in outcome.ours[name][1:])
        assert second < first / 100


def test_a_free_block_larger_than_a_pageblock_is_filled_to_its_end():
    """Free pages of 6.12 lie in blocks of two pageblocks: the scanner meets them in the lower one."""
    sim = pa.Simulation("generic-16g", "linux", pagesets=False)
    zone = sim.zones[-1]
    pfns = sim.alloc_batch(np.zeros(1500, np.uint8))
    assert sim.compact(zone).moved == len(pfns)
    assert sim.moves()["old_pfn"].tolist() == pfns.tolist()
    blocks, nrs = np.unique(sim.moves()["new_pfn"] >> 10, return_counts=True)
    assert np.diff(blocks).tolist() == [1]
    assert nrs.tolist() == [1500 - 1024, 1024]
    sim.check()
