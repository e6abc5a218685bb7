"""Streams of allocations and frees."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pasralloc._core.types cimport (
    PASR_MAX_PAGE_ORDER, PASR_NR_PCPTYPES, PASR_OP_FLAGS, PASR_OP_FREE, pasr_op_t, pasr_zone_t,
)


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


cdef int64_t zone_run(
    pasr_zone_t *z, uint32_t cpu, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots,
    uint64_t *nr_done
) noexcept nogil
