"""Averages of a channel under a steady load: what is background, and how long ranks rest."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pasralloc._core.rankmeter import COUNTERS
from pasralloc.dram.equations import FORMULAS, RailCurrents, rail_energy
from pasralloc.dram.parameters import Parameters
from pasralloc.dram.spec import DramSpec
from pasralloc.dram.states import state_powers
from pasralloc.errors import DramError


@dataclass(frozen=True, slots=True)
class ChannelPower:
    """Average power of one channel, W, without I/O and termination.

    Parameters
    ----------
    background : float
        Standby of every rank.
    refresh : float
        Refresh commands of every rank.
    commands : float
        Activations, precharges and bursts above the background.
    """

    background: float
    refresh: float
    commands: float

    @property
    def total(self) -> float:
        """All of it, W."""
        return self.background + self.refresh + self.commands

    @property
    def background_share(self) -> float:
        """Share of the background."""
        return self.background / self.total

    @property
    def idle_share(self) -> float:
        """Share of background and refresh."""
        return (self.background + self.refresh) / self.total


def burst_seconds(spec: DramSpec) -> float:
    """Time that one burst occupies the data bus, s.

    Raises
    ------
    DramError
        If the part does not give its burst length or clock.
    """
    if spec.burst_length is None or spec.tck_ns is None:
        raise DramError(spec.id, [("device.burst_length", spec.burst_length, "given, with tCK_ns")])
    return spec.burst_length / spec.data_rate * spec.tck_ns * 1e-9


def channel_power(
    spec: DramSpec,
    *,
    load: float,
    ranks: int = 1,
    bursts_per_activation: float = 4,
    write_share: float = 0,
    open_share: float = 0,
    assumptions: Iterable[str] = (),
) -> ChannelPower:
    """Average power of a channel that is used evenly.

    Parameters
    ----------
    spec : DramSpec
        The part; a rank has ``spec.devices`` of them.
    load : float
        Share of the data bus that is in use, 0 to 1.
    ranks : int
        Ranks of the channel.
    bursts_per_activation : float
        Bursts from a row before it is closed.
    write_share : float
        Share of the bursts that write.
    open_share : float
        Share of the time a rank has rows open. By default rows are closed at once, so
        that the background is precharge standby.
    assumptions : iterable of str
        Assumptions that may fill gaps, see `ASSUMPTIONS`.

    Returns
    -------
    ChannelPower
        W.

    Raises
    ------
    DramError
        If an argument is out of range.
    MissingValue
        If the part lacks a current or timing.

    Examples
    --------
    >>> import pasralloc as pa
    >>> power = channel_power(pa.dram.part("ddr4_2400_8Gb_x8"), load=0.1, ranks=4)
    >>> round(power.background_share, 2), round(power.idle_share, 2)
    (0.73, 0.95)
    """
    shares = {"load": load, "write_share": write_share, "open_share": open_share}
    problems: list[tuple[str, object, str]] = [
        (name, value, "0 to 1") for name, value in shares.items() if not 0 <= value <= 1
    ]
    if ranks < 1:
        problems.append(("ranks", ranks, "at least 1"))
    if not bursts_per_activation > 0:
        problems.append(("bursts_per_activation", bursts_per_activation, "positive"))
    if problems:
        raise DramError(spec.id, problems)
    states = state_powers(spec, assumptions=assumptions)
    refresh = states["precharge_standby"].refresh_watts
    if refresh is None:
        raise states.missing["refresh"]
    closed, opened = states["precharge_standby"].watts, states["active_standby"].watts
    parameters = Parameters(spec, assumptions)
    joules = dict.fromkeys(("act", "pre", "read", "write"), 0.0)
    one_each = dict.fromkeys(COUNTERS, 0) | {"acts": 1, "pres": 1, "reads": 1, "writes": 1}
    for rail in parameters.rails():
        energy = rail_energy(RailCurrents(parameters, rail, FORMULAS["drampower4"]), one_each)
        for name in joules:
            joules[name] += energy[name]
    per_burst = (joules["act"] + joules["pre"]) / bursts_per_activation
    per_burst += joules["read"] * (1 - write_share) + joules["write"] * write_share
    return ChannelPower(
        background=spec.devices * ranks * (closed + open_share * (opened - closed)),
        refresh=spec.devices * ranks * refresh,
        commands=spec.devices * load / burst_seconds(spec) * per_burst,
    )


def mean_gap(spec: DramSpec, *, load: float, ranks: int = 1) -> float:
    """Mean time between two accesses of a rank, s, with accesses spread evenly over the ranks.

    Parameters
    ----------
    spec : DramSpec
        The part.
    load : float
        Share of the data bus that is in use, above 0 and up to 1.
    ranks : int
        Ranks that the accesses are spread over by interleaving.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    DramError
        If an argument is out of range.
    """
    if not 0 < load <= 1 or ranks < 1:
        raise DramError(
            spec.id, [("load, ranks", (load, ranks), "above 0 and at most 1; at least 1")]
        )
    return ranks * burst_seconds(spec) / load


def gap_probability(spec: DramSpec, seconds: float, *, load: float, ranks: int = 1) -> float:
    """Share of the gaps of a rank that are longer than a time, with accesses at random (Poisson).

    Parameters
    ----------
    spec : DramSpec
        The part.
    seconds : float
        The time, such as a break-even time, s.
    load : float
        Share of the data bus that is in use, above 0 and up to 1.
    ranks : int
        Ranks that the accesses are spread over by interleaving.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    DramError
        If an argument is out of range.
    """
    if not seconds >= 0:
        raise DramError(spec.id, [("seconds", seconds, "0 or more")])
    return math.exp(-seconds / mean_gap(spec, load=load, ranks=ranks))
