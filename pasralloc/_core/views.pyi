from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from pasralloc._core.memorybase import MemoryBase
from pasralloc._core.zonebase import ZoneBase

LINK_DTYPE: np.dtype[np.void]
RUN_DTYPE: np.dtype[np.void]

def zone_arrays(zone: ZoneBase) -> dict[str, NDArray[Any]]: ...
def freelist_arrays(
    zone: ZoneBase, order: SupportsIndex, migratetype: SupportsIndex
) -> dict[str, NDArray[Any]]: ...
def memory_arrays(memory: MemoryBase, zone: SupportsIndex) -> dict[str, NDArray[Any]]: ...
def pageset_arrays(zone: ZoneBase, cpu: SupportsIndex) -> dict[str | int, NDArray[Any]]: ...
