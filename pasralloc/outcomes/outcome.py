"""What a reproduction comes to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Published numbers and own ones.

    Attributes
    ----------
    outcome : str
        Its name.
    parameters : dict of str to Any
        Everything that the own numbers depend on.
    published, ours : dict of str to Any
        Of the same shape, wherever something was published.
    checks : dict of str to bool
        Statements about the own numbers, and whether they hold.
    """

    outcome: str
    parameters: dict[str, Any]
    published: dict[str, Any]
    ours: dict[str, Any]
    checks: dict[str, bool] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(
            {
                "outcome": self.outcome,
                "parameters": self.parameters,
                "published": self.published,
                "ours": self.ours,
                "checks": self.checks,
            },
            default=_plain,
            allow_nan=False,
        )


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not written as JSON")
