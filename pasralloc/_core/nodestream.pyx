"""Streams and batches on the zones of a machine."""

from libc.stdint cimport UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t

from pasralloc._core.batch cimport AHEAD, mark_block, unmark_block
from pasralloc._core.bits cimport __builtin_prefetch
from pasralloc._core.moved cimport follow_all, moment_of, moment_t
from pasralloc._core.node cimport (
    avoids_fragments, node_advance, node_alloc, node_free, node_settle, want_kswapd, zone_at, zonelist_of,
)
from pasralloc._core.nodetypes cimport (
    PASR_LRU_ANON, PASR_LRU_FILE, PASR_LRU_UNEVICTABLE, PASR_NO_ZONE, PASR_WMARK_HIGH, PASR_WMARK_LOW,
    PASR_ZONE_MOVABLE, PASR_ZONE_NORMAL, pasr_memzone_t,
)
from pasralloc._core.stream cimport (
    FRAME_AHEAD, NR_COPIED, NR_EXECUTED, SLOT_AHEAD, copy_valid, execute, guard_t,
)
from pasralloc._core.types cimport (
    PASR_ALLOC_NOFRAGMENT, PASR_EALREADY, PASR_ERANGE, PASR_MODE_SORTED, PASR_NR_PCPTYPES, PASR_OK, PASR_OP_ALLOC,
    PASR_OP_CHECK_ORDER, PASR_RULES_CLAIM, PASR_TOP_PAGES, pasr_zone_t,
)
from pasralloc._core.zone cimport minds_flags, zone_free_error, zone_prefetch


cdef enum:
    NR_CAREFUL = 32                      # operations at a time, where the short way is closed


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


cdef pasr_memzone_t *find_first(const place_t *place, guard_t *guard) noexcept nogil:
    """The zone that movable requests go to first, and what has to be left to others; NULL if there is none."""
    cdef pasr_memory_t *m = place.memory
    cdef uint32_t movable = m.zones[0].zone.movable, migratetype, highest, at, level
    at = zonelist_of(m, place.node, highest_of(place, movable))[0]
    if at == PASR_NO_ZONE:
        return NULL
    # Whoever is the first below the high watermark is to note it, if anybody minds.
    level = PASR_WMARK_HIGH if minds_flags(m.zones[at].zone) else PASR_WMARK_LOW
    for migratetype in range(PASR_NR_PCPTYPES):
        highest = highest_of(place, migratetype)
        guard.plenty[migratetype] = UINT64_MAX                  # never, if it goes elsewhere
        if zonelist_of(m, place.node, highest)[0] == at:
            guard.plenty[migratetype] = (
                m.zones[at].watermarks[level] + m.zones[at].lowmem_reserve[highest] + PASR_TOP_PAGES)
    guard.flags = PASR_ALLOC_NOFRAGMENT if avoids_fragments(
        m, zonelist_of(m, place.node, highest_of(place, movable))) else 0
    return &m.zones[at]


cdef inline bint is_open(const pasr_memzone_t *mz) noexcept nogil:
    """Whether a stream may run on the zone alone, as far as its guard does not say."""
    cdef const pasr_zone_t *z = mz.zone
    return (z.watermark_boost == 0 and (z.nr_highatomic == 0 or z.rules != PASR_RULES_CLAIM)
            and mz.nr_lru[<int> PASR_LRU_FILE] == 0 and mz.nr_lru[<int> PASR_LRU_ANON] == 0
            and mz.nr_lru[<int> PASR_LRU_UNEVICTABLE] == 0)


cdef uint64_t execute_open(
    const place_t *place, pasr_memzone_t *mz, const guard_t *guard, const pasr_op_t *ops, uint64_t nr, int64_t *slots
) noexcept nogil:
    """Execute what concerns only one zone, which is open; return how many operations that were."""
    cdef pasr_zone_t *z = mz.zone
    cdef uint64_t nr_done
    cdef int64_t nr_failed = 0           # stays so: what fails is not done
    if z.nr_cpus != 0:
        nr_done = execute(z, &z.pagesets[place.cpu], ops, nr, slots, &nr_failed, guard, True, True, 0)
    elif z.mode == 0:
        nr_done = execute(z, NULL, ops, nr, slots, &nr_failed, guard, True, False, 0)
    elif z.mode == PASR_MODE_SORTED:
        nr_done = execute(z, NULL, ops, nr, slots, &nr_failed, guard, True, False, PASR_MODE_SORTED)
    else:
        nr_done = execute(z, NULL, ops, nr, slots, &nr_failed, guard, True, False, z.mode)
    if z.watermark_boost != 0:
        want_kswapd(place.memory, mz)
        node_settle(place.memory)
    return nr_done


cdef int64_t execute_careful(
    const place_t *place, const pasr_op_t *ops, uint64_t nr, int64_t *slots
) noexcept nogil:
    """Execute valid operations, SLOT_AHEAD more of which stand behind the last one; return how many failed."""
    cdef pasr_memory_t *m = place.memory
    cdef int64_t result, nr_failed = 0
    cdef uint64_t i
    for i in range(nr):
        __builtin_prefetch(&slots[ops[i + SLOT_AHEAD].slot])
        prefetch(m, slots[ops[i + FRAME_AHEAD].slot], m.zones[0].zone.nr_cpus == 0)
        if ops[i].op == PASR_OP_ALLOC:
            result = place_alloc(place, ops[i].order, ops[i].migratetype, ops[i].flags)
            slots[ops[i].slot] = result
        else:
            result = node_free(
                m, place.cpu, slots[ops[i].slot], ops[i].order if ops[i].flags & PASR_OP_CHECK_ORDER else -1)
        nr_failed += result < 0
    return nr_failed


cdef int64_t node_run(
    const place_t *place, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots, uint64_t *nr_done
) noexcept nogil:
    """Execute *nr* operations at a place; as `zone_run`.

    Most run on one zone as in a stream on that alone. One that cannot goes through the zonelist: by itself, or with
    those behind it where it was the first to be tried, so that a zone which is closed is not asked each time.
    """
    cdef pasr_op_t copy[NR_COPIED]
    cdef guard_t guard
    cdef pasr_memzone_t *mz = find_first(place, &guard)
    cdef uint64_t nr_valid, nr_open, nr_careful, i
    cdef int64_t nr_failed = 0
    nr_done[0] = 0
    while nr_done[0] < nr:
        nr_valid = copy_valid(copy, ops + nr_done[0], nr - nr_done[0], nr_slots)
        i = 0
        while i < nr_valid:
            nr_open = execute_open(
                place, mz, &guard, &copy[i], nr_valid - i, slots) if mz != NULL and is_open(mz) else 0
            i += nr_open
            nr_careful = min(<uint64_t> (1 if nr_open != 0 else NR_CAREFUL), nr_valid - i)
            nr_failed += execute_careful(place, &copy[i], nr_careful, slots)
            i += nr_careful
        nr_done[0] += nr_valid
        if nr_valid < NR_EXECUTED:
            break
    return nr_failed
