"""Allocation from the zones of a machine, and what happens as time goes by."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from pasralloc._core.evacuation cimport evacuation_collect, evacuation_run
from pasralloc._core.lru cimport lru_remove
from pasralloc._core.moved cimport moment_of, moment_t
from pasralloc._core.nodetypes cimport (
    PASR_ALLOC_MIN_RESERVE, PASR_LRU_ANON, PASR_LRU_FILE, PASR_LRU_UNEVICTABLE, PASR_PAGE_UNKNOWN, PASR_TRIGGER_NONE,
    PASR_WMARK_HIGH, PASR_WMARK_LOW, PASR_WMARK_MIN, PASR_ZONE_DMA32, PASR_ZONE_NORMAL,
)
from pasralloc._core.pcp cimport pcp_alloc, pcp_decay, pcp_drain, pcp_free
from pasralloc._core.reclaim cimport SWAP_CLUSTER_MAX, kswapd_run, reclaim_pages
from pasralloc._core.reserves cimport highatomic_unreserve
from pasralloc._core.types cimport (
    PASR_ALLOC_NOFRAGMENT, PASR_ALLOC_NON_BLOCK, PASR_COSTLY_ORDER, PASR_ENOMEM, PASR_ERANGE, PASR_OK,
    PASR_RULES_CLAIM, PASR_ZONE_BELOW_HIGH, pasr_pageset_t,
)
from pasralloc._core.watermark cimport watermark_ok, wmark_pages
from pasralloc._core.zone cimport idx_of, minds_flags, zone_free_error, zone_set_flags

cdef enum:
    MAX_RECLAIM_RETRIES = 16


cdef void want_kswapd(pasr_memory_t *m, pasr_memzone_t *mz) noexcept nogil:
    mz.wants_kswapd = True
    if not m.is_kswapd_due:
        m.is_kswapd_due = True
        m.kswapd_at_ns = m.now_ns + m.kswapd_latency_ns


cdef bint avoids_fragments(const pasr_memory_t *m, const uint16_t *zonelist) noexcept nogil:
    """``alloc_flags_nofragment()``: rather go to DMA32 than mix types in a pageblock of Normal."""
    cdef const pasr_memzone_t *first
    cdef uint32_t i
    if not m.claims or zonelist[0] == PASR_NO_ZONE:
        return False
    first = &m.zones[zonelist[0]]
    if first.type != PASR_ZONE_NORMAL:
        return False
    if m.nr_nodes == 1:
        return True
    for i in range(m.nr_zones):
        if m.zones[i].nid == first.nid and m.zones[i].type == PASR_ZONE_DMA32:
            return True
    return False


cdef inline bint is_above(
    const pasr_memzone_t *mz, uint32_t level, uint32_t order, uint32_t wmark, uint32_t highest, uint32_t migratetype,
    uint32_t flags
) noexcept nogil:
    """``zone_watermark_fast()``, of the watermark *level* in an attempt at *wmark*.

    At min, a single page for which reserves are open may ignore what a boost adds to that.
    """
    if watermark_ok(mz, order, wmark_pages(mz, level), highest, migratetype, flags):
        return True
    if order != 0 or wmark != <uint32_t> PASR_WMARK_MIN or not flags & PASR_ALLOC_MIN_RESERVE:
        return False
    return mz.zone.watermark_boost != 0 and watermark_ok(mz, 0, mz.watermarks[wmark], highest, migratetype, flags)


cdef inline bint has_enough(
    pasr_memzone_t *mz, uint32_t order, uint32_t wmark, uint32_t highest, uint32_t migratetype, uint32_t flags
) noexcept nogil:
    """Whether a request may take from a zone; notes that it is below its high watermark, where that is new."""
    if minds_flags(mz.zone) and not mz.zone.flags & PASR_ZONE_BELOW_HIGH:
        if is_above(mz, PASR_WMARK_HIGH, order, wmark, highest, migratetype, flags):
            return True
        zone_set_flags(mz.zone, mz.zone.flags | PASR_ZONE_BELOW_HIGH)
    return is_above(mz, wmark, order, wmark, highest, migratetype, flags)


cdef int64_t get_page(
    pasr_memory_t *m, const uint16_t *zonelist, uint32_t wmark, uint32_t highest, uint32_t cpu, uint32_t order,
    uint32_t migratetype, uint32_t flags
) noexcept nogil:
    """``get_page_from_freelist()``: the first zone of the list that has enough and finds a block.

    Only the first attempt, at the low watermark, avoids to mix types.
    """
    cdef pasr_memzone_t *mz
    cdef uint32_t i = 0, avoiding = 0
    cdef int64_t pfn
    if wmark == <uint32_t> PASR_WMARK_LOW and not flags & PASR_ALLOC_NOFRAGMENT and avoids_fragments(m, zonelist):
        avoiding = PASR_ALLOC_NOFRAGMENT
    while True:
        if zonelist[i] == PASR_NO_ZONE:
            if not avoiding:
                return PASR_ENOMEM
            avoiding = i = 0
            continue
        mz = &m.zones[zonelist[i]]
        if avoiding and mz.nid != m.zones[zonelist[0]].nid:
            # Memory of the own node matters more than pageblocks of one type.
            avoiding = i = 0
            continue
        if has_enough(mz, order, wmark, highest, migratetype, flags):
            pfn = pcp_alloc(mz.zone, cpu, order, migratetype, (flags | avoiding) & ~<uint32_t> PASR_ALLOC_MIN_RESERVE)
            if pfn >= 0:
                if mz.zone.watermark_boost != 0 and not mz.wants_kswapd:
                    want_kswapd(m, mz)
                return pfn
        else:
            mz.nr_misses += 1
        m.nr_walked += 1
        i += 1


cdef uint64_t reclaim_direct(pasr_memory_t *m, const uint16_t *zonelist, uint32_t cpu) noexcept nogil:
    """Reclaim a cluster of pages from the first zones that have any; return how many."""
    cdef uint64_t nr_freed = 0, nr
    cdef pasr_memzone_t *mz
    cdef uint32_t i = 0
    m.nr_direct_runs += 1
    while zonelist[i] != PASR_NO_ZONE and nr_freed < SWAP_CLUSTER_MAX:
        mz = &m.zones[zonelist[i]]
        nr = reclaim_pages(m, mz, cpu, SWAP_CLUSTER_MAX - nr_freed)
        mz.nr_direct += nr
        nr_freed += nr
        i += 1
    return nr_freed


cdef bint give_up_reserves(
    pasr_memory_t *m, const uint16_t *zonelist, uint32_t migratetype, bint force
) noexcept nogil:
    """Return a HIGHATOMIC pageblock of the first zone that has one to spare, and what CPUs keep.

    Returns whether there was such a pageblock.
    """
    cdef uint32_t i = 0
    cdef bint was_found = False
    while zonelist[i] != PASR_NO_ZONE and not was_found:
        if m.zones[zonelist[i]].zone.rules == PASR_RULES_CLAIM:
            was_found = highatomic_unreserve(m.zones[zonelist[i]].zone, migratetype, force)
        i += 1
    node_drain(m)
    return was_found


cdef int64_t alloc_with_reclaim(
    pasr_memory_t *m, const uint16_t *zonelist, uint32_t highest, uint32_t cpu, uint32_t order, uint32_t migratetype,
    uint32_t flags
) noexcept nogil:
    """Direct reclaim until the request can be served or nothing more is to be had.

    A costly order is worth one attempt, and another of several pages MAX_RECLAIM_RETRIES. Differs from Linux:
    there is no compaction, which would help these on, and pagesets are drained also if nothing was reclaimed.
    """
    cdef int64_t pfn = PASR_ENOMEM
    cdef uint32_t attempt = 0
    cdef uint64_t nr_freed
    while True:
        attempt += 1
        nr_freed = reclaim_direct(m, zonelist, cpu)
        if nr_freed != 0:
            pfn = get_page(m, zonelist, PASR_WMARK_MIN, highest, cpu, order, migratetype, flags)
            if pfn >= 0:
                return pfn
        # ``__alloc_pages_direct_reclaim()``: it may be on pagesets.
        give_up_reserves(m, zonelist, migratetype, False)
        pfn = get_page(m, zonelist, PASR_WMARK_MIN, highest, cpu, order, migratetype, flags)
        if pfn >= 0 or order > PASR_COSTLY_ORDER:
            return pfn
        if nr_freed == 0 or (order != 0 and attempt == MAX_RECLAIM_RETRIES):
            break
    # ``should_reclaim_retry()``: before the request fails nothing stays reserved.
    while pfn < 0 and give_up_reserves(m, zonelist, migratetype, True):
        pfn = get_page(m, zonelist, PASR_WMARK_MIN, highest, cpu, order, migratetype, flags)
    return pfn


cdef int64_t alloc_slow(
    pasr_memory_t *m, const uint16_t *zonelist, uint32_t highest, uint32_t cpu, uint32_t order, uint32_t migratetype,
    uint32_t flags
) noexcept nogil:
    """``__alloc_pages_slowpath()``."""
    cdef int64_t pfn
    cdef uint32_t i = 0
    m.nr_slow += 1
    while zonelist[i] != PASR_NO_ZONE:
        want_kswapd(m, &m.zones[zonelist[i]])
        i += 1
    pfn = get_page(m, zonelist, PASR_WMARK_MIN, highest, cpu, order, migratetype, flags)
    if pfn < 0 and not flags & PASR_ALLOC_NON_BLOCK:
        pfn = alloc_with_reclaim(m, zonelist, highest, cpu, order, migratetype, flags)
    if pfn < 0:
        m.nr_failures += 1
    return pfn


cdef int64_t node_alloc(
    pasr_memory_t *m, uint32_t node, uint32_t highest, uint32_t cpu, uint32_t order, uint32_t migratetype,
    uint32_t flags
) noexcept nogil:
    """Allocate ``2**order`` pages, on *node* if it has enough; return the pfn or PASR_ENOMEM.

    Above the low watermark all requests are alike: *flags* open reserves in the slow path alone.
    Below the low watermark of all zones kswapd is woken, below the min watermark a request that
    may wait reclaims by itself. Cost: that of the zone and a few comparisons, while a zone is above its low watermark.
    """
    cdef const uint16_t *zonelist = zonelist_of(m, node, highest)
    cdef int64_t pfn = get_page(
        m, zonelist, PASR_WMARK_LOW, highest, cpu, order, migratetype, flags & PASR_ALLOC_NOFRAGMENT)
    if pfn < 0:
        pfn = alloc_slow(m, zonelist, highest, cpu, order, migratetype, flags)
    node_settle(m)
    return pfn


cdef void node_settle(pasr_memory_t *m) noexcept nogil:
    """Let kswapd run if it is to run by now."""
    if m.is_kswapd_due and m.now_ns >= m.kswapd_at_ns:
        kswapd_run(m)


cdef int node_free(pasr_memory_t *m, uint32_t cpu, int64_t pfn, int order) noexcept nogil:
    """Free the block that starts at *pfn*; returns what `zone_free` returns."""
    cdef uint32_t at = zone_at(m, pfn)
    cdef pasr_memzone_t *mz
    cdef int error
    if at == PASR_NO_ZONE:
        return PASR_ERANGE
    mz = &m.zones[at]
    if mz.nr_lru[<int> PASR_LRU_FILE] | mz.nr_lru[<int> PASR_LRU_ANON] | mz.nr_lru[<int> PASR_LRU_UNEVICTABLE]:
        if mz.states[idx_of(mz.zone, pfn)] != PASR_PAGE_UNKNOWN:
            error = zone_free_error(mz.zone, pfn, order)
            if error != PASR_OK:
                return error
            lru_remove(mz, idx_of(mz.zone, pfn))
    return pcp_free(mz.zone, cpu, pfn, order)


cdef void node_drain(pasr_memory_t *m) noexcept nogil:
    """``drain_all_pages()``."""
    cdef uint32_t i, cpu
    for i in range(m.nr_zones):
        for cpu in range(m.zones[i].zone.nr_cpus):
            pcp_drain(m.zones[i].zone, cpu)


cdef bint decay_all(pasr_memory_t *m) noexcept nogil:
    """Decay all pagesets; return whether one became smaller."""
    cdef pasr_pageset_t *pageset
    cdef uint32_t i, cpu, high
    cdef bint has_changed = False
    for i in range(m.nr_zones):
        for cpu in range(m.zones[i].zone.nr_cpus):
            pageset = &m.zones[i].zone.pagesets[cpu]
            high = pageset.high
            has_changed |= pcp_decay(m.zones[i].zone, cpu) != 0 or pageset.high != high
    return has_changed


cdef void node_advance(pasr_memory_t *m, int64_t now_ns) noexcept nogil:
    """Let time pass up to *now_ns*: kswapd runs if it was to run by then, pagesets decay, regions are evacuated."""
    cdef int64_t nr
    cdef moment_t then = moment_of(m)
    evacuation_collect(m)
    m.now_ns = now_ns
    node_settle(m)
    if m.vmstat_interval_ns != 0 and now_ns >= m.vmstat_at_ns:
        nr = (now_ns - m.vmstat_at_ns) // m.vmstat_interval_ns + 1
        m.vmstat_at_ns += nr * m.vmstat_interval_ns
        while nr != 0 and decay_all(m):
            nr -= 1
    if m.evacuation.trigger != PASR_TRIGGER_NONE:
        evacuation_run(m, then)
