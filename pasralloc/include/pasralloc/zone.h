/* State of one zone: plain structs and flat arrays, linked by frame indices.
 *
 * Every array is one part of a single buffer which the caller owns. Untouched
 * memory must read as zero: a zero tag means "no block starts here" and a zero
 * run means "no block of this region on this list", so nothing needs filling.
 */
#ifndef PASRALLOC_ZONE_H
#define PASRALLOC_ZONE_H

#include "pasralloc/types.h"

/* Tag of a frame, one byte: zero unless a block starts at the frame. */
#define PASR_TAG_ORDER 0x0f           /* order + 1 */
#define PASR_TAG_TYPE_SHIFT 4         /* migratetype: of the list while free, of the request while allocated */
#define PASR_TAG_TYPE 0x70
#define PASR_TAG_FREE 0x80            /* on a free list */
#define PASR_TAG_SPLIT 0x0f           /* top tags only: look at the tags of the pages */
#define PASR_TAG_PARKED 0xeb          /* top tags only: a free block that is parked */
#define PASR_PARKED 6                 /* stands where the migratetype of a parked block would */
#define PASR_TAG_CACHED 0x70          /* | order + 1: on a per-CPU list, neither free nor allocated */
#define PASR_CACHED_TYPE 7            /* stands where the migratetype of such a block would */

/* How lists and counters are kept; each combination is compiled separately. */
enum pasr_mode {
    PASR_MODE_SORTED = 1,             /* region-sorted lists; otherwise the order of Linux */
    PASR_MODE_STRADDLE = 2,           /* regions may begin inside a block, which counts where it starts */
    PASR_MODE_BIASED = 4,             /* sorted, and the lowest region of all orders that fit goes first */
    PASR_MODE_PARKING = 8,            /* sorted, and completely free regions leave the lists */
    PASR_MODE_LOWEST = 16,            /* parking, and parked regions are considered as if they were listed */
    PASR_MODE_PRESENT = 32            /* parking, but no regions with absent pages */
};

typedef struct pasr_link {
    pasr_idx_t next;                  /* node, PASR_NIL at the end of the list */
    pasr_idx_t prev;                  /* node; undefined at the head of the list */
} pasr_link_t;

/* Blocks of one region on one list: always neighbours. */
typedef struct pasr_run {
    pasr_idx_t last;                  /* node at the end of the run; undefined while nr_blocks is 0 */
    uint32_t nr_blocks;
} pasr_run_t;

/* One free list. A node is a frame index, or a block number (frame index
 * divided by 1024) on the lists of the largest order. */
typedef struct pasr_freelist {
    pasr_idx_t head;                  /* node, PASR_NIL when empty */
    pasr_idx_t tail;                  /* node; kept in list order only, undefined when empty */
    uint32_t nr_blocks;
    uint32_t head_region;             /* region of head; kept in region order only, undefined when empty */
    uint64_t root;                    /* bit w: leaf[w] is not zero */
    uint64_t *leaf;                   /* bit r % 64 of word r / 64: region r has a run */
    pasr_run_t *runs;                 /* one entry per region */
} pasr_freelist_t;

typedef struct pasr_region {
    uint32_t nr_free;                 /* pages in free blocks */
    uint32_t managed;                 /* pages that belong to the allocator */
} pasr_region_t;

/* One fallback event, with what mm_page_alloc_extfrag reports. */
typedef struct pasr_extfrag {
    pasr_idx_t idx;                   /* first frame that was allocated */
    uint8_t order;                    /* of the request */
    uint8_t migratetype;              /* of the request */
    uint8_t fallback_order;           /* of the block that was chosen */
    uint8_t fallback_type;            /* of its list */
    uint8_t change_ownership;         /* 1: the pageblock now has the type of the request */
    uint8_t pad[3];
} pasr_extfrag_t;

/* One list of a pageset: the first block is the next to be taken, the last the next to be
 * given back. A list that is refilled is empty before. */
typedef struct pasr_pcplist {
    pasr_idx_t *pages;                /* frames, from [first] to [end - 1] */
    uint32_t first;
    uint32_t end;
    uint32_t room;                    /* entries that pages has room for */
    uint32_t pad;
} pasr_pcplist_t;

/* Blocks that a CPU keeps for itself: struct per_cpu_pages. Lists by order * 3 + migratetype for
 * orders 0 to 3, then two of order pageblock_order, the second of them movable. */
