"""Workloads by name, and their parameters from text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from pasralloc.choices import Problems, unknown
from pasralloc.workload.ageing import Ageing
from pasralloc.workload.background import Background
from pasralloc.workload.ebizzy import Ebizzy
from pasralloc.workload.kernbench import Kernbench
from pasralloc.workload.pagetest import Pagetest

Workload = Ageing | Ebizzy | Kernbench | Pagetest

WORKLOADS: dict[str, type[Workload]] = {
    "ageing": Ageing,
    "ebizzy": Ebizzy,
    "kernbench": Kernbench,
    "pagetest": Pagetest,
}

PREFIX = "background."
WORDS = {"true": True, "false": False, "none": None}


def defaults_of(kind: str) -> dict[str, Any]:
    """Every parameter of a workload and its default, by the name that a setting gives it."""
    load = WORKLOADS[kind]()
    defaults = {field.name: getattr(load, field.name) for field in fields(load)}
    background = defaults.pop("background", None)
    if background is not None:
        defaults |= {
            PREFIX + field.name: getattr(background, field.name) for field in fields(background)
        }
    return defaults


def workload_of(kind: str, settings: Iterable[str] = ()) -> Workload:
    """Make a workload from its name and settings such as ``processes=4`` or ``background.burst=8``.

    Parameters
    ----------
    kind : str
        One of `WORKLOADS`.
    settings : iterable of str
        Each names a parameter and gives its value: a number, several joined by commas
        (``background.shares=0.2,0.7,0.1``), true, false or none.

    Returns
    -------
    workload : Ageing, Ebizzy, Kernbench or Pagetest

    Raises
    ------
    ValueError
        If there is no such workload or parameter, or a value does not fit; every problem is named.
    """
    if kind not in WORKLOADS:
        raise ValueError(unknown("workload", kind, WORKLOADS))
    defaults = defaults_of(kind)
    values: dict[str, Any] = {}
    problems = Problems()

    def take(setting: str) -> None:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"{setting!r} is not NAME=VALUE")
        if name not in defaults:
            raise ValueError(unknown(f"parameter of {kind}", name, sorted(defaults)))
        if name in values:
            raise ValueError(f"{name} is given twice")
        values[name] = _value(name, text, defaults[name])

    for setting in settings:
        problems.check(take, setting)
    of_background = {
        name.removeprefix(PREFIX): values.pop(name)
        for name in list(values)
        if name.startswith(PREFIX)
    }
    trouble = None
    if of_background:
        try:
            values["background"] = Background(**of_background)
        except (TypeError, ValueError) as error:
            trouble = f"background: {error}"
    load = problems.check(lambda: WORKLOADS[kind](**values))
    if trouble is not None:
        # Last, so that nobody takes what follows for parameters of the background.
        problems.add(trouble)
    try:
        problems.refuse()
    except TypeError as error:
        raise ValueError(str(error)) from None
    assert load is not None
    return load


def _value(name: str, text: str, default: object) -> object:
    """Value of a parameter from its text; what has several by default may have several."""
    if isinstance(default, tuple):
        return tuple(_one(name, part, text) for part in text.split(","))
    return _one(name, text, text)


def _one(name: str, part: str, text: str) -> object:
    if part in WORDS:
        return WORDS[part]
    try:
        return int(part)
    except ValueError:
        pass
    try:
        return float(part)
    except ValueError:
        raise ValueError(f"{name} must be a number, got {text!r}") from None
