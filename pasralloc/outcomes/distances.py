"""How far own numbers of ebizzy are from published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress

import numpy as np

from pasralloc.outcomes.published import NODE_0_REGIONS

NR_ORDERS = 11


def curve_distance(ours: Sequence[int], published: Sequence[int]) -> float:
    """Mean difference of two curves, in regions.

    Raises
    ------
    ValueError
        If they have not the same number of samples.
    """
    if len(ours) != len(published):
        raise ValueError(f"curves of {len(ours)} and {len(published)} samples are not comparable")
    return round(float(abs(np.subtract(ours, published)).mean()), 1)


def lists_distance(
    ours: Mapping[str, Sequence[int]], published: Mapping[str, Sequence[int]]
) -> float:
    """Share of the free pages that lies on another list, by type and order: 0 to 1."""
    shares = []
    for lists in (ours, published):
        pages = np.concatenate([pages_of(lists[name]) for name in sorted(published)])
        shares.append(pages / max(pages.sum(), 1))
    return round(float(abs(shares[0] - shares[1]).sum() / 2), 3)


def pages_of(nr_blocks: Sequence[int]) -> np.ndarray:
    """Pages of the blocks of every order."""
    return np.array(nr_blocks, np.int64) << np.arange(NR_ORDERS)


def missing_distance(ours: Sequence[int], published: Sequence[int | None]) -> float | None:
    """Mean difference of the pages missing from regions, in pages, over those that were printed; None without any."""
    pairs = [(own, other) for own, other in zip(ours, published, strict=True) if other is not None]
    if not pairs:
        return None
    return round(float(abs(np.diff(pairs)).mean()), 1)


def distribution_distance(ours: Sequence[int], published: Sequence[int | None]) -> float | None:
    """Largest difference between the shares of regions that miss at most so many pages: 0 to 1; None without any.

    Whichever regions they are.
    """
    known = [other is not None for other in published]
    if not any(known):
        return None
    one = np.sort(list(compress(ours, known)))
    other = np.sort([nr for nr in published if nr is not None])
    at = np.union1d(one, other)
    below = [np.searchsorted(values, at, side="right") / len(values) for values in (one, other)]
    return round(float(abs(below[0] - below[1]).max()), 3)


def missing_of(nr_free: Sequence[int | None]) -> list[int | None]:
    """Pages missing from the regions of ZONE_NORMAL of node 0, where free pages are known."""
    return [
        None if nr is None else size - nr for size, nr in zip(NODE_0_REGIONS, nr_free, strict=True)
    ]
