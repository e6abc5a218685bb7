"""What happens when the lists of a migratetype are dry, by kernel generation."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pasralloc._core.types cimport pasr_zone_t


# Where the blocks of a request come from (enum rmqueue_mode).
ctypedef enum stage_t:
    OWN
    CMA
    STEAL


cdef uint64_t nr_free_of(const pasr_zone_t *z, uint32_t migratetype) noexcept nogil
cdef int64_t cma_balance(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil
cdef int64_t grouped_take(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil
cdef int64_t fallback_take(
    pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t flags, stage_t *stage
) noexcept nogil
