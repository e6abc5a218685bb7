"""Buddy primitives that are not on the hot path: set-up, ranges, questions."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memset

from pasralloc._core.bits cimport highest_bit, lowest_bit, regionmap_set
from pasralloc._core.types cimport (
    PASR_ABSENT, PASR_ALLOCATED, PASR_CMA, PASR_EALREADY, PASR_EBUSY, PASR_EDOM, PASR_EEXIST,
    PASR_EINVAL, PASR_ENXIO, PASR_ERANGE, PASR_FREE, PASR_NIL, PASR_NR_MIGRATETYPES,
    PASR_NR_PAGE_ORDERS, PASR_OK, PASR_RULES_CLAIM,
)


cdef void zone_init(pasr_zone_t *z, uint32_t movable) noexcept nogil:
    """Make a zone of absent pages from geometry and zeroed, bound arrays.

    All pageblocks start as *movable*, as at the boot of Linux.
    """
    cdef uint32_t block, order, migratetype
    cdef uint64_t region_blocks = z.region_pages >> PASR_MAX_PAGE_ORDER
    z.nr_free = z.managed = z.changed_root = z.nr_extfrag = 0
    for block in range(z.nr_blocks):
        z.region_of_block[block] = <uint16_t> (block // region_blocks)
    memset(z.pageblocks, <int> movable, nr_pageblocks(z))
    for migratetype in range(PASR_NR_MIGRATETYPES):
        z.nonempty[migratetype] = 0
        for order in range(PASR_NR_PAGE_ORDERS):
            z.lists[order][migratetype].head = PASR_NIL


cdef pasr_block_t zone_block_of(const pasr_zone_t *z, pasr_idx_t idx) noexcept nogil:
    """The block that covers frame *idx*: free, allocated, or absent.

    An absent page is reported as a block of order 0, or as one of the largest
    order where nothing of those 1024 pages was ever managed. Reads at most 11 tags.
    """
    cdef pasr_block_t found
    cdef uint32_t order = PASR_MAX_PAGE_ORDER
    cdef uint8_t tag = z.top_tags[idx >> PASR_MAX_PAGE_ORDER]
    found.pad = 0
    found.head = idx & ~(<pasr_idx_t> PASR_TOP_MASK)
    if tag == PASR_TAG_SPLIT:
        tag = 0
        for order in range(PASR_MAX_PAGE_ORDER):
            found.head = idx & ~((<pasr_idx_t> 1 << order) - 1)
            tag = z.tags[found.head]
            if tag != 0 and tag_order(tag) >= order:
                break
            tag = 0
    if tag == 0:
        found.state = PASR_ABSENT
        found.migratetype = 0
        if order != PASR_MAX_PAGE_ORDER:
            found.head = idx
            order = 0
    else:
        found.state = PASR_FREE if tag & PASR_TAG_FREE else PASR_ALLOCATED
        found.migratetype = <uint8_t> tag_type(tag)
        order = tag_order(tag)
    found.order = <uint8_t> order
    return found


cdef inline pasr_idx_t block_end(pasr_block_t block) noexcept nogil:
    return block.head + (<pasr_idx_t> 1 << block.order)


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


cdef void manage(pasr_zone_t *z, pasr_idx_t idx, uint32_t nr) noexcept nogil:
    """Count at most 1024 new pages, which touch at most two regions."""
    cdef uint32_t region = region_of(z, idx, PASR_MODE_STRADDLE)
    cdef uint64_t region_end = (region + 1) * z.region_pages + z.region_bias
    z.managed += nr
    if idx + nr > region_end:
        manage_in(z, region + 1, <uint32_t> (idx + nr - region_end))
        nr = <uint32_t> (region_end - idx)
    manage_in(z, region, nr)


cdef int zone_add_pages(pasr_zone_t *z, int64_t pfn, uint64_t nr) noexcept nogil:
    """Hand absent pages to the allocator, as free blocks in ascending order of pfn.

    Returns PASR_OK; PASR_ERANGE (outside the span) or PASR_EEXIST (already
    managed) with the zone unchanged. O(nr / 1024 + log nr) for whole blocks.
    """
    cdef pasr_idx_t idx
    cdef uint32_t order, nr_piece
    cdef int error = check_range(z, pfn, nr, PASR_ABSENT)
    if error != PASR_OK:
        return error
    idx = idx_of(z, pfn)
    while nr != 0:
        order = largest_piece(idx, nr)
        nr_piece = <uint32_t> 1 << order
        if order < PASR_MAX_PAGE_ORDER:
            z.top_tags[idx >> PASR_MAX_PAGE_ORDER] = PASR_TAG_SPLIT
        manage(z, idx, nr_piece)
        zone_give(z, idx, order, pageblock_type(z, idx), True, z.mode)
        idx += nr_piece
        nr -= nr_piece
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
            region_take(z, region, half)
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
    if tag == 0 or tag & PASR_TAG_FREE:
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
    the generation puts it.
    """
    cdef uint64_t nr_moved = 0, idx = first
    cdef uint32_t region
    cdef pasr_block_t block
    while idx < stop:
        block = zone_block_of(z, <pasr_idx_t> idx)
        if block.state == PASR_FREE:
            region = region_of(z, block.head, z.mode)
            list_remove(z, block.head, block.order, block.migratetype, region, z.mode)
            zone_put(z, block.head, block.order, migratetype, region, z.fresh_to_tail, z.mode)
            nr_moved += <uint64_t> 1 << block.order
        idx = block_end(block)
    return nr_moved


cdef void zone_note_cma(pasr_zone_t *z) noexcept nogil:
    """Note whether movable requests have CMA pageblocks to think of; after any change of pageblocks to or from CMA."""
    z.cma_first = 0
    if z.rules == PASR_RULES_CLAIM and memchr(z.pageblocks, PASR_CMA, nr_pageblocks(z)) != NULL:
        z.cma_first = <uint8_t> (1 << z.movable)


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
    pageblocks) or PASR_EBUSY (a free block reaches beyond the range).
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
        return PASR_EBUSY
    memset(
        &z.pageblocks[idx >> z.pageblock_order], <int> migratetype,
        ((stop - 1) >> z.pageblock_order) - (idx >> z.pageblock_order) + 1)
    zone_move_freepages(z, idx, stop, migratetype)
    zone_note_cma(z)
    return PASR_OK


cdef int zone_free_error(const pasr_zone_t *z, int64_t pfn, int order) noexcept nogil:
    """Why *pfn* cannot be freed as a block of *order* (-1: of any order); PASR_OK if it can."""
    cdef pasr_block_t block
    if not zone_spans(z, pfn):
        return PASR_ERANGE
    block = zone_block_of(z, idx_of(z, pfn))
    if block.state == PASR_ABSENT:
        return PASR_ENXIO
    if block.state == PASR_FREE:
        return PASR_EALREADY
    if block.head != idx_of(z, pfn):
        return PASR_EINVAL
    if order >= 0 and order != <int> block.order:
        return PASR_EDOM
    return PASR_OK


cdef uint64_t zone_blocks(const pasr_zone_t *z, pasr_block_t *out, uint64_t room) noexcept nogil:
    """Write up to *room* blocks that are not absent, in ascending order; return how many there are."""
    cdef uint64_t nr = 0
    cdef pasr_idx_t idx = z.first
    cdef pasr_block_t block
    while idx < z.end:
        block = zone_block_of(z, idx)
        if block.state != PASR_ABSENT:
            if nr < room:
                out[nr] = block
            nr += 1
        idx = block_end(block)
    return nr
