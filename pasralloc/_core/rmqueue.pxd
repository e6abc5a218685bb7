"""Allocation and free entry of a zone.

`alloc_block` and `free_block` are the whole path, inline, for callers that run
many operations and know the zone's mode as a literal; `zone_alloc` and
`zone_free` are the same as functions.

Threading rule: one thread at a time for one zone; the GIL is not needed.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pasralloc._core.region_alloc cimport region_offer
from pasralloc._core.types cimport (
    PASR_ERANGE, PASR_MAX_PAGE_ORDER, PASR_MODE_BIASED, PASR_MODE_PARKING, PASR_NR_PCPTYPES, PASR_OK,
    PASR_OP_CHECK_ORDER, PASR_OP_FREE, pasr_idx_t, pasr_op_t, pasr_zone_t,
)
from pasralloc._core.zone cimport (
    head_tag, idx_of, pageblock_type, tag_is_allocated, tag_order, zone_free_error, zone_give, zone_spans, zone_take,
)


cdef inline int64_t alloc_block(pasr_zone_t *z, uint32_t order, uint32_t migratetype, int mode) noexcept nogil:
    """Frame index of a new block, or PASR_ENOMEM.

    Most requests are for one page and find one: that is inline, with literal
    orders, and everything else a call.
    """
    if cython.likely(order == 0 and z.nonempty[migratetype] & 1
                     and not mode & PASR_MODE_BIASED and not z.cma_first >> migratetype & 1):
        return zone_take(z, 0, 0, migratetype, migratetype, mode)
    return alloc_other(z, order, migratetype)


cdef inline int free_block(pasr_zone_t *z, int64_t pfn, int order, int mode) noexcept nogil:
    cdef pasr_idx_t idx
    cdef uint8_t tag
    if cython.unlikely(not zone_spans(z, pfn)):
        return PASR_ERANGE
    idx = idx_of(z, pfn)
    tag = head_tag(z, idx)
    if cython.unlikely(not tag_is_allocated(tag) or (order >= 0 and order != <int> tag_order(tag))):
        return zone_free_error(z, pfn, order)
    if cython.likely(tag_order(tag) == 0):
        zone_give(z, idx, 0, pageblock_type(z, idx), False, mode)
        if mode & PASR_MODE_PARKING:
            region_offer(z, idx)
    else:
        free_other(z, idx, tag_order(tag))
    return PASR_OK


cdef inline bint op_is_valid(pasr_op_t op, uint64_t nr_slots) noexcept nogil:
    return (op.op <= PASR_OP_FREE and op.order <= PASR_MAX_PAGE_ORDER
            and op.migratetype < PASR_NR_PCPTYPES and op.slot < nr_slots
            and op.flags & ~PASR_OP_CHECK_ORDER == 0)


cdef inline bint ops_are_valid(const pasr_op_t *ops, uint64_t nr, uint64_t nr_slots) noexcept nogil:
    """Whether all are: four byte comparisons in one addition, so that the loop becomes SIMD code."""
    cdef pasr_op_t carry
    cdef uint32_t words[2]
    cdef uint32_t limit = <uint32_t> min(nr_slots, <uint64_t> 0xffffffff)
    cdef uint32_t addend, bad = 0
    cdef uint64_t i
    # A byte above its limit reaches its top bit, or has it already.
    carry.op = 127 - PASR_OP_FREE
    carry.order = <uint8_t> (127 - PASR_MAX_PAGE_ORDER)
    carry.migratetype = <uint8_t> (128 - PASR_NR_PCPTYPES)
    carry.flags = 127 - PASR_OP_CHECK_ORDER
    carry.slot = 0
    memcpy(words, &carry, sizeof(words))
    addend = words[0]
    for i in range(nr):
        memcpy(words, &ops[i], sizeof(words))
        bad |= (words[0] | (words[0] + addend)) & <uint32_t> 0x80808080
        bad |= words[1] >= limit
    return bad == 0


cdef int64_t alloc_other(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil
cdef void free_other(pasr_zone_t *z, pasr_idx_t idx, uint32_t order) noexcept nogil
cdef int64_t zone_alloc(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil
cdef int zone_free(pasr_zone_t *z, int64_t pfn, int order) noexcept nogil
cdef int64_t zone_run(
    pasr_zone_t *z, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots, uint64_t *nr_done
) noexcept nogil
