"""Energy of a command trace on one rank: commands in, joules per component and rail out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pasralloc._core.rankmeter import COMMANDS, RankMeter
from pasralloc.choices import unknown
from pasralloc.dram.commands import ordered
from pasralloc.dram.equations import FORMULAS, RailCurrents, rail_energy
from pasralloc.dram.parameters import Parameters
from pasralloc.dram.selfrefresh import self_refresh_share
from pasralloc.dram.spec import DramSpec
from pasralloc.errors import CommandError, DramError, MissingValue

# Convention -> code of the kernel.
ENTRY_REFRESH = {"none": 0, "drampower4": 1, "drampower5": 2}

_MERGED = {
    "act_pd": ("f_act_pd", "s_act_pd"),
    "pre_pd": ("f_pre_pd", "s_pre_pd"),
}


@dataclass(frozen=True)
class CommandEnergy(Mapping[str, float]):
    """Energy of one device over one window; as a mapping, joules by component.

    Parameters
    ----------
    rails : mapping of str to mapping of str to float
        Joules by rail and component.
    counters : mapping of str to int
        Commands and clock cycles by name; the cycles of the states add up to the window.
    seconds : float
        Length of the window.
    entry_refresh, formulas : str
        Conventions used.
    assumptions : mapping of str to str
        Assumptions that the numbers rest on, and what they say.
    """

    rails: Mapping[str, Mapping[str, float]]
    counters: Mapping[str, int]
    seconds: float
    entry_refresh: str
    formulas: str
    assumptions: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, component: str) -> float:
        return sum(energy[component] for energy in self.rails.values())

    def __iter__(self) -> Iterator[str]:
        return iter(next(iter(self.rails.values())))

    def __len__(self) -> int:
        return len(next(iter(self.rails.values())))

    @property
    def total(self) -> float:
        """Joules, all components and rails."""
        return sum(self.values())

    @property
    def average_watts(self) -> float:
        """Mean power over the window, W; 0 for an empty one."""
        return self.total / self.seconds if self.seconds else 0.0


class CommandMeter:
    """Energy of one device, read at any time: the sum does not depend on the windows.

    Threading rule: one thread at a time.

    Parameters
    ----------
    spec : DramSpec
        The part.
    entry_refresh : {"drampower4", "drampower5", "none"}
        How the refresh at self-refresh entry is accounted for: inside self-refresh on
        power-down background, before it on active background, or not at all.
    formulas : {"drampower4", "drampower5"}, optional
        Length of a precharge and background of a refresh. By default that of
        *entry_refresh*, and of DRAMPower 5 if that is "none".
    assumptions : iterable of str
        Assumptions that may fill gaps of the part, see `ASSUMPTIONS`.
    fraction : float
        Share of the array that self-refresh refreshes.
    sigma : float, optional
        Share of the self-refresh current that does not depend on *fraction*; needed if that is below 1.
    idd6 : str
        Symbol of the self-refresh current on vdd, such as ``IDD6R``.

    Raises
    ------
    ValueError
        If an option has another value.
    """

    def __init__(
        self,
        spec: DramSpec,
        *,
        entry_refresh: str = "drampower4",
        formulas: str | None = None,
        assumptions: Iterable[str] = (),
        fraction: float = 1.0,
        sigma: float | None = None,
        idd6: str = "IDD6",
    ) -> None:
        if entry_refresh not in ENTRY_REFRESH:
            raise ValueError(unknown("entry_refresh", entry_refresh, ENTRY_REFRESH))
        if formulas is None:
            formulas = "drampower5" if entry_refresh == "none" else entry_refresh
        if formulas not in FORMULAS:
            raise ValueError(unknown("formulas", formulas, FORMULAS))
        self.spec, self.entry_refresh, self.formulas = spec, entry_refresh, formulas
        self._parameters = Parameters(spec, assumptions)
        self._share, self._idd6 = self_refresh_share(fraction, sigma), idd6
        self._missing: dict[str, MissingValue] = {}
        self._meter = self._make_meter()
        self._counted = self._meter.counters()

    def _make_meter(self) -> RankMeter:
        style, p = FORMULAS[self.formulas], self._parameters
        rfc, rp = self._cycles("tRFC"), self._cycles("tRP")
        timings = {
            "ras": self._cycles("tRAS"),
            "rfc": rfc,
            "ref_act": max(0, rfc - rp) if style.refresh_ends_precharged else rfc,
            "entry_act": max(0, rfc - rp),
            "rfcpb": self._cycles("tRFCpb"),
            "rfcsb": self._cycles("tRFCsb"),
        }
        for name, closes in (("read_close", p.read_close), ("write_close", p.write_close)):
            try:
                timings[name] = closes()
            except MissingValue as error:
                self._missing[name] = error
        if style.core_currents:
            # Power-down begins once the rows are open or closed.
            timings |= {"act_to_pd": self._cycles("tRCD"), "pre_to_pd": rp}
        return RankMeter(
            self.spec.banks,
            self.spec.banks // self.spec.bank_groups,
            ENTRY_REFRESH[self.entry_refresh],
            **timings,
        )

    def _cycles(self, symbol: str) -> int:
        try:
            return self._parameters.cycles(symbol)
        except MissingValue as error:
            self._missing[symbol] = error
            return 0

    def _refuse_what_is_missing(self, commands: NDArray[np.void]) -> None:
        style = FORMULAS[self.formulas]
        refresh = ("tRFC", "tRP") if style.refresh_ends_precharged else ("tRFC",)
        entry = {"none": (), "drampower4": ("tRFC", "tRP"), "drampower5": ("tRFC",)}
        power_down = ("tRCD", "tRP") if style.core_currents else ()
        needs = {
            "REF": refresh,
            "SREN": entry[self.entry_refresh],
            "RDA": ("tRAS", "read_close"),
            "WRA": ("tRAS", "write_close"),
            "REFB": ("tRFCpb",),
            "REFSB": ("tRFCsb",),
            **dict.fromkeys(
                ("PDN", "PDN_F_ACT", "PDN_S_ACT", "PDN_F_PRE", "PDN_S_PRE"), power_down
            ),
        }
        used = np.flatnonzero(np.bincount(commands["command"], minlength=1)).tolist()
        for name, timings in needs.items():
            if COMMANDS[name] in used:
                for timing in timings:
                    if timing in self._missing:
                        raise self._missing[timing]
        for name in ("REFB", "REFSB"):
            if COMMANDS[name] in used and not style.core_currents:
                raise DramError(
                    self.spec.id,
                    [("formulas", self.formulas, f"drampower5, the trace having {name}")],
                )

    def run(self, commands: NDArray[np.void] | Iterable[Any], until_cycles: int) -> CommandEnergy:
        """Execute commands and return the energy since the end of the last window.

        Parameters
        ----------
        commands : ndarray of COMMAND_DTYPE, shape (nr_commands,), or iterable of (cycle, name, bank)
            Sorted by cycle. At one cycle precharges are executed first.
        until_cycles : int
            End of the window, not included.

        Returns
        -------
        CommandEnergy
            Joules of one device.

        Raises
        ------
        CommandError
            If a command is out of order, out of range, or not allowed in the state of its bank.
        MissingValue
            If the part lacks a timing or current that the commands need.
        """
        array, order = ordered(commands)
        self._refuse_what_is_missing(array)
        before = self._meter.now
        _run(self._meter, array, order, until_cycles)
        now = self._meter.counters()
        counters = {name: value - self._counted[name] for name, value in now.items()}
        self._counted = now
        return self._energy(counters, self._meter.now - before)

    def _energy(self, counters: dict[str, int], cycles: int) -> CommandEnergy:
        style = FORMULAS[self.formulas]
        rails = {}
        for rail in self._parameters.rails():
            currents = RailCurrents(self._parameters, rail, style)
            idd6 = "IDD6" if rail == "vpp" else self._idd6
            energy = rail_energy(currents, counters, idd6, self._share)
            if style.core_currents:
                energy = _merge(energy, "")
            else:
                del energy["bank_refresh"]
            if self.entry_refresh != "drampower4":
                energy = {name: value for name, value in energy.items() if "_ref_" not in name}
            rails[rail] = energy
        public = _merge(counters, "_cycles") if style.core_currents else counters
        return CommandEnergy(
            rails=rails,
            counters=public,
            seconds=cycles * self._parameters.tck_ns() * 1e-9,
            entry_refresh=self.entry_refresh,
            formulas=self.formulas,
            assumptions=self._parameters.used,
        )


def _merge(values: dict[str, Any], suffix: str) -> dict[str, Any]:
    """One kind of power-down where the formulas know no other."""
    merged = dict(values)
    for name, parts in _MERGED.items():
        merged[name + suffix] = sum(merged.pop(part + suffix) for part in parts)
    return merged


def _run(
    meter: RankMeter, array: NDArray[np.void], order: NDArray[np.intp] | None, until: int
) -> None:
    try:
        meter.run(array, until)
    except CommandError as error:
        if order is None:
            raise
        raise CommandError(int(order[error.index]), error.cycle, error.why) from None


def command_energy(
    spec: DramSpec,
    commands: NDArray[np.void] | Iterable[Any],
    until_cycles: int,
    *,
    entry_refresh: str = "drampower4",
    formulas: str | None = None,
    assumptions: Iterable[str] = (),
    fraction: float = 1.0,
    sigma: float | None = None,
    idd6: str = "IDD6",
) -> CommandEnergy:
    """Energy that commands cost one device from cycle 0 to the end of a window.

    Parameters
    ----------
    spec : DramSpec
        The part, such as ``pa.dram.part("ddr3_1600_1Gb_x8_G")``.
    commands : ndarray of COMMAND_DTYPE, shape (nr_commands,), or iterable of (cycle, name, bank)
        Sorted by cycle: ``cycle`` u8 in clock cycles, ``command`` u1 out of `COMMANDS`, ``bank`` u1, flat.
    until_cycles : int
        End of the window, in clock cycles; whatever runs is cut there.
    entry_refresh, formulas, assumptions, fraction, sigma, idd6
        See `CommandMeter`, which also measures window by window.

    Returns
    -------
    CommandEnergy
        Joules by component (a mapping), by rail and component (``rails``), and the
        counters behind them. One device: multiply by ``spec.devices`` for a rank.

    Raises
    ------
    CommandError
        If a command is out of order, out of range, or not allowed in the state of its bank.
    MissingValue
        If the part lacks a current or timing that the commands need.
    TypeError
        If an array of commands has other fields, or fields without integers.
    ValueError
        If an option has another value, or a command is unknown or does not fit `COMMAND_DTYPE`.

    Notes
    -----
    Every term is V x I x t. A command costs its current above the background of the
    state it happens in, for its length; the background costs IDD2N, IDD3N, IDD2P,
    IDD3P or IDD6. I/O and termination are not in it.

    Cost: some nanoseconds per command of an array, without the GIL; about a microsecond
    per command of another iterable, which is converted first.

    References
    ----------
    .. [1] K. Chandrasekar et al., DRAMPower, version 4.1; Fraunhofer IESE and TU
       Kaiserslautern, DRAMPower, version 5.1. The equations are theirs.

    Examples
    --------
    >>> import pasralloc as pa
    >>> energy = command_energy(pa.dram.part("ddr3_1600_1Gb_x8_G"), [(1000, "SREN", 0), (91000, "SREX", 0)], 100000)
    >>> round(energy.total * 1e12, 2), energy.counters["sref_cycles"]
    (2218398.75, 89912)
    """
    meter = CommandMeter(
        spec,
        entry_refresh=entry_refresh,
        formulas=formulas,
        assumptions=assumptions,
        fraction=fraction,
        sigma=sigma,
        idd6=idd6,
    )
    return meter.run(commands, until_cycles)