typedef struct pasr_pageset {
    uint32_t count;                   /* pages on all lists */
    uint32_t high;                    /* with so many pages, give some back */
    uint32_t free_count;              /* pages freed lately, halved by every allocation */
    uint8_t alloc_factor;             /* the next refill is batch shifted by this */
    uint8_t was_high_order;           /* the last free was of order 1 to 3 */
    uint16_t pad;
    pasr_pcplist_t lists[PASR_NR_PCPLISTS];
} pasr_pageset_t;

/* What is known of a zone by those who keep its watermarks, or-ed. Only 6.12 knows it, and only pagesets mind. */
enum pasr_zone_flag {
    PASR_ZONE_BELOW_HIGH = 1,         /* a request has met it below its high watermark */
    PASR_ZONE_RECLAIM_ACTIVE = 2      /* kswapd is at work in it */
};

/* How memory of another type is taken. */
enum pasr_rules { PASR_RULES_STEAL = 0 /* 3.9 */, PASR_RULES_CLAIM = 1 /* 6.12 */ };

typedef struct pasr_zone {
    pasr_link_t *links;               /* one per frame: list links of free blocks below the largest order */
    uint8_t *tags;                    /* one per frame: blocks below the largest order */
    pasr_link_t *top_links;           /* one per block of the largest order */
    uint8_t *top_tags;                /* one per block of the largest order */
    uint8_t *pageblocks;              /* one per pageblock: migratetype */
    uint16_t *region_of_block;        /* one per 1024 pages, from frame region_bias on */
    pasr_region_t *regions;
    pasr_idx_t *region_ends;          /* one per region: frame behind its last one */
    uint64_t *changed;                /* bit r % 64 of word r / 64: region r became empty or used */
    uint64_t changed_root;            /* bit w: changed[w] is not zero */
    uint64_t *attention;              /* bit r % 64 of word r / 64: a free has left region r almost empty */
    uint64_t attention_root;          /* bit w: attention[w] is not zero */
    pasr_extfrag_t *extfrag;          /* the last PASR_NR_EXTFRAG fallback events, a ring */
    uint64_t nr_extfrag;              /* fallback events so far */
    pasr_pageset_t *pagesets;         /* one per CPU */

    int64_t base_pfn;                 /* pfn of frame 0, a multiple of 1024 */
    int64_t start_pfn;                /* first pfn of the span */
    uint64_t nr_pages;                /* pages of the span, absent ones included */
    uint64_t nr_free;                 /* pages on the free lists */
    uint64_t managed;                 /* pages that belong to the allocator */
    uint64_t nr_highatomic;           /* pages of pageblocks that were reserved as HIGHATOMIC */
    uint64_t watermark_boost;         /* pages that watermarks are higher by, since pageblocks were mixed */
    uint64_t high_mark;               /* high watermark and lowmem reserve of movable requests, without boost; or 0 */
    uint64_t boost_max;               /* most of it, in pages; 0: watermarks stay as they are */
    uint64_t region_pages;            /* of every region, the last perhaps excepted; 0: they differ */
    pasr_idx_t first;                 /* the span as frames: [first, end) */
    pasr_idx_t end;
    uint32_t nr_blocks;               /* blocks of the largest order that cover the span */
    uint32_t nr_regions;
    uint32_t region_bias;             /* frame where region 0 begins, if not 0: regions straddle blocks */

    uint32_t alert_used;              /* a free that leaves no more pages of its region in use is looked at */
    uint32_t notify_used;             /* such a region gets attention; 0: none does */
    uint32_t opened;                  /* region that was opened last, if opened_state says so */
    uint8_t opened_state;             /* enum pasr_opened */
    uint8_t flags;                    /* enum pasr_zone_flag */
    uint8_t pad[2];

    uint32_t nr_cpus;                 /* with a pageset; 0: there are none */
    uint32_t pcp_batch;               /* struct per_cpu_pages: batch, high_min, high_max; 3.9 has one high */
    uint32_t pcp_high_min;
    uint32_t pcp_high_max;
    uint16_t pcp_orders;              /* bit o: blocks of order o go through pagesets */
    uint8_t pcp_by_region;            /* refill from the lowest region and give back from the highest */
    uint8_t pcp_nr_plain;             /* single pages of types below this go to a pageset as they come; 0 with flags */
    uint32_t pcp_most_freed;          /* free_count grows up to this */

    uint8_t mode;                     /* enum pasr_mode, or-ed */
    uint8_t pageblock_order;
    uint8_t fresh_to_tail;            /* list order: memory new to the list joins at the tail, not the head */
    uint8_t rules;                    /* enum pasr_rules */
    uint8_t merge_limit;              /* from this order on the types of two buddies decide whether they merge */
    uint8_t movable;                  /* numbers of these migratetypes */
    uint8_t reclaimable;
    uint8_t cma_first;                /* bit t: a request of type t may have to take from CMA pageblocks first */
    uint8_t grouping;                 /* dry lists of types that cannot be moved look first where there are such pages */
    uint8_t nr_fallbacks[PASR_NR_MIGRATETYPES];
    uint8_t fallbacks[PASR_NR_MIGRATETYPES][PASR_NR_MIGRATETYPES];  /* types to borrow from, in order */
    uint32_t nonempty[PASR_NR_MIGRATETYPES];  /* bit o: the list of order o is not empty */
    pasr_freelist_t lists[PASR_NR_PAGE_ORDERS][PASR_NR_MIGRATETYPES];
    pasr_freelist_t parked;           /* blocks of the largest order of whole regions that left the lists */
} pasr_zone_t;

