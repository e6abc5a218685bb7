"""Trace events, as declared in the installed C header."""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t


cdef extern from "pasralloc/trace.h" nogil:
    enum:
        PASR_EVENT_NONE
        PASR_EVENT_ALLOC
        PASR_EVENT_FREE
        PASR_EVENT_FREE_BATCHED
        PASR_EVENT_ZONE_LOCKED
        PASR_EVENT_PCPU_DRAIN
        PASR_EVENT_EXTFRAG
        PASR_EVENT_LOST
        PASR_NR_EVENT_KINDS
        PASR_EVENT_FAILED
        PASR_EVENT_REFILL
        PASR_EVENT_OWNERSHIP
        PASR_EVENT_OLD_NAME
        PASR_EVENT_UNTIMED

    ctypedef struct pasr_event_t:
        int64_t time_ns
        int64_t pfn
        uint32_t gfp
        int32_t pid
        uint16_t cpu
        uint8_t event
        int8_t order
        int8_t migratetype
        uint8_t flags
        uint8_t pad[2]
