"""What is known about blocks in use, and the order in which reclaim comes to them.

Blocks of the same kind (page cache, anonymous memory, pinned) are on one list, in
the order in which their state was set, or on one such list per region. A list runs through the
entries of the zone's link array that free blocks use: an allocated block has no other use for its own.

Threading rule: one thread at a time for one zone; the GIL is not needed.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pasralloc._core.nodetypes cimport (
    PASR_LRU_ANON, PASR_LRU_FILE, PASR_LRU_UNEVICTABLE, PASR_PAGE_MOVABLE, PASR_PAGE_PINNED, pasr_memzone_t,
)
from pasralloc._core.types cimport PASR_MAX_PAGE_ORDER, PASR_TAG_SPLIT, pasr_idx_t, pasr_link_t, pasr_zone_t


cdef inline uint32_t lru_of_state(uint8_t state) noexcept nogil:
    """List of the blocks in a state that is not unknown."""
    if state == PASR_PAGE_MOVABLE:
        return PASR_LRU_ANON
    return PASR_LRU_UNEVICTABLE if state >= <uint8_t> PASR_PAGE_PINNED else PASR_LRU_FILE


cdef inline pasr_link_t *lru_link(const pasr_zone_t *z, pasr_idx_t idx) noexcept nogil:
    """Link of the allocated block that starts at *idx*."""
    if z.top_tags[idx >> PASR_MAX_PAGE_ORDER] == PASR_TAG_SPLIT:
        return &z.links[idx]
    return &z.top_links[idx >> PASR_MAX_PAGE_ORDER]


cdef void lru_add(pasr_memzone_t *mz, pasr_idx_t idx, uint8_t state) noexcept nogil
cdef void lru_remove(pasr_memzone_t *mz, pasr_idx_t idx) noexcept nogil
cdef void lru_set(pasr_memzone_t *mz, pasr_idx_t idx, uint8_t state) noexcept nogil
cdef int lru_check_range(const pasr_memzone_t *mz, pasr_idx_t idx, uint64_t nr, pasr_idx_t *bad) noexcept nogil
cdef void lru_set_range(pasr_memzone_t *mz, pasr_idx_t idx, uint64_t nr, uint8_t state) noexcept nogil
