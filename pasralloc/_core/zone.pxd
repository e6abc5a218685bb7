"""Buddy primitives of one zone.

Everything above the zone speaks to it through these operations and never
touches a list link: take a block, put a block, remove a given free block, ask
what a frame is, walk the blocks. The inline ones take *mode*, which must equal
``z.mode``: a literal on hot paths, so that the compiler drops what does not apply.

Threading rule: none of these locks. One thread at a time may call them for one
zone, and none of them needs the GIL.
"""

cimport cython
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memset

from pasralloc._core.bits cimport __builtin_prefetch, lowest_bit
from pasralloc._core.freelist cimport (
    list_add, list_pop, list_remove, region_give, region_of, region_take,
)
from pasralloc._core.types cimport (
    PASR_COSTLY_ORDER, PASR_ENOMEM, PASR_ERANGE, PASR_MAX_PAGE_ORDER, PASR_MODE_BIASED, PASR_MODE_SORTED,
    PASR_MODE_STRADDLE, PASR_NR_PCPTYPES, PASR_OK, PASR_RULES_CLAIM, PASR_TAG_CACHED, PASR_TAG_FREE,
    PASR_TAG_ORDER, PASR_TAG_SPLIT, PASR_TAG_TYPE, PASR_TAG_TYPE_SHIFT, PASR_TOP_MASK, pasr_block_t, pasr_idx_t,
    pasr_link_t, pasr_zone_t,
)


cdef inline int64_t pfn_of(const pasr_zone_t *z, pasr_idx_t idx) noexcept nogil:
    return z.base_pfn + idx


cdef inline bint zone_spans(const pasr_zone_t *z, int64_t pfn) noexcept nogil:
    """Whether *pfn* lies in the span of the zone; its pages may be absent."""
    return <uint64_t> pfn - <uint64_t> z.start_pfn < z.nr_pages


cdef inline pasr_idx_t idx_of(const pasr_zone_t *z, int64_t pfn) noexcept nogil:
    """Frame index of *pfn*, which must lie in the span."""
    return <pasr_idx_t> (pfn - z.base_pfn)


# Address of the tag of pfn 0, as a number. Streams keep it in a local: tags are bytes, so after each
# store of one the compiler must assume that ``z.tags`` itself has changed.
ctypedef uintptr_t pasr_tags_t


cdef inline pasr_tags_t tags_of(const pasr_zone_t *z) noexcept nogil:
    return <pasr_tags_t> z.tags - <pasr_tags_t> z.base_pfn


cdef inline uint8_t *tag_of(pasr_tags_t tags, int64_t pfn) noexcept nogil:
    """Where the tag of a pfn is: of any to prefetch it, of a frame of the zone to read or write it."""
    return <uint8_t *> (tags + <uintptr_t> pfn)


cdef inline void zone_prefetch(const pasr_zone_t *z, int64_t pfn, bint links) noexcept nogil:
    """Fetch what a free of *pfn* reads first, *links* or not.

    Any pfn may be passed: of an address that is not mapped nothing is fetched.
    It is computed as a number, because there is no such pointer.
    """
    cdef uint64_t idx = <uint64_t> pfn - <uint64_t> z.base_pfn
    __builtin_prefetch(tag_of(tags_of(z), pfn))
    if links:
        __builtin_prefetch(<const void *> (<uintptr_t> z.links + idx * sizeof(pasr_link_t)))


cdef inline uint32_t tag_order(uint8_t tag) noexcept nogil:
    return (tag & PASR_TAG_ORDER) - 1


cdef inline uint32_t tag_type(uint8_t tag) noexcept nogil:
    return (tag & PASR_TAG_TYPE) >> PASR_TAG_TYPE_SHIFT


cdef inline uint8_t tag_allocated(uint32_t order, uint32_t migratetype) noexcept nogil:
    return <uint8_t> (migratetype << PASR_TAG_TYPE_SHIFT | (order + 1))


cdef inline uint8_t tag_free(uint32_t order, uint32_t migratetype) noexcept nogil:
    return PASR_TAG_FREE | tag_allocated(order, migratetype)


cdef inline bint tag_is_free(uint8_t tag, uint32_t order) noexcept nogil:
    """Whether *tag* heads a free block of exactly *order*."""
    return (tag & (PASR_TAG_FREE | PASR_TAG_ORDER)) == (PASR_TAG_FREE | (order + 1))


