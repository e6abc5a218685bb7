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
    PASR_PAGE_UNKNOWN = 0,            /* nothing was said: not reclaimed, and moved if requested as movable */
    PASR_PAGE_MOVABLE = 1,            /* anonymous: may be swapped out */
    PASR_PAGE_CLEAN = 2,              /* page cache: may be dropped */
    PASR_PAGE_DIRTY = 3,              /* page cache: must be written first */
    PASR_PAGE_PINNED = 4,             /* stays where it is */
    PASR_PAGE_UNEVICTABLE = 5         /* mlocked: not reclaimed, and moved where that is allowed */
};
#define PASR_NR_PAGE_STATES 6

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
    uint64_t nr_misses;               /* times that a watermark forbade it to a request */
    uint64_t nr_scanned;              /* pages that reclaim looked at */
    uint64_t nr_kswapd_runs;          /* runs of kswapd that found it below its high watermark */
    uint64_t nr_kswapd;               /* pages that kswapd freed */
    uint64_t nr_direct;               /* pages that direct reclaim freed */
    uint64_t nr_written;              /* dirty pages that were written */
    uint64_t nr_swapped;              /* anonymous pages that were swapped out */
    uint64_t *queued;                 /* bit r % 64 of word r / 64: region r is to be looked at by the worker */
    int64_t evacuate_at_ns;           /* when that happens, if is_queued */
    uint8_t is_queued;
    uint8_t pad[7];
} pasr_memzone_t;

typedef struct pasr_reclaimed {
    int64_t pfn;
    uint8_t order;
    uint8_t state;                    /* PASR_PAGE_CLEAN or PASR_PAGE_MOVABLE */
    uint8_t pad[2];
    uint32_t nr_moves;                /* lowest bits of how many blocks had been moved by then */
} pasr_reclaimed_t;

#define PASR_NR_RECLAIMED 1048576

/* A block that was migrated. */
typedef struct pasr_move {
    int64_t old_pfn;
    int64_t new_pfn;
    uint8_t order;
    uint8_t pad[7];
} pasr_move_t;

#define PASR_NR_MOVES 1048576

/* Called before a block is moved. Anything but 0 keeps the block where it is and ends the migration. */
typedef int (*pasr_move_fn)(void *context, int64_t old_pfn, int64_t new_pfn, uint32_t order);

/* Where blocks that are moved may go. */
enum pasr_targets {
    PASR_TARGETS_LOWER = 0,           /* into lower regions; where there is none the migration ends */
    PASR_TARGETS_OTHER = 1            /* anywhere outside of the regions that are emptied */
};

/* How hard to try to empty a range. */
typedef struct pasr_compact_control {
    uint8_t drops_clean;              /* clean page cache is dropped, not moved */
    uint8_t moves_unevictable;
    uint8_t drains;                   /* pagesets are drained first */
    uint8_t max_tries;                /* pagesets are drained before another try */
    uint8_t targets;                  /* enum pasr_targets */
    uint8_t pad[3];
} pasr_compact_control_t;

/* Why a region is still in use after its evacuation. */
enum pasr_holder {
    PASR_HELD_NOT = 0,
    PASR_HELD_CACHED = 1,             /* its last pages are on pagesets */
    PASR_HELD_TARGETS = 2,            /* what would be allocated next does not lie in a lower region */
    PASR_HELD_UNMOVABLE = 3,
    PASR_HELD_PINNED = 4,             /* or unevictable */
    PASR_HELD_ORDER = 5,              /* no place was found for a block of several pages */
    PASR_HELD_SINK = 6                /* whoever is told of moves has refused one */
};
#define PASR_NR_HOLDERS 7

/* What a migration did, in pages. */
typedef struct pasr_compacted {
    uint64_t nr_moved;
    uint64_t nr_dropped;
    uint64_t nr_failed;               /* could have been moved, but were not */
    uint64_t nr_unmovable;
    uint64_t nr_pinned;
    uint64_t nr_cached;               /* were on pagesets */
    uint8_t holder;                   /* enum pasr_holder: TARGETS or SINK if it ended early */
    uint8_t pad[7];
} pasr_compacted_t;

/* What starts the evacuation of a region. */
enum pasr_trigger {
    PASR_TRIGGER_NONE = 0,
    PASR_TRIGGER_FREE = 1,            /* a free leaves few pages of the region in use */
    PASR_TRIGGER_HANDSHAKE = 2,       /* the region was opened, and pages were freed since */
    PASR_TRIGGER_PERIODIC = 3
};

/* What the evacuation worker does, and did. */
typedef struct pasr_evacuation {
    pasr_compact_control_t control;
    uint32_t max_used;                /* regions with more pages in use are left alone */
    uint8_t trigger;                  /* enum pasr_trigger */
    uint8_t is_ascending;             /* the lowest of the queued regions goes first, not the highest */
    uint8_t pad[2];
    int64_t latency_ns;               /* from the trigger to the evacuation */
    int64_t period_ns;
    int64_t period_at_ns;
    uint64_t nr_tried;
    uint64_t nr_by_holder[PASR_NR_HOLDERS];
    uint64_t nr_moved;                /* pages */
    uint64_t nr_dropped;
    uint64_t nr_failed;
} pasr_evacuation_t;

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
    pasr_evacuation_t evacuation;
    pasr_move_t *moves;               /* the last PASR_NR_MOVES blocks that were migrated, a ring */
    uint64_t nr_moves;                /* blocks that were migrated so far */
    pasr_move_fn sink;                /* NULL: nobody is told */
    void *sink_context;
    pasr_move_t refused;              /* the last move that the sink refused */
    int32_t answer;                   /* and what it returned */
} pasr_memory_t;

PASR_STATIC_ASSERT(sizeof(pasr_reclaimed_t) == 16, "numpy reads what was reclaimed");
PASR_STATIC_ASSERT(sizeof(pasr_move_t) == 24, "numpy reads moves");
PASR_STATIC_ASSERT(sizeof(pasr_lru_t) == 8, "lists are sized by it");

#endif
