"""Copies of files of /proc: what a kernel tells of its pages."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pasralloc.errors import TraceFormatError
from pasralloc.trace.opening import read_bytes
from pasralloc.trace.pageclasses import ABSENT, CACHE, FREE, MOVABLE, UNMOVABLE

# Bits of /proc/kpageflags (include/uapi/linux/kernel-page-flags.h, and from 32 on
# include/linux/kernel-page-flags.h).
DIRTY, LRU, WRITEBACK, BUDDY, ANON, SWAPBACKED, HEAD, TAIL = 4, 5, 8, 10, 12, 14, 15, 16
UNEVICTABLE, NOPAGE, OFFLINE, RESERVED, MLOCKED = 18, 20, 23, 32, 33

_MIGRATETYPES = {
    "Unmovable": "unmovable",
    "Movable": "movable",
    "Reclaimable": "reclaimable",
    "Reserve": "reserve",
    "HighAtomic": "highatomic",
    "CMA": "cma",
    "Isolate": "isolate",
}


def _find(directory: Path, name: str) -> Path:
    for suffix in ("", ".xz", ".gz"):
        if (directory / f"{name}{suffix}").exists():
            return directory / f"{name}{suffix}"
    raise FileNotFoundError(f"{directory} has no {name}, {name}.xz or {name}.gz")


def _read(directory: Path, name: str) -> tuple[str, bytes]:
    return read_bytes(_find(directory, name))


def _page_words(directory: Path, name: str) -> NDArray[np.uint64]:
    path, data = _read(directory, name)
    if not data or len(data) % 8:
        raise TraceFormatError(path, 0, f"expected one 64-bit word per page, got {len(data)} bytes")
    return np.frombuffer(data, "<u8")


def read_ram_ranges(directory: Path) -> list[tuple[int, int]]:
    """(first, end) pfns of System RAM; a page that is only partly RAM is none."""
    path, data = _read(directory, "iomem")
    ranges = []
    for match in re.finditer(rb"^([0-9a-f]+)-([0-9a-f]+) : System RAM$", data, re.MULTILINE):
        ranges.append(((int(match[1], 16) + 4095) >> 12, (int(match[2], 16) + 1) >> 12))
    if not ranges or all(end == 0 for _, end in ranges):
        raise TraceFormatError(
            path, 0, "no System RAM range; without privileges the kernel shows zeros only"
        )
    return ranges


def read_zones(directory: Path) -> list[dict[str, int]]:
    """``start_pfn``, ``spanned``, ``managed`` and ``nr_free_pages`` of every populated zone."""
    path, data = _read(directory, "zoneinfo")
    zones = []
    for section in re.split(rb"^Node +\d+, zone +\S+$", data, flags=re.MULTILINE)[1:]:
        zone = {}
        for key in ("start_pfn", "spanned", "managed", "nr_free_pages"):
            match = re.search(rb"^ *%s:? +(\d+)$" % key.encode(), section, re.MULTILINE)
            if match is not None:
                zone[key] = int(match[1])
        if zone.get("managed") and len(zone) == 4:
            zones.append(zone)
    if not zones:
        raise TraceFormatError(path, 0, "no populated zone with start_pfn, spanned and managed")
    return zones


def read_migratetypes(directory: Path) -> tuple[str, ...]:
    """Migratetypes in the order of their numbers, from pagetypeinfo; empty without that file."""
    try:
        path, data = _read(directory, "pagetypeinfo")
    except FileNotFoundError:
        return ()
    match = re.search(rb"^Number of blocks type +(.*)$", data, re.MULTILINE)
    names = match[1].decode("ascii", "replace").split() if match else []
    if not names or any(name not in _MIGRATETYPES for name in names):
        raise TraceFormatError(path, 0, f"cannot tell the migratetypes from {names}")
    return tuple(_MIGRATETYPES[name] for name in names)


def classify_pages(directory: Path) -> NDArray[np.uint8]:
    """Class of every page from pfn 0 to the end of the last zone; see `StartMap.from_proc`."""
    flags = _page_words(directory, "kpageflags")
    counts = _page_words(directory, "kpagecount")
    zones = read_zones(directory)
    end = max(zone["start_pfn"] + zone["spanned"] for zone in zones)
    for name, words in (("kpageflags", flags), ("kpagecount", counts)):
        if len(words) < end:
            why = f"the zones end at pfn {end:#x}, {name} has {len(words):#x} pages"
            raise TraceFormatError(str(directory), 0, why)
    flags, counts = flags[:end], counts[:end]

    def has(*bits: int) -> NDArray[np.bool_]:
        any_set: NDArray[np.bool_] = (flags & np.uint64(sum(1 << bit for bit in bits))) != 0
        return any_set

    nr_free = sum(zone["nr_free_pages"] for zone in zones)
    is_free = has(BUDDY)
    if int(is_free.sum()) * 2 < nr_free:
        raise TraceFormatError(
            str(directory),
            0,
            f"kpageflags marks {int(is_free.sum())} free pages of {nr_free}: this kernel marks only"
            " the first page of each free block, which does not tell how large the blocks are",
        )
    is_lru = has(LRU) & ~has(UNEVICTABLE, MLOCKED, RESERVED)
    is_cache = is_lru & ~has(ANON, SWAPBACKED, DIRTY, WRITEBACK)
    classes = np.full(end, UNMOVABLE, np.uint8)
    classes[is_lru] = MOVABLE
    classes[is_cache] = CACHE
    # A huge page is one thing, but older kernels flag only its head as LRU.
    tails = np.flatnonzero(has(TAIL) & (classes == UNMOVABLE))
    heads = np.flatnonzero(has(HEAD))
    nearest = np.searchsorted(heads, tails) - 1
    tails, nearest = tails[nearest >= 0], nearest[nearest >= 0]
    classes[tails] = classes[heads[nearest]]
    classes[is_free] = FREE
    # Silent pages beyond what a zone manages are memory that has not come online yet.
    is_absent = has(NOPAGE, OFFLINE)
    in_zone = np.zeros(end, bool)
    for zone in zones:
        first, last = zone["start_pfn"], zone["start_pfn"] + zone["spanned"]
        in_zone[first:last] = True
        managed_end = first + zone["managed"]
        is_absent[managed_end:last] |= (flags[managed_end:last] == 0) & (
            counts[managed_end:last] == 0
        )
    in_ram = np.zeros(end, bool)
    for first, last in read_ram_ranges(directory):
        in_ram[first:last] = True
    classes[is_absent | ~in_zone | ~in_ram] = ABSENT
    return classes
