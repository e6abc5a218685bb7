"""How the structs of the kernel look to numpy and to Python."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

BLOCK_DTYPE = np.dtype([("pfn", "i8"), ("order", "u1"), ("migratetype", "u1"), ("is_free", "?")])
RECORD_DTYPE = np.dtype(
    [("head", "u4"), ("order", "u1"), ("migratetype", "u1"), ("state", "u1"), ("pad", "u1")]
)
REGION_DTYPE = np.dtype([("nr_free", "u4"), ("managed", "u4")])
EXTFRAG_RECORD_DTYPE = np.dtype(
    [
        ("idx", "u4"),
        ("order", "u1"),
        ("migratetype", "u1"),
        ("fallback_order", "u1"),
        ("fallback_type", "u1"),
        ("change_ownership", "u1"),
        ("pad", "u1", 3),
    ]
)
EXTFRAG_DTYPE = np.dtype(
    [
        ("pfn", "i8"),
        ("alloc_order", "u1"),
        ("fallback_order", "u1"),
        ("pageblock_order", "u1"),
        ("alloc_migratetype", "u1"),
        ("fallback_migratetype", "u1"),
        ("fragmenting", "?"),
        ("change_ownership", "?"),
    ]
)


class Block(NamedTuple):
    """A block of a zone, or a stretch of absent pages.

    Attributes
    ----------
    pfn : int
        First page.
    order : int
        ``2**order`` pages.
    state : {"free", "allocated", "absent", "pcp"}
        "pcp": on a per-CPU list.
    migratetype : str or None
        Of its list while free, of the request while allocated, None if absent,
        parked or on a per-CPU list.
    """

    pfn: int
    order: int
    state: str
    migratetype: str | None


class ZonePlan(NamedTuple):
    """A zone of a simulation before it is made."""

    options: dict[str, Any]  # of `Zone`
    nid: int
    type: int  # position in ZONE_TYPES
    watermarks: tuple[int, int, int]  # min, low, high; pages
    boost_max: int  # pages
    lowmem_reserve: tuple[int, int, int, int]  # pages, by the highest type of the request
    kswapd_cpu: int
    nr_reserve: int  # RESERVE pageblocks to set aside


ZONE_TYPES = ("DMA", "DMA32", "Normal", "Movable")

# By enum pasr_page_state.
PAGE_STATES = ("unmovable", "movable", "clean", "dirty", "pinned")

RECLAIMED_DTYPE = np.dtype([("pfn", "i8"), ("order", "u1"), ("state", "u1")])
RECLAIMED_RECORD_DTYPE = np.dtype(
    {
        "names": ["pfn", "order", "state"],
        "formats": ["i8", "u1", "u1"],
        "offsets": [0, 8, 9],
        "itemsize": 16,
    }
)
