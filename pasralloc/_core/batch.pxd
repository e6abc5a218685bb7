"""Many allocations or frees in one call.

Threading rule: one thread at a time for one zone; the GIL is not needed.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pasralloc._core.types cimport pasr_zone_t
from pasralloc._core.zone cimport (
    head_tag, idx_of, set_tag, tag_cached, tag_is_allocated, tag_order, zone_spans,
)

cdef enum:
    AHEAD = 16                           # entries of which the frames are fetched


cdef inline bint mark_block(pasr_zone_t *z, int64_t pfn, int order, uint8_t *tag) noexcept nogil:
    """Mark a block that is to be freed as if it were on a per-CPU list: a second time, it is refused.

    Returns whether it can be freed as a block of *order* (-1: of any). *tag* receives what the mark replaced.
    """
    tag[0] = head_tag(z, idx_of(z, pfn)) if zone_spans(z, pfn) else 0
    if not tag_is_allocated(tag[0]) or (order >= 0 and <int> tag_order(tag[0]) != order):
        return False
    set_tag(z, idx_of(z, pfn), tag_order(tag[0]), tag_cached(tag_order(tag[0])))
    return True


cdef inline void unmark_block(pasr_zone_t *z, int64_t pfn, uint8_t tag) noexcept nogil:
    set_tag(z, idx_of(z, pfn), tag_order(tag), tag)


cdef void zone_alloc_batch(
    pasr_zone_t *z, uint32_t cpu, const uint8_t *orders, const uint8_t *migratetypes, uint64_t nr, int64_t *out
) noexcept nogil
cdef int zone_free_batch(
    pasr_zone_t *z, uint32_t cpu, const int64_t *pfns, const uint8_t *orders, uint8_t *tags, uint64_t nr, uint64_t *bad
) noexcept nogil
