from pasralloc._core.zoneobject import Zone
