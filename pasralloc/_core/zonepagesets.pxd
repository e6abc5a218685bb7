"""The pagesets of a zone, as Python sees them."""

from libc.stdint cimport uint32_t

from pasralloc._core.zoneranges cimport ZoneRanges


cdef class ZonePagesets(ZoneRanges):
    cdef uint32_t as_cpu(self, object cpu) except? 0xffffffff
    cdef object cpus(self, object cpu)
