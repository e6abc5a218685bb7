"""States of blocks as bytes, one entry per block, list by list, the oldest first; and what workers are to do."""

from libc.stdint cimport UINT32_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from pasralloc._core.freelist cimport region_of
from pasralloc._core.lru cimport lru_add, lru_link, lru_of_state
from pasralloc._core.nodetypes cimport (
    PASR_NR_LRU_LISTS, PASR_NR_PAGE_STATES, PASR_PAGE_UNKNOWN, pasr_lru_t,
)
from pasralloc._core.types cimport (
    PASR_MAX_PAGE_ORDER, PASR_NIL, PASR_OPENED_NOTED, PASR_OPENED_OFF, PASR_OPENED_READY, pasr_idx_t,
)
from pasralloc._core.zone cimport head_tag, nr_region_words, tag_is_allocated, tag_order

ctypedef struct entry_t:
    pasr_idx_t idx
    uint32_t state

# What a zone is waiting for; the words of its queued regions follow.
ctypedef struct worker_t:
    int64_t evacuate_at_ns
    uint32_t opened
    uint8_t opened_state
    uint8_t is_queued
    uint8_t wants_kswapd
    uint8_t pad


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


cdef uint64_t worker_size(const pasr_memzone_t *mz) noexcept nogil:
    """Bytes that `worker_write` writes."""
    return sizeof(worker_t) + nr_region_words(mz.zone) * sizeof(uint64_t)


cdef void worker_write(const pasr_memzone_t *mz, char *out) noexcept nogil:
    """What kswapd and the evacuation worker are to do; the same bytes for the same meaning."""
    cdef worker_t worker
    memset(&worker, 0, sizeof(worker))
    worker.wants_kswapd = mz.wants_kswapd
    worker.is_queued = mz.is_queued
    worker.opened_state = mz.zone.opened_state
    if mz.is_queued:
        worker.evacuate_at_ns = mz.evacuate_at_ns
    if mz.zone.opened_state >= <uint8_t> PASR_OPENED_NOTED:
        worker.opened = mz.zone.opened
    memcpy(out, &worker, sizeof(worker))
    memcpy(out + sizeof(worker), mz.queued, nr_region_words(mz.zone) * sizeof(uint64_t))


cdef bint worker_fits(const pasr_memzone_t *mz, const char *image, uint64_t nr_bytes, int64_t latest) noexcept nogil:
    """Whether these are bytes that `worker_read` may take."""
    cdef worker_t worker
    cdef uint64_t word = 0, queued = 0
    cdef uint32_t w, nr_words = nr_region_words(mz.zone)
    if nr_bytes != worker_size(mz):
        return False
    memcpy(&worker, image, sizeof(worker))
    if worker.wants_kswapd > 1 or worker.is_queued > 1 or worker.opened_state > <uint8_t> PASR_OPENED_READY:
        return False
    if (worker.opened_state == PASR_OPENED_OFF) != (mz.zone.opened_state == PASR_OPENED_OFF):
        return False
    if worker.opened >= mz.zone.nr_regions or not 0 <= worker.evacuate_at_ns <= latest:
        return False
    for w in range(nr_words):
        memcpy(&word, image + sizeof(worker) + w * sizeof(uint64_t), sizeof(word))
        queued |= word
    if mz.zone.nr_regions & 63 and word >> (mz.zone.nr_regions & 63) != 0:
        return False
    return <bint> worker.is_queued == (queued != 0 or worker.opened_state == PASR_OPENED_READY)


cdef void worker_read(pasr_memzone_t *mz, const char *image) noexcept nogil:
    cdef worker_t worker
    memcpy(&worker, image, sizeof(worker))
    memcpy(mz.queued, image + sizeof(worker), nr_region_words(mz.zone) * sizeof(uint64_t))
    mz.wants_kswapd = worker.wants_kswapd
    mz.is_queued = worker.is_queued
    mz.evacuate_at_ns = worker.evacuate_at_ns
    mz.zone.opened = worker.opened
    mz.zone.opened_state = worker.opened_state
    mz.zone.alert_used = UINT32_MAX if worker.opened_state == PASR_OPENED_NOTED else mz.zone.notify_used


cdef void lru_clear(pasr_memzone_t *mz) noexcept nogil:
    """Forget all states. Before the zone is changed otherwise: the lists run through its links."""
    cdef uint32_t which, slot
    cdef pasr_idx_t idx
    for which in range(PASR_NR_LRU_LISTS):
        for slot in range(mz.nr_lru_slots):
            idx = mz.lru[which][slot].oldest
            while idx != PASR_NIL:
                mz.states[idx] = PASR_PAGE_UNKNOWN
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
        if not tag_is_allocated(head_tag(mz.zone, entry.idx)) or mz.states[entry.idx] != PASR_PAGE_UNKNOWN:
            return False
        if entry.state == PASR_PAGE_UNKNOWN or entry.state >= PASR_NR_PAGE_STATES:
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
        if mz.states[idx] == PASR_PAGE_UNKNOWN or lru_of_state(mz.states[idx]) != which:
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
        nr_blocks -= mz.states[i] != PASR_PAGE_UNKNOWN
    where[0] = nr_blocks
    if nr_blocks != 0:
        return b"there are states of blocks that are on no list"
    return NULL
