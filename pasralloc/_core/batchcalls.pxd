"""Batch calls of a zone or of a simulation: arrays in, arrays out."""

from libc.stdint cimport int64_t, uint32_t

from pasralloc._core.nodestream cimport place_t
from pasralloc._core.types cimport pasr_zone_t

# What a call is about: a zone (of the place, only the CPU counts), or with NULL a place.
ctypedef struct target_t:
    pasr_zone_t *zone
    place_t place
    int64_t now_ns                       # time of the call on a place; negative: the present


cdef object batch_alloc(const target_t *target, object orders, int migratetype, object migratetypes, object out)
cdef int batch_free(const target_t *target, object pfns, object orders) except -1
cdef int64_t batch_run(const target_t *target, object ops, object slots) except -1
