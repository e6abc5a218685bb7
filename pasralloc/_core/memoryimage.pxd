"""States of the blocks of a zone, and what its workers are to do, as bytes, and whether the lists of them are sound.

Threading rule: one thread at a time for one memory; the GIL is not needed.
"""

from libc.stdint cimport int64_t, uint64_t

from pasralloc._core.nodetypes cimport pasr_memzone_t


cdef uint64_t worker_size(const pasr_memzone_t *mz) noexcept nogil
cdef void worker_write(const pasr_memzone_t *mz, char *out) noexcept nogil
cdef bint worker_fits(const pasr_memzone_t *mz, const char *image, uint64_t nr_bytes, int64_t latest) noexcept nogil
cdef void worker_read(pasr_memzone_t *mz, const char *image) noexcept nogil
cdef uint64_t lru_size(const pasr_memzone_t *mz) noexcept nogil
cdef void lru_write(const pasr_memzone_t *mz, char *out) noexcept nogil
cdef void lru_clear(pasr_memzone_t *mz) noexcept nogil
cdef bint lru_read(pasr_memzone_t *mz, const char *image, uint64_t nr_bytes) noexcept nogil
cdef const char *lru_fault(const pasr_memzone_t *mz, uint64_t *where) noexcept nogil
