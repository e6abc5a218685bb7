"""What-if replay: traced pages are names, the memory under test chooses the places.

A trace can be wrong about any single page (lost events, allocations without an
event, an imperfect start map), so every rule works on pages: each is live or
not, known or not, and a live one belongs to a block of a zone.
"""

cimport cython
from libc.stdint cimport int8_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pasralloc._core.bits cimport __builtin_prefetch
from pasralloc._core.events cimport (
    PASR_EVENT_ALLOC, PASR_EVENT_FAILED, PASR_EVENT_FREE, PASR_EVENT_FREE_BATCHED, PASR_EVENT_LOST,
    PASR_EVENT_OLD_NAME, PASR_EVENT_UNTIMED, pasr_event_t,
)
from pasralloc._core.pcp cimport pcp_free
from pasralloc._core.ranges cimport zone_add_pages, zone_split_allocated
from pasralloc._core.replayplaces cimport displace, pass_time, place, place_seed, prefetch, take_pages, zone_of_name
from pasralloc._core.replayregions cimport look, measure_regions
from pasralloc._core.replaytypes cimport give_place, is_unplaced, name_of_pfn, pfn_of_name, replay_t
from pasralloc._core.types cimport (
    PASR_ABSENT, PASR_MAX_PAGE_ORDER, PASR_MODE_SORTED, PASR_NIL, PASR_OK, pasr_idx_t, pasr_zone_t,
)
from pasralloc._core.zone cimport (
    head_tag, idx_of, tag_is_allocated, tag_order, zone_block_of, zone_spans,
)

cdef enum:
    NR_COPIED = 256
    NAME_AHEAD = 16
    FRAME_AHEAD = 8

cdef inline uint64_t word_mask(uint64_t page, uint64_t nr) noexcept nogil:
    """Mask of the *nr* bits from *page* on, which must lie in one word."""
    return (~<uint64_t> 0 >> (64 - nr)) << (page & 63)


cdef inline bint is_live(const replay_t *r, uint64_t page) noexcept nogil:
    return r.pages[page >> 6].live >> (page & 63) & 1


cdef inline bint is_known(const replay_t *r, uint64_t page) noexcept nogil:
    return r.pages[page >> 6].known >> (page & 63) & 1


cdef inline bint is_seeded(const replay_t *r, uint64_t page) noexcept nogil:
    return r.pages[page >> 6].seeded >> (page & 63) & 1


cdef inline bint any_live(const replay_t *r, uint64_t page, uint64_t nr) noexcept nogil:
    """Whether a page of a naturally aligned range is live."""
    cdef uint64_t w
    if nr <= 64:
        return r.pages[page >> 6].live & word_mask(page, nr) != 0
    for w in range(page >> 6, (page + nr) >> 6):
        if r.pages[w].live != 0:
            return True
    return False


cdef inline void set_live(replay_t *r, uint64_t page, uint64_t nr) noexcept nogil:
    """Note that a naturally aligned range is allocated by the trace."""
    cdef uint64_t w, mask = word_mask(page, nr) if nr < 64 else ~<uint64_t> 0
    for w in range(page >> 6, (page + nr + 63) >> 6):
        r.pages[w].live |= mask
        r.pages[w].known |= mask


cdef inline void set_free(replay_t *r, uint64_t page, uint64_t nr) noexcept nogil:
    """Note that a naturally aligned range is free."""
    cdef uint64_t w, mask = word_mask(page, nr) if nr < 64 else ~<uint64_t> 0
    for w in range(page >> 6, (page + nr + 63) >> 6):
        r.pages[w].live &= ~mask
        r.pages[w].seeded &= ~mask
        r.pages[w].known |= mask


cdef uint64_t block_of(const replay_t *r, uint64_t page, uint64_t *nr) noexcept nogil:
    """First page of the live block that covers a live page, and its size."""
    cdef const pasr_zone_t *z
    cdef uint32_t order
    cdef uint64_t head
    cdef uint8_t tag
    for order in range(PASR_MAX_PAGE_ORDER + 1):
        head = page >> order << order
        if is_unplaced(r.names[head]):
            break                                           # always a single page
        if r.names[head] != 0:
            z = zone_of_name(r, r.names[head])
            tag = head_tag(z, idx_of(z, pfn_of_name(r, r.names[head])))
            if tag_is_allocated(tag) and tag_order(tag) >= order:
                nr[0] = <uint64_t> 1 << tag_order(tag)
                return head
    nr[0] = 1
    return page


