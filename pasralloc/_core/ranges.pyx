"""Operations on ranges of pages: hand them to the allocator, take them, type them.

Wherever one meets a region that is parked, that region first joins the movable
lists, as ``move_freepages()`` of the sorted-buddy series does.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from pasralloc._core.bits cimport highest_bit, lowest_bit, regionmap_set
from pasralloc._core.freelist cimport list_remove, region_of, region_take
from pasralloc._core.region_alloc cimport region_is_parked, region_offer, region_unpark
from pasralloc._core.types cimport (
    PASR_ABSENT, PASR_EBUSY, PASR_EDOM, PASR_EEXIST, PASR_ENXIO, PASR_ERANGE, PASR_FREE, PASR_MAX_PAGE_ORDER,
    PASR_HIGHATOMIC, PASR_MODE_PARKING, PASR_MODE_STRADDLE, PASR_OK, PASR_PARKED, PASR_RULES_CLAIM, PASR_TAG_SPLIT,
    PASR_TOP_PAGES, pasr_block_t,
)
from pasralloc._core.zone cimport (
    block_end, head_tag, idx_of, pageblock_type, set_tag, tag_allocated, tag_is_allocated, tag_order, tag_type,
    zone_block_of, zone_free_error, zone_give, zone_note_cma, zone_put, zone_spans,
)


cdef inline uint32_t largest_piece(pasr_idx_t idx, uint64_t nr) noexcept nogil:
    """Order of the largest naturally aligned block at *idx* within *nr* pages."""
    cdef uint32_t order = highest_bit(nr)
    if idx != 0 and lowest_bit(idx) < order:
        order = lowest_bit(idx)
    return order if order < PASR_MAX_PAGE_ORDER else PASR_MAX_PAGE_ORDER


cdef inline bint spans_range(const pasr_zone_t *z, int64_t pfn, uint64_t nr) noexcept nogil:
    return nr != 0 and zone_spans(z, pfn) and nr <= <uint64_t> (z.end - idx_of(z, pfn))


cdef int check_range(const pasr_zone_t *z, int64_t pfn, uint64_t nr, int wanted) noexcept nogil:
    """PASR_OK if every page of the range is in the span and in state *wanted*."""
    cdef pasr_idx_t idx
    cdef uint64_t stop
    cdef pasr_block_t block
    if not spans_range(z, pfn, nr):
        return PASR_ERANGE
    idx = idx_of(z, pfn)
    stop = idx + nr
    while idx < stop:
        block = zone_block_of(z, idx)
        if block.state != wanted:
            return PASR_ENXIO if block.state == PASR_ABSENT else (
                PASR_EEXIST if wanted == PASR_ABSENT else PASR_EBUSY)
        idx = block_end(block)
    return PASR_OK


cdef inline void manage_in(pasr_zone_t *z, uint32_t region, uint32_t nr) noexcept nogil:
    if z.regions[region].nr_free == z.regions[region].managed:
        regionmap_set(&z.changed_root, z.changed, region)
    z.regions[region].managed += nr


cdef void zone_manage(pasr_zone_t *z, int64_t pfn, uint64_t nr) noexcept nogil:
    """Count absent pages as managed; `zone_release` must follow."""
    cdef uint64_t idx = idx_of(z, pfn), stop = idx + nr, region_end
    cdef uint32_t region
    z.managed += nr
    while idx < stop:
        region = region_of(z, <pasr_idx_t> idx, PASR_MODE_STRADDLE)
        region_end = z.region_ends[region]
        if region_end > stop:
            region_end = stop
        manage_in(z, region, <uint32_t> (region_end - idx))
        idx = region_end


cdef inline uint32_t order_to_free(const pasr_zone_t *z, pasr_idx_t idx, uint32_t order) noexcept nogil:
    """Order at which ``split_large_buddy()`` frees: the pageblock's, unless all pageblocks are of one type anyway."""
    cdef pasr_idx_t at = idx
    if z.rules != PASR_RULES_CLAIM or order <= z.pageblock_order:
        return order
    while at != idx + (<pasr_idx_t> 1 << order):
        if pageblock_type(z, at) != pageblock_type(z, idx):
            return z.pageblock_order
        at += <pasr_idx_t> 1 << z.pageblock_order
    return order


cdef void zone_release(pasr_zone_t *z, int64_t pfn, uint64_t nr) noexcept nogil:
    """Free pages that were managed last, as blocks in ascending order of pfn.

    All pages of a region must be managed before the first of them is freed, or
    it would seem complete too early.
    """
    cdef pasr_idx_t idx = idx_of(z, pfn)
    cdef uint32_t order, nr_piece
    while nr != 0:
        order = order_to_free(z, idx, largest_piece(idx, nr))
        nr_piece = <uint32_t> 1 << order
        if order < PASR_MAX_PAGE_ORDER:
            z.top_tags[idx >> PASR_MAX_PAGE_ORDER] = PASR_TAG_SPLIT
        zone_give(z, idx, order, pageblock_type(z, idx), True, z.mode)
        if z.mode & PASR_MODE_PARKING:
            region_offer(z, idx)
        idx += nr_piece
        nr -= nr_piece


