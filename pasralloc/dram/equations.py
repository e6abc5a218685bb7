"""Energy of one rail from counters: one set of equations for every standard and tool.

The two generations of DRAMPower differ in two lengths only (`FORMULAS`): the time
a precharge is charged for, and how much of an auto-refresh has active background.
All else is parameters: with rho = 1 and I_beta = IDD0 the equations of DRAMPower 5
are those of DRAMPower 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pasralloc.dram.parameters import Parameters
from pasralloc.errors import MissingValue

MILLI_NANO = 1e-12  # V x mA x ns to joules

_ENTRY_CYCLES = (
    "sref_ref_act_cycles",
    "sref_ref_pre_cycles",
    "spup_ref_act_cycles",
    "spup_ref_pre_cycles",
)


@dataclass(frozen=True, slots=True)
class Formulas:
    """Where the generations of DRAMPower differ.

    Parameters
    ----------
    precharge_from_trc : bool
        A precharge lasts tRC - tRAS; otherwise tRP.
    refresh_ends_precharged : bool
        The last tRP of an auto-refresh have precharge background; otherwise all of it is active.
    core_currents : bool
        The part's rho and I_beta count, and power-downs are not told apart by their exit.
    """

    precharge_from_trc: bool
    refresh_ends_precharged: bool
    core_currents: bool


FORMULAS = {
    "drampower4": Formulas(True, True, False),
    "drampower5": Formulas(False, False, True),
}


@dataclass(frozen=True, slots=True)
class RailCurrents:
    """Currents of one rail that are no data-sheet values but follow from them, in mA.

    Parameters
    ----------
    parameters : Parameters
        The part.
    rail : str
        The supply.
    formulas : Formulas
        Which generation of equations.
    """

    parameters: Parameters
    rail: str
    formulas: Formulas

    def of(self, symbol: str) -> float:
        """Return a data-sheet current."""
        return self.parameters.current(self.rail, symbol)

    def _rho(self) -> float:
        return self.parameters.spec.rho if self.formulas.core_currents else 1.0

    def shared(self) -> float:
        """Part of the active background that does not depend on how many banks are open (I_rho)."""
        if self._rho() == 1:
            return self.of("IDD3N")
        precharged = self.of("IDD2N")
        return self._rho() * (self.of("IDD3N") - precharged) + precharged

    def with_open(self, nr_banks: int) -> float:
        """Background with so many banks open.

        DDR data sheets measure IDD3N with every bank open, LPDDR ones with one.
        """
        spec, shared, active = self.parameters.spec, self.shared(), self.of("IDD3N")
        measured = 1 if spec.standard in ("LPDDR4", "LPDDR5") else spec.banks
        return shared + nr_banks * (active - shared) / measured

    def precharging(self) -> float:
        """Return I_beta."""
        beta = (
            self.parameters.spec.rails[self.rail].beta_mA if self.formulas.core_currents else None
        )
        return self.of("IDD0") if beta is None else beta

    def activating(self) -> float:
        """Return I_theta: what IDD0 leaves for the activation once the precharge has its I_beta."""
        beta, cycle = self.precharging(), self.of("IDD0")
        if beta == cycle:
            return cycle
        ras, rp = self.parameters.cycles("tRAS"), self.parameters.cycles("tRP")
        return (cycle * (rp + ras) - beta * rp) / ras

    def bank_refresh(self) -> float:
        """Burst current of a per-bank refresh, from IDD5PB, an average over an eighth of tREFI."""
        interval = self.parameters.cycles("tREFI") / 8
        length = self.parameters.cycles("tRFCpb")
        return (self.of("IDD5PB") * interval - self.of("IDD2N") * (interval - length)) / length


def rail_energy(
    currents: RailCurrents, counters: Mapping[str, int], idd6: str = "IDD6", share: float = 1.0
) -> dict[str, float]:
    """Energy of one device on one rail.

    Parameters
    ----------
    currents : RailCurrents
        The rail.
    counters : mapping of str to int
        Counts and cycles of `RankMeter.counters`.
    idd6 : str
        Symbol of the self-refresh current.
    share : float
        What partial-array self-refresh leaves of it.

    Returns
    -------
    dict of str to float
        Joules by component.

    Raises
    ------
    MissingValue
        If a current or timing is needed that the part does not give. What has no
        cycles needs none.
    """
    p, spec, of = currents.parameters, currents.parameters.spec, currents.of
    n = counters

    def one_cycle() -> float:
        return 1

    def burst() -> float:
        if spec.burst_length is None:
            raise MissingValue(spec.id, "device.burst_length")
        return spec.burst_length / spec.data_rate

    def precharge() -> float:
        if currents.formulas.precharge_from_trc:
            return p.cycles("tRC") - p.cycles("tRAS")
        return p.cycles("tRP")

    def refresh() -> float:
        return of("IDD5") - currents.with_open(spec.banks)

    # Component, how often, current in mA above the background, clock cycles each time.
    terms: list[tuple[str, int, Callable[[], float], Callable[[], float]]] = [
        (
            "act",
            n["acts"],
            lambda: currents.activating() - currents.with_open(1),
            lambda: p.cycles("tRAS"),
        ),
        ("pre", n["pres"], lambda: currents.precharging() - of("IDD2N"), precharge),
        ("read", n["reads"], lambda: of("IDD4R") - of("IDD3N"), burst),
        ("write", n["writes"], lambda: of("IDD4W") - of("IDD3N"), burst),
        ("refresh", n["refs"], refresh, lambda: p.cycles("tRFC")),
        ("act_standby", n["act_cycles"], currents.shared, one_cycle),
        (
            "act_standby",
            n["open_bank_cycles"],
            lambda: currents.with_open(1) - currents.shared(),
            one_cycle,
        ),
        ("pre_standby", n["pre_cycles"], lambda: of("IDD2N"), one_cycle),
        ("f_act_pd", n["f_act_pd_cycles"], lambda: of("IDD3P1"), one_cycle),
        ("s_act_pd", n["s_act_pd_cycles"], lambda: of("IDD3P0"), one_cycle),
        ("f_pre_pd", n["f_pre_pd_cycles"], lambda: of("IDD2P1"), one_cycle),
        ("s_pre_pd", n["s_pre_pd_cycles"], lambda: of("IDD2P0"), one_cycle),
        ("sref", n["sref_cycles"], lambda: of(idd6) * share, one_cycle),
        # The refresh at entry is one of all banks, executed before a mask acts.
        ("sref", sum(n[name] for name in _ENTRY_CYCLES), refresh, one_cycle),
        ("sref_ref_act_bg", n["sref_ref_act_cycles"], lambda: of("IDD3P0"), one_cycle),
        ("sref_ref_pre_bg", n["sref_ref_pre_cycles"], lambda: of("IDD2P0"), one_cycle),
        ("spup_ref_act_bg", n["spup_ref_act_cycles"], lambda: of("IDD3N"), one_cycle),
        ("spup_ref_pre_bg", n["spup_ref_pre_cycles"], lambda: of("IDD2N"), one_cycle),
        (
            "bank_refresh",
            n["bank_refs"],
            lambda: currents.bank_refresh() - currents.with_open(1),
            lambda: p.cycles("tRFCpb"),
        ),
        (
            "bank_refresh",
            n["same_bank_refs"],
            lambda: of("IDD5C") - currents.with_open(spec.bank_groups),
            lambda: p.cycles("tRFCsb"),
        ),
    ]
    volts = spec.rails[currents.rail].volts
    energy = dict.fromkeys((component for component, *_ in terms), 0.0)
    for component, count, milliamperes, length in terms:
        if count:
            energy[component] += (
                volts * p.tck_ns() * milliamperes() * (length() * count) * MILLI_NANO
            )
    return energy
