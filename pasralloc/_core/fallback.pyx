"""What happens when the lists of a migratetype are dry, by kernel generation.

Linux 3.9 steals: the largest block of the first type that has one, and often the
free pages of its pageblock as well. Linux 6.12 claims a whole pageblock if
enough of it is free or alike, and only then steals the smallest block that
fits, whose pageblock stays what it was.

None of this is a hot path, so the mode of the zone is looked up at run time.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pasralloc._core.bits cimport lowest_bit
from pasralloc._core.freelist cimport idx_of_node, list_first_of, list_remove, region_of
from pasralloc._core.ranges cimport zone_move_freepages
from pasralloc._core.types cimport (
    PASR_ALLOC_NOFRAGMENT, PASR_ALLOCATED, PASR_CMA, PASR_ENOMEM, PASR_FREE, PASR_ISOLATE, PASR_MODE_PARKING,
    PASR_NIL, PASR_NR_EXTFRAG, PASR_NR_PAGE_ORDERS, PASR_NR_PCPTYPES, PASR_RESERVE, PASR_RULES_CLAIM, pasr_block_t,
    pasr_extfrag_t, pasr_freelist_t, pasr_idx_t,
)
from pasralloc._core.zone cimport (
    nr_region_words, pageblock_type, retype_pageblocks, zone_block_of, zone_expand, zone_take, zone_take_smallest,
)


cdef uint64_t nr_free_of(const pasr_zone_t *z, uint32_t migratetype) noexcept nogil:
    """Free pages on the lists of a migratetype."""
    cdef uint64_t nr = 0
    cdef uint32_t order
    for order in range(PASR_NR_PAGE_ORDERS):
        nr += <uint64_t> z.lists[order][migratetype].nr_blocks << order
    return nr


cdef int64_t cma_balance(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil:
    """Take from CMA pageblocks while they hold more than half of the free pages, else PASR_ENOMEM.

    Otherwise movable pages would fill all else first, and unmovable requests
    would fail with much CMA memory free. Isolated pages do not count as free.
    """
    if nr_free_of(z, PASR_CMA) <= (z.nr_free - nr_free_of(z, PASR_ISOLATE)) // 2:
        return PASR_ENOMEM
    return zone_take_smallest(z, order, PASR_CMA, migratetype, z.mode)


cdef void note(
    pasr_zone_t *z, pasr_idx_t idx, uint32_t order, uint32_t migratetype, uint32_t fallback_order,
    uint32_t fallback_type
) noexcept nogil:
    cdef pasr_extfrag_t *event = &z.extfrag[z.nr_extfrag % PASR_NR_EXTFRAG]
    z.nr_extfrag += 1
    event.idx = idx
    event.order = <unsigned char> order
    event.migratetype = <unsigned char> migratetype
    event.fallback_order = <unsigned char> fallback_order
    event.fallback_type = <unsigned char> fallback_type
    event.change_ownership = pageblock_type(z, idx) == migratetype


cdef inline int find_type(const pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil:
    """First type of the fallback row with a block of exactly *order*, or -1."""
    cdef uint32_t i, other
    for i in range(z.nr_fallbacks[migratetype]):
        other = z.fallbacks[migratetype][i]
        if z.nonempty[other] >> order & 1:
            return <int> other
    return -1


cdef inline pasr_idx_t first_of(const pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil:
    return idx_of_node(z.lists[order][migratetype].head, order)


cdef inline void unlist(pasr_zone_t *z, pasr_idx_t idx, uint32_t *region) noexcept nogil:
    """Take a free block off whatever list it is on."""
    cdef pasr_block_t block = zone_block_of(z, idx)
    region[0] = region_of(z, idx, z.mode)
    list_remove(z, idx, block.order, block.migratetype, region[0], z.mode)


cdef void claim_whole(
    pasr_zone_t *z, pasr_idx_t idx, uint32_t order, uint32_t high, uint32_t migratetype
) noexcept nogil:
    """Make all pageblocks of a free block ours, of at least their order, and allocate its first pages."""
    cdef uint32_t region = 0
    unlist(z, idx, &region)
    retype_pageblocks(z, idx, high, migratetype)
    zone_expand(z, idx, order, high, migratetype, migratetype, region, z.mode)


cdef inline bint holds_group(const pasr_zone_t *z, uint32_t region) noexcept nogil:
    """Whether a region has a pageblock whose pages can be asked for and not be moved at will."""
    cdef uint32_t at = (z.region_ends[region - 1] if region != 0 else z.first) >> z.pageblock_order
    cdef uint32_t last = (z.region_ends[region] - 1) >> z.pageblock_order
    while at <= last:
        if z.pageblocks[at] < PASR_NR_PCPTYPES and z.pageblocks[at] != z.movable:
            return True
        at += 1
    return False


cdef uint32_t lowest_group_region(const pasr_zone_t *z, uint32_t least, uint32_t migratetype) noexcept nogil:
    """Lowest region where unmovable or reclaimable pageblocks stand beside a block to borrow, or PASR_NIL.

    The blocks that count are those of at least order *least* on the lists of the fallback row.
    """
    cdef uint32_t w, i, order
    cdef uint64_t word
    for w in range(nr_region_words(z)):
        word = 0
        for i in range(z.nr_fallbacks[migratetype]):
            for order in range(least, PASR_NR_PAGE_ORDERS):
                word |= z.lists[order][z.fallbacks[migratetype][i]].leaf[w]
        while word != 0:
            if holds_group(z, w * 64 + lowest_bit(word)):
                return w * 64 + lowest_bit(word)
            word &= word - 1
    return PASR_NIL


cdef int64_t grouped_take(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil:
    """Allocate from whole pageblocks of other types that lie where there are unmovable or reclaimable ones.

    The idea of S. S. Bhat, "[RFC PATCH v2 00/15][Sorted-buddy] mm: Memory Power
    Management", linux-mm, 9 April 2013,
    <20130409214443.4500.44168.stgit@srivatsabhat.in.ibm.com>, to-do 4: the lowest
    such region, there the largest block, of two the one of the type that the
    fallback row names first. Its pageblocks become ours even with a region
    allocator. Needs region order.

    Returns a frame index, or PASR_ENOMEM with the zone unchanged. Cost: a look at the pageblocks of all regions
    up to the one it finds, of those that have a block that would do.
    """
    cdef uint32_t least = max(order, <uint32_t> z.pageblock_order)
    cdef uint32_t high = PASR_NR_PAGE_ORDERS, region, i, other
    cdef const pasr_freelist_t *fl
    cdef pasr_idx_t idx
    if migratetype == z.movable:
        return PASR_ENOMEM
    region = lowest_group_region(z, least, migratetype)
    if region == PASR_NIL:
        return PASR_ENOMEM
    while True:                          # a list holds such a block
        high -= 1
        for i in range(z.nr_fallbacks[migratetype]):
            other = z.fallbacks[migratetype][i]
            fl = &z.lists[high][other]
            if fl.runs[region].nr_blocks != 0:
                idx = idx_of_node(list_first_of(z, fl, high, region), high)
                claim_whole(z, idx, order, high, migratetype)
                note(z, idx, order, migratetype, high, other)
                return idx


cdef int64_t claim_block(
    pasr_zone_t *z, uint32_t order, uint32_t high, uint32_t migratetype, uint32_t other
) noexcept nogil:
    """``try_to_claim_block()``: make the pageblock of the first block of (*high*, *other*) ours, and allocate."""
    cdef pasr_idx_t idx = first_of(z, high, other)
    cdef uint64_t nr_pages = <uint64_t> 1 << z.pageblock_order
    cdef uint64_t first = idx & ~(nr_pages - 1), at = first
    cdef uint64_t nr_free = 0, nr_movable = 0, nr_alike = 0
    cdef pasr_block_t block
    if high >= z.pageblock_order:
        claim_whole(z, idx, order, high, migratetype)
        return idx
    # ``boost_watermark()``: types are about to mix, so that reclaim shall free whole pageblocks.
    z.watermark_boost = min(z.watermark_boost + nr_pages, z.boost_max)
    if first < z.first or first + nr_pages > z.end:
        return PASR_ENOMEM
    while at < first + nr_pages:
        block = zone_block_of(z, <pasr_idx_t> at)
        if block.state == PASR_FREE:
            nr_free += <uint64_t> 1 << block.order
        elif block.state == PASR_ALLOCATED and block.migratetype == z.movable:
            nr_movable += <uint64_t> 1 << block.order
        at = block.head + (<uint64_t> 1 << block.order)
    if migratetype == z.movable:
        nr_alike = nr_movable
    elif other == z.movable:
        nr_alike = nr_pages - nr_free - nr_movable      # of unknown kind: as likely unmovable as reclaimable
    if nr_free + nr_alike < nr_pages // 2:
        return PASR_ENOMEM
    zone_move_freepages(z, <pasr_idx_t> first, first + nr_pages, migratetype)
    retype_pageblocks(z, <pasr_idx_t> first, z.pageblock_order, migratetype)
    return zone_take_smallest(z, order, migratetype, migratetype, z.mode)


cdef int64_t claim(pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t flags) noexcept nogil:
    """``__rmqueue_claim()``: largest blocks first; movable requests leave small ones alone.

    With PASR_ALLOC_NOFRAGMENT only whole pageblocks will do.
    """
    cdef uint32_t high = PASR_NR_PAGE_ORDERS, low = order
    cdef int64_t idx
    cdef int other
    if flags & PASR_ALLOC_NOFRAGMENT and order < z.pageblock_order:
        low = z.pageblock_order
    while high > low:
        high -= 1
        if migratetype == z.movable and high < z.pageblock_order // 2:
            break
        other = find_type(z, high, migratetype)
        if other < 0:
            continue
        idx = claim_block(z, order, high, migratetype, other)
        if idx >= 0:
            note(z, <pasr_idx_t> idx, order, migratetype, high, other)
            return idx
    return PASR_ENOMEM


cdef int64_t steal_smallest(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil:
    """``__rmqueue_steal()``: the smallest block that fits; nothing changes its type."""
    cdef uint32_t high
    cdef pasr_idx_t idx
    cdef int other
    for high in range(order, PASR_NR_PAGE_ORDERS):
        other = find_type(z, high, migratetype)
        if other >= 0:
            idx = zone_take(z, order, high, other, migratetype, z.mode)
            note(z, idx, order, migratetype, high, other)
            return idx
    return PASR_ENOMEM


cdef void steal_pageblock(pasr_zone_t *z, pasr_idx_t idx, uint32_t migratetype) noexcept nogil:
    """Move the free pages around a block to our lists; own the pageblock if they are at least half of it.

    With a region allocator memory is only ever on loan.
    """
    cdef uint64_t nr_pages = <uint64_t> 1 << z.pageblock_order
    cdef uint64_t first = idx & ~(nr_pages - 1)
    cdef uint64_t stop = first + nr_pages
    if first < z.first:
        first = idx
    if stop <= z.end and zone_move_freepages(z, <pasr_idx_t> first, stop, migratetype) >= nr_pages // 2 and (
            not z.mode & PASR_MODE_PARKING):
        retype_pageblocks(z, idx, z.pageblock_order, migratetype)


cdef int64_t steal_largest(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil:
    """``__rmqueue_fallback()`` of 3.9: the largest block, and from half a pageblock's order on its neighbours.

    What is left of the block joins our lists, unless it is CMA memory (Linux
    kernel commit 47118af076f6, "mm: mmzone: MIGRATE_CMA migration type added", in v3.5),
    or there is a region allocator: then it stays with the lender.
    """
    cdef uint32_t high = PASR_NR_PAGE_ORDERS, region = 0, remainder
    cdef pasr_idx_t idx
    cdef int other
    while high > order:
        high -= 1
        other = find_type(z, high, migratetype)
        if other < 0:
            continue
        idx = first_of(z, high, other)
        if other != <int> PASR_CMA:
            if high >= z.pageblock_order // 2 or migratetype == z.reclaimable:
                steal_pageblock(z, idx, migratetype)
            if high >= z.pageblock_order and not z.mode & PASR_MODE_PARKING:
                retype_pageblocks(z, idx, high, migratetype)
        unlist(z, idx, &region)
        remainder = migratetype
        if other == <int> PASR_CMA or z.mode & PASR_MODE_PARKING:
            remainder = <uint32_t> other
        zone_expand(z, idx, order, high, remainder, migratetype, region, z.mode)
        note(z, idx, order, migratetype, high, other)
        return idx
    return PASR_ENOMEM


cdef int64_t fallback_take(
    pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t flags, stage_t *stage
) noexcept nogil:
    """Allocate ``2**order`` pages although the lists of *migratetype* have no block that fits.

    In a bulk refill of 6.12 *stage* remembers where the last block came from, so that
    the next one is not looked for in vain before; it starts as OWN.

    Returns a frame index, or PASR_ENOMEM with the zone unchanged. Every block
    that another type gives up is logged; CMA pageblocks of 6.12 and RESERVE
    pageblocks of 3.9 are meant to be used like this and are not. With a region
    allocator nothing is claimed.
    """
    cdef int64_t idx
    if z.rules == PASR_RULES_CLAIM:
        if stage[0] <= CMA and migratetype == z.movable:
            idx = zone_take_smallest(z, order, PASR_CMA, migratetype, z.mode)
            if idx >= 0:
                stage[0] = CMA
                return idx
        if stage[0] != STEAL and not z.mode & PASR_MODE_PARKING:
            idx = claim(z, order, migratetype, flags)
            if idx >= 0:
                stage[0] = OWN
                return idx
        if flags & PASR_ALLOC_NOFRAGMENT:
            return PASR_ENOMEM
        stage[0] = STEAL
        return steal_smallest(z, order, migratetype)
    idx = steal_largest(z, order, migratetype)
    return idx if idx >= 0 else zone_take_smallest(z, order, PASR_RESERVE, migratetype, z.mode)
