"""The memory of a simulation: its zones, and questions about them."""

from libc.stdint cimport uint64_t

from pasralloc._core.arena cimport Arena
from pasralloc._core.nodestream cimport place_t
from pasralloc._core.nodetypes cimport pasr_memory_t
from pasralloc._core.snapshot cimport MemorySnapshot
from pasralloc._core.turn cimport Turn
from pasralloc._core.zonebase cimport ZoneBase


cdef class MemoryZone(ZoneBase):
    cdef readonly int nid
    cdef readonly str name


cdef class MemoryBase:
    cdef pasr_memory_t c
    cdef Arena arena
    cdef Turn turn
    cdef readonly tuple zones
    cdef bytes plan                      # hash of what it was made of
    cdef ZoneBase first                  # None until zones are made
    cdef dict nodes                      # nid to number
    cdef object first_nid                # number 0
    cdef uint64_t nr_restored            # snapshots: moments of before say nothing

    cdef int make_zones(
        self, list plans, object zonelists, list nids, object nr_cpus, object reclaim_by_region, object swap_pages,
        object kswapd_latency_ns, object vmstat_interval_ns, object evacuation) except -1
    cdef int set_evacuation(self, object plan) except -1
    cdef int bind(self, list zones, bint reclaim_by_region) except -1
    cdef list pieces(self, bytes image)
    cdef int place(self, place_t *place, object zone, object nid, object cpu) except -1
    cdef bytes image(self)
    cdef int apply(self, bytes image) except -1
    cdef int check_all(self) except -1
