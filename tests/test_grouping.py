"""Grouping by region, one test per rule; the state machine compares whole histories with the model."""

import pickle
from mmap import mmap

import pytest
from zones import small_zone

import pasralloc as pa
from pasralloc.testing import freelist

# Zones of four regions of two blocks of 1024 pages; of the two blocks of a region the upper one is first on a list.


@pytest.fixture(params=["6.12", "3.9"])
def kernel(request):
    return request.param


def grouping(nr_blocks=8, region_blocks=2, **options):
    options = {"placement": "sorted", "grouping": "by-region"} | options
    return small_zone(nr_blocks, region_blocks, **options)


def with_group_in(zone, region, name="unmovable"):
    """Make the last block of a region all in use, and of a type."""
    pfn = int(zone.region_start_pfn[region]) + 1024
    zone.take_range(pfn, 1024, name)
    zone.set_pageblocks(pfn, 1024, name)
    return zone


def last_event(zone):
    event = zone.extfrag_events()[-1]
    names = zone.migratetypes
    return (
        int(event["pfn"]),
        int(event["alloc_order"]),
        names[event["alloc_migratetype"]],
        int(event["fallback_order"]),
        names[event["fallback_migratetype"]],
        bool(event["change_ownership"]),
    )


class TestRule:
    @pytest.mark.parametrize("name", ["unmovable", "reclaimable"])
    @pytest.mark.parametrize("there", ["unmovable", "reclaimable"])
    def test_a_block_beside_the_group_goes_before_a_lower_one(self, kernel, name, there):
        chosen = {}
        for option in (None, "by-region"):
            zone = with_group_in(grouping(kernel=kernel, grouping=option), 2, there)
            chosen[option] = zone.alloc(0, name)
            assert last_event(zone) == (chosen[option], 0, name, 10, "movable", True)
            assert zone.nr_extfrag == 1
            zone.check()
        assert chosen == {None: 1024, "by-region": 4096}

    def test_all_of_the_block_becomes_the_requesters(self, kernel):
        zone = with_group_in(grouping(kernel=kernel), 2, "reclaimable")
        assert zone.alloc(0, "unmovable") == 4096
        for order in range(10):
            assert freelist(zone, order, "unmovable") == [4096 + (1 << order)]
        assert zone.pageblock_counts().tolist() == (
            [2, 2, 12, 0, 0, 0] if kernel == "3.9" else [2, 12, 2, 0, 0, 0]
        )
        zone.free(4096)
        assert freelist(zone, 10, "unmovable") == [4096]

    def test_of_several_regions_the_lowest(self, kernel):
        zone = with_group_in(with_group_in(grouping(kernel=kernel), 3), 1)
        assert zone.alloc(0, "unmovable") == 2048
        assert zone.alloc(10, "unmovable") == 6144

    def test_the_lowest_region_goes_before_the_largest_block(self, kernel):
        zone = with_group_in(with_group_in(grouping(kernel=kernel), 3), 1)
        zone.take_range(2048, 512)
        assert zone.alloc(0, "reclaimable") == 2560
        assert last_event(zone) == (2560, 0, "reclaimable", 9, "movable", True)

    def test_in_the_region_the_largest_block(self, kernel):
        zone = with_group_in(grouping(12, 3, kernel=kernel), 2)
        zone.take_range(6144, 512)
        assert freelist(zone, 9, "movable") == [6656]
        assert zone.alloc(0, "unmovable") == 8192
        assert zone.alloc(10, "movable") == 1024, "the largest movable block of the lowest region"

    def test_of_equal_blocks_the_type_that_the_row_names_first(self, kernel):
        zone = grouping(kernel=kernel)
        zone.set_pageblocks(4096, 1024, "reclaimable")
        assert zone.alloc(0, "unmovable") == 4096
        zone = grouping(kernel=kernel)
        zone.set_pageblocks(4096, 1024, "unmovable")
        assert zone.alloc(0, "reclaimable") == 4096

    def test_less_than_a_pageblock_is_left_to_the_ordinary_rules(self, kernel):
        zone = with_group_in(grouping(kernel=kernel), 2)
        zone.take_range(4096, 1)
        zone.take_range(4096 + 512, 1)
        assert zone.alloc(0, "unmovable") == 1024

    def test_a_request_for_more_takes_a_block_that_fits(self, kernel):
        zone = with_group_in(with_group_in(grouping(kernel=kernel), 3), 1)
        zone.take_range(2048, 512)
        assert zone.alloc(10, "unmovable") == 6144

    def test_pageblocks_of_the_largest_order(self, kernel):
        zone = with_group_in(grouping(kernel=kernel, pageblock_order=10), 2)
        assert zone.alloc(3, "unmovable") == 4096

    def test_own_lists_come_first(self, kernel):
        zone = with_group_in(grouping(kernel=kernel), 0)
        zone.set_pageblocks(6144, 1024, "reclaimable")
        zone.take_range(6145, 1023, "reclaimable")
        assert zone.alloc(0, "reclaimable") == 6144
        assert zone.nr_extfrag == 0
        assert zone.alloc(0, "reclaimable") == 0

    def test_movable_requests_do_as_ever(self, kernel):
        for option in (None, "by-region"):
            zone = grouping(4, 2, kernel=kernel, grouping=option)
            zone.set_pageblocks(0, 4096, "reclaimable")
            zone.take_range(0, 512)
            zone.take_range(1024, 512)
            assert zone.alloc(0, "movable") == 3072, "the largest block, not one of region 0"

    @pytest.mark.parametrize("name", ["cma", "isolate"])
    def test_other_types_neither_lend_nor_attract(self, kernel, name):
        zone = with_group_in(grouping(kernel=kernel), 1)
        zone.set_pageblocks(2048, 1024, name)
        assert zone.alloc(0, "unmovable") == 1024
        zone = grouping(kernel=kernel)
        zone.set_pageblocks(3072, 1024, name)
        assert zone.alloc(0, "unmovable") == 1024

    def test_a_request_that_must_not_fragment_may_have_it(self):
        zone = with_group_in(grouping(), 2)
        assert zone.alloc(0, "unmovable", flags=16) == 4096

    def test_a_cut_pageblock_counts_for_its_region(self, kernel):
        """The last region ends inside a pageblock, which is unmovable."""
        zone = pa.Zone(
            3 * 2048 - 200, region_pages=2048, grouping="by-region", kernel=kernel, absent=[]
        )
        zone.take_range(5632, 312)
        zone.set_pageblocks(5632, 312, "unmovable")
        assert zone.alloc(0, "unmovable") == 4096

    def test_a_region_that_begins_inside_a_pageblock_shares_it(self, kernel):
        """Posted, regions from pfn 1 on: of the pageblock at 2048 one page lies in region 0, and all others in region 1."""
        options = {"start_pfn": 1, "quirks": "posted", "kernel": kernel}
        zone = pa.Zone(8 * 1024, region_pages=2048, grouping="by-region", **options)
        zone.take_range(2048, 512)
        zone.set_pageblocks(2048, 512, "unmovable")
        assert zone.region_of(2048) == 0
        assert zone.region_of(2049) == 1
        assert zone.alloc(0, "reclaimable") == 1024, "region 0 has page 2048"
        assert zone.alloc(10, "reclaimable") == 4096, "and region 1 the others"
        zone.check()

    def test_a_refill_of_a_pageset_stays_there(self, kernel):
        zone = with_group_in(grouping(kernel=kernel, pagesets=pa.Pagesets(nr_cpus=1)), 2)
        pfns = [zone.alloc(0, "unmovable") for _ in range(900)]
        assert {zone.region_of(pfn) for pfn in pfns} == {2}
        assert zone.nr_extfrag == 1
        zone.check()

    def test_many_regions(self):
        """Two words of the bitmap of regions, and regions without the group before the one that has it."""
        zone = with_group_in(grouping(300, 2), 130)
        assert zone.alloc(0, "unmovable") == 130 * 2048
        assert zone.alloc(10, "reclaimable") == 1024


