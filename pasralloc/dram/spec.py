"""What a DRAM device draws and how long its commands take, as its data sheet says it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from pasralloc.errors import DramError

STANDARDS = ("LPDDR", "DDR2", "DDR3", "DDR4", "DDR5", "LPDDR2", "LPDDR3", "LPDDR4", "LPDDR5")

PASR_KINDS = ("none", "mode-register-code", "extended-mode-register-code", "masks", "segment-mask")

# JEDEC's symbols; on the rail vpp they begin with IPP. 5AB_avg and 5PB_avg are
# averages over the refresh interval, every other IDD5 is the current of a burst.
CURRENTS = frozenset(
    f"IDD{name}"
    for name in (
        *("0", "1", "2N", "2NS", "2NT", "2P", "2P0", "2P1", "2PS", "2Q", "3N", "3P", "3P0", "3P1"),
        *("4R", "4W", "5", "5B", "5C", "5F", "5PB", "5AB_avg", "5PB_avg", "6", "6N", "6E", "6R"),
        *("6A_25C", "6A_45C", "6A_75C", "6DS", "7", "8"),
    )
)

TIMINGS = frozenset(
    f"t{name}"
    for name in (
        *(
            "AL",
            "CCD",
            "CCD_L",
            "CCD_S",
            "CKE",
            "CKESR",
            "CL",
            "DQSCK",
            "ESCKE",
            "FAW",
            "RAS",
            "RBTP",
        ),
        *("RC", "RCD", "REFB", "REFI", "REFI1", "REFIpb", "RFC", "RFC1", "RFC2", "RFC4", "RFCab"),
        *("RFCpb", "RFCsb", "RL", "RP", "RPab", "RPpb", "RRD", "RRD_L", "RRD_S", "RTP", "WL", "WR"),
        *("WTR", "WTR_L", "WTR_S", "XP", "XPDLL", "XS", "XSDLL"),
    )
)

# Timings of which the first is never longer than the second; each by its names.
_REFRESH = ("tRFC", "tRFC1", "tRFCab")
_ORDERED = (
    (_REFRESH, ("tREFI", "tREFI1")),
    (("tRP", "tRPpb"), _REFRESH),
    (("tRAS",), ("tRC",)),
)


def _freeze(owner: object, *names: str) -> None:
    """Make mappings of a frozen dataclass read-only copies, so that no caller can change them."""
    for name in names:
        object.__setattr__(owner, name, MappingProxyType(dict(getattr(owner, name))))


def _plain(value: Any) -> Any:
    """Return mappings as dicts, which can be pickled."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _remake(values: dict[str, Any]) -> DramSpec:
    return DramSpec(**values)


def canonical(name: str) -> str:
    """Name of a current with IDD in place of IPP."""
    return f"IDD{name[3:]}" if name.startswith("IPP") else name


@dataclass(frozen=True, slots=True)
class Rail:
    """One supply of a device.

    Parameters
    ----------
    volts : float
        Supply voltage, V.
    currents_mA : mapping of str to float
        Currents by their data-sheet symbol, mA. What is not in it is not known.
    other_volts : mapping of str to float, optional
        Other voltages that the same currents are quoted for, V.
    beta_mA : float, optional
        Current while precharging (I_beta of DRAMPower 5), mA; IDD0 if not given.
    """

    volts: float
    currents_mA: Mapping[str, float]  # noqa: N815 - mA is how the unit is written
    other_volts: Mapping[str, float] = field(default_factory=dict)
    beta_mA: float | None = None  # noqa: N815

    def __post_init__(self) -> None:
        _freeze(self, "currents_mA", "other_volts")

    def __reduce__(self) -> tuple[Any, ...]:
        return Rail, (self.volts, _plain(self.currents_mA), _plain(self.other_volts), self.beta_mA)


@dataclass(frozen=True, slots=True)
class Note:
    """Where some fields come from, or what to beware of in them.

    Parameters
    ----------
    text : str
        The document and place, or the caveat.
    fields : tuple of str
        Shell patterns of the fields meant: ``vdd.IDD6*``, ``timing.tXS``, ``device.rows``.
    name, licence : str
        Short name and licence of a source; empty for a caveat.
    """

    text: str
    fields: tuple[str, ...]
    name: str = ""
    licence: str = ""

    def concerns(self, field_name: str) -> bool:
        """Tell whether the note is about this field."""
        return any(fnmatchcase(field_name, pattern) for pattern in self.fields)


@dataclass(frozen=True, slots=True)
class SelfRefreshPoint:
    """A self-refresh current and the case temperature up to which it holds.

    Parameters
    ----------
    current : str
        Symbol of the current, such as ``IDD6N``.
    celsius : float
        Temperature, degrees Celsius.
    value : {"typical", "maximum"}
        What the data sheet promises.
    """

    current: str
    celsius: float
    value: str


