"""Allocation and free entry of a zone.

Threading rule: one thread at a time for one zone; the GIL is not needed.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pasralloc._core.types cimport (
    PASR_MAX_PAGE_ORDER, PASR_NR_PCPTYPES, PASR_OP_CHECK_ORDER, PASR_OP_FREE, pasr_op_t, pasr_zone_t,
)


cdef inline bint op_is_valid(pasr_op_t op, uint64_t nr_slots) noexcept nogil:
    return (op.op <= PASR_OP_FREE and op.order <= PASR_MAX_PAGE_ORDER
            and op.migratetype < PASR_NR_PCPTYPES and op.slot < nr_slots
            and op.flags & ~PASR_OP_CHECK_ORDER == 0)


cdef int64_t zone_alloc(pasr_zone_t *z, uint32_t order, uint32_t migratetype) noexcept nogil
cdef int zone_free(pasr_zone_t *z, int64_t pfn, int order) noexcept nogil
cdef int64_t zone_run(
    pasr_zone_t *z, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots, uint64_t *nr_done
) noexcept nogil
