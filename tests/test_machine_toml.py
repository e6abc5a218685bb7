"""Machines in TOML: the format, its strictness, and the presets."""

import doctest
import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import GIB, machines

import pasralloc as pa
from pasralloc.machine.cpulist import format_cpus, parse_cpus

GOOD = """
name = "board"
pageblock_order = 10

[[node]]
nid = 0
cpus = "0-1,4"
memory = [[1, 159], ["1MiB", "2GiB"]]
reserved = [["16MiB", "32MiB"]]
zones = { DMA = [1, "16MiB"], DMA32 = ["16MiB", "2GiB"] }
regions = [{ end = "512MiB" }, { size = "1GiB", origin = 0 }]

[[node]]
nid = 1
cpus = [2, 3]
memory = [["2GiB", "4GiB"]]
zones = { Normal = ["2GiB", "4GiB"] }
regions = [{ start = "2GiB", end = "3GiB" }, { start = "3GiB", size = "512MiB" }]
"""


def read(tmp_path, text):
    path = tmp_path / "m.toml"
    path.write_text(text, encoding="utf-8")
    return pa.Machine.from_toml(path)


def problems(tmp_path, text):
    with pytest.raises(pa.MachineError) as error:
        read(tmp_path, text)
    assert error.value.source.endswith("m.toml")
    return list(error.value.problems)


