from collections.abc import Iterable
from typing import SupportsIndex, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Buffer

from pasralloc._core.zonebase import ZoneBase

@final
class Zone(ZoneBase):
    def __new__(
        cls,
        nr_pages: SupportsIndex,
        *,
        region_pages: SupportsIndex,
        start_pfn: SupportsIndex = 0,
        absent: Iterable[tuple[SupportsIndex, SupportsIndex]] = (),
        placement: str = "sorted",
        kernel: str = "6.12",
        quirks: str = "fixed",
        pageblock_order: SupportsIndex = 9,
        region_allocator: str | None = None,
        buffer: Buffer | None = None,
    ) -> Zone: ...
    def alloc(
        self, order: SupportsIndex = 0, migratetype: str | SupportsIndex = "movable"
    ) -> int: ...
    def free(self, pfn: SupportsIndex, order: SupportsIndex | None = None) -> None: ...
    def alloc_batch(
        self,
        orders: ArrayLike,
        migratetypes: str | ArrayLike = "movable",
        out: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]: ...
    def free_batch(self, pfns: ArrayLike, orders: ArrayLike | None = None) -> None: ...
    def run(self, ops: NDArray[np.void], slots: NDArray[np.int64]) -> int: ...
    def take_range(
        self, pfn: SupportsIndex, nr: SupportsIndex, migratetype: str | SupportsIndex = "movable"
    ) -> int: ...
    def split_allocated(self, pfn: SupportsIndex, order: SupportsIndex = 0) -> None: ...
    def add_pages(self, pfn: SupportsIndex, nr: SupportsIndex) -> None: ...
    def set_pageblocks(
        self, pfn: SupportsIndex, nr: SupportsIndex, migratetype: str | SupportsIndex
    ) -> None: ...
