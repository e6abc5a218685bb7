"""Which regions a replay leaves completely free, and how many could be."""

cimport cython
from libc.stdint cimport uint32_t, uint64_t

from pasralloc._core.nodetypes cimport PASR_NO_ZONE
from pasralloc._core.replaytypes cimport part_t, replay_t


cdef inline void follow_packing(replay_t *r, uint64_t used) noexcept nogil:
    """Keep count of the regions that would be empty if the pages in use filled the largest ones first."""
    if cython.unlikely(used > r.held[r.nr_needed] or (r.nr_needed != 0 and used <= r.held[r.nr_needed - 1])):
        pack(r, used)


cdef inline void look_at(replay_t *r, part_t *part) noexcept nogil:
    """Note what has changed in a zone of a machine."""
    r.nr_free += part.zone.nr_free - part.nr_free
    part.nr_free = part.zone.nr_free
    if cython.unlikely(part.zone.changed_root != 0):
        note_changes(r, part)


cdef inline void look(replay_t *r, bint on_machine) noexcept nogil:
    """Note what an event has changed. *on_machine* is a literal.

    On a machine that is one zone, unless the event freed several blocks, pagesets were drained or
    decayed, or blocks were moved: a request that some zones refuse changes only the one that serves it.
    """
    if not on_machine:
        if cython.unlikely(r.zone.changed_root != 0):
            note_changes(r, r.parts)
        follow_packing(r, r.zone.managed - r.zone.nr_free)
        return
    if cython.unlikely(r.is_everywhere or r.memory.nr_slow != r.nr_slow):
        look_everywhere(r)
    elif r.at != PASR_NO_ZONE:
        look_at(r, &r.parts[r.at])
    r.at = PASR_NO_ZONE
    follow_packing(r, r.managed - r.nr_free)


cdef void pack(replay_t *r, uint64_t used) noexcept nogil
cdef void note_changes(replay_t *r, const part_t *part) noexcept nogil
cdef void look_everywhere(replay_t *r) noexcept nogil
cdef void measure_regions(replay_t *r) noexcept nogil
cdef void start_counting(replay_t *r) noexcept nogil
