"""Migration: pages in use of a range move elsewhere, so that the range becomes free.

One engine empties ranges. What differs between its users is how hard it tries (a control
record) and where pages go (a function that names the free block to take). It follows
``compact_range()`` of Srivatsa S. Bhat, "[RFC PATCH v2 11/15] mm: Restructure the compaction part of CMA for wider
use", linux-mm, 9 April 2013, <20130409214814.4500.19572.stgit@srivatsabhat.in.ibm.com>.

Threading rule: one thread at a time for one memory; the GIL is not needed.
"""

from libc.stdint cimport uint32_t, uint64_t

from pasralloc._core.nodetypes cimport (
    pasr_compact_control_t, pasr_compacted_t, pasr_memory_t, pasr_memzone_t,
)
from pasralloc._core.types cimport pasr_block_t, pasr_idx_t, pasr_zone_t

# Frames [first, stop).
ctypedef struct extent_t:
    pasr_idx_t first
    pasr_idx_t stop

# What a region is in use for, in pages.
ctypedef struct held_t:
    uint64_t unmovable
    uint64_t pinned
    uint64_t movable
    uint64_t cached

# Names the free block from which a block of *order* takes its new place; False if there is none. The caller takes
# it at once, or not at all.
ctypedef bint (*target_fn_t)(
    const pasr_zone_t *z, void *data, uint32_t order, uint32_t migratetype, pasr_block_t *target
) noexcept nogil


cdef pasr_idx_t compact_range(
    pasr_memory_t *m, pasr_memzone_t *mz, extent_t *extent, uint64_t nr_expected, const pasr_compact_control_t *control,
    target_fn_t find_target, void *data, pasr_compacted_t *done
) noexcept nogil
cdef void empty_range(
    pasr_memory_t *m, pasr_memzone_t *mz, extent_t *extent, uint64_t nr_expected, const pasr_compact_control_t *control,
    pasr_compacted_t *done
) noexcept nogil
cdef void compact_zone(
    pasr_memory_t *m, pasr_memzone_t *mz, const pasr_compact_control_t *control, pasr_compacted_t *done
) noexcept nogil
cdef held_t held_in(const pasr_memzone_t *mz, pasr_idx_t first, pasr_idx_t stop) noexcept nogil
