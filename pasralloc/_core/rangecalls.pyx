"""Calls on ranges of pages: what is refused becomes an exception that says why."""

from libc.stdint cimport int64_t

from pasralloc._core.boundary cimport as_int
from pasralloc._core.ranges cimport zone_set_pageblocks, zone_take_range
from pasralloc._core.refusal cimport range_refusal
from pasralloc._core.types cimport (
    PASR_EBUSY, PASR_EDOM, PASR_FREE, PASR_NR_MIGRATETYPES, PASR_OK, PASR_TOP_PAGES,
)

from pasralloc.choices import unknown


cdef int64_t take_pages(pasr_zone_t *z, int64_t pfn, int64_t nr, int migratetype) except -1:
    """Allocate exactly these pages; return how many blocks they became."""
    cdef int64_t result = zone_take_range(z, pfn, nr, migratetype)
    if result < 0:
        raise ValueError(range_refusal(z, pfn, nr, PASR_FREE))
    return result


cdef int as_any_migratetype(object migratetype, tuple migratetypes) except -1:
    """Number of a migratetype, of those as well that cannot be requested."""
    if isinstance(migratetype, str):
        if migratetype not in migratetypes:
            raise ValueError(unknown("migratetype", migratetype, migratetypes))
        return migratetypes.index(migratetype)
    return <int> as_int(migratetype, "migratetype", 0, PASR_NR_MIGRATETYPES - 1)


cdef int retype_pages(pasr_zone_t *z, int64_t pfn, int64_t nr, int migratetype) except -1:
    """Give whole pageblocks another migratetype."""
    cdef int error = zone_set_pageblocks(z, pfn, nr, migratetype)
    if error == PASR_EDOM:
        raise ValueError(
            f"{nr} pages from pfn {pfn:#x} are not whole pageblocks of {1 << z.pageblock_order} pages")
    if error == PASR_EBUSY:
        raise ValueError(
            f"a free block reaches beyond the {nr} pages from pfn {pfn:#x}; choose multiples of"
            f" {PASR_TOP_PAGES} pages, or allocate it first")
    if error != PASR_OK:
        raise ValueError(range_refusal(z, pfn, nr, PASR_FREE))
    return 0
