"""The state of a zone as bytes: same state, same bytes."""

from libc.stdint cimport uint64_t

from pasralloc._core.types cimport pasr_zone_t


cdef uint64_t image_size(const pasr_zone_t *z) noexcept nogil
cdef void image_write(const pasr_zone_t *z, char *out) noexcept nogil
cdef bint image_fits(const pasr_zone_t *z, const char *image, uint64_t nr_bytes) noexcept nogil
cdef void image_read(pasr_zone_t *z, const char *image) noexcept nogil
