"""Fragmentation metrics of Linux, from the free blocks of each order.

All take *blocks*, the number of free blocks of orders 0 to 10 (a line of
``/proc/buddyinfo``, or `Zone.buddyinfo`), and compute in integers as the kernel
does. Formulas: Linux 6.12, ``mm/vmstat.c`` (``unusable_free_index()``,
``__fragmentation_index()``, ``extfrag_for_order()``).
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_PAGE_ORDER = 10


def _contents(blocks: Iterable[int], order: int) -> tuple[int, int, int]:
    """Free pages, free blocks, and blocks of *order* that could be cut from them."""
    counts = [int(nr) for nr in blocks]
    if len(counts) != MAX_PAGE_ORDER + 1:
        raise ValueError(f"blocks must have {MAX_PAGE_ORDER + 1} entries, got {len(counts)}")
    if min(counts) < 0:
        raise ValueError(f"blocks must not be negative, got {min(counts)}")
    if not 0 <= order <= MAX_PAGE_ORDER:
        raise ValueError(f"order must be 0 to {MAX_PAGE_ORDER}, got {order}")
    pages = sum(nr << at for at, nr in enumerate(counts))
    suitable = sum(nr << at - order for at, nr in enumerate(counts) if at >= order)
    return pages, sum(counts), suitable


def unusable_free_index(blocks: Iterable[int], order: int) -> int:
    """Share of the free pages that no block of *order* could be cut from, in thousandths.

    Parameters
    ----------
    blocks : array_like of int, shape (11,)
    order : int

    Returns
    -------
    index : int
        0 (every free page is usable) to 1000 (none is, or none is free).

    Raises
    ------
    ValueError
        If *blocks* are not 11 counts, or *order* is not 0 to 10.

    Examples
    --------
    >>> unusable_free_index([8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], 3)
    500
    """
    pages, _, suitable = _contents(blocks, order)
    return 1000 * (pages - (suitable << order)) // pages if pages else 1000


def fragmentation_index(blocks: Iterable[int], order: int) -> int:
    """Say why an allocation of *order* would fail, in thousandths.

    Parameters
    ----------
    blocks : array_like of int, shape (11,)
    order : int

    Returns
    -------
    index : int
        -1000 if it would not fail; towards 0 for lack of memory, towards 1000
        for fragmentation. Linux compacts above 500. 0 if nothing is free.

    Raises
    ------
    ValueError
        If *blocks* are not 11 counts, or *order* is not 0 to 10.

    Examples
    --------
    >>> fragmentation_index([512, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 4)
    936
    """
    pages, nr_blocks, suitable = _contents(blocks, order)
    if nr_blocks == 0:
        return 0
    if suitable:
        return -1000
    return 1000 - (1000 + pages * 1000 // (1 << order)) // nr_blocks


def extfrag_for_order(blocks: Iterable[int], order: int) -> int:
    """Share of the free pages that no block of *order* could be cut from, in percent.

    Parameters
    ----------
    blocks : array_like of int, shape (11,)
    order : int

    Returns
    -------
    score : int
        0 to 100; 0 if nothing is free. What proactive compaction goes by.

    Raises
    ------
    ValueError
        If *blocks* are not 11 counts, or *order* is not 0 to 10.

    Examples
    --------
    >>> extfrag_for_order([8, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], 3)
    50
    """
    pages, _, suitable = _contents(blocks, order)
    return 100 * (pages - (suitable << order)) // pages if pages else 0