def test_a_machine_is_read(tmp_path):
    some = read(tmp_path, GOOD)
    assert (some.name, some.pageblock_order, some.watermark_scale_factor) == ("board", 10, 10)
    assert [one.cpus for one in some.nodes] == [(0, 1, 4), (2, 3)]
    assert [one.distances for one in some.nodes] == [(10, 20), (20, 10)]
    assert some.nr_cpus == 5
    assert some.nodes[0].regions == ((0, GIB // 2), (GIB // 2, GIB), (GIB, 2 * GIB))
    assert some.nodes[1].regions == (
        (2 * GIB, 3 * GIB),
        (3 * GIB, 3 * GIB + GIB // 2),
        (3 * GIB + GIB // 2, 4 * GIB),
    )
    assert [(z.name, z.present, z.managed) for z in some.zones] == [
        ("DMA", 3998, 3998),
        ("DMA32", 2 * GIB - 4096, 2 * GIB - 8192),
        ("Normal", 2 * GIB, 2 * GIB),
    ]


def test_without_regions_a_node_is_one(tmp_path):
    text = GOOD[: GOOD.index("regions")]
    assert read(tmp_path, text).nodes[0].regions == ((0, 2 * GIB),)


@given(some=machines())
def test_what_is_written_is_read_again(tmp_path_factory, some):
    path = tmp_path_factory.getbasetemp() / "round.toml"
    path.write_text(some.to_toml(), encoding="utf-8", newline="")
    again = pa.Machine.from_toml(path)
    assert again == some
    assert again.notes == some.notes
    assert again.zones == some.zones


@pytest.mark.parametrize(
    ("old", "new", "place", "why"),
    [
        ("pageblock_order", "pageblok_order", "pageblok_order", "did you mean 'pageblock_order'?"),
        ("nid = 1", "nid = 1\nmemroy = 1", "node[1].memroy", "did you mean 'memory'?"),
        ("{ end =", "{ ende =", "node[0].regions[0].ende", "did you mean 'end'?"),
        ("Normal =", "Norml =", "node[1].zones.Norml", "did you mean 'Normal'?"),
        ("nid = 1", "", "node[1].nid", "is missing"),
        ('name = "board"', "", "name", "is missing"),
        ('"board"', "7", "name", "must be a string, got 7"),
        ("nid = 1", "nid = true", "node[1].nid", "must be an integer, got True"),
        ("nid = 1", "nid = 1.0", "node[1].nid", "must be an integer, got 1.0"),
        ("[2, 3]", "3", "node[1].cpus", 'must be a list of integers, or a string such as "0-7"'),
        ("[2, 3]", '"2-"', "node[1].cpus", "expected CPUs of 0 to 4095"),
        ("[2, 3]", '"0-99999"', "node[1].cpus", "expected CPUs of 0 to 4095"),
        ("[2, 3]", "[2, 1]", "node[1].cpus[1]", "CPU 1 is also in node[0].cpus"),
        ("nid = 1", "nid = 1\ndistances = 3", "node[1].distances", "must be an array, got 3"),
        ("[1, 159]", "[1]", "node[0].memory[0]", "must be a pair [start, end], got [1]"),
        ("[1, 159]", "[1, 2.5]", "node[0].memory[0]", "must be pages as an integer, or a size"),
        ("[1, 159]", '[1, "5k"]', "node[0].memory[0]", "must be a whole number of 4 KiB pages"),
        ("[1, 159]", '[1, "big"]', "node[0].memory[0]", "expected a size such as 32MiB"),
        ("zones = { Normal", "zones = [1] #", "node[1].zones", "must be a table, got [1]"),
        ("{ end =", '"all", { end =', "node[0].regions[0]", "must be a table, got 'all'"),
        ('{ end = "512MiB" }', "{ size = 5 }", "node[0].regions[0]", "size must be a multiple"),
        ('size = "1GiB", ', "", "node[0].regions[1]", "an origin needs a size"),
        ("name =", "name", "", "expected TOML in UTF-8"),
        ("board", "\\ud800", "", "expected TOML in UTF-8"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, old, new, place, why):
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert any(where == place and why in text for where, text in found), found


def test_other_encodings_are_refused(tmp_path):
    (tmp_path / "m.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(pa.MachineError, match="expected TOML in UTF-8"):
        pa.Machine.from_toml(tmp_path / "m.toml")
    (tmp_path / "m.toml").write_text("a = " + "[" * 100_000)
    with pytest.raises(pa.MachineError, match="expected TOML in UTF-8"):
        pa.Machine.from_toml(tmp_path / "m.toml")
    (tmp_path / "m.toml").write_text("a = " + "1" * 5000)
    with pytest.raises(pa.MachineError, match="expected TOML in UTF-8: Exceeds the limit"):
        pa.Machine.from_toml(tmp_path / "m.toml")
    with pytest.raises(FileNotFoundError):
        pa.Machine.from_toml(tmp_path / "none.toml")


def written(value):
    """TOML of a value."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value) if isinstance(value, (str, bool)) else repr(value)


numbers = st.integers(-3, 5000) | st.sampled_from([GIB, 1 << 45, 1 << 63, 10**4200])
words = st.sampled_from(["0-3", "4GiB", "1T", "9" * 4200 + "T", "Normal", "size", "", "nid", "x"])
values = st.recursive(
    numbers | words | st.booleans() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=2),
    max_leaves=5,
)


@given(data=st.data())
def test_whatever_the_values_are_nothing_but_problems_is_raised(tmp_path_factory, data):
    document = tomllib.loads(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        place, key = [], document
        while isinstance(key, (dict, list)) and key and (not place or data.draw(st.booleans())):
            keys = sorted(key) if isinstance(key, dict) else range(len(key))
            place.append((key, data.draw(st.sampled_from(keys))))
            key = key[place[-1][1]]
        place[-1][0][place[-1][1]] = data.draw(values)
    path = tmp_path_factory.getbasetemp() / "odd.toml"
    path.write_text("".join(f"{k} = {written(v)}\n" for k, v in document.items()))
    try:
        assert pa.Machine.from_toml(path).zones
    except pa.MachineError as error:
        assert str(error)


def test_unknown_keys_do_not_hide_other_problems(tmp_path):
    text = GOOD.replace("pageblock_order = 10", "order = 1\npageblock_order = 11")
    text = text.replace("[2, 3]", "[4]").replace('"3GiB", size = "512MiB"', '"3GiB", size = 7')
    text = text.replace('["16MiB", "32MiB"]', "[200, 300]").replace("nid = 1", "nid = 1\nx = 2")
    assert [place for place, _ in problems(tmp_path, text)] == [
        "node[1].x",
        "order",
        "node[1].regions[1]",
        "pageblock_order",
        "node[1].cpus[0]",
        "node[0].reserved[0]",
    ]


def test_problems_of_kinds_come_at_once(tmp_path):
    text = GOOD.replace("[1, 159]", "[1], 3").replace("[2, 3]", "[false]").replace("name", "nam")
    assert [place for place, _ in problems(tmp_path, text)] == [
        "name",
        "node[0].memory[0]",
        "node[0].memory[1]",
        "node[1].cpus",
        "nam",
    ]


@given(some=machines())
def test_lists_of_cpus_are_read_as_written(some):
    for one in some.nodes:
        assert parse_cpus(format_cpus(one.cpus)) == one.cpus


class TestPage:
    """docs/machine.md says what is so."""

    PAGE = Path(__file__).parent.parent / "docs" / "machine.md"

    def test_the_examples_run(self):
        examples = doctest.DocTestParser().get_doctest(
            self.PAGE.read_text(encoding="utf-8").replace("\n```", ""), {}, "machine", None, 0
        )
        assert len(examples.examples) > 9
        assert doctest.DocTestRunner().run(examples).failed == 0

    def test_the_file_is_one(self, tmp_path):
        text = self.PAGE.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
        assert [len(z.regions) for z in read(tmp_path, text).zones] == [1, 7, 2, 2]

    def test_every_preset_is_listed(self):
        text = self.PAGE.read_text(encoding="utf-8")
        assert all(f"| `{name}` |" in text for name in pa.Machine.presets())


class TestPresets:
    def zones(self, name):
        return {(z.nid, z.name): z for z in pa.Machine.preset(name).zones}

    def test_there_are_six(self):
        assert pa.Machine.presets() == (
            "exynos4210-2g",
            "generic-16g",
            "phone-8g",
            "power7-128g-2013",
            "sandybridge-128g-2013",
            "x86-8g-2013",
        )
        for name in pa.Machine.presets():
            assert pa.Machine.preset(name).name == name

    def test_x86_8g(self):
        zone = self.zones("x86-8g-2013")[0, "Normal"]
        assert [r.present for r in zone.regions] == [1, *[131072] * 7, 131071]
        assert (zone.start_pfn, zone.present) == (4 * GIB, 4 * GIB)
        assert zone.regions[8].managed == 131071 - 24576
        assert [len(z.regions) for z in self.zones("x86-8g-2013").values()] == [1, 8, 9]

    def test_exynos4210(self):
        zone = self.zones("exynos4210-2g")[0, "Normal"]
        assert [r.present for r in zone.regions] == [131072, 131072, 131072, 57332]
        assert [r.managed for r in zone.regions] == [131072 - 4096, 131072, 131072, 57332]

    def test_sandybridge(self):
        zones = self.zones("sandybridge-128g-2013")
        normal = zones[0, "Normal"]
        assert [r.present for r in normal.regions] == [1, *[131072] * 123, 131071]
        assert (normal.present, normal.managed) == (16_252_928, 15_989_951)
        assert [r.managed for r in normal.regions[-3:]] == [131072 - 834, 0, 0]
        assert [r.present for r in zones[1, "Normal"].regions] == [131072] * 128
        assert sum(len(z.regions) for z in zones.values()) == 262
        assert sum(z.present for z in zones.values()) == 128 * GIB - 98 + 0
        some = pa.Machine.preset("sandybridge-128g-2013")
        assert (some.nr_cpus, some.pageblock_order) == (16, 10)

    def test_power7(self):
        zone = self.zones("power7-128g-2013")[0, "Normal"]
        assert [r.present for r in zone.regions] == [32 * GIB] * 4
        assert pa.Machine.preset("power7-128g-2013").nr_cpus == 128

    def test_the_others_have_the_size_of_their_names(self):
        for name, size in (("generic-16g", 16), ("phone-8g", 8)):
            present = sum(z.present for z in self.zones(name).values())
            assert 0 <= size * GIB - present < 256

    def test_an_unknown_one_is_refused_with_the_nearest(self):
        with pytest.raises(pa.MachineError, match=r"got 'phone-8'; did you mean 'phone-8g'\?"):
            pa.Machine.preset("phone-8")
