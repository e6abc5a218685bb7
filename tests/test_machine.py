"""Machines: zones, regions, zonelists, watermarks, pagesets, presets, and what is refused."""

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import BLOCK, GIB, machine, machines, node, two_nodes

import pasralloc as pa
from pasralloc.machine import Node
from pasralloc.machine.ranges import intersect, join, subtract, total

KERNELS = ("6.12", "3.9")

range_sets = st.lists(st.integers(0, 60), unique=True).map(
    lambda cuts: tuple(zip(sorted(cuts)[::2], sorted(cuts)[1::2], strict=False))
)


def pages(ranges):
    return {pfn for start, end in ranges for pfn in range(start, end)}


class TestRanges:
    @given(range_sets, range_sets)
    def test_ranges_are_sets_of_pages(self, a, b):
        assert pages(intersect(a, b)) == pages(a) & pages(b)
        assert pages(subtract(a, b)) == pages(a) - pages(b)
        assert pages(join([*b, *a])) == pages(a) | pages(b)
        assert total(a) == len(pages(a))

    @given(range_sets, range_sets)
    def test_what_is_joined_does_not_touch(self, a, b):
        joined = join([*a, *b])
        assert all(x[1] < y[0] for x, y in itertools.pairwise(joined))


class TestLaws:
    @given(machines())
    def test_zones_partition_the_present_memory(self, some):
        for one in some.nodes:
            zones = [zone for zone in some.zones if zone.nid == one.nid]
            assert sum(zone.present for zone in zones) == total(one.memory)
            assert sum(zone.managed for zone in zones) == total(one.memory) - total(one.reserved)
            managed = [pair for zone in zones for pair in zone.managed_ranges]
            assert join(managed) == join(subtract(one.memory, one.reserved))

    @given(machines())
    def test_zones_come_by_node_and_type_and_share_no_block(self, some):
        keys = [(zone.nid, zone.type) for zone in some.zones]
        assert keys == sorted(set(keys))
        spans = sorted((zone.start_pfn, zone.end_pfn) for zone in some.zones)
        assert all(x[1] <= y[0] for x, y in itertools.pairwise(spans))
        assert all(pfn % BLOCK == 0 for span in spans for pfn in span)

    @given(machines())
    def test_regions_partition_the_span_of_each_zone(self, some):
        for zone in some.zones:
            starts = [region.start_pfn for region in zone.regions]
            ends = [region.end_pfn for region in zone.regions]
            assert [zone.start_pfn, *ends] == [*starts, zone.end_pfn]
            assert all(start < end for start, end in zip(starts, ends, strict=True))
            assert sum(region.present for region in zone.regions) == zone.present
            assert sum(region.managed for region in zone.regions) == zone.managed
            for region in zone.regions:
                span = ((region.start_pfn, region.end_pfn),)
                assert region.managed == total(intersect(zone.managed_ranges, span))
                memory = some.node(zone.nid).memory
                assert region.present == total(intersect(memory, span))

    @given(machines())
    def test_a_region_begins_where_one_of_the_node_does(self, some):
        for zone in some.zones:
            starts = {start for start, _ in some.node(zone.nid).regions}
            assert {region.start_pfn for region in zone.regions[1:]} <= starts
            inside = {pfn for pfn in starts if zone.start_pfn < pfn < zone.end_pfn}
            assert inside <= {region.start_pfn for region in zone.regions}

    @given(machines(), st.integers(0, 3))
    def test_a_zonelist_is_a_permutation_of_the_usable_zones(self, some, highest):
        for one in some.nodes:
            chosen = some.zonelist(one.nid, highest)
            usable = [k for k, z in enumerate(some.zones) if z.type <= highest and z.managed]
            assert sorted(chosen) == usable
            zones = [some.zones[k] for k in chosen]
            distance = dict(zip((other.nid for other in some.nodes), one.distances, strict=True))
            assert [distance[z.nid] for z in zones] == sorted(distance[z.nid] for z in zones)
            for below, above in itertools.pairwise(zones):
                assert below.nid != above.nid or below.type > above.type
            nids = [z.nid for z in zones]
            assert (
                len(set(nids)) == 1 + sum(a != b for a, b in itertools.pairwise(nids)) or not nids
            )

    @given(machines(), st.sampled_from(KERNELS))
    def test_watermarks_ascend_and_reserves_grow_with_the_request(self, some, kernel):
        marks = some.watermarks(kernel)
        assert len(marks) == len(some.zones)
        for zone, mark in zip(some.zones, marks, strict=True):
            assert 0 <= mark.min <= mark.low <= mark.high
            assert (mark.promo is None) == (kernel == "3.9")
            assert mark.promo is None or mark.promo >= mark.high
            assert list(mark.lowmem_reserve) == sorted(mark.lowmem_reserve)
            assert set(mark.lowmem_reserve[: zone.type + 1]) == {0}
            assert kernel == "6.12" or mark.boost_max == 0

    @given(machines(), st.sampled_from(KERNELS))
    def test_a_zone_accepts_the_pagesets(self, some, kernel):
        for zone, pagesets in zip(some.zones, some.pagesets(kernel), strict=True):
            sizes = pagesets.sizes(kernel, zone.managed)
            assert pagesets.nr_cpus == some.nr_cpus
            assert sizes[:2] == (pagesets.batch, pagesets.high)


