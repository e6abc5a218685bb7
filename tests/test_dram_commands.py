"""Laws of command energy, and commands that cannot be executed."""

import dataclasses
import math
import re

import numpy as np
import pytest
from commandtraces import bank_refreshes, traces
from hypothesis import given
from hypothesis import strategies as st

import pasralloc as pa
from pasralloc.dram.spec import Rail

PART = "ddr3_1600_1Gb_x8_G"
CONVENTIONS = ["drampower4", "drampower5", "none"]


def scaled(spec, factor):
    rails = {
        name: Rail(rail.volts, {symbol: mA * factor for symbol, mA in rail.currents_mA.items()})
        for name, rail in spec.rails.items()
    }
    return dataclasses.replace(spec, rails=rails)


@given(
    trace=traces(),
    cuts=st.lists(st.floats(0, 1), max_size=4),
    convention=st.sampled_from(CONVENTIONS),
)
def test_energy_and_counters_do_not_depend_on_the_windows(trace, cuts, convention):
    commands, end = trace
    spec = pa.dram.part(PART)
    whole = pa.dram.command_energy(spec, commands, end, entry_refresh=convention)
    meter = pa.dram.CommandMeter(spec, entry_refresh=convention)
    ends = [*sorted(int(cut * end) for cut in cuts), end]
    parts, begin = [], 0
    for until in ends:
        inside = (commands["cycle"] >= begin) & (commands["cycle"] < until)
        parts.append(meter.run(commands[inside], until))
        begin = until
    for name, count in whole.counters.items():
        assert sum(part.counters[name] for part in parts) == count
    for component, joules in whole.items():
        assert math.isclose(
            sum(part[component] for part in parts), joules, rel_tol=1e-12, abs_tol=1e-21
        )


@given(trace=bank_refreshes(), cuts=st.lists(st.floats(0, 1), max_size=4))
def test_bank_refreshes_do_not_depend_on_the_windows(trace, cuts):
    commands, end = trace
    spec = dataclasses.replace(pa.dram.part("lpddr4_3200_6Gb_per_channel_x16"), rho=0.5)
    options = {"entry_refresh": "drampower5", "assumptions": ["vddq_out"]}
    whole = pa.dram.command_energy(spec, commands, end, **options)
    names = commands["command"]
    assert whole.counters["bank_refs"] == (names == pa.dram.COMMANDS["REFB"]).sum()
    assert whole.counters["acts"] == whole.counters["pres"]
    cycles = [n for name, n in whole.counters.items() if name.endswith("_cycles")]
    assert sum(cycles) - whole.counters["open_bank_cycles"] == end
    meter, begin, parts = pa.dram.CommandMeter(spec, **options), 0, []
    for until in [*sorted(int(cut * end) for cut in cuts), end]:
        inside = (commands["cycle"] >= begin) & (commands["cycle"] < until)
        parts.append(meter.run(commands[inside], until))
        begin = until
    for name, count in whole.counters.items():
        assert sum(part.counters[name] for part in parts) == count
    assert math.isclose(sum(part.total for part in parts), whole.total, rel_tol=1e-12)


@given(trace=traces(), convention=st.sampled_from(CONVENTIONS))
def test_the_cycles_of_the_states_add_up_to_the_window(trace, convention):
    commands, end = trace
    energy = pa.dram.command_energy(pa.dram.part(PART), commands, end, entry_refresh=convention)
    cycles = [
        n
        for name, n in energy.counters.items()
        if name.endswith("_cycles") and name != "open_bank_cycles"
    ]
    assert sum(cycles) == end
    assert min(cycles) >= 0


@given(trace=traces(), factor=st.floats(0.01, 50), convention=st.sampled_from(CONVENTIONS))
def test_energy_is_linear_in_the_currents(trace, factor, convention):
    commands, end = trace
    spec = pa.dram.part(PART)
    once = pa.dram.command_energy(spec, commands, end, entry_refresh=convention)
    times = pa.dram.command_energy(scaled(spec, factor), commands, end, entry_refresh=convention)
    for component, joules in once.items():
        assert math.isclose(times[component], factor * joules, rel_tol=1e-9, abs_tol=1e-18)