cdef void unpark_range(pasr_zone_t *z, pasr_idx_t idx, uint64_t nr) noexcept nogil:
    """Put parked regions that overlap a range back on the movable lists."""
    cdef uint32_t region = region_of(z, idx, PASR_MODE_STRADDLE)
    cdef uint32_t last = region_of(z, <pasr_idx_t> (idx + nr - 1), PASR_MODE_STRADDLE)
    while region <= last:
        if region_is_parked(z, region):
            region_unpark(z, region, z.movable)
        region += 1


cdef int zone_add_pages(pasr_zone_t *z, int64_t pfn, uint64_t nr) noexcept nogil:
    """Hand absent pages to the allocator, as free blocks in ascending order of pfn.

    Returns PASR_OK; PASR_ERANGE (outside the span) or PASR_EEXIST (already
    managed) with the zone unchanged. O(nr / 1024 + log nr) for whole blocks,
    and in 6.12 one look at each pageblock.
    """
    cdef int error = check_range(z, pfn, nr, PASR_ABSENT)
    if error != PASR_OK:
        return error
    if z.mode & PASR_MODE_PARKING:
        unpark_range(z, idx_of(z, pfn), nr)
    zone_manage(z, pfn, nr)
    zone_release(z, pfn, nr)
    return PASR_OK


cdef int64_t zone_take_range(
    pasr_zone_t *z, int64_t pfn, uint64_t nr, uint32_t migratetype
) noexcept nogil:
    """Allocate exactly the free pages ``[pfn, pfn + nr)``, as few aligned blocks.

    Returns the number of blocks; PASR_ERANGE, PASR_ENXIO (absent) or PASR_EBUSY
    (in use) with the zone unchanged. O(log) per block.
    """
    cdef pasr_idx_t idx
    cdef uint32_t order, high, half, region
    cdef int64_t nr_taken = 0
    cdef pasr_block_t block
    cdef int error = check_range(z, pfn, nr, PASR_FREE)
    if error != PASR_OK:
        return error
    idx = idx_of(z, pfn)
    while nr != 0:
        block = zone_block_of(z, idx)
        if block.migratetype == PASR_PARKED:
            region_unpark(z, region_of(z, block.head, z.mode), z.movable)
            block.migratetype = z.movable
        order = largest_piece(idx, nr)
        high = block.order
        if order > high:
            order = high
        region = region_of(z, block.head, z.mode)
        list_remove(z, block.head, high, block.migratetype, region, z.mode)
        if high == PASR_MAX_PAGE_ORDER and order != high:
            z.top_tags[idx >> PASR_MAX_PAGE_ORDER] = PASR_TAG_SPLIT
        while high > order:
            high -= 1
            half = <uint32_t> 1 << high
            if idx - block.head >= half:
                zone_put(z, block.head, high, block.migratetype, region, False, z.mode)
                block.head += half
            else:
                zone_put(z, block.head + half, high, block.migratetype, region, False, z.mode)
        set_tag(z, idx, order, tag_allocated(order, migratetype))
        half = <uint32_t> 1 << order
        z.nr_free -= half
        if not z.mode & PASR_MODE_STRADDLE:
            region_take(z, region, half, block.migratetype)
        idx += half
        nr -= half
        nr_taken += 1
    return nr_taken


cdef int zone_split_allocated(pasr_zone_t *z, int64_t pfn, uint32_t order) noexcept nogil:
    """Turn an allocated block into blocks of *order*, so that each can be freed alone.

    Returns PASR_OK, or a code of `zone_free_error` (PASR_EDOM: the block is
    smaller than that) with the zone unchanged. O(number of pieces).
    """
    cdef pasr_idx_t idx, stop
    cdef uint8_t tag
    if not zone_spans(z, pfn):
        return PASR_ERANGE
    idx = idx_of(z, pfn)
    tag = head_tag(z, idx)
    if not tag_is_allocated(tag):
        return zone_free_error(z, pfn, -1)
    if tag_order(tag) < order:
        return PASR_EDOM
    if tag_order(tag) == order:
        return PASR_OK
    stop = idx + (<pasr_idx_t> 1 << tag_order(tag))
    if tag_order(tag) == PASR_MAX_PAGE_ORDER:
        z.top_tags[idx >> PASR_MAX_PAGE_ORDER] = PASR_TAG_SPLIT
    tag = tag_allocated(order, tag_type(tag))
    while idx != stop:
        z.tags[idx] = tag
        idx += <pasr_idx_t> 1 << order
    return PASR_OK


