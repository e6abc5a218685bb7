"""Many allocations or frees in one call."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pasralloc._core.pcp cimport pcp_alloc, pcp_free
from pasralloc._core.types cimport PASR_EALREADY, PASR_OK
from pasralloc._core.zone cimport zone_free_error, zone_prefetch


cdef void zone_alloc_batch(
    pasr_zone_t *z, uint32_t cpu, const uint8_t *orders, const uint8_t *migratetypes, uint64_t nr, int64_t *out
) noexcept nogil:
    """Allocate *nr* blocks of valid orders and types; write a pfn or PASR_ENOMEM for each."""
    cdef uint64_t i
    for i in range(nr):
        out[i] = pcp_alloc(z, cpu, orders[i], migratetypes[i], 0)


cdef uint64_t mark(
    pasr_zone_t *z, const int64_t *pfns, const uint8_t *orders, uint8_t *tags, uint64_t nr
) noexcept nogil:
    """Mark the blocks up to the first that cannot be freed; return how many.

    *tags* receives what the marks replaced.
    """
    cdef uint64_t i
    for i in range(nr):
        if i + AHEAD < nr:
            zone_prefetch(z, pfns[i + AHEAD], True)
        if not mark_block(z, pfns[i], -1 if orders == NULL else <int> orders[i], &tags[i]):
            return i
    return nr


cdef int zone_free_batch(
    pasr_zone_t *z, uint32_t cpu, const int64_t *pfns, const uint8_t *orders, uint8_t *tags, uint64_t nr, uint64_t *bad
) noexcept nogil:
    """Free all of *pfns* in order, or none.

    *orders* may be NULL; *tags* is scratch space of *nr* bytes. None of these
    arrays may change meanwhile. Returns PASR_OK, or a code of `zone_free` for
    entry *bad*, PASR_EALREADY also if an earlier entry names the same block; the
    zone is then unchanged.
    """
    cdef uint64_t i
    cdef int error
    bad[0] = mark(z, pfns, orders, tags, nr)
    if bad[0] != nr:
        for i in range(bad[0]):
            unmark_block(z, pfns[i], tags[i])
        error = zone_free_error(z, pfns[bad[0]], -1 if orders == NULL else <int> orders[bad[0]])
        return error if error != PASR_OK else PASR_EALREADY
    for i in range(nr):
        if i + AHEAD < nr:
            zone_prefetch(z, pfns[i + AHEAD], True)
        unmark_block(z, pfns[i], tags[i])
        pcp_free(z, cpu, pfns[i], -1)
    return PASR_OK
