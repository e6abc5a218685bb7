"""Allocation and free entry of a zone.

`alloc_block` and `free_block` are the whole path, inline, for callers that run
many operations and know the zone's mode as a literal; `zone_alloc` and
`zone_free` are the same as functions.

Threading rule: one thread at a time for one zone; the GIL is not needed.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t

from pasralloc._core.fallback cimport stage_t
from pasralloc._core.region_alloc cimport region_offer
from pasralloc._core.types cimport (
    PASR_ALLOC_HIGHATOMIC, PASR_MODE_BIASED, PASR_MODE_PARKING, PASR_OK, PASR_RULES_CLAIM, pasr_idx_t,
    pasr_zone_t,
)
from pasralloc._core.zone cimport find_allocated, find_page, pageblock_type, tag_order, tags_of, zone_give, zone_take


cdef inline int64_t alloc_block(
    pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t flags, int mode
) noexcept nogil:
    """Frame index of a new block, or PASR_ENOMEM.

    Most requests are for one page and find one: that is inline, with literal
    orders, and everything else a call.
    """
    if cython.likely(order == 0 and z.nonempty[migratetype] & 1
                     and not mode & PASR_MODE_BIASED and not z.cma_first >> migratetype & 1):
        return zone_take(z, 0, 0, migratetype, migratetype, mode)
    return alloc_other(z, order, migratetype, flags)


cdef inline int free_block(pasr_zone_t *z, int64_t pfn, int order, int mode) noexcept nogil:
    cdef pasr_idx_t idx = 0
    cdef uint8_t tag = 0
    cdef int error
    if cython.likely(order <= 0 and find_page(z, tags_of(z), pfn, &idx)):
        zone_give(z, idx, 0, pageblock_type(z, idx), False, mode)
        if mode & PASR_MODE_PARKING:
            region_offer(z, idx)
        return PASR_OK
    error = find_allocated(z, pfn, order, &idx, &tag)
    if error == PASR_OK:
        free_other(z, idx, tag_order(tag))
    return error


cdef inline bint is_highatomic(const pasr_zone_t *z, uint32_t order, uint32_t flags) noexcept nogil:
    """Whether a request may have HIGHATOMIC pageblocks, and leaves one behind."""
    return flags & PASR_ALLOC_HIGHATOMIC and order != 0 and z.rules == PASR_RULES_CLAIM


cdef int64_t take_other(
    pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t flags, stage_t *stage, int mode
) noexcept nogil
cdef int64_t alloc_flagged(pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t flags) noexcept nogil
cdef int64_t alloc_other(pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t flags) noexcept nogil
cdef void free_other(pasr_zone_t *z, pasr_idx_t idx, uint32_t order) noexcept nogil
cdef int64_t zone_alloc(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil
cdef int zone_free(pasr_zone_t *z, int64_t pfn, int order) noexcept nogil