cdef inline uint8_t tag_cached(uint32_t order) noexcept nogil:
    return <uint8_t> (PASR_TAG_CACHED | (order + 1))


cdef inline bint tag_is_allocated(uint8_t tag) noexcept nogil:
    return <uint8_t> (tag - 1) < PASR_TAG_CACHED - 1


cdef inline bint tag_is_page(uint8_t tag) noexcept nogil:
    """Whether *tag* heads an allocated block of one page: with its halves swapped, one comparison tells."""
    cdef uint8_t swapped = <uint8_t> (tag - 1)
    swapped = <uint8_t> (swapped << 4 | swapped >> 4)
    return swapped < PASR_TAG_CACHED >> PASR_TAG_TYPE_SHIFT


cdef inline bint tag_is_cached(uint8_t tag) noexcept nogil:
    return tag & (PASR_TAG_FREE | PASR_TAG_TYPE) == PASR_TAG_CACHED


cdef inline uint8_t head_tag(const pasr_zone_t *z, pasr_idx_t idx) noexcept nogil:
    """Tag of the block that starts at *idx*, or 0. Reads one byte for 1023 frames of 1024."""
    cdef uint8_t tag
    if idx & PASR_TOP_MASK == 0:
        tag = z.top_tags[idx >> PASR_MAX_PAGE_ORDER]
        if tag != PASR_TAG_SPLIT:
            return tag
    return z.tags[idx]


cdef inline bint find_page(const pasr_zone_t *z, pasr_tags_t tags, int64_t pfn, pasr_idx_t *idx) noexcept nogil:
    """Whether an allocated block of one page starts at *pfn*, which may be any; *idx* means something if so."""
    cdef uint64_t i = <uint64_t> pfn - <uint64_t> z.base_pfn
    idx[0] = <pasr_idx_t> i
    if cython.unlikely(i >= z.end):
        return False
    # A block of the largest order has its tag elsewhere, and no memory behind its frames here until it is split.
    if cython.unlikely(i & PASR_TOP_MASK == 0 and z.top_tags[i >> PASR_MAX_PAGE_ORDER] != PASR_TAG_SPLIT):
        return False
    return tag_is_page(tag_of(tags, pfn)[0])


cdef inline int find_allocated(
    const pasr_zone_t *z, int64_t pfn, int order, pasr_idx_t *idx, uint8_t *tag
) noexcept nogil:
    """Find the allocated block that starts at *pfn*, of *order* if that is not negative.

    Returns PASR_OK, or the code of `zone_free_error`.
    """
    if cython.unlikely(not zone_spans(z, pfn)):
        return PASR_ERANGE
    idx[0] = idx_of(z, pfn)
    tag[0] = head_tag(z, idx[0])
    if cython.unlikely(not tag_is_allocated(tag[0]) or (order >= 0 and order != <int> tag_order(tag[0]))):
        return zone_free_error(z, pfn, order)
    return PASR_OK


cdef inline void set_tag(pasr_zone_t *z, pasr_idx_t idx, uint32_t order, uint8_t tag) noexcept nogil:
    if order == PASR_MAX_PAGE_ORDER:
        z.top_tags[idx >> PASR_MAX_PAGE_ORDER] = tag
    else:
        z.tags[idx] = tag


cdef inline uint32_t pageblock_type(const pasr_zone_t *z, pasr_idx_t idx) noexcept nogil:
    return z.pageblocks[idx >> z.pageblock_order]


cdef inline void zone_put(
    pasr_zone_t *z, pasr_idx_t idx, uint32_t order, uint32_t migratetype, uint32_t region, bint to_tail, int mode
) noexcept nogil:
    """Make frames ``[idx, idx + 2**order)`` of *region* a free block of *migratetype*, unmerged.

    Counts nothing but what the list itself keeps.
    """
    set_tag(z, idx, order, tag_free(order, migratetype))
    list_add(z, idx, order, migratetype, region, to_tail, mode)


cdef inline pasr_idx_t zone_take(
    pasr_zone_t *z, uint32_t order, uint32_t high, uint32_t migratetype, uint32_t requested, int mode
) noexcept nogil:
    """Allocate ``2**order`` pages from the first block of the list (*high*, *migratetype*).

    The list must not be empty and *high* not be less than *order*. What is left
    of the block keeps the type of the list.
    """
    cdef uint32_t region = 0
    cdef pasr_idx_t idx = list_pop(z, high, migratetype, &region, mode)
    zone_expand(z, idx, order, high, migratetype, requested, region, mode)
    return idx


