"""Allocation and free entry of a zone.

Threading rule: one thread at a time for one zone; the GIL is not needed.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pasralloc._core.types cimport (
    PASR_MAX_PAGE_ORDER, PASR_NR_PCPTYPES, PASR_OP_CHECK_ORDER, PASR_OP_FREE, pasr_op_t, pasr_zone_t,
)


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


cdef int64_t zone_alloc(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil
cdef int zone_free(pasr_zone_t *z, int64_t pfn, int order) noexcept nogil
cdef int64_t zone_run(
    pasr_zone_t *z, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots, uint64_t *nr_done
) noexcept nogil
