from collections.abc import Iterable
from typing import SupportsIndex, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Buffer

from pasralloc._core.zonepagesets import ZonePagesets
from pasralloc.sizing import Pagesets

ALLOC_NON_BLOCK: int
ALLOC_HIGHATOMIC: int
ALLOC_OOM: int
ALLOC_NOFRAGMENT: int

@final
class Zone(ZonePagesets):
    def __new__(
        cls,
        nr_pages: SupportsIndex,
        *,
        region_pages: SupportsIndex | Iterable[SupportsIndex],
        start_pfn: SupportsIndex = 0,
        absent: Iterable[tuple[SupportsIndex, SupportsIndex]] = (),
        placement: str = "sorted",
        kernel: str = "6.12",
        quirks: str = "fixed",
        pageblock_order: SupportsIndex = 9,
        region_allocator: str | None = None,
        grouping: str | None = None,
        pagesets: Pagesets | None = None,
        buffer: Buffer | None = None,
    ) -> Zone: ...
    def alloc(
        self,
        order: SupportsIndex = 0,
        migratetype: str | SupportsIndex = "movable",
        *,
        cpu: SupportsIndex = 0,
        flags: SupportsIndex = 0,
    ) -> int: ...
    def free(
        self, pfn: SupportsIndex, order: SupportsIndex | None = None, *, cpu: SupportsIndex = 0
    ) -> None: ...
    def alloc_batch(
        self,
        orders: ArrayLike,
        migratetypes: str | ArrayLike = "movable",
        out: NDArray[np.int64] | None = None,
        *,
        cpu: SupportsIndex = 0,
    ) -> NDArray[np.int64]: ...
    def free_batch(
        self, pfns: ArrayLike, orders: ArrayLike | None = None, *, cpu: SupportsIndex = 0
    ) -> None: ...
    def run(
        self, ops: NDArray[np.void], slots: NDArray[np.int64], *, cpu: SupportsIndex = 0
    ) -> int: ...
