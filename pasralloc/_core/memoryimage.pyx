"""States of blocks as bytes: one entry per block, list by list, the oldest of each first."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pasralloc._core.freelist cimport region_of
from pasralloc._core.lru cimport lru_add, lru_link, lru_of_state
from pasralloc._core.nodetypes cimport (
    PASR_NR_LRU_LISTS, PASR_NR_PAGE_STATES, PASR_PAGE_UNMOVABLE, pasr_lru_t,
)
from pasralloc._core.types cimport PASR_MAX_PAGE_ORDER, PASR_NIL, pasr_idx_t
from pasralloc._core.zone cimport head_tag, tag_is_allocated, tag_order

ctypedef struct entry_t:
    pasr_idx_t idx
    uint32_t state


cdef uint64_t lru_size(const pasr_memzone_t *mz) noexcept nogil:
    """Bytes that `lru_write` writes. O(blocks whose state is known)."""
    cdef uint64_t nr = 0
    cdef uint32_t which, slot
    cdef pasr_idx_t idx
    for which in range(PASR_NR_LRU_LISTS):
        for slot in range(mz.nr_lru_slots):
            idx = mz.lru[which][slot].oldest
            while idx != PASR_NIL:
                nr += 1
                idx = lru_link(mz.zone, idx).next
    return nr * sizeof(entry_t)


cdef void lru_write(const pasr_memzone_t *mz, char *out) noexcept nogil:
    cdef uint32_t which, slot
    cdef entry_t entry
    for which in range(PASR_NR_LRU_LISTS):
        for slot in range(mz.nr_lru_slots):
            entry.idx = mz.lru[which][slot].oldest
            while entry.idx != PASR_NIL:
                entry.state = mz.states[entry.idx]
                memcpy(out, &entry, sizeof(entry))
                out += sizeof(entry)
                entry.idx = lru_link(mz.zone, entry.idx).next


cdef void lru_clear(pasr_memzone_t *mz) noexcept nogil:
    """Forget all states. Before the zone is changed otherwise: the lists run through its links."""
    cdef uint32_t which, slot
    cdef pasr_idx_t idx
    for which in range(PASR_NR_LRU_LISTS):
        for slot in range(mz.nr_lru_slots):
            idx = mz.lru[which][slot].oldest
            while idx != PASR_NIL:
                mz.states[idx] = PASR_PAGE_UNMOVABLE
                idx = lru_link(mz.zone, idx).next
            mz.lru[which][slot].oldest = mz.lru[which][slot].youngest = PASR_NIL
        mz.lru_top[which] = 0
        mz.nr_lru[which] = 0


cdef bint lru_read(pasr_memzone_t *mz, const char *image, uint64_t nr_bytes) noexcept nogil:
    """Set the states that were written, on empty lists; stop and return False at an entry that cannot be."""
    cdef const char *end = image + nr_bytes
    cdef entry_t entry
    if nr_bytes % sizeof(entry_t) != 0:
        return False
    while image != end:
        memcpy(&entry, image, sizeof(entry))
        image += sizeof(entry)
        if entry.idx < mz.zone.first or entry.idx >= mz.zone.end:
            return False
        if not tag_is_allocated(head_tag(mz.zone, entry.idx)) or mz.states[entry.idx] != PASR_PAGE_UNMOVABLE:
            return False
        if entry.state == PASR_PAGE_UNMOVABLE or entry.state >= PASR_NR_PAGE_STATES:
            return False
        lru_add(mz, entry.idx, <uint8_t> entry.state)
    return True


cdef const char *list_fault(
    const pasr_memzone_t *mz, uint32_t which, uint32_t slot, uint64_t *nr_blocks, uint64_t *nr_pages, uint64_t *where
) noexcept nogil:
    cdef const pasr_lru_t *lru = &mz.lru[which][slot]
    cdef pasr_idx_t idx = lru.oldest, before = PASR_NIL
    while idx != PASR_NIL:
        where[0] = idx
        if idx < mz.zone.first or idx >= mz.zone.end:
            return b"a list leads out of the zone"
        if not tag_is_allocated(head_tag(mz.zone, idx)):
            return b"a block on a list is not in use"
        if mz.states[idx] == PASR_PAGE_UNMOVABLE or lru_of_state(mz.states[idx]) != which:
            return b"a block is on the list of another state"
        if mz.nr_lru_slots != 1 and region_of(mz.zone, idx, mz.zone.mode) != slot:
            return b"a block is on the list of another region"
        # So no list goes round: the block where it closes would have to lead back to two.
        if lru_link(mz.zone, idx).prev != before:
            return b"a link does not lead back"
        nr_blocks[0] += 1
        nr_pages[0] += <uint64_t> 1 << tag_order(head_tag(mz.zone, idx))
        before = idx
        idx = lru_link(mz.zone, idx).next
    if lru.youngest != before:
        return b"a list does not end with its youngest block"
    if lru.oldest != PASR_NIL and slot > mz.lru_top[which]:
        return b"a list is higher than the highest one"
    return NULL


cdef const char *lru_fault(const pasr_memzone_t *mz, uint64_t *where) noexcept nogil:
    """What is wrong with the states of a zone, and at which frame; NULL if nothing is."""
    cdef uint64_t nr_blocks = 0, nr_pages, i
    cdef uint32_t which, slot
    cdef const char *fault
    for which in range(PASR_NR_LRU_LISTS):
        nr_pages = 0
        for slot in range(mz.nr_lru_slots):
            fault = list_fault(mz, which, slot, &nr_blocks, &nr_pages, where)
            if fault != NULL:
                return fault
        where[0] = nr_pages
        if nr_pages != mz.nr_lru[which]:
            return b"the pages on a list are not as many as were counted"
    for i in range(<uint64_t> mz.zone.nr_blocks << PASR_MAX_PAGE_ORDER):
        nr_blocks -= mz.states[i] != PASR_PAGE_UNMOVABLE
    where[0] = nr_blocks
    if nr_blocks != 0:
        return b"there are states of blocks that are on no list"
    return NULL
