"""Many allocations or frees on the zones of a machine.

Threading rule: one thread at a time for one memory; the GIL is not needed.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pasralloc._core.nodetypes cimport pasr_memory_t
from pasralloc._core.types cimport pasr_op_t

# Where a call allocates.
ctypedef struct place_t:
    pasr_memory_t *memory
    uint32_t node                        # number, not nid
    uint32_t cpu
    int highest                          # zone type; -1: as the migratetype allows


cdef int64_t place_alloc(const place_t *place, uint32_t order, uint32_t migratetype, uint32_t flags) noexcept nogil
cdef void node_alloc_batch(
    const place_t *place, const uint8_t *orders, const uint8_t *migratetypes, uint64_t nr, int64_t *out
) noexcept nogil
cdef int node_free_batch(
    const place_t *place, int64_t *pfns, const uint8_t *orders, uint8_t *tags, uint64_t nr, uint64_t *bad,
    int64_t now_ns
) noexcept nogil
cdef int64_t node_run(
    const place_t *place, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots, uint64_t *nr_done
) noexcept nogil
