"""Many blocks of one order at once, between the lists of a zone and an array.

Whole runs and whole blocks are moved where one allocation or free after the
other would come to the same lists. Blocks in the array are tagged as cached.
"""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from pasralloc._core.bits cimport __builtin_prefetch, highest_bit, lowest_bit
from pasralloc._core.freelist cimport links_of, list_pop, list_pop_run, node_of, region_take
from pasralloc._core.region_alloc cimport region_offer
from pasralloc._core.types cimport (
    PASR_MAX_PAGE_ORDER, PASR_MODE_PARKING, PASR_MODE_STRADDLE, PASR_RULES_CLAIM, PASR_TAG_SPLIT, pasr_idx_t,
    pasr_zone_t,
)
from pasralloc._core.zone cimport (
    pageblock_type, set_tag, tag_cached, zone_alert_last, zone_give, zone_pick, zone_put,
)


cdef enum:
    GIVE_AHEAD = 8


cdef inline uint32_t zone_take_bulk(
    pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t nr, pasr_idx_t *out, int mode
) noexcept nogil:
    """Take up to *nr* blocks of *order* from the lists of *migratetype*; 0 if those have none.

    What as many calls of `zone_take_smallest` would take, in that order: blocks
    of just that order from the front of their list, or the pieces of one larger
    block, ascending. Nothing smaller is listed then, in its region if placement
    is biased, so the pieces that it leaves would be the next to be taken.
    """
    cdef int high = zone_pick(z, order, migratetype, mode)
    cdef uint32_t region = 0, i, k
    cdef pasr_idx_t idx
    if high < 0:
        return 0
    if high == <int> order:
        nr = list_pop_run(z, order, migratetype, nr, out, mode)
        for i in range(nr):
            set_tag(z, out[i], order, tag_cached(order))
        z.nr_free -= <uint64_t> nr << order
        return nr
    idx = list_pop(z, high, migratetype, &region, mode)
    if high == <int> PASR_MAX_PAGE_ORDER:
        z.top_tags[idx >> PASR_MAX_PAGE_ORDER] = PASR_TAG_SPLIT
    if nr > <uint32_t> 1 << (high - order):
        nr = <uint32_t> 1 << (high - order)
    if mode & PASR_MODE_STRADDLE:
        nr = 1                           # the rest may lie in another region, which is not the lowest
    else:
        region_take(z, region, nr << order, migratetype)
    z.nr_free -= <uint64_t> nr << order
    i = nr
    while i < <uint32_t> 1 << (high - order):
        k = lowest_bit(i)
        zone_put(z, idx + (i << order), order + k, migratetype, region, False, mode)
        i += <uint32_t> 1 << k
    if order == 0:
        memset(&z.tags[idx], tag_cached(0), nr)
    for i in range(nr):
        out[i] = idx + (i << order)
        if order != 0:
            z.tags[out[i]] = tag_cached(order)
    return nr


cdef inline uint32_t whole_order(
    const pasr_idx_t *pages, int step, uint32_t nr, uint32_t order, uint32_t limit
) noexcept nogil:
    """Largest k for which the next 2**k of *nr* blocks make up one block, in order of address up or down."""
    cdef int64_t first = pages[0], stride = <int64_t> 1 << order
    cdef uint32_t n = 2, k
    if nr < 2 or limit == 0 or pages[step] != <pasr_idx_t> (first ^ stride):
        return 0
    if pages[step] < pages[0]:
        stride = -stride
    while n < nr and n < <uint32_t> 1 << limit and pages[<int64_t> n * step] == first + n * stride:
        n += 1
    k = highest_bit(n)
    while k != 1:
        # Where the block would begin: at the first page, or at the last.
        if (first if stride > 0 else first + ((1 << k) - 1) * stride) & ((<int64_t> 1 << (order + k)) - 1) == 0:
            break
        k -= 1
    return k


cdef inline void zone_give_bulk(
    pasr_zone_t *z, const pasr_idx_t *pages, int step, uint32_t nr, uint32_t order, int mode
) noexcept nogil:
    """Free *nr* cached blocks of *order*: pages[0], pages[step], pages[2 * step] and so on.

    Linux 6.12 gives a block the type its pageblock has by now, 3.9 the type that
    was noted when it came to the pageset.
    """
    cdef uint32_t i = 0, k, limit = z.pageblock_order - order if order < z.pageblock_order else 0
    cdef uint32_t migratetype
    cdef pasr_idx_t idx
    while i < nr:
        if i + GIVE_AHEAD < nr and order != PASR_MAX_PAGE_ORDER:
            idx = pages[<int64_t> (i + GIVE_AHEAD) * step]
            __builtin_prefetch(&z.tags[idx])
            __builtin_prefetch(&z.links[idx])
        idx = pages[<int64_t> i * step]
        k = 0
        if z.rules == PASR_RULES_CLAIM:
            migratetype = pageblock_type(z, idx)
            k = whole_order(&pages[<int64_t> i * step], step, nr - i, order, limit)
            if k != 0:
                # The pieces would have merged with each other before anything else.
                idx &= ~((<pasr_idx_t> 1 << (order + k)) - 1)
                memset(&z.tags[idx], 0, <size_t> 1 << (order + k))
        else:
            migratetype = links_of(z, order)[node_of(idx, order)].prev
        zone_give(z, idx, order + k, migratetype, False, mode)
        if k != 0 and z.notify_used != 0:
            zone_alert_last(z, idx, <uint32_t> 1 << order)
        if mode & PASR_MODE_PARKING:
            region_offer(z, idx)
        i += <uint32_t> 1 << k
