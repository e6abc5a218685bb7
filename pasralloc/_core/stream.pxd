"""Streams of allocations and frees."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pasralloc._core.pcp cimport pcp_alloc_block, pcp_free_block
from pasralloc._core.rmqueue cimport alloc_block, alloc_flagged, free_block
from pasralloc._core.types cimport (
    PASR_MAX_PAGE_ORDER, PASR_NR_PCPTYPES, PASR_OP_FLAGS, PASR_OP_FREE, pasr_op_t, pasr_pageset_t, pasr_zone_t,
)


# How far ahead `run` looks: first the slot, and once that has arrived the frame it names.
cdef enum:
    SLOT_AHEAD = 64
    FRAME_AHEAD = 24
    NR_EXECUTED = 512                    # operations copied and executed at a time
    NR_COPIED = 576                      # and those after them that are looked at


cdef inline int64_t allocate(
    pasr_zone_t *z, pasr_pageset_t *pageset, pasr_op_t op, uint32_t flags, bint has_pageset, int mode
) noexcept nogil:
    """Frame index of the block that *op* asks for, or PASR_ENOMEM. *has_pageset* and *mode* are literals."""
    if has_pageset:
        return pcp_alloc_block(z, pageset, op.order, op.migratetype, flags)
    if cython.unlikely(flags != 0):
        return alloc_flagged(z, op.order, op.migratetype, flags)
    return alloc_block(z, op.order, op.migratetype, 0, mode)


cdef inline int release(
    pasr_zone_t *z, pasr_pageset_t *pageset, int64_t pfn, int order, bint has_pageset, int mode
) noexcept nogil:
    """Free a block; what `zone_free` returns. A literal *order* of -1 lets the compiler drop the comparison."""
    return pcp_free_block(z, pageset, pfn, order) if has_pageset else free_block(z, pfn, order, mode)


cdef inline bint op_is_valid(pasr_op_t op, uint64_t nr_slots) noexcept nogil:
    return (op.op <= PASR_OP_FREE and op.order <= PASR_MAX_PAGE_ORDER
            and op.migratetype < PASR_NR_PCPTYPES and op.slot < nr_slots
            and op.flags & ~PASR_OP_FLAGS == 0)


cdef inline bint ops_are_valid(const pasr_op_t *ops, uint64_t nr, uint64_t nr_slots) noexcept nogil:
    """Whether all are: one addition compares all fields of an operation, so that the loop becomes SIMD code."""
    cdef pasr_op_t carry
    cdef uint64_t addend = 0, mask = 0, word = 0, bad = 0
    cdef uint64_t i
    if nr_slots > <uint64_t> 1 << 31:
        for i in range(nr):
            if not op_is_valid(ops[i], nr_slots):
                return False
        return True
    # What is above its limit reaches the top bit of its field, or has it already. The carry
    # out of a field disturbs the next, but only where something is wrong anyway.
    carry.op = 127 - PASR_OP_FREE
    carry.order = <uint8_t> (127 - PASR_MAX_PAGE_ORDER)
    carry.migratetype = <uint8_t> (128 - PASR_NR_PCPTYPES)
    carry.flags = 127 - PASR_OP_FLAGS
    carry.slot = <uint32_t> ((<uint64_t> 1 << 31) - nr_slots)
    memcpy(&addend, &carry, sizeof(addend))
    carry.op = carry.order = carry.migratetype = carry.flags = 128
    carry.slot = <uint32_t> 1 << 31
    memcpy(&mask, &carry, sizeof(mask))
    for i in range(nr):
        memcpy(&word, &ops[i], sizeof(word))
        bad |= word | (word + addend)
    return bad & mask == 0


cdef uint64_t copy_valid(pasr_op_t *copy, const pasr_op_t *ops, uint64_t nr, uint64_t nr_slots) noexcept nogil
cdef int64_t zone_run(
    pasr_zone_t *z, uint32_t cpu, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots,
    uint64_t *nr_done
) noexcept nogil
