"""Batch calls of a zone: arrays in, arrays out."""

from libc.stdint cimport int64_t, uint32_t

from pasralloc._core.types cimport pasr_zone_t


cdef object batch_alloc(pasr_zone_t *z, uint32_t cpu, object orders, object migratetypes, object out)
cdef int batch_free(pasr_zone_t *z, uint32_t cpu, object pfns, object orders) except -1
cdef int64_t batch_run(pasr_zone_t *z, uint32_t cpu, object ops, object slots) except -1
