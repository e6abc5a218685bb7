"""What a device draws in each state, what leaving the state takes, and when self-refresh pays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pasralloc.choices import unknown
from pasralloc.dram.parameters import Parameters
from pasralloc.dram.selfrefresh import SIGMA_RANGES, SigmaRange, self_refresh_share
from pasralloc.dram.spec import DramSpec
from pasralloc.errors import DramError, MissingValue

MILLI = 1e-3
NANO = 1e-9
HOT_CELSIUS = 85.0

_DEEP_POWER_DOWN = ("LPDDR", "LPDDR2", "LPDDR3")


@dataclass(frozen=True, slots=True)
class _State:
    """What is known of a state whatever the part: its current, its exit, whether it refreshes itself."""

    symbol: str
    exit_timing: str | None
    read_timing: str | None
    needs_refresh: bool
    keeps_content: bool = True


_STATES = {
    "active_standby": _State("IDD3N", None, None, True),
    "precharge_standby": _State("IDD2N", None, None, True),
    "active_power_down": _State("IDD3P1", "tXP", "tXP", True),
    "precharge_power_down": _State("IDD2P1", "tXP", "tXP", True),
    "precharge_power_down_slow": _State("IDD2P0", "tXPDLL", "tXPDLL", True),
    "self_refresh": _State("IDD6", "tXS", "tXSDLL", False),
    "deep_sleep": _State("IDD6DS", None, None, False),
    "deep_power_down": _State("IDD8", None, None, False, keeps_content=False),
    "maximum_power_saving": _State("IDD8", None, None, False, keeps_content=False),
}


@dataclass(frozen=True, slots=True)
class StatePower:
    """One state of one device.

    Parameters
    ----------
    name : str
        Such as ``precharge_standby``.
    rails : mapping of str to float
        Power by rail, W, without refresh commands.
    refresh_watts : float or None
        Average of the refresh commands the state needs, W; 0 where it refreshes itself, None if
        the part lacks what it takes to know.
    exit_seconds, read_seconds : float or None
        From the exit to the first command, and to the first read; None if the part does not say.
    keeps_content : bool
        Whether the array (in self-refresh: its refreshed part) survives.
    """

    name: str
    rails: Mapping[str, float]
    refresh_watts: float | None
    exit_seconds: float | None
    read_seconds: float | None
    keeps_content: bool

    @property
    def watts(self) -> float:
        """Power without refresh commands, W."""
        return sum(self.rails.values())

    @property
    def watts_with_refresh(self) -> float | None:
        """Power including the refresh commands that keep the content, W; None if those are not known."""
        return None if self.refresh_watts is None else self.watts + self.refresh_watts


@dataclass(frozen=True)
class StateTable:
    """States of one device by name; a state that the part has no current for is in `missing`.

    Parameters
    ----------
    spec : DramSpec
        The part.
    states : mapping of str to StatePower
        What could be computed.
    missing : mapping of str to MissingValue
        Why the others could not; looking one up raises it. ``refresh`` and ``entry_refresh`` stand for
        refresh commands, and for the background of the one at self-refresh entry.
    refresh_joules : float or None
        One all-bank refresh above active standby, J.
    entry_backgrounds : mapping of str to float
        Background during the refresh at self-refresh entry by convention, J.
    refresh_seconds : float or None
        Length of a refresh, s.
    celsius : float or None
        Temperature asked for; None for that of the data sheet's IDD6.
    idd6 : str
        Self-refresh current used.
    fraction, sigma : float
        Refreshed share of the array, and share of the self-refresh current that does not depend on it.
    sigma_range : SigmaRange
        What data sheets with a table give for sigma near this temperature.
    assumptions : mapping of str to str
        Assumptions that the numbers rest on, and what they say.
    """

    spec: DramSpec
    states: Mapping[str, StatePower]
    missing: Mapping[str, MissingValue]
    refresh_joules: float | None
    entry_backgrounds: Mapping[str, float]
    refresh_seconds: float | None
    celsius: float | None
    idd6: str
    fraction: float
    sigma: float | None
    sigma_range: SigmaRange
    assumptions: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> StatePower:
        if name in self.missing:
            raise self.missing[name]
        if name not in self.states:
            known = [*self.states, *(state for state in self.missing if state in _STATES)]
            raise DramError(self.spec.id, [("state", name, f"one of {', '.join(known)}")])
        return self.states[name]

    def __contains__(self, name: object) -> bool:
        return name in self.states

    def __iter__(self) -> Iterator[str]:
        return iter(self.states)

    def __len__(self) -> int:
        return len(self.states)

    @property
    def deepest_power_down(self) -> str:
        """The precharge power-down of least power: with slow exit where there is one."""
        slow = "precharge_power_down_slow"
        return slow if slow in self.states or slow in self.missing else "precharge_power_down"

    def break_even(self, against: str, entry_refresh: str = "drampower4") -> float | None:
        """Stay above which self-refresh costs less than another state.

        Parameters
        ----------
        against : str
            The other state, which needs refresh commands.
        entry_refresh : {"drampower4", "drampower5", "none", "pulse"}
            What the entry costs. "pulse" charges the refresh current above active
            standby and takes IDD6 as background, the usual estimate on paper.

        Returns
        -------
        float or None
            Seconds; None if self-refresh gains nothing. At least tRFC where a convention
            executes a refresh first. A refresh forced after the exit is not in it.

        Raises
        ------
        MissingValue
            If the part lacks a current or timing.
        DramError
            If the part has no such state.
        ValueError
            If a name is unknown.
        """
        conventions = ("drampower4", "drampower5", "none", "pulse")
        if entry_refresh not in conventions:
            raise ValueError(unknown("entry_refresh", entry_refresh, conventions))
        if against not in _STATES or not _STATES[against].needs_refresh:
            raise ValueError(
                unknown(
                    "against", against, [name for name, s in _STATES.items() if s.needs_refresh]
                )
            )
        other = self[against].watts_with_refresh
        if other is None or self.refresh_joules is None or self.refresh_seconds is None:
            raise self.missing["refresh"]
        own = self["self_refresh"].watts
        # A difference below the rounding of the data sheet's numbers is no gain.
        if other - own <= 1e-9 * other:
            return None
        if entry_refresh == "none":
            return 0.0
        cost = self.refresh_joules
        if entry_refresh == "pulse":
            return cost / (other - own)
        if entry_refresh not in self.entry_backgrounds:
            raise self.missing["entry_refresh"]
        cost += self.entry_backgrounds[entry_refresh] - own * self.refresh_seconds
        return max(cost / (other - own), self.refresh_seconds)


def state_powers(
    spec: DramSpec,
    *,
    celsius: float | None = None,
    fraction: float = 1.0,
    sigma: float | None = None,
    assumptions: Iterable[str] = (),
) -> StateTable:
    """Power of every state of a part.

    Parameters
    ----------
    spec : DramSpec
        The part.
    celsius : float, optional
        Case temperature. The self-refresh current is that of the lowest temperature point of the part
        at or above it, and above 85 C refresh commands come twice as often. By
        default the part's IDD6 or IDD6N.
    fraction : float
        Share of the array that self-refresh refreshes.
    sigma : float, optional
        Share of the self-refresh current that does not depend on *fraction*; needed if that is below 1.
    assumptions : iterable of str
        Assumptions that may fill gaps, see `ASSUMPTIONS`.

    Returns
    -------
    StateTable
        Watts of one device; multiply by ``spec.devices`` for a rank.

    Raises
    ------
    DramError
        If the part has no self-refresh current for such a temperature.
    ValueError
        If *fraction*, *sigma* or an assumption is none.

    Notes
    -----
    ``P = sum over rails of V x I``; refresh commands add ``V (IDD5 - IDD3N) tRFC / tREFI``
    to every state but self-refresh, whose IDD6 contains its refresh.

    Examples
    --------
    >>> import pasralloc as pa
    >>> states = state_powers(pa.dram.part("ddr4_2400_8Gb_x8"))
    >>> round(states["precharge_standby"].watts_with_refresh * 1e3, 2), round(states["self_refresh"].watts * 1e3, 2)
    (62.25, 43.5)
    """
    share = self_refresh_share(fraction, sigma)
    p = Parameters(spec, assumptions)
    idd6 = "IDD6" if celsius is None else _idd6_at(spec, celsius)
    missing: dict[str, MissingValue] = {}
    hot = celsius is not None and celsius > HOT_CELSIUS

    def watts(symbol: str, factor: float = 1.0) -> dict[str, float]:
        return {
            name: rail.volts
            * p.current(name, "IDD6" if name == "vpp" and symbol.startswith("IDD6") else symbol)
            * (factor * MILLI)
            for name, rail in p.rails().items()
        }

    refresh_watts = refresh_joules = refresh_seconds = None
    backgrounds: dict[str, float] = {}
    try:
        refresh_seconds = p.ns("tRFC") * NANO
        pulse = sum(watts("IDD5").values()) - sum(watts("IDD3N").values())
        refresh_joules = pulse * refresh_seconds
        refresh_watts = refresh_joules / (p.ns("tREFI") * NANO) * (2 if hot else 1)
        backgrounds["drampower5"] = sum(watts("IDD3N").values()) * refresh_seconds
    except MissingValue as error:
        missing["refresh"] = error
    else:
        try:
            last = p.ns("tRP") * NANO
            backgrounds["drampower4"] = (
                sum(watts("IDD3P0").values()) * (refresh_seconds - last)
                + sum(watts("IDD2P0").values()) * last
            )
        except MissingValue as error:
            missing["entry_refresh"] = error

    states = {}
    for name, state in _STATES.items():
        if not _has_state(spec, name):
            continue
        in_self_refresh = name == "self_refresh"
        try:
            rails = watts(idd6, share) if in_self_refresh else watts(state.symbol)
        except MissingValue as error:
            missing[name] = error
            continue
        standby = state.needs_refresh and state.exit_timing is None
        exit_seconds = 0.0 if standby else _seconds(p, state.exit_timing)
        read_seconds = 0.0 if standby else _seconds(p, state.read_timing)
        if read_seconds is None and spec.standard.startswith("LPDDR"):
            read_seconds = exit_seconds  # there is no DLL to wait for
        states[name] = StatePower(
            name=name,
            rails=rails,
            refresh_watts=refresh_watts if state.needs_refresh else 0.0,
            exit_seconds=exit_seconds,
            read_seconds=read_seconds,
            keeps_content=state.keeps_content,
        )
    assumptions_used = dict(p.used)
    if hot:
        assumptions_used["trefi_hot"] = "above 85 C refresh commands come twice as often"
    return StateTable(
        spec=spec,
        states=states,
        missing=missing,
        refresh_joules=refresh_joules,
        entry_backgrounds=backgrounds,
        refresh_seconds=refresh_seconds,
        celsius=celsius,
        idd6=idd6,
        fraction=fraction,
        sigma=sigma,
        sigma_range=SIGMA_RANGES[45 if celsius is not None and celsius <= 45 else 85],
        assumptions=assumptions_used,
    )


def _has_state(spec: DramSpec, name: str) -> bool:
    """Whether the standard has the state, and for the rarer ones whether the part gives a current."""
    given = {symbol for rail in spec.rails.values() for symbol in rail.currents_mA}
    if name == "precharge_power_down_slow":
        # Slow is an exit that waits for the DLL; there is none to wait for in LPDDR, no choice in DDR4 and DDR5.
        return spec.standard in ("DDR2", "DDR3") and "IDD2P0" in given
    if name == "deep_power_down":
        return spec.standard in _DEEP_POWER_DOWN and "IDD8" in given
    if name == "maximum_power_saving":
        return spec.standard == "DDR4" and "IDD8" in given
    if name == "deep_sleep":
        return spec.standard == "LPDDR5" and "IDD6DS" in given
    return True


def _seconds(p: Parameters, symbol: str | None) -> float | None:
    if symbol is None:
        return None
    try:
        return p.ns(symbol) * NANO
    except MissingValue:
        return None


def _idd6_at(spec: DramSpec, celsius: float) -> str:
    points = sorted(spec.self_refresh_points, key=lambda point: point.celsius)
    for point in points:
        if point.celsius >= celsius:
            return point.current
    known = (
        f"at most {points[-1].celsius} C" if points else "left out, the part giving no temperature"
    )
    raise DramError(spec.id, [("celsius", celsius, known)])
