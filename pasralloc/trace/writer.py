"""Allocations and frees as the text of a trace, which `Trace.open` reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from pasralloc.trace.migratetypes import SINCE_4_4

# What a request of each type says in its GFP flags: zones and the migratetype follow from them.
GFP = {
    "unmovable": "GFP_KERNEL",
    "movable": "GFP_HIGHUSER_MOVABLE",
    "reclaimable": "GFP_KERNEL|__GFP_RECLAIMABLE",
}
_TAILS = {
    name: f"migratetype={SINCE_4_4.index(name)} gfp_flags={flags}\n" for name, flags in GFP.items()
}


class TraceWriter:
    """Writer of events in the format of ftrace, in the order in which they are given.

    Parameters
    ----------
    file : text file
        Open for writing; the caller closes it.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.nr_allocs = 0
        self.nr_frees = 0

    def allocs(
        self,
        time_ns: int,
        cpu: int,
        pfns: Iterable[int],
        orders: Iterable[int],
        types: Iterable[str],
    ) -> None:
        """Write allocations of blocks; a negative pfn is a request that failed."""
        head = _head(time_ns, cpu)
        lines = [
            f"{head}mm_page_alloc: page={_page(pfn):x} pfn=0x{pfn:x} order={order} {_TAILS[kind]}"
            if pfn >= 0
            else f"{head}mm_page_alloc: page=0000000000000000 pfn=0x0 order={order} {_TAILS[kind]}"
            for pfn, order, kind in zip(pfns, orders, types, strict=True)
        ]
        self.nr_allocs += len(lines)
        self._file.writelines(lines)

    def frees(self, time_ns: int, cpu: int, pfns: Iterable[int], orders: Iterable[int]) -> None:
        """Write frees of whole blocks."""
        head = _head(time_ns, cpu)
        lines = [
            f"{head}mm_page_free: page={_page(pfn):x} pfn=0x{pfn:x} order={order}\n"
            for pfn, order in zip(pfns, orders, strict=True)
        ]
        self.nr_frees += len(lines)
        self._file.writelines(lines)


def _page(pfn: int) -> int:
    """Address of a ``struct page`` as on x86-64: never 0, which would be a request that failed."""
    return 0xFFFFEA0000000000 + (pfn << 6)


def _head(time_ns: int, cpu: int) -> str:
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"        workload-1       [{cpu:03}] ..... {seconds}.{rest:09}: "
