"""Reference cases: a device, a command trace and the energies that are expected of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pasralloc.dram.energy import CommandEnergy, command_energy
from pasralloc.dram.spec import DramSpec, Rail
from pasralloc.errors import DramError

SCHEMA = "pasralloc-dram-cases-1"
RELATIVE = 1e-9
ABSOLUTE_PJ = 1e-6
PICO = 1e-12


def case_spec(case: Mapping[str, Any]) -> DramSpec:
    """Return the device of a case; an explicit 0 is a value like any other.

    Raises
    ------
    DramError
        If a field is missing or impossible.
    """
    name = str(case.get("id", "case"))
    try:
        memspec = case["memspec"]
        tck = memspec["tCK_ns"]
        return DramSpec(
            id=name,
            standard=memspec["standard"],
            width=memspec["width"],
            banks=memspec["banks"],
            bank_groups=memspec["bank_groups"],
            burst_length=memspec["burst_length"],
            data_rate_MTs=memspec["data_rate"] * 1000 / tck,
            tck_ns=tck,
            rho=memspec.get("rho", 1),
            timing_cycles=MappingProxyType(memspec["timing_cycles"]),
            rails=MappingProxyType(
                {
                    rail: Rail(
                        values["V"],
                        MappingProxyType(values["I_mA"]),
                        beta_mA=values.get("I_beta_mA"),
                    )
                    for rail, values in memspec["rails"].items()
                }
            ),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DramError(
            name, [("memspec", str(error), "complete, with numbers for numbers")]
        ) from None


def run_case(case: Mapping[str, Any]) -> CommandEnergy:
    """Energy and counters of one case.

    Raises
    ------
    DramError
        If a field is missing or impossible.
    CommandError
        If a command of its trace cannot be executed.
    """
    spec = case_spec(case)
    for field in ("trace", "t_end_cycles", "convention", "formulas"):
        if field not in case:
            raise DramError(spec.id, [(field, None, "given")])
    for field in ("devices", "ranks"):
        if case.get(field, 1) != 1:
            raise DramError(
                spec.id, [(field, case[field], "1: energies of a case are of one device")]
            )
    pasr = case.get("pasr", {})
    return command_energy(
        spec,
        case["trace"],
        case["t_end_cycles"],
        entry_refresh=case["convention"],
        formulas=case["formulas"],
        fraction=pasr.get("fraction", 1.0),
        sigma=pasr.get("sigma"),
    )


def case_energy(case: Mapping[str, Any]) -> dict[str, float]:
    """Energy of one object out of the list ``cases`` of a file of cases.

    Parameters
    ----------
    case : mapping
        Device (``memspec``: V, mA, clock cycles), ``trace`` as [cycle, command, bank],
        ``t_end_cycles``, ``convention`` and ``formulas``; ``pasr`` with ``fraction`` and ``sigma``, if any.
        Zeros of the case are taken as given.

    Returns
    -------
    dict of str to float
        Joules of one device by component, all rails added.

    Raises
    ------
    DramError
        If a field is missing or impossible.
    CommandError
        If a command of its trace cannot be executed.
    """
    return dict(run_case(case))


def check_case(case: Mapping[str, Any]) -> list[str]:
    """Return what differs from what a case expects, one line each; none if it is met.

    Counters must be equal, energies within 1e-9 relative or 1e-6 pJ.
    """
    energy = run_case(case)
    expected = case.get("expected", {})
    differences = [
        f"{name}: expected {value}, got {energy.counters.get(name)}"
        for name, value in expected.get("counters", {}).items()
        if energy.counters.get(name) != value
    ]
    wanted = {**expected.get("energy", {})}
    got: dict[str, float | None] = {name: energy.get(name) for name in wanted}
    if "total" in expected:
        wanted["total"], got["total"] = expected["total"], energy.total
    for name, value in wanted.items():
        mine = got[name]
        picojoules = None if mine is None else mine / PICO
        if picojoules is None or not math.isclose(
            picojoules, value, rel_tol=RELATIVE, abs_tol=ABSOLUTE_PJ
        ):
            differences.append(f"{name}: expected {value} pJ, got {picojoules} pJ")
    return differences


def read_cases(path: str | Path) -> list[dict[str, Any]]:
    """Cases of a file.

    Raises
    ------
    DramError
        If it is no file of cases.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DramError(str(path), [("file", str(error), "JSON in UTF-8")]) from None
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise DramError(str(path), [("schema", schema, SCHEMA)])
    cases = document.get("cases")
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise DramError(str(path), [("cases", type(cases).__name__, "a list of objects")])
    return cases


def check_file(path: str | Path) -> Iterator[tuple[str, list[str]]]:
    """Check every case of a file; yields its id and what differs.

    A case that cannot be run is one that differs.
    """
    for number, case in enumerate(read_cases(path)):
        name = str(case.get("id", f"case {number}"))
        try:
            yield name, check_case(case)
        except (TypeError, ValueError) as error:
            yield name, [str(error)]
