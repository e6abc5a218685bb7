"""Command traces: names to codes, and commands of one cycle in their order."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pasralloc._core.rankmeter import COMMAND_DTYPE, COMMANDS
from pasralloc.choices import unknown

__all__ = ["COMMANDS", "COMMAND_DTYPE", "command_array", "ordered"]

_LIMITS = {name: int(np.iinfo(COMMAND_DTYPE[name]).max) for name in ("cycle", "bank")}


def command_array(commands: Iterable[tuple[int, str, int]]) -> NDArray[np.void]:
    """Make a command array from (cycle, name, bank) tuples.

    Parameters
    ----------
    commands : iterable of (int, str, int)
        Clock cycle, name of the command in any of the tools' spellings
        (``REF`` or ``REFA``, ``SREN`` or ``SREFEN``, ``PDN_F_PRE`` or ``PDEP`` …), flat bank index.

    Returns
    -------
    ndarray of COMMAND_DTYPE, shape (nr_commands,)

    Raises
    ------
    ValueError
        If a name is unknown, or a number is not an integer of its range; the message has the position.

    Examples
    --------
    >>> command_array([(100, "ACT", 0), (128, "PRE", 0)])["command"]
    array([1, 6], dtype=uint8)
    """
    cycles, codes, banks = [], [], []
    for index, row in enumerate(commands):
        try:
            cycle, name, bank = row
        except (TypeError, ValueError):
            raise ValueError(f"command {index} must be (cycle, name, bank), got {row!r}") from None
        code = COMMANDS.get(str(name).upper())
        if code is None:
            raise ValueError(f"command {index}: {unknown('name', name, COMMANDS)}")
        cycles.append(_unsigned(index, "cycle", cycle))
        codes.append(code)
        banks.append(_unsigned(index, "bank", bank))
    out = np.zeros(len(codes), COMMAND_DTYPE)
    out["cycle"] = np.array(cycles, np.uint64)
    out["command"] = codes
    out["bank"] = banks
    return out


def _unsigned(index: int, name: str, value: object) -> int:
    """Value of a field of command *index*."""
    limit = _LIMITS[name]
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if isinstance(value, bool) or not 0 <= number <= limit:
        raise ValueError(
            f"command {index}: {name} must be an integer from 0 to {limit}, got {value!r}"
        )
    return number


def ordered(
    commands: NDArray[np.void] | Iterable[Any],
) -> tuple[NDArray[np.void], NDArray[np.intp] | None]:
    """Commands with the precharges of a cycle before its other commands, and where each was.

    Raises
    ------
    TypeError
        If an array lacks a field, or one holds no integers.
    ValueError
        If an array has another shape, or a value does not fit its field.
    """
    if not isinstance(commands, np.ndarray):
        commands = command_array(commands)
    if commands.dtype.names is None or not {"cycle", "command", "bank"} <= set(
        commands.dtype.names
    ):
        raise TypeError(f"commands must have the fields of COMMAND_DTYPE, got {commands.dtype}")
    if commands.ndim != 1:
        raise ValueError(f"commands must have one dimension, got {commands.ndim}")
    if commands.dtype != COMMAND_DTYPE:
        converted = np.zeros(len(commands), COMMAND_DTYPE)
        for name in ("cycle", "command", "bank"):
            column = commands[name]
            if column.dtype.kind not in "iu":
                raise TypeError(f"commands: {name} must hold integers, got {column.dtype}")
            limits = np.iinfo(COMMAND_DTYPE[name])
            wrong = np.flatnonzero((column < limits.min) | (column > limits.max))
            if wrong.size:
                raise ValueError(
                    f"commands[{wrong[0]}]: {name} must be 0 to {limits.max}, got {column[wrong[0]]}"
                )
            converted[name] = column
        commands = converted
    commands = np.ascontiguousarray(commands)
    cycle = commands["cycle"]
    closes = (commands["command"] == COMMANDS["PRE"]) | (commands["command"] == COMMANDS["PREA"])
    late = closes[1:] & ~closes[:-1] & (cycle[1:] == cycle[:-1])
    if not late.any() or (cycle[1:] < cycle[:-1]).any():
        return commands, None
    order = np.lexsort((~closes, cycle))
    return commands[order], order