cdef inline int64_t zone_take_smallest(
    pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t requested, int mode
) noexcept nogil:
    """Allocate ``2**order`` pages from the lists of *migratetype*, as ``__rmqueue_smallest()`` does.

    The first block of the smallest order that fits; when biased, of all orders
    that fit the one whose first block lies in the lowest region, the smallest
    of equals. Returns PASR_ENOMEM if there is none.
    """
    cdef int high = zone_pick(z, order, migratetype, mode)
    return zone_take(z, order, high, migratetype, requested, mode) if high >= 0 else <int64_t> PASR_ENOMEM


cdef inline int zone_pick(const pasr_zone_t *z, uint32_t order, uint32_t migratetype, int mode) noexcept nogil:
    """Order of the list that `zone_take_smallest` takes from, or -1."""
    cdef uint32_t fit = z.nonempty[migratetype] >> order
    cdef uint32_t high, best
    if fit == 0:
        return -1
    best = order + lowest_bit(fit)
    if mode & PASR_MODE_BIASED:
        fit &= fit - 1
        while fit != 0:
            high = order + lowest_bit(fit)
            if z.lists[high][migratetype].head_region < z.lists[best][migratetype].head_region:
                best = high
            fit &= fit - 1
    return <int> best


cdef inline void zone_expand(
    pasr_zone_t *z, pasr_idx_t idx, uint32_t order, uint32_t high, uint32_t remainder, uint32_t requested,
    uint32_t region, int mode
) noexcept nogil:
    """Allocate the lowest ``2**order`` pages of a block of order *high* that is off its list.

    The upper halves are put back, largest first, as ``expand()`` does in Linux,
    on the lists of type *remainder*. The block is remembered as one of the
    *requested* type.
    """
    if not mode & PASR_MODE_STRADDLE:
        region_take(z, region, <uint32_t> 1 << order, remainder)
    z.nr_free -= <uint64_t> 1 << order
    if high != order:
        if high == PASR_MAX_PAGE_ORDER:
            z.top_tags[idx >> PASR_MAX_PAGE_ORDER] = PASR_TAG_SPLIT
        while high > order:
            high -= 1
            zone_put(z, idx + (<pasr_idx_t> 1 << high), high, remainder, region, False, mode)
    set_tag(z, idx, order, tag_allocated(order, requested))


cdef inline void zone_give(
    pasr_zone_t *z, pasr_idx_t idx, uint32_t order, uint32_t migratetype, bint fresh, int mode
) noexcept nogil:
    """Free ``2**order`` pages at *idx*, which no block may cover but an allocated one of that order.

    Merges with free buddies as ``__free_one_page()`` does; a buddy leaves the
    list of its own type. From ``merge_limit`` on buddies of different types stay
    apart, or the buddy takes the type of what is freed. In the order of Linux the result joins at the tail if
    the buddy of its parent is free, so that it stays while that may merge, or if
    the memory is *fresh* and the kernel generation puts such memory there.
    """
    cdef uint32_t region = region_of(z, idx, mode)
    cdef uint8_t tag
    cdef pasr_idx_t buddy
    z.nr_free += <uint64_t> 1 << order
    if not mode & PASR_MODE_STRADDLE:
        if cython.unlikely(region_give(z, region, <uint32_t> 1 << order)):
            zone_alert(z, region, idx)
    # Apart from the loop, so that a literal order stays one.
    if order < PASR_MAX_PAGE_ORDER and not tag_is_free(z.tags[idx ^ (<pasr_idx_t> 1 << order)], order):
        zone_put(z, idx, order, migratetype, region, joins_tail(z, idx, order, fresh, mode), mode)
        return
    while order < PASR_MAX_PAGE_ORDER:
        buddy = idx ^ (<pasr_idx_t> 1 << order)
        tag = z.tags[buddy]
        if not tag_is_free(tag, order) or (order >= z.merge_limit and not buddy_agrees(
                z, buddy, order, tag_type(tag), migratetype)):
            zone_put(z, idx, order, migratetype, region, joins_tail(z, idx, order, fresh, mode), mode)
            return
        list_remove(z, buddy, order, tag_type(tag), region, mode)
        z.tags[idx | buddy] = 0
        idx &= buddy
        order += 1
    # A block that was split keeps its own tags all zero once it is whole again. Those of a
    # block that was never split are not touched: a terabyte of them would become resident.
    if z.top_tags[idx >> PASR_MAX_PAGE_ORDER] == PASR_TAG_SPLIT:
        z.tags[idx] = 0
    zone_put(
        z, idx, PASR_MAX_PAGE_ORDER, migratetype, region,
        joins_tail(z, idx, PASR_MAX_PAGE_ORDER, fresh, mode), mode)


