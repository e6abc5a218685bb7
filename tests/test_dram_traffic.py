"""Background shares and gaps of an interleaved channel, to the digits of a published table."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pasralloc as pa

DDR4 = pa.dram.part("ddr4_2400_8Gb_x8")
NEAREST = dataclasses.replace(DDR4, timing_cycles={**DDR4.timing_cycles, "tRC": 55})

loads = st.floats(0.001, 1)


@pytest.mark.parametrize(
    ("load", "ranks", "background", "with_refresh"),
    [
        (0.01, 1, 76, 98),
        (0.10, 1, 63, 81),
        (0.25, 1, 49, 64),
        (0.50, 1, 36, 47),
        (0.01, 4, 77, 99),
        (0.10, 4, 73, 95),
        (0.25, 4, 68, 88),
        (0.50, 4, 60, 78),
    ],
)
def test_share_of_the_background(load, ranks, background, with_refresh):
    """DDR4-2400 8Gb x8, 64 bits, one activation per four reads, with tRC rounded to the nearest cycle."""
    power = pa.dram.channel_power(NEAREST, load=load, ranks=ranks)
    assert round(100 * power.background_share) == background
    assert round(100 * power.idle_share) == with_refresh


def test_a_longer_row_cycle_is_what_parts_have():
    """46.16 ns are more than 55 cycles, so a part needs 56: one cell of the table is 0.1 % lower then."""
    shares = [
        pa.dram.channel_power(part, load=0.25, ranks=4).idle_share for part in (DDR4, NEAREST)
    ]
    assert [round(100 * share, 2) for share in shares] == [87.45, 87.54]


@pytest.mark.parametrize(
    ("load", "mean", "share"),
    [(0.1, "133 ns", "1e-19"), (0.01, "1.3 us", "0.013"), (0.001, "13 us", "0.65")],
)
def test_gaps_above_break_even(load, mean, share):
    """Poisson accesses over four ranks, with a break-even time of 5.8 us."""
    number, unit = mean.split()
    seconds = pa.dram.mean_gap(DDR4, load=load, ranks=4)
    scaled = seconds / {"ns": 1e-9, "us": 1e-6}[unit]
    assert f"{scaled:.{len(number.partition('.')[2])}f}" == number
    threshold = pa.dram.state_powers(DDR4, assumptions=["ipp_missing"]).break_even(
        "precharge_standby", "pulse"
    )
    assert round(threshold * 1e6, 1) == 5.8
    probability = pa.dram.gap_probability(DDR4, threshold, load=load, ranks=4)
    digits = len(share.partition(".")[2])
    assert (f"{probability:.0e}" if "e" in share else f"{probability:.{digits}f}") == share


@given(load=loads, ranks=st.integers(1, 8))
def test_one_rank_more_adds_background_and_nothing_else(load, ranks):
    less, more = (pa.dram.channel_power(DDR4, load=load, ranks=r) for r in (ranks, ranks + 1))
    assert math.isclose(more.commands, less.commands)
    assert math.isclose(more.background - less.background, 8 * 48.3e-3)
    assert more.idle_share > less.idle_share


@given(
    pair=st.tuples(loads, loads).map(sorted), ranks=st.integers(1, 8), seconds=st.floats(1e-8, 1e-4)
)
def test_more_load_means_shorter_gaps_and_a_smaller_share_of_background(pair, ranks, seconds):
    low, high = pair
    assert pa.dram.gap_probability(
        DDR4, seconds, load=high, ranks=ranks
    ) <= pa.dram.gap_probability(DDR4, seconds, load=low, ranks=ranks)
    shares = [pa.dram.channel_power(DDR4, load=load, ranks=ranks).idle_share for load in pair]
    assert shares[1] <= shares[0]


def test_average_power_of_a_load_is_that_of_its_commands():
    """One activation, four reads, one precharge again and again, against the counted commands."""
    spec = pa.dram.part("ddr3_1600_1Gb_x8_G")
    period = 160  # four bursts of four clocks in 160: a tenth of the bus
    trace = []
    for number in range(50):
        at = number * period
        trace += [
            (at, "ACT", 0),
            *((at + 10 + 4 * i, "RD", 0) for i in range(4)),
            (at + 28, "PRE", 0),
        ]
    energy = pa.dram.command_energy(spec, trace, 50 * period)
    power = pa.dram.channel_power(spec, load=0.1, open_share=28 / period)
    counted = spec.devices * energy.average_watts
    assert math.isclose(counted, power.background + power.commands, rel_tol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"load": 1.1}, "load must be 0 to 1, got 1.1"),
        ({"load": 0.1, "ranks": 0}, "ranks must be at least 1, got 0"),
        (
            {"load": 0.1, "bursts_per_activation": 0},
            "bursts_per_activation must be positive, got 0",
        ),
        ({"load": 0.1, "write_share": -1}, "write_share must be 0 to 1, got -1"),
    ],
)
def test_impossible_loads_are_refused(options, message):
    with pytest.raises(pa.DramError, match=message):
        pa.dram.channel_power(DDR4, **options)


@pytest.mark.parametrize("seconds", [-1e-9, math.nan])
def test_a_gap_is_not_negative(seconds):
    with pytest.raises(pa.DramError, match="seconds must be 0 or more, got"):
        pa.dram.gap_probability(DDR4, seconds, load=0.5)
    assert pa.dram.gap_probability(DDR4, 0, load=0.5) == 1


def test_no_load_has_no_gaps():
    with pytest.raises(pa.DramError, match="above 0 and at most 1"):
        pa.dram.mean_gap(DDR4, load=0)
    with pytest.raises(pa.MissingValue, match=r"vpp\.IPP2N"):
        pa.dram.channel_power(pa.dram.part("ddr4_3200_8Gb_x8"), load=0.1)
