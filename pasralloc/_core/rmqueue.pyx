"""Allocation and free entry of a zone, one call or a stream of operations at a time."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pasralloc._core.bits cimport __builtin_prefetch, highest_bit, lowest_bit
from pasralloc._core.types cimport (
    PASR_ENOMEM, PASR_MODE_SORTED, PASR_MODE_STRADDLE, PASR_OK, PASR_OP_ALLOC,
    PASR_OP_CHECK_ORDER, PASR_OP_FREE, PASR_TAG_FREE, pasr_idx_t, pasr_op_load,
)
from pasralloc._core.zone cimport (
    head_tag, idx_of, pageblock_type, pfn_of, tag_order, zone_free_error, zone_give, zone_spans, zone_take,
)


cdef inline int64_t borrow(
    pasr_zone_t *z, uint32_t order, uint32_t migratetype, int mode
) noexcept nogil:
    """Serve a request whose own lists are dry from the first fallback type that can.

    The largest block goes, so that one pageblock is disturbed rather than many;
    its remainder keeps the type of the list it came from.
    """
    cdef uint32_t i, other, fit
    for i in range(z.nr_fallbacks[migratetype]):
        other = z.fallbacks[migratetype][i]
        fit = z.nonempty[other] >> order
        if fit != 0:
            return zone_take(z, order, order + highest_bit(fit), other, migratetype, mode)
    return PASR_ENOMEM


cdef inline int64_t alloc(pasr_zone_t *z, uint32_t order, uint32_t migratetype, int mode) noexcept nogil:
    """Frame index of a new block, or PASR_ENOMEM."""
    cdef uint32_t fit = z.nonempty[migratetype] >> order
    if cython.unlikely(fit == 0):
        return borrow(z, order, migratetype, mode)
    return zone_take(z, order, order + lowest_bit(fit), migratetype, migratetype, mode)


cdef inline int free(pasr_zone_t *z, int64_t pfn, int order, int mode) noexcept nogil:
    cdef pasr_idx_t idx
    cdef uint8_t tag
    if cython.unlikely(not zone_spans(z, pfn)):
        return zone_free_error(z, pfn, order)
    idx = idx_of(z, pfn)
    tag = head_tag(z, idx)
    if cython.unlikely(tag == 0 or tag & PASR_TAG_FREE or (order >= 0 and order != <int> tag_order(tag))):
        return zone_free_error(z, pfn, order)
    zone_give(z, idx, tag_order(tag), pageblock_type(z, idx), False, mode)
    return PASR_OK


cdef int64_t zone_alloc(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil:
    """Allocate ``2**order`` pages.

    Takes the smallest block that fits from the lists of *migratetype*
    (``__rmqueue_smallest()``): the first of its list, which in region order is
    one of the lowest region that has any. Only when those lists are dry it
    borrows from another type. *order* and *migratetype* must be valid.

    Returns the pfn, or PASR_ENOMEM with the zone unchanged.
    Cost: one list removal, and one insertion per order split.
    """
    cdef int64_t idx
    if z.mode == 0:
        idx = alloc(z, order, migratetype, 0)
    elif z.mode == PASR_MODE_SORTED:
        idx = alloc(z, order, migratetype, PASR_MODE_SORTED)
    elif z.mode == PASR_MODE_STRADDLE:
        idx = alloc(z, order, migratetype, PASR_MODE_STRADDLE)
    else:
        idx = alloc(z, order, migratetype, PASR_MODE_SORTED | PASR_MODE_STRADDLE)
    return pfn_of(z, <pasr_idx_t> idx) if idx >= 0 else idx


cdef int zone_free(pasr_zone_t *z, int64_t pfn, int order) noexcept nogil:
    """Free the allocated block that starts at *pfn*, of *order* if that is not negative.

    Any *pfn* and *order* are safe to pass. Returns PASR_OK, or with the zone
    unchanged PASR_ERANGE (outside the zone), PASR_ENXIO (absent), PASR_EALREADY
    (free), PASR_EINVAL (inside a block) or PASR_EDOM (of another order).
    Cost: one list removal per order merged, one insertion.
    """
    if z.mode == 0:
        return free(z, pfn, order, 0)
    if z.mode == PASR_MODE_SORTED:
        return free(z, pfn, order, PASR_MODE_SORTED)
    if z.mode == PASR_MODE_STRADDLE:
        return free(z, pfn, order, PASR_MODE_STRADDLE)
    return free(z, pfn, order, PASR_MODE_SORTED | PASR_MODE_STRADDLE)


# How far ahead `run` looks: first the slot, and once that has arrived the frame it names.
cdef enum:
    SLOT_AHEAD = 24
    FRAME_AHEAD = 12


cdef inline void prefetch_frame(const pasr_zone_t *z, int64_t pfn) noexcept nogil:
    """Fetch what a free of *pfn* reads first; a pfn outside the zone is ignored."""
    if zone_spans(z, pfn):
        __builtin_prefetch(&z.tags[idx_of(z, pfn)])
        __builtin_prefetch(&z.links[idx_of(z, pfn)])


cdef inline int64_t run(
    pasr_zone_t *z, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots, uint64_t *nr_done,
    int mode
) noexcept nogil:
    cdef uint64_t i
    cdef int64_t result, nr_failed = 0
    cdef pasr_op_t op, ahead
    for i in range(nr):
        if i + SLOT_AHEAD < nr:
            ahead = pasr_op_load(&ops[i + SLOT_AHEAD])
            if ahead.slot < nr_slots:
                __builtin_prefetch(&slots[ahead.slot])
            ahead = pasr_op_load(&ops[i + FRAME_AHEAD])
            if ahead.op == PASR_OP_FREE and ahead.slot < nr_slots:
                prefetch_frame(z, slots[ahead.slot])
        op = pasr_op_load(&ops[i])
        if cython.unlikely(not op_is_valid(op, nr_slots)):
            break
        if op.op == PASR_OP_ALLOC:
            result = alloc(z, op.order, op.migratetype, mode)
            slots[op.slot] = pfn_of(z, <pasr_idx_t> result) if cython.likely(result >= 0) else result
        else:
            result = free(
                z, slots[op.slot], <int> op.order if op.flags & PASR_OP_CHECK_ORDER else -1, mode)
        nr_failed += result < 0
    else:
        i = nr
    nr_done[0] = i
    return nr_failed


cdef int64_t zone_run(
    pasr_zone_t *z, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots, uint64_t *nr_done
) noexcept nogil:
    """Execute *nr* operations; return how many failed.

    An allocation stores its pfn, or PASR_ENOMEM, in its slot; a free reads the
    pfn from its slot and leaves it there. A failed operation changes nothing in
    the zone. Stops before an operation that is not valid; *nr_done* counts
    those executed.
    """
    if z.mode == 0:
        return run(z, ops, nr, slots, nr_slots, nr_done, 0)
    if z.mode == PASR_MODE_SORTED:
        return run(z, ops, nr, slots, nr_slots, nr_done, PASR_MODE_SORTED)
    if z.mode == PASR_MODE_STRADDLE:
        return run(z, ops, nr, slots, nr_slots, nr_done, PASR_MODE_STRADDLE)
    return run(z, ops, nr, slots, nr_slots, nr_done, PASR_MODE_SORTED | PASR_MODE_STRADDLE)
