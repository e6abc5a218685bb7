"""How a value that is none of the valid ones is refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def unknown(name: str, value: object, choices: Iterable[object]) -> str:
    """Error message: what was given for *name*, what is valid, and which of it is nearest."""
    valid = list(choices)
    near = difflib.get_close_matches(str(value), [c for c in valid if isinstance(c, str)], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{name} must be one of {', '.join(map(repr, valid))}, got {value!r}{hint}"
