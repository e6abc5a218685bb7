"""Structs of the memory of a machine, as declared in the installed C header."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from pasralloc._core.types cimport pasr_idx_t, pasr_zone_t


cdef extern from "pasralloc/node.h" nogil:
    const uint32_t PASR_MAX_NR_ZONES
    const uint32_t PASR_NO_ZONE
    const uint32_t PASR_NR_PAGE_STATES
    const uint32_t PASR_NR_LRU_LISTS
    const uint32_t PASR_NR_RECLAIMED
    const uint32_t PASR_NR_MOVES
    const uint32_t PASR_NR_HOLDERS
    enum:
        PASR_ZONE_DMA
        PASR_ZONE_DMA32
        PASR_ZONE_NORMAL
        PASR_ZONE_MOVABLE
        PASR_WMARK_MIN
        PASR_WMARK_LOW
        PASR_WMARK_HIGH
        PASR_PAGE_UNKNOWN
        PASR_PAGE_MOVABLE
        PASR_PAGE_CLEAN
        PASR_PAGE_DIRTY
        PASR_PAGE_PINNED
        PASR_PAGE_UNEVICTABLE
        PASR_LRU_FILE
        PASR_LRU_ANON
        PASR_LRU_UNEVICTABLE
        PASR_ALLOC_MIN_RESERVE
        PASR_TARGETS_LOWER
        PASR_TARGETS_OTHER
        PASR_HELD_NOT
        PASR_HELD_CACHED
        PASR_HELD_TARGETS
        PASR_HELD_UNMOVABLE
        PASR_HELD_PINNED
        PASR_HELD_ORDER
        PASR_HELD_SINK
        PASR_TRIGGER_NONE
        PASR_TRIGGER_FREE
        PASR_TRIGGER_HANDSHAKE
        PASR_TRIGGER_PERIODIC

    ctypedef struct pasr_lru_t:
        pasr_idx_t oldest
        pasr_idx_t youngest

    ctypedef struct pasr_memzone_t:
        pasr_zone_t *zone
        uint8_t *states
        pasr_lru_t *lru[3]
        uint32_t lru_top[3]
        uint32_t nr_lru_slots
        uint64_t nr_lru[3]
        uint64_t watermarks[3]
        uint64_t lowmem_reserve[4]
        int32_t nid
        uint8_t type
        uint8_t wants_kswapd
        uint16_t kswapd_cpu
        uint64_t nr_misses
        uint64_t nr_scanned
        uint64_t nr_kswapd_runs
        uint64_t nr_kswapd
        uint64_t nr_direct
        uint64_t nr_written
        uint64_t nr_swapped
        uint64_t *queued
        int64_t evacuate_at_ns
        uint8_t is_queued

    ctypedef struct pasr_reclaimed_t:
        int64_t pfn
        uint8_t order
        uint8_t state
        uint32_t nr_moves

    ctypedef struct pasr_move_t:
        int64_t old_pfn
        int64_t new_pfn
        uint8_t order

    ctypedef int (*pasr_move_fn)(void *context, int64_t old_pfn, int64_t new_pfn, uint32_t order) noexcept

    ctypedef struct pasr_compact_control_t:
        uint8_t drops_clean
        uint8_t moves_unevictable
        uint8_t drains
        uint8_t max_tries
        uint8_t targets

    ctypedef struct pasr_compacted_t:
        uint64_t nr_moved
        uint64_t nr_dropped
        uint64_t nr_failed
        uint64_t nr_unmovable
        uint64_t nr_pinned
        uint64_t nr_cached
        uint8_t holder

    ctypedef struct pasr_evacuation_t:
        pasr_compact_control_t control
        uint32_t max_used
        uint8_t trigger
        uint8_t is_ascending
        int64_t latency_ns
        int64_t period_ns
        int64_t period_at_ns
        uint64_t nr_tried
        uint64_t nr_by_holder[7]
        uint64_t nr_moved
        uint64_t nr_dropped
        uint64_t nr_failed

    ctypedef struct pasr_memory_t:
        pasr_memzone_t *zones
        uint16_t *zonelists
        uint16_t *zone_of_block
        pasr_reclaimed_t *reclaimed
        uint64_t nr_reclaimed
        int64_t base_pfn
        uint64_t nr_blocks
        uint32_t nr_zones
        uint32_t nr_nodes
        uint32_t nr_cpus
        uint8_t claims
        uint8_t is_kswapd_due
        int64_t now_ns
        int64_t kswapd_latency_ns
        int64_t kswapd_at_ns
        int64_t vmstat_interval_ns
        int64_t vmstat_at_ns
        uint64_t swap_size
        uint64_t swap_free
        uint64_t nr_walked
        uint64_t nr_slow
        uint64_t nr_kswapd_runs
        uint64_t nr_direct_runs
        uint64_t nr_failures
        pasr_evacuation_t evacuation
        pasr_move_t *moves
        uint64_t nr_moves
        pasr_move_fn sink
        void *sink_context
        pasr_move_t refused
        int32_t answer
