"""What grouping comes to: the outcome on a small machine, and that its statements can fail."""

import json
from copy import deepcopy

import numpy as np
import pytest

import pasralloc as pa
from pasralloc.outcomes import grouping
from pasralloc.workload.ageing import Ageing
from pasralloc.workload.kernbench import Kernbench

BUILD = Kernbench(units=150, slab_blocks=300, slab_kept=0.5)
LOADS = {"build": (BUILD,), "aged": (Ageing(index=20, free_share=0.5), BUILD)}


@pytest.fixture(scope="module")
def outcome():
    return grouping.run(machine="phone-8g", region_pages=1 << 14, loads=LOADS)


def test_a_row_for_every_combination(outcome):
    for rows in outcome.ours.values():
        assert [(row["kernel"], row["region_allocator"], row["grouping"]) for row in rows] == [
            (kernel, allocator, option)
            for kernel in ("6.12", "3.9")
            for allocator in ("-", "when-dry")
            for option in ("-", "by-region")
        ]


def test_statements_hold(outcome):
    assert len(outcome.checks) == 7
    assert all(outcome.checks.values()), outcome.checks
    assert json.loads(outcome.to_json())["parameters"]["loads"]["build"][0]["units"] == 150


@pytest.mark.parametrize(
    ("at", "column", "value", "statement"),
    [
        (1, "pages", 1, "aged: as many pages in use with grouping as without"),
        (
            1,
            "regions",
            129,
            "aged: without a region allocator grouping keeps them in fewer regions",
        ),
        (5, "free_evacuated", -1, "aged: and evacuation empties no fewer"),
        (
            3,
            "regions",
            129,
            "aged: with a region allocator it keeps them in less than half as many",
        ),
    ],
)
def test_each_statement_can_fail(outcome, at, column, value, statement):
    ours = deepcopy(outcome.ours)
    ours["aged"][at][column] = value
    checks = grouping._checks(ours)
    assert [name for name, holds in checks.items() if not holds] == [statement]


def test_what_is_counted():
    """Pages in use by the type that was asked for, and the regions that they lie in, zone by zone."""
    sim = pa.Simulation("phone-8g", "sorted", pagesets=False)
    assert grouping._held(sim) == (0, 0, 0)
    sim.alloc_batch(np.zeros(10, np.uint8))
    assert grouping._held(sim) == (0, 0, 0)
    pfns = [sim.alloc(3, "unmovable"), sim.alloc(0, "reclaimable")]
    zone = sim.zone_of(pfns[0])
    start = int(zone.region_start_pfn[3])
    sim.take_range(start - 1, 2, "unmovable")
    held = {sim.zone_of(pfn).region_of(pfn) for pfn in pfns}
    counts = sum(zone.pageblock_counts()[[0, 2]].sum() for zone in sim.zones)
    assert counts == 4, "both have taken two pageblocks, and take_range none"
    assert grouping._held(sim) == (8 + 1 + 2, 4, len(held | {2, 3}))
