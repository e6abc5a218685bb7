"""Many allocations or frees in one call."""

from libc.stdint cimport int64_t, uint8_t, uint64_t

from pasralloc._core.rmqueue cimport zone_alloc, zone_free
from pasralloc._core.types cimport (
    PASR_EALREADY, PASR_OK, PASR_TAG_FREE, PASR_TAG_TYPE, pasr_idx_t,
)
from pasralloc._core.zone cimport head_tag, idx_of, set_tag, tag_order, zone_free_error, zone_prefetch, zone_spans


# A type that no block has. Marks heads that this call has already named, without the FREE
# bit, so that a buddy which is freed meanwhile does not take them for free.
cdef enum:
    MARK = PASR_TAG_TYPE
    AHEAD = 16


cdef void zone_alloc_batch(
    pasr_zone_t *z, const uint8_t *orders, const uint8_t *migratetypes, uint64_t nr, int64_t *out
) noexcept nogil:
    """Allocate *nr* blocks of valid orders and types; write a pfn or PASR_ENOMEM for each."""
    cdef uint64_t i
    for i in range(nr):
        out[i] = zone_alloc(z, orders[i], migratetypes[i])


cdef int mark(
    pasr_zone_t *z, const int64_t *pfns, const uint8_t *orders, uint8_t *tags, uint64_t nr, uint64_t *bad
) noexcept nogil:
    """Check every entry and mark its block; *tags* receives what the marks replaced."""
    cdef uint64_t i
    cdef pasr_idx_t idx
    cdef int error
    for i in range(nr):
        if i + AHEAD < nr:
            zone_prefetch(z, pfns[i + AHEAD])
        bad[0] = i
        error = PASR_OK
        tags[i] = 0
        if zone_spans(z, pfns[i]):
            tags[i] = head_tag(z, idx_of(z, pfns[i]))
        if tags[i] == 0 or tags[i] & PASR_TAG_FREE or (orders != NULL and tag_order(tags[i]) != orders[i]):
            error = zone_free_error(z, pfns[i], -1 if orders == NULL else <int> orders[i])
        elif tags[i] & PASR_TAG_TYPE == MARK:
            error = PASR_EALREADY        # named twice
        if error != PASR_OK:
            return error
        idx = idx_of(z, pfns[i])
        set_tag(z, idx, tag_order(tags[i]), tags[i] | MARK)
    bad[0] = nr
    return PASR_OK


cdef int zone_free_batch(
    pasr_zone_t *z, const int64_t *pfns, const uint8_t *orders, uint8_t *tags, uint64_t nr, uint64_t *bad
) noexcept nogil:
    """Free all of *pfns* in order, or none.

    *orders* may be NULL; *tags* is scratch space of *nr* bytes. None of these
    arrays may change meanwhile. Returns PASR_OK, or a code of `zone_free` for
    entry *bad*, PASR_EALREADY also if an earlier entry names the same block; the
    zone is then unchanged.
    """
    cdef uint64_t i
    cdef int error = mark(z, pfns, orders, tags, nr, bad)
    if error != PASR_OK:
        for i in range(bad[0]):
            set_tag(z, idx_of(z, pfns[i]), tag_order(tags[i]), tags[i])
        return error
    for i in range(nr):
        if i + AHEAD < nr:
            zone_prefetch(z, pfns[i + AHEAD])
        zone_free(z, pfns[i], -1)
    return PASR_OK
