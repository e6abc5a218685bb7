"""Allocation and free entry of a zone."""

from libc.stdint cimport int64_t, uint32_t

from pasralloc._core.fallback cimport OWN, cma_balance, fallback_take, grouped_take
from pasralloc._core.region_alloc cimport region_request
from pasralloc._core.reserves cimport highatomic_reserve
from pasralloc._core.types cimport (
    PASR_ALLOC_NON_BLOCK, PASR_ALLOC_OOM, PASR_HIGHATOMIC, PASR_MAX_PAGE_ORDER, PASR_MODE_PARKING, PASR_MODE_SORTED,
    PASR_RULES_CLAIM, PASR_TAG_SPLIT, pasr_idx_t,
)
from pasralloc._core.zone cimport pageblock_type, pfn_of, set_tag, zone_give, zone_take_smallest


cdef inline int64_t take(
    pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t flags, stage_t *stage, int mode
) noexcept nogil:
    """``__rmqueue()``: own lists, grouping, the region allocator, then what the generation's fallback rules find."""
    cdef int64_t idx
    if z.cma_first >> migratetype & 1:
        idx = cma_balance(z, order, migratetype)
        if idx >= 0:
            return idx
    if stage[0] == OWN:
        if z.nonempty[migratetype] >> order == 0 and z.grouping:
            idx = grouped_take(z, order, migratetype)
            if idx >= 0:
                return idx
        if mode & PASR_MODE_PARKING:
            region_request(z, order, migratetype, mode)
        idx = zone_take_smallest(z, order, migratetype, migratetype, mode)
        if idx >= 0:
            return idx
    return fallback_take(z, order, migratetype, flags, stage)


cdef int64_t take_other(
    pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t flags, stage_t *stage, int mode
) noexcept nogil:
    """One more block for a refill; *stage* starts as OWN. *mode* may be biased where the zone is not."""
    if mode == PASR_MODE_SORTED:
        return take(z, order, migratetype, flags, stage, PASR_MODE_SORTED)
    if mode == 0:
        return take(z, order, migratetype, flags, stage, 0)
    return take(z, order, migratetype, flags, stage, mode)


cdef int64_t alloc_other(pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t flags) noexcept nogil:
    """`alloc_block` of what is not a single page at hand."""
    cdef stage_t stage = OWN
    return take_other(z, order, migratetype, flags, &stage, z.mode)


cdef int64_t take_flagged(pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t flags) noexcept nogil:
    """``rmqueue_buddy()``: take from the zone, HIGHATOMIC pageblocks first or last as *flags* allow."""
    cdef int64_t idx
    if z.rules != PASR_RULES_CLAIM:
        return alloc_other(z, order, migratetype, flags)
    if is_highatomic(z, order, flags):
        idx = zone_take_smallest(z, order, PASR_HIGHATOMIC, migratetype, z.mode)
        if idx >= 0:
            return idx
    idx = alloc_other(z, order, migratetype, flags)
    if idx < 0 and flags & (PASR_ALLOC_OOM | PASR_ALLOC_NON_BLOCK):
        idx = zone_take_smallest(z, order, PASR_HIGHATOMIC, migratetype, z.mode)
    return idx


cdef int64_t alloc_flagged(pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t flags) noexcept nogil:
    """`take_flagged`, and reserve the pageblock if it was an atomic request of high order."""
    cdef int64_t idx = take_flagged(z, order, migratetype, flags)
    if idx >= 0 and is_highatomic(z, order, flags):
        highatomic_reserve(z, <pasr_idx_t> idx, order)
    return idx


cdef void free_other(pasr_zone_t *z, pasr_idx_t idx, uint32_t order) noexcept nogil:
    """`free_block` of a block of several pages, once it is known to be allocated."""
    cdef pasr_idx_t stop
    if z.rules == PASR_RULES_CLAIM and order > z.pageblock_order:
        # ``split_large_buddy()``: its pageblocks may have come to be of different types.
        stop = idx + (<pasr_idx_t> 1 << order)
        set_tag(z, idx, order, PASR_TAG_SPLIT if order == PASR_MAX_PAGE_ORDER else 0)
        while idx != stop:
            free_other(z, idx, z.pageblock_order)
            idx += <pasr_idx_t> 1 << z.pageblock_order
        return
    if z.mode == PASR_MODE_SORTED:
        zone_give(z, idx, order, pageblock_type(z, idx), False, PASR_MODE_SORTED)
    elif z.mode == 0:
        zone_give(z, idx, order, pageblock_type(z, idx), False, 0)
    else:
        zone_give(z, idx, order, pageblock_type(z, idx), False, z.mode)
        if z.mode & PASR_MODE_PARKING:
            region_offer(z, idx)


cdef int64_t zone_alloc(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil:
    """Allocate ``2**order`` pages.

    Takes a block from the lists of *migratetype* (`zone_take_smallest`), and only
    when those are dry from another type's (`fallback_take`). *order* and *migratetype* must be valid.

    Returns the pfn, or PASR_ENOMEM with the zone unchanged.
    Cost: one list removal, and one insertion per order split.
    """
    cdef int64_t idx
    if z.mode == PASR_MODE_SORTED:
        idx = alloc_block(z, order, migratetype, 0, PASR_MODE_SORTED)
    else:
        idx = alloc_block(z, order, migratetype, 0, z.mode)
    return pfn_of(z, <pasr_idx_t> idx) if idx >= 0 else idx


cdef int zone_free(pasr_zone_t *z, int64_t pfn, int order) noexcept nogil:
    """Free the allocated block that starts at *pfn*, of *order* if that is not negative.

    Any *pfn* and *order* are safe to pass. Returns PASR_OK, or with the zone
    unchanged PASR_ERANGE (outside the zone), PASR_ENXIO (absent), PASR_EALREADY
    (free), PASR_EINVAL (inside a block) or PASR_EDOM (of another order).
    Cost: one list removal per order merged, one insertion.
    """
    if z.mode == PASR_MODE_SORTED:
        return free_block(z, pfn, order, PASR_MODE_SORTED)
    return free_block(z, pfn, order, z.mode)
