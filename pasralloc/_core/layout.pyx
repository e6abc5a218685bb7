"""Where the arrays of a zone lie in its one buffer."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from pasralloc._core.types cimport (
    PASR_MAX_PAGE_ORDER, PASR_NR_EXTFRAG, PASR_NR_MIGRATETYPES, PASR_NR_PAGE_ORDERS, pasr_extfrag_t,
    PASR_NR_PCPLISTS, PASR_RULES_STEAL, pasr_freelist_t, pasr_idx_t, pasr_link_t, pasr_pageset_t, pasr_region_t,
    pasr_run_t,
)
from pasralloc._core.zone cimport nr_pageblocks, nr_region_words, pcplist_order

cdef inline void bind_list(const pasr_zone_t *z, pasr_freelist_t *fl, char *memory, uint64_t *offset) noexcept nogil:
    fl.leaf = <uint64_t *> carve(memory, offset, nr_region_words(z), sizeof(uint64_t))
    fl.runs = <pasr_run_t *> carve(memory, offset, z.nr_regions, sizeof(pasr_run_t))


cdef inline uint32_t pcplist_room(const pasr_zone_t *z, uint32_t index) noexcept nogil:
    """Blocks that one list of a pageset can come to hold, and some room to slide.

    A free goes on while the pageset holds less than ``high`` pages; beside that a
    list holds what one refill brought, which of 3.9 may come on top.
    """
    cdef uint32_t order = pcplist_order(z, index)
    cdef uint32_t most
    if not z.pcp_orders >> order & 1:
        return 0
    most = z.pcp_high_max
    if z.pcp_batch > most:
        most = z.pcp_batch
    if z.rules == PASR_RULES_STEAL:
        most += 3 * z.pcp_batch
    most >>= order
    return most + most // 8 + 64


cdef uint64_t zone_bind(pasr_zone_t *z, char *memory) noexcept nogil:
    """Point the arrays of *z* into *memory* and return how many bytes they take.

    Needs only the geometry: `nr_blocks`, `nr_regions`, `pageblock_order`, and
    the number and sizes of pagesets. With NULL it just counts. The small arrays come first, so that a zone whose pages
    are never touched keeps to a few dense pages of memory.
    """
    cdef uint64_t at = 0
    cdef uint32_t order, migratetype, cpu, i, room
    cdef pasr_idx_t *pages
    cdef uint64_t nr_frames = <uint64_t> z.nr_blocks << PASR_MAX_PAGE_ORDER
    z.regions = <pasr_region_t *> carve(memory, &at, z.nr_regions, sizeof(pasr_region_t))
    z.region_ends = <pasr_idx_t *> carve(memory, &at, z.nr_regions, sizeof(pasr_idx_t))
    z.changed = <uint64_t *> carve(memory, &at, nr_region_words(z), sizeof(uint64_t))
    z.attention = <uint64_t *> carve(memory, &at, nr_region_words(z), sizeof(uint64_t))
    z.extfrag = <pasr_extfrag_t *> carve(memory, &at, PASR_NR_EXTFRAG, sizeof(pasr_extfrag_t))
    z.region_of_block = <uint16_t *> carve(memory, &at, z.nr_blocks, sizeof(uint16_t))
    z.pageblocks = <uint8_t *> carve(memory, &at, nr_pageblocks(z), 1)
    z.top_tags = <uint8_t *> carve(memory, &at, z.nr_blocks, 1)
    z.top_links = <pasr_link_t *> carve(memory, &at, z.nr_blocks, sizeof(pasr_link_t))
    for order in range(PASR_NR_PAGE_ORDERS):
        for migratetype in range(PASR_NR_MIGRATETYPES):
            bind_list(z, &z.lists[order][migratetype], memory, &at)
    bind_list(z, &z.parked, memory, &at)
    z.pagesets = <pasr_pageset_t *> carve(memory, &at, z.nr_cpus, sizeof(pasr_pageset_t))
    for cpu in range(z.nr_cpus):
        for i in range(PASR_NR_PCPLISTS):
            room = pcplist_room(z, i)
            pages = <pasr_idx_t *> carve(memory, &at, room, sizeof(pasr_idx_t))
            if memory != NULL:
                z.pagesets[cpu].lists[i].pages = pages
                z.pagesets[cpu].lists[i].room = room
    z.tags = <uint8_t *> carve(memory, &at, nr_frames, 1)
    z.links = <pasr_link_t *> carve(memory, &at, nr_frames, sizeof(pasr_link_t))
    return at
