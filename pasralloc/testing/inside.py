"""Looking into a zone, and breaking it on purpose."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from pasralloc._core.views import freelist_arrays, pageset_arrays, zone_arrays
from pasralloc._core.zonebase import ZoneBase
from pasralloc._core.zoneobject import Zone

__all__ = ["corrupt", "freelist", "pcplists"]

_NIL = 0xFFFFFFFF


def freelist(zone: Zone, order: int, migratetype: str) -> list[int]:
    """Pfns of the free blocks of one list, first to be taken first.

    The list of parked regions goes by the name "parked" and order 10. Walks the links in Python: for tests on small zones.
    """
    arrays = zone_arrays(zone)
    links = arrays["top_links"] if order == 10 else arrays["links"]
    scale = 1024 if order == 10 else 1
    base = zone.start_pfn // 1024 * 1024
    number = (*zone.migratetypes, "parked").index(migratetype)
    node = int(freelist_arrays(zone, order, number)["head"][0])
    pfns = []
    while node != _NIL:
        pfns.append(base + node * scale)
        node = int(links["next"][node])
    return pfns


def pcplists(zone: ZoneBase, cpu: int) -> list[list[int]]:
    """Pfns on each list of a pageset, first to be taken first."""
    base = zone.start_pfn // 1024 * 1024
    arrays = pageset_arrays(zone, cpu)
    return [[base + int(idx) for idx in arrays[number]] for number in range(14)]


def corrupt(
    zone: Zone,
    name: str | int,
    index: int,
    value: int,
    *,
    field: str | None = None,
    freelist: tuple[int, int] | None = None,
    cpu: int | None = None,
) -> None:
    """Write one element of the state of a zone, past every safeguard.

    For tests of checkers only: a corrupt zone may do anything but pass
    `Zone.check`.

    Parameters
    ----------
    zone : Zone
    name : str or int
        Name of an array of the zone, or of a free list or pageset if one is given; the
        number of a list of the pageset.
    index : int
        Element to write.
    value : int
        What to write.
    field : str, optional
        Field of the element if it is a record.
    freelist : (order, migratetype number), optional
        The list to break.
    cpu : int, optional
        The CPU whose pageset to break.
    """
    arrays: dict[Any, Any] = (
        freelist_arrays(zone, *freelist)
        if freelist is not None
        else pageset_arrays(zone, cpu)
        if cpu is not None
        else zone_arrays(zone)
    )
    array = arrays[name] if field is None else arrays[name][field]
    element = array[index : index + 1]
    ctypes.memmove(
        element.ctypes.data, np.array([value], array.dtype).tobytes(), array.dtype.itemsize
    )
