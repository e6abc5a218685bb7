"""Looking into a zone, and breaking it on purpose."""

from __future__ import annotations

import ctypes

import numpy as np

from pasralloc._core.views import freelist_arrays, zone_arrays
from pasralloc._core.zoneobject import Zone

__all__ = ["corrupt", "freelist"]

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


def corrupt(
    zone: Zone,
    name: str,
    index: int,
    value: int,
    *,
    field: str | None = None,
    freelist: tuple[int, int] | None = None,
) -> None:
    """Write one element of the state of a zone, past every safeguard.

    For tests of checkers only: a corrupt zone may do anything but pass
    `Zone.check`.

    Parameters
    ----------
    zone : Zone
    name : str
        Name of an array of the zone, or of a free list if one is given.
    index : int
        Element to write.
    value : int
        What to write.
    field : str, optional
        Field of the element if it is a record.
    freelist : (order, migratetype number), optional
        The list to break.
    """
    arrays = zone_arrays(zone) if freelist is None else freelist_arrays(zone, *freelist)
    array = arrays[name] if field is None else arrays[name][field]
    element = array[index : index + 1]
    ctypes.memmove(
        element.ctypes.data, np.array([value], array.dtype).tobytes(), array.dtype.itemsize
    )