cdef void release(replay_t *r, uint64_t head, uint64_t nr) noexcept nogil:
    """Free a whole live block."""
    if is_unplaced(r.names[head]):
        r.counts.unplaced_frees += 1
    elif r.memory != NULL:
        displace(r, r.names[head], -1, 0, True)
    else:
        pcp_free(r.zone, r.cpu, pfn_of_name(r, r.names[head]), -1)
    r.names[head] = 0
    set_free(r, head, nr)


cdef void break_up(replay_t *r, uint64_t head, uint64_t nr) noexcept nogil:
    """Turn a live block into single pages, so that some of it can be freed."""
    cdef uint64_t i
    cdef pasr_idx_t name = r.names[head]
    zone_split_allocated(zone_of_name(r, name), pfn_of_name(r, name), 0)
    for i in range(nr):
        give_place(r, head + i, name + <pasr_idx_t> i)


cdef void give_way(replay_t *r, uint64_t page, uint64_t nr) noexcept nogil:
    """Free what is live under a new allocation: an event of it was missed."""
    cdef uint64_t stop = page + nr, head, nr_block = 0
    while page < stop:
        if is_live(r, page):
            head = block_of(r, page, &nr_block)
            r.counts.implicit_frees += 1
            r.counts.start_contradictions += is_seeded(r, page)
            release(r, head, nr_block)
        page += 1


cdef inline void take(
    replay_t *r, const pasr_event_t *e, int mode, bint on_machine, bint is_clocked
) noexcept nogil:
    cdef uint64_t page = e.pfn, nr = <uint64_t> 1 << e.order, i
    cdef pasr_idx_t name
    if cython.unlikely(any_live(r, page, nr)):
        give_way(r, page, nr)
    name = place(r, e.order, r.type_map[e.migratetype & 15], e.gfp, mode, on_machine)
    set_live(r, page, nr)
    if cython.likely(not is_unplaced(name)):
        if is_clocked:
            give_place(r, page, name)
        else:
            r.names[page] = name
        return
    r.counts.failures += 1
    for i in range(nr):
        r.names[page + i] = name


cdef bint comes_online(replay_t *r, uint64_t page, uint64_t nr) noexcept nogil:
    """Hand memory over that the start map calls absent; False if this is no such free."""
    cdef int64_t pfn = <int64_t> page
    if r.memory != NULL:
        return False                                        # a machine has all its memory from the start
    if not zone_spans(r.zone, pfn) or not zone_spans(r.zone, pfn + <int64_t> nr - 1):
        return False
    if zone_block_of(r.zone, idx_of(r.zone, pfn)).state != PASR_ABSENT:
        return False
    if zone_add_pages(r.zone, pfn, nr) != PASR_OK:
        return False
    set_free(r, page, nr)
    r.counts.added_pages += nr
    measure_regions(r)
    return True


cdef void give_back_pieces(replay_t *r, uint64_t page, uint64_t nr) noexcept nogil:
    """Free what is live of a range that is not exactly one live block, and count what is odd about it."""
    cdef uint64_t stop = page + nr, p = page, head, nr_block = 0
    cdef uint64_t nr_free = 0, nr_unknown = 0
    cdef bint is_mismatch = False
    while p < stop:
        if not is_live(r, p):
            nr_unknown += not is_known(r, p)
            nr_free += is_known(r, p)
            p += 1
            continue
        head = block_of(r, p, &nr_block)
        is_mismatch = is_mismatch or (nr_block != nr and not is_seeded(r, p) and not is_unplaced(r.names[head]))
        if head < page or head + nr_block > stop:
            break_up(r, head, nr_block)
            head = p
            nr_block = 1
        release(r, head, nr_block)
        p = head + nr_block
    set_free(r, page, nr)
    if nr_free + nr_unknown == nr:
        if nr_unknown != 0:
            r.counts.unknown_frees += 1
            r.counts.unknown_free_pages += nr_unknown
        else:
            r.counts.free_of_free += 1
        return
    r.counts.order_mismatches += is_mismatch
    r.counts.missing_pages += nr_free + nr_unknown


