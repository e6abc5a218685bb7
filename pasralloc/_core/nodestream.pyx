"""Streams and batches on the zones of a machine."""

cimport cython
from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from pasralloc._core.batch cimport AHEAD, mark_block, unmark_block
from pasralloc._core.bits cimport __builtin_prefetch
from pasralloc._core.moved cimport follow_all, moment_of, moment_t
from pasralloc._core.node cimport (
    avoids_fragments, node_advance, node_alloc, node_free, node_settle, want_kswapd, zone_at, zonelist_of,
)
from pasralloc._core.nodetypes cimport (
    PASR_LRU_ANON, PASR_LRU_FILE, PASR_LRU_UNEVICTABLE, PASR_NO_ZONE, PASR_WMARK_LOW, PASR_ZONE_MOVABLE,
    PASR_ZONE_NORMAL, pasr_memzone_t,
)
from pasralloc._core.stream cimport (
    FRAME_AHEAD, NR_COPIED, NR_EXECUTED, SLOT_AHEAD, allocate, copy_valid, release,
)
from pasralloc._core.types cimport (
    PASR_ALLOC_NOFRAGMENT, PASR_CMA, PASR_EALREADY, PASR_ERANGE, PASR_HIGHATOMIC, PASR_ISOLATE, PASR_MODE_SORTED,
    PASR_OK, PASR_OP_ALLOC, PASR_OP_CHECK_ORDER, PASR_RULES_CLAIM, pasr_idx_t, pasr_pageset_t, pasr_zone_t,
)
from pasralloc._core.zone cimport pfn_of, zone_free_error, zone_prefetch, zone_spans


# Where requests of a migratetype go first. Does not change while a stream is executed.
ctypedef struct first_t:
    pasr_zone_t *zone
    pasr_memzone_t *memzone
    pasr_pageset_t *pageset
    uint64_t plenty                      # with more free pages, a single page may be taken
    uint32_t flags                       # PASR_ALLOC_NOFRAGMENT while it avoids to mix types
    uint32_t set_aside                   # all bits if there are HIGHATOMIC pageblocks, none if they are RESERVE
    pasr_zone_t *likely                  # the zone that most blocks lie in
    bint has_states                      # of blocks in it, which a free has to forget


cdef inline uint32_t highest_of(const place_t *place, uint32_t migratetype) noexcept nogil:
    """Highest zone type of a request: only movable memory may go to the movable zone."""
    if place.highest >= 0:
        return <uint32_t> place.highest
    return PASR_ZONE_MOVABLE if migratetype == place.memory.zones[0].zone.movable else PASR_ZONE_NORMAL


cdef int64_t place_alloc(const place_t *place, uint32_t order, uint32_t migratetype, uint32_t flags) noexcept nogil:
    """Allocate ``2**order`` pages; return the pfn or PASR_ENOMEM."""
    return node_alloc(
        place.memory, place.node, highest_of(place, migratetype), place.cpu, order, migratetype, flags)


cdef void node_alloc_batch(
    const place_t *place, const uint8_t *orders, const uint8_t *migratetypes, uint64_t nr, int64_t *out
) noexcept nogil:
    """Allocate *nr* blocks of valid orders and types; write a pfn or PASR_ENOMEM for each."""
    cdef uint64_t i
    for i in range(nr):
        out[i] = place_alloc(place, orders[i], migratetypes[i], 0)


