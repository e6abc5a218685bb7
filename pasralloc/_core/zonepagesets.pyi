from typing import SupportsIndex

from pasralloc._core.zoneranges import ZoneRanges

class ZonePagesets(ZoneRanges):
    def drain(self, cpu: SupportsIndex | None = None) -> int: ...
    def decay(self, cpu: SupportsIndex | None = None) -> int: ...