class TestWithRegionAllocator:
    @pytest.mark.parametrize("rule", ["when-dry", "lowest-first"])
    def test_the_group_shares_a_region_before_another_is_opened(self, rule):
        chosen = {}
        for option in (None, "by-region"):
            zone = grouping(placement="biased", region_allocator=rule, grouping=option)
            assert zone.alloc(0, "unmovable") in (2048, 3072)
            chosen[option] = zone.region_of(zone.alloc(0, "reclaimable")), zone.parked_regions()
            zone.check()
        assert chosen == {None: (2, [3]), "by-region": (1, [2, 3])}

    @pytest.mark.parametrize("by_region", [False, True])
    def test_a_refill_of_a_pageset_asks_in_the_same_order(self, kernel, by_region):
        pagesets = pa.Pagesets(nr_cpus=1, by_region=by_region)
        options = {"placement": "biased", "region_allocator": "when-dry", "pagesets": pagesets}
        zone = grouping(kernel=kernel, **options)
        regions = {zone.region_of(zone.alloc(0, name)) for name in ("unmovable", "reclaimable")}
        assert (regions, zone.parked_regions()) == ({1}, [2, 3])
        zone.check()

    def test_what_is_parked_is_no_block_to_borrow(self):
        zone = grouping(placement="biased", region_allocator="when-dry")
        first = zone.alloc(0, "unmovable")
        zone.alloc_batch([10, 10])
        zone.set_pageblocks(6144, 1024, "unmovable")  # unparks region 3
        assert zone.parked_regions() == [2]
        zone.take_range(6144, 1024, "unmovable")
        taken = zone.alloc_batch([10], "unmovable").tolist()
        assert {zone.region_of(pfn) for pfn in (first, *taken)} == {1}
        while zone.region_of(zone.alloc(0, "unmovable")) == 1:
            pass
        assert zone.parked_regions() == [2], "region 3 had a movable block beside the group"
        zone.check()

    def test_a_region_of_two_types_parks_once_it_is_free_on_one_list(self):
        zone = grouping(12, 2, placement="biased", region_allocator="when-dry")
        first = zone.alloc(10, "unmovable")
        second = zone.alloc(10, "reclaimable")
        assert {zone.region_of(first), zone.region_of(second)} == {1}
        other = zone.alloc(10, "unmovable")  # nothing is left beside them
        assert (zone.region_of(other), zone.parked_regions()) == (2, [3, 4, 5])
        zone.free(first)
        zone.free(second)
        assert (zone.region_nr_free[1], zone.parked_regions()) == (2048, [3, 4, 5])
        zone.check()
        taken = [zone.alloc(10, "unmovable") for _ in range(3)]
        assert [taken[0], taken[2]] == [first, second], "the last from the reclaimable list"
        zone.free(taken[1])
        zone.free(first)
        zone.free(second)
        assert zone.parked_regions() == [1, 3, 4, 5], "the list keeps a block of region 2"
        zone.check()


