"""Pageblocks that are set aside: RESERVE in Linux 3.9, HIGHATOMIC in 6.12."""

from libc.stdint cimport int64_t, uint32_t

from pasralloc._core.types cimport pasr_idx_t, pasr_zone_t


cdef uint32_t reserve_setup(pasr_zone_t *z, uint32_t nr) noexcept nogil
cdef void highatomic_reserve(pasr_zone_t *z, pasr_idx_t idx, uint32_t order) noexcept nogil
cdef bint highatomic_unreserve(pasr_zone_t *z, uint32_t migratetype, bint force) noexcept nogil
