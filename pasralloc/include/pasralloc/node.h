/* State of the memory of a machine: zones, the order in which they are tried, watermarks, and
 * what reclaim knows about pages in use. Plain structs and flat arrays that the caller owns.
 */
#ifndef PASRALLOC_NODE_H
#define PASRALLOC_NODE_H

#include "pasralloc/zone.h"

/* Types of zones, from the one that every request may use to the one that few may. */
enum pasr_zone_type { PASR_ZONE_DMA = 0, PASR_ZONE_DMA32 = 1, PASR_ZONE_NORMAL = 2, PASR_ZONE_MOVABLE = 3 };
#define PASR_MAX_NR_ZONES 4
#define PASR_NO_ZONE 0xffff           /* ends a zonelist; no zone at this address */

enum pasr_wmark { PASR_WMARK_MIN = 0, PASR_WMARK_LOW = 1, PASR_WMARK_HIGH = 2 };

/* What reclaim and migration may do with a block in use, by the state of its first frame. */
enum pasr_page_state {
    PASR_PAGE_UNMOVABLE = 0,          /* whatever nothing was said about */
    PASR_PAGE_MOVABLE = 1,            /* anonymous: may be swapped out */
    PASR_PAGE_CLEAN = 2,              /* page cache: may be dropped */
    PASR_PAGE_DIRTY = 3,              /* page cache: must be written first */
    PASR_PAGE_PINNED = 4              /* stays where it is */
};
#define PASR_NR_PAGE_STATES 5

/* Blocks whose state is known are on one list each, linked through the entries that free
 * blocks use for the free lists. */
enum pasr_lru_list { PASR_LRU_FILE = 0, PASR_LRU_ANON = 1, PASR_LRU_UNEVICTABLE = 2 };
#define PASR_NR_LRU_LISTS 3

typedef struct pasr_lru {
    pasr_idx_t oldest;                /* first frame of a block, PASR_NIL when empty */
    pasr_idx_t youngest;
} pasr_lru_t;

/* A request beside what zone.h knows of: it may go below the min watermark (__GFP_HIGH). */
#define PASR_ALLOC_MIN_RESERVE 32

typedef struct pasr_memzone {
    pasr_zone_t *zone;
    uint8_t *states;                  /* one per frame: enum pasr_page_state */
    pasr_lru_t *lru[PASR_NR_LRU_LISTS];  /* one per region if reclaim goes by regions, or one */
    uint32_t lru_top[PASR_NR_LRU_LISTS]; /* no list above this one has an entry */
    uint32_t nr_lru_slots;
    uint64_t nr_lru[PASR_NR_LRU_LISTS];  /* pages */
    uint64_t watermarks[3];           /* pages, by enum pasr_wmark */
    uint64_t lowmem_reserve[PASR_MAX_NR_ZONES];  /* pages, by the highest zone a request may use */
    int32_t nid;
    uint8_t type;                     /* enum pasr_zone_type */
    uint8_t wants_kswapd;
    uint16_t kswapd_cpu;              /* whose pageset gets what kswapd frees */
    uint64_t nr_misses;               /* requests that went on because of the watermark */
    uint64_t nr_scanned;              /* pages that reclaim looked at */
    uint64_t nr_kswapd;               /* pages that kswapd freed */
    uint64_t nr_direct;               /* pages that direct reclaim freed */
    uint64_t nr_written;              /* dirty pages that were written */
    uint64_t nr_swapped;              /* anonymous pages that were swapped out */
} pasr_memzone_t;

typedef struct pasr_reclaimed {
    int64_t pfn;
    uint8_t order;
    uint8_t state;                    /* PASR_PAGE_CLEAN or PASR_PAGE_MOVABLE */
    uint8_t pad[6];
} pasr_reclaimed_t;

#define PASR_NR_RECLAIMED 65536

typedef struct pasr_memory {
    pasr_memzone_t *zones;            /* by node, then as in the zone order of the node */
    uint16_t *zonelists;              /* per node and highest type: zones to try, ended by PASR_NO_ZONE */
    uint16_t *zone_of_block;          /* one per 1024 pages from base_pfn on */
    pasr_reclaimed_t *reclaimed;      /* the last PASR_NR_RECLAIMED blocks that reclaim freed, a ring */
    uint64_t nr_reclaimed;            /* blocks that reclaim freed so far */
    int64_t base_pfn;                 /* a multiple of 1024 */
    uint64_t nr_blocks;
    uint32_t nr_zones;
    uint32_t nr_nodes;
    uint32_t nr_cpus;
    uint8_t claims;                   /* the rules of 6.12 */
    uint8_t is_kswapd_due;            /* kswapd was woken and will run at kswapd_at_ns */
    uint8_t pad[2];
    int64_t now_ns;
    int64_t kswapd_latency_ns;
    int64_t kswapd_at_ns;
    int64_t vmstat_interval_ns;       /* 0: pagesets do not decay */
    int64_t vmstat_at_ns;
    uint64_t swap_size;               /* pages */
    uint64_t swap_free;
    uint64_t nr_walked;               /* zones that were tried in vain */
    uint64_t nr_slow;                 /* requests that the low watermark kept from being served */
    uint64_t nr_kswapd_runs;
    uint64_t nr_direct_runs;
    uint64_t nr_failures;             /* requests without memory */
} pasr_memory_t;

PASR_STATIC_ASSERT(sizeof(pasr_reclaimed_t) == 16, "numpy reads what was reclaimed");
PASR_STATIC_ASSERT(sizeof(pasr_lru_t) == 8, "lists are sized by it");

#endif
