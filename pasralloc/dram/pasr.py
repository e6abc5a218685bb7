"""Which parts of its array a device can leave unrefreshed: mode-register codes and masks."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from operator import index

from pasralloc.dram.spec import DramSpec
from pasralloc.errors import DramError

NR_SEGMENTS = 8


@dataclass(frozen=True, slots=True)
class RefreshSetting:
    """What is written into a device, and what it keeps refreshed in self-refresh.

    Parameters
    ----------
    kind : str
        ``mode-register-code``, ``extended-mode-register-code``, ``masks`` or ``segment-mask``.
    code : int or None
        Three-bit code A2:A0, for codes.
    bank_mask, segment_mask : int
        Bit set: not refreshed. 0 for codes.
    banks : frozenset of int
        Banks that stay refreshed, wholly or in their refreshed segments.
    segments : frozenset of int
        Refreshed eighths (by the row's three most significant bits) of each of these banks.
    fraction : float
        Refreshed share of the array.
    """

    kind: str
    code: int | None
    bank_mask: int
    segment_mask: int
    banks: frozenset[int]
    segments: frozenset[int]
    fraction: float

    def refreshes(self, bank: int, segment: int = 0) -> bool:
        """Whether a segment of a bank keeps its content."""
        return bank in self.banks and segment in self.segments


def refresh_settings(spec: DramSpec) -> Iterator[RefreshSetting]:
    """Every code of a part that masks by code, from the full array down.

    Parameters
    ----------
    spec : DramSpec
        The part.

    Yields
    ------
    RefreshSetting
        Of shares that fall, and of codes that rise where shares are equal.

    Raises
    ------
    DramError
        If the part has no codes: it masks bit by bit, or not at all.

    Notes
    -----
    DDR2 and DDR3: MR2 (EMR2) A2:A0; codes 011 and 111 are undefined for four banks.
    LPDDR: EMR A2:A0, anchored at bank 0.

    References
    ----------
    .. [1] Microchip, DDR3PHY_MR2 register description; Qimonda HYB18M1G16 data sheet, p. 14; Alliance
       AS4C16M16MD1 data sheet, p. 16.

    Examples
    --------
    >>> import pasralloc as pa
    >>> [(s.code, s.fraction) for s in refresh_settings(pa.dram.part("ddr3_1600_4Gb_x8"))][:3]
    [(0, 1.0), (4, 0.75), (1, 0.5)]
    """
    if spec.pasr_kind == "mode-register-code":
        settings = _bank_codes(spec)
    elif spec.pasr_kind == "extended-mode-register-code":
        settings = _anchored_codes(spec)
    else:
        raise DramError(spec.id, [("pasr.kind", spec.pasr_kind, "one with codes")])
    yield from sorted(settings, key=lambda setting: (-setting.fraction, setting.code))


def _bank_codes(spec: DramSpec) -> list[RefreshSetting]:
    """DDR2 and DDR3: 001 to 011 keep the low banks, 101 to 111 the high ones, 100 all but the lowest quarter."""
    nr = spec.banks
    kept = {
        0: range(nr),
        1: range(nr // 2),
        2: range(nr // 4),
        3: range(nr // 8),
        4: range(nr // 4, nr),
        5: range(nr // 2, nr),
        6: range(nr - nr // 4, nr),
        7: range(nr - nr // 8, nr),
    }
    return [
        RefreshSetting(
            "mode-register-code",
            code,
            0,
            0,
            frozenset(banks),
            frozenset(range(NR_SEGMENTS)),
            len(banks) / nr,
        )
        for code, banks in kept.items()
        if banks  # an eighth of four banks is undefined
    ]


def _anchored_codes(spec: DramSpec) -> list[RefreshSetting]:
    """LPDDR: shares anchored at bank 0; below a quarter, the low rows of the lowest quarter."""
    codes = {0: 1.0, 1: 1 / 2, 2: 1 / 4, 5: 1 / 8, 6: 1 / 16}
    settings = []
    for code, share in codes.items():
        if spec.pasr_shares and share not in spec.pasr_shares:
            continue
        banks = frozenset(range(max(int(spec.banks * share), spec.banks // 4, 1)))
        segments = frozenset(range(round(NR_SEGMENTS * share * spec.banks / len(banks))))
        settings.append(
            RefreshSetting("extended-mode-register-code", code, 0, 0, banks, segments, share)
        )
    return settings


def refresh_setting(
    spec: DramSpec,
    *,
    maskable_banks: Collection[int] = (),
    maskable_segments: Collection[int] = (),
    exact: bool = False,
) -> RefreshSetting:
    """Choose the setting that refreshes least without losing what must be kept.

    What a device cannot express is rounded to the refreshed side: nothing outside
    *maskable_banks* and *maskable_segments* is ever left unrefreshed.

    Parameters
    ----------
    spec : DramSpec
        The part.
    maskable_banks : collection of int
        Banks without content.
    maskable_segments : collection of int
        Eighths of the rows, 0 to 7, without content in any bank.
    exact : bool
        Refuse what would be rounded: everything maskable must be left unrefreshed.

    Returns
    -------
    RefreshSetting
        What to write, and what it keeps refreshed.

    Raises
    ------
    DramError
        If the part masks nothing (DDR4, and DDR5 since JESD79-5C v1.30), if a bank or segment does not
        exist, or with *exact* if the part cannot leave just these unrefreshed.

    Notes
    -----
    A cell is refreshed if neither mask stops it, so the refreshed share is the product of both.
    LPDDR2 to LPDDR4: MR16 bank mask and MR17 segment mask; LPDDR5: segment mask only.

    Examples
    --------
    >>> import pasralloc as pa
    >>> setting = refresh_setting(pa.dram.part("ddr3_1600_4Gb_x8"), maskable_banks=[3, 4, 5, 6, 7])
    >>> setting.code, sorted(setting.banks)
    (1, [0, 1, 2, 3])
    """
    banks = _known(spec, "maskable_banks", maskable_banks, spec.banks)
    segments = _known(spec, "maskable_segments", maskable_segments, NR_SEGMENTS)
    if spec.pasr_kind == "none":
        raise DramError(
            spec.id,
            [
                (
                    "pasr.kind",
                    "none",
                    f"one that masks refresh; {spec.standard} has none ({spec.pasr_note})",
                )
            ],
        )
    if spec.pasr_kind in ("masks", "segment-mask"):
        setting = _masks(spec, banks if spec.pasr_kind == "masks" else frozenset(), segments)
    else:
        # The full array is always among them.
        setting = [
            code
            for code in refresh_settings(spec)
            if all(
                code.refreshes(bank, segment) or bank in banks or segment in segments
                for bank in range(spec.banks)
                for segment in range(NR_SEGMENTS)
            )
        ][-1]
    if exact:
        _refuse_rounding(spec, setting, banks, segments)
    return setting


def _masks(spec: DramSpec, banks: frozenset[int], segments: frozenset[int]) -> RefreshSetting:
    kept = frozenset(range(spec.banks)) - banks
    rows = frozenset(range(NR_SEGMENTS)) - segments
    return RefreshSetting(
        kind=spec.pasr_kind,
        code=None,
        bank_mask=sum(1 << bank for bank in banks),
        segment_mask=sum(1 << segment for segment in segments),
        banks=kept,
        segments=rows,
        fraction=len(kept) / spec.banks * (len(rows) / NR_SEGMENTS),
    )


def _refuse_rounding(
    spec: DramSpec, setting: RefreshSetting, banks: frozenset[int], segments: frozenset[int]
) -> None:
    """Raise if the setting refreshes a bank or segment that need not be."""
    rounded = [
        (name, sorted(values), f"what a {spec.pasr_kind} of {spec.standard} can express")
        for name, values, others in (
            ("maskable_banks", banks, [(b, s) for b in banks for s in range(NR_SEGMENTS)]),
            ("maskable_segments", segments, [(b, s) for b in range(spec.banks) for s in segments]),
        )
        if any(setting.refreshes(bank, segment) for bank, segment in others)
    ]
    if rounded:
        raise DramError(spec.id, rounded)


def _known(spec: DramSpec, name: str, values: Collection[int], limit: int) -> frozenset[int]:
    for value in values:
        if not hasattr(value, "__index__") or not 0 <= value < limit:
            raise DramError(spec.id, [(name, value, f"an integer from 0 to {limit - 1}")])
    return frozenset(map(index, values))
