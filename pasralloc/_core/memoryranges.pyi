from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from pasralloc._core.memory import Memory
from pasralloc._core.memorybase import MemoryZone
from pasralloc._core.records import Evacuated

MOVE_SINK: Any

@disjoint_base
class MemoryRanges(Memory):
    def take_range(
        self, pfn: SupportsIndex, nr: SupportsIndex, migratetype: str | SupportsIndex = "movable"
    ) -> int: ...
    def set_pageblocks(
        self, pfn: SupportsIndex, nr: SupportsIndex, migratetype: str | SupportsIndex
    ) -> None: ...
    def evacuate(
        self,
        zone: MemoryZone,
        region: SupportsIndex,
        now_ns: SupportsIndex | None = None,
        *,
        targets: str | None = None,
    ) -> Evacuated: ...
    def evacuate_range(
        self,
        pfn: SupportsIndex,
        nr: SupportsIndex,
        now_ns: SupportsIndex | None = None,
        *,
        targets: str | None = None,
    ) -> Evacuated: ...
    def compact(self, zone: MemoryZone, now_ns: SupportsIndex | None = None) -> Evacuated: ...
    def held(self, zone: MemoryZone) -> NDArray[np.void]: ...
    def set_move_sink(self, sink: Any) -> None: ...
