"""Watermark checks of both kernel generations."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pasralloc._core.fallback cimport nr_free_of
from pasralloc._core.nodetypes cimport PASR_ALLOC_MIN_RESERVE
from pasralloc._core.types cimport (
    PASR_ALLOC_HIGHATOMIC, PASR_ALLOC_NON_BLOCK, PASR_ALLOC_OOM, PASR_CMA, PASR_HIGHATOMIC, PASR_ISOLATE,
    PASR_RULES_STEAL, pasr_zone_t,
)


cdef bint ok_of_steals(
    const pasr_zone_t *z, uint32_t order, int64_t nr_free, int64_t least, int64_t reserve, uint32_t flags
) noexcept nogil:
    """``__zone_watermark_ok()`` of 3.9: what lies in smaller blocks does not count, half as much must remain."""
    cdef uint32_t low, migratetype
    if flags & PASR_ALLOC_MIN_RESERVE:
        least -= least // 2
    if flags & PASR_ALLOC_NON_BLOCK:
        least -= least // 4
    if nr_free <= least + reserve:
        return False
    for low in range(order):
        for migratetype in range(<uint32_t> PASR_ISOLATE):
            nr_free -= <int64_t> z.lists[low][migratetype].nr_blocks << low
        least >>= 1
        if nr_free <= least:
            return False
    return True


cdef bint ok_of_claims(
    const pasr_zone_t *z, uint32_t order, int64_t nr_free, int64_t least, int64_t reserve, uint32_t migratetype,
    uint32_t flags
) noexcept nogil:
    """``__zone_watermark_ok()`` of 6.12: one block that the request may have is enough."""
    cdef uint32_t listed
    if flags & PASR_ALLOC_MIN_RESERVE:
        least -= least // 2
        if flags & PASR_ALLOC_NON_BLOCK:
            least -= least // 4
    if flags & PASR_ALLOC_OOM:
        least -= least // 2
    if nr_free <= least + reserve:
        return False
    if order == 0 or z.parked.nr_blocks != 0:
        return True
    listed = z.nonempty[0] | z.nonempty[1] | z.nonempty[2]
    if migratetype == z.movable:
        listed |= z.nonempty[<int> PASR_CMA]
    if flags & (PASR_ALLOC_HIGHATOMIC | PASR_ALLOC_OOM):
        listed |= z.nonempty[<int> PASR_HIGHATOMIC]
    return listed >> order != 0


cdef bint watermark_ok(
    const pasr_memzone_t *mz, uint32_t order, uint64_t mark, uint32_t highest, uint32_t migratetype, uint32_t flags
) noexcept nogil:
    """Whether *mark* pages and the reserve for requests that have no other zone remain after ``2**order`` pages.

    *highest* is the highest zone type that the request may use. Isolated memory is not
    free here, CMA memory is for movable requests alone, and of 6.12 HIGHATOMIC pageblocks are for
    those that may go into reserves.
    """
    cdef const pasr_zone_t *z = mz.zone
    cdef int64_t nr_free = <int64_t> z.nr_free - ((<int64_t> 1 << order) - 1) - <int64_t> nr_free_of(z, PASR_ISOLATE)
    cdef int64_t reserve = <int64_t> mz.lowmem_reserve[highest]
    if migratetype != z.movable:
        nr_free -= <int64_t> nr_free_of(z, PASR_CMA)
    if z.rules == PASR_RULES_STEAL:
        return ok_of_steals(z, order, nr_free, <int64_t> mark, reserve, flags)
    if not flags & (PASR_ALLOC_NON_BLOCK | PASR_ALLOC_MIN_RESERVE | PASR_ALLOC_HIGHATOMIC | PASR_ALLOC_OOM):
        nr_free -= <int64_t> nr_free_of(z, PASR_HIGHATOMIC)
    return ok_of_claims(z, order, nr_free, <int64_t> mark, reserve, migratetype, flags)