cdef int node_free_batch(
    const place_t *place, int64_t *pfns, const uint8_t *orders, uint8_t *tags, uint64_t nr, uint64_t *bad,
    int64_t now_ns
) noexcept nogil:
    """Free all of *pfns* in order, or none; as `zone_free_batch`. If that is later, it happens at *now_ns*.

    Then *pfns* follow blocks that are moved as time passes.
    """
    cdef pasr_memory_t *m = place.memory
    cdef moment_t then = moment_of(m)
    cdef uint64_t i, nr_marked = nr
    cdef uint32_t at
    cdef int error = PASR_OK
    for i in range(nr):
        if i + AHEAD < nr:
            prefetch(m, pfns[i + AHEAD], True)
        at = zone_at(m, pfns[i])
        if at == PASR_NO_ZONE or not mark_block(
                m.zones[at].zone, pfns[i], -1 if orders == NULL else <int> orders[i], &tags[i]):
            nr_marked = i
            break
    if nr_marked != nr:
        bad[0] = nr_marked
        for i in range(nr_marked):
            unmark_block(m.zones[zone_at(m, pfns[i])].zone, pfns[i], tags[i])
        at = zone_at(m, pfns[nr_marked])
        if at == PASR_NO_ZONE:
            return PASR_ERANGE
        error = zone_free_error(
            m.zones[at].zone, pfns[nr_marked], -1 if orders == NULL else <int> orders[nr_marked])
        return error if error != PASR_OK else PASR_EALREADY
    for i in range(nr):
        unmark_block(m.zones[zone_at(m, pfns[i])].zone, pfns[i], tags[i])
    if now_ns > m.now_ns:
        node_advance(m, now_ns)
        follow_all(m, then, pfns, nr)
    for i in range(nr):
        if i + AHEAD < nr:
            prefetch(m, pfns[i + AHEAD], True)
        node_free(m, place.cpu, pfns[i], -1)
    return PASR_OK


cdef inline void prefetch(const pasr_memory_t *m, int64_t pfn, bint links) noexcept nogil:
    cdef uint32_t at = zone_at(m, pfn)
    if at != PASR_NO_ZONE:
        zone_prefetch(m.zones[at].zone, pfn, links)


cdef inline bint has_plenty(const first_t *first, uint32_t order, uint32_t migratetype) noexcept nogil:
    """Whether it takes no more than this to see that the request passes the low watermark."""
    cdef const pasr_zone_t *z = first.zone
    if (z.nonempty[<int> PASR_CMA] | z.nonempty[<int> PASR_ISOLATE]
            | (z.nonempty[<int> PASR_HIGHATOMIC] & first.set_aside) | z.watermark_boost):
        return False
    if cython.likely(order == 0):
        return z.nr_free > first.plenty
    return first.set_aside and z.nonempty[migratetype] >> order and z.nr_free >= first.plenty + (
        <uint64_t> 1 << order)


cdef inline int64_t execute(
    const place_t *place, const first_t *firsts, const pasr_op_t *ops, uint64_t nr, int64_t *slots,
    bint has_pageset, int mode
) noexcept nogil:
    """Execute valid operations, SLOT_AHEAD more of which stand behind the last one.

    *has_pageset* and *mode* are literals. Blocks are looked for first where movable requests go: that
    costs no more than in a stream on that zone alone.
    """
    cdef pasr_memory_t *m = place.memory
    cdef pasr_zone_t *likely = firsts[0].likely
    cdef pasr_pageset_t *pageset = &likely.pagesets[place.cpu]
    cdef bint has_states = firsts[0].has_states
    cdef uint64_t i
    cdef int64_t result, nr_failed = 0, ahead
    cdef uint32_t slot
    cdef const first_t *first
    for i in range(nr):
        __builtin_prefetch(&slots[ops[i + SLOT_AHEAD].slot])
        ahead = slots[ops[i + FRAME_AHEAD].slot]
        if cython.likely(zone_spans(likely, ahead)):
            zone_prefetch(likely, ahead, not has_pageset)
        else:
            prefetch(m, ahead, not has_pageset)
        slot = ops[i].slot
        if ops[i].op == PASR_OP_ALLOC:
            first = &firsts[ops[i].migratetype]
            result = -1
            if cython.likely(ops[i].flags == 0 and has_plenty(
                    first, ops[i].order, ops[i].migratetype)):
                # Whether types may mix does not matter while there are blocks of the own type.
                result = allocate(
                    first.zone, first.pageset, ops[i],
                    first.flags if has_pageset or first.zone.nonempty[ops[i].migratetype] >> ops[i].order == 0 else 0,
                    has_pageset, mode)
                if cython.likely(result >= 0):
                    result = pfn_of(first.zone, <pasr_idx_t> result)
                    if cython.unlikely(first.zone.watermark_boost != 0):
                        want_kswapd(m, first.memzone)
                        node_settle(m)
            if cython.unlikely(result < 0):
                result = place_alloc(place, ops[i].order, ops[i].migratetype, ops[i].flags)
            slots[slot] = result
        else:
            result = PASR_ERANGE
            if cython.likely(not (ops[i].flags & PASR_OP_CHECK_ORDER or has_states)):
                result = release(likely, pageset, slots[slot], -1, has_pageset, mode)
            if cython.unlikely(result == PASR_ERANGE):
                result = node_free(
                    m, place.cpu, slots[slot], ops[i].order if ops[i].flags & PASR_OP_CHECK_ORDER else -1)
        nr_failed += result < 0
    return nr_failed


