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
from pasralloc._core.zone cimport find_allocated, pageblock_type, tag_allocated, tag_cached, tag_order


cdef inline int64_t pcp_alloc_block(
    pasr_zone_t *z, pasr_pageset_t *pageset, uint32_t order, uint32_t migratetype, uint32_t flags
) noexcept nogil:
    """Frame index of a new block, or PASR_ENOMEM."""
    cdef pasr_pcplist_t *pcplist
    cdef pasr_idx_t idx
    if cython.likely(order == 0):
        pcplist = &pageset.lists[migratetype]
        if cython.likely(pcplist.first != pcplist.end):
            idx = pcplist.pages[pcplist.first]
            pcplist.first += 1
            pageset.count -= 1
            pageset.free_count >>= 1
            z.tags[idx] = tag_allocated(0, migratetype)
            return idx
    return pcp_alloc_other(z, pageset, order, migratetype, flags)


cdef inline int pcp_free_block(pasr_zone_t *z, pasr_pageset_t *pageset, int64_t pfn, int order) noexcept nogil:
    cdef pasr_pcplist_t *pcplist
    cdef pasr_idx_t idx = 0
    cdef uint32_t migratetype
    cdef uint8_t tag = 0
    cdef int error = find_allocated(z, pfn, order, &idx, &tag)
    if cython.unlikely(error != PASR_OK):
        return error
    if cython.likely(tag_order(tag) == 0):
        migratetype = pageblock_type(z, idx)
        pcplist = &pageset.lists[migratetype]
        if cython.likely(migratetype < z.pcp_nr_plain and pcplist.first != 0):
            z.tags[idx] = tag_cached(0)
            pcplist.first -= 1
            pcplist.pages[pcplist.first] = idx
            pageset.count += 1
            pageset.alloc_factor >>= 1
            pageset.was_high_order = False
            pageset.free_count += pageset.free_count < z.pcp_most_freed
            if cython.unlikely(pageset.count >= pageset.high):
                pcp_spill(z, pageset, migratetype, False)
            return PASR_OK
    pcp_free_other(z, pageset, idx, tag_order(tag))
    return PASR_OK


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
