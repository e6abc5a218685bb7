"""Per-CPU pagesets: lists of blocks that a CPU takes and gives without looking at the zone.

Blocks on a pageset are not free to the zone or to their region. Sizes and rules
are those of the kernel generation. One thread at a time for one zone, for its
pagesets as well.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t

from pasralloc._core.types cimport (
    PASR_COSTLY_ORDER, PASR_OK, pasr_idx_t, pasr_pageset_t, pasr_pcplist_t, pasr_zone_t,
)
from pasralloc._core.zone cimport (
    find_allocated, find_page, pageblock_type, pasr_tags_t, tag_allocated, tag_cached, tag_of, tag_order, tags_of,
)


cdef inline int64_t pcp_take_page(
    const pasr_zone_t *z, pasr_tags_t tags, pasr_pageset_t *pageset, pasr_pcplist_t *pcplist, uint32_t migratetype
) noexcept nogil:
    """The pfn of a new page from the list of its type, which is not empty."""
    cdef uint32_t first = pcplist.first
    cdef int64_t pfn = z.base_pfn + pcplist.pages[first]
    pcplist.first = first + 1
    pageset.count -= 1
    pageset.free_count >>= 1
    tag_of(tags, pfn)[0] = tag_allocated(0, migratetype)
    return pfn


cdef inline int64_t pcp_alloc_block(
    pasr_zone_t *z, pasr_pageset_t *pageset, uint32_t order, uint32_t migratetype, uint32_t flags
) noexcept nogil:
    """Frame index of a new block, or PASR_ENOMEM."""
    cdef pasr_pcplist_t *pcplist = &pageset.lists[migratetype]
    if cython.likely(order == 0 and pcplist.first != pcplist.end):
        return pcp_take_page(z, tags_of(z), pageset, pcplist, migratetype) - z.base_pfn
    return pcp_alloc_other(z, pageset, order, migratetype, flags)


cdef inline bint pcp_give_page(
    pasr_zone_t *z, pasr_tags_t tags, pasr_pageset_t *pageset, int64_t pfn
) noexcept nogil:
    """Free what starts at *pfn* if that is a page of a type with a list that has room; return whether it is."""
    cdef pasr_pcplist_t *pcplist
    cdef pasr_idx_t idx = 0
    cdef uint32_t migratetype, first, count, free_count
    if cython.unlikely(not find_page(z, tags, pfn, &idx)):
        return False
    migratetype = pageblock_type(z, idx)
    pcplist = &pageset.lists[migratetype]
    first = pcplist.first
    if cython.unlikely(migratetype >= z.pcp_nr_plain or first == 0):
        return False
    tag_of(tags, pfn)[0] = tag_cached(0)
    first -= 1
    pcplist.first = first
    pcplist.pages[first] = idx
    count = pageset.count + 1
    free_count = pageset.free_count
    pageset.count = count
    pageset.free_count = free_count + (free_count < z.pcp_most_freed)
    pageset.alloc_factor >>= 1
    pageset.was_high_order = False
    if cython.unlikely(count >= pageset.high):
        pcp_spill(z, pageset, migratetype, False)
    return True


cdef inline int pcp_free_block(
    pasr_zone_t *z, pasr_tags_t tags, pasr_pageset_t *pageset, int64_t pfn, int order
) noexcept nogil:
    cdef pasr_idx_t idx = 0
    cdef uint8_t tag = 0
    cdef int error
    if cython.likely(order <= 0 and pcp_give_page(z, tags, pageset, pfn)):
        return PASR_OK
    error = find_allocated(z, pfn, order, &idx, &tag)
    if error == PASR_OK:
        pcp_free_other(z, pageset, idx, tag_order(tag))
    return error


cdef int64_t pcp_alloc_other(
    pasr_zone_t *z, pasr_pageset_t *pageset, uint32_t order, uint32_t migratetype, uint32_t flags
) noexcept nogil
cdef void pcp_free_other(pasr_zone_t *z, pasr_pageset_t *pageset, pasr_idx_t idx, uint32_t order) noexcept nogil
cdef void pcp_spill(pasr_zone_t *z, pasr_pageset_t *pageset, uint32_t index, bint free_high) noexcept nogil
cdef int64_t pcp_alloc(
    pasr_zone_t *z, uint32_t cpu, uint32_t order, uint32_t migratetype, uint32_t flags
) noexcept nogil
cdef int pcp_free(pasr_zone_t *z, uint32_t cpu, int64_t pfn, int order) noexcept nogil
cdef uint32_t pcp_drain(pasr_zone_t *z, uint32_t cpu) noexcept nogil
cdef uint32_t pcp_decay(pasr_zone_t *z, uint32_t cpu) noexcept nogil
