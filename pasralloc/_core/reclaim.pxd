"""Reclaim: page cache is dropped, the oldest first; anonymous memory is swapped out if there is swap.

Threading rule: one thread at a time for one memory; the GIL is not needed.
"""

from libc.stdint cimport uint32_t, uint64_t

from pasralloc._core.nodetypes cimport pasr_memory_t, pasr_memzone_t
from pasralloc._core.types cimport pasr_idx_t

cdef enum:
    SWAP_CLUSTER_MAX = 32                # pages that are reclaimed at a time


cdef void reclaim_block(
    pasr_memory_t *m, pasr_memzone_t *mz, uint32_t cpu, pasr_idx_t idx, uint32_t order
) noexcept nogil
cdef uint64_t reclaim_pages(pasr_memory_t *m, pasr_memzone_t *mz, uint32_t cpu, uint64_t nr) noexcept nogil
cdef void kswapd_run(pasr_memory_t *m) noexcept nogil
