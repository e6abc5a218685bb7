"""Allocation from the zones of a machine: zonelists, watermarks, reclaim.

Threading rule: one thread at a time for one memory; the GIL is not needed.
"""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from pasralloc._core.nodetypes cimport (
    PASR_MAX_NR_ZONES, PASR_NO_ZONE, pasr_memory_t, pasr_memzone_t,
)
from pasralloc._core.types cimport PASR_MAX_PAGE_ORDER


cdef inline uint16_t *zonelist_of(const pasr_memory_t *m, uint32_t node, uint32_t highest) noexcept nogil:
    """Zones to try for a request that starts on a node and may use zones up to type *highest*."""
    return &m.zonelists[(node * PASR_MAX_NR_ZONES + highest) * (m.nr_zones + 1)]


cdef inline uint32_t zone_at(const pasr_memory_t *m, int64_t pfn) noexcept nogil:
    """Number of the zone that spans *pfn*, or PASR_NO_ZONE."""
    cdef uint64_t block = <uint64_t> (pfn - m.base_pfn) >> PASR_MAX_PAGE_ORDER
    if pfn < m.base_pfn or block >= m.nr_blocks:
        return PASR_NO_ZONE
    return m.zone_of_block[block]


cdef void want_kswapd(pasr_memory_t *m, pasr_memzone_t *mz) noexcept nogil
cdef void node_settle(pasr_memory_t *m) noexcept nogil
cdef bint avoids_fragments(const pasr_memory_t *m, const uint16_t *zonelist) noexcept nogil
cdef int64_t node_alloc(
    pasr_memory_t *m, uint32_t node, uint32_t highest, uint32_t cpu, uint32_t order, uint32_t migratetype,
    uint32_t flags
) noexcept nogil
cdef int node_free(pasr_memory_t *m, uint32_t cpu, int64_t pfn, int order) noexcept nogil
cdef void node_advance(pasr_memory_t *m, int64_t now_ns) noexcept nogil
cdef void node_drain(pasr_memory_t *m) noexcept nogil
