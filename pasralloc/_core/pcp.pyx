"""Per-CPU pagesets: refill, spill, drain and decay.

Linux 6.12 keeps orders 0 to 3 and the pageblock order, and tunes the size of
pagesets and batches to what the CPU does; 3.9 keeps single pages, with one
``batch`` and one ``high``.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memmove, memset

from pasralloc._core.bulk cimport zone_give_bulk, zone_take_bulk
from pasralloc._core.fallback cimport OWN, nr_free_of, stage_t
from pasralloc._core.freelist cimport links_of, node_of, region_of
from pasralloc._core.region_alloc cimport region_request
from pasralloc._core.reserves cimport highatomic_reserve
from pasralloc._core.rmqueue cimport alloc_flagged, free_other, is_highatomic, take_other, zone_alloc, zone_free
from pasralloc._core.types cimport (
    PASR_CMA, PASR_ENOMEM, PASR_HIGHATOMIC, PASR_ISOLATE, PASR_MAX_REGIONS, PASR_MODE_BIASED, PASR_MODE_PARKING,
    PASR_MODE_SORTED, PASR_NR_PCPLISTS, PASR_NR_PCPTYPES, PASR_PCP_SCALE_MAX, PASR_RULES_STEAL,
    PASR_ZONE_BELOW_HIGH, PASR_ZONE_RECLAIM_ACTIVE,
)
from pasralloc._core.zone cimport pcplist_order, pfn_of, set_tag, tags_of, zone_set_flags


cdef enum:
    NR_GATHERED = 256                    # blocks that are picked out of a list at a time


cdef inline bint is_kept(const pasr_zone_t *z, uint32_t order) noexcept nogil:
    """``pcp_allowed_order()``."""
    return z.pcp_orders >> order & 1


cdef inline uint32_t pcplist_index(const pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil:
    if order <= PASR_COSTLY_ORDER:
        return order * PASR_NR_PCPTYPES + migratetype
    return (PASR_COSTLY_ORDER + 1) * PASR_NR_PCPTYPES + (migratetype == z.movable)


cdef inline void note_type(pasr_zone_t *z, pasr_idx_t idx, uint32_t order, uint32_t migratetype) noexcept nogil:
    """3.9 gives a page back as what it was noted to be, whatever its pageblock has become."""
    if z.rules == PASR_RULES_STEAL:
        links_of(z, order)[node_of(idx, order)].prev = migratetype


cdef uint32_t nr_to_refill(const pasr_zone_t *z, pasr_pageset_t *pageset, uint32_t order) noexcept nogil:
    """``nr_pcp_alloc()``: blocks to take at once, more with every refill that no free comes between."""
    cdef int64_t batch = z.pcp_batch, most
    if z.rules == PASR_RULES_STEAL:
        return z.pcp_batch
    if pageset.high < z.pcp_batch:
        return 1
    if order == 0:
        batch <<= pageset.alloc_factor
    if z.pcp_high_min != z.pcp_high_max and not z.flags & PASR_ZONE_BELOW_HIGH:
        pageset.high = <uint32_t> min(pageset.high + batch, <int64_t> z.pcp_high_max)
    if order == 0:
        most = max(<int64_t> pageset.high - pageset.count - z.pcp_batch, <int64_t> z.pcp_batch)
        if batch <= most and pageset.alloc_factor < PASR_PCP_SCALE_MAX:
            pageset.alloc_factor += 1
        batch = min(batch, most)
    if batch > 1:
        batch = max(batch >> order, 2)
    return <uint32_t> batch


cdef inline uint32_t refill_pages(
    pasr_zone_t *z, pasr_idx_t *pages, uint32_t nr, uint32_t order, uint32_t migratetype, uint32_t flags, int mode
) noexcept nogil:
    """``rmqueue_bulk()``: up to *nr* blocks, as that many allocations; return how many."""
    cdef stage_t stage = OWN
    cdef uint32_t done = 0, n
    cdef int64_t idx
    while done < nr:
        if stage == OWN and not z.cma_first >> migratetype & 1:
            # Where the lists are dry, others are asked before the region allocator.
            if mode & PASR_MODE_PARKING and z.nonempty[migratetype] >> order != 0:
                region_request(z, order, migratetype, mode)
            n = zone_take_bulk(z, order, migratetype, nr - done, pages + done, mode)
            if n != 0:
                done += n
                continue
        idx = take_other(z, order, migratetype, flags, &stage, mode)
        if idx < 0:
            break
        set_tag(z, <pasr_idx_t> idx, order, tag_cached(order))
        pages[done] = <pasr_idx_t> idx
        done += 1
    return done


cdef void refill(
    pasr_zone_t *z, pasr_pageset_t *pageset, pasr_pcplist_t *pcplist, uint32_t order, uint32_t migratetype,
    uint32_t flags
) noexcept nogil:
    """Fill an empty list: the block that was taken first will be handed out first."""
    cdef uint32_t nr = nr_to_refill(z, pageset, order), done, i, kind
    cdef pasr_idx_t *pages = pcplist.pages + (pcplist.room - nr)
    if z.pcp_by_region:
        done = refill_pages(z, pages, nr, order, migratetype, flags, z.mode | PASR_MODE_BIASED)
    elif z.mode == PASR_MODE_SORTED:
        done = refill_pages(z, pages, nr, order, migratetype, flags, PASR_MODE_SORTED)
    elif z.mode == 0:
        done = refill_pages(z, pages, nr, order, migratetype, flags, 0)
    else:
        done = refill_pages(z, pages, nr, order, migratetype, flags, z.mode)
    pcplist.first = pcplist.room - nr
    pcplist.end = pcplist.first + done
    pageset.count += done << order
    if z.rules == PASR_RULES_STEAL:
        for i in range(done):
            kind = pageblock_type(z, pages[i])
            note_type(z, pages[i], order, kind if kind == PASR_CMA or kind == PASR_ISOLATE else migratetype)


cdef int64_t pcp_alloc_other(
    pasr_zone_t *z, pasr_pageset_t *pageset, uint32_t order, uint32_t migratetype, uint32_t flags
) noexcept nogil:
    """`pcp_alloc_block` of what is not a single page at hand."""
    cdef uint32_t high = pageset.high, free_count = pageset.free_count
    cdef uint8_t alloc_factor = pageset.alloc_factor
    cdef pasr_pcplist_t *pcplist
    cdef int64_t idx
    if not is_kept(z, order):
        return alloc_flagged(z, order, migratetype, flags)
    pcplist = &pageset.lists[pcplist_index(z, order, migratetype)]
    pageset.free_count >>= 1
    if pcplist.first == pcplist.end:
        refill(z, pageset, pcplist, order, migratetype, flags)
    if pcplist.first == pcplist.end:
        # 6.12 has one more look, because of what only some requests may take.
        idx = PASR_ENOMEM if z.rules == PASR_RULES_STEAL else alloc_flagged(z, order, migratetype, flags)
        if idx < 0:
            # A request that fails leaves no trace.
            pageset.high = high
            pageset.free_count = free_count
            pageset.alloc_factor = alloc_factor
        return idx
    idx = pcplist.pages[pcplist.first]
    pcplist.first += 1
    pageset.count -= <uint32_t> 1 << order
    set_tag(z, <pasr_idx_t> idx, order, tag_allocated(order, migratetype))
    if is_highatomic(z, order, flags):
        highatomic_reserve(z, <pasr_idx_t> idx, order)
    return idx


cdef inline void give_pages(
    pasr_zone_t *z, const pasr_idx_t *pages, int step, uint32_t nr, uint32_t order
) noexcept nogil:
    if z.mode == PASR_MODE_SORTED:
        zone_give_bulk(z, pages, step, nr, order, PASR_MODE_SORTED)
    elif z.mode == 0:
        zone_give_bulk(z, pages, step, nr, order, 0)
    else:
        zone_give_bulk(z, pages, step, nr, order, z.mode)


cdef void give_highest(pasr_zone_t *z, pasr_pcplist_t *pcplist, uint32_t nr, uint32_t order) noexcept nogil:
    """Give back the *nr* blocks in the highest regions, of one region the last on the list first."""
    cdef uint32_t nr_in[PASR_MAX_REGIONS]
    cdef pasr_idx_t gathered[NR_GATHERED]
    cdef uint32_t region, limit = z.nr_regions, nr_limit = 0, nr_above = 0, n = 0, i = pcplist.end
    cdef uint32_t kept = pcplist.end
    memset(nr_in, 0, z.nr_regions * sizeof(uint32_t))
    for i in range(pcplist.first, pcplist.end):
        nr_in[region_of(z, pcplist.pages[i], z.mode)] += 1
    # All blocks above region `limit` go, and nr_limit of it.
    while nr_above < nr:
        limit -= 1
        nr_limit = nr - nr_above
        nr_above += nr_in[limit]
    i = pcplist.end
    while i != pcplist.first:
        i -= 1
        region = region_of(z, pcplist.pages[i], z.mode)
        if region < limit or (region == limit and nr_limit == 0):
            kept -= 1
            pcplist.pages[kept] = pcplist.pages[i]
            continue
        nr_limit -= region == limit
        gathered[n] = pcplist.pages[i]
        n += 1
        if n == NR_GATHERED:
            give_pages(z, gathered, 1, n, order)
            n = 0
    give_pages(z, gathered, 1, n, order)
    pcplist.first = kept


cdef void give_last(pasr_zone_t *z, pasr_pcplist_t *pcplist, uint32_t nr, uint32_t order) noexcept nogil:
    """Give back the last *nr* blocks of a list, or those in the highest regions."""
    if z.pcp_by_region and nr < pcplist.end - pcplist.first:
        give_highest(z, pcplist, nr, order)
        return
    give_pages(z, &pcplist.pages[pcplist.end - 1], -1, nr, order)
    pcplist.end -= nr


cdef void free_bulk(pasr_zone_t *z, pasr_pageset_t *pageset, uint32_t nr_pages, uint32_t index) noexcept nogil:
    """``free_pcppages_bulk()`` of 6.12: at least *nr_pages*, list after list from *index* on."""
    cdef int64_t left = min(nr_pages, pageset.count)
    cdef pasr_pcplist_t *pcplist
    cdef uint32_t order, nr
    while left > 0:
        pcplist = &pageset.lists[index]
        if pcplist.first != pcplist.end:
            order = pcplist_order(z, index)
            nr = <uint32_t> ((left + (<int64_t> 1 << order) - 1) >> order)
            if nr > pcplist.end - pcplist.first:
                nr = pcplist.end - pcplist.first
            give_last(z, pcplist, nr, order)
            left -= nr << order
            pageset.count -= nr << order
        index = index + 1 if index + 1 < PASR_NR_PCPLISTS else 0


cdef void free_round_robin(pasr_zone_t *z, pasr_pageset_t *pageset, uint32_t nr) noexcept nogil:
    """``free_pcppages_bulk()`` of 3.9: *nr* pages, more from a list the more empty ones were met before it."""
    cdef uint32_t index = 0, batch_free = 0, n
    cdef pasr_pcplist_t *pcplist
    pageset.count -= nr
    while nr != 0:
        index = index + 1 if index + 1 < PASR_NR_PCPTYPES else 0
        batch_free += 1
        pcplist = &pageset.lists[index]
        if pcplist.first == pcplist.end:
            continue
        if batch_free == PASR_NR_PCPTYPES:
            batch_free = nr              # the only list that is not empty
        n = min(min(nr, batch_free), pcplist.end - pcplist.first)
        give_last(z, pcplist, n, 0)
        nr -= n
        batch_free -= n


cdef inline bint is_above_high(const pasr_zone_t *z) noexcept nogil:
    """``zone_watermark_ok()`` of a single page that is not movable, with the high watermark."""
    cdef uint64_t set_aside = nr_free_of(z, PASR_ISOLATE) + nr_free_of(z, PASR_CMA) + nr_free_of(z, PASR_HIGHATOMIC)
    return z.nr_free > z.high_mark + z.watermark_boost + set_aside


cdef int64_t tune_high(pasr_zone_t *z, pasr_pageset_t *pageset) noexcept nogil:
    """``nr_pcp_high()`` of a free: how many pages are too many, and what ``high`` becomes.

    Less and less while memory is short, and everything above the least goes back.
    """
    cdef int64_t batch = z.pcp_batch, high = pageset.high, least = z.pcp_high_min, lowered
    lowered = max(high - max(<int64_t> pageset.free_count, batch), least)
    if z.flags & PASR_ZONE_RECLAIM_ACTIVE:
        pageset.high = <uint32_t> lowered
        return min(batch << 2, lowered)
    if least == z.pcp_high_max:
        return high
    if z.flags & PASR_ZONE_BELOW_HIGH:
        pageset.high = <uint32_t> lowered
        return max(<int64_t> pageset.count, least)
    if pageset.count >= high and high < pageset.free_count + batch:
        pageset.high = <uint32_t> min(max(pageset.free_count + batch, least), <int64_t> z.pcp_high_max)
    return high


cdef void pcp_spill(pasr_zone_t *z, pasr_pageset_t *pageset, uint32_t index, bint free_high) noexcept nogil:
    """Give pages back if there are too many after a free to list *index*: ``nr_pcp_free()``.

    *free_high*: there have been many frees of high order, and none of them shall stay.
    """
    cdef int64_t batch = z.pcp_batch, high, wanted
    if free_high:
        wanted = z.pcp_most_freed
        pageset.high = <uint32_t> max(pageset.high - wanted, <int64_t> z.pcp_high_min)
    else:
        high = tune_high(z, pageset)
        if pageset.count < high:
            return
        wanted = 1 if high < batch else min(max(<int64_t> pageset.free_count, batch), high - batch)
        if z.pcp_by_region:
            # All of a list is looked at for them, so that must not be for a few.
            wanted = max(wanted, <int64_t> pageset.count >> 3)
    free_bulk(z, pageset, <uint32_t> wanted, index)
    if z.flags & PASR_ZONE_BELOW_HIGH and is_above_high(z):
        zone_set_flags(z, z.flags & ~<uint32_t> PASR_ZONE_BELOW_HIGH)


cdef void pcp_free_other(pasr_zone_t *z, pasr_pageset_t *pageset, pasr_idx_t idx, uint32_t order) noexcept nogil:
    """`pcp_free_block` of what is not a single page of a type with a list that has room."""
    cdef uint32_t migratetype = pageblock_type(z, idx), index
    cdef pasr_pcplist_t *pcplist
    cdef bint free_high = False
    if not is_kept(z, order) or migratetype == PASR_ISOLATE:
        free_other(z, idx, order)
        return
    # RESERVE, HIGHATOMIC and CMA pages ride with the movable ones.
    index = pcplist_index(z, order, migratetype if migratetype < PASR_NR_PCPTYPES else z.movable)
    pcplist = &pageset.lists[index]
    if pcplist.first == 0:
        pcplist.first = pcplist.room - pcplist.end
        memmove(pcplist.pages + pcplist.first, pcplist.pages, pcplist.end * sizeof(pasr_idx_t))
        pcplist.end = pcplist.room
    set_tag(z, idx, order, tag_cached(order))
    note_type(z, idx, order, migratetype)
    pcplist.first -= 1
    pcplist.pages[pcplist.first] = idx
    pageset.count += <uint32_t> 1 << order
    if z.rules == PASR_RULES_STEAL:
        if pageset.count >= pageset.high:
            free_round_robin(z, pageset, z.pcp_batch)
        return
    pageset.alloc_factor >>= 1
    if order != 0 and order <= PASR_COSTLY_ORDER:
        free_high = (
            pageset.free_count >= z.pcp_batch and pageset.was_high_order and pageset.count >= z.pcp_batch)
        pageset.was_high_order = True
    else:
        pageset.was_high_order = False
    if pageset.free_count < z.pcp_most_freed:
        pageset.free_count += <uint32_t> 1 << order
    pcp_spill(z, pageset, index, free_high)


cdef int64_t pcp_alloc(
    pasr_zone_t *z, uint32_t cpu, uint32_t order, uint32_t migratetype, uint32_t flags
) noexcept nogil:
    """Allocate ``2**order`` pages on a CPU; without pagesets, from the zone. Returns a pfn or PASR_ENOMEM."""
    cdef int64_t idx
    if z.nr_cpus == 0 and flags == 0:
        return zone_alloc(z, order, migratetype)
    if z.nr_cpus == 0:
        idx = alloc_flagged(z, order, migratetype, flags)
    else:
        idx = pcp_alloc_block(z, &z.pagesets[cpu], order, migratetype, flags)
    return pfn_of(z, <pasr_idx_t> idx) if idx >= 0 else idx


cdef int pcp_free(pasr_zone_t *z, uint32_t cpu, int64_t pfn, int order) noexcept nogil:
    """Free a block on a CPU; without pagesets, to the zone. Returns what `zone_free` returns."""
    if z.nr_cpus == 0:
        return zone_free(z, pfn, order)
    return pcp_free_block(z, tags_of(z), &z.pagesets[cpu], pfn, order)


cdef uint32_t pcp_drain(pasr_zone_t *z, uint32_t cpu) noexcept nogil:
    """``drain_pages()``: give all back; return how many pages."""
    cdef pasr_pageset_t *pageset = &z.pagesets[cpu]
    cdef uint32_t nr = pageset.count
    if z.rules == PASR_RULES_STEAL:
        free_round_robin(z, pageset, nr)
        return nr
    while pageset.count != 0:
        free_bulk(z, pageset, pageset.count if z.pcp_by_region else z.pcp_most_freed, 0)
    return nr


cdef uint32_t pcp_decay(pasr_zone_t *z, uint32_t cpu) noexcept nogil:
    """``decay_pcp_high()``: shrink a pageset that is larger than it must be; return how many pages it gave back.

    Differs from Linux: a pageset that holds far more than ``high`` (a huge page does) has its ``high``
    raised here, as there, but not above the largest, for which there is room.
    """
    cdef pasr_pageset_t *pageset = &z.pagesets[cpu]
    cdef int64_t high, before = pageset.count
    if z.rules == PASR_RULES_STEAL:
        return 0
    if pageset.high > z.pcp_high_min:
        high = max(
            before - z.pcp_most_freed, <int64_t> pageset.high - (pageset.high >> 3))
        pageset.high = <uint32_t> min(max(high, <int64_t> z.pcp_high_min), <int64_t> z.pcp_high_max)
    if before > pageset.high:
        free_bulk(z, pageset, <uint32_t> (before - pageset.high), 0)
    return <uint32_t> (before - pageset.count)
