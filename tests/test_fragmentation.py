"""Fragmentation metrics and the kernel's text, against values worked out by hand."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zones import small_zone

import pasralloc as pa
from pasralloc.analysis import fragmentation
from pasralloc.analysis.fragmentation import (
    extfrag_for_order,
    fragmentation_index,
    unusable_free_index,
)
from pasralloc.report.procfiles import buddyinfo_text, pagetypeinfo_text
from pasralloc.report.regionfiles import (
    buddyinfo_regions_text,
    free_blocks_by_region,
    pagetypeinfo_regions_text,
    zoneinfo_regions_text,
)

NOTHING = [0] * 11
METRICS = [unusable_free_index, fragmentation_index, extfrag_for_order]


def test_nothing_free_is_unusable_but_not_fragmented():
    assert [metric(NOTHING, 4) for metric in METRICS] == [1000, 0, 0]


def test_what_would_succeed_is_no_failure():
    assert fragmentation_index([0] * 10 + [1], 9) == -1000


def test_many_small_blocks_are_fragmentation_and_few_are_lack_of_memory():
    # 1000 - (1000 + 4096 * 1000 / 512) / 4096, and the same with two pages.
    assert fragmentation_index([4096, *[0] * 10], 9) == 998
    assert fragmentation_index([2, *[0] * 10], 9) == 1000 - (1000 + 3) // 2


def test_integers_are_cut_as_in_the_kernel():
    # 1 of 3 pages lies in a block of order 0: 333.3 thousandths, 33.3 percent.
    assert unusable_free_index([1, 1, *[0] * 9], 1) == 333
    assert extfrag_for_order([1, 1, *[0] * 9], 1) == 33


@given(st.lists(st.integers(0, 1 << 30), min_size=11, max_size=11))
def test_a_larger_order_is_never_easier(blocks):
    indices = [unusable_free_index(blocks, order) for order in range(11)]
    assert indices == sorted(indices)
    assert indices[0] == (0 if any(blocks) else 1000)
    assert all(0 <= extfrag_for_order(blocks, order) <= 100 for order in range(11))
    assert all(-1000 <= fragmentation_index(blocks, order) <= 1000 for order in range(11))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("blocks", "order", "why"),
    [
        ([1] * 10, 0, "blocks must have 11 entries, got 10"),
        ([-1, *[0] * 10], 0, "blocks must not be negative, got -1"),
        (NOTHING, 11, "order must be 0 to 10, got 11"),
        (NOTHING, -1, "order must be 0 to 10, got -1"),
    ],
)
def test_what_is_no_list_of_blocks_is_refused(metric, blocks, order, why):
    with pytest.raises(ValueError, match=why):
        metric(blocks, order)


def test_the_examples_run():
    assert doctest.testmod(fragmentation).failed == 0


def test_a_zone_counts_its_lists_and_pageblocks():
    zone = small_zone(4, 2)
    zone.set_pageblocks(1024, 1024, "cma")
    zone.alloc(0, "unmovable")
    info = zone.pagetypeinfo()
    assert info[0].tolist() == [1] * 10 + [0], "an unmovable claim, split once per order"
    assert info[1, 10] == 2
    assert info[4, 10] == 1
    assert zone.buddyinfo().tolist() == info.sum(axis=0).tolist() == [1] * 10 + [3]
    assert zone.pageblock_counts().tolist() == [2, 4, 0, 0, 2, 0]


def test_buddyinfo_text_is_that_of_the_kernel():
    zone = small_zone(4, 2)
    zone.alloc()
    assert buddyinfo_text(zone) == "Node 0, zone   Normal " + "     1 " * 10 + "     3 \n"


def test_pagetypeinfo_text_is_that_of_the_kernel():
    zone = small_zone(4, 2)
    zone.alloc(0, "unmovable")
    zeros = "     0 " * 11
    orders = "".join(f"{order:6} " for order in range(11))
    expected = [
        "Page block order: 9",
        "Pages per block:  512",
        "",
        "Free pages count per migrate type at order  " + orders,
        "Node    1, zone    DMA32, type    Unmovable " + "     1 " * 10 + "     0 ",
        "Node    1, zone    DMA32, type      Movable " + "     0 " * 10 + "     3 ",
        "Node    1, zone    DMA32, type  Reclaimable " + zeros,
        "Node    1, zone    DMA32, type   HighAtomic " + zeros,
        "Node    1, zone    DMA32, type          CMA " + zeros,
        "Node    1, zone    DMA32, type      Isolate " + zeros,
        "",
        "Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic          CMA      Isolate ",
        "Node 1, zone    DMA32            2            6            0            0            0            0 ",
        "",
    ]
    assert pagetypeinfo_text(zone, "DMA32", 1).split("\n") == expected


def test_3_9_orders_the_types_its_own_way():
    text = pagetypeinfo_text(small_zone(1, 1, kernel="3.9"))
    assert "Unmovable  Reclaimable      Movable      Reserve          CMA      Isolate" in text


class TestRegions:
    """The same by regions, in the formats of the sorted-buddy series."""

    @pytest.fixture
    def zone(self):
        zone = pa.Zone(5 * 1024, region_pages=[1024, 2048, 2048], absent=[(0, 1023)], kernel="3.9")
        zone.set_pageblocks(1024, 2048, "unmovable")
        assert zone.alloc(0, "unmovable") == 2048
        return zone

    def test_zoneinfo(self, zone):
        assert zoneinfo_regions_text(zone) == (
            "Per-region page stats\t present\t free\n"
            "\tRegion      0 \t      1 \t      1\n"
            "\tRegion      1 \t   2048 \t   2047\n"
            "\tRegion      2 \t   2048 \t   2048\n"
        )
        assert "\tRegion      0 \t     16 \t      1\n" in zoneinfo_regions_text(
            zone, [16, 2048, 2048]
        )

    def test_buddyinfo(self, zone):
        lines = buddyinfo_regions_text(zone).split("\n")
        assert lines[0] == "Node 0, zone   Normal "
        assert lines[1] == "\t\t Region      0 " + "     1 " + "     0 " * 10
        assert lines[2] == "\t\t Region      1 " + "     1 " * 10 + "     1 "
        assert lines[3] == "\t\t Region      2 " + "     0 " * 10 + "     2 "

    def test_pagetypeinfo(self, zone):
        lines = pagetypeinfo_regions_text(zone).split("\n")
        assert len(lines) == 6 * 3 + 1 + 1 + 3 + 1
        assert (
            lines[1] == "Node    0, zone   Normal, R  1    Unmovable " + "     1 " * 10 + "     1 "
        )
        assert (
            lines[8] == "Node    0, zone   Normal, R  2      Movable " + "     0 " * 10 + "     2 "
        )
        assert lines[19].split() == [
            *("Number", "of", "blocks", "type"),
            *("Unmovable", "Reclaimable", "Movable", "Reserve", "CMA", "Isolate"),
        ]
        assert [line.split()[6:] for line in lines[20:23]] == [
            ["0", "0", "2", "0", "0", "0"],
            ["4", "0", "0", "0", "0", "0"],
            ["0", "0", "4", "0", "0", "0"],
        ]
        assert lines[21].startswith("Node 0, zone   Normal R  1            4 ")

    def test_parked_regions_are_in_buddyinfo_alone(self):
        zone = small_zone(8, 2, region_allocator="when-dry", placement="biased")
        assert zone.parked_regions() != []
        counts = free_blocks_by_region(zone)
        assert counts[zone.parked_regions()[0], 6].tolist() == [0] * 10 + [2]
        assert counts.sum(axis=(0, 1)).tolist() == zone.buddyinfo().tolist()
        assert counts[:, :6].sum(axis=0).tolist() == zone.pagetypeinfo().tolist()

    def test_zones_of_a_simulation_are_printed_as_well(self):
        sim = pa.Simulation("exynos4210-2g")
        present = [region.present for region in sim.machine.zones[0].regions]
        text = zoneinfo_regions_text(sim.zones[0], present)
        assert "\tRegion      3 \t  57332 \t  57332\n" in text
