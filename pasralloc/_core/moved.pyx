"""Where blocks are that were moved or reclaimed."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from pasralloc._core.bits cimport highest_bit
from pasralloc._core.nodetypes cimport PASR_NR_MOVES, PASR_NR_RECLAIMED, pasr_move_t, pasr_reclaimed_t
from pasralloc._core.types cimport PASR_EINVAL

cdef enum:
    NOWHERE = -1

# Where blocks are now that were elsewhere: a hash table with more slots than entries.
ctypedef struct place_t:
    int64_t old_pfn                      # NOWHERE: the slot is free
    int64_t new_pfn

ctypedef struct places_t:
    place_t *slots
    uint32_t shift                       # of a hash, to the number of a slot
    uint64_t mask


cdef inline place_t *slot_of(const places_t *places, int64_t pfn) noexcept nogil:
    """The slot of *pfn*, or the free one where it would be."""
    cdef uint64_t at = (<uint64_t> pfn * <uint64_t> 0x9e3779b97f4a7c15) >> places.shift
    while places.slots[at].old_pfn != pfn and places.slots[at].old_pfn != NOWHERE:
        at = (at + 1) & places.mask
    return &places.slots[at]


cdef inline void place(places_t *places, int64_t old_pfn, int64_t new_pfn) noexcept nogil:
    cdef place_t *slot = slot_of(places, old_pfn)
    slot.old_pfn = old_pfn
    slot.new_pfn = new_pfn


cdef inline int64_t place_of(const places_t *places, int64_t pfn) noexcept nogil:
    cdef const place_t *slot = slot_of(places, pfn)
    return slot.new_pfn if slot.old_pfn != NOWHERE else pfn


cdef int64_t follow(const pasr_memory_t *m, moment_t since, int64_t pfn) noexcept nogil:
    """Where the block is now that was at *pfn* then; PASR_EINVAL if it was reclaimed. O(moves since).

    The rings must hold all that has happened since.
    """
    cdef uint64_t i = since.nr_moves, k = since.nr_reclaimed
    cdef const pasr_move_t *move
    cdef const pasr_reclaimed_t *reclaimed
    while True:
        # In the order in which it has happened.
        while k != m.nr_reclaimed:
            reclaimed = &m.reclaimed[k % PASR_NR_RECLAIMED]
            if <int32_t> (<uint32_t> i - reclaimed.nr_moves) < 0:
                break
            if reclaimed.pfn == pfn:
                return PASR_EINVAL
            k += 1
        if i == m.nr_moves:
            return pfn
        move = &m.moves[i % PASR_NR_MOVES]
        if move.old_pfn == pfn:
            pfn = move.new_pfn
        i += 1


cdef void place_all(const pasr_memory_t *m, moment_t since, places_t *places) noexcept nogil:
    """Enter everything that has happened, the last first: where a block is then follows from one look."""
    cdef uint64_t i = m.nr_moves, k = m.nr_reclaimed
    cdef const pasr_move_t *move
    cdef const pasr_reclaimed_t *reclaimed
    while i != since.nr_moves or k != since.nr_reclaimed:
        if k != since.nr_reclaimed:
            reclaimed = &m.reclaimed[(k - 1) % PASR_NR_RECLAIMED]
            if i == since.nr_moves or <int32_t> (<uint32_t> i - reclaimed.nr_moves) <= 0:
                place(places, reclaimed.pfn, PASR_EINVAL)
                k -= 1
                continue
        i -= 1
        move = &m.moves[i % PASR_NR_MOVES]
        place(places, move.old_pfn, place_of(places, move.new_pfn))


cdef void follow_all(const pasr_memory_t *m, moment_t since, int64_t *pfns, uint64_t nr) noexcept nogil:
    """`follow` each of *pfns*. O(nr + moves since)."""
    cdef places_t places
    cdef uint32_t nr_bits
    cdef uint64_t i, nr_events = m.nr_moves - since.nr_moves + m.nr_reclaimed - since.nr_reclaimed
    if nr_events == 0 or nr == 0:
        return
    nr_bits = highest_bit(nr_events) + 2
    places.shift = 64 - nr_bits
    places.mask = (<uint64_t> 1 << nr_bits) - 1
    places.slots = <place_t *> malloc(sizeof(place_t) << nr_bits) if nr != 1 else NULL
    if places.slots == NULL:
        for i in range(nr):
            pfns[i] = follow(m, since, pfns[i])
        return
    memset(places.slots, 0xff, sizeof(place_t) << nr_bits)
    place_all(m, since, &places)
    for i in range(nr):
        # No block is at a negative pfn: that is what a caller makes of one that failed.
        if pfns[i] >= 0:
            pfns[i] = place_of(&places, pfns[i])
    free(places.slots)
