"""What has happened to the memory of a simulation."""

from libc.stdint cimport uint64_t

from pasralloc._core.memorybase cimport MemoryBase


cdef class MemoryHistory(MemoryBase):
    cdef object ring(self, const void *records, uint64_t nr, uint64_t size, object record_dtype, object dtype)