class TestZonelists:
    def matrix(self, *rows):
        return machine(
            *(
                Node(
                    nid=2 * i,
                    cpus=(i,),
                    distances=row,
                    memory=((i * GIB, (i + 1) * GIB),),
                    zones=(
                        ("DMA32", i * GIB, i * GIB + GIB // 2),
                        ("Normal", i * GIB + GIB // 2, (i + 1) * GIB),
                    ),
                    regions=((i * GIB, (i + 1) * GIB),),
                )
                for i, row in enumerate(rows)
            )
        )

    def test_nearest_first_and_from_the_highest_zone_down(self):
        some = self.matrix((10, 30, 20), (30, 10, 25), (20, 25, 10))
        assert some.zonelist(0, 2) == (1, 0, 5, 4, 3, 2)
        assert some.zonelist(2, 3) == (3, 2, 5, 4, 1, 0)
        assert some.zonelist(4, 1) == (4, 0, 2)
        assert some.zonelist(4, 0) == ()

    def test_of_equals_the_next_higher_node_comes_first(self):
        some = self.matrix((10, 20, 20), (20, 10, 20), (20, 20, 10))
        assert some.zonelist(0, 1) == (0, 2, 4)
        assert some.zonelist(2, 1) == (2, 4, 0)
        assert some.zonelist(4, 1) == (4, 0, 2)

    def test_zones_without_managed_pages_are_left_out(self):
        first = {"zones": (("DMA", 0, BLOCK), ("Normal", BLOCK, GIB)), "reserved": ((0, BLOCK),)}
        some = machine(node(**first))
        assert [zone.managed for zone in some.zones] == [0, GIB - BLOCK]
        assert some.zonelist(0, 2) == (1,)
        for kernel in KERNELS:
            empty = some.watermarks(kernel)[0]
            assert (empty.min, empty.low, empty.high, empty.boost_max) == (0, 0, 0, 0)
            assert empty.lowmem_reserve == (0, 0, 0, 0)

    def test_a_node_without_memory_uses_the_others(self):
        some = machine(node(distances=(10, 20)), Node(nid=3, cpus=(2,), distances=(20, 10)))
        assert some.zonelist(3, 2) == (0,)
        assert some.nr_cpus == 3

    def test_unknown_nodes_and_types_are_refused(self):
        with pytest.raises(ValueError, match="nid must be one of 0, got 1"):
            machine().zonelist(1, 2)
        with pytest.raises(ValueError, match="highest_type must be one of 0, 1, 2, 3, got 4"):
            machine().zonelist(0, 4)


# What a live 6.18 kernel printed in zoneinfo, with min_free_kbytes as huge pages had set it.
LIVE = pa.Machine(
    name="live",
    min_free_kbytes=67584,
    nodes=(
        Node(
            nid=0,
            cpus=(0, 1),
            memory=((1, 159), (256, 786432), (1048576, 6553600)),
            reserved=((1, 159), (777013, 786432), (3342336, 6553600)),
            zones=(("DMA", 1, 4096), ("DMA32", 4096, 1048576), ("Normal", 1048576, 6553600)),
            regions=((0, 6553600),),
        ),
    ),
)


class TestWatermarks:
    def test_a_live_kernel_printed_the_same(self):
        marks = [(m.min, m.low, m.high, m.promo) for m in LIVE.watermarks("6.12")]
        assert marks == [(21, 26, 31, 36), (4253, 5316, 6379, 7442), (12621, 15776, 18931, 22086)]
        assert [m.lowmem_reserve for m in LIVE.watermarks("6.12")] == [
            (0, 3019, 11979, 11979),
            (0, 0, 8960, 8960),
            (0, 0, 0, 0),
        ]
        sizes = [(p.batch, p.high, p.high_max) for p in LIVE.pagesets("6.12")]
        assert sizes == [(1, 13, 240), (63, 2658, 48307), (63, 7888, 143360)]

    @pytest.mark.parametrize(
        ("kbytes", "expected"), [(None, (5575, 6968, 8362)), (49048, (5960, 7450, 8940))]
    )
    def test_the_series_printed_the_same(self, kbytes, expected):
        some = pa.Machine.preset("sandybridge-128g-2013")
        mark = dataclasses.replace(some, min_free_kbytes=kbytes).watermarks("3.9")[2]
        assert (mark.min, mark.low, mark.high) == expected

    @pytest.mark.parametrize(
        ("gib", "kernel", "kbytes"),
        [
            (4, "6.12", 8192),
            (8, "6.12", 11585),
            (16, "3.9", 16384),
            (512, "3.9", 65536),
            (512, "6.12", 92681),
            (8192, "6.12", 262144),
        ],
    )
    def test_min_free_kbytes_by_the_size_of_the_memory(self, gib, kernel, kbytes):
        one = node(
            memory=((0, gib * GIB),),
            zones=(("Normal", 0, gib * GIB),),
            regions=((0, gib * GIB),),
        )
        assert machine(one).watermarks(kernel)[0].min == kbytes // 4

    def test_a_small_machine_keeps_128_kbytes(self):
        one = node(memory=((0, 100),), zones=(("Normal", 0, 1024),), regions=((0, 1024),))
        assert machine(one).watermarks("3.9")[0].min == 32

    def movable(self):
        return machine(node(zones=(("Normal", 0, GIB // 4), ("Movable", GIB // 4, GIB))))

    def test_movable_takes_no_part_in_6_12(self):
        normal, movable = self.movable().watermarks("6.12")
        assert normal.min == 2048 // 4, "the root of 16 times 256 MiB in kB, all of it for Normal"
        assert movable.min == 128, "192 of 1/1024, at most 128"
        assert movable.low - movable.min == 2048 // 4 * 3 // 4, "the gap is of the uncapped share"
        assert normal.lowmem_reserve == (0, 0, 0, 3 * GIB // 4 // 32)

    def test_movable_shares_in_3_9(self):
        normal, movable = self.movable().watermarks("3.9")
        assert (normal.min, movable.min) == (128, 384)

    def test_movable_is_never_below_32(self):
        some = machine(node(zones=(("Normal", 0, GIB - 2048), ("Movable", GIB - 2048, GIB))))
        assert some.watermarks("6.12")[1].min == 32

    def test_the_scale_factor_widens_the_gaps(self):
        mark = machine(watermark_scale_factor=1000).watermarks("6.12")[0]
        assert (mark.low - mark.min, mark.high - mark.low) == (GIB // 10, GIB // 10)
        assert machine(watermark_scale_factor=1000).watermarks("3.9")[0].low == 1280

    def test_a_boost_is_half_as_much_again_or_a_pageblock(self):
        mark = machine().watermarks("6.12")[0]
        assert mark.boost_max == mark.high * 3 // 2
        small = {"zones": (("Normal", 0, 4096),), "regions": ((0, 4096),)}
        assert machine(node(memory=((0, 2048),), **small)).watermarks("6.12")[0].boost_max == 512
        assert machine(node(memory=((0, 2047),), **small)).watermarks("6.12")[0].boost_max == 0
        assert (
            machine(node(memory=((0, 2048),), **small), min_free_kbytes=0, watermark_scale_factor=1)
            .watermarks("6.12")[0]
            .boost_max
            == 0
        )

    def test_reserves_are_of_the_own_node(self):
        some = machine(
            *two_nodes(
                {"zones": (("DMA32", 0, BLOCK), ("Normal", BLOCK, GIB))},
                {"zones": (("Normal", GIB, 2 * GIB),)},
            )
        )
        reserve = some.watermarks("6.12")[0].lowmem_reserve
        assert reserve == (0, 0, (GIB - BLOCK) // 256, (GIB - BLOCK) // 256)

    def test_unknown_kernels_are_refused(self):
        for call in (machine().watermarks, machine().pagesets):
            with pytest.raises(
                ValueError, match=r"kernel must be one of '6\.12', '3\.9', got '5\.10'"
            ):
                call("5.10")


class TestPagesets:
    def test_the_cpus_of_the_node_share(self):
        some = machine(*two_nodes({"cpus": (0,)}, {"cpus": (1, 2, 9)}))
        first, second = some.pagesets("6.12")
        assert first.nr_cpus == second.nr_cpus == 10
        assert first.high_max == GIB // 8
        assert second.high_max == GIB // 8 // 3

    def test_a_node_without_cpus_is_shared_by_all(self):
        assert machine(*two_nodes({}, {"cpus": ()})).pagesets("6.12")[1].high_max == GIB // 8 // 2

    def test_a_high_low_watermark_is_shared_by_the_cpus_of_the_node(self):
        nodes = two_nodes({"cpus": (0,)}, {"cpus": (1, 2, 3)})
        first, second = machine(*nodes, min_free_kbytes=400_000).pagesets("6.12")
        assert (first.high, first.high_max) == (62500, 62500), "never less than the lower limit"
        assert (second.high, second.high_max) == (62500 // 3, 62500 // 3)

    def test_many_cpus_get_four_batches(self):
        pagesets = machine(node(cpus=tuple(range(4096)))).pagesets("6.12")[0]
        assert (pagesets.batch, pagesets.high, pagesets.high_max) == (63, 252, 252)

    def test_3_9_has_one_size(self):
        pagesets = machine().pagesets("3.9")[0]
        assert (pagesets.batch, pagesets.high, pagesets.high_max) == (31, 186, None)

    def test_real_zones_take_them(self):
        for kernel in KERNELS:
            for zone, pagesets in zip(LIVE.zones, LIVE.pagesets(kernel), strict=True):
                pa.Zone(
                    zone.spanned,
                    start_pfn=zone.start_pfn,
                    region_pages=zone.spanned,
                    kernel=kernel,
                    pagesets=pagesets,
                )
