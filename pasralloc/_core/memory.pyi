from typing import SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pasralloc._core.memoryhistory import MemoryHistory

ALLOC_MIN_RESERVE: int

class Memory(MemoryHistory):
    def advance(self, now_ns: SupportsIndex) -> None: ...
    def alloc(
        self,
        order: SupportsIndex = 0,
        migratetype: str | SupportsIndex = "movable",
        zone: str | None = None,
        nid: int = 0,
        cpu: SupportsIndex = 0,
        flags: SupportsIndex = 0,
        now_ns: SupportsIndex | None = None,
    ) -> int: ...
    def free(
        self,
        pfn: SupportsIndex,
        order: SupportsIndex | None = None,
        *,
        cpu: SupportsIndex = 0,
        now_ns: SupportsIndex | None = None,
    ) -> None: ...
    def alloc_batch(
        self,
        orders: ArrayLike,
        migratetypes: str | ArrayLike = "movable",
        out: NDArray[np.int64] | None = None,
        *,
        zone: str | None = None,
        nid: int = 0,
        cpu: SupportsIndex = 0,
        now_ns: SupportsIndex | None = None,
    ) -> NDArray[np.int64]: ...
    def free_batch(
        self,
        pfns: ArrayLike,
        orders: ArrayLike | None = None,
        *,
        cpu: SupportsIndex = 0,
        now_ns: SupportsIndex | None = None,
    ) -> None: ...
    def run(
        self,
        ops: NDArray[np.void],
        slots: NDArray[np.int64],
        *,
        zone: str | None = None,
        nid: int = 0,
        cpu: SupportsIndex = 0,
        now_ns: SupportsIndex | None = None,
    ) -> int: ...
    def set_page_state(self, pfn: SupportsIndex, nr: SupportsIndex, state: str) -> None: ...
    def set_page_states(self, pfns: ArrayLike, state: str) -> None: ...
    def drain(self) -> int: ...
    def free_swap(self, nr_pages: SupportsIndex) -> None: ...
