"""Watermarks, reserves and pagesets of the zones of a machine, by both kernel generations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pasralloc.choices import unknown
from pasralloc.machine.topology import MOVABLE, ZONE_NAMES, ZoneSpan
from pasralloc.sizing import MAX_HIGH, MAX_HIGH_FRACTION, Pagesets, raw_batch

KERNELS = ("6.12", "3.9")
LOWMEM_RESERVE_RATIO = (256, 256, 32)  # of DMA, DMA32 and Normal
BOOST_FACTOR = 15000  # of the high watermark, in 1/10000

_LEAST_KBYTES = 128
_MOST_KBYTES = {"3.9": 65536, "6.12": 262144}
_MOST_BATCH = {"3.9": 128, "6.12": 256}


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneWatermarks:
    """Watermarks of a zone, in pages.

    Attributes
    ----------
    min, low, high : int
        Below `min` only privileged requests are served, below `low` reclaim
        starts, at `high` it ends.
    promo : int or None
        Up to which pages are promoted into the zone; None in 3.9.
    boost_max : int
        Most that a fallback may add to all of them for a while; 0 in 3.9 and in
        zones of less than four pageblocks.
    lowmem_reserve : tuple of int, length 4
        What a request that may use zones up to a type leaves here in addition, by
        that type.
    """

    min: int
    low: int
    high: int
    promo: int | None
    boost_max: int
    lowmem_reserve: tuple[int, int, int, int]


def check_kernel(kernel: str) -> None:
    """Refuse an unknown kernel generation."""
    if kernel not in KERNELS:
        raise ValueError(unknown("kernel", kernel, KERNELS))


def default_min_free_kbytes(kernel: str, zones: Sequence[ZoneSpan]) -> int:
    """``min_free_kbytes`` that a kernel sets at boot, before transparent huge pages raise it."""
    lowmem = sum(zone.managed for zone in zones if zone.type != MOVABLE)
    return min(max(math.isqrt(lowmem * 4 * 16), _LEAST_KBYTES), _MOST_KBYTES[kernel])


def watermarks(
    kernel: str,
    zones: Sequence[ZoneSpan],
    *,
    min_free_kbytes: int | None,
    scale_factor: int,
    pageblock_order: int,
) -> tuple[ZoneWatermarks, ...]:
    """Watermarks of every zone; see `Machine.watermarks`."""
    check_kernel(kernel)
    modern = kernel != "3.9"
    if min_free_kbytes is None:
        min_free_kbytes = default_min_free_kbytes(kernel, zones)
    pages_min = min_free_kbytes // 4
    # 3.9 shares among all zones that are not highmem, and Movable is not.
    sharing = sum(zone.managed for zone in zones if not (modern and zone.type == MOVABLE))
    marks = []
    for zone in zones:
        share = pages_min * zone.managed // sharing
        if modern:
            least = min(max(zone.managed // 1024, 32), 128) if zone.type == MOVABLE else share
            gap = max(share // 4, zone.managed * scale_factor // 10000)
            low, high = least + gap, least + 2 * gap
        else:
            least = share
            low, high = least + share // 4, least + share // 2
        marks.append(
            ZoneWatermarks(
                min=least,
                low=low,
                high=high,
                promo=high + gap if modern else None,
                boost_max=_boost_max(zone, high, 1 << pageblock_order) if modern else 0,
                lowmem_reserve=_lowmem_reserve(zone, zones),
            )
        )
    return tuple(marks)


def _boost_max(zone: ZoneSpan, high: int, pageblock_pages: int) -> int:
    """Most that ``boost_watermark()`` reaches."""
    most = high * BOOST_FACTOR // 10000
    if pageblock_pages * 4 > zone.managed or not most:
        return 0
    return max(pageblock_pages, most)


def _lowmem_reserve(zone: ZoneSpan, zones: Sequence[ZoneSpan]) -> tuple[int, int, int, int]:
    """Share of the zones above *zone* in its node, per highest type of a request."""
    above = [
        sum(z.managed for z in zones if z.nid == zone.nid and zone.type < z.type <= highest)
        for highest in range(len(ZONE_NAMES))
    ]
    if zone.managed == 0 or zone.type == MOVABLE:
        return 0, 0, 0, 0
    dma, dma32, normal, movable = (pages // LOWMEM_RESERVE_RATIO[zone.type] for pages in above)
    return dma, dma32, normal, movable


def pagesets(
    kernel: str,
    zones: Sequence[ZoneSpan],
    marks: Sequence[ZoneWatermarks],
    *,
    nr_cpus: int,
    node_cpus: dict[int, int],
) -> tuple[Pagesets, ...]:
    """Pagesets of every zone; see `Machine.pagesets`."""
    return tuple(
        _pageset(kernel, zone, mark.low, nr_cpus, node_cpus[zone.nid])
        for zone, mark in zip(zones, marks, strict=True)
    )


def _pageset(kernel: str, zone: ZoneSpan, low: int, nr_cpus: int, sharing: int) -> Pagesets:
    raw = raw_batch(zone.managed, _MOST_BATCH[kernel])
    batch = max(raw, 1)
    if kernel == "3.9":
        return Pagesets(nr_cpus=nr_cpus, batch=batch, high=6 * raw)
    high = min(max(low // sharing, 4 * batch), MAX_HIGH)
    high_max = min(max(zone.managed // MAX_HIGH_FRACTION // sharing, high), MAX_HIGH)
    return Pagesets(nr_cpus=nr_cpus, batch=batch, high=high, high_max=high_max)
