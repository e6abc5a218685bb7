"""Region maps and memory from firmware: ACPI MPST tables and device trees, sound and hostile."""

import contextlib
import re
import struct

import pytest
from firmware import MIB, cells, devicetree, memory_node, mpst, with_checksum
from hypothesis import given
from hypothesis import strategies as st
from machines import GIB, machine, node

import pasralloc as pa
from pasralloc.machine import memory_from_devicetree, regions_from_mpst

STATES = [(0, 0), (1, 1)]
NODES = [
    (3, 0, 0, 512 * MIB, STATES, [10, 11]),
    (7, 1, 512 * MIB, 512 * MIB, STATES, [12]),
    (0, 2, 0, 5, [], []),
]
TABLE = mpst(NODES)

BOARD = [
    ("cpus", {"reg": b"\1"}),
    memory_node(2 << 30, 1 << 30, 1),
    memory_node(1 << 30, 1 << 30, 0),
    ("memory-controller@5", {"reg": b"\1"}),
    memory_node(6 << 30, 1 << 30, 3, status=b"disabled\0"),
]
TREE = devicetree(BOARD)


class TestMpst:
    def test_nodes_are_regions_with_states(self):
        table = regions_from_mpst(TABLE)
        assert table.regions == ((0, GIB // 2), (GIB // 2, GIB))
        first, second, third = table.nodes
        assert (first.enabled, first.power_managed, first.hot_plug) == (True, True, False)
        assert (second.hot_plug, third.enabled) == (True, False)
        assert (first.components, second.components, third.components) == ((10, 11), (12,), ())
        assert first.states == second.states
        awake, asleep = first.states
        assert (awake.value, awake.milliwatts, awake.saving_percent, awake.exit_ns) == (
            0,
            2000,
            0,
            0,
        )
        assert (asleep.value, asleep.saving_percent, asleep.exit_ns) == (1, 40, 5000)
        assert (awake.preserves_content, awake.auto_entry, awake.auto_exit) == (True, False, False)
        assert (asleep.preserves_content, asleep.auto_entry, asleep.auto_exit) == (True,) * 3

    def test_a_machine_takes_the_regions(self):
        one = node(regions=((0, GIB),))
        some = machine(one).with_regions(regions_from_mpst(TABLE).regions)
        assert [region.present for region in some.zones[0].regions] == [GIB // 2, GIB // 2]

    def test_several_ranges_may_share_a_node(self):
        nodes = [(1, 5, 512 * MIB, 4 * MIB, [], []), (1, 5, 0, 4 * MIB, [], [])]
        assert regions_from_mpst(mpst(nodes)).regions == ((0, 1024), (131072, 132096))

    @pytest.mark.parametrize(
        ("table", "place", "why"),
        [
            (b"", "", "expected a table that begins with MPST, got b''"),
            (b"SRAT" + TABLE[4:], "", "expected a table that begins with MPST, got b'SRAT'"),
            (
                TABLE[:-1],
                "length",
                f"the table says {len(TABLE)} bytes, there are {len(TABLE) - 1}",
            ),
            (mpst(NODES, revision=2), "revision", "only revision 1 is known, got 2"),
            (
                TABLE[:20] + b"?" + TABLE[21:],
                "checksum",
                r"all bytes must sum to 0, they sum to \d+",
            ),
            (
                with_checksum(TABLE[:40] + b"\xff\xff" + TABLE[42:]),
                r"node\[\d+\](.states|.length)?",
                "beyond the table|must be",
            ),
            (
                with_checksum(TABLE[:40] + b"\1\0" + TABLE[42:]),
                "characteristics",
                f"beyond the table of {len(TABLE)} bytes",
            ),
            (
                with_checksum(TABLE[:48] + b"\x21" + TABLE[49:]),
                r"node\[0\].length",
                "must be 40 bytes for that many states and components, got 33",
            ),
            (
                with_checksum(TABLE[:68] + b"\xff\xff\xff\xff" + TABLE[72:]),
                r"node\[0\].states",
                "beyond the table",
            ),
            (mpst([(1, 0, 4096, 4 * MIB, [], [])]), r"node\[0\]", "address must be .* 4 MiB"),
            (mpst([(1, 0, 0, 4096, [], [])]), r"node\[0\]", "length must be .* 4 MiB, got 0x1000"),
            (mpst([(1, 0, 4 * MIB, 0, [], [])]), r"node\[0\]", "no range of memory: 0x0 bytes"),
            (mpst([(1, 0, 1 << 62, 1 << 62, [], [])]), r"node\[0\]", "no range of memory"),
            (mpst([(1, 0, 0, 4 * MIB, [(0, 2)], [])]), r"node\[0\].states\[0\]", "got number 2"),
            (
                mpst([(1, 0, 0, 8 * MIB, [], []), (1, 1, 4 * MIB, 8 * MIB, [], [])]),
                "node",
                r"\[0x400, 0xc00\) overlaps \[0x0, 0x800\)",
            ),
            (mpst(NODES[2:]), "", "no node is enabled"),
            (mpst([]), "", "no node is enabled"),
            (mpst(NODES, [(0, 1, 1, 101, 0)] * 2), r"characteristics\[0\]", "got 101"),
            (
                with_checksum(TABLE[:4] + struct.pack("<I", len(TABLE) + 2) + TABLE[8:] + b"\0\0"),
                "",
                "2 bytes too many at the end",
            ),
        ],
    )
    def test_broken_tables_are_refused(self, table, place, why):
        with pytest.raises(pa.MachineError, match=why) as error:
            regions_from_mpst(table)
        assert any(re.fullmatch(place, where) for where, _ in error.value.problems)

    def test_all_problems_come_at_once(self):
        table = mpst([(1, 0, 5, 4 * MIB, [(0, 9)], []), (1, 1, 0, 7, [], [])], [(0, 0, 0, 200, 0)])
        with pytest.raises(pa.MachineError) as error:
            regions_from_mpst(table[:20] + b"?" + table[21:])
        assert len(error.value.problems) >= 5

    @given(st.data())
    def test_damage_is_refused_or_harmless(self, data):
        table = bytearray(TABLE)
        for _ in range(data.draw(st.integers(1, 4))):
            table[data.draw(st.integers(0, len(table) - 1))] = data.draw(st.integers(0, 255))
        table = bytes(table)[: data.draw(st.integers(len(table) // 2, len(table)))]
        if data.draw(st.booleans()):
            table = with_checksum(table[:4] + struct.pack("<I", len(table)) + table[8:])
        with contextlib.suppress(pa.MachineError):
            assert regions_from_mpst(table).regions

    @given(st.binary(max_size=200))
    def test_noise_is_refused(self, noise):
        table = b"MPST" + struct.pack("<IB", len(noise) + 10, 1) + b"\0" + noise
        with contextlib.suppress(pa.MachineError):
            assert regions_from_mpst(with_checksum(table)).regions


class TestDevicetree:
    def test_memory_by_node(self):
        assert memory_from_devicetree(TREE) == {0: ((GIB, 2 * GIB),), 1: ((2 * GIB, 3 * GIB),)}

    def test_nodes_without_a_number_are_node_0(self):
        tree = devicetree([memory_node(0, 1 << 30), memory_node(1 << 30, 1 << 30)])
        assert memory_from_devicetree(tree) == {0: ((0, GIB), (GIB, 2 * GIB))}

    def test_one_node_may_hold_several_ranges_and_empty_ones(self):
        reg = struct.pack(">6I", 0, MIB, MIB, 0, 4 * MIB, MIB)
        root = {"#address-cells": cells(1), "#size-cells": cells(1)}
        tree = devicetree([("memory", {"reg": reg})], root)
        assert memory_from_devicetree(tree) == {0: ((0, 256), (1024, 1280))}

    def test_defaults_of_the_cells(self):
        tree = devicetree([("memory@0", {"reg": cells(0, 4096, 8192)})], {})
        assert memory_from_devicetree(tree) == {0: ((1, 3),)}

    def test_what_follows_the_tree_is_not_read(self):
        assert memory_from_devicetree(TREE + b"padding") == memory_from_devicetree(TREE)

    def test_a_machine_of_the_memory(self):
        memory = memory_from_devicetree(TREE)
        ranges = memory[0] + memory[1]
        one = node(memory=ranges, zones=(("Normal", GIB, 3 * GIB),), regions=((GIB, 3 * GIB),))
        assert len(machine(one).with_regions(ranges).zones[0].regions) == 2

    def changed(self, word, value):
        return TREE[: 4 * word] + cells(value) + TREE[4 * word + 4 :]

    @pytest.mark.parametrize(
        ("word", "value", "why"),
        [
            (0, 5, "expected a tree that begins with 0xd00dfeed, got '00000005'"),
            (1, len(TREE) + 1, f"the tree says {len(TREE) + 1} bytes, there are {len(TREE)}"),
            (1, 0, "is not in the 0 bytes"),
            (2, 0xFFFFFFFC, "the structure block, .* is not in the"),
            (2, 8, "the structure block, .* is not in the"),
            (3, 0xFFFFFFFF, "the strings block, .* is not in the"),
            (5, 16, "only version 17 is known, got 16, compatible with 16"),
            (6, 18, "only version 17 is known, got 17, compatible with 18"),
            (8, 0, "a name at 0 has no end"),
            (9, 0xFFFFFFF0, "the structure block, 4294967280 bytes"),
            (9, 0, "the structure block ends within an entry at 0"),
            (9, 6, "the structure block ends within an entry at 8"),
            (2, 57, "the structure block must be aligned to 4 bytes|is not in the"),
            (14, 7, "unexpected token 0x7 at 0 of the structure block"),
            (14, 2, "unexpected token 0x2 at 0"),
            (14, 3, "unexpected token 0x3 at 0"),
            (14, 9, "unexpected token 0x9 at 0"),
            (16, 2, "outside of the root|unexpected token"),
        ],
    )
    def test_broken_trees_are_refused(self, word, value, why):
        with pytest.raises(pa.MachineError, match=why):
            memory_from_devicetree(self.changed(word, value))

    def test_a_block_that_is_not_aligned_is_refused(self):
        structure, nr = struct.unpack_from(">I", TREE, 8)[0], struct.unpack_from(">I", TREE, 36)[0]
        tree = TREE[:8] + cells(structure + 2) + TREE[12:36] + cells(nr - 4) + TREE[40:]
        with pytest.raises(pa.MachineError, match="must be aligned to 4 bytes, is at 58"):
            memory_from_devicetree(tree)

    def test_deep_trees_are_refused(self):
        deep = cells(*[1, 0] * 100_000)
        tree = cells(0xD00DFEED, 40 + len(deep), 40, 40, 40, 17, 16, 0, 0, len(deep)) + deep
        with pytest.raises(pa.MachineError, match="outside of the root, or too deep in it"):
            memory_from_devicetree(tree)

    @pytest.mark.parametrize(
        ("children", "root", "place", "why"),
        [
            ([], None, "", "no memory node has any memory"),
            ([memory_node(0, 0)], None, "", "no memory node has any memory"),
            ([("memory@0", {})], None, "memory@0.reg", "entries of 16 bytes, got 0 bytes"),
            (
                [("memory@0", {"reg": bytes(12)})],
                None,
                "memory@0.reg",
                "entries of 16 bytes, got 12",
            ),
            ([memory_node(5, 4096)], None, "memory@5.reg[0]", "must be whole pages below"),
            ([memory_node(0, 4097)], None, "memory@0.reg[0]", "must be whole pages below"),
            (
                [memory_node(1 << 63, 1 << 63)],
                None,
                "memory@8000000000000000.reg[0]",
                "must be whole pages below",
            ),
            (
                [memory_node(0, 8192), memory_node(4096, 8192)],
                None,
                "memory@1000",
                "[0x1, 0x3) overlaps [0x0, 0x2) of memory@0",
            ),
            (
                [memory_node(0, 4096, 1024)],
                None,
                "memory@0.numa-node-id",
                "must be one word, 0 to 1023, got '00000400'",
            ),
            (
                [memory_node(0, 4096, **{"numa-node-id": b"\0"})],
                None,
                "memory@0.numa-node-id",
                "must be one word",
            ),
            (BOARD, {"#size-cells": cells(3)}, "#size-cells", "must be one word, 1 or 2"),
            (BOARD, {"#address-cells": b"\1"}, "#address-cells", "got '01'"),
        ],
    )
    def test_memory_that_cannot_be_understood(self, children, root, place, why):
        with pytest.raises(pa.MachineError) as error:
            memory_from_devicetree(devicetree(children, root))
        assert any(where == place and why in text for where, text in error.value.problems)

    @given(st.data())
    def test_damage_is_refused_or_harmless(self, data):
        tree = bytearray(TREE)
        for _ in range(data.draw(st.integers(1, 4))):
            word = data.draw(st.integers(0, len(tree) // 4 - 1))
            value = data.draw(st.integers(0, 9) | st.integers(0, 0xFFFFFFFF))
            struct.pack_into(">I", tree, 4 * word, value)
        with contextlib.suppress(pa.MachineError):
            assert memory_from_devicetree(bytes(tree))

    @given(st.binary(max_size=120))
    def test_noise_is_refused(self, noise):
        head = cells(0xD00DFEED, 40 + len(noise), 40, 40, 40, 17, 16, 0, len(noise), len(noise))
        for tree in (noise, head + noise):
            with contextlib.suppress(pa.MachineError):
                assert memory_from_devicetree(tree)
