"""Workloads by name, and their parameters from text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from pasralloc.choices import unknown
from pasralloc.workload.ebizzy import Ebizzy
from pasralloc.workload.kernbench import Kernbench

WORKLOADS: dict[str, type[Ebizzy] | type[Kernbench]] = {"ebizzy": Ebizzy, "kernbench": Kernbench}


def workload_of(kind: str, settings: Iterable[str] = ()) -> Ebizzy | Kernbench:
    """Make a workload from its name and settings such as ``processes=4`` or ``background.burst=8``.

    Parameters
    ----------
    kind : str
        One of `WORKLOADS`.
    settings : iterable of str
        Each names a parameter and gives its value.

    Returns
    -------
    workload : Ebizzy or Kernbench

    Raises
    ------
    ValueError
        If there is no such workload or parameter, or a value does not fit; every problem is named.
    """
    if kind not in WORKLOADS:
        raise ValueError(unknown("workload", kind, WORKLOADS))
    values: dict[str, dict[str, Any]] = {"": {}, "background.": {}}
    problems = []
    load = WORKLOADS[kind]()
    for setting in settings:
        name, equals, text = setting.partition("=")
        prefix = "background." if name.startswith("background.") else ""
        target: Any = load.background if prefix else load
        known = {field.name for field in fields(target)} - {"background", "shares"}
        field_name = name.removeprefix(prefix)
        if not equals:
            problems.append(f"{setting!r} is not NAME=VALUE")
        elif field_name not in known:
            problems.append(
                unknown(f"parameter of {kind}", name, sorted(prefix + key for key in known))
            )
        else:
            try:
                values[prefix][field_name] = _number(text)
            except ValueError:
                problems.append(f"{name} must be a number, got {text!r}")
    if not problems:
        try:
            background = replace(load.background, **values["background."])
            return replace(load, background=background, **values[""])
        except (TypeError, ValueError) as error:
            problems.append(str(error))
    raise ValueError("; ".join(problems))


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
