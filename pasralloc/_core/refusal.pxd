"""Messages for what a zone refuses."""

from libc.stdint cimport int64_t

from pasralloc._core.types cimport pasr_zone_t


cdef str free_refusal(const pasr_zone_t *z, int64_t pfn, int order, int error)
cdef str range_refusal(const pasr_zone_t *z, int64_t pfn, int64_t nr, int wanted)
