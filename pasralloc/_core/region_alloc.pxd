"""The region allocator: completely free regions leave the lists and come back as a whole."""

from libc.stdint cimport uint32_t

from pasralloc._core.types cimport pasr_idx_t, pasr_zone_t


cdef void region_offer(pasr_zone_t *z, pasr_idx_t idx) noexcept nogil
cdef void region_unpark(pasr_zone_t *z, uint32_t region, uint32_t migratetype) noexcept nogil
cdef bint region_is_parked(const pasr_zone_t *z, uint32_t region) noexcept nogil
cdef void region_request(pasr_zone_t *z, uint32_t order, uint32_t migratetype, int mode) noexcept nogil