cdef inline void give_back(
    replay_t *r, uint64_t page, uint32_t order, int mode, bint on_machine
) noexcept nogil:
    cdef uint64_t nr = <uint64_t> 1 << order
    cdef pasr_idx_t name = r.names[page]
    if cython.likely(name != 0 and not is_unplaced(name) and is_live(r, page)):
        if cython.likely(displace(r, name, order, mode, on_machine) == PASR_OK):
            r.names[page] = 0
            set_free(r, page, nr)
            return
    if order == PASR_MAX_PAGE_ORDER and not any_live(r, page, nr) and comes_online(r, page, nr):
        return
    give_back_pieces(r, page, nr)


cdef inline bint is_good(const replay_t *r, const pasr_event_t *e) noexcept nogil:
    """Whether order and pfn of an allocation or free can be looked up."""
    return (0 <= e.order <= <int8_t> PASR_MAX_PAGE_ORDER and e.pfn >= 0
            and <uint64_t> e.pfn + (<uint64_t> 1 << e.order) <= r.nr_pages
            and e.pfn & ((<int64_t> 1 << e.order) - 1) == 0)


cdef bint frees_by_batch(replay_t *r, const pasr_event_t *e) noexcept nogil:
    """Whether a batched record is the only one of a free; otherwise it is counted here."""
    cdef bint is_second = not is_good(r, e) or not is_live(r, e.pfn)
    # Up to Linux 3.2 either record can be missing. Later a live page says that the first was lost.
    if not is_second and (r.free_on_batched or e.flags & PASR_EVENT_OLD_NAME):
        return True
    r.counts.batched += 1
    r.counts.lost_frees += not is_second
    return False


cdef void give_back_batched(replay_t *r, uint64_t page) noexcept nogil:
    """Free the live block that starts at *page*: batched records do not say its order."""
    cdef uint64_t nr = 0
    if block_of(r, page, &nr) == page:
        release(r, page, nr)
    else:
        give_back_pieces(r, page, 1)


cdef inline void keep_time(replay_t *r, const pasr_event_t *e, bint is_clocked) noexcept nogil:
    """Move the clock on to an event; it starts with the first one that has a time stamp."""
    if e.flags & PASR_EVENT_UNTIMED:
        return
    if cython.unlikely(not r.is_timed):
        r.is_timed = True
        r.first_ns = r.now_ns = r.changed_ns = r.packed_ns = e.time_ns
    elif e.time_ns > r.now_ns:
        r.now_ns = e.time_ns
        if is_clocked:
            pass_time(r)


cdef inline bint step(
    replay_t *r, const pasr_event_t *e, int mode, bint on_machine, bint is_clocked
) noexcept nogil:
    """Do what an event says, and return whether it may have changed anything but counts."""
    if e.event == PASR_EVENT_FREE:
        if not is_good(r, e):
            r.counts.bad_records += 1
            return False
        r.counts.frees += 1
        give_back(r, e.pfn, e.order, mode, on_machine)
    elif e.event == PASR_EVENT_ALLOC:
        if e.flags & PASR_EVENT_FAILED:
            r.counts.failed_allocs += 1
            return False
        if not is_good(r, e):
            r.counts.bad_records += 1
            return False
        r.counts.allocs += 1
        take(r, e, mode, on_machine, is_clocked)
    elif e.event == PASR_EVENT_FREE_BATCHED:
        if not frees_by_batch(r, e):
            return False
        r.counts.frees += 1
        give_back_batched(r, e.pfn)
    else:
        r.counts.lost_marks += e.event == PASR_EVENT_LOST
        r.counts.other_records += e.event != PASR_EVENT_LOST
        return False
    return True


