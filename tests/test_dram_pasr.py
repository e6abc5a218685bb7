"""Codes and masks of partial-array self-refresh."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pasralloc as pa

DDR3 = pa.dram.part("ddr3_1600_4Gb_x8")
LPDDR = pa.dram.part("lpddr_333_2Gb_x16")
LPDDR3 = pa.dram.part("lpddr3_1600_4Gb_x32")
LPDDR5 = dataclasses.replace(LPDDR3, id="lpddr5", standard="LPDDR5", pasr_kind="segment-mask")


def codes(spec):
    return {setting.code: setting for setting in pa.dram.refresh_settings(spec)}


@pytest.mark.parametrize(
    ("code", "fraction", "banks"),
    [
        (0b000, 1, {0, 1, 2, 3, 4, 5, 6, 7}),
        (0b001, 1 / 2, {0, 1, 2, 3}),
        (0b010, 1 / 4, {0, 1}),
        (0b011, 1 / 8, {0}),
        (0b100, 3 / 4, {2, 3, 4, 5, 6, 7}),
        (0b101, 1 / 2, {4, 5, 6, 7}),
        (0b110, 1 / 4, {6, 7}),
        (0b111, 1 / 8, {7}),
    ],
)
def test_codes_of_ddr3_with_eight_banks(code, fraction, banks):
    setting = codes(DDR3)[code]
    assert (setting.fraction, setting.banks) == (fraction, banks)


def test_codes_of_four_banks_leave_eighths_undefined():
    four = dataclasses.replace(DDR3, id="ddr2", standard="DDR2", banks=4, rows=1 << 17)
    kept = {code: set(setting.banks) for code, setting in codes(four).items()}
    assert kept == {0: {0, 1, 2, 3}, 1: {0, 1}, 2: {0}, 4: {1, 2, 3}, 5: {2, 3}, 6: {3}}


def test_codes_of_lpddr_are_anchored_at_bank_0():
    kept = {
        code: (setting.fraction, set(setting.banks), set(setting.segments))
        for code, setting in codes(LPDDR).items()
    }
    every = set(range(8))
    assert kept == {
        0b000: (1, {0, 1, 2, 3}, every),
        0b001: (1 / 2, {0, 1}, every),
        0b010: (1 / 4, {0}, every),
        0b101: (1 / 8, {0}, {0, 1, 2, 3}),
        0b110: (1 / 16, {0}, {0, 1}),
    }
    assert set(codes(pa.dram.part("lpddr_mobile_1Gb_x16_K4X1G163PC"))) == {0, 1, 2}


@given(banks=st.sets(st.integers(0, 7)), segments=st.sets(st.integers(0, 7)))
def test_masks_of_lpddr3_express_everything(banks, segments):
    setting = pa.dram.refresh_setting(LPDDR3, maskable_banks=banks, maskable_segments=segments)
    assert setting.bank_mask == sum(1 << bank for bank in banks)
    assert setting.segment_mask == sum(1 << segment for segment in segments)
    refreshed = [(b, s) for b in range(8) for s in range(8) if b not in banks and s not in segments]
    assert setting.fraction == len(refreshed) / 64
    assert [(b, s) for b in range(8) for s in range(8) if setting.refreshes(b, s)] == refreshed


@given(
    spec=st.sampled_from([DDR3, LPDDR, LPDDR3, LPDDR5]),
    banks=st.sets(st.integers(0, 3)),
    segments=st.sets(st.integers(0, 7)),
    more=st.integers(0, 3),
)
def test_rounding_never_loses_content_and_more_freedom_never_refreshes_more(
    spec, banks, segments, more
):
    setting = pa.dram.refresh_setting(spec, maskable_banks=banks, maskable_segments=segments)
    for bank in range(spec.banks):
        for segment in range(8):
            assert setting.refreshes(bank, segment) or bank in banks or segment in segments
    freer = pa.dram.refresh_setting(spec, maskable_banks=banks | {more}, maskable_segments=segments)
    assert freer.fraction <= setting.fraction


@pytest.mark.parametrize(
    ("banks", "code"),
    [
        ([], 0),
        ([0], 0),
        ([0, 1], 4),
        ([4, 5, 6, 7], 1),
        ([3, 4, 5, 6, 7], 1),
        ([2, 3, 4, 5, 6, 7], 2),
        ([1, 2, 3, 4, 5, 6, 7], 3),
        ([0, 1, 2, 3, 4, 5, 6], 7),
        ([0, 1, 2, 3, 4, 5], 6),
    ],
)
def test_the_code_that_refreshes_least_is_taken(banks, code):
    assert pa.dram.refresh_setting(DDR3, maskable_banks=banks).code == code


@pytest.mark.parametrize(
    ("banks", "segments", "code"),
    [
        ([1, 2, 3], [], 0b010),
        ([1, 2, 3], [4, 5, 6], 0b010),
        ([1, 2, 3], [4, 5, 6, 7], 0b101),
        ([1, 2, 3], [2, 3, 4, 5, 6, 7], 0b110),
        ([1, 2, 3], [0, 2, 3, 4, 5, 6, 7], 0b110),
        ([0, 2, 3], [], 0b001),
        ([0, 1], [], 0b000),
        ([], [4, 5, 6, 7], 0b000),
    ],
)
def test_codes_below_a_quarter_need_free_rows_of_bank_0(banks, segments, code):
    setting = pa.dram.refresh_setting(LPDDR, maskable_banks=banks, maskable_segments=segments)
    assert setting.code == code


def test_lpddr5_has_no_bank_mask():
    setting = pa.dram.refresh_setting(LPDDR5, maskable_banks=[0, 1, 2, 3], maskable_segments=[7])
    assert (setting.bank_mask, setting.segment_mask, setting.fraction) == (0, 0x80, 7 / 8)


@pytest.mark.parametrize("name", ["ddr4_2400_8Gb_x8", "ddr5_4800_16Gb_x8"])
def test_a_standard_without_masks_refuses_even_an_empty_one(name):
    with pytest.raises(pa.DramError, match=f"{name}: pasr.kind must be one that masks refresh"):
        pa.dram.refresh_setting(pa.dram.part(name))
    with pytest.raises(pa.DramError, match=r"pasr\.kind must be one with codes"):
        list(pa.dram.refresh_settings(pa.dram.part(name)))


def test_what_does_not_exist_cannot_be_masked():
    with pytest.raises(pa.DramError, match="maskable_banks must be an integer from 0 to 7, got 8"):
        pa.dram.refresh_setting(DDR3, maskable_banks=[8])
    with pytest.raises(
        pa.DramError, match="maskable_segments must be an integer from 0 to 7, got -1"
    ):
        pa.dram.refresh_setting(LPDDR3, maskable_segments=[-1])
    with pytest.raises(
        pa.DramError, match=r"maskable_banks must be an integer from 0 to 7, got 1.5"
    ):
        pa.dram.refresh_setting(DDR3, maskable_banks=[1.5])


@pytest.mark.parametrize(
    ("spec", "banks", "segments", "problem"),
    [
        (DDR3, [4, 5, 6, 7], [], None),
        (DDR3, [3, 4, 5, 6, 7], [], r"maskable_banks must be what a .*, got \[3, 4, 5, 6, 7\]"),
        (
            DDR3,
            [],
            [7],
            r"maskable_segments must be what a mode-register-code of DDR3 .* got \[7\]",
        ),
        (LPDDR, [2, 3], [], None),
        (LPDDR, [1, 2, 3], [4, 5, 6, 7], None),
        (LPDDR, [0], [], r"maskable_banks must be .*, got \[0\]"),
        (LPDDR3, [5], [0], None),
        (LPDDR5, [], [0, 3], None),
        (LPDDR5, [1], [0], r"maskable_banks must be what a segment-mask of LPDDR5 can express"),
    ],
)
def test_what_would_be_rounded_is_refused_if_asked(spec, banks, segments, problem):
    options = {"maskable_banks": banks, "maskable_segments": segments}
    if problem is None:
        assert pa.dram.refresh_setting(spec, exact=True, **options) == pa.dram.refresh_setting(
            spec, **options
        )
    else:
        with pytest.raises(pa.DramError, match=f"{spec.id}: {problem}"):
            pa.dram.refresh_setting(spec, exact=True, **options)
