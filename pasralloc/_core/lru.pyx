"""Lists of blocks in use whose state is known."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

from pasralloc._core.freelist cimport region_of
from pasralloc._core.types cimport PASR_ALLOCATED, PASR_EINVAL, PASR_ENXIO, PASR_NIL, PASR_OK, pasr_block_t
from pasralloc._core.nodetypes cimport PASR_PAGE_UNKNOWN, pasr_lru_t
from pasralloc._core.zone cimport block_end, head_tag, tag_order, zone_block_of


cdef inline uint32_t slot_of(const pasr_memzone_t *mz, pasr_idx_t idx) noexcept nogil:
    """Which of the lists of a kind: that of its region, if reclaim goes by regions."""
    return region_of(mz.zone, idx, mz.zone.mode) if mz.nr_lru_slots != 1 else 0


cdef void lru_add(pasr_memzone_t *mz, pasr_idx_t idx, uint8_t state) noexcept nogil:
    """Give the block at *idx*, which is on no list, a state other than unknown; it is the youngest of its list."""
    cdef uint32_t which = lru_of_state(state), slot = slot_of(mz, idx)
    cdef pasr_lru_t *lru = &mz.lru[which][slot]
    cdef pasr_link_t *link = lru_link(mz.zone, idx)
    link.next = PASR_NIL
    link.prev = lru.youngest
    if lru.youngest == PASR_NIL:
        lru.oldest = idx
    else:
        lru_link(mz.zone, lru.youngest).next = idx
    lru.youngest = idx
    if slot > mz.lru_top[which]:
        mz.lru_top[which] = slot
    mz.nr_lru[which] += <uint64_t> 1 << tag_order(head_tag(mz.zone, idx))
    mz.states[idx] = state


cdef void lru_remove(pasr_memzone_t *mz, pasr_idx_t idx) noexcept nogil:
    """Forget the state of the block at *idx*, which is on a list."""
    cdef uint32_t which = lru_of_state(mz.states[idx])
    cdef pasr_lru_t *lru = &mz.lru[which][slot_of(mz, idx)]
    cdef pasr_link_t *link = lru_link(mz.zone, idx)
    if link.prev == PASR_NIL:
        lru.oldest = link.next
    else:
        lru_link(mz.zone, link.prev).next = link.next
    if link.next == PASR_NIL:
        lru.youngest = link.prev
    else:
        lru_link(mz.zone, link.next).prev = link.prev
    mz.nr_lru[which] -= <uint64_t> 1 << tag_order(head_tag(mz.zone, idx))
    mz.states[idx] = PASR_PAGE_UNKNOWN


cdef void lru_set(pasr_memzone_t *mz, pasr_idx_t idx, uint8_t state) noexcept nogil:
    """Set the state of the allocated block at *idx*."""
    if mz.states[idx] != PASR_PAGE_UNKNOWN:
        lru_remove(mz, idx)
    if state != PASR_PAGE_UNKNOWN:
        lru_add(mz, idx, state)


cdef int lru_check_range(const pasr_memzone_t *mz, pasr_idx_t idx, uint64_t nr, pasr_idx_t *bad) noexcept nogil:
    """PASR_OK if *nr* pages from *idx* on are whole allocated blocks.

    Otherwise *bad* is the first frame that is not in use (PASR_ENXIO), or that of a block which
    reaches over an end of the range (PASR_EINVAL).
    """
    cdef uint64_t at = idx, stop = idx + nr
    cdef pasr_block_t block
    while at < stop:
        block = zone_block_of(mz.zone, <pasr_idx_t> at)
        bad[0] = <pasr_idx_t> at
        if block.state != PASR_ALLOCATED:
            return PASR_ENXIO
        if block.head != at or block_end(block) > stop:
            return PASR_EINVAL
        at = block_end(block)
    return PASR_OK


cdef void lru_set_range(pasr_memzone_t *mz, pasr_idx_t idx, uint64_t nr, uint8_t state) noexcept nogil:
    """Set the state of all blocks of a range that `lru_check_range` found to be in order."""
    cdef uint64_t at = idx, stop = idx + nr
    while at < stop:
        lru_set(mz, <pasr_idx_t> at, state)
        at += <uint64_t> 1 << tag_order(head_tag(mz.zone, <pasr_idx_t> at))
