"""Reference cases: a device, a command trace and the energies that are expected of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pasralloc.dram.energy import ENTRY_REFRESH, CommandEnergy, command_energy
from pasralloc.dram.equations import FORMULAS
from pasralloc.dram.spec import DramSpec, Rail
from pasralloc.errors import DramError

SCHEMA = "pasralloc-dram-cases-1"
RELATIVE = 1e-9
ABSOLUTE_PJ = 1e-6
PICO = 1e-12


def _table(name: str, owner: object, path: str, default: object = None) -> Mapping[str, Any]:
    """Object at the last field of *path*, in the object that holds it."""
    value = owner.get(path.rpartition(".")[2], default) if isinstance(owner, Mapping) else None
    if not isinstance(value, Mapping):
        raise DramError(name, [(path, value, "an object")])
    return value


def case_spec(case: Mapping[str, Any]) -> DramSpec:
    """Return the device of a case; an explicit 0 is a value like any other.

    Raises
    ------
    DramError
        If a field is missing or impossible.
    """
    if not isinstance(case, Mapping):
        raise DramError("case", [("case", case, "an object")])
    name = str(case.get("id", "case"))
    memspec = _table(name, case, "memspec")
    try:
        tck = memspec["tCK_ns"]
        if not tck > 0:
            raise DramError(name, [("memspec.tCK_ns", tck, "above 0")])
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
            timing_cycles=_table(name, memspec, "memspec.timing_cycles"),
            rails={
                rail: Rail(
                    values["V"],
                    _table(name, values, f"memspec.rails.{rail}.I_mA"),
                    beta_mA=values.get("I_beta_mA"),
                )
                for rail, values in _table(name, memspec, "memspec.rails").items()
            },
        )
    except KeyError as error:
        raise DramError(name, [(f"memspec.{error.args[0]}", None, "given")]) from None
    except (TypeError, AttributeError) as error:
        raise DramError(name, [("memspec", str(error), "numbers and objects")]) from None


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
    if not isinstance(case["trace"], Sequence) or isinstance(case["trace"], str):
        raise DramError(spec.id, [("trace", case["trace"], "a list of [cycle, command, bank]")])
    for field, options in (("convention", ENTRY_REFRESH), ("formulas", FORMULAS)):
        if not isinstance(case[field], str) or case[field] not in options:
            raise DramError(spec.id, [(field, case[field], f"one of {', '.join(options)}")])
    for field in ("devices", "ranks"):
        if case.get(field, 1) != 1:
            raise DramError(
                spec.id, [(field, case[field], "1: energies of a case are of one device")]
            )
    pasr = _table(spec.id, case, "pasr", {})
    for field in ("fraction", "sigma"):
        share = pasr.get(field, 1)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
            raise DramError(spec.id, [(f"pasr.{field}", share, "0 to 1")])
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

    Parameters
    ----------
    case : mapping
        As `case_energy` takes it, with ``expected``: any of ``counters``, ``energy`` by component (pJ),
        ``total`` (pJ) and ``average_power_mW``.

    Returns
    -------
    list of str
        Counters that are not equal, energies that are neither within 1e-9 relative nor within
        1e-6 pJ, and an average power that is not within 1e-9 relative.

    Raises
    ------
    DramError
        If a field is missing or impossible, or nothing is expected.
    CommandError
        If a command of its trace cannot be executed.
    """
    energy = run_case(case)
    name = str(case.get("id", "case"))
    expected = _table(name, case, "expected")
    counters = _table(name, expected, "expected.counters", {})
    differences = [
        f"{counter}: expected {value}, got {energy.counters.get(counter)}"
        for counter, value in counters.items()
        if energy.counters.get(counter) != value
    ]
    picojoules = {component: joules / PICO for component, joules in energy.items()}
    checks = [
        (component, value, picojoules.get(component), "pJ")
        for component, value in _table(name, expected, "expected.energy", {}).items()
    ]
    if "total" in expected:
        checks.append(("total", expected["total"], energy.total / PICO, "pJ"))
    if "average_power_mW" in expected:
        milliwatts = energy.average_watts * 1e3
        checks.append(("average_power_mW", expected["average_power_mW"], milliwatts, "mW"))
    if not counters and not checks:
        raise DramError(
            name, [("expected", dict(expected), "an object with counters, energy or total")]
        )
    for label, value, got, unit in checks:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DramError(name, [(f"expected.{label}", value, "a number")])
        least = ABSOLUTE_PJ if unit == "pJ" else 0.0
        if got is None or not math.isclose(got, value, rel_tol=RELATIVE, abs_tol=least):
            differences.append(f"{label}: expected {value} {unit}, got {got} {unit}")
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
    """Check every case of a file.

    Parameters
    ----------
    path : str or Path
        JSON with the schema of `SCHEMA` and a list ``cases``.

    Yields
    ------
    id : str
        Of the case, or its number.
    differences : list of str
        As `check_case` returns them. A case that cannot be run is one that differs.

    Raises
    ------
    DramError
        If it is no file of cases.
    OSError
        If it cannot be read.
    """
    for number, case in enumerate(read_cases(path)):
        name = str(case.get("id", f"case {number}"))
        try:
            yield name, check_case(case)
        except (TypeError, ValueError) as error:
            yield name, [str(error)]
