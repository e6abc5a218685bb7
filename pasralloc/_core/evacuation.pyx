"""When regions are evacuated."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from pasralloc._core.bits cimport highest_bit, lowest_bit
from pasralloc._core.compaction cimport empty_range, extent_t
from pasralloc._core.nodetypes cimport (
    PASR_HELD_CACHED, PASR_HELD_NOT, PASR_HELD_ORDER, PASR_HELD_PINNED, PASR_HELD_UNMOVABLE, PASR_NR_MOVES,
    PASR_NR_RECLAIMED, PASR_TRIGGER_FREE, PASR_TRIGGER_HANDSHAKE, PASR_TRIGGER_NONE, PASR_TRIGGER_PERIODIC,
    PASR_ZONE_DMA,
)
from pasralloc._core.types cimport (
    PASR_OPENED_NONE, PASR_OPENED_READY, pasr_region_t, pasr_zone_t,
)
from pasralloc._core.zone cimport nr_region_words


cdef void note_holder(pasr_compacted_t *done) noexcept nogil:
    """Say what is left, of something that is not free still, unless the migration ended early."""
    if done.holder != PASR_HELD_NOT:
        return
    if done.nr_unmovable != 0:
        done.holder = PASR_HELD_UNMOVABLE
    elif done.nr_pinned != 0:
        done.holder = PASR_HELD_PINNED
    else:
        done.holder = PASR_HELD_ORDER if done.nr_failed != 0 else PASR_HELD_CACHED


cdef void evacuate_region(
    pasr_memory_t *m, pasr_memzone_t *mz, uint32_t region, const pasr_compact_control_t *control, pasr_compacted_t *done
) noexcept nogil:
    """Empty a region; *done.holder* says why it is in use still. It is empty but for pagesets if PASR_HELD_CACHED."""
    cdef const pasr_region_t *r = &mz.zone.regions[region]
    cdef extent_t extent
    memset(done, 0, sizeof(done[0]))
    extent.first = mz.zone.region_ends[region - 1] if region != 0 else mz.zone.first
    extent.stop = mz.zone.region_ends[region]
    empty_range(m, mz, &extent, <uint64_t> max(<int64_t> r.managed - r.nr_free, 0), control, done)
    m.evacuation.nr_tried += 1
    m.evacuation.nr_moved += done.nr_moved
    m.evacuation.nr_dropped += done.nr_dropped
    m.evacuation.nr_failed += done.nr_failed
    if r.nr_free < r.managed:
        note_holder(done)
    m.evacuation.nr_by_holder[done.holder] += 1


cdef bint should_evacuate(const pasr_memory_t *m, const pasr_memzone_t *mz, uint32_t region) noexcept nogil:
    """``should_evacuate_region()``: few pages of it are in use. The first of a zone is never asked about."""
    cdef const pasr_region_t *r = &mz.zone.regions[region]
    return 0 < <int64_t> r.managed - r.nr_free <= m.evacuation.max_used


cdef void evacuation_enable(pasr_memory_t *m, pasr_memzone_t *mz) noexcept nogil:
    """Have a zone note what the trigger needs, from now on."""
    cdef pasr_zone_t *z = mz.zone
    if m.evacuation.trigger == PASR_TRIGGER_FREE and mz.type != PASR_ZONE_DMA:
        z.notify_used = z.alert_used = m.evacuation.max_used
    if m.evacuation.trigger == PASR_TRIGGER_HANDSHAKE:
        z.opened_state = PASR_OPENED_NONE


cdef inline void queue(pasr_memory_t *m, pasr_memzone_t *mz) noexcept nogil:
    if not mz.is_queued:
        mz.is_queued = True
        mz.evacuate_at_ns = m.now_ns + m.evacuation.latency_ns


cdef inline void queue_region(pasr_memory_t *m, pasr_memzone_t *mz, uint32_t region) noexcept nogil:
    mz.queued[region >> 6] |= <uint64_t> 1 << (region & 63)
    queue(m, mz)


cdef void evacuation_collect(pasr_memory_t *m) noexcept nogil:
    """Queue the regions that zones have noted. All of that has happened at the present time."""
    cdef pasr_memzone_t *mz
    cdef pasr_zone_t *z
    cdef uint32_t i, w
    if m.evacuation.trigger != PASR_TRIGGER_FREE and m.evacuation.trigger != PASR_TRIGGER_HANDSHAKE:
        return
    for i in range(m.nr_zones):
        mz = &m.zones[i]
        z = mz.zone
        if z.opened_state == PASR_OPENED_READY:
            queue(m, mz)
        while z.attention_root != 0:
            w = lowest_bit(z.attention_root)
            z.attention_root &= z.attention_root - 1
            mz.queued[w] |= z.attention[w]
            z.attention[w] = 0
            queue(m, mz)


cdef int32_t take_queued(pasr_memzone_t *mz, uint64_t *regions, uint32_t nr_words, bint is_ascending) noexcept nogil:
    """The next of a set of regions, which it leaves; -1 if there is none."""
    cdef uint32_t i, w, bit
    for i in range(nr_words):
        w = i if is_ascending else nr_words - 1 - i
        if regions[w] != 0:
            bit = lowest_bit(regions[w]) if is_ascending else highest_bit(regions[w])
            regions[w] &= ~(<uint64_t> 1 << bit)
            return <int32_t> (w * 64 + bit)
    return -1


cdef inline bint is_logged(const pasr_memory_t *m, moment_t since, const pasr_region_t *r) noexcept nogil:
    """Whether the logs have room for all that may happen to a region, beside what has happened since."""
    cdef uint64_t nr = r.managed - r.nr_free
    return m.nr_moves - since.nr_moves + nr <= PASR_NR_MOVES and (
        m.nr_reclaimed - since.nr_reclaimed + nr <= PASR_NR_RECLAIMED)


cdef void evacuate_queued(pasr_memory_t *m, pasr_memzone_t *mz, moment_t since) noexcept nogil:
    """One pass of the worker over what is queued of a zone; what it queues itself is for the next."""
    cdef uint64_t regions[64]
    cdef pasr_compacted_t done
    cdef int32_t region
    cdef uint32_t w, nr_words = nr_region_words(mz.zone)
    mz.is_queued = False
    for w in range(nr_words):
        regions[w] = mz.queued[w]
        mz.queued[w] = 0
    if mz.zone.opened_state == PASR_OPENED_READY:
        regions[mz.zone.opened >> 6] |= <uint64_t> 1 << (mz.zone.opened & 63)
    region = take_queued(mz, regions, nr_words, m.evacuation.is_ascending)
    while region >= 0:
        if should_evacuate(m, mz, region):
            if is_logged(m, since, &mz.zone.regions[region]):
                evacuate_region(m, mz, region, &m.evacuation.control, &done)
            else:
                queue_region(m, mz, region)
        region = take_queued(mz, regions, nr_words, m.evacuation.is_ascending)
    if mz.zone.opened_state == PASR_OPENED_READY:
        # Regions that were opened meanwhile do not count: workers would undo what workers do.
        mz.zone.opened_state = PASR_OPENED_NONE


cdef void queue_all(pasr_memory_t *m) noexcept nogil:
    """Queue whatever the worker would evacuate."""
    cdef uint32_t i, region
    cdef pasr_memzone_t *mz
    for i in range(m.nr_zones):
        mz = &m.zones[i]
        for region in range(1, mz.zone.nr_regions):
            if should_evacuate(m, mz, region):
                queue_region(m, mz, region)


cdef void evacuation_run(pasr_memory_t *m, moment_t since) noexcept nogil:
    """Let the worker do what it is to have done by now, zone by zone, as far as logs can tell what happened *since*."""
    cdef uint32_t i
    if m.evacuation.trigger == PASR_TRIGGER_PERIODIC and m.now_ns >= m.evacuation.period_at_ns:
        # Periods that passed without anybody looking are one.
        m.evacuation.period_at_ns += ((m.now_ns - m.evacuation.period_at_ns) // m.evacuation.period_ns + 1) * (
            m.evacuation.period_ns)
        queue_all(m)
    for i in range(m.nr_zones):
        if m.zones[i].is_queued and m.now_ns >= m.zones[i].evacuate_at_ns:
            evacuate_queued(m, &m.zones[i], since)


cdef const char *worker_fault(const pasr_memory_t *m, const pasr_memzone_t *mz, uint64_t *where) noexcept nogil:
    """What is wrong with the queue of a zone, and with which word or time; NULL if nothing is.

    What a zone has noted lately need not be queued yet.
    """
    cdef uint32_t w, nr_words = nr_region_words(mz.zone)
    cdef uint64_t queued = 0
    for w in range(nr_words):
        queued |= mz.queued[w]
    where[0] = nr_words - 1
    if mz.zone.nr_regions & 63 and mz.queued[nr_words - 1] >> (mz.zone.nr_regions & 63) != 0:
        return b"a region is queued that does not exist"
    where[0] = 0
    if mz.queued[0] & 1:
        return b"the first region is queued"
    where[0] = mz.is_queued
    if mz.is_queued > 1 or (queued != 0 and not mz.is_queued):
        return b"a region is queued but the worker is not to look at it"
    if not mz.is_queued:
        return NULL
    if queued == 0 and mz.zone.opened_state != PASR_OPENED_READY:
        return b"the worker is to look at a zone of which nothing is queued"
    if m.evacuation.trigger == PASR_TRIGGER_NONE:
        return b"regions are queued although only calls evacuate"
    where[0] = <uint64_t> mz.evacuate_at_ns
    if mz.evacuate_at_ns > m.now_ns + m.evacuation.latency_ns:
        return b"the worker comes later than its latency allows"
    return NULL
