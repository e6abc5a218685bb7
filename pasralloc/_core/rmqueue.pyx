"""Allocation and free entry of a zone, one call or a stream of operations at a time."""

cimport cython
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from pasralloc._core.bits cimport __builtin_prefetch
from pasralloc._core.fallback cimport cma_balance, fallback_take
from pasralloc._core.region_alloc cimport region_request
from pasralloc._core.types cimport (
    PASR_MODE_PARKING, PASR_MODE_SORTED, PASR_OP_ALLOC, PASR_OP_CHECK_ORDER, PASR_OP_FREE, pasr_idx_t,
)
from pasralloc._core.zone cimport pageblock_type, pfn_of, zone_give, zone_prefetch, zone_take_smallest


cdef inline int64_t take(pasr_zone_t *z, uint32_t order, uint32_t migratetype, int mode) noexcept nogil:
    """``__rmqueue()``: own lists, the region allocator, then what the generation's fallback rules find."""
    cdef int64_t idx
    if z.cma_first >> migratetype & 1:
        idx = cma_balance(z, order, migratetype)
        if idx >= 0:
            return idx
    if mode & PASR_MODE_PARKING:
        region_request(z, order, migratetype)
    idx = zone_take_smallest(z, order, migratetype, migratetype, mode)
    return idx if idx >= 0 else fallback_take(z, order, migratetype)


cdef int64_t alloc_other(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil:
    """`alloc_block` of what is not a single page at hand."""
    if z.mode == PASR_MODE_SORTED:
        return take(z, order, migratetype, PASR_MODE_SORTED)
    if z.mode == 0:
        return take(z, order, migratetype, 0)
    return take(z, order, migratetype, z.mode)


cdef void free_other(pasr_zone_t *z, pasr_idx_t idx, uint32_t order) noexcept nogil:
    """`free_block` of a block of several pages, once it is known to be allocated."""
    if z.mode == PASR_MODE_SORTED:
        zone_give(z, idx, order, pageblock_type(z, idx), False, PASR_MODE_SORTED)
    elif z.mode == 0:
        zone_give(z, idx, order, pageblock_type(z, idx), False, 0)
    else:
        zone_give(z, idx, order, pageblock_type(z, idx), False, z.mode)
        if z.mode & PASR_MODE_PARKING:
            region_offer(z, idx)


cdef int64_t zone_alloc(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil:
    """Allocate ``2**order`` pages.

    Takes a block from the lists of *migratetype* (`zone_take_smallest`), and only
    when those are dry from another type's (`fallback_take`). *order* and *migratetype* must be valid.

    Returns the pfn, or PASR_ENOMEM with the zone unchanged.
    Cost: one list removal, and one insertion per order split.
    """
    cdef int64_t idx
    if z.mode == PASR_MODE_SORTED:
        idx = alloc_block(z, order, migratetype, PASR_MODE_SORTED)
    else:
        idx = alloc_block(z, order, migratetype, z.mode)
    return pfn_of(z, <pasr_idx_t> idx) if idx >= 0 else idx


cdef int zone_free(pasr_zone_t *z, int64_t pfn, int order) noexcept nogil:
    """Free the allocated block that starts at *pfn*, of *order* if that is not negative.

    Any *pfn* and *order* are safe to pass. Returns PASR_OK, or with the zone
    unchanged PASR_ERANGE (outside the zone), PASR_ENXIO (absent), PASR_EALREADY
    (free), PASR_EINVAL (inside a block) or PASR_EDOM (of another order).
    Cost: one list removal per order merged, one insertion.
    """
    if z.mode == PASR_MODE_SORTED:
        return free_block(z, pfn, order, PASR_MODE_SORTED)
    return free_block(z, pfn, order, z.mode)


# How far ahead `run` looks: first the slot, and once that has arrived the frame it names.
cdef enum:
    SLOT_AHEAD = 24
    FRAME_AHEAD = 12
    NR_EXECUTED = 512                    # operations copied and executed at a time
    NR_COPIED = 536                      # and those after them that are looked at


cdef inline int64_t execute(
    pasr_zone_t *z, const pasr_op_t *ops, uint64_t nr, int64_t *slots, int mode
) noexcept nogil:
    """Execute valid operations, SLOT_AHEAD more of which stand behind the last one."""
    cdef uint64_t i
    cdef int64_t result, nr_failed = 0
    cdef uint32_t slot
    for i in range(nr):
        __builtin_prefetch(&slots[ops[i + SLOT_AHEAD].slot])
        if ops[i + FRAME_AHEAD].op == PASR_OP_FREE:
            zone_prefetch(z, slots[ops[i + FRAME_AHEAD].slot])
        slot = ops[i].slot
        if ops[i].op == PASR_OP_ALLOC:
            result = alloc_block(z, ops[i].order, ops[i].migratetype, mode)
            slots[slot] = pfn_of(z, <pasr_idx_t> result) if cython.likely(result >= 0) else result
        else:
            # A literal -1 lets the compiler drop the comparison.
            result = free_block(z, slots[slot], ops[i].order, mode) if cython.unlikely(
                ops[i].flags & PASR_OP_CHECK_ORDER) else free_block(z, slots[slot], -1, mode)
        nr_failed += result < 0
    return nr_failed


cdef int64_t zone_run(
    pasr_zone_t *z, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots, uint64_t *nr_done
) noexcept nogil:
    """Execute *nr* operations; return how many failed.

    An allocation stores its pfn, or PASR_ENOMEM, in its slot; a free reads the
    pfn from its slot and leaves it there. A failed operation changes nothing in
    the zone. Stops before an operation that is not valid; *nr_done* counts
    those executed. Another thread may write *ops* meanwhile: each operation is
    copied, and the copy is what is checked and executed.
    """
    cdef pasr_op_t copy[NR_COPIED]
    cdef uint64_t nr_copied, nr_valid
    cdef int64_t nr_failed = 0
    nr_done[0] = 0
    while nr_done[0] < nr:
        nr_copied = NR_COPIED
        if nr - nr_done[0] < nr_copied:
            nr_copied = nr - nr_done[0]
        memcpy(copy, ops + nr_done[0], nr_copied * sizeof(pasr_op_t))
        nr_valid = nr_copied
        if not ops_are_valid(copy, nr_copied, nr_slots):
            nr_valid = 0
            while nr_valid < nr_copied and op_is_valid(copy[nr_valid], nr_slots):
                nr_valid += 1
        # Nothing beyond what is valid may be looked at: it becomes slot 0.
        memset(&copy[nr_valid], 0, (NR_COPIED - nr_valid) * sizeof(pasr_op_t))
        if nr_valid > NR_EXECUTED:
            nr_valid = NR_EXECUTED
        if z.mode == 0:
            nr_failed += execute(z, copy, nr_valid, slots, 0)
        elif z.mode == PASR_MODE_SORTED:
            nr_failed += execute(z, copy, nr_valid, slots, PASR_MODE_SORTED)
        else:
            nr_failed += execute(z, copy, nr_valid, slots, z.mode)
        nr_done[0] += nr_valid
        if nr_valid < NR_EXECUTED:
            break
    return nr_failed
