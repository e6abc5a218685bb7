"""Many allocations or frees in one call.

Threading rule: one thread at a time for one zone; the GIL is not needed.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pasralloc._core.types cimport pasr_zone_t


cdef void zone_alloc_batch(
    pasr_zone_t *z, uint32_t cpu, const uint8_t *orders, const uint8_t *migratetypes, uint64_t nr, int64_t *out
) noexcept nogil
cdef int zone_free_batch(
    pasr_zone_t *z, uint32_t cpu, const int64_t *pfns, const uint8_t *orders, uint8_t *tags, uint64_t nr, uint64_t *bad
) noexcept nogil
