"""How values that are not valid are refused."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")


def unknown(name: str, value: object, choices: Iterable[object]) -> str:
    """Error message: what was given for *name*, what is valid, and which of it is nearest."""
    valid = list(choices)
    near = difflib.get_close_matches(str(value), [c for c in valid if isinstance(c, str)], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{name} must be one of {', '.join(map(repr, valid))}, got {value!r}{hint}"


class Problems:
    """What is wrong with the arguments of a call: collected, then raised as one error."""

    def __init__(self) -> None:
        self._found: list[TypeError | ValueError] = []

    def check(self, function: Callable[..., Result], *arguments: Any) -> Result | None:
        """Call a function; what it complains about counts as a problem, and its result is None."""
        try:
            return function(*arguments)
        except (TypeError, ValueError) as error:
            self._found.append(error)
            return None

    def add(self, why: str) -> None:
        """Count a problem."""
        self._found.append(ValueError(why))

    def __bool__(self) -> bool:
        return bool(self._found)

    def refuse(self) -> None:
        """Raise what was found: a single problem as it is, several in the order in which they were found.

        Raises
        ------
        TypeError
            If every problem is one of type.
        ValueError
            If any is not.
        """
        if not self._found:
            return
        if len(self._found) == 1:
            raise self._found[0]
        kind = TypeError if all(isinstance(e, TypeError) for e in self._found) else ValueError
        raise kind("; ".join(map(str, self._found)))
