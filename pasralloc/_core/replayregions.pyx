"""Which regions a replay leaves completely free, and how many could be."""

from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memset

from pasralloc._core.bits cimport lowest_bit
from pasralloc._core.replaytypes cimport elapsed
from pasralloc._core.types cimport pasr_region_t, pasr_zone_t


cdef int by_size(const void *a, const void *b) noexcept nogil:
    cdef uint32_t left = (<const uint32_t *> a)[0], right = (<const uint32_t *> b)[0]
    return (left < right) - (left > right)


cdef void pack(replay_t *r, uint64_t used) noexcept nogil:
    """`follow_packing` where the number of regions that are needed may change."""
    cdef uint32_t needed = r.nr_needed
    while used > r.held[needed]:
        needed += 1
    while needed != 0 and used <= r.held[needed - 1]:
        needed -= 1
    if r.nr_managed - needed != r.nr_packed:
        r.packed_sum_ns += r.nr_packed * elapsed(r.packed_ns, r.now_ns)
        r.packed_ns = r.now_ns
        r.nr_packed = r.nr_managed - needed
    r.nr_needed = needed


cdef void measure_regions(replay_t *r) noexcept nogil:
    """Start over with packing after pages came to be managed."""
    cdef uint32_t i, region
    cdef pasr_zone_t *z
    r.managed = r.nr_free = 0
    memset(r.capacities, 0, r.nr_regions * sizeof(uint32_t))
    for i in range(r.nr_parts):
        z = r.parts[i].zone
        r.managed += z.managed
        r.nr_free += z.nr_free
        r.parts[i].nr_free = z.nr_free
        for region in range(z.nr_regions):
            r.capacities[r.parts[i].first_region + region] = z.regions[region].managed
    qsort(r.capacities, r.nr_regions, sizeof(uint32_t), by_size)
    r.nr_managed = r.nr_needed = 0
    r.held[0] = 0
    for i in range(r.nr_regions):
        r.held[i + 1] = r.held[i] + r.capacities[i]
        r.nr_managed += r.capacities[i] != 0
    pack(r, r.managed - r.nr_free)


cdef void note_changes(replay_t *r, const part_t *part) noexcept nogil:
    """Turn what a zone says has changed into transitions at the present time."""
    cdef pasr_zone_t *z = part.zone
    cdef uint32_t w, own, region
    cdef bint is_empty
    while z.changed_root != 0:
        w = lowest_bit(z.changed_root)
        z.changed_root &= z.changed_root - 1
        while z.changed[w] != 0:
            own = w * 64 + lowest_bit(z.changed[w])
            region = part.first_region + own
            z.changed[w] &= z.changed[w] - 1
            is_empty = z.regions[own].managed != 0 and z.regions[own].nr_free == z.regions[own].managed
            if is_empty == <bint> (r.empty[region >> 6] >> (region & 63) & 1):
                continue
            r.empty_ns += r.nr_empty * elapsed(r.changed_ns, r.now_ns)
            r.changed_ns = r.now_ns
            r.nr_empty += 1 if is_empty else -1
            r.empty[region >> 6] ^= <uint64_t> 1 << (region & 63)
            if not is_empty:
                r.touched[region >> 6] |= <uint64_t> 1 << (region & 63)
            r.transitions[r.nr_transitions].time_ns = r.now_ns
            r.transitions[r.nr_transitions].region = region
            r.transitions[r.nr_transitions].is_empty = is_empty
            r.nr_transitions += 1


cdef void look_everywhere(replay_t *r) noexcept nogil:
    cdef uint32_t i
    for i in range(r.nr_parts):
        look_at(r, &r.parts[i])
    r.is_everywhere = False
    r.nr_slow = r.memory.nr_slow


cdef void start_counting(replay_t *r) noexcept nogil:
    """Take the regions as they are now for the start."""
    cdef uint32_t i, own, region
    cdef const pasr_region_t *entry
    for i in range(r.nr_parts):
        for own in range(r.parts[i].zone.nr_regions):
            region = r.parts[i].first_region + own
            entry = &r.parts[i].zone.regions[own]
            if entry.managed == 0:
                continue
            if entry.nr_free == entry.managed:
                r.empty[region >> 6] |= <uint64_t> 1 << (region & 63)
                r.nr_empty += 1
            else:
                r.touched[region >> 6] |= <uint64_t> 1 << (region & 63)
    measure_regions(r)
