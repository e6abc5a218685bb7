"""Every invariant of `Zone.check` has a zone that breaks it, and it alone is named."""

import numpy as np
import pytest

import pasralloc as pa
from pasralloc.testing import corrupt, freelist

MOVABLE = 1


def busy_zone(placement):
    """Four regions of two blocks; region 3 untouched, the others with holes of every kind."""
    zone = pa.Zone(8 * 1024, region_pages=2048, placement=placement, absent=[(2048, 7)])
    pfns = zone.alloc_batch([0] * 300 + [1, 2, 3, 0, 5, 9, 10])
    zone.free_batch([*pfns[:300:3], pfns[-3], pfns[-1]])
    zone.check()
    return zone


def first_free(zone, order):
    return freelist(zone, order, "movable")


def broken(zone, match, name, index, value, **where):
    corrupt(zone, name, index, value, **where)
    with pytest.raises(pa.CorruptZone, match=match):
        zone.check()


@pytest.fixture(params=["sorted", "linux"])
def zone(request):
    return busy_zone(request.param)


@pytest.fixture
def sorted_zone():
    return busy_zone("sorted")


def test_a_region_table_that_is_wrong(zone):
    broken(zone, "block number 3 is assigned to region 2, expected 1", "region_of_block", 3, 2)


def test_a_pageblock_of_no_type(zone):
    broken(zone, "pageblock 5 has migratetype 6, expected less than 6", "pageblocks", 5, 6)


def test_a_count_of_highatomic_pages_that_is_wrong(zone):
    broken(zone, "counts 512 pages of HIGHATOMIC pageblocks, there are 0", "nr_highatomic", 0, 512)


@pytest.mark.parametrize("tag", [0x80, 0x0C, 0x8F, 0x71, 0x90])
def test_a_malformed_tag(zone, tag):
    head = first_free(zone, 0)[0]
    broken(zone, f"frame {head} has the malformed tag {tag:#x}", "tags", head, tag)


def test_a_top_tag_of_a_smaller_order(zone):
    broken(zone, "frame 7168 has the malformed tag 0x93", "top_tags", 7, 0x93)


def test_a_block_that_is_not_aligned(zone):
    head = next(pfn for pfn in first_free(zone, 0) if pfn % 4 == 2)
    broken(zone, f"block at frame {head} of order 2 is not aligned", "tags", head, 0x03)


def test_a_block_inside_another(zone):
    head = first_free(zone, 7)[0]
    broken(
        zone,
        f"frame {head + 9} has the tag 0x1 but lies inside what starts at frame {head}",
        "tags",
        head + 9,
        0x01,
    )


def test_a_tag_inside_a_block_of_the_largest_order(zone):
    head = first_free(zone, 10)[-1]
    broken(zone, f"frame {head + 1023} has the tag 0x11 but lies inside", "tags", head + 1023, 0x11)


def test_a_block_beyond_the_zone():
    zone = pa.Zone(2000, region_pages=2048)
    zone.check()
    broken(
        zone,
        "block at frame 2000 reaches frame 2001, outside the zone which ends at 2000",
        "tags",
        2000,
        0x01,
    )


def test_buddies_that_are_not_merged(zone):
    pfn = (
        next(pfn for pfn in first_free(zone, 0) if zone.block_of(pfn ^ 1)[1:3] == (0, "allocated"))
        ^ 1
    )
    other = pfn ^ 1
    broken(
        zone,
        f"free buddies of order 0 at frames {min(pfn, other)} and {max(pfn, other)}",
        "tags",
        pfn,
        0x91,
    )


def test_a_wrong_count_of_managed_pages_in_a_region(zone):
    broken(
        zone,
        "region 3 counts 2047 managed pages, its blocks hold 2048",
        "regions",
        3,
        2047,
        field="managed",
    )


def test_a_wrong_count_of_free_pages_in_a_region(zone):
    broken(zone, "region 3 counts 5 free pages, its blocks hold", "regions", 3, 5, field="nr_free")


def test_a_wrong_count_of_managed_pages(zone):
    broken(zone, "the zone counts 1 managed pages, its blocks hold 8185", "managed", 0, 1)


def test_a_wrong_count_of_free_pages(zone):
    broken(zone, f"the zone counts 0 free pages, its blocks hold {zone.nr_free}", "nr_free", 0, 0)


def test_a_wrong_number_of_blocks_on_a_list(zone):
    nr = len(first_free(zone, 10))
    broken(
        zone,
        f"list of order 10, migratetype 1 counts {nr + 1} blocks, the tags show {nr}",
        "nr_blocks",
        0,
        nr + 1,
        freelist=(10, MOVABLE),
    )


def test_a_list_mask_that_forgets_a_list(zone):
    broken(zone, "the list mask of migratetype 1 is 0x1, expected", "nonempty", MOVABLE, 1)


def test_a_link_to_what_is_no_free_block(zone):
    head = first_free(zone, 0)[0]
    broken(
        zone,
        "list of order 0, migratetype 1 leads to node 5000, which is no free block",
        "links",
        head,
        5000,
        field="next",
    )


def test_a_link_out_of_the_zone(zone):
    head = first_free(zone, 0)[0]
    broken(
        zone,
        "list of order 0, migratetype 1 leads to node 99999999",
        "links",
        head,
        99999999,
        field="next",
    )


def test_a_head_out_of_the_zone(zone):
    broken(
        zone,
        "list of order 10, migratetype 1 leads to node 77",
        "head",
        0,
        77,
        freelist=(10, MOVABLE),
    )