cdef void find_firsts(const place_t *place, first_t *firsts) noexcept nogil:
    cdef pasr_memory_t *m = place.memory
    cdef const pasr_memzone_t *likely = &m.zones[0]
    cdef const uint16_t *zonelist
    cdef pasr_memzone_t *mz
    cdef uint32_t migratetype, highest
    for migratetype in range(3):
        highest = highest_of(place, migratetype)
        zonelist = zonelist_of(m, place.node, highest)
        firsts[migratetype].zone = m.zones[0].zone
        firsts[migratetype].plenty = UINT64_MAX                 # unless there is a zone, which is the rule
        firsts[migratetype].set_aside = 0
        if zonelist[0] != PASR_NO_ZONE:
            mz = &m.zones[zonelist[0]]
            firsts[migratetype].zone = mz.zone
            firsts[migratetype].memzone = mz
            firsts[migratetype].pageset = &mz.zone.pagesets[place.cpu]
            firsts[migratetype].set_aside = 0xffffffff if mz.zone.rules == PASR_RULES_CLAIM else 0
            if migratetype == mz.zone.movable:
                likely = mz
            firsts[migratetype].plenty = (
                mz.watermarks[<int> PASR_WMARK_LOW] + mz.lowmem_reserve[highest])
            firsts[migratetype].flags = PASR_ALLOC_NOFRAGMENT if avoids_fragments(m, zonelist) else 0
    firsts[0].likely = likely.zone
    firsts[0].has_states = (
        likely.nr_lru[<int> PASR_LRU_FILE] | likely.nr_lru[<int> PASR_LRU_ANON]
        | likely.nr_lru[<int> PASR_LRU_UNEVICTABLE]) != 0


cdef int64_t node_run(
    const place_t *place, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots, uint64_t *nr_done
) noexcept nogil:
    """Execute *nr* operations at a place; as `zone_run`."""
    cdef pasr_op_t copy[NR_COPIED]
    cdef first_t firsts[3]
    cdef pasr_zone_t *z = place.memory.zones[0].zone
    cdef uint64_t nr_valid
    cdef int64_t nr_failed = 0
    find_firsts(place, firsts)
    nr_done[0] = 0
    while nr_done[0] < nr:
        nr_valid = copy_valid(copy, ops + nr_done[0], nr - nr_done[0], nr_slots)
        if z.nr_cpus != 0:
            nr_failed += execute(place, firsts, copy, nr_valid, slots, True, 0)
        elif z.mode == 0:
            nr_failed += execute(place, firsts, copy, nr_valid, slots, False, 0)
        elif z.mode == PASR_MODE_SORTED:
            nr_failed += execute(place, firsts, copy, nr_valid, slots, False, PASR_MODE_SORTED)
        else:
            nr_failed += execute(place, firsts, copy, nr_valid, slots, False, z.mode)
        nr_done[0] += nr_valid
        if nr_valid < NR_EXECUTED:
            break
    return nr_failed
