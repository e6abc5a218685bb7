"""Sets of pages as ascending, disjoint, half-open ranges of pfns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Range = tuple[int, int]

BLOCK_PAGES = 1024  # of the largest order; zones and regions are made of these


def total(ranges: Iterable[Range]) -> int:
    """Pages of some ranges."""
    return sum(end - start for start, end in ranges)


def intersect(ranges: Sequence[Range], others: Sequence[Range]) -> tuple[Range, ...]:
    """Pages that are in both, cut where either of them is.

    Examples
    --------
    >>> intersect([(0, 10), (20, 30)], [(5, 25)])
    ((5, 10), (20, 25))
    """
    found = []
    i = j = 0
    while i < len(ranges) and j < len(others):
        start, end = max(ranges[i][0], others[j][0]), min(ranges[i][1], others[j][1])
        if start < end:
            found.append((start, end))
        if ranges[i][1] < others[j][1]:
            i += 1
        else:
            j += 1
    return tuple(found)


def subtract(ranges: Sequence[Range], others: Sequence[Range]) -> tuple[Range, ...]:
    """Pages that are in *ranges* and not in *others*.

    Examples
    --------
    >>> subtract([(0, 10), (20, 30)], [(5, 25)])
    ((0, 5), (25, 30))
    """
    if not ranges:
        return ()
    first, last = ranges[0][0], ranges[-1][1]
    ends = [first, *(pfn for pair in others for pfn in pair), last]
    gaps = [(start, end) for start, end in zip(ends[::2], ends[1::2], strict=True) if start < end]
    return intersect(ranges, gaps)


def join(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Sort ranges and join those that touch or overlap.

    Examples
    --------
    >>> join([(20, 30), (0, 10), (10, 15)])
    ((0, 15), (20, 30))
    """
    joined: list[Range] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def round_outwards(start: int, end: int) -> Range:
    """Smallest range of whole blocks of the largest order around a range."""
    return start // BLOCK_PAGES * BLOCK_PAGES, -(-end // BLOCK_PAGES) * BLOCK_PAGES
