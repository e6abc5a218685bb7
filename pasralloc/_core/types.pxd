"""Ids, limits and structs, as declared in the installed C headers."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from "pasralloc/types.h" nogil:
    ctypedef uint32_t pasr_idx_t

    const pasr_idx_t PASR_NIL
    const uint64_t PASR_MAX_FRAMES
    const int64_t PASR_MAX_PFN
    const uint32_t PASR_MAX_PAGE_ORDER
    const uint32_t PASR_NR_PAGE_ORDERS
    const uint32_t PASR_TOP_PAGES
    const uint32_t PASR_TOP_MASK
    const uint32_t PASR_MAX_REGIONS
    const uint32_t PASR_NR_MIGRATETYPES
    const uint32_t PASR_NR_PCPTYPES
    const uint32_t PASR_NR_EXTFRAG
    const uint32_t PASR_NR_PCPLISTS
    const uint32_t PASR_PCP_SCALE_MAX
    const uint32_t PASR_COSTLY_ORDER
    enum:
        PASR_RESERVE
        PASR_HIGHATOMIC
        PASR_CMA
        PASR_ISOLATE
        PASR_OK
        PASR_ENXIO
        PASR_ENOMEM
        PASR_EBUSY
        PASR_EEXIST
        PASR_EINVAL
        PASR_EDOM
        PASR_ERANGE
        PASR_EALREADY


cdef extern from "pasralloc/zone.h" nogil:
    enum:
        PASR_TAG_ORDER
        PASR_TAG_TYPE_SHIFT
        PASR_TAG_TYPE
        PASR_TAG_FREE
        PASR_TAG_SPLIT
        PASR_TAG_PARKED
        PASR_PARKED
        PASR_TAG_CACHED
        PASR_MODE_SORTED
        PASR_MODE_STRADDLE
        PASR_MODE_BIASED
        PASR_MODE_PARKING
        PASR_MODE_LOWEST
        PASR_MODE_PRESENT
        PASR_OPENED_OFF
        PASR_OPENED_NONE
        PASR_OPENED_NOTED
        PASR_OPENED_READY
        PASR_ZONE_BELOW_HIGH
        PASR_ZONE_RECLAIM_ACTIVE
        PASR_RULES_STEAL
        PASR_RULES_CLAIM
        PASR_OP_ALLOC
        PASR_OP_FREE
        PASR_OP_CHECK_ORDER
        PASR_OP_FLAGS
        PASR_ALLOC_NON_BLOCK
        PASR_ALLOC_HIGHATOMIC
        PASR_ALLOC_OOM
        PASR_ALLOC_NOFRAGMENT
        PASR_ABSENT
        PASR_FREE
        PASR_ALLOCATED
        PASR_CACHED

    ctypedef struct pasr_link_t:
        pasr_idx_t next
        pasr_idx_t prev

    ctypedef struct pasr_run_t:
        pasr_idx_t last
        uint32_t nr_blocks

    ctypedef struct pasr_freelist_t:
        pasr_idx_t head
        pasr_idx_t tail
        uint32_t nr_blocks
        uint32_t head_region
        uint64_t root
        uint64_t *leaf
        pasr_run_t *runs

    ctypedef struct pasr_region_t:
        uint32_t nr_free
        uint32_t managed

    ctypedef struct pasr_extfrag_t:
        pasr_idx_t idx
        uint8_t order
        uint8_t migratetype
        uint8_t fallback_order
        uint8_t fallback_type
        uint8_t change_ownership
        uint8_t pad[3]

    ctypedef struct pasr_pcplist_t:
        pasr_idx_t *pages
        uint32_t first
        uint32_t end
        uint32_t room

    ctypedef struct pasr_pageset_t:
        uint32_t count
        uint32_t high
        uint32_t free_count
        uint8_t alloc_factor
        uint8_t was_high_order
        pasr_pcplist_t lists[14]

    ctypedef struct pasr_zone_t:
        pasr_link_t *links
        uint8_t *tags
        pasr_link_t *top_links
        uint8_t *top_tags
        uint8_t *pageblocks
        uint16_t *region_of_block
        pasr_region_t *regions
        pasr_idx_t *region_ends
        uint64_t *changed
        uint64_t changed_root
        uint64_t *attention
        uint64_t attention_root
        pasr_extfrag_t *extfrag
        uint64_t nr_extfrag
        pasr_pageset_t *pagesets
        int64_t base_pfn
        int64_t start_pfn
        uint64_t nr_pages
        uint64_t nr_free
        uint64_t managed
        uint64_t nr_highatomic
        uint64_t watermark_boost
        uint64_t high_mark
        uint64_t boost_max
        uint64_t region_pages
        pasr_idx_t first
        pasr_idx_t end
        uint32_t nr_blocks
        uint32_t nr_regions
        uint32_t region_bias
        uint32_t alert_used
        uint32_t notify_used
        uint32_t opened
        uint8_t opened_state
        uint8_t flags
        uint32_t nr_cpus
        uint32_t pcp_batch
        uint32_t pcp_high_min
        uint32_t pcp_high_max
        uint16_t pcp_orders
        uint8_t pcp_by_region
        uint8_t pcp_nr_plain
        uint32_t pcp_most_freed
        uint8_t mode
        uint8_t pageblock_order
        uint8_t fresh_to_tail
        uint8_t rules
        uint8_t merge_limit
        uint8_t movable
        uint8_t reclaimable
        uint8_t cma_first
        uint8_t grouping
        uint8_t nr_fallbacks[6]
        uint8_t fallbacks[6][6]
        uint32_t nonempty[6]
        pasr_freelist_t lists[11][6]
        pasr_freelist_t parked

    ctypedef struct pasr_op_t:
        uint8_t op
        uint8_t order
        uint8_t migratetype
        uint8_t flags
        uint32_t slot

    ctypedef struct pasr_block_t:
        pasr_idx_t head
        uint8_t order
        uint8_t migratetype
        uint8_t state
        uint8_t pad