/* What is known of the region in which an allocation found everything free. */
enum pasr_opened {
    PASR_OPENED_OFF = 0,              /* nothing is noted */
    PASR_OPENED_NONE = 1,
    PASR_OPENED_NOTED = 2,            /* a later one may take its place */
    PASR_OPENED_READY = 3             /* a block was freed since; stays so until somebody looks at it */
};

/* What a request may do, as in Linux 6.12; bits apart from PASR_OP_CHECK_ORDER. */
enum pasr_alloc_flag {
    PASR_ALLOC_NON_BLOCK = 2,
    PASR_ALLOC_HIGHATOMIC = 4,        /* order 1 and larger */
    PASR_ALLOC_OOM = 8,
    PASR_ALLOC_NOFRAGMENT = 16
};

/* One entry of an operation stream. */
typedef struct pasr_op {
    uint8_t op;                       /* enum pasr_opcode */
    uint8_t order;                    /* of an allocation; of a free only with PASR_OP_CHECK_ORDER */
    uint8_t migratetype;              /* of an allocation, in the zone's numbering */
    uint8_t flags;                    /* of an allocation enum pasr_alloc_flag, of a free PASR_OP_CHECK_ORDER */
    uint32_t slot;                    /* where the pfn is stored or found */
} pasr_op_t;

enum pasr_opcode { PASR_OP_ALLOC = 0, PASR_OP_FREE = 1 };
#define PASR_OP_CHECK_ORDER 1
#define PASR_OP_FLAGS 31

/* What a frame is. */
typedef struct pasr_block {
    pasr_idx_t head;                  /* first frame of the block that covers it */
    uint8_t order;
    uint8_t migratetype;
    uint8_t state;                    /* enum pasr_state */
    uint8_t pad;
} pasr_block_t;

enum pasr_state { PASR_ABSENT = 0, PASR_FREE = 1, PASR_ALLOCATED = 2, PASR_CACHED = 3 };

#ifdef __cplusplus
#define PASR_STATIC_ASSERT static_assert
#else
#define PASR_STATIC_ASSERT _Static_assert
#endif
PASR_STATIC_ASSERT(PASR_NR_PAGE_ORDERS == 11 && PASR_NR_MIGRATETYPES == 6 && PASR_MAX_REGIONS == 4096,
                   "Cython spells these out as array sizes");
PASR_STATIC_ASSERT(PASR_ISOLATE == PASR_CMA + 1 && PASR_ISOLATE + 1 == PASR_NR_MIGRATETYPES,
                   "streams look at the lists of both as one word");
PASR_STATIC_ASSERT(sizeof(pasr_link_t) == 8, "links are copied as bytes");
PASR_STATIC_ASSERT(sizeof(pasr_run_t) == 8, "runs are copied as bytes");
PASR_STATIC_ASSERT(sizeof(pasr_region_t) == 8, "numpy reads regions");
PASR_STATIC_ASSERT(sizeof(pasr_extfrag_t) == 12, "numpy reads fallback events");
PASR_STATIC_ASSERT(sizeof(pasr_op_t) == 8, "numpy writes operations");

#endif
