"""What can be done to the memory of a simulation from Python."""

from libc.stdint cimport int64_t

from pasralloc._core.memoryhistory cimport MemoryHistory


cdef class Memory(MemoryHistory):
    cdef int64_t as_time(self, object now_ns) except -1
    cdef int zone_number(self, int64_t pfn) except -1
    cdef int pass_time(self, int64_t now) except -1
