"""Command energy against forty cases whose energies other programs printed."""

import copy
import json
import math
from pathlib import Path

import pytest

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
        (lambda c: c["memspec"].pop("banks"), "memspec must be complete"),
        (lambda c: c["memspec"].update(banks="8"), "memspec must be complete"),
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
