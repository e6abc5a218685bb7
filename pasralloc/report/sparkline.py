"""A curve in one line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

BARS = "▁▂▃▄▅▆▇█"
ASCII = "12345678"


def sparkline(
    values: Sequence[float],
    width: int = 40,
    *,
    ascii_only: bool = False,
    bounds: tuple[float, float] | None = None,
) -> str:
    """Draw a curve with one character per value, or per mean of neighbours if there are more than *width*.

    Parameters
    ----------
    values : sequence of float
        Heights from 0 on.
    width : int, default 40
        Most characters to use.
    ascii_only : bool, default False
        Digits instead of bars.
    bounds : (float, float), optional
        What the lowest and the highest bar stand for; by default 0 and the highest mean.

    Returns
    -------
    text : str

    Examples
    --------
    >>> sparkline([8, 4, 1, 1, 7])
    '█▄▁▁▇'
    """
    if not len(values):
        return ""
    levels = ASCII if ascii_only else BARS
    edges = np.linspace(0, len(values), min(len(values), width) + 1).astype(int)
    means = [float(np.mean(values[a:b])) for a, b in itertools.pairwise(edges)]
    low, high = bounds if bounds is not None else (0.0, max(means))
    scale = 8 / ((high - low) or 1.0)
    return "".join(levels[min(max(int(np.ceil(scale * (mean - low))) - 1, 0), 7)] for mean in means)
