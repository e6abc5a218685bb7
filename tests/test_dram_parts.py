"""Parts as data: faithful to the collection they were made from, each field with its source."""

import contextlib
import copy
import dataclasses
import json
import math
import pickle
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pasralloc as pa
from pasralloc.dram.parts import PARTS, part_from

COLLECTION = json.loads((Path(__file__).parent / "data" / "dram_parts.json").read_text())
BY_ID = {part["id"]: part for part in COLLECTION["parts"]}
FITS = COLLECTION["pasr_fit"]["rows"]


def test_there_is_a_file_for_every_part():
    assert pa.dram.part_ids() == sorted(BY_ID)
    assert len(BY_ID) == 16


@pytest.mark.parametrize("name", BY_ID)
def test_a_part_is_what_the_collection_says(name):
    spec, wanted = pa.dram.part(name), BY_ID[name]
    for field in (
        "standard",
        "vendor_part",
        "verified",
        "density_Mb",
        "width",
        "banks",
        "bank_groups",
    ):
        assert getattr(spec, field) == wanted[field]
    for field in ("rows", "columns", "burst_length", "page_bytes", "data_rate_MTs"):
        assert getattr(spec, field) == wanted.get(field)
    assert spec.tck_ns == wanted.get("tCK_ns")
    assert list(spec.rails) == list(wanted["supplies"])
    for rail, supply in wanted["supplies"].items():
        # A 0 on VPP stands for a current that the source does not give.
        currents = {s: mA for s, mA in supply["I_mA"].items() if not (rail == "vpp" and mA == 0)}
        if "IDD6_full_85C_lowpower" in currents:
            currents["IDD6"] = currents.pop("IDD6_full_85C_lowpower")
        assert dict(spec.rails[rail].currents_mA) == currents
        assert spec.rails[rail].volts == supply["V"]
        assert dict(spec.rails[rail].other_volts) == {
            k: v for k, v in supply.items() if k.startswith("V_")
        }
    in_cycles = {
        k.removesuffix("_nCK"): v for k, v in wanted["timing_ns"].items() if k.endswith("_nCK")
    }
    assert dict(spec.timing_ns) == {
        k: v for k, v in wanted["timing_ns"].items() if not k.endswith("_nCK")
    }
    simulator = wanted.get("timing_cycles_ramulator", {})
    in_cycles |= {f"t{k[1:]}".replace("tXSR", "tXS"): v for k, v in simulator.items()}
    assert dict(spec.timing_cycles) == {**wanted.get("timing_cycles", {}), **in_cycles}
    assert {note.text for note in spec.sources} == set(wanted["sources"])
    assert {note.licence for note in spec.sources} >= set(wanted["licence"])
    # One speaks of the zeros that are missing values here.
    zeros = {
        text for text in wanted["caveats"] if text.endswith("every other VPP current is 0 there")
    }
    assert {note.text for note in spec.caveats} >= set(wanted["caveats"]) - zeros
    assert len(spec.caveats) >= len(wanted["caveats"])
    assert spec.pasr_note == wanted["pasr"]["supported"]
    tables = {
        grade: {1 / int(share.partition("/")[2] or 1): current for share, current in table.items()}
        for grade, table in wanted["pasr"].get("IDD6_uA", {}).items()
    }
    assert {grade: dict(table) for grade, table in spec.idd6_uA.items()} == tables


@pytest.mark.parametrize("row", FITS, ids=lambda row: f"{row['part']}-{row['column']}")
def test_the_fits_of_the_collection_are_ours(row):
    fit = pa.dram.pasr_fit(pa.dram.part(row["part"]).idd6_uA[row["column"]])
    for name in (
        "sigma",
        "slope",
        "max_residual",
        "sigma_through_full",
        "max_residual_through_full",
    ):
        assert abs(getattr(fit, name) - row[name]) < 0.000501, name


@pytest.mark.parametrize("name", BY_ID)
def test_every_field_of_a_part_has_a_source(name):
    spec = pa.dram.part(name)
    fields = list(spec.fields())
    assert len(fields) >= 9
    for field in fields:
        sources = spec.sources_of(field)
        assert sources, field
        assert all(source.text and source.licence for source in sources)


