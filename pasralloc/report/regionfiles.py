"""The state of a zone region by region, as the kernel of the sorted-buddy series prints it.

S. S. Bhat, "[RFC PATCH v4 13/40] mm: Add region-level statistics", "[RFC PATCH v4 14/40] mm: Fix
pagetypeinfo", and 23/40, linux-mm, 26 September 2013, <20130925231642.26184.60271.stgit@srivatsabhat.in.ibm.com>,
<20130925231658.26184.52456.stgit@srivatsabhat.in.ibm.com> and <20130925231903.26184.23956.stgit@srivatsabhat.in.ibm.com>.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pasralloc._core.views import zone_arrays
from pasralloc._core.zonebase import ZoneBase
from pasralloc.report.procfiles import type_names

PARKED = 6  # where `Zone.blocks` tells the migratetype of a block of a parked region
NR_ORDERS = 11


def free_blocks_by_region(zone: ZoneBase) -> NDArray[np.int64]:
    """Count the free blocks of each region, migratetype and order.

    Parameters
    ----------
    zone : Zone or MemoryZone

    Returns
    -------
    counts : ndarray of int64, shape (nr_regions, 7, 11)
        Rows numbered as `migratetypes`; the seventh is of blocks of parked regions. A block counts where
        its first page lies.

    Notes
    -----
    O(blocks + absent pages).
    """
    blocks = zone.blocks()
    blocks = blocks[blocks["is_free"]]
    regions = np.searchsorted(zone.region_start_pfn, blocks["pfn"], side="right") - 1
    counts = np.zeros((zone.nr_regions, PARKED + 1, NR_ORDERS), np.int64)
    np.add.at(counts, (regions, blocks["migratetype"], blocks["order"]), 1)
    return counts


def zoneinfo_regions_text(
    zone: ZoneBase, present: Sequence[int] | None = None, first_region: int = 0
) -> str:
    """Lines that the series adds to a zone in ``/proc/zoneinfo``.

    Parameters
    ----------
    zone : Zone or MemoryZone
    present : sequence of int, optional
        Present pages of each region; by default those that are managed.
    first_region : int, default 0
        Number of the first region; a zone of a hierarchy is a region of another one.

    Returns
    -------
    text : str
    """
    shown = zone.region_managed.tolist() if present is None else present
    text = "Per-region page stats\t present\t free\n"
    free_pages = zone.region_nr_free.tolist()
    for region, (pages, free) in enumerate(zip(shown, free_pages, strict=True), first_region):
        text += f"\tRegion {region:6} \t {pages:6} \t {free:6}\n"
    return text


def buddyinfo_regions_text(
    zone: ZoneBase, name: str = "Normal", nid: int = 0, first_region: int = 0
) -> str:
    """``/proc/buddyinfo`` of a zone by regions: blocks of all types, those of parked regions included."""
    text = f"Node {nid}, zone {name:>8} \n"
    blocks = free_blocks_by_region(zone).sum(axis=1).tolist()
    for region, counts in enumerate(blocks, first_region):
        text += f"\t\t Region {region:6} " + "".join(f"{nr:6} " for nr in counts) + "\n"
    return text


def pagetypeinfo_regions_text(zone: ZoneBase, name: str = "Normal", nid: int = 0) -> str:
    """``/proc/pagetypeinfo`` of a zone by regions: free blocks on lists, then pageblocks.

    Blocks of parked regions are on no list and so are not in the first part. A pageblock counts where
    its first page lies.
    """
    return (
        list_rows(zone, name, nid, 0) + pageblock_heading(zone) + pageblock_rows(zone, name, nid, 0)
    )


def list_rows(zone: ZoneBase, name: str, nid: int, first_region: int) -> str:
    """Rows of ``/proc/pagetypeinfo`` for the blocks on the lists of each type and region of a zone."""
    counts = free_blocks_by_region(zone)
    text = ""
    for number, kind in enumerate(type_names(zone)):
        for region in range(zone.nr_regions):
            row = "".join(f"{nr:6} " for nr in counts[region, number].tolist())
            text += f"Node {nid:4}, zone {name:>8}, R{region + first_region:3} {kind:>12} {row}\n"
    return text


def pageblock_heading(zone: ZoneBase) -> str:
    """Heading of the second part of ``/proc/pagetypeinfo``."""
    kinds = "".join(f"{kind:>12} " for kind in type_names(zone))
    return f"\n{'Number of blocks type ':<23}{kinds}\n"


def pageblock_rows(zone: ZoneBase, name: str, nid: int, first_region: int) -> str:
    """Rows of ``/proc/pagetypeinfo`` for the pageblocks of each region of a zone, by their type."""
    return "".join(
        f"Node {nid}, zone {name:>8} R{region:3} {''.join(f'{nr:12} ' for nr in row)}\n"
        for region, row in enumerate(_pageblocks_by_region(zone).tolist(), first_region)
    )


def _pageblocks_by_region(zone: ZoneBase) -> NDArray[np.int64]:
    arrays = zone_arrays(zone)
    pages = 1 << zone.pageblock_order
    first = zone.start_pfn // pages * pages
    types = np.asarray(arrays["pageblocks"])
    base = zone.start_pfn // 1024 * 1024
    starts = base + np.arange(len(types)) * pages
    inside = (starts >= first) & (starts < zone.start_pfn + zone.nr_pages)
    regions = np.searchsorted(
        zone.region_start_pfn, np.maximum(starts[inside], zone.start_pfn), side="right"
    )
    counts = np.zeros((zone.nr_regions, PARKED), np.int64)
    np.add.at(counts, (regions - 1, types[inside]), 1)
    return counts