cdef inline void look_ahead(
    const replay_t *r, const pasr_event_t *events, uint64_t nr, bint on_machine
) noexcept nogil:
    """Fetch the name of an event to come, and the frame behind a name that is nearer."""
    cdef uint64_t page = events[NAME_AHEAD].pfn if nr > NAME_AHEAD else 0
    cdef pasr_idx_t name
    if page < r.nr_pages:
        __builtin_prefetch(&r.names[page])
        __builtin_prefetch(&r.pages[page >> 6])
    if nr > FRAME_AHEAD and events[FRAME_AHEAD].event == PASR_EVENT_FREE:
        page = events[FRAME_AHEAD].pfn
        if page < r.nr_pages:
            name = r.names[page]
            if name != 0 and not is_unplaced(name):
                prefetch(r, name, on_machine)


cdef inline uint64_t replay_copied(
    replay_t *r, const pasr_event_t *events, uint64_t nr, int mode, bint on_machine, bint is_clocked
) noexcept nogil:
    cdef uint64_t i
    cdef uint32_t nr_cpus = r.memory.nr_cpus if on_machine else r.zone.nr_cpus
    for i in range(nr):
        # What an event frees may lie anywhere: it can change every region at most once.
        if r.room - r.nr_transitions < r.nr_regions:
            return i
        look_ahead(r, &events[i], nr - i, on_machine)
        keep_time(r, &events[i], is_clocked)
        if nr_cpus != 0:
            r.cpu = events[i].cpu % nr_cpus
        if step(r, &events[i], mode, on_machine, is_clocked) or is_clocked:
            look(r, on_machine)
    return nr


cdef uint64_t replay_events(replay_t *r, const pasr_event_t *events, uint64_t nr) noexcept nogil:
    """Replay events until they end or the transitions might not fit; return how many were replayed.

    Events are copied first, so that another thread which writes them meanwhile
    cannot change one between its check and its use.
    """
    cdef pasr_event_t copy[NR_COPIED]
    cdef uint64_t done = 0, nr_copied, nr_replayed
    r.is_started = r.is_started or nr != 0
    while done < nr:
        nr_copied = nr - done if nr - done < NR_COPIED else NR_COPIED
        memcpy(copy, events + done, nr_copied * sizeof(pasr_event_t))
        if r.memory != NULL:
            nr_replayed = replay_copied(r, copy, nr_copied, 0, True, True)
        elif r.clocked != NULL:
            nr_replayed = replay_copied(r, copy, nr_copied, r.zone.mode, False, True)
        elif r.zone.mode == PASR_MODE_SORTED:
            nr_replayed = replay_copied(r, copy, nr_copied, PASR_MODE_SORTED, False, False)
        elif r.zone.mode == 0:
            nr_replayed = replay_copied(r, copy, nr_copied, 0, False, False)
        else:
            nr_replayed = replay_copied(r, copy, nr_copied, r.zone.mode, False, False)
        done += nr_replayed
        if nr_replayed < nr_copied:
            break
    return done


cdef void mark_start(replay_t *r, uint64_t page, uint64_t nr, bint in_use) noexcept nogil:
    """Note what the start map says of some pages."""
    cdef uint64_t i, bit
    for i in range(page, page + nr):
        bit = <uint64_t> 1 << (i & 63)
        r.pages[i >> 6].known |= bit
        if in_use:
            r.pages[i >> 6].live |= bit
            r.pages[i >> 6].seeded |= bit


cdef void place_where_it_was(replay_t *r, uint64_t page, uint64_t nr, uint32_t migratetype) noexcept nogil:
    """Take pages of the start map at their own pfns, as single pages."""
    cdef uint64_t stop = page + nr, chunk
    cdef bint has_place = False
    while page < stop:
        chunk = page + take_pages(r, <int64_t> page, stop - page, migratetype, &has_place)
        if not has_place:
            r.counts.failures += chunk - page
        while page < chunk:
            if has_place:
                give_place(r, page, name_of_pfn(r, <int64_t> page))
            else:
                r.names[page] = PASR_NIL
            page += 1


cdef void place_anew(replay_t *r, uint64_t page, uint64_t nr, uint32_t migratetype) noexcept nogil:
    """Allocate a place for each page of the start map."""
    cdef uint64_t i
    cdef pasr_idx_t name
    for i in range(page, page + nr):
        name = place_seed(r, migratetype)
        if is_unplaced(name):
            r.names[i] = name
            r.counts.failures += 1
        else:
            give_place(r, i, name)