@pytest.mark.parametrize("name", BY_ID)
def test_a_part_survives_a_trip_to_another_process(name):
    spec = pa.dram.part(name)
    twin = pickle.loads(pickle.dumps(spec))
    assert twin == copy.deepcopy(spec) == spec
    assert pickle.loads(pickle.dumps(pa.dram.state_powers(spec))).states == dict(
        pa.dram.state_powers(spec).states
    )
    for mapping in (twin.rails, twin.timing_ns, twin.timing_cycles, twin.idd6_uA):
        with pytest.raises(TypeError):
            mapping["new"] = 1
    for rail in twin.rails.values():
        with pytest.raises(TypeError):
            rail.currents_mA["IDD0"] = -1
    for table in twin.idd6_uA.values():
        with pytest.raises(TypeError):
            table[1.0] = -1


def test_a_part_does_not_change_with_what_it_was_made_from():
    currents = {"IDD0": 5}
    rail = pa.dram.Rail(1.2, currents)
    currents["IDD0"] = -5
    assert dict(rail.currents_mA) == {"IDD0": 5}


def test_refusals_survive_a_trip_to_another_process():
    lacking = pa.dram.state_powers(pa.dram.part("ddr4_3200_8Gb_x8"))
    for fail in (
        lambda: pa.dram.part("ddr9"),
        lambda: lacking["precharge_standby"],
        lambda: pa.dram.refresh_setting(lacking.spec),
        lambda: pa.dram.command_energy(lacking.spec, [(1, "RD", 0)], 10),
    ):
        with pytest.raises(pa.PasrallocError) as error:
            fail()
        twin = pickle.loads(pickle.dumps(error.value))
        assert (type(twin), str(twin)) == (type(error.value), str(error.value))


def test_sources_are_those_of_the_field():
    spec = pa.dram.part("ddr4_2400_8Gb_x8")
    assert [s.name for s in spec.sources_of("vdd.IDD2N")] == ["module_table", "gem5", "dramsim3"]
    assert [s.name for s in spec.sources_of("vdd.IDD6R")] == ["module_table"]
    assert [c.text for c in spec.caveats_of("vdd.IDD6R")] == [
        "IDD6R and IDD6A are typical values, the others maxima"
    ]
    assert spec.caveats_of("vdd.IDD2N") == []


def test_an_unknown_part_is_refused_with_a_hint():
    with pytest.raises(pa.DramError, match="did you mean 'ddr4_2400_8Gb_x8'"):
        pa.dram.part("ddr4_2400_8Gb_x16")


GOOD = (PARTS / "ddr4_2400_8Gb_x8.toml").read_text()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("IDD2N = 34", "IDD2N = -34", "vdd.IDD2N must be 0 to 10000 mA, got -34"),
        (
            "IDD2N = 34",
            "IDD2M = 34",
            "vdd.IDD2M must be a known current that begins with IDD, got 34",
        ),
        ("IPP0 = 3", "IDD0 = 3", "vpp.IDD0 must be a known current that begins with IPP, got 3"),
        ("IDD2N = 34", 'IDD2N = "34"', "vdd.IDD2N must be a number, got '34'"),
        ("IDD2N = 34", "IDD2N = nan", "vdd.IDD2N must be 0 to 10000 mA, got nan"),
        ("tRFC1 = 350", "tRFC1 = 9000", "timing.tRFC1 must be at most tREFI = 7800, got 9000"),
        ("tRFC1 = 420", "tRFC1 = 9361", "timing.tRFC1 must be at most tREFI = 9360, got 9361"),
        ("tRC = 46.16", "tRC = 20", "timing.tRAS must be at most tRC = 20, got 32"),
        ("tWR = 18", "tWR = 18.5", "timing.tWR must be int, got 18.5"),
        ("tWR = 18", "tVR = 18", "timing.tVR must be a known timing, got 18"),
        ("banks = 16", "banks = 15", "device.banks must be a multiple of bank_groups 4, got 15"),
        ("banks = 16", "banks = true", "device.banks must be int, got True"),
        (
            "rows = 65536",
            "rows = 65535",
            "device.density_Mb must be banks x rows x columns x width = 8191, got 8192",
        ),
        ("V = 1.2", "V = 12", "vdd.V must be above 0 and below 5 V, got 12"),
        ('standard = "DDR4"', 'standard = "DDR9"', "standard must be one of LPDDR, DDR2"),
        ("width = 8\n", "", "device.width must be given, got None"),
        (
            "width = 8",
            "width = 8\nwitdh = 8",
            "device.witdh must be left out, known being bank_groups, banks",
        ),
        (
            'fields = ["timing.tXSDLL"]',
            'fields = ["timing.tXDLL"]',
            "fields must be the pattern of a field",
        ),
        ('"device.*", ', "", "device.density_Mb must be covered by a source"),
        (
            'field = "IDD6R"',
            'field = "IDD6S"',
            "self_refresh_points.field must be a current of the part, got 'IDD6S'",
        ),
        ('kind = "none"', 'kind = "some"', "pasr.kind must be one of none"),
        ('kind = "none"', "kind = 0", "pasr.kind must be str, got 0"),
        ('standard = "DDR4"', "standard = 4", "standard must be str, got 4"),
        ('kind = "none"', 'kind = "none"\nshares = 1', "pasr.shares must be a list, got 1"),
        ('kind = "none"', 'kind = "none"\nIDD6_uA = 1', "IDD6_uA must be a table, got 1"),
        (
            'kind = "none"',
            'kind = "none"\nIDD6_uA.hot = {"1/0" = 5}',
            "pasr.hot must be a share such as 1/4, got '1/0'",
        ),
        (
            'kind = "none"',
            'kind = "none"\nIDD6_uA.hot = {"1" = -5}',
            "pasr.hot must be above 0 and below 1e7 uA, got -5",
        ),
        ("[rails.vdd]", "[rails]\nvcc = 3\n[rails.vdd]", "vcc must be a table, got 3"),
        ("fields = [", "fields = [4, ", "sources.fields must be str, got 4"),
        ("text = ", "text = 4 #", "sources.text must be str, got 4"),
        (
            "channel_bits = 64",
            "channel_bits = 72",
            "rank.channel_bits must be devices x width = 64",
        ),
        ("[device]", "[device", "file must be TOML in UTF-8"),
    ],
)
def test_a_broken_file_names_part_field_value_and_expectation(tmp_path, old, new, problem):
    assert old in GOOD
    path = tmp_path / "part.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(pa.DramError) as error:
        pa.dram.read_part(path)
    assert problem in str(error.value)
    assert str(error.value).startswith(("ddr4_2400_8Gb_x8: ", "part.toml: "))


