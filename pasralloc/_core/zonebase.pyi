from collections.abc import Iterable
from typing import NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer, disjoint_base

from pasralloc._core.snapshot import ZoneSnapshot

BLOCK_DTYPE: np.dtype[np.void]
RECORD_DTYPE: np.dtype[np.void]
REGION_DTYPE: np.dtype[np.void]

class Block(NamedTuple):
    pfn: int
    order: int
    state: str
    migratetype: str | None

@disjoint_base
class ZoneBase:
    placement: str
    kernel: str
    quirks: str
    migratetypes: tuple[str, ...]
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
        buffer: Buffer | None = None,
    ) -> ZoneBase: ...
    @staticmethod
    def buffer_size(
        nr_pages: SupportsIndex,
        *,
        region_pages: SupportsIndex,
        start_pfn: SupportsIndex = 0,
        placement: str = "sorted",
        kernel: str = "6.12",
        quirks: str = "fixed",
        pageblock_order: SupportsIndex = 9,
    ) -> int: ...
    @property
    def start_pfn(self) -> int: ...
    @property
    def nr_pages(self) -> int: ...
    @property
    def managed(self) -> int: ...
    @property
    def nr_free(self) -> int: ...
    @property
    def region_pages(self) -> int: ...
    @property
    def nr_regions(self) -> int: ...
    @property
    def pageblock_order(self) -> int: ...
    @property
    def nr_bytes(self) -> int: ...
    @property
    def region_nr_free(self) -> NDArray[np.uint32]: ...
    @property
    def region_managed(self) -> NDArray[np.uint32]: ...
    def region_of(self, pfn: SupportsIndex) -> int: ...
    def changed_regions(self) -> list[int]: ...
    def buddyinfo(self) -> NDArray[np.int64]: ...
    def block_of(self, pfn: SupportsIndex) -> Block: ...
    def blocks(self) -> NDArray[np.void]: ...
    def check(self) -> None: ...
    def snapshot(self) -> ZoneSnapshot: ...
    def restore(self, snapshot: ZoneSnapshot) -> None: ...
    def digest(self) -> str: ...
    def __reduce__(self) -> str | tuple[object, ...]: ...