@given(trace=traces())
def test_rails_add_up(trace):
    commands, end = trace
    spec = pa.dram.part("lpddr2_1066_2Gb_x16")
    energy = pa.dram.command_energy(spec, commands, end)
    assert set(energy.rails) == {"vdd1", "vdd2"}
    for rail in energy.rails:
        alone = dataclasses.replace(spec, rails={rail: spec.rails[rail]})
        mine = pa.dram.command_energy(alone, commands, end)
        assert dict(mine) == pytest.approx(dict(energy.rails[rail]), abs=0)


@given(
    fractions=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    sigma=st.floats(0, 1),
    stay=st.integers(1, 5000),
)
def test_a_smaller_refreshed_fraction_never_costs_more(fractions, sigma, stay):
    commands = pa.dram.command_array([(10, "SREN", 0), (10 + stay, "SREX", 0)])
    small, large = (
        pa.dram.command_energy(pa.dram.part(PART), commands, 20_000, fraction=f, sigma=sigma).total
        for f in fractions
    )
    assert small <= large * (1 + 1e-12)


@given(stay=st.integers(1, 400))
def test_the_three_conventions_agree_on_everything_but_the_entry(stay):
    spec = pa.dram.part(PART)
    commands = pa.dram.command_array([(10, "SREN", 0), (10 + stay, "SREX", 0)])
    got = {
        c: pa.dram.command_energy(spec, commands, 1000, entry_refresh=c, formulas="drampower4")
        for c in CONVENTIONS
    }
    assert got["none"].counters["sref_cycles"] == stay
    for name in ("drampower4", "drampower5"):
        assert got[name].counters["sref_cycles"] == max(0, stay - 88)
        assert got[name].counters["pre_cycles"] == 1000 - max(stay, 88)
    entry = 1.5 * (170 - 45) * 88 * 1.25e-12
    assert math.isclose(got["drampower5"]["refresh"], entry)
    assert math.isclose(got["drampower4"]["sref"], entry + 1.5 * 8 * max(0, stay - 88) * 1.25e-12)


@pytest.mark.parametrize("rho", [0.0, 0.25, 1.0])
def test_rho_moves_background_between_the_rank_and_its_banks(rho):
    """With every bank open the background of DDR is IDD3N, whatever rho is; with one it is less."""
    spec = dataclasses.replace(pa.dram.part("ddr4_2400_8Gb_x8"), rho=rho)
    everything = [(0, "ACT", bank) for bank in range(16)]
    energies = [
        pa.dram.command_energy(spec, commands, 1000, entry_refresh="drampower5")["act_standby"]
        for commands in (everything, everything[:1])
    ]
    assert math.isclose(energies[0], (1.2 * 43 + 2.5 * 3) * 0.833 * 1000 * 1e-12)
    one = 34 + rho * 9 + (1 - rho) * 9 / 16
    assert math.isclose(energies[1], (1.2 * one + 2.5 * 3) * 0.833 * 1000 * 1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0])
def test_a_refresh_has_the_background_of_all_banks(rho):
    spec = dataclasses.replace(pa.dram.part("ddr4_2400_8Gb_x8"), rho=rho)
    energy = pa.dram.command_energy(spec, [(0, "REF", 0)], 420, entry_refresh="drampower5")
    assert math.isclose(energy["act_standby"], (1.2 * 43 + 2.5 * 3) * 0.833 * 420 * 1e-12)


def test_a_precharge_leaves_an_auto_precharge_alone():
    """RDA at 30: the bank closes at 36, tRTP later, whatever comes before."""
    trace = [(1, "ACT", 5), (30, "RDA", 5), (32, "PRE", 5), (33, "PREA", 0)]
    counters = pa.dram.command_energy(pa.dram.part(PART), trace, 100).counters
    assert (counters["pres"], counters["act_cycles"]) == (1, 35)


@pytest.mark.parametrize(("convention", "begin"), [("drampower4", 36), ("drampower5", 46)])
def test_a_power_down_waits_for_an_auto_precharge(convention, begin):
    trace = [(1, "ACT", 5), (30, "RDA", 5), (31, "PDN", 0), (90, "PUP", 0)]
    energy = pa.dram.command_energy(pa.dram.part(PART), trace, 100, entry_refresh=convention)
    counters = energy.counters
    assert counters["act_cycles"] == 35
    assert counters.get("pre_pd_cycles", counters.get("f_pre_pd_cycles")) == 90 - begin


