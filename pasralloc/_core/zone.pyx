"""Buddy primitives that are not on the hot path: set-up and questions."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memset

from pasralloc._core.bits cimport regionmap_set
from pasralloc._core.freelist cimport region_of
from pasralloc._core.types cimport (
    PASR_ABSENT, PASR_ALLOCATED, PASR_CACHED, PASR_CMA, PASR_EALREADY, PASR_EDOM, PASR_EINVAL, PASR_ENXIO, PASR_ERANGE,
    PASR_FREE, PASR_NIL, PASR_NR_MIGRATETYPES, PASR_NR_PAGE_ORDERS, PASR_NR_PCPLISTS, PASR_OK, PASR_OPENED_NOTED,
    PASR_OPENED_READY, PASR_RULES_CLAIM,
)


cdef void zone_init(pasr_zone_t *z, uint32_t movable) noexcept nogil:
    """Make a zone of absent pages from geometry, `region_ends` and otherwise zeroed, bound arrays.

    All pageblocks start as *movable*, as at the boot of Linux.
    """
    cdef uint32_t block, order, migratetype, cpu, i, region = 0
    z.nr_free = z.managed = z.nr_highatomic = z.watermark_boost = z.changed_root = z.attention_root = z.nr_extfrag = 0
    for block in range(z.nr_blocks):
        while region + 1 < z.nr_regions and (
                (<uint64_t> block << PASR_MAX_PAGE_ORDER) + z.region_bias >= z.region_ends[region]):
            region += 1
        z.region_of_block[block] = <uint16_t> region
    memset(z.pageblocks, <int> movable, nr_pageblocks(z))
    for migratetype in range(PASR_NR_MIGRATETYPES):
        z.nonempty[migratetype] = 0
        for order in range(PASR_NR_PAGE_ORDERS):
            z.lists[order][migratetype].head = PASR_NIL
    z.parked.head = PASR_NIL
    for cpu in range(z.nr_cpus):
        z.pagesets[cpu].high = z.pcp_high_min
        for i in range(PASR_NR_PCPLISTS):
            z.pagesets[cpu].lists[i].first = z.pagesets[cpu].lists[i].end = z.pagesets[cpu].lists[i].room


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
        found.state = PASR_FREE if tag & PASR_TAG_FREE else PASR_CACHED if tag_is_cached(tag) else PASR_ALLOCATED
        found.migratetype = <uint8_t> tag_type(tag)
        order = tag_order(tag)
    found.order = <uint8_t> order
    return found


cdef void zone_alert(pasr_zone_t *z, uint32_t region, pasr_idx_t idx) noexcept nogil:
    """Look at a free at *idx* that leaves few pages of its region in use, or that comes after a region was opened."""
    cdef uint32_t used = z.regions[region].managed - z.regions[region].nr_free
    if z.opened_state == PASR_OPENED_NOTED:
        z.opened_state = PASR_OPENED_READY
        z.alert_used = z.notify_used
    if used == 0:
        regionmap_set(&z.changed_root, z.changed, region)
    if 0 < used <= z.notify_used:
        attend(z, region, idx)


cdef inline void attend(pasr_zone_t *z, uint32_t region, pasr_idx_t idx) noexcept nogil:
    """Have the worker look at a region because of what was freed at *idx*."""
    cdef uint32_t migratetype = pageblock_type(z, idx)
    if region != 0 and (migratetype == z.movable or migratetype == z.reclaimable):
        regionmap_set(&z.attention_root, z.attention, region)


cdef void zone_alert_last(pasr_zone_t *z, pasr_idx_t idx, uint32_t nr_pages) noexcept nogil:
    """After several blocks at *idx* of *nr_pages* each were freed at once: the last of them was in use for a moment."""
    cdef uint32_t region = region_of(z, idx, z.mode)
    if nr_pages <= z.notify_used and z.regions[region].nr_free == z.regions[region].managed:
        attend(z, region, idx)


cdef void zone_note_cma(pasr_zone_t *z) noexcept nogil:
    """Note whether movable requests have CMA pageblocks to think of; after any change of pageblocks to or from CMA."""
    z.cma_first = 0
    if z.rules == PASR_RULES_CLAIM and memchr(z.pageblocks, PASR_CMA, nr_pageblocks(z)) != NULL:
        z.cma_first = <uint8_t> (1 << z.movable)


cdef int zone_free_error(const pasr_zone_t *z, int64_t pfn, int order) noexcept nogil:
    """Why *pfn* cannot be freed as a block of *order* (-1: of any order); PASR_OK if it can."""
    cdef pasr_block_t block
    if not zone_spans(z, pfn):
        return PASR_ERANGE
    block = zone_block_of(z, idx_of(z, pfn))
    if block.state == PASR_ABSENT:
        return PASR_ENXIO
    if block.state == PASR_FREE or block.state == PASR_CACHED:
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
