"""State of a what-if replay."""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from pasralloc._core.nodetypes cimport pasr_memory_t
from pasralloc._core.types cimport PASR_NIL, pasr_idx_t, pasr_zone_t


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


# A zone of the memory under test.
ctypedef struct part_t:
    pasr_zone_t *zone
    uint64_t nr_free                     # when it was looked at last
    uint32_t first_region                # number of its first region among those of all zones


ctypedef struct replay_t:
    pasr_zone_t *zone                    # all memory, or the first zone of a machine
    pasr_memory_t *memory                # of a machine, else NULL
    pasr_memory_t *clocked               # whose time passes: of a machine, or around the one zone; else NULL
    uint32_t cpu                         # of the event, as one of those that have a pageset
    pasr_idx_t *names                    # per traced page: 1 + place of the block that starts there, 0, or UNPLACED
    pasr_idx_t *owners                   # per place: 1 + traced page of the block that starts there; NULL if none moves
    int64_t base_pfn                     # places are counted from here
    pages_t *pages                       # per 64 traced pages
    uint64_t nr_pages                    # traced pages [0, nr_pages) have entries
    int8_t type_map[16]                  # migratetype of the trace to that of the zone
    bint free_on_batched                 # the trace has no other record of frees
    counts_t counts
    transition_t *transitions
    uint64_t nr_transitions
    uint64_t room                        # for transitions
    uint32_t nr_regions                  # of all zones
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

    part_t *parts                        # one per zone
    uint32_t nr_parts
    # Of machines alone:
    const uint16_t *nodes                # per CPU, number of its node
    uint8_t highest[16]                  # zone type of a request, by the four lowest bits of its GFP flags
    uint64_t managed                     # pages of all zones
    uint64_t nr_free                     # when they were looked at last
    uint32_t at                          # zone that the event changes, PASR_NO_ZONE before it does
    bint is_everywhere                   # it may change others as well, or the passing of time has
    uint64_t nr_slow                     # of the memory, when all zones were looked at last


# Name of a page whose allocation found no place. Such blocks are kept as single pages.
cdef inline bint is_unplaced(pasr_idx_t name) noexcept nogil:
    return name == PASR_NIL


cdef inline int64_t pfn_of_name(const replay_t *r, pasr_idx_t name) noexcept nogil:
    """Where the block of a name starts; it must have a place."""
    return r.base_pfn + (name - 1)


cdef inline pasr_idx_t name_of_pfn(const replay_t *r, int64_t pfn) noexcept nogil:
    return <pasr_idx_t> (pfn - r.base_pfn) + 1


cdef inline void give_place(replay_t *r, uint64_t page, pasr_idx_t name) noexcept nogil:
    """Note where the block that starts at *page* lies; it must have a place."""
    r.names[page] = name
    if r.owners != NULL:
        r.owners[name - 1] = <pasr_idx_t> page + 1


cdef inline double elapsed(int64_t since_ns, int64_t now_ns) noexcept nogil:
    """Time between two stamps, the second not less than the first; any stamps are safe."""
    return <double> (<uint64_t> now_ns - <uint64_t> since_ns)