def test_timings_in_different_units_are_compared():
    spec = pa.dram.part("ddr3_1600_1Gb_x8_G")
    with pytest.raises(
        pa.DramError, match=r"timing.tRFC must be at most tREFI = 1000.0 ns, got 1001"
    ):
        dataclasses.replace(spec, timing_ns={"tRFC": 1001}, timing_cycles={"tREFI": 800})
    dataclasses.replace(spec, timing_ns={"tRFC": 1000}, timing_cycles={"tREFI": 800})


@pytest.mark.parametrize(
    ("odd", "problem"), [(7, "caveats must be a list, got 7"), ([7], "a list of tables, got 7")]
)
def test_what_is_no_list_of_tables_is_refused(odd, problem):
    document = tomllib.loads(GOOD) | {"caveats": odd}
    with pytest.raises(pa.DramError, match=problem):
        part_from(document, "mine")


@given(data=st.data())
def test_no_file_of_a_part_ends_in_a_traceback(data):
    """Any value may be anything that TOML can hold."""
    name = data.draw(st.sampled_from(["ddr4_2400_8Gb_x8", "lpddr_mobile_1Gb_x16_K4X1G163PC"]))
    document = tomllib.loads((PARTS / f"{name}.toml").read_text())
    place, key = document, data.draw(st.sampled_from(sorted(document)))
    while isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans()):
        place = place[key]
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
    odd = [
        True,
        -1,
        0,
        0.5,
        1e30,
        math.nan,
        math.inf,
        "x",
        "1/0",
        [],
        [1],
        {},
        {"a": 1},
        [{"a": 1}],
    ]
    place[key] = data.draw(st.sampled_from(odd))
    with contextlib.suppress(pa.DramError):
        spec = part_from(document, name)
        pa.dram.state_powers(spec)
        pa.dram.command_energy(spec, [(0, "REF", 0)], 10_000)


def test_all_problems_are_told_at_once(tmp_path):
    path = tmp_path / "part.toml"
    path.write_text(
        GOOD.replace("IDD2N = 34", "IDD2N = -34").replace("tRFC1 = 350", "tRFC1 = 9000")
    )
    with pytest.raises(pa.DramError) as error:
        pa.dram.read_part(path)
    assert [field for field, _, _ in error.value.problems] == ["vdd.IDD2N", "timing.tRFC1"]


def test_a_good_file_of_ones_own_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace('id = "ddr4_2400_8Gb_x8"', 'id = "mine"'))
    assert pa.dram.read_part(path).id == "mine"


def test_the_id_of_a_part_is_the_name_of_its_file():
    for path in PARTS.glob("*.toml"):
        document = tomllib.loads(path.read_text())
        assert document["id"] == path.stem
