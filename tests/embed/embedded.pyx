"""A downstream extension: drives a zone without the GIL, and shows how."""

from libc.stdint cimport int64_t, uint32_t

from pasralloc cimport Zone, zone_alloc, zone_free, pasr_zone_t

from pasralloc.errors import OutOfMemory


def churn(Zone zone not None, uint32_t order, int64_t nr_rounds):
    """Allocate and free a block *nr_rounds* times; return the sum of the pfns."""
    cdef pasr_zone_t *z = &zone.c
    cdef int64_t pfn = 0, total = 0, i
    zone.enter()                       # from here on other threads are refused
    with nogil:
        for i in range(nr_rounds):
            pfn = zone_alloc(z, order, zone.movable)
            if pfn < 0:
                break
            total += pfn
            zone_free(z, pfn, <int> order)
    zone.leave()
    if pfn < 0:
        raise OutOfMemory(order, "movable")
    return total


def free_error(Zone zone not None, int64_t pfn, int order):
    """What `zone_free` answers to any pfn."""
    return zone_free(&zone.c, pfn, order)
