"""Command energy against forty cases whose energies other programs printed."""

import contextlib
import copy
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pasralloc as pa

FILE = Path(__file__).parent / "data" / "dram_cases.json"
CASES = {case["id"]: case for case in json.loads(FILE.read_text())["cases"]}


def test_there_are_forty_cases_of_three_conventions():
    assert len(CASES) == 40
    assert {case["convention"] for case in CASES.values()} == {"drampower4", "drampower5", "none"}


@pytest.mark.parametrize("name", CASES)
def test_the_energy_of_a_case_is_what_it_expects(name):
    case = CASES[name]
    assert pa.dram.check_case(case) == []
    energy = pa.dram.case_energy(case)
    expected = case["expected"]
    for component, picojoules in expected["energy"].items():
        assert math.isclose(energy[component] * 1e12, picojoules, rel_tol=1e-9, abs_tol=1e-6)
    total = sum(energy.values()) * 1e12
    assert math.isclose(total, expected["total"], rel_tol=1e-9)
    milliwatts = total / (case["t_end_cycles"] * case["memspec"]["tCK_ns"])
    assert math.isclose(milliwatts, expected["average_power_mW"], rel_tol=1e-9)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("counters", "pre_cycles"), 1, "pre_cycles: expected 1, got 10000"),
        (("energy", "sref"), 1369305.01, "sref: expected 1369305.01 pJ, got 1369305"),
        (("total",), 2218398.8, "total: expected 2218398.8 pJ, got 2218398.7"),
        (("energy", "warmth"), 1, "warmth: expected 1 pJ, got None pJ"),
        (
            ("average_power_mW",),
            17.7471905,
            "average_power_mW: expected 17.7471905 mW, got 17.74",
        ),
    ],
)
def test_a_case_that_differs_says_where(path, value, named):
    case = copy.deepcopy(CASES["dp41__ddr3_1600_1Gb_x8_G__self_refresh_long"])
    place = case["expected"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (difference,) = pa.dram.check_case(case)
    assert difference.startswith(named)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c.pop("trace"), "trace must be given"),
        (lambda c: c["memspec"].pop("banks"), "memspec.banks must be given"),
        (lambda c: c["memspec"].update(banks="8"), "memspec must be numbers and objects"),
        (lambda c: c["memspec"].update(tCK_ns=0), "memspec.tCK_ns must be above 0, got 0"),
        (
            lambda c: c["memspec"].update(data_rate=math.inf),
            "device.data_rate_MTs must be at least 1, got inf",
        ),
        (lambda c: c["memspec"].pop("rails"), "memspec.rails must be an object, got None"),
        (
            lambda c: c["memspec"]["rails"]["vdd"].update(I_mA=[]),
            "memspec.rails.vdd.I_mA must be an object, got []",
        ),
        (lambda c: c.update(memspec=[]), "memspec must be an object, got []"),
        (lambda c: c.update(trace=5), "trace must be a list of [cycle, command, bank], got 5"),
        (lambda c: c.update(convention=[]), "convention must be one of none, drampower4"),
        (lambda c: c.update(formulas="micron"), "formulas must be one of drampower4, drampower5"),
        (lambda c: c.update(pasr=None), "pasr must be an object, got None"),
        (lambda c: c.update(pasr={"fraction": "half"}), "pasr.fraction must be 0 to 1, got 'half'"),
        (
            lambda c: c.update(devices=8),
            "devices must be 1: energies of a case are of one device, got 8",
        ),
        (
            lambda c: c["memspec"]["timing_cycles"].update(tRFC=7000),
            "tRFC must be at most tREFI = 6240, got 7000",
        ),
        (
            lambda c: c["memspec"]["rails"]["vdd"]["I_mA"].update(IDD6=-1),
            "vdd.IDD6 must be 0 to 10000 mA, got -1",
        ),
        (
            lambda c: c["memspec"]["rails"]["vdd"]["I_mA"].update(IDD99=1),
            "vdd.IDD99 must be a known current",
        ),
        (lambda c: c["memspec"]["rails"]["vdd"]["I_mA"].pop("IDD6"), "vdd.IDD6 is not given"),
        (lambda c: c["memspec"]["timing_cycles"].pop("tRFC"), "timing.tRFC is not given"),
    ],
)
def test_a_broken_case_names_part_field_and_value(change, named):
    name = "dp41__ddr3_1600_1Gb_x8_G__self_refresh_long"
    case = copy.deepcopy(CASES[name])
    change(case)
    with pytest.raises(pa.DramError) as error:
        pa.dram.case_energy(case)
    assert str(error.value).startswith(name)
    assert named in str(error.value)


