"""Where blocks are that were moved or reclaimed."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from pasralloc._core.nodetypes cimport PASR_NR_MOVES, PASR_NR_RECLAIMED, pasr_move_t, pasr_reclaimed_t
from pasralloc._core.types cimport PASR_EINVAL

cdef enum:
    FILTER_BITS = 16                     # of an index into a filter

# A bit for each pfn that may have changed, found by a hash of it.
ctypedef struct filter_t:
    uint64_t words[1024]


cdef inline uint32_t hash_of(int64_t pfn) noexcept nogil:
    return <uint32_t> ((<uint64_t> pfn * <uint64_t> 0x9e3779b97f4a7c15) >> (64 - FILTER_BITS))


cdef inline void note(filter_t *f, int64_t pfn) noexcept nogil:
    f.words[hash_of(pfn) >> 6] |= <uint64_t> 1 << (hash_of(pfn) & 63)


cdef inline bint may_have_changed(const filter_t *f, int64_t pfn) noexcept nogil:
    return f.words[hash_of(pfn) >> 6] >> (hash_of(pfn) & 63) & 1


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


cdef void follow_all(const pasr_memory_t *m, moment_t since, int64_t *pfns, uint64_t nr) noexcept nogil:
    """`follow` each of *pfns*. O(nr), and O(moves since) for each that has changed."""
    cdef filter_t f
    cdef uint64_t i
    if m.nr_moves == since.nr_moves and m.nr_reclaimed == since.nr_reclaimed:
        return
    memset(&f, 0, sizeof(f))
    for i in range(since.nr_moves, m.nr_moves):
        note(&f, m.moves[i % PASR_NR_MOVES].old_pfn)
    for i in range(since.nr_reclaimed, m.nr_reclaimed):
        note(&f, m.reclaimed[i % PASR_NR_RECLAIMED].pfn)
    for i in range(nr):
        if may_have_changed(&f, pfns[i]):
            pfns[i] = follow(m, since, pfns[i])