def test_a_bank_refresh_opens_its_bank_for_its_length():
    spec = pa.dram.part("lpddr4_3200_6Gb_per_channel_x16")
    energy = pa.dram.command_energy(
        spec, [(100, "REFPB", 3)], 1000, entry_refresh="drampower5", assumptions=["vddq_out"]
    )
    assert list(energy.assumptions) == ["vddq_out"]
    assert energy.counters["bank_refs"] == 1
    assert energy.counters["act_cycles"] == 224
    assert (energy.counters["acts"], energy.counters["pres"]) == (0, 0)
    # vdd2: an average of 30 mA over 780.75 cycles, 27 mA but for the 224 of the burst.
    burst = (30 * 780.75 - 27 * (780.75 - 224)) / 224
    assert math.isclose(energy.rails["vdd2"]["bank_refresh"], 1.1 * (burst - 30) * 224 * 0.625e-12)


@pytest.mark.parametrize("entry", [110, 200, 400])
def test_a_power_down_begins_when_a_bank_refresh_ends(entry):
    """No tRP after it: the refresh of tRFCpb = 224 cycles closes its bank by itself."""
    spec = pa.dram.part("lpddr4_3200_6Gb_per_channel_x16")
    energy = pa.dram.command_energy(
        spec,
        [(100, "REFPB", 3), (entry, "PDEP", 0)],
        1000,
        entry_refresh="drampower5",
        assumptions=["vddq_out"],
    )
    assert energy.counters["pre_pd_cycles"] == 1000 - max(324, entry)


def test_a_same_bank_refresh_takes_that_bank_of_every_group():
    spec = pa.dram.part("ddr5_4800_16Gb_x8")
    options = {"entry_refresh": "drampower5", "assumptions": ["ipp_missing"]}
    meter = pa.dram.CommandMeter(spec, **options)
    with pytest.raises(pa.CommandError, match="bank 30 is open since cycle 5"):
        meter.run([(5, "ACT", 30), (100, "REFSB", 2)], 1000)
    with pytest.raises(pa.MissingValue, match=r"vpp\.IPP2N is not given"):
        pa.dram.command_energy(spec, [(100, "REFSB", 2)], 1000, entry_refresh="drampower5")
    energy = meter.run([(5, "ACT", 31), (100, "REFSB", 2), (900, "PRE", 31)], 1000)
    assert energy.counters["open_bank_cycles"] == 895 + 8 * 313
    assert list(energy.assumptions) == ["ipp_missing"]