def test_a_back_link_to_another_block(zone):
    first, second = first_free(zone, 0)[:2]
    broken(
        zone,
        f"node {second} names 3 as its predecessor, expected {first}",
        "links",
        second,
        3,
        field="prev",
    )


def test_a_list_that_ends_early(zone):
    pfns = first_free(zone, 0)
    broken(
        zone,
        f"list of order 0, migratetype 1 ends after 3 blocks, expected {len(pfns)}",
        "links",
        pfns[2],
        0xFFFFFFFF,
        field="next",
    )


def test_a_list_that_runs_in_a_circle(zone):
    pfns = first_free(zone, 0)
    corrupt(zone, "links", pfns[-1], pfns[0], field="next")
    broken(
        zone,
        f"list of order 0, migratetype 1 ends after {len(pfns) + 1} blocks",
        "links",
        pfns[0],
        pfns[-1],
        field="prev",
    )


def test_a_tail_that_is_not_the_last_block():
    zone = busy_zone("linux")
    pfns = first_free(zone, 0)
    broken(
        zone,
        f"list of order 0, migratetype 1 has the tail {pfns[0]}, expected {pfns[-1]}",
        "tail",
        0,
        pfns[0],
        freelist=(0, MOVABLE),
    )


def test_a_head_region_that_is_not_that_of_the_head(sorted_zone):
    broken(
        sorted_zone,
        "list of order 0, migratetype 1 says its first block is in region 3",
        "head_region",
        0,
        3,
        freelist=(0, MOVABLE),
    )


def test_a_list_out_of_region_order(sorted_zone):
    pfns = first_free(sorted_zone, 10)
    regions = [pfn // 2048 for pfn in pfns]
    assert regions == sorted(regions)
    assert regions[0] < regions[-1]
    first, last = pfns[0] // 1024, pfns[-1] // 1024
    nodes = [pfn // 1024 for pfn in pfns]
    order = [last, *nodes[1:-1], first]
    for at, node in enumerate(order):
        corrupt(
            sorted_zone,
            "top_links",
            node,
            order[at + 1] if at + 1 < len(order) else 0xFFFFFFFF,
            field="next",
        )
        corrupt(sorted_zone, "top_links", node, order[at - 1] if at else 0, field="prev")
    corrupt(sorted_zone, "head_region", 0, regions[-1], freelist=(10, MOVABLE))
    broken(
        sorted_zone,
        f"list of order 10, migratetype 1 has region {regions[1]} after region {regions[-1]}",
        "head",
        0,
        last,
        freelist=(10, MOVABLE),
    )


def test_a_wrong_length_of_a_run(sorted_zone):
    broken(
        sorted_zone,
        "run of region 3 counts 9 blocks, expected 2",
        "runs",
        3,
        9,
        field="nr_blocks",
        freelist=(10, MOVABLE),
    )


def test_a_wrong_end_of_a_run(sorted_zone):
    last = first_free(sorted_zone, 10)[-1] // 1024
    broken(
        sorted_zone,
        f"run of region 3 ends at node {last ^ 1}, expected {last}",
        "runs",
        3,
        last ^ 1,
        field="last",
        freelist=(10, MOVABLE),
    )


@pytest.mark.parametrize("bits", [0, 0xFF])
def test_a_region_bitmap_that_does_not_match_the_runs(sorted_zone, bits):
    broken(
        sorted_zone,
        "region bit . of a list is ., expected",
        "leaf",
        0,
        bits,
        freelist=(10, MOVABLE),
    )


@pytest.mark.parametrize(("bits", "where"), [(0, 0), (3, 1), (1 | 1 << 63, 63)])
def test_a_root_word_that_does_not_match_the_leaf_words(sorted_zone, bits, where):
    broken(sorted_zone, f"root bit {where} of a list is", "root", 0, bits, freelist=(10, MOVABLE))


def test_a_root_word_that_does_not_match_the_changed_regions(zone):
    zone.changed_regions()
    broken(zone, "root bit 0 of the changed regions is 1, expected 0", "changed_root", 0, 1)


def test_a_change_of_a_region_that_does_not_exist(zone):
    zone.changed_regions()
    corrupt(zone, "changed_root", 0, 1)
    broken(zone, "region 4 is marked as changed, there are 4 regions", "changed", 0, 1 << 4)


def test_check_is_safe_whatever_the_tables_hold():
    """Scribble anywhere: check() says so or finds the zone sound, and never crashes."""
    rng = np.random.default_rng(0)
    names = (
        "tags",
        "top_tags",
        "links",
        "top_links",
        "regions",
        "region_of_block",
        "pageblocks",
        "changed",
    )
    found = 0
    for round_ in range(300):
        zone = busy_zone("sorted" if round_ % 2 else "linux")
        for _ in range(rng.integers(1, 4)):
            name = names[rng.integers(len(names))]
            fields = {
                "links": ("next", "prev"),
                "top_links": ("next", "prev"),
                "regions": ("nr_free", "managed"),
            }
            field = fields[name][rng.integers(2)] if name in fields else None
            size = {"tags": 8192, "links": 8192, "regions": 4, "changed": 1, "pageblocks": 16}.get(
                name, 8
            )
            value = (
                int(rng.integers(0, 256))
                if name in ("tags", "top_tags", "pageblocks")
                else int(rng.integers(0, 1 << 16))
            )
            corrupt(zone, name, int(rng.integers(size)), value, field=field)
        try:
            zone.check()
        except pa.CorruptZone:
            found += 1
    assert found > 150