cdef inline bint types_may_merge(uint32_t one, uint32_t other) noexcept nogil:
    return one == other or (one < PASR_NR_PCPTYPES and other < PASR_NR_PCPTYPES)


cdef inline bint buddy_agrees(
    pasr_zone_t *z, pasr_idx_t buddy, uint32_t order, uint32_t buddy_type, uint32_t migratetype
) noexcept nogil:
    """Whether a free buddy of at least a pageblock may merge; its pageblocks then have the type of what is freed."""
    if not types_may_merge(buddy_type, migratetype):
        return False
    if buddy_type != migratetype:
        retype_pageblocks(z, buddy, order, migratetype)
    return True


cdef inline void retype_pageblocks(
    pasr_zone_t *z, pasr_idx_t idx, uint32_t order, uint32_t migratetype
) noexcept nogil:
    """Give all pageblocks of a block of at least their order another type."""
    memset(&z.pageblocks[idx >> z.pageblock_order], <int> migratetype, <size_t> 1 << (order - z.pageblock_order))


cdef inline bint joins_tail(
    const pasr_zone_t *z, pasr_idx_t idx, uint32_t order, bint fresh, int mode
) noexcept nogil:
    cdef pasr_idx_t parent
    if mode & PASR_MODE_SORTED:
        return False
    if fresh and z.fresh_to_tail:
        return True
    if order >= PASR_MAX_PAGE_ORDER - 1:
        return False
    parent = idx & ~(<pasr_idx_t> 1 << order)
    return tag_is_free(z.tags[parent ^ (<pasr_idx_t> 2 << order)], order + 1)


cdef inline pasr_idx_t block_end(pasr_block_t block) noexcept nogil:
    return block.head + (<pasr_idx_t> 1 << block.order)


cdef inline uint32_t nr_region_words(const pasr_zone_t *z) noexcept nogil:
    """Words of a bitmap of regions."""
    return (z.nr_regions + 63) >> 6


cdef inline uint32_t pcplist_order(const pasr_zone_t *z, uint32_t index) noexcept nogil:
    """Order of the blocks on a list of a pageset."""
    cdef uint32_t order = index // PASR_NR_PCPTYPES
    return order if order <= PASR_COSTLY_ORDER else z.pageblock_order


cdef inline bint minds_flags(const pasr_zone_t *z) noexcept nogil:
    """Whether it matters to the zone what is known of it: pagesets of 6.12 become smaller while memory is short."""
    return z.nr_cpus != 0 and z.rules == PASR_RULES_CLAIM and z.high_mark != 0


cdef inline void zone_set_flags(pasr_zone_t *z, uint32_t flags) noexcept nogil:
    """Change what is known of a zone, where pagesets mind it: then no free is one without further ado."""
    if minds_flags(z):
        z.flags = <uint8_t> flags
        z.pcp_nr_plain = <uint8_t> (PASR_NR_PCPTYPES if flags == 0 else 0)


cdef inline uint64_t nr_pageblocks(const pasr_zone_t *z) noexcept nogil:
    return <uint64_t> z.nr_blocks << (PASR_MAX_PAGE_ORDER - z.pageblock_order)


cdef void zone_init(pasr_zone_t *z, uint32_t movable) noexcept nogil
cdef pasr_block_t zone_block_of(const pasr_zone_t *z, pasr_idx_t idx) noexcept nogil
cdef void zone_alert(pasr_zone_t *z, uint32_t region, pasr_idx_t idx) noexcept nogil
cdef void zone_alert_last(pasr_zone_t *z, pasr_idx_t idx, uint32_t nr_pages) noexcept nogil
cdef void zone_note_cma(pasr_zone_t *z) noexcept nogil
cdef int zone_free_error(const pasr_zone_t *z, int64_t pfn, int order) noexcept nogil
cdef uint64_t zone_blocks(const pasr_zone_t *z, pasr_block_t *out, uint64_t room) noexcept nogil
