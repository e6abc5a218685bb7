/* Ids, limits and error codes shared by every part of pasralloc.
 *
 * Plain C11, no Python. C, C++ and Cython see the same bytes.
 */
#ifndef PASRALLOC_TYPES_H
#define PASRALLOC_TYPES_H

#include <stdint.h>

typedef uint32_t pasr_idx_t;          /* frame index inside a zone: pfn - base_pfn */

#define PASR_NIL UINT32_MAX           /* no frame: end of a list */

#define PASR_MAX_PAGE_ORDER 10u       /* largest block: 1024 pages, 4 MiB */
#define PASR_NR_PAGE_ORDERS 11u
#define PASR_TOP_PAGES 1024u          /* pages in a block of the largest order */
#define PASR_TOP_MASK 1023u
#define PASR_MAX_REGIONS 4096u        /* one 64-bit root word times 64 leaf words */
#define PASR_NR_MIGRATETYPES 6u       /* of either kernel generation */
#define PASR_NR_PCPTYPES 3u           /* unmovable, movable, reclaimable: what can be requested */
#define PASR_NR_PCPLISTS 14u          /* lists of a pageset */
#define PASR_PCP_SCALE_MAX 5u         /* refills and drains are at most batch shifted by this */
#define PASR_COSTLY_ORDER 3u          /* largest order of the pagesets but for pageblocks */
#define PASR_NR_EXTFRAG 1024u         /* fallback events that a zone remembers */
#define PASR_MAX_FRAMES UINT64_C(0xfffff800)  /* 16 TiB, less what PASR_NIL and padding need */
#define PASR_MAX_PFN (INT64_C(1) << 45)       /* no machine has longer physical addresses */

/* Migratetypes whose numbers no generation changes; those of the others are fields of the zone. */
enum pasr_migratetype {
    PASR_UNMOVABLE = 0,
    PASR_RESERVE = 3,                 /* 3.9: the last resort of every request */
    PASR_HIGHATOMIC = 3,              /* 6.12 */
    PASR_CMA = 4,
    PASR_ISOLATE = 5
};

/* Negative errno values, spelled out so that they do not depend on the host. */
enum pasr_error {
    PASR_OK = 0,
    PASR_ENXIO = -6,                  /* pages that are absent from the zone */
    PASR_ENOMEM = -12,                /* no free block is large enough */
    PASR_EBUSY = -16,                 /* pages that are in use */
    PASR_EEXIST = -17,                /* pages that the zone already manages */
    PASR_EINVAL = -22,                /* not the first page of an allocated block */
    PASR_EDOM = -33,                  /* an allocated block of another order */
    PASR_ERANGE = -34,                /* outside the zone */
    PASR_EALREADY = -114              /* already free */
};

#endif
