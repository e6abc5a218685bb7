"""State powers, break-even times and PASR fits, to the digits of published tables."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pasralloc as pa
from pasralloc.dram.parameters import Parameters

ASSUMED = ["ipp_missing", "ipp_zero", "trefi_min", "vddq_out"]

# mW per device: precharge standby, active standby, active power-down, precharge power-down with fast
# and with slow exit, self-refresh, average refresh, standby and slow power-down with refresh.
POWER = """
ddr3_1600_4Gb_x8                 48.00  57.00  57.00  48.00  27.00  30.00  9.85  57.85  36.85
ddr3_1600_1Gb_x8_G               67.50  67.50  52.50  45.00  18.00  12.00  2.64  70.14  20.64
ddr3_1600_2Gb_x16_D              63.00  67.50  67.50  60.00  18.00  18.00  5.23  68.23  23.23
ddr4_2400_4Gb_x8_A               45.90  52.80  27.00  20.40  20.40  30.80  2.97  48.87  23.37
ddr4_2400_8Gb_x8                 48.30  59.10  51.90  37.50  37.50  43.50 13.95  62.25  51.45
ddr4_3200_8Gb_x8                 51.90  69.90  59.10  37.50  37.50  43.50 10.66  62.56  48.16
ddr5_4800_16Gb_x8               113.80 168.80 166.60 109.40 109.40 124.80 14.09 127.89 123.49
lpddr_333_2Gb_x16                27.00  32.40   6.48   1.08   1.08   3.06  1.26  28.26   2.34
lpddr2_1066_2Gb_x16              29.46  38.16   7.10   2.94   2.94   5.28  5.12  34.58   8.06
lpddr2_s4_1066_4Gb_x32           39.60  40.50  11.76   2.04   2.04   5.64  7.05  46.65   9.09
lpddr3_1600_4Gb_x32              49.20  57.60  11.94   2.12   2.12   5.72  6.88  56.08   9.00
lpddr3_1600_4Gb_x32_gem5         32.64  44.40  15.72   3.60   3.60   3.06  6.20  38.84   9.80
lpddr4_3200_6Gb_per_channel_x16  33.30  37.05  12.06   5.46   5.46   1.09  5.73  39.03  11.19
"""

# Entry energy in nJ, and break-even in us against the deepest power-down and standby, with their refresh.
BREAK_EVEN = """
ddr3_1600_4Gb_x8                 76.83 11.22  2.76
ddr3_1600_1Gb_x8_G               20.62  2.39  0.35
ddr3_1600_2Gb_x16_D              40.80  7.80  0.81
ddr4_2400_4Gb_x8_A               23.16  none  1.28
ddr4_2400_8Gb_x8                108.81 13.69  5.80
ddr4_3200_8Gb_x8                 83.16 17.84  4.36
ddr5_4800_16Gb_x8                54.96  none 17.77
lpddr_333_2Gb_x16                19.78  none  0.78
lpddr2_1066_2Gb_x16              19.97  7.19  0.68
lpddr2_s4_1066_4Gb_x32           27.50  7.97  0.67
lpddr3_1600_4Gb_x32              26.83  8.18  0.53
lpddr3_1600_4Gb_x32_gem5         24.18  3.59  0.68
lpddr4_3200_6Gb_per_channel_x16  22.39  2.22  0.59
"""

# Part, column: sigma, slope, largest residual, sigma through the full array, per cent saved at a half and a quarter.
FITS = """
MT46H64M16LF low_power_85C 0.475 0.529 0.010 0.476 25.0 40.0
MT46H64M16LF low_power_45C 0.661 0.359 0.040 0.666 12.0 24.0
MT46H64M16LF standard_85C  0.545 0.443 0.031 0.542 25.0 37.5
MT46H64M16LF standard_45C  0.788 0.252 0.084 0.798  2.7  9.3
K4X1G163PC   E_85C         0.500 0.500 0.000 0.500 25.0 37.5
K4X1G163PC   E_45C         0.667 0.333 0.000 0.667 16.7 25.0
K4X1G163PC   G_85C         0.600 0.400 0.000 0.600 20.0 30.0
K4X1G163PC   G_45C         0.740 0.263 0.009 0.742 12.0 20.0
K4X56163PI   E_85C         0.389 0.603 0.024 0.385 33.3 44.4
K4X56163PI   E_45C         0.600 0.400 0.000 0.600 20.0 30.0
K4X56163PI   G_85C         0.667 0.333 0.000 0.667 16.7 25.0
K4X56163PI   G_45C         0.817 0.181 0.007 0.815 10.0 13.3
"""


def rows(text):
    return [line.split() for line in text.strip().splitlines()]


def agrees(value, printed):
    """Whether *value* may be printed as *printed*; halves round either way."""
    digits = len(printed.partition(".")[2])
    return abs(value - float(printed)) <= 0.5 * 10**-digits + 1e-9


def states_of(name, **options):
    return pa.dram.state_powers(pa.dram.part(name), **{"assumptions": ASSUMED, **options})


@pytest.mark.parametrize("row", rows(POWER), ids=lambda row: row[0])
def test_power_per_state(row):
    name, *printed = row
    table = states_of(name)
    slow = table[table.deepest_power_down]
    watts = [
        table["precharge_standby"].watts,
        table["active_standby"].watts,
        table["active_power_down"].watts,
        table["precharge_power_down"].watts,
        slow.watts,
        table["self_refresh"].watts,
        table["precharge_standby"].refresh_watts,
        table["precharge_standby"].watts_with_refresh,
        slow.watts_with_refresh,
    ]
    for value, text in zip(watts, printed, strict=True):
        assert agrees(value * 1e3, text), (value, text)
    assert table["self_refresh"].refresh_watts == 0


@pytest.mark.parametrize("row", rows(BREAK_EVEN), ids=lambda row: row[0])
def test_break_even_of_a_refresh_pulse(row):
    name, entry, power_down, standby = row
    table = states_of(name)
    assert agrees(table.refresh_joules * 1e9, entry)
    for against, printed in (
        (table.deepest_power_down, power_down),
        ("precharge_standby", standby),
    ):
        seconds = table.break_even(against, "pulse")
        if printed == "none":
            assert seconds is None
        else:
            assert agrees(seconds * 1e6, printed)


@pytest.mark.parametrize("row", rows(FITS), ids=lambda row: "-".join(row[:2]))
def test_fits_of_the_self_refresh_current(row):
    name, column, *printed = row
    (part,) = [p for p in pa.dram.part_ids() if p.endswith(name)]
    table = pa.dram.part(part).idd6_uA[column]
    fit = pa.dram.pasr_fit(table)
    savings = [100 * (1 - table[share] / table[1]) for share in (1 / 2, 1 / 4)]
    values = (fit.sigma, fit.slope, fit.max_residual, fit.sigma_through_full, *savings)
    assert all(agrees(value, text) for value, text in zip(values, printed, strict=True))
    assert fit.max_residual_through_full < 0.0905


@pytest.mark.parametrize(("celsius", "known"), pa.dram.SIGMA_RANGES.items())
def test_the_ranges_of_sigma_are_those_of_the_fits(celsius, known):
    sigmas = sorted(
        pa.dram.pasr_fit(table).sigma
        for part in pa.dram.part_ids()
        for column, table in pa.dram.part(part).idd6_uA.items()
        if column.endswith(f"{celsius}C")
    )
    assert len(sigmas) == 6
    median = (sigmas[2] + sigmas[3]) / 2
    for value, stated in ((sigmas[0], known.low), (median, known.median), (sigmas[-1], known.high)):
        assert agrees(value, f"{stated:.2f}")


def test_savings_of_half_and_quarter_arrays():
    """At 85 C masking half the array saves 17 to 33 % of IDD6, at 45 C 3 to 20 %."""
    savings = {45: [], 85: []}
    for part in pa.dram.part_ids():
        for column, table in pa.dram.part(part).idd6_uA.items():
            savings[int(column[-3:-1])].append(1 - table[0.5] / table[1])
    assert [round(100 * f(savings[85])) for f in (min, max)] == [17, 33]
    assert [round(100 * f(savings[45])) for f in (min, max)] == [3, 20]


@given(
    stay=st.floats(0.2e-6, 1e-3),
    name=st.sampled_from([row[0] for row in rows(BREAK_EVEN) if "none" not in row]),
    convention=st.sampled_from(["drampower4", "drampower5", "none"]),
)
def test_above_the_break_even_time_self_refresh_costs_less(stay, name, convention):
    """The closed form against a trace: a stay in self-refresh, and the same time in standby with refresh."""
    spec, table = pa.dram.part(name), states_of(name)
    cycles = round(stay * 1e9 / spec.tck_ns)
    # Rounded timings move the time by a part in a hundred.
    threshold = table.break_even("precharge_standby", convention)
    trace = [(0, "SREN", 0), (cycles, "SREX", 0)]
    energy = pa.dram.command_energy(
        spec,
        trace,
        cycles + 1,
        entry_refresh=convention,
        formulas="drampower4",
        assumptions=[*ASSUMED, "trc_sum"],
    )
    own = energy.total - table["precharge_standby"].watts * spec.tck_ns * 1e-9
    other = table["precharge_standby"].watts_with_refresh * cycles * spec.tck_ns * 1e-9
    if stay > threshold * 1.02 + 2e-9:
        assert own < other
    elif stay < threshold * 0.98 and stay > table.refresh_seconds * 1.02:
        assert own > other


def test_conventions_order_the_break_even_times():
    table = states_of("ddr3_1600_1Gb_x8_G")
    times = [table.break_even("precharge_standby", c) for c in ("none", "drampower4", "drampower5")]
    assert times == sorted(times)
    assert times[0] == 0
    # 125 mA above 45 mA for 88 clocks, minus IDD6 meanwhile, over 70.14 - 12 mW.
    assert math.isclose(
        times[2], (170 - 8) * 1.5 * 110 / (1.5 * (45 - 8) + 2.64423) * 1e-9, rel_tol=1e-5
    )


def test_ddr5_maxima_give_no_gain():
    table = states_of("ddr5_4800_16Gb_x8")
    for convention in ("pulse", "drampower4", "drampower5", "none"):
        assert table.break_even("precharge_power_down", convention) is None


@pytest.mark.parametrize(
    ("celsius", "current", "milliwatts"),
    [
        (None, "IDD6", 43.5),
        (25, "IDD6A_25C", 17.82),
        (45, "IDD6R", 31.5),
        (46, "IDD6A_75C", 43.5),
        (85, "IDD6N", 43.5),
        (95, "IDD6E", 49.5),
    ],
)
def test_self_refresh_by_temperature(celsius, current, milliwatts):
    table = states_of("ddr4_2400_8Gb_x8", celsius=celsius)
    assert table.idd6 == current
    assert math.isclose(table["self_refresh"].watts, milliwatts * 1e-3)
    cool = states_of("ddr4_2400_8Gb_x8")["precharge_standby"].refresh_watts
    hot = table["precharge_standby"].refresh_watts
    assert math.isclose(hot, cool * (2 if celsius == 95 else 1))
    assert ("trefi_hot" in table.assumptions) == (celsius == 95)


def test_a_temperature_without_a_current_is_refused():
    with pytest.raises(pa.DramError, match="celsius must be at most 95 C, got 96"):
        states_of("ddr4_2400_8Gb_x8", celsius=96)
    with pytest.raises(pa.DramError, match="giving no temperature"):
        states_of("lpddr4_3200_6Gb_per_channel_x16", celsius=25)


@given(
    fractions=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    sigma=st.floats(0, 1),
    name=st.sampled_from([row[0] for row in rows(POWER)]),
)
def test_power_falls_with_the_refreshed_fraction_to_the_floor_sigma(fractions, sigma, name):
    small, large = (
        states_of(name, fraction=f, sigma=sigma)["self_refresh"].watts for f in fractions
    )
    full = states_of(name)["self_refresh"].watts
    assert small <= large * (1 + 1e-12) <= full * (1 + 2e-12)
    floor = states_of(name, fraction=0, sigma=sigma)["self_refresh"].watts
    # Numbers too small to have all their digits are no watts that matter.
    assert math.isclose(floor, sigma * full, abs_tol=1e-300)


def test_states_that_a_standard_lacks_are_not_listed():
    assert "precharge_power_down_slow" in states_of("ddr3_1600_4Gb_x8")
    for name in ("ddr4_2400_8Gb_x8", "lpddr3_1600_4Gb_x32"):
        assert "precharge_power_down_slow" not in states_of(name)
    saving = states_of("ddr4_2400_8Gb_x8")["maximum_power_saving"]
    assert (saving.keeps_content, saving.refresh_watts) == (False, 0)


def test_exit_latencies():
    ddr3 = states_of("ddr3_1600_4Gb_x8")
    for state, to_command, to_read in (
        ("precharge_standby", 0, 0),
        ("precharge_power_down", 6, 6),
        ("precharge_power_down_slow", 24, 24),
        ("self_refresh", 270, 640),
    ):
        assert math.isclose(ddr3[state].exit_seconds, to_command * 1e-9)
        assert math.isclose(ddr3[state].read_seconds, to_read * 1e-9)
    lpddr4 = states_of("lpddr4_3200_6Gb_per_channel_x16")["self_refresh"]
    assert math.isclose(lpddr4.read_seconds, 286.25e-9)
    # These have a DLL, and no source says how long it takes to lock.
    for name, to_command in (("ddr4_3200_8Gb_x8", 360), ("ddr5_4800_16Gb_x8", 295)):
        state = states_of(name)["self_refresh"]
        assert math.isclose(state.exit_seconds, to_command * 1e-9)
        assert state.read_seconds is None


def test_a_missing_state_raises_what_is_missing():
    table = pa.dram.state_powers(pa.dram.part("ddr4_2400_4Gb_x8_A"))
    assert "self_refresh" in table
    assert "precharge_standby" not in table
    with pytest.raises(pa.MissingValue, match=r"ddr4_2400_4Gb_x8_A: vpp.IPP2N is not given"):
        _ = table["precharge_standby"]
    with pytest.raises(pa.MissingValue):
        table.break_even("precharge_standby")
    with pytest.raises(ValueError, match="against must be one of"):
        table.break_even("self_refresh")
    with pytest.raises(ValueError, match="entry_refresh must be one of"):
        table.break_even("precharge_standby", "ramulator")
    assert table.assumptions == {}


def without(name, prefix):
    """A part that lacks the currents of vdd that begin so."""
    spec = pa.dram.part(name)
    rail = spec.rails["vdd"]
    currents = {k: mA for k, mA in rail.currents_mA.items() if not k.startswith(prefix)}
    return dataclasses.replace(spec, rails={"vdd": dataclasses.replace(rail, currents_mA=currents)})


def test_a_missing_entry_background_is_an_error_only_where_it_counts():
    table = pa.dram.state_powers(without("ddr3_1600_1Gb_x8_G", "IDD3P"))
    full = states_of("ddr3_1600_1Gb_x8_G")
    for convention in ("none", "pulse", "drampower5"):
        assert table.break_even("precharge_standby", convention) == full.break_even(
            "precharge_standby", convention
        )
    with pytest.raises(pa.MissingValue, match=r"vdd\.IDD3P0 is not given"):
        table.break_even("precharge_standby", "drampower4")


def test_a_state_that_a_part_does_not_have_is_refused_by_name():
    table = pa.dram.state_powers(pa.dram.part("ddr4_2400_8Gb_x8"))
    with pytest.raises(
        pa.DramError,
        match=r"ddr4_2400_8Gb_x8: state must be one of active_standby, .*self_refresh.*, got 'nap'",
    ):
        _ = table["nap"]
    with pytest.raises(pa.DramError, match="got 'precharge_power_down_slow'"):
        table.break_even("precharge_power_down_slow")


# pJ by component of a stay of 90000 in 100000 clocks: what DRAMPower 4.1 printed, and the others by formula.
@pytest.mark.parametrize(
    ("convention", "total", "components"),
    [
        (
            "drampower4",
            2218398.75,
            {
                "sref": 1348680 + 20625,
                "sref_ref_act_bg": 5118.75,
                "sref_ref_pre_bg": 225,
                "pre_standby": 843750,
            },
        ),
        (
            "drampower5",
            2220480,
            {"sref": 1348680, "refresh": 20625, "act_standby": 7425, "pre_standby": 843750},
        ),
        ("none", 2193750, {"sref": 1350000, "pre_standby": 843750}),
    ],
)
def test_a_worked_self_refresh_stay(convention, total, components):
    energy = pa.dram.command_energy(
        pa.dram.part("ddr3_1600_1Gb_x8_G"),
        [(1000, "SREN", 0), (91000, "SREX", 0)],
        100_000,
        entry_refresh=convention,
        formulas="drampower4",
    )
    assert math.isclose(energy.total * 1e12, total)
    spent = {name: joules * 1e12 for name, joules in energy.items() if joules}
    assert spent == pytest.approx(components)


# tCKE, tCKESR, tXP, tXPDLL, tXS, tXSDLL in clocks.
EXITS = """
ddr3_1600_1Gb_x8_G               -  -  -  20  96 512
ddr3_1600_2Gb_x16_D              -  -  5  20 136 512
ddr3_1600_4Gb_x8                 4  5  5  20 216 512
ddr4_2400_4Gb_x8_A               6  7  8   - 324   -
ddr4_2400_8Gb_x8                 6  7  8   - 432 768
ddr4_3200_8Gb_x8                 8  9 10   - 576   -
lpddr3_1600_4Gb_x32              6 12  6   - 112   -
lpddr3_1600_4Gb_x32_gem5         6 12  6   - 112   -
lpddr4_3200_6Gb_per_channel_x16 12 24 12   - 458   -
"""


@pytest.mark.parametrize("row", rows(EXITS), ids=lambda row: row[0])
def test_entry_and_exit_timings(row):
    """A dash is for what the sources of the part give otherwise, or not at all."""
    name, *printed = row
    parameters = Parameters(pa.dram.part(name))
    symbols = ("tCKE", "tCKESR", "tXP", "tXPDLL", "tXS", "tXSDLL")
    for symbol, cycles in zip(symbols, printed, strict=True):
        if cycles != "-":
            assert parameters.cycles(symbol) == int(cycles), symbol


def test_what_ranks_of_ddr4_save_with_the_refresh_of_each_state():
    """Against standby, power-down saves 17 % and self-refresh 30 %."""
    table = states_of("ddr4_2400_8Gb_x8")
    standby = table["precharge_standby"].watts_with_refresh
    power_down = table["precharge_power_down"].watts_with_refresh
    assert round(100 * (1 - power_down / standby)) == 17
    assert round(100 * (1 - table["self_refresh"].watts / standby)) == 30


def test_cool_mobile_parts_draw_about_half():
    """IDD6 at 45 C is 44 to 63 % of that at 85 C."""
    shares = [
        table[1] / pa.dram.part(part).idd6_uA[column.replace("45C", "85C")][1]
        for part in pa.dram.part_ids()
        for column, table in pa.dram.part(part).idd6_uA.items()
        if column.endswith("45C")
    ]
    assert len(shares) == 6
    assert agrees(100 * min(shares), "44")
    assert agrees(100 * max(shares), "63")
