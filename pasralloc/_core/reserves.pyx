"""Pageblocks that are set aside: RESERVE in Linux 3.9, HIGHATOMIC in 6.12.

3.9 sets one or two pageblocks aside at boot, which requests of any type take from
when they find nothing else. 6.12 sets aside the pageblock of an atomic
allocation of high order that succeeded, for the next such.
"""

from libc.stdint cimport uint32_t, uint64_t

from pasralloc._core.freelist cimport idx_of_node
from pasralloc._core.ranges cimport zone_move_freepages, zone_offer_range
from pasralloc._core.types cimport (
    PASR_ABSENT, PASR_HIGHATOMIC, PASR_NIL, PASR_NR_PAGE_ORDERS, PASR_NR_PCPTYPES, PASR_RESERVE, pasr_block_t,
)
from pasralloc._core.zone cimport block_end, pageblock_type, retype_pageblocks, zone_block_of


cdef bint is_whole(const pasr_zone_t *z, uint64_t idx, uint64_t stop) noexcept nogil:
    """Whether no page of a range is absent."""
    cdef pasr_block_t block
    while idx < stop:
        block = zone_block_of(z, <pasr_idx_t> idx)
        if block.state == PASR_ABSENT:
            return False
        idx = block_end(block)
    return True


cdef bint retype_with_freepages(pasr_zone_t *z, pasr_idx_t idx, uint32_t migratetype) noexcept nogil:
    """``move_freepages_block()``: re-type the pageblock of a frame, unless it reaches beyond the zone."""
    cdef uint64_t nr_pages = <uint64_t> 1 << z.pageblock_order
    cdef uint64_t first = idx & ~(nr_pages - 1)
    if first < z.first or first + nr_pages > z.end:
        return False
    zone_move_freepages(z, <pasr_idx_t> first, first + nr_pages, migratetype)
    retype_pageblocks(z, <pasr_idx_t> first, z.pageblock_order, migratetype)
    zone_offer_range(z, <pasr_idx_t> first, first + nr_pages)
    return True


cdef uint32_t reserve_setup(pasr_zone_t *z, uint32_t nr) noexcept nogil:
    """``setup_zone_migrate_reserve()``: make *nr* pageblocks RESERVE, the lowest whole movable ones.

    Those that are RESERVE already count; what is one too many becomes movable
    again. The last pageblock may be cut short by the end of the zone: it gets
    the type, but its free blocks stay where they are. Returns how many there are.
    """
    cdef uint64_t nr_pages = <uint64_t> 1 << z.pageblock_order
    cdef uint64_t idx = (z.first + nr_pages - 1) & ~(nr_pages - 1), stop
    cdef uint32_t kind, nr_reserved = 0
    while idx < z.end:
        stop = idx + nr_pages if idx + nr_pages < z.end else z.end
        kind = pageblock_type(z, <pasr_idx_t> idx)
        if nr_reserved < nr and (kind == PASR_RESERVE or kind == z.movable):
            if is_whole(z, idx, stop):
                nr_reserved += 1
                if kind == z.movable and not retype_with_freepages(z, <pasr_idx_t> idx, PASR_RESERVE):
                    retype_pageblocks(z, <pasr_idx_t> idx, z.pageblock_order, PASR_RESERVE)
        elif kind == PASR_RESERVE and not retype_with_freepages(z, <pasr_idx_t> idx, z.movable):
            retype_pageblocks(z, <pasr_idx_t> idx, z.pageblock_order, z.movable)
        idx += nr_pages
    return nr_reserved


cdef void highatomic_reserve(pasr_zone_t *z, pasr_idx_t idx, uint32_t order) noexcept nogil:
    """``reserve_highatomic_pageblock()``, after an atomic allocation of high order.

    One pageblock at a time up to about a hundredth of the zone; zones of which
    that is less than a pageblock reserve none.
    """
    cdef uint64_t nr_pages = <uint64_t> 1 << z.pageblock_order
    cdef uint64_t share = z.managed // 100
    if share < nr_pages or z.nr_highatomic >= (share + nr_pages - 1) & ~(nr_pages - 1):
        return
    if pageblock_type(z, idx) >= PASR_NR_PCPTYPES:
        return
    if order >= z.pageblock_order:
        retype_pageblocks(z, idx, order, PASR_HIGHATOMIC)
        z.nr_highatomic += <uint64_t> 1 << order
    elif retype_with_freepages(z, idx, PASR_HIGHATOMIC):
        z.nr_highatomic += nr_pages


cdef bint highatomic_unreserve(pasr_zone_t *z, uint32_t migratetype, bint force) noexcept nogil:
    """``unreserve_highatomic_pageblock()``: give the pageblock of the first small free block to *migratetype*.

    The last one stays unless *force*. Returns whether free pages came with it.
    """
    cdef uint64_t nr_pages = <uint64_t> 1 << z.pageblock_order, nr
    cdef uint32_t order
    cdef pasr_idx_t idx
    if not force and z.nr_highatomic <= nr_pages:
        return False
    for order in range(PASR_NR_PAGE_ORDERS):
        if z.lists[order][<int> PASR_HIGHATOMIC].head == PASR_NIL:
            continue
        idx = idx_of_node(z.lists[order][<int> PASR_HIGHATOMIC].head, order)
        nr = <uint64_t> 1 << order if order > z.pageblock_order else nr_pages
        if order < z.pageblock_order:
            if not retype_with_freepages(z, idx, migratetype):
                continue
        else:
            zone_move_freepages(z, idx, idx + nr, migratetype)
            retype_pageblocks(z, idx, order, migratetype)
            zone_offer_range(z, idx, idx + nr)
        z.nr_highatomic -= nr
        return True
    return False
