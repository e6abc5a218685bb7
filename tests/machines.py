"""Machines for tests: a small one, one like a real host, and random ones."""

import itertools

from hypothesis import strategies as st

import pasralloc as pa
from pasralloc.machine import Node
from pasralloc.machine.topology import ZONE_NAMES

BLOCK = 1024
GIB = 1 << 18


def node(**changes):
    """One node of 1 GiB in Normal, in two regions."""
    values = {
        "nid": 0,
        "cpus": (0, 1),
        "memory": ((0, GIB),),
        "zones": (("Normal", 0, GIB),),
        "regions": ((0, GIB // 2), (GIB // 2, GIB)),
    }
    return Node(**(values | changes))


def machine(*nodes, **changes):
    return pa.Machine(name="test", nodes=nodes or (node(),), **changes)


def two_nodes(first=None, second=None, distances=((10, 20), (20, 10))):
    upper = {
        "nid": 1,
        "cpus": (2, 3),
        "memory": ((GIB, 2 * GIB),),
        "zones": (("Normal", GIB, 2 * GIB),),
        "regions": ((GIB, 2 * GIB),),
        "distances": distances[1],
    }
    return node(distances=distances[0], **(first or {})), node(**(upper | (second or {})))


@st.composite
def pieces(draw, start, end, most=4):
    """Ascending disjoint ranges in a range of pfns, at least one."""
    cuts = draw(
        st.lists(st.integers(start, end), min_size=2, max_size=2 * most, unique=True).map(sorted)
    )
    return tuple(zip(cuts[::2], cuts[1::2], strict=False))


@st.composite
def machines(draw):
    """Machines of up to 3 nodes with 1 to 4 zones, holes, reserved pages and irregular regions."""
    nr_nodes = draw(st.integers(1, 3))
    matrix = [[10] * nr_nodes for _ in range(nr_nodes)]
    for i in range(nr_nodes):
        for j in range(i):
            matrix[i][j] = matrix[j][i] = draw(st.integers(11, 40))
    nodes, pfn, cpu = [], draw(st.integers(0, 8)) * BLOCK, 0
    nids = sorted(draw(st.sets(st.integers(0, 20), min_size=nr_nodes, max_size=nr_nodes)))
    for i, nid in enumerate(nids):
        types = {2} if i == 0 else set()  # one zone at least is not Movable
        types = sorted(types | draw(st.sets(st.integers(0, 3), min_size=not types, max_size=3)))
        zones, memory, reserved, first = [], [], [], pfn
        for kind in types:
            nr_blocks = draw(st.integers(1, 40))
            start, end = pfn, pfn + nr_blocks * BLOCK
            inside = draw(pieces(start, end))
            memory += inside
            if draw(st.booleans()) and inside[0][1] - inside[0][0] > 1:
                reserved.append((inside[0][0], inside[0][1] - 1))
            # Limits inside the outer blocks are rounded outwards.
            zones.append(
                (ZONE_NAMES[kind], min(start + 5, inside[0][0]), max(end - 5, inside[-1][1]))
            )
            pfn = end + draw(st.integers(0, 3)) * BLOCK
        cuts = draw(st.sets(st.integers(first // BLOCK + 1, max(pfn // BLOCK, first // BLOCK + 1))))
        bounds = [first, *(BLOCK * cut for cut in sorted(cuts)), pfn + BLOCK]
        regions = [pair for pair in itertools.pairwise(bounds) if pair[0] < pair[1]]
        nr_cpus = draw(st.integers(0 if i else 1, 4))
        nodes.append(
            Node(
                nid=nid,
                cpus=tuple(range(cpu, cpu + nr_cpus)),
                distances=tuple(matrix[i]),
                memory=tuple(memory),
                reserved=tuple(reserved),
                zones=tuple(zones),
                regions=tuple(regions),
            )
        )
        cpu += nr_cpus
        pfn += BLOCK
    return pa.Machine(
        name=draw(st.text(min_size=1)),
        nodes=tuple(nodes),
        pageblock_order=draw(st.integers(1, 10)),
        watermark_scale_factor=draw(st.integers(1, 3000)),
        min_free_kbytes=draw(st.none() | st.integers(0, 1 << 20)),
        notes=tuple(draw(st.lists(st.text(), max_size=2))),
    )