def test_aliases_of_a_command_are_one_command():
    names = pa.dram.COMMANDS
    for group in (
        ["REF", "REFA", "REFAB"],
        ["SREN", "SREFEN", "SRE"],
        ["SREX", "SREFEX"],
        ["PDN_F_PRE", "PDEP"],
        ["PDN_F_ACT", "PDEA"],
        ["PUP_PRE", "PDXP"],
        ["PUP_ACT", "PDXA"],
    ):
        assert len({names[name] for name in group}) == 1
    with pytest.raises(
        ValueError, match=r"command 1: name must be one of .* got 'SREFN'; did you mean 'SREFEN'"
    ):
        pa.dram.command_array([(1, "act", 0), (2, "SREFN", 0)])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1.5, "ACT", 0), "cycle must be an integer from 0 to 18446744073709551615, got 1.5"),
        ((-1, "ACT", 0), "cycle must be an integer from 0 to 18446744073709551615, got -1"),
        ((1, "ACT", 256), "bank must be an integer from 0 to 255, got 256"),
        ((1, "ACT", "0"), "bank must be an integer from 0 to 255, got '0'"),
        ((1, "ACT", None), "bank must be an integer from 0 to 255, got None"),
        ((1, "ACT", True), "bank must be an integer from 0 to 255, got True"),
        ((1, "ACT"), "must be (cycle, name, bank), got (1, 'ACT')"),
    ],
)
def test_a_tuple_that_is_no_command_is_named_with_its_place(row, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        pa.dram.command_array([(0, "NOP", 0), row])
    assert str(error.value).startswith("command 1")


def test_integers_of_numpy_are_integers():
    commands = pa.dram.command_array([(np.int64(7), "ACT", np.uint8(3))])
    assert commands.tolist() == [(7, 1, 3)]


ILLEGAL = {
    "one before": ([(9, "ACT", 0), (8, "ACT", 1)], 1, 8, "ACT: expected no cycle below 9"),
    "end": ([(1000, "ACT", 0)], 0, 1000, "ACT: expected a cycle below the end of the window, 1000"),
    "bank": ([(1, "PRE", 8)], 0, 1, "PRE: expected a bank below 8, got 8"),
    # Beyond every array of the rank: the sanitizer sees if the message looks it up.
    "last bank": ([(1, "ACT", 255)], 0, 1, "ACT: expected a bank below 8, got 255"),
    "open": ([(1, "ACT", 3), (70, "ACT", 3)], 1, 70, "ACT: bank 3 is open since cycle 1"),
    "closed": ([(1, "ACT", 3), (9, "RD", 2)], 1, 9, "RD: bank 2 is closed, expected an open row"),
    "refresh": (
        [(1, "ACT", 3), (9, "REF", 0)],
        1,
        9,
        "REF: bank 3 is open since cycle 1, expected it closed",
    ),
    "self": ([(1, "ACT", 3), (9, "SREN", 0)], 1, 9, "SREN: bank 3 is open"),
    "again": ([(1, "REF", 0), (88, "REF", 0)], 1, 88, "REF: a refresh is under way until cycle 89"),
    "early": (
        [(1, "SREN", 0), (20, "SREX", 0), (88, "ACT", 0)],
        2,
        88,
        "ACT: a refresh is under way until cycle 89",
    ),
    "asleep": ([(1, "SREN", 0), (99, "ACT", 0)], 1, 99, "ACT: the rank is in self-refresh"),
    "down": ([(1, "PDN_S_PRE", 0), (99, "REF", 0)], 1, 99, "REF: the rank is in power-down"),
    "nothing to leave": ([(1, "SREX", 0)], 0, 1, "SREX: the rank is not in self-refresh"),
    "nor this": ([(1, "PUP_PRE", 0)], 0, 1, "PUP_PRE: the rank is not in power-down"),
    "other": (
        [(1, "PDEP", 0), (9, "PDXA", 0)],
        1,
        9,
        "PUP_ACT: the rank is in the other power-down",
    ),
    "active": ([(1, "PDEA", 0)], 0, 1, "PDN_F_ACT: no bank stays open"),
    "precharge": ([(1, "ACT", 5), (9, "PDEP", 0)], 1, 9, "PDN_F_PRE: bank 5 is open since cycle 1"),
    "twice": (
        [(1, "ACT", 5), (30, "RDA", 5), (31, "RD", 5)],
        2,
        31,
        "RD: the auto-precharge of bank 5 is under way until cycle 36",
    ),
}


@pytest.mark.parametrize("name", ILLEGAL)
def test_an_illegal_command_is_named_with_its_place(name):
    commands, index, cycle, why = ILLEGAL[name]
    meter = pa.dram.CommandMeter(pa.dram.part(PART))
    with pytest.raises(pa.CommandError) as error:
        meter.run(commands, 1000)
    assert (error.value.index, error.value.cycle) == (index, cycle)
    assert error.value.why.startswith(why)
    # Nothing was executed: what is legal by itself still is.
    assert meter.run([(500, "REF", 0)], 1000).counters["pre_cycles"] == 1000 - 78


def test_a_code_that_is_no_command_is_named():
    commands = pa.dram.command_array([(1, "ACT", 0), (2, "NOP", 0)])
    commands["command"][1] = max(pa.dram.COMMANDS.values()) + 1
    with pytest.raises(pa.CommandError, match="command 1 at cycle 2: 21: expected a command code"):
        pa.dram.command_energy(pa.dram.part(PART), commands, 100)


def test_at_the_edge_of_a_refresh_a_command_is_legal():
    for commands in (
        [(1, "REF", 0), (89, "REF", 0)],
        [(1, "SREN", 0), (20, "SREX", 0), (89, "ACT", 0)],
    ):
        pa.dram.command_energy(pa.dram.part(PART), commands, 1000)


def test_precharges_of_a_cycle_come_first_and_errors_keep_their_index():
    spec = pa.dram.part(PART)
    energy = pa.dram.command_energy(spec, [(1, "ACT", 0), (40, "REF", 0), (40, "PRE", 0)], 500)
    assert (energy.counters["refs"], energy.counters["pres"]) == (1, 1)
    with pytest.raises(pa.CommandError) as error:
        pa.dram.command_energy(spec, [(1, "ACT", 0), (40, "RD", 0), (40, "PRE", 0)], 500)
    assert error.value.index == 1


def test_power_down_begins_after_what_is_under_way():
    """DRAMPower 5 delays the entry to tRCD after an activation; a refresh delays it in both."""
    spec = pa.dram.part(PART)
    commands = [(100, "ACT", 0), (101, "PDEA", 0), (200, "PDXA", 0)]
    late = pa.dram.command_energy(spec, commands, 300, entry_refresh="drampower5")
    early = pa.dram.command_energy(spec, commands, 300)
    assert late.counters["act_pd_cycles"] == 90
    assert early.counters["f_act_pd_cycles"] == 99
    for convention in ("drampower4", "drampower5"):
        commands = [(100, "REF", 0), (101, "PDEP", 0), (288, "PDXP", 0)]
        energy = pa.dram.command_energy(spec, commands, 300, entry_refresh=convention)
        cycles = energy.counters.get("pre_pd_cycles", energy.counters.get("f_pre_pd_cycles"))
        assert cycles == 100


def test_arrays_of_other_integers_are_taken_and_their_limits_checked():
    wide = np.array([(10, 1, 0), (60, 6, 0)], [("cycle", "i8"), ("command", "i4"), ("bank", "i4")])
    energy = pa.dram.command_energy(pa.dram.part(PART), wide, 100)
    assert energy.counters["act_cycles"] == 50
    wide["bank"][1] = 300
    with pytest.raises(ValueError, match=r"commands\[1\]: bank must be 0 to 255, got 300"):
        pa.dram.command_energy(pa.dram.part(PART), wide, 100)
    for name in ("cycle", "command", "bank"):
        floats = wide.astype([(n, "f8" if n == name else "i8") for n in wide.dtype.names])
        with pytest.raises(TypeError, match=f"commands: {name} must hold integers, got float64"):
            pa.dram.command_energy(pa.dram.part(PART), floats, 100)
    packed = np.zeros(1, [("cycle", "u8"), ("command", "u1"), ("bank", "u1")])
    assert pa.dram.command_energy(pa.dram.part(PART), packed, 100).counters["pre_cycles"] == 100
    with pytest.raises(TypeError, match="fields of COMMAND_DTYPE"):
        pa.dram.command_energy(pa.dram.part(PART), np.zeros(3), 100)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entry_refresh": "drampower6"}, "entry_refresh must be one of"),
        ({"formulas": "micron"}, "formulas must be one of"),
        ({"assumptions": ["hope"]}, "assumption must be one of"),
        ({"fraction": 0.5}, "sigma must be given"),
        ({"fraction": 1.5, "sigma": 0.5}, "fraction must be 0 to 1"),
        ({"fraction": 0.5, "sigma": -0.1}, "sigma must be 0 to 1"),
    ],
)
def test_an_unknown_option_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        pa.dram.command_energy(pa.dram.part(PART), [], 100, **options)


