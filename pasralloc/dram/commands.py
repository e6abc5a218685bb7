"""Command traces: names to codes, and commands of one cycle in their order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pasralloc._core.rankmeter import COMMAND_DTYPE, COMMANDS
from pasralloc.choices import unknown

__all__ = ["COMMANDS", "COMMAND_DTYPE", "command_array", "ordered"]


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
        If a name is unknown; the message has its position.

    Examples
    --------
    >>> command_array([(100, "ACT", 0), (128, "PRE", 0)])["command"]
    array([1, 6], dtype=uint8)
    """
    rows = list(commands)
    out = np.zeros(len(rows), COMMAND_DTYPE)
    for index, row in enumerate(rows):
        try:
            cycle, name, bank = row
        except (TypeError, ValueError):
            raise ValueError(f"command {index} must be (cycle, name, bank), got {row!r}") from None
        code = COMMANDS.get(str(name).upper())
        if code is None:
            raise ValueError(f"command {index}: {unknown('name', name, COMMANDS)}")
        try:
            out[index] = (cycle, code, bank)
        except (OverflowError, TypeError, ValueError) as error:
            raise ValueError(
                f"command {index} at cycle {cycle!r}, bank {bank!r}: {error}"
            ) from None
    return out


def ordered(
    commands: NDArray[np.void] | Iterable[Any],
) -> tuple[NDArray[np.void], NDArray[np.intp] | None]:
    """Commands with the precharges of a cycle before its other commands, and where each was."""
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
