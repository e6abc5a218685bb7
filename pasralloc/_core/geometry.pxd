"""Description of a zone: from keyword arguments to the fields of the struct."""

from pasralloc._core.types cimport pasr_zone_t


cdef tuple zone_describe(
    pasr_zone_t *z, object nr_pages, object region_pages, object start_pfn, object placement, object kernel,
    object quirks, object pageblock_order, object region_allocator, object grouping, object pagesets, object absent
)
