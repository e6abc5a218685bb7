"""Where the blocks of a replay lie: what is seldom needed."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pasralloc._core.node cimport node_advance
from pasralloc._core.nodetypes cimport pasr_memory_t
from pasralloc._core.pcp cimport pcp_alloc_block, pcp_drain
from pasralloc._core.ranges cimport zone_split_allocated, zone_take_range
from pasralloc._core.replaytypes cimport give_place
from pasralloc._core.rmqueue cimport zone_alloc
from pasralloc._core.types cimport PASR_TOP_MASK, pasr_pageset_t

from pasralloc.units import MAX_TIME_NS

cdef int64_t MAX_TIME = MAX_TIME_NS


cdef int64_t place_on_cpu(replay_t *r, uint32_t order, uint32_t migratetype) noexcept nogil:
    """Allocate through the pageset; before that fails all pagesets are drained, as direct reclaim does."""
    cdef pasr_pageset_t *pagesets = r.zone.pagesets
    cdef uint32_t cpu
    cdef int64_t idx = pcp_alloc_block(r.zone, &pagesets[r.cpu], order, migratetype, 0)
    if idx >= 0:
        return idx
    for cpu in range(r.zone.nr_cpus):
        pcp_drain(r.zone, cpu)
    return pcp_alloc_block(r.zone, &pagesets[r.cpu], order, migratetype, 0)


cdef pasr_idx_t place_seed(replay_t *r, uint32_t migratetype) noexcept nogil:
    """Allocate a page that was in use before the trace: in one zone pagesets do not matter yet."""
    cdef int64_t pfn
    if r.memory != NULL:
        return place(r, 0, migratetype, 0, 0, True)
    pfn = zone_alloc(r.zone, 0, migratetype)
    return name_of_pfn(r, pfn) if pfn >= 0 else PASR_NIL


cdef uint64_t take_pages(
    replay_t *r, int64_t pfn, uint64_t nr, uint32_t migratetype, bint *has_place
) noexcept nogil:
    """Allocate the first of *nr* pages at their own pfns, as single ones, and say whether that is possible.

    Returns how many it is about: all, or as many as lie in one zone, or in the block of the
    largest order that is part of none.
    """
    cdef pasr_zone_t *z = r.zone
    cdef int64_t stop = pfn + <int64_t> nr, page
    cdef uint32_t at = zone_at(r.memory, pfn) if r.memory != NULL else 0
    if at == PASR_NO_ZONE:
        has_place[0] = False
        return <uint64_t> (min(stop, (pfn | PASR_TOP_MASK) + 1) - pfn)
    if r.memory != NULL:
        z = r.memory.zones[at].zone
        stop = min(stop, z.start_pfn + <int64_t> z.nr_pages)
    has_place[0] = zone_take_range(z, pfn, <uint64_t> (stop - pfn), migratetype) >= 0
    if has_place[0]:
        for page in range(pfn, stop):
            # Splitting a single page does nothing, so this splits each block once.
            zone_split_allocated(z, page, 0)
    return <uint64_t> (stop - pfn)


cdef void pass_time(replay_t *r) noexcept nogil:
    """Let the time of the memory pass up to that of the event."""
    cdef pasr_memory_t *m = r.clocked
    cdef uint64_t now = <uint64_t> r.now_ns - <uint64_t> r.first_ns
    cdef int64_t due = m.vmstat_at_ns
    cdef uint64_t nr_tried = m.evacuation.nr_tried
    # More than any trace spans.
    node_advance(m, <int64_t> min(now, <uint64_t> MAX_TIME))
    if m.vmstat_at_ns != due or m.evacuation.nr_tried != nr_tried:
        r.is_everywhere = True           # pagesets have decayed, or blocks were moved


cdef int follow_move(void *context, int64_t old_pfn, int64_t new_pfn, uint32_t order) noexcept nogil:
    """Sink of the memory: the block keeps its name, wherever it goes. What the trace does not own stays."""
    cdef replay_t *r = <replay_t *> context
    cdef pasr_idx_t old = name_of_pfn(r, old_pfn), owner
    if r.owners == NULL:
        return -1
    owner = r.owners[old - 1]
    # Entries of places that were left are not cleared.
    if owner == 0 or r.names[owner - 1] != old:
        return -1
    give_place(r, owner - 1, name_of_pfn(r, new_pfn))
    return 0
