"""What a machine refuses: each problem with its place, all of them at once."""

import re

import pytest
from machines import BLOCK, GIB, machine, node, two_nodes

import pasralloc as pa
from pasralloc.machine import Node, regular


def problems(*nodes, **changes):
    with pytest.raises(pa.MachineError) as error:
        machine(*nodes, **changes)
    return list(error.value.problems)


@pytest.mark.parametrize(
    ("changes", "place", "why"),
    [
        ({"pageblock_order": 0}, "pageblock_order", "must be 1 to 10, got 0"),
        ({"pageblock_order": 11}, "pageblock_order", "must be 1 to 10, got 11"),
        ({"watermark_scale_factor": 0}, "watermark_scale_factor", "must be 1 to 3000, got 0"),
        ({"min_free_kbytes": -1}, "min_free_kbytes", "must be 0 to 2147483648, got -1"),
    ],
)
def test_options_out_of_range(changes, place, why):
    assert problems(**changes) == [(place, why)]


def test_a_machine_has_a_name_and_nodes():
    with pytest.raises(pa.MachineError) as error:
        pa.Machine(name="", nodes=())
    assert error.value.problems == (
        ("name", "must not be empty"),
        ("node", "there must be at least one"),
    )
    assert str(error.value) == ": name: must not be empty\n: node: there must be at least one"