class TestDescription:
    def test_it_is_off_by_default_and_told(self):
        assert small_zone().grouping is None
        assert "grouping" not in repr(small_zone())
        zone = grouping()
        assert zone.grouping == "by-region"
        assert "grouping='by-region'" in repr(zone)

    def test_bad_values_name_what_can_be(self):
        with pytest.raises(ValueError, match=r"grouping .*'by-regions'; did you mean 'by-region'"):
            grouping(grouping="by-regions")
        with pytest.raises(ValueError, match="grouping must be one of None, 'by-region', got 1"):
            grouping(grouping=1)
        with pytest.raises(ValueError, match="grouping needs lists in region order"):
            grouping(placement="linux")
        with pytest.raises(
            TypeError, match=r"option of a zone .*'groupin'; did you mean 'grouping'"
        ):
            small_zone(groupin="by-region")

    def test_a_policy_names_all_that_is_wrong(self):
        with pytest.raises(ValueError, match=r"region_allocator needs .*; grouping needs"):
            pa.Policy(
                name="p", placement="linux", region_allocator="when-dry", grouping="by-region"
            )

    def test_it_is_part_of_the_state(self):
        """The same lists, and other answers: another digest, and no snapshot of the one fits the other."""
        plain, grouped = grouping(grouping=None), grouping()
        assert plain.blocks().tolist() == grouped.blocks().tolist()
        assert plain.digest() != grouped.digest()
        snapshot = pickle.loads(pickle.dumps(grouped.snapshot()))
        with pytest.raises(ValueError, match="not of a zone like"):
            plain.restore(snapshot)
        with_group_in(grouped, 2)
        assert grouped.alloc(0, "unmovable") == 4096
        grouped.restore(snapshot)
        assert grouped.digest() == snapshot.digest == grouping().digest()

    def test_a_buffer_may_hold_such_a_zone(self):
        options = {"region_pages": 2048, "grouping": "by-region"}
        zone = pa.Zone(8192, buffer=mmap(-1, pa.Zone.buffer_size(8192, **options)), **options)
        assert with_group_in(zone, 2).alloc(0, "unmovable") == 4096


class TestAboveZones:
    policy = pa.Policy(name="grouped", placement="biased", grouping="by-region")

    def test_a_simulation_hands_it_to_its_zones(self):
        sim = pa.Simulation("phone-8g", self.policy)
        assert {zone.grouping for zone in sim.zones} == {"by-region"}
        plain = pa.Simulation("phone-8g", pa.Policy(name="grouped", placement="biased"))
        assert sim.digest() != plain.digest()
        with pytest.raises(ValueError, match="is not of a simulation like"):
            plain.restore(sim.snapshot())

    @pytest.mark.parametrize("machine", [None, "generic-16g"])
    def test_a_replay_tells_of_it(self, machine):
        trace = pa.Trace.sample("demo")
        result = pa.replay(trace, self.policy, machine=machine)
        plain = pa.replay(trace, pa.Policy(name="p", placement="biased"), machine=machine)
        assert result.provenance["grouping"] == "by-region"
        assert plain.provenance["grouping"] is None
        assert result.provenance["digest"] != plain.provenance["digest"]
