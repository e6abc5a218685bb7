"""Where the blocks of a replay lie: in one zone, or in the zones of a machine.

*on_machine* and *mode* are literals on hot paths, so that a replay into one zone pays nothing for machines;
*is_clocked* too: nothing for time and for blocks that move.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pasralloc._core.node cimport node_alloc, node_free, zone_at
from pasralloc._core.nodetypes cimport PASR_NO_ZONE, PASR_ZONE_MOVABLE, PASR_ZONE_NORMAL
from pasralloc._core.pcp cimport pcp_free_block
from pasralloc._core.replaytypes cimport name_of_pfn, pfn_of_name, replay_t
from pasralloc._core.rmqueue cimport alloc_block, free_block
from pasralloc._core.types cimport PASR_NIL, pasr_idx_t, pasr_zone_t
from pasralloc._core.zone cimport idx_of, tags_of, zone_prefetch


cdef inline pasr_zone_t *zone_of_name(const replay_t *r, pasr_idx_t name) noexcept nogil:
    """Zone that a block with a place lies in."""
    if r.memory == NULL:
        return r.zone
    return r.memory.zones[zone_at(r.memory, pfn_of_name(r, name))].zone


cdef inline void touch(replay_t *r, int64_t pfn) noexcept nogil:
    """Note that the event changes the zone of *pfn*, which is one of the machine's."""
    cdef uint32_t at = zone_at(r.memory, pfn)
    r.is_everywhere = r.is_everywhere or (r.at != PASR_NO_ZONE and r.at != at)
    r.at = at


cdef inline uint32_t highest_of(const replay_t *r, uint32_t migratetype, uint32_t gfp) noexcept nogil:
    """``gfp_zone()``: highest zone type of a request; without flags its migratetype decides."""
    if gfp != 0:
        return r.highest[gfp & 15]
    return PASR_ZONE_MOVABLE if migratetype == r.zone.movable else PASR_ZONE_NORMAL


cdef inline pasr_idx_t place(
    replay_t *r, uint32_t order, uint32_t migratetype, uint32_t gfp, int mode, bint on_machine
) noexcept nogil:
    """Allocate ``2**order`` pages; return their name, or PASR_NIL if there is no room."""
    cdef int64_t idx, pfn
    if on_machine:
        pfn = node_alloc(
            r.memory, r.nodes[r.cpu], highest_of(r, migratetype, gfp), r.cpu, order, migratetype, 0)
        if pfn < 0:
            return PASR_NIL
        touch(r, pfn)
        return name_of_pfn(r, pfn)
    if r.zone.nr_cpus == 0:
        idx = alloc_block(r.zone, order, migratetype, 0, mode)
    else:
        idx = place_on_cpu(r, order, migratetype)
    return <pasr_idx_t> idx + 1 if idx >= 0 else PASR_NIL


cdef inline int displace(replay_t *r, pasr_idx_t name, int order, int mode, bint on_machine) noexcept nogil:
    """Free the block of a name, of *order* if that is not negative; returns what `zone_free` returns."""
    cdef int64_t pfn = pfn_of_name(r, name)
    if on_machine:
        touch(r, pfn)
        return node_free(r.memory, r.cpu, pfn, order)
    if r.zone.nr_cpus == 0:
        return free_block(r.zone, pfn, order, mode)
    return pcp_free_block(r.zone, tags_of(r.zone), &r.zone.pagesets[r.cpu], pfn, order)


cdef inline void prefetch(const replay_t *r, pasr_idx_t name, bint on_machine) noexcept nogil:
    """Fetch what `displace` reads first."""
    zone_prefetch(zone_of_name(r, name) if on_machine else r.zone, pfn_of_name(r, name), True)


cdef int64_t place_on_cpu(replay_t *r, uint32_t order, uint32_t migratetype) noexcept nogil
cdef pasr_idx_t place_seed(replay_t *r, uint32_t migratetype) noexcept nogil
cdef uint64_t take_pages(
    replay_t *r, int64_t pfn, uint64_t nr, uint32_t migratetype, bint *has_place
) noexcept nogil
cdef void pass_time(replay_t *r) noexcept nogil
cdef int follow_move(void *context, int64_t old_pfn, int64_t new_pfn, uint32_t order) noexcept nogil
