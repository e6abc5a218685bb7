"""Invariants of a zone."""

from libc.stdint cimport int64_t

from pasralloc._core.types cimport pasr_zone_t


ctypedef struct fault_t:
    int64_t where                     # frame, region or list at fault, as the text of `broken` says
    int64_t found
    int64_t expected


cdef int zone_check(pasr_zone_t *z, fault_t *fault) noexcept nogil
cdef str fault_text(int broken, const fault_t *fault)
