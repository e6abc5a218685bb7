"""A strip of characters that shows how full each region is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BARS = "·▁▂▃▄▅▆▇█"
ASCII = ".12345678"


def strip(
    used: NDArray[np.uint32], managed: NDArray[np.uint32], width: int, *, ascii_only: bool = False
) -> str:
    """One character per region, or per bin of adjacent regions if there are more than *width*.

    Parameters
    ----------
    used, managed : ndarray of uint32, shape (nr_regions,)
        Pages in use and pages managed.
    width : int
        Most characters to use.
    ascii_only : bool, default False
        Digits instead of bars.

    Returns
    -------
    text : str
        A blank where no memory is managed, a dot where all of it is free, and
        eight heights from little used to full.

    Examples
    --------
    >>> import numpy as np
    >>> strip(np.array([0, 1, 500, 1000]), np.array([0, 1000, 1000, 1000]), 80)
    ' ▁▄█'
    """
    levels = ASCII if ascii_only else BARS
    nr_bins = min(len(managed), width)
    edges = np.linspace(0, len(managed), nr_bins + 1).astype(int)[:-1]
    used = np.add.reduceat(np.asarray(used, np.int64), edges)
    managed = np.add.reduceat(np.asarray(managed, np.int64), edges)
    heights = np.ceil(8 * used / np.maximum(managed, 1)).clip(0, 8).astype(int)
    return "".join(
        levels[height] if total else " "
        for height, total in zip(heights.tolist(), managed.tolist(), strict=True)
    )
