"""What a zone is: its memory, its geometry, its state, and questions about it."""

from libc.stdint cimport uint32_t

from pasralloc._core.arena cimport Arena
from pasralloc._core.snapshot cimport ZoneSnapshot
from pasralloc._core.turn cimport Turn
from pasralloc._core.types cimport pasr_zone_t


cdef class ZoneBase:
    cdef pasr_zone_t c
    cdef Arena arena
    cdef Turn turn
    cdef int movable                     # number of this migratetype
    cdef dict numbers                    # migratetype name to number, of those that can be requested
    cdef readonly tuple migratetypes
    cdef readonly str placement
    cdef readonly str kernel
    cdef readonly str quirks
    cdef readonly object region_allocator
    cdef readonly object grouping
    cdef readonly object pagesets

    cdef inline int refuse_if_busy(self) except -1:
        return self.turn.refuse_if_taken()

    cdef void forget_changes(self) noexcept
    cdef int enter(self) except -1
    cdef void leave(self) noexcept
    cdef int as_migratetype(self, object migratetype) except -1
    cdef uint32_t as_cpu(self, object cpu) except? 0xffffffff
    cdef object regions(self)
    cdef bytes image(self)
    cdef bytes image_in_turn(self)
    cdef int load(self, ZoneSnapshot snapshot) except -1
