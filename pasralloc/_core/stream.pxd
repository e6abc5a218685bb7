"""Streams of allocations and frees."""

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pasralloc._core.bits cimport __builtin_prefetch
from pasralloc._core.pcp cimport pcp_alloc_other, pcp_free_block, pcp_take_page
from pasralloc._core.rmqueue cimport alloc_block, alloc_flagged, free_block
from pasralloc._core.types cimport (
    PASR_CMA, PASR_MAX_PAGE_ORDER, PASR_NR_PCPTYPES, PASR_OP_ALLOC, PASR_OP_CHECK_ORDER, PASR_OP_FLAGS, PASR_OP_FREE,
    PASR_RULES_CLAIM, pasr_idx_t, pasr_op_t, pasr_pageset_t, pasr_pcplist_t, pasr_zone_t,
)
from pasralloc._core.zone cimport pasr_tags_t, pfn_of, tag_of, tags_of, zone_prefetch


# How far ahead `run` looks: first the slot, and once that has arrived the frame it names.
cdef enum:
    SLOT_AHEAD = 64
    FRAME_AHEAD = 24
    NR_EXECUTED = 512                    # operations copied and executed at a time
    NR_COPIED = 576                      # and those after them that are looked at


# What a stream has to keep away from in a zone that is one of several.
ctypedef struct guard_t:
    uint64_t plenty[3]                   # by migratetype: with more free pages, any block may be taken
    uint32_t flags                       # of requests, where these refill a pageset


cdef inline bint needs_care(
    const guard_t *guard, const pasr_zone_t *z, pasr_op_t op, bint has_pageset
) noexcept nogil:
    """Whether more has to be looked at than the zone, or more in it, before *op* allocates.

    A single page needs enough that is free, and none of it in pageblocks that are not for all: CMA
    and isolated ones are looked at as one word. A larger block needs one to be listed, by the rules of 6.12.
    """
    cdef uint64_t set_aside = 0
    memcpy(&set_aside, &z.nonempty[<int> PASR_CMA], sizeof(set_aside))
    if set_aside != 0 or op.flags != 0 or z.nr_free <= guard.plenty[op.migratetype]:
        return True
    if op.order != 0 and z.rules != PASR_RULES_CLAIM:
        return True
    return (op.order != 0 or not has_pageset) and z.nonempty[op.migratetype] >> op.order == 0


cdef inline uint32_t op_word(uint8_t op, uint8_t order, uint8_t flags) noexcept nogil:
    """What stands before the slot of an operation, as one word: a constant where the arguments are literals."""
    cdef pasr_op_t fields
    cdef uint32_t word = 0
    fields.op, fields.order, fields.migratetype, fields.flags = op, order, 0, flags
    memcpy(&word, &fields, sizeof(word))
    return word


cdef inline int64_t allocate(
    pasr_zone_t *z, pasr_pageset_t *pageset, pasr_op_t op, uint32_t flags, bint has_pageset, int mode
) noexcept nogil:
    """Frame index of the block that *op* asks for, or PASR_ENOMEM. *has_pageset* and *mode* are literals.

    With a pageset, of what is no single page at hand: `execute` takes that itself.
    """
    if has_pageset:
        return pcp_alloc_other(z, pageset, op.order, op.migratetype, flags)
    if cython.unlikely(flags != 0):
        return alloc_flagged(z, op.order, op.migratetype, flags)
    return alloc_block(z, op.order, op.migratetype, 0, mode)


cdef inline int release(
    pasr_zone_t *z, pasr_tags_t tags, pasr_pageset_t *pageset, int64_t pfn, int order, bint has_pageset, int mode
) noexcept nogil:
    """Free a block; what `zone_free` returns. A literal *order* of -1 lets the compiler drop the comparison."""
    return pcp_free_block(z, tags, pageset, pfn, order) if has_pageset else free_block(z, pfn, order, mode)


cdef inline uint64_t execute(
    pasr_zone_t *z, pasr_pageset_t *pageset, const pasr_op_t *ops, uint64_t nr, int64_t *slots,
    int64_t *nr_failed, const guard_t *guard, bint has_guard, bint has_pageset, int mode
) noexcept nogil:
    """Execute *nr* valid operations, SLOT_AHEAD more of which stand behind the last one; return how many.

    With a *guard* those before the first one that needs care or fails, and none behind one that mixes types.
    *has_guard*, *has_pageset* and *mode* are literals.
    """
    cdef const pasr_op_t *op = ops
    cdef pasr_tags_t tags = tags_of(z)
    cdef pasr_pcplist_t *pcplist
    cdef int64_t result
    cdef uint32_t slot, word = 0
    while op != ops + nr:
        __builtin_prefetch(&slots[op[SLOT_AHEAD].slot])
        # Of allocations as well, whose slots may hold any pfn: to tell them apart would cost
        # as much as the operations themselves wherever these are hard to foresee.
        if has_pageset:
            __builtin_prefetch(tag_of(tags, slots[op[FRAME_AHEAD].slot]))
        else:
            zone_prefetch(z, slots[op[FRAME_AHEAD].slot], True)
        slot = op.slot
        memcpy(&word, op, sizeof(word))
        if has_pageset and word & op_word(0xff, 0xff, 0) == op_word(PASR_OP_ALLOC, 0, 0):
            if has_guard:
                if cython.unlikely(needs_care(guard, z, op[0], True)):
                    return op - ops
            pcplist = &pageset.lists[op.migratetype]
            if cython.likely(pcplist.first != pcplist.end):
                slots[slot] = pcp_take_page(z, tags, pageset, pcplist, op.migratetype)
                op += 1
                continue
        if op.op != PASR_OP_ALLOC:
            if cython.likely(word & op_word(0xff, 0, PASR_OP_CHECK_ORDER) == op_word(PASR_OP_FREE, 0, 0)):
                result = release(z, tags, pageset, slots[slot], -1, has_pageset, mode)
            else:
                result = release(z, tags, pageset, slots[slot], op.order, has_pageset, mode)
        elif has_guard:
            if cython.unlikely(needs_care(guard, z, op[0], has_pageset)):
                return op - ops
            # Without a pageset the block is one of the own type, however little types may mix.
            result = allocate(z, pageset, op[0], guard.flags if has_pageset else 0, has_pageset, mode)
            if cython.likely(result >= 0):
                slots[slot] = pfn_of(z, <pasr_idx_t> result)
                if cython.unlikely(z.watermark_boost != 0):
                    return op - ops + 1
        else:
            result = allocate(z, pageset, op[0], op.flags, has_pageset, mode)
            slots[slot] = pfn_of(z, <pasr_idx_t> result) if cython.likely(result >= 0) else result
        if not has_guard:
            nr_failed[0] += result < 0
        elif cython.unlikely(result < 0):
            return op - ops
        op += 1
    return nr


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