@dataclass(frozen=True, kw_only=True)
class DramSpec:
    """A DRAM device: geometry, rails, timings and where each of them is from.

    Threading rule: immutable; mappings are copied and read-only. Can be pickled.

    Parameters
    ----------
    id : str
        Id of the part.
    standard : str
        JEDEC family, such as ``DDR4``.
    vendor_part : str
        Manufacturer's name of the device.
    banks, bank_groups, width : int
        Banks and bank groups of the device, data pins.
    rails : mapping of str to Rail
        Supplies by name (vdd, vpp, vdd1, vdd2, vddq).
    tck_ns : float, optional
        Clock period, ns.
    timing_ns, timing_cycles : mapping of str to float
        Timings by their JEDEC symbol, in ns and in clock cycles.
    density_Mb, rows, columns, burst_length, page_bytes, data_rate_MTs : optional
        Density in 2**20 bits, rows per bank, columns per row, beats per burst,
        bytes per row, transfers per second in millions.
    devices : int
        Devices that make up one rank; every energy is of one device unless multiplied by this.
    channel_bits : int
        Data width of the channel that these devices fill; 0 for no channel.
    rho : float
        Share of the active background that all banks have in common (DRAMPower 5).
    pasr_kind, pasr_note : str
        How the part masks refresh (one of `PASR_KINDS`), and in whose words.
    pasr_shares : tuple of float
        Shares of the array that a code can keep refreshed, where a part has fewer than its standard.
    idd6_uA : mapping of str to mapping of float to float
        Self-refresh current in uA by refreshed fraction, per grade and temperature.
    self_refresh_points : tuple of SelfRefreshPoint
        Temperatures that self-refresh currents are given for.
    sources, caveats : tuple of Note
        Provenance per field.
    verified : str
        How far the values were cross-checked.

    Raises
    ------
    DramError
        If a value is impossible; every problem is named.
    """

    id: str
    standard: str
    vendor_part: str = ""
    width: int
    banks: int
    bank_groups: int = 1
    rails: Mapping[str, Rail]
    tck_ns: float | None = None
    timing_ns: Mapping[str, float] = field(default_factory=dict)
    timing_cycles: Mapping[str, int] = field(default_factory=dict)
    density_Mb: int | None = None  # noqa: N815
    rows: int | None = None
    columns: int | None = None
    burst_length: int | None = None
    page_bytes: int | None = None
    data_rate_MTs: float | None = None  # noqa: N815
    devices: int = 1
    channel_bits: int = 0
    rho: float = 1.0
    pasr_kind: str = "none"
    pasr_note: str = ""
    pasr_shares: tuple[float, ...] = ()
    idd6_uA: Mapping[str, Mapping[float, float]] = field(default_factory=dict)  # noqa: N815
    self_refresh_points: tuple[SelfRefreshPoint, ...] = ()
    sources: tuple[Note, ...] = ()
    caveats: tuple[Note, ...] = ()
    verified: str = ""

    def __post_init__(self) -> None:
        grades = {name: MappingProxyType(dict(table)) for name, table in self.idd6_uA.items()}
        object.__setattr__(self, "idd6_uA", grades)
        _freeze(self, "rails", "timing_ns", "timing_cycles", "idd6_uA")
        problems = [*self._device_problems(), *self._rail_problems(), *self._timing_problems()]
        if problems:
            raise DramError(self.id, problems)

    def __reduce__(self) -> tuple[Any, ...]:
        return _remake, ({f.name: _plain(getattr(self, f.name)) for f in fields(self)},)

    def _device_problems(self) -> Iterator[tuple[str, object, str]]:
        if self.standard not in STANDARDS:
            yield "standard", self.standard, f"one of {', '.join(STANDARDS)}"
        if self.pasr_kind not in PASR_KINDS:
            yield "pasr.kind", self.pasr_kind, f"one of {', '.join(PASR_KINDS)}"
        for name in ("width", "banks", "bank_groups", "devices"):
            if getattr(self, name) < 1:
                yield f"device.{name}", getattr(self, name), "at least 1"
        if self.banks > 64:
            yield "device.banks", self.banks, "at most 64"
        elif self.bank_groups > 0 and self.banks % self.bank_groups:
            yield "device.banks", self.banks, f"a multiple of bank_groups {self.bank_groups}"
        for name in (
            "density_Mb",
            "rows",
            "columns",
            "burst_length",
            "page_bytes",
            "data_rate_MTs",
        ):
            value = getattr(self, name)
            if value is not None and not 1 <= value < math.inf:
                yield f"device.{name}", value, "at least 1"
        if self.density_Mb and self.rows and self.columns:
            cells = self.banks * self.rows * self.columns * self.width
            if cells != self.density_Mb << 20:
                yield (
                    "device.density_Mb",
                    self.density_Mb,
                    f"banks x rows x columns x width = {cells >> 20}",
                )
        if self.channel_bits and self.channel_bits != self.devices * self.width:
            expected = f"devices x width = {self.devices * self.width}"
            yield "rank.channel_bits", self.channel_bits, expected
        for grade, table in self.idd6_uA.items():
            for current in table.values():
                if not 0 < current < 1e7:
                    yield f"pasr.{grade}", current, "above 0 and below 1e7 uA"
        if not 0 <= self.rho <= 1:
            yield "rho", self.rho, "0 to 1"

    def _rail_problems(self) -> Iterator[tuple[str, object, str]]:
        if not self.rails:
            yield "rails", None, "at least one rail"
        for name, rail in self.rails.items():
            for label, volts in (("V", rail.volts), *rail.other_volts.items()):
                if not 0 < volts < 5:
                    yield f"{name}.{label}", volts, "above 0 and below 5 V"
            prefix = "IPP" if name == "vpp" else "IDD"
            for symbol, current in rail.currents_mA.items():
                if not symbol.startswith(prefix) or canonical(symbol) not in CURRENTS:
                    yield f"{name}.{symbol}", current, f"a known current that begins with {prefix}"
                elif not 0 <= current < 10_000:
                    yield f"{name}.{symbol}", current, "0 to 10000 mA"
            if rail.beta_mA is not None and not 0 <= rail.beta_mA < 10_000:
                yield f"{name}.I_beta", rail.beta_mA, "0 to 10000 mA"

    def _timing_problems(self) -> Iterator[tuple[str, object, str]]:
        if self.tck_ns is not None and not 0 < self.tck_ns < 1000:
            yield "device.tCK_ns", self.tck_ns, "above 0 and below 1000 ns"
        for timings in (self.timing_ns, self.timing_cycles):
            for symbol, value in timings.items():
                if symbol not in TIMINGS:
                    yield f"timing.{symbol}", value, "a known timing"
                elif not 0 <= value < 1e9:
                    yield f"timing.{symbol}", value, "0 to 1e9"
        both = {**self.timing_ns}
        if self.tck_ns:
            cycles = self.timing_cycles.items()
            both = {symbol: value * self.tck_ns for symbol, value in cycles} | both
        for short, long in _ORDERED:
            for timings, unit in ((self.timing_ns, ""), (self.timing_cycles, ""), (both, " ns")):
                low = next((symbol for symbol in short if symbol in timings), None)
                high = next((symbol for symbol in long if symbol in timings), None)
                if low and high and timings[low] > timings[high]:
                    expected = f"at most {high} = {timings[high]}{unit}"
                    yield f"timing.{low}", timings[low], expected
                    break

    @property
    def data_rate(self) -> int:
        """Beats per clock cycle; 2 if the part does not say."""
        if self.data_rate_MTs is None or self.tck_ns is None:
            return 2
        return max(1, math.floor(self.data_rate_MTs * self.tck_ns / 1000 + 0.5))

    def fields(self) -> Iterator[str]:
        """Name every field that has a value, as sources and caveats name them."""
        for name in ("density_Mb", "width", "banks", "bank_groups", "rows", "columns"):
            if getattr(self, name) is not None:
                yield f"device.{name}"
        for name in ("burst_length", "page_bytes", "data_rate_MTs"):
            if getattr(self, name) is not None:
                yield f"device.{name}"
        if self.tck_ns is not None:
            yield "device.tCK_ns"
        for name, rail in self.rails.items():
            yield from (f"{name}.{s}" for s in ("V", *rail.other_volts, *rail.currents_mA))
        yield from (f"timing.{s}" for s in dict.fromkeys([*self.timing_ns, *self.timing_cycles]))
        yield from (f"pasr.{grade}" for grade in self.idd6_uA)

    def value_of(self, field_name: str) -> str:
        """Return a field's value with its unit, as text.

        Raises
        ------
        KeyError
            If the part does not give it.
        """
        kind, _, name = field_name.partition(".")
        if kind == "device":
            value = getattr(self, "tck_ns" if name == "tCK_ns" else name, None)
            if value is None:
                raise KeyError(field_name)
            return str(value)
        if kind == "timing":
            given = ((self.timing_ns.get(name), "ns"), (self.timing_cycles.get(name), "nCK"))
            texts = [f"{value} {unit}" for value, unit in given if value is not None]
            if not texts:
                raise KeyError(field_name)
            return ", ".join(texts)
        if kind == "pasr":
            return ", ".join(
                f"{share:g}: {current} uA" for share, current in self.idd6_uA[name].items()
            )
        rail = self.rails[kind]
        if name.startswith("V"):
            return f"{rail.volts if name == 'V' else rail.other_volts[name]} V"
        return f"{rail.currents_mA[name]} mA"

    def sources_of(self, field_name: str) -> list[Note]:
        """Return the sources of one field, such as ``vdd.IDD2N`` or ``timing.tRFC``."""
        return [note for note in self.sources if note.concerns(field_name)]

    def caveats_of(self, field_name: str) -> list[Note]:
        """Return what to beware of in one field."""
        return [note for note in self.caveats if note.concerns(field_name)]
