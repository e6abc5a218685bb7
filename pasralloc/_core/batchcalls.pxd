"""Batch calls of a zone: arrays in, arrays out."""

from libc.stdint cimport int64_t

from pasralloc._core.types cimport pasr_zone_t


cdef object batch_alloc(pasr_zone_t *z, object orders, object migratetypes, object out)
cdef int batch_free(pasr_zone_t *z, object pfns, object orders) except -1
cdef int64_t batch_run(pasr_zone_t *z, object ops, object slots) except -1
