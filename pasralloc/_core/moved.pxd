"""Where blocks are that the passing of time has moved or reclaimed.

Threading rule: one thread at a time for one memory; the GIL is not needed.
"""

from libc.stdint cimport int64_t, uint64_t

from pasralloc._core.nodetypes cimport pasr_memory_t

# How far history had come.
ctypedef struct moment_t:
    uint64_t nr_moves
    uint64_t nr_reclaimed


cdef inline moment_t moment_of(const pasr_memory_t *m) noexcept nogil:
    cdef moment_t moment
    moment.nr_moves = m.nr_moves
    moment.nr_reclaimed = m.nr_reclaimed
    return moment


cdef int64_t follow(const pasr_memory_t *m, moment_t since, int64_t pfn) noexcept nogil
cdef void follow_all(const pasr_memory_t *m, moment_t since, int64_t *pfns, uint64_t nr) noexcept nogil
