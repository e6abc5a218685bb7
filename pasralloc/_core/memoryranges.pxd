"""What can be done to ranges and regions of the memory of a simulation from Python."""

from libc.stdint cimport int64_t

from pasralloc._core.memory cimport Memory
from pasralloc._core.nodetypes cimport pasr_compact_control_t, pasr_compacted_t


cdef class MemoryRanges(Memory):
    cdef object sink                     # keeps what the kernel calls alive

    cdef int zone_index(self, object zone) except -1
    cdef pasr_compact_control_t control_of(self, object targets) except *
    cdef object result_of(self, pasr_compacted_t *done, int64_t left)
