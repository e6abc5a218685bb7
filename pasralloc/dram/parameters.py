"""The values of a part as the equations want them, and the assumptions that fill its gaps."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pasralloc.choices import unknown
from pasralloc.dram.spec import DramSpec, Rail
from pasralloc.errors import MissingValue

ASSUMPTIONS = {
    "ipp_missing": "a VPP current that the part does not give is taken to be IPP3N",
    "ipp_zero": "a VPP current that the part does not give is taken to be 0",
    "trefi_min": "tREFI of DDR3 and DDR4 is taken to be at least 7.8 us, the interval up to 85 C",
    "trc_sum": "a tRC that the part does not give is taken to be tRAS + tRP",
    "vddq_out": "the I/O rail vddq is left out",
}

# Data sheets have one symbol where an exit is not fast or slow, or where IDD5
# and IDD6 come in one flavour only.
_CURRENT_NAMES = {
    "IDD2P0": ("IDD2P0", "IDD2P"),
    "IDD2P1": ("IDD2P1", "IDD2P"),
    "IDD3P0": ("IDD3P0", "IDD3P"),
    "IDD3P1": ("IDD3P1", "IDD3P"),
    "IDD5": ("IDD5", "IDD5B"),
    "IDD5PB": ("IDD5PB", "IDD5PB_avg"),
    "IDD6": ("IDD6", "IDD6N"),
}
_TIMING_NAMES = {
    "tRFC": ("tRFC", "tRFC1", "tRFCab"),
    "tREFI": ("tREFI", "tREFI1"),
    "tRP": ("tRP", "tRPpb"),
}
REFRESH_INTERVAL_NS = 7800.0


def check_assumptions(assumptions: Iterable[str]) -> tuple[str, ...]:
    """Names of assumptions, each known.

    Raises
    ------
    ValueError
        If one is not.
    """
    names = (assumptions,) if isinstance(assumptions, str) else tuple(assumptions)
    for name in names:
        if name not in ASSUMPTIONS:
            raise ValueError(unknown("assumption", name, ASSUMPTIONS))
    return names


class Parameters:
    """A part under some assumptions; remembers those that a value rested on.

    Parameters
    ----------
    spec : DramSpec
        The part.
    assumptions : iterable of str
        Names out of `ASSUMPTIONS` that may be used.
    """

    def __init__(self, spec: DramSpec, assumptions: Iterable[str] = ()) -> None:
        self.spec = spec
        self._allowed = check_assumptions(assumptions)
        self._used: dict[str, None] = {}

    @property
    def used(self) -> dict[str, str]:
        """Assumptions that were needed so far, with what they say."""
        return {name: ASSUMPTIONS[name] for name in ASSUMPTIONS if name in self._used}

    def _assume(self, name: str) -> bool:
        if name in self._allowed:
            self._used[name] = None
            return True
        return False

    def rails(self) -> dict[str, Rail]:
        """Supplies that count."""
        rails = dict(self.spec.rails)
        if "vddq" in rails and self._assume("vddq_out"):
            del rails["vddq"]
        return rails

    def current(self, rail: str, symbol: str) -> float:
        """Return a current in mA.

        Parameters
        ----------
        rail : str
            Name of the supply.
        symbol : str
            Symbol as on vdd, such as ``IDD2P0``.

        Raises
        ------
        MissingValue
            If the part does not give it and no assumption stands in.
        """
        currents = self.spec.rails[rail].currents_mA
        prefix = "IPP" if rail == "vpp" else "IDD"
        for name in _CURRENT_NAMES.get(symbol, (symbol,)):
            if (value := currents.get(prefix + name[3:])) is not None:
                return value
        if rail == "vpp":
            if "IPP3N" in currents and self._assume("ipp_missing"):
                return currents["IPP3N"]
            if self._assume("ipp_zero"):
                return 0.0
        hints = {
            "vpp": "the assumption ipp_missing or ipp_zero would stand in",
            "vddq": "the assumption vddq_out leaves the rail out",
        }
        raise MissingValue(self.spec.id, f"{rail}.{prefix}{symbol[3:]}", hints.get(rail, ""))

    def tck_ns(self) -> float:
        """Clock period, ns."""
        if self.spec.tck_ns is None:
            raise MissingValue(self.spec.id, "device.tCK_ns")
        return self.spec.tck_ns

    def _raw(self, symbol: str) -> tuple[float | None, int | None]:
        for name in _TIMING_NAMES.get(symbol, (symbol,)):
            if name in self.spec.timing_ns or name in self.spec.timing_cycles:
                return self.spec.timing_ns.get(name), self.spec.timing_cycles.get(name)
        return None, None

    def cycles(self, symbol: str) -> int:
        """Return a timing in clock cycles, rounded up where the part gives only ns.

        Raises
        ------
        MissingValue
            If the part gives neither.
        """
        ns, cycles = self._raw(symbol)
        if cycles is not None:
            return cycles
        if ns is not None:
            # JEDEC rounds up; a part in a thousand is the rounding of the data sheet.
            return math.ceil(ns / self.tck_ns() - 1e-3)
        if symbol == "tAL":
            return 0  # additive latency is off unless a part says otherwise
        if symbol == "tRC" and self._assume("trc_sum"):
            return self.cycles("tRAS") + self.cycles("tRP")
        hint = "the assumption trc_sum would stand in" if symbol == "tRC" else ""
        raise MissingValue(self.spec.id, f"timing.{symbol}", hint)

    def ns(self, symbol: str) -> float:
        """Return a timing in ns.

        Raises
        ------
        MissingValue
            If the part does not give it.
        """
        ns, cycles = self._raw(symbol)
        if ns is None:
            ns = (self.cycles(symbol) if cycles is None else cycles) * self.tck_ns()
        if (
            symbol == "tREFI"
            and ns < REFRESH_INTERVAL_NS
            and self.spec.standard in ("DDR3", "DDR4")
            and self._assume("trefi_min")
        ):
            return REFRESH_INTERVAL_NS
        return ns

    def _burst(self) -> int:
        if self.spec.burst_length is None:
            raise MissingValue(self.spec.id, "device.burst_length")
        return self.spec.burst_length // self.spec.data_rate

    def read_close(self) -> int:
        """Return the cycles from a RDA to the precharge it implies.

        Notes
        -----
        As DRAMPower 4.1 (DDR2 to DDR4, LPDDR to LPDDR3) and 5.1 (DDR5, LPDDR4, LPDDR5) have it.
        """
        standard = self.spec.standard
        if standard == "LPDDR":
            return self._burst()
        if standard == "LPDDR5":
            return self._burst() + self.cycles("tRBTP")
        rtp = self.cycles("tRTP")
        if standard == "DDR2":
            return self._burst() + self.cycles("tAL") - 2 + max(rtp, 2)
        if standard in ("LPDDR2", "LPDDR3"):
            return self._burst() + max(0, rtp - (2 if standard == "LPDDR2" else 4))
        if standard == "LPDDR4":
            return rtp if self.spec.burst_length == 16 else 8 + rtp
        if standard == "DDR5":
            return rtp
        return self.cycles("tAL") + max(rtp, 4 if standard == "DDR3" else 0)

    def write_close(self) -> int:
        """Return the cycles from a WRA to the precharge it implies."""
        standard = self.spec.standard
        if standard == "LPDDR":
            return self._burst() + self.cycles("tWR")
        late = 1 if standard.startswith("LPDDR") else 0
        return self._burst() + self.cycles("tWL") + self.cycles("tWR") + late
