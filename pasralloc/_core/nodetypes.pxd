"""Structs of the memory of a machine, as declared in the installed C header."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from pasralloc._core.types cimport pasr_idx_t, pasr_zone_t


cdef extern from "pasralloc/node.h" nogil:
    const uint32_t PASR_MAX_NR_ZONES
    const uint32_t PASR_NO_ZONE
    const uint32_t PASR_NR_PAGE_STATES
    const uint32_t PASR_NR_LRU_LISTS
    const uint32_t PASR_NR_RECLAIMED
    enum:
        PASR_ZONE_DMA32
        PASR_ZONE_NORMAL
        PASR_ZONE_MOVABLE
        PASR_WMARK_MIN
        PASR_WMARK_LOW
        PASR_WMARK_HIGH
        PASR_PAGE_UNMOVABLE
        PASR_PAGE_MOVABLE
        PASR_PAGE_CLEAN
        PASR_PAGE_DIRTY
        PASR_PAGE_PINNED
        PASR_LRU_FILE
        PASR_LRU_ANON
        PASR_LRU_UNEVICTABLE
        PASR_ALLOC_MIN_RESERVE

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
        uint64_t nr_kswapd
        uint64_t nr_direct
        uint64_t nr_written
        uint64_t nr_swapped

    ctypedef struct pasr_reclaimed_t:
        int64_t pfn
        uint8_t order
        uint8_t state

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
