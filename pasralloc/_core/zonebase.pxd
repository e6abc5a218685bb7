"""What a zone is: its memory, its geometry, its state, and questions about it."""

from pasralloc._core.arena cimport Arena
from pasralloc._core.types cimport pasr_zone_t


cdef class ZoneBase:
    cdef pasr_zone_t c
    cdef Arena arena
    cdef bint is_busy                    # owned by a call that may have released the GIL
    cdef int movable                     # number of this migratetype
    cdef dict numbers                    # migratetype name to number, of those that can be requested
    cdef readonly tuple migratetypes
    cdef readonly str placement
    cdef readonly str kernel
    cdef readonly str quirks
    cdef readonly object region_allocator
    cdef readonly object pagesets

    cdef inline int refuse_if_busy(self) except -1:
        if self.is_busy:
            raise RuntimeError("this zone is in use by another call")
        return 0

    cdef void forget_changes(self) noexcept
    cdef int enter(self) except -1
    cdef void leave(self) noexcept
    cdef int as_migratetype(self, object migratetype) except -1
    cdef object regions(self)
    cdef bytes image(self)
