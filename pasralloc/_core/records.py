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


class EvacuationPlan(NamedTuple):
    """What the evacuation worker of a simulation does."""

    trigger: int  # position in EVACUATION_TRIGGERS
    max_used: int  # pages
    is_ascending: bool
    latency_ns: int
    period_ns: int
    control: tuple[bool, bool, bool, int, int]  # as `pasr_compact_control_t` has them


class Evacuated(NamedTuple):
    """What the evacuation of a region, or of a range, did and met; pages, if not said otherwise."""

    moved: int
    dropped: int  # clean page cache
    failed: int  # could have been moved, but no free block was found
    aborted: bool  # the walk ended early
    complete: bool  # all pages are free
    complete_after_drain: bool  # all pages are free but those on pagesets
    reason: str | None  # why it is not complete
    unmovable: int
    pinned: int
    cached: int  # were on pagesets


EVACUATION_TRIGGERS = ("manual", "free", "handshake", "periodic")
EVACUATION_TARGETS = ("lower-regions", "other-regions")

# By enum pasr_holder: why a region is in use still.
HOLDERS = (
    None,
    "pages on per-CPU lists",
    "next free page not in a lower region",
    "unmovable pages",
    "pinned pages",
    "no place for a block of several pages",
    "refused by the sink",
)

ZONE_TYPES = ("DMA", "DMA32", "Normal", "Movable")

# By enum pasr_page_state.
PAGE_STATES = ("unknown", "movable", "clean", "dirty", "pinned", "unevictable")

HELD_DTYPE = np.dtype([("unmovable", "i8"), ("pinned", "i8"), ("movable", "i8"), ("cached", "i8")])
MOVE_DTYPE = np.dtype([("old_pfn", "i8"), ("new_pfn", "i8"), ("order", "u1")])
MOVE_RECORD_DTYPE = np.dtype(
    {
        "names": ["old_pfn", "new_pfn", "order"],
        "formats": ["i8", "i8", "u1"],
        "offsets": [0, 8, 16],
        "itemsize": 24,
    }
)

RECLAIMED_DTYPE = np.dtype([("pfn", "i8"), ("order", "u1"), ("state", "u1")])
RECLAIMED_RECORD_DTYPE = np.dtype(
    {
        "names": ["pfn", "order", "state"],
        "formats": ["i8", "u1", "u1"],
        "offsets": [0, 8, 9],
        "itemsize": 16,
    }
)
