"""Calls on ranges of pages, of a zone or of a zone of a simulation."""

from libc.stdint cimport int64_t

from pasralloc._core.types cimport pasr_zone_t


cdef int64_t take_pages(pasr_zone_t *z, int64_t pfn, int64_t nr, int migratetype) except -1
cdef int as_any_migratetype(object migratetype, tuple migratetypes) except -1
cdef int retype_pages(pasr_zone_t *z, int64_t pfn, int64_t nr, int migratetype) except -1
