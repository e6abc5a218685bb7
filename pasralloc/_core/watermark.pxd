"""Watermarks: whether a zone may give a block and still have what others need.

Threading rule: one thread at a time for one zone; the GIL is not needed.
"""

from libc.stdint cimport uint32_t, uint64_t

from pasralloc._core.nodetypes cimport pasr_memzone_t


cdef inline uint64_t wmark_pages(const pasr_memzone_t *mz, uint32_t wmark) noexcept nogil:
    """Pages of a watermark, boost included: ``wmark_pages()``."""
    return mz.watermarks[wmark] + mz.zone.watermark_boost


cdef bint watermark_ok(
    const pasr_memzone_t *mz, uint32_t order, uint64_t mark, uint32_t highest, uint32_t migratetype, uint32_t flags
) noexcept nogil