cdef uint64_t zone_move_freepages(
    pasr_zone_t *z, pasr_idx_t first, uint64_t stop, uint32_t migratetype
) noexcept nogil:
    """Move the free blocks that start in [*first*, *stop*) to the lists of *migratetype*, in ascending order.

    Returns how many pages they hold. A block joins where ``move_freepages()`` of
    the generation puts it. Once pageblocks have their types, `zone_offer_range` must
    follow: a region that is parked comes back with pageblocks of its own.
    """
    cdef uint64_t nr_moved = 0, idx = first
    cdef uint32_t region
    cdef pasr_block_t block
    while idx < stop:
        block = zone_block_of(z, <pasr_idx_t> idx)
        if block.state == PASR_FREE and block.head == idx:
            region = region_of(z, block.head, z.mode)
            if block.migratetype == PASR_PARKED:
                region_unpark(z, region, z.movable)
                block.migratetype = z.movable
            list_remove(z, block.head, block.order, block.migratetype, region, z.mode)
            zone_put(z, block.head, block.order, migratetype, region, z.fresh_to_tail, z.mode)
            nr_moved += <uint64_t> 1 << block.order
        idx = block_end(block)
    return nr_moved


cdef void zone_offer_range(pasr_zone_t *z, pasr_idx_t first, uint64_t stop) noexcept nogil:
    """Park the regions that moving free blocks has completed on one list."""
    cdef uint64_t block
    if z.mode & PASR_MODE_PARKING:
        for block in range(first >> PASR_MAX_PAGE_ORDER, (stop + PASR_TOP_PAGES - 1) >> PASR_MAX_PAGE_ORDER):
            region_offer(z, <pasr_idx_t> (block << PASR_MAX_PAGE_ORDER))


cdef void split_at(pasr_zone_t *z, uint64_t idx) noexcept nogil:
    """Make pageblocks of the free block that lies on both sides of a boundary of pageblocks: ``split_free_pages()``."""
    cdef pasr_block_t block = zone_block_of(z, <pasr_idx_t> idx)
    cdef uint32_t region = region_of(z, block.head, z.mode)
    cdef uint64_t at = block.head
    if block.migratetype == PASR_PARKED:
        region_unpark(z, region, z.movable)
        block.migratetype = z.movable
    list_remove(z, block.head, block.order, block.migratetype, region, z.mode)
    set_tag(z, block.head, block.order, PASR_TAG_SPLIT if block.order == PASR_MAX_PAGE_ORDER else 0)
    while at != block_end(block):
        zone_put(z, <pasr_idx_t> at, z.pageblock_order, block.migratetype, region, False, z.mode)
        at += <uint64_t> 1 << z.pageblock_order


cdef inline uint64_t nr_highatomic_in(const pasr_zone_t *z, pasr_idx_t idx, uint64_t stop) noexcept nogil:
    """Pages of the HIGHATOMIC pageblocks of a range."""
    cdef uint64_t at, nr = 0
    if z.rules == PASR_RULES_CLAIM:
        for at in range(idx >> z.pageblock_order, ((stop - 1) >> z.pageblock_order) + 1):
            nr += z.pageblocks[at] == PASR_HIGHATOMIC
    return nr << z.pageblock_order


cdef inline bint crosses(const pasr_zone_t *z, uint64_t idx) noexcept nogil:
    """Whether a free block lies on both sides of the boundary before frame *idx*."""
    cdef pasr_block_t block
    if idx <= z.first or idx >= z.end:
        return False
    block = zone_block_of(z, <pasr_idx_t> idx)
    return block.state == PASR_FREE and block.head < idx


cdef int zone_set_pageblocks(
    pasr_zone_t *z, int64_t pfn, uint64_t nr, uint32_t migratetype
) noexcept nogil:
    """Give whole pageblocks another migratetype and move their free blocks to its lists.

    The first and last pageblock of the zone may be cut short by its span. Returns
    PASR_OK, or with the zone unchanged PASR_ERANGE, PASR_EDOM (not whole
    pageblocks) or PASR_EBUSY (a free block reaches beyond the range; 6.12 splits
    it). O(blocks of the range).
    """
    cdef pasr_idx_t idx
    cdef uint64_t stop
    cdef uint64_t mask = (<uint64_t> 1 << z.pageblock_order) - 1
    if not spans_range(z, pfn, nr):
        return PASR_ERANGE
    idx = idx_of(z, pfn)
    stop = idx + nr
    if (idx & mask and idx != z.first) or (stop & mask and stop != z.end):
        return PASR_EDOM
    if crosses(z, idx) or crosses(z, stop):
        if z.rules != PASR_RULES_CLAIM:
            return PASR_EBUSY
        if crosses(z, idx):
            split_at(z, idx)
        if crosses(z, stop):
            split_at(z, stop)
    zone_move_freepages(z, idx, stop, migratetype)
    z.nr_highatomic -= nr_highatomic_in(z, idx, stop)
    memset(
        &z.pageblocks[idx >> z.pageblock_order], <int> migratetype,
        ((stop - 1) >> z.pageblock_order) - (idx >> z.pageblock_order) + 1)
    z.nr_highatomic += nr_highatomic_in(z, idx, stop)
    zone_note_cma(z)
    zone_offer_range(z, idx, stop)
    return PASR_OK
