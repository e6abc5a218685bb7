"""Operations on ranges of pages: hand them to the allocator, take them, type them."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pasralloc._core.types cimport pasr_idx_t, pasr_zone_t


cdef void zone_manage(pasr_zone_t *z, int64_t pfn, uint64_t nr) noexcept nogil
cdef void zone_release(pasr_zone_t *z, int64_t pfn, uint64_t nr) noexcept nogil
cdef int zone_add_pages(pasr_zone_t *z, int64_t pfn, uint64_t nr) noexcept nogil
cdef int64_t zone_take_range(pasr_zone_t *z, int64_t pfn, uint64_t nr, uint32_t migratetype) noexcept nogil
cdef int zone_split_allocated(pasr_zone_t *z, int64_t pfn, uint32_t order) noexcept nogil
cdef void zone_offer_range(pasr_zone_t *z, pasr_idx_t first, uint64_t stop) noexcept nogil
cdef uint64_t zone_move_freepages(pasr_zone_t *z, pasr_idx_t first, uint64_t stop, uint32_t migratetype) noexcept nogil
cdef int zone_set_pageblocks(pasr_zone_t *z, int64_t pfn, uint64_t nr, uint32_t migratetype) noexcept nogil
