"""Reclaim of one zone, and kswapd."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pasralloc._core.lru cimport lru_add, lru_remove
from pasralloc._core.nodetypes cimport (
    PASR_LRU_ANON, PASR_LRU_FILE, PASR_NR_RECLAIMED, PASR_PAGE_CLEAN, PASR_PAGE_DIRTY, PASR_WMARK_HIGH,
    pasr_reclaimed_t,
)
from pasralloc._core.pcp cimport pcp_free
from pasralloc._core.types cimport PASR_NIL, PASR_ZONE_RECLAIM_ACTIVE, pasr_idx_t
from pasralloc._core.watermark cimport watermark_ok, wmark_pages
from pasralloc._core.zone cimport head_tag, pfn_of, tag_order, zone_set_flags


cdef void reclaim_block(
    pasr_memory_t *m, pasr_memzone_t *mz, uint32_t cpu, pasr_idx_t idx, uint32_t order
) noexcept nogil:
    """Free a block that is on a list, and note that it is gone."""
    cdef pasr_reclaimed_t *entry = &m.reclaimed[m.nr_reclaimed % PASR_NR_RECLAIMED]
    entry.pfn = pfn_of(mz.zone, idx)
    entry.order = <uint8_t> order
    entry.state = mz.states[idx]
    entry.nr_moves = <uint32_t> m.nr_moves
    m.nr_reclaimed += 1
    lru_remove(mz, idx)
    pcp_free(mz.zone, cpu, entry.pfn, -1)


cdef pasr_idx_t oldest(pasr_memzone_t *mz, uint32_t which) noexcept nogil:
    """The block to look at next: the oldest, or of the highest region that has any the oldest."""
    while mz.lru[which][mz.lru_top[which]].oldest == PASR_NIL and mz.lru_top[which] != 0:
        mz.lru_top[which] -= 1
    return mz.lru[which][mz.lru_top[which]].oldest


cdef uint64_t shrink_list(
    pasr_memory_t *m, pasr_memzone_t *mz, uint32_t which, uint32_t cpu, uint64_t nr
) noexcept nogil:
    """Reclaim at least *nr* pages of a list, if they are to be had; return how many."""
    cdef uint64_t nr_freed = 0, left = 2 * mz.nr_lru[which], pages
    cdef uint32_t order
    cdef pasr_idx_t idx
    while nr_freed < nr and left != 0:
        idx = oldest(mz, which)
        if idx == PASR_NIL:
            break
        order = tag_order(head_tag(mz.zone, idx))
        pages = <uint64_t> 1 << order
        mz.nr_scanned += pages
        left -= min(pages, left)
        if mz.states[idx] == PASR_PAGE_DIRTY:
            # Written, and looked at again once what is older is gone.
            mz.nr_written += pages
            lru_remove(mz, idx)
            lru_add(mz, idx, PASR_PAGE_CLEAN)
            continue
        if which == <uint32_t> PASR_LRU_ANON:
            if m.swap_free < pages:
                break
            m.swap_free -= pages
            mz.nr_swapped += pages
        reclaim_block(m, mz, cpu, idx, order)
        nr_freed += pages
    return nr_freed


cdef uint64_t reclaim_pages(pasr_memory_t *m, pasr_memzone_t *mz, uint32_t cpu, uint64_t nr) noexcept nogil:
    """Reclaim about *nr* pages of a zone on behalf of a CPU; return how many.

    Page cache goes first. Differs from Linux: there are no active lists, cache and
    anonymous memory are not balanced, and dirty pages are written at once.
    """
    cdef uint64_t nr_freed = shrink_list(m, mz, PASR_LRU_FILE, cpu, nr)
    if nr_freed < nr:
        nr_freed += shrink_list(m, mz, PASR_LRU_ANON, cpu, nr - nr_freed)
    return nr_freed


cdef bint is_first_of_node(const pasr_memory_t *m, uint32_t number) noexcept nogil:
    """Whether no zone of the same node before that one asked for kswapd."""
    cdef uint32_t i = number
    while i != 0:
        i -= 1
        if m.zones[i].wants_kswapd and m.zones[i].nid == m.zones[number].nid:
            return False
    return True


cdef void kswapd_run(pasr_memory_t *m) noexcept nogil:
    """Bring every zone that asked for it to its high watermark, as far as there is something to reclaim.

    Every node has a kswapd: it runs once for all zones of the node that asked. Differs from Linux: it looks at
    those alone, and is done before anything else happens; it writes and swaps for boosted watermarks as well,
    and then reclaims only what is missing to the raised high watermark, not as many pages as the boost has in
    any case.
    """
    cdef uint32_t i
    cdef uint64_t nr_freed
    cdef pasr_memzone_t *mz
    cdef bint is_low
    m.is_kswapd_due = False
    for i in range(m.nr_zones):
        if m.zones[i].wants_kswapd and is_first_of_node(m, i):
            m.nr_kswapd_runs += 1
    for i in range(m.nr_zones):
        mz = &m.zones[i]
        if not mz.wants_kswapd:
            continue
        mz.wants_kswapd = False
        is_low = False
        zone_set_flags(mz.zone, mz.zone.flags | PASR_ZONE_RECLAIM_ACTIVE)
        while not watermark_ok(mz, 0, wmark_pages(mz, PASR_WMARK_HIGH), mz.type, mz.zone.movable, 0):
            is_low = True
            nr_freed = reclaim_pages(m, mz, mz.kswapd_cpu, SWAP_CLUSTER_MAX)
            if nr_freed == 0:
                break
            mz.nr_kswapd += nr_freed
        zone_set_flags(mz.zone, mz.zone.flags & ~<uint32_t> PASR_ZONE_RECLAIM_ACTIVE)
        mz.nr_kswapd_runs += is_low
        mz.zone.watermark_boost = 0
