"""How the structs of the kernel look to numpy and to Python."""

from __future__ import annotations

from typing import NamedTuple

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