def test_a_missing_current_is_an_error_only_where_it_is_needed():
    spec = pa.dram.part("ddr4_3200_8Gb_x8")
    options = {"entry_refresh": "drampower5"}
    with pytest.raises(
        pa.MissingValue,
        match=r"ddr4_3200_8Gb_x8: vpp.IPP2N is not given; the assumption ipp_missing",
    ):
        pa.dram.command_energy(spec, [], 100, **options)
    energy = pa.dram.command_energy(spec, [], 100, assumptions=["ipp_missing"], **options)
    assert math.isclose(energy.average_watts, 51.9e-3)
    assert list(energy.assumptions) == ["ipp_missing"]
    zero = pa.dram.command_energy(spec, [], 100, assumptions=["ipp_zero"], **options)
    assert math.isclose(zero.average_watts, 44.4e-3)
    with pytest.raises(pa.MissingValue, match=r"timing\.tWL"):
        pa.dram.command_energy(spec, [(1, "ACT", 0), (30, "WRA", 0)], 100, **options)
    with pytest.raises(pa.MissingValue, match=r"timing.tRC is not given; the assumption trc_sum"):
        pa.dram.command_energy(
            spec, [(1, "ACT", 0), (60, "PRE", 0)], 100, assumptions=["ipp_missing"]
        )
