"""A downstream extension: drives a zone without the GIL, and shows how."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pasralloc cimport (
    PASR_CMD_REF, PASR_CYC_ACT, PASR_CYC_PRE, PASR_NR_REF, Zone, pasr_command_t, pasr_rank_t, pasr_rank_timing_t,
    pasr_zone_t, rank_init, rank_run, zone_alloc, zone_free,
)

from pasralloc.errors import OutOfMemory


def churn(Zone zone not None, uint32_t order, int64_t nr_rounds):
    """Allocate and free a block *nr_rounds* times; return the sum of the pfns."""
    cdef pasr_zone_t *z = &zone.c
    cdef int64_t pfn = 0, total = 0, i
    zone.enter()                       # from here on other threads are refused
    with nogil:
        for i in range(nr_rounds):
            pfn = zone_alloc(z, order, zone.movable)
            if pfn < 0:
                break
            total += pfn
            zone_free(z, pfn, <int> order)
    zone.leave()
    if pfn < 0:
        raise OutOfMemory(order, "movable")
    return total


def free_error(Zone zone not None, int64_t pfn, int order):
    """What `zone_free` answers to any pfn."""
    return zone_free(&zone.c, pfn, order)


def refresh_cycles(int64_t interval, int64_t nr, int64_t at):
    """Counters of a rank that is refreshed *nr* times, and of a refresh at cycle *at* after that."""
    cdef pasr_rank_t rank
    cdef pasr_rank_timing_t timing
    cdef pasr_command_t command
    cdef uint64_t bad = 0
    cdef int error = 0
    cdef int64_t i
    timing.ras, timing.rfc, timing.ref_act, timing.entry_act = 28, 88, 78, 78
    timing.rfcpb = timing.rfcsb = timing.read_close = timing.write_close = 0
    timing.act_to_pd = timing.pre_to_pd = 0
    timing.banks = timing.banks_per_group = 8
    timing.entry = 0
    command.command, command.bank = PASR_CMD_REF, 0
    with nogil:
        rank_init(&rank)
        for i in range(nr):
            command.cycle = <uint64_t> (i * interval)
            error = rank_run(&rank, &timing, &command, 1, (i + 1) * interval, &bad)
            if error != 0:
                break
        if error == 0:
            command.cycle = <uint64_t> at
            error = rank_run(&rank, &timing, &command, 1, nr * interval + 1, &bad)
    counters = rank.counters
    return counters[PASR_NR_REF], counters[PASR_CYC_ACT], counters[PASR_CYC_PRE], error