@pytest.mark.parametrize(
    ("changes", "place", "why"),
    [
        ({"nid": -1}, "nid", "must be 0 to 1023, got -1"),
        ({"cpus": (4096,)}, "cpus[0]", "a CPU must be 0 to 4095, got 4096"),
        ({"cpus": (1, 0)}, "cpus[1]", "CPUs must ascend, 0 comes after 1"),
        ({"cpus": (1, 1)}, "cpus[1]", "CPU 1 is also in node[0].cpus"),
        ({"distances": (10, 20)}, "distances", "there must be one per node, 1, got 2"),
        ({"distances": (11,)}, "distances[0]", "the distance of a node from itself is 10, got 11"),
        ({"memory": ((5, 5),)}, "memory[0]", "must hold pages: .*, got [0x5, 0x5)"),
        ({"memory": ((-5, 5),)}, "memory[0]", "must hold pages: .*, got [-0x5, 0x5)"),
        ({"memory": ((5, 1 << 46),)}, "memory[0]", "must hold pages: .* < end <= 0x200000000000"),
        (
            {"memory": ((0, 5), (4, 9))},
            "memory[1]",
            "[0x4, 0x9) overlaps node[0].memory[0], [0x0, 0x5)",
        ),
        (
            {"memory": ((4, 9), (0, 4))},
            "memory[1]",
            "[0x0, 0x4) must come before node[0].memory[0], [0x4, 0x9)",
        ),
        ({"reserved": ((0, 0),)}, "reserved[0]", "must hold pages"),
        (
            {"reserved": ((GIB - 1, GIB + 1),)},
            "reserved[0]",
            "[0x3ffff, 0x40001) is not all in the memory of the node",
        ),
        (
            {"zones": (("Norml", 0, GIB),)},
            "zones.Norml",
            "the name of a zone must be one of .*, got 'Norml'; did you mean 'Normal'?",
        ),
        (
            {"zones": (("Normal", 0, BLOCK), ("DMA32", BLOCK, GIB))},
            "zones.DMA32",
            "zones must come in the order DMA, DMA32, Normal, Movable, DMA32 comes after Normal",
        ),
        (
            {"zones": (("DMA32", BLOCK, GIB), ("Normal", 0, BLOCK))},
            "zones.Normal",
            "must come before node[0].zones.DMA32",
        ),
        ({"zones": (("Normal", 3, 3),)}, "zones.Normal", "must hold pages"),
        (
            {"zones": (("Normal", 0, GIB), ("Movable", GIB, 2 * GIB))},
            "zones.Movable",
            "zone Movable has no memory",
        ),
        (
            {"zones": (("Normal", 0, 1 << 33),)},
            "zones.Normal",
            "zone Normal spans 8589934592 pages, at most 4294964224 are possible",
        ),
        (
            {"zones": (("DMA32", 0, 5000), ("Normal", 5000, GIB))},
            "zones.Normal",
            "zone Normal [0x1388, 0x40000) shares the block of 1024 pages at 0x1000 with zone DMA32"
            " [0x0, 0x1388), node[0].zones.DMA32",
        ),
        (
            {"zones": (("Normal", 0, GIB - 1),)},
            "memory[0]",
            "[0x3ffff, 0x40000) belongs to no zone of the node",
        ),
        (
            {"regions": ((0, 1024), (2048, GIB))},
            "memory[0]",
            "[0x400, 0x800) belongs to no region of the node",
        ),
        (
            {"regions": ((0, 1), (1, GIB))},
            "regions[0]",
            "a region must begin and end at a multiple of 1024 pages, got [0x0, 0x1)",
        ),
        ({"regions": ((0, 0), (0, GIB))}, "regions[0]", "must hold pages"),
        ({"regions": ((0, 2048), (1024, GIB))}, "regions[1]", "overlaps node[0].regions[0]"),
        (
            {
                "memory": ((0, 17 * GIB),),
                "zones": (("Normal", 0, 17 * GIB),),
                "regions": (
                    *((k * 1024, (k + 1) * 1024) for k in range(4097)),
                    (4097 * 1024, 17 * GIB),
                ),
            },
            "zones.Normal",
            "zone Normal has 4098 regions, at most 4096 are possible",
        ),
    ],
)
def test_problems_of_a_node(changes, place, why):
    pattern = re.escape(why).replace(r"\.\*", ".*")
    found = [text for where, text in problems(node(**changes)) if where == f"node[0].{place}"]
    assert any(re.search(pattern, text) for text in found), problems(node(**changes))


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (two_nodes(second={"nid": 0}), ("node[1].nid", "nids must ascend, 0 comes after 0")),
        (two_nodes(second={"cpus": (1, 2)}), ("node[1].cpus[0]", "CPU 1 is also in node[0].cpus")),
        (
            two_nodes(distances=((10, 20), (21, 10))),
            (
                "node[1].distances[0]",
                "distances must be symmetric: 21 here and 20 in node[0].distances[1]",
            ),
        ),
        (
            two_nodes(distances=((10, 10), (10, 10))),
            ("node[0].distances[1]", "the distance of another node must be 11 to 255, got 10"),
        ),
        (
            two_nodes(
                second={
                    "memory": ((GIB - 1, 2 * GIB),),
                    "zones": (("Normal", GIB - 1, 2 * GIB),),
                    "regions": ((GIB - BLOCK, 2 * GIB),),
                }
            ),
            ("node[1].memory", "[0x3ffff, 0x40000) is also in node[0].memory"),
        ),
        (
            two_nodes(second={"zones": (("Normal", GIB - 1, 2 * GIB),)}),
            (
                "node[1].zones.Normal",
                "zone Normal [0x3ffff, 0x80000) overlaps zone Normal [0x0, 0x40000), node[0].zones.Normal",
            ),
        ),
        (
            two_nodes({"regions": ((0, GIB + 2048),)}),
            (
                "node[0].regions[0]",
                "region [0x0, 0x40800) crosses into the memory of node[1]",
            ),
        ),
        (
            two_nodes(
                {"memory": ((0, GIB - 1000),), "zones": (("Normal", 0, GIB - 1000),)},
                {
                    "memory": ((GIB - 900, 2 * GIB),),
                    "zones": (("Normal", GIB - 900, 2 * GIB),),
                    "regions": ((GIB - BLOCK, 2 * GIB),),
                },
            ),
            (
                "node[1].zones.Normal",
                "zone Normal [0x3fc7c, 0x80000) shares the block of 1024 pages at 0x3fc00 with zone Normal"
                " [0x0, 0x3fc18), node[0].zones.Normal",
            ),
        ),
        ((node(cpus=()),), ("node", "at least one node must have CPUs")),
        (
            (node(reserved=((0, GIB),)),),
            ("node", "a zone other than Movable must have managed pages"),
        ),
        (
            (node(zones=(("Movable", 0, GIB),)),),
            ("node", "a zone other than Movable must have managed pages"),
        ),
    ],
)
def test_problems_between_nodes(nodes, expected):
    assert expected in problems(*nodes)


