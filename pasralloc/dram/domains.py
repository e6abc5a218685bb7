"""Which memory must be unused for a part of DRAM to sleep."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pasralloc.dram.mapping import AddressMap, Place
from pasralloc.errors import DramError


def region_places(
    mapping: AddressMap, memory_bytes: int, region_bytes: int
) -> list[frozenset[Place]]:
    """Places that each region of a machine's memory has bytes in.

    Parameters
    ----------
    mapping : AddressMap
        The platform's interleaving.
    memory_bytes, region_bytes : int
        Memory from address 0, cut into regions of this size; the last may be smaller.

    Returns
    -------
    list of frozenset of Place
        One for each region, from address 0 up.

    Raises
    ------
    DramError
        If the geometry does not hold the machine, or a size is not positive.

    Examples
    --------
    >>> import pasralloc as pa
    >>> geometry = pa.dram.Geometry.of(pa.dram.part("ddr3_1600_4Gb_x8"), channels=2, ranks=2)
    >>> for name in ("linear", "fully-interleaved"):
    ...     places = region_places(pa.dram.AddressMap.preset(name, geometry), 16 << 30, 512 << 20)
    ...     print(name, len({(p.channel, p.rank) for p in places[0]}), len({p.bank for p in places[0]}))
    linear 1 1
    fully-interleaved 4 8
    """
    problems = [
        (name, value, "at least 1")
        for name, value in (("memory_bytes", memory_bytes), ("region_bytes", region_bytes))
        if value < 1
    ]
    if not problems and memory_bytes > mapping.geometry.nr_bytes:
        problems = [
            ("memory_bytes", memory_bytes, f"at most the capacity {mapping.geometry.nr_bytes}")
        ]
    if problems:
        raise DramError("geometry", problems)
    return [
        mapping.touches(start, min(region_bytes, memory_bytes - start))
        for start in range(0, memory_bytes, region_bytes)
    ]


def by_rank(place: Place) -> Hashable:
    """Domain of a place where ranks sleep by themselves."""
    return place.channel, place.rank


def by_segment(place: Place) -> Hashable:
    """Domain of a place where segments of all banks are masked together."""
    return place.channel, place.rank, place.segment


def domain_table(
    places: list[frozenset[Place]], domain_of: Callable[[Place], Hashable]
) -> tuple[list[Hashable], NDArray[np.bool_]]:
    """Return the power domains, and which regions have bytes in them.

    Parameters
    ----------
    places : list of frozenset of Place
        As `region_places` returns them.
    domain_of : callable
        Domain of a place: `by_rank`, `by_segment`, or one's own.

    Returns
    -------
    domains : list
        What *domain_of* returned, sorted.
    touches : ndarray of bool, shape (nr_regions, nr_domains)
    """
    names = [{domain_of(place) for place in region} for region in places]
    domains = sorted({name for region in names for name in region}, key=repr)
    touches = np.array([[domain in region for domain in domains] for region in names], bool)
    return domains, touches.reshape(len(places), len(domains))


def idle_seconds(
    in_use: ArrayLike, seconds: ArrayLike, touches: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Time for which each domain has no region in use.

    Parameters
    ----------
    in_use : array_like of bool, shape (nr_intervals, nr_regions)
        Whether a region is in use during an interval.
    seconds : array_like of float, shape (nr_intervals,)
        Lengths of the intervals.
    touches : ndarray of bool, shape (nr_regions, nr_domains)
        As `domain_table` returns it.

    Returns
    -------
    ndarray of float64, shape (nr_domains,)
        Seconds.
    """
    # A product of truth values: a domain is busy if any of its regions is.
    busy = np.asarray(in_use, bool) @ np.asarray(touches, bool)
    idle: NDArray[np.float64] = np.asarray(seconds, np.float64) @ ~busy
    return idle
