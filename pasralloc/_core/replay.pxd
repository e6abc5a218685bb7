"""What-if replay: traced pages are names, the zone under test chooses the places."""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t

from pasralloc._core.events cimport pasr_event_t
from pasralloc._core.types cimport pasr_idx_t, pasr_zone_t


ctypedef struct transition_t:
    int64_t time_ns
    uint32_t region
    uint32_t is_empty                    # 1: became completely free; 0: ceased to be


# What happened, event by event; the names are those of the quality report.
ctypedef struct counts_t:
    uint64_t allocs                      # allocations and frees of the trace that were valid records
    uint64_t frees
    uint64_t failed_allocs               # that failed in the traced kernel
    uint64_t failures                    # that failed in the zone under test
    uint64_t unplaced_frees              # pages freed whose allocation failed here
    uint64_t unknown_frees               # of pages the trace and the start say nothing of
    uint64_t unknown_free_pages
    uint64_t free_of_free                # of pages known to be free
    uint64_t implicit_frees              # live blocks under a new allocation
    uint64_t start_contradictions        # those of them that only the start map took for live
    uint64_t order_mismatches
    uint64_t missing_pages               # of frees that covered more than was live
    uint64_t added_pages                 # memory that came online
    uint64_t bad_records
    uint64_t batched                     # batched records that free nothing: second records, mostly
    uint64_t lost_frees                  # those of them whose page was still live
    uint64_t lost_marks
    uint64_t other_records


# What is known of 64 traced pages, a bit each: together, because an event needs all of it.
ctypedef struct pages_t:
    uint64_t live                        # allocated
    uint64_t known                       # the trace or the start map has said what it is
    uint64_t seeded                      # live since the start: the order of its block is not known
    uint64_t pad


ctypedef struct replay_t:
    pasr_zone_t *zone
    uint32_t cpu                         # of the event, as one of those that have a pageset
    pasr_idx_t *names                    # per traced page: 1 + frame of the block that starts there, 0, or UNPLACED
    pages_t *pages                       # per 64 traced pages
    uint64_t nr_pages                    # traced pages [0, nr_pages) have entries
    int8_t type_map[16]                  # migratetype of the trace to that of the zone
    bint free_on_batched                 # the trace has no other record of frees
    counts_t counts
    transition_t *transitions
    uint64_t nr_transitions
    uint64_t room                        # for transitions
    uint64_t *empty                      # per region, a bit
    uint64_t *touched                    # per region, a bit: had pages in use at some time
    uint32_t nr_empty
    uint32_t nr_packed                   # regions that would be completely free if all pages in use were packed
    uint32_t nr_needed                   # regions that those pages need
    uint32_t nr_managed                  # regions that manage any pages
    uint32_t *capacities                 # managed pages per region, largest first
    uint64_t *held                       # pages that the i largest regions hold
    bint is_started                      # an event was replayed
    bint is_timed                        # one that has a time stamp: first_ns is set
    int64_t first_ns
    int64_t now_ns
    int64_t changed_ns                   # since when nr_empty holds
    int64_t packed_ns                    # since when nr_packed holds
    double empty_ns                      # integral of nr_empty over time
    double packed_sum_ns                 # integral of nr_packed over time


cdef inline double elapsed(int64_t since_ns, int64_t now_ns) noexcept nogil:
    """Time between two stamps, the second not less than the first; any stamps are safe."""
    return <double> (<uint64_t> now_ns - <uint64_t> since_ns)


cdef void place_where_it_was(replay_t *r, uint64_t page, uint64_t nr, uint32_t migratetype) noexcept nogil
cdef void place_anew(replay_t *r, uint64_t page, uint64_t nr, uint32_t migratetype) noexcept nogil
cdef void start_counting(replay_t *r) noexcept nogil
cdef uint64_t replay_events(replay_t *r, const pasr_event_t *events, uint64_t nr) noexcept nogil
cdef void mark_start(replay_t *r, uint64_t page, uint64_t nr, bint in_use) noexcept nogil