def test_a_zone_that_spans_others_is_told_of_each():
    nodes = (
        node(
            distances=(10, 20, 20),
            memory=((0, GIB), (3 * GIB, 4 * GIB)),
            zones=(("Normal", 0, 4 * GIB),),
            regions=((0, GIB), (3 * GIB, 4 * GIB)),
        ),
        *(
            Node(
                nid=i,
                distances=tuple(10 if j == i else 20 for j in range(3)),
                memory=((i * GIB, (i + 1) * GIB),),
                zones=(("Normal", i * GIB, (i + 1) * GIB),),
                regions=((i * GIB, (i + 1) * GIB),),
            )
            for i in (1, 2)
        ),
    )
    assert [place for place, _ in problems(*nodes)] == [
        "node[1].zones.Normal",
        "node[2].zones.Normal",
    ]


def test_all_problems_come_at_once():
    nodes = two_nodes({"cpus": (2,), "memory": ((9, 9),)}, {"reserved": ((0, 1),)})
    assert [place for place, _ in problems(*nodes, pageblock_order=0)] == [
        "pageblock_order",
        "node[1].cpus[0]",
        "node[0].memory[0]",
        "node[1].reserved[0]",
    ]


class TestRegions:
    def test_holes_between_regions_belong_to_the_one_below(self):
        some = machine(
            node(memory=((2048, 4096), (8192, GIB)), regions=((2048, 4096), (8192, GIB)))
        )
        assert [(r.start_pfn, r.end_pfn, r.present) for r in some.zones[0].regions] == [
            (0, 8192, 2048),
            (8192, GIB, GIB - 8192),
        ]

    def test_other_regions(self):
        some = machine(*two_nodes()).with_regions(
            [(0, 4096), (4096, GIB), (GIB, 2 * GIB), (4 * GIB, 5 * GIB)]
        )
        assert [[r.present for r in zone.regions] for zone in some.zones] == [
            [4096, GIB - 4096],
            [GIB],
        ]

    @pytest.mark.parametrize(
        ("regions", "place", "why"),
        [
            (((0, 2 * GIB),), "regions[0]", r"region \[0x0, 0x80000\) crosses nodes \[0, 1\]"),
            (((0, GIB),), "node[1].memory[0]", "belongs to no region of the node"),
            (
                ((0, 1000), (1000, GIB), (GIB, 2 * GIB)),
                "node[0].regions[0]",
                "multiple of 1024 pages",
            ),
        ],
    )
    def test_other_regions_that_do_not_fit(self, regions, place, why):
        with pytest.raises(pa.MachineError, match=why) as error:
            machine(*two_nodes()).with_regions(regions)
        assert error.value.problems[0][0] == place

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (((GIB, GIB), 1024), r"must hold pages: start < end, got \[0x40000, 0x40000\)"),
            (((0, GIB), 1000), "size must be a multiple of 1024 pages, got 1000"),
            (((0, GIB), 0), "size must be a multiple of 1024 pages, got 0"),
            (((0, GIB), -1024), "size must be a multiple of 1024 pages, got -1024"),
            (((0, GIB), 1024, 5), "origin must be a multiple of 1024 pages, got 5"),
            (((0, 1 << 45), 1024), "size must make fewer than 16384 regions, got 1024 pages"),
        ],
    )
    def test_regular_regions_that_cannot_be(self, arguments, why):
        with pytest.raises(ValueError, match=why):
            regular(*arguments)
