/* One event of a page-allocation trace. */
#ifndef PASRALLOC_TRACE_H
#define PASRALLOC_TRACE_H

#include "pasralloc/zone.h"

enum pasr_event_kind {
    PASR_EVENT_NONE = 0,
    PASR_EVENT_ALLOC = 1,             /* mm_page_alloc */
    PASR_EVENT_FREE = 2,              /* mm_page_free; up to Linux 3.2 mm_page_free_direct */
    PASR_EVENT_FREE_BATCHED = 3,      /* mm_page_free_batched; up to Linux 3.2 mm_pagevec_free */
    PASR_EVENT_ZONE_LOCKED = 4,       /* mm_page_alloc_zone_locked */
    PASR_EVENT_PCPU_DRAIN = 5,        /* mm_page_pcpu_drain */
    PASR_EVENT_EXTFRAG = 6,           /* mm_page_alloc_extfrag */
    PASR_EVENT_LOST = 7,              /* a mark that events are missing; pfn says how many, 0 if unknown */
    PASR_NR_EVENT_KINDS = 8
};

enum pasr_event_flag {
    PASR_EVENT_FAILED = 1,            /* an allocation that got no page */
    PASR_EVENT_REFILL = 2,            /* percpu_refill=1 */
    PASR_EVENT_OWNERSHIP = 4,         /* change_ownership=1 */
    PASR_EVENT_OLD_NAME = 8,          /* an event name of Linux 3.2 or older */
    PASR_EVENT_UNTIMED = 16           /* no time stamp: that of the event before */
};

typedef struct pasr_event {
    int64_t time_ns;
    int64_t pfn;                      /* -1 where the event has none */
    uint32_t gfp;                     /* in the numbering of Linux 6.18; bit 31: a flag without a number there */
    int32_t pid;                      /* -1 if the line does not say */
    uint16_t cpu;                     /* 65535 if the line does not say */
    uint8_t event;                    /* enum pasr_event_kind */
    int8_t order;
    int8_t migratetype;               /* as numbered by the traced kernel; -1 where the event has none */
    uint8_t flags;                    /* enum pasr_event_flag, or-ed */
    uint8_t pad[2];
} pasr_event_t;

PASR_STATIC_ASSERT(sizeof(pasr_event_t) == 32, "numpy reads events");

#endif
