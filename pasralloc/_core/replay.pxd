"""What-if replay: traced pages are names, the memory under test chooses the places."""

from libc.stdint cimport uint32_t, uint64_t

from pasralloc._core.events cimport pasr_event_t
from pasralloc._core.replaytypes cimport replay_t


cdef void place_where_it_was(replay_t *r, uint64_t page, uint64_t nr, uint32_t migratetype) noexcept nogil
cdef void place_anew(replay_t *r, uint64_t page, uint64_t nr, uint32_t migratetype) noexcept nogil
cdef uint64_t replay_events(replay_t *r, const pasr_event_t *events, uint64_t nr) noexcept nogil
cdef void mark_start(replay_t *r, uint64_t page, uint64_t nr, bint in_use) noexcept nogil
