"""The pagesets of a zone, as Python sees them."""

from pasralloc._core.zoneranges cimport ZoneRanges


cdef class ZonePagesets(ZoneRanges):
    cdef object cpus(self, object cpu)
