"""Where the arrays of a zone lie in its one buffer."""

from libc.stdint cimport uint64_t

from pasralloc._core.types cimport pasr_zone_t


cdef uint64_t zone_bind(pasr_zone_t *z, char *memory) noexcept nogil