@pytest.mark.parametrize(
    ("expected", "named"),
    [
        (None, "expected must be an object, got None"),
        ({}, "expected must be an object with counters, energy or total, got {}"),
        ({"counters": {}}, "expected must be an object with counters"),
        ({"counters": [1]}, "expected.counters must be an object, got [1]"),
        ({"energy": "much"}, "expected.energy must be an object, got 'much'"),
        ({"total": "much"}, "expected.total must be a number, got 'much'"),
    ],
)
def test_a_case_that_expects_nothing_is_not_met(expected, named):
    case = CASES["dp41__ddr3_1600_1Gb_x8_G__self_refresh_long"] | {"expected": expected}
    with pytest.raises(pa.DramError) as error:
        pa.dram.check_case(case)
    assert str(error.value).startswith(f"{case['id']}: {named}")


@given(data=st.data())
def test_no_case_is_met_with_a_traceback(data):
    """Any value of a case may be anything that JSON can hold."""
    case = copy.deepcopy(CASES["dp41pasr__ddr3_1600_1Gb_x8_G__code1_sigma50"])
    place, key = case, data.draw(st.sampled_from(sorted(case)))
    while isinstance(place[key], (dict, list)) and place[key] and data.draw(st.booleans()):
        place = place[key]
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
    place[key] = data.draw(
        st.sampled_from(
            [None, True, -1, 0, 0.5, 1e30, 10**30, math.nan, math.inf, "x", [], [1], {}]
        )
    )
    with contextlib.suppress(pa.DramError, ValueError, TypeError):
        pa.dram.check_case(case)


def test_a_file_may_mix_cases_that_hold_with_others(tmp_path):
    good = CASES["dp41__ddr3_1600_1Gb_x8_G__refresh_only"]
    wrong = copy.deepcopy(good) | {"id": "wrong"}
    wrong["expected"]["total"] += 1
    broken = copy.deepcopy(good) | {"id": "broken", "trace": [[5, "ACT", 99]]}
    odd = copy.deepcopy(good) | {"id": "odd", "trace": [5]}
    endless = copy.deepcopy(good) | {"id": "endless", "t_end_cycles": "late"}
    path = tmp_path / "cases.json"
    cases = [good, wrong, broken, odd, endless]
    path.write_text(json.dumps({"schema": "pasralloc-dram-cases-1", "cases": cases}))
    results = dict(pa.dram.check_file(path))
    assert list(results) == [good["id"], "wrong", "broken", "odd", "endless"]
    assert results["odd"] == ["command 0 must be (cycle, name, bank), got 5"]
    assert results["endless"] == ["until_cycles must be an integer, got 'late'"]
    assert results[good["id"]] == []
    assert results["wrong"][0].startswith("total: expected")
    assert results["broken"] == ["command 0 at cycle 5: ACT: expected a bank below 8, got 99"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"schema": "other", "cases": []}', '{"schema": "pasralloc-dram-cases-1"}']
)
def test_what_is_no_file_of_cases_is_refused(tmp_path, text):
    path = tmp_path / "cases.json"
    path.write_text(text)
    with pytest.raises(pa.DramError, match="must be"):
        list(pa.dram.check_file(path))
