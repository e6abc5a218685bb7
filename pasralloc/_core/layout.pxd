"""Where the arrays of a zone lie in its one buffer."""

from libc.stddef cimport size_t
from libc.stdint cimport uint64_t

from pasralloc._core.types cimport pasr_zone_t


cdef enum:
    CACHE_LINE = 64


cdef inline void *carve(char *memory, uint64_t *offset, uint64_t nr, size_t itemsize) noexcept nogil:
    """Reserve *nr* items at the next cache line; their address, or NULL when only counting."""
    cdef uint64_t at = offset[0]
    offset[0] = (at + nr * itemsize + CACHE_LINE - 1) & ~<uint64_t> (CACHE_LINE - 1)
    return NULL if memory == NULL else memory + at


cdef uint64_t zone_bind(pasr_zone_t *z, char *memory) noexcept nogil
