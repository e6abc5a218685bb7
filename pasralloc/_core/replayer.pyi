from collections.abc import Sequence
from typing import Any, SupportsIndex, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pasralloc._core.memorybase import MemoryBase, MemoryZone
from pasralloc._core.zoneobject import Zone

TRANSITION_DTYPE: np.dtype[np.void]

@final
class Replayer:
    nr_empty_at_start: int
    nr_packed_at_start: int
    def __new__(
        cls,
        memory: Zone | MemoryZone | MemoryBase,
        nr_pages: SupportsIndex,
        type_map: Sequence[SupportsIndex],
        *,
        free_on_batched: bool = False,
        cpu_nodes: Sequence[int] | None = None,
        first_regions: Sequence[SupportsIndex] | None = None,
        around: MemoryBase | None = None,
    ) -> Replayer: ...
    def seed(self, pfns: ArrayLike, nrs: ArrayLike, types: ArrayLike, *, anew: bool) -> None: ...
    def feed(self, events: NDArray[np.void]) -> None: ...
    def places(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
    def result(self) -> dict[str, Any]: ...
