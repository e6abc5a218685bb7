"""Migration of pages in use."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from pasralloc._core.bulk cimport zone_give_bulk, zone_take_bulk
from pasralloc._core.freelist cimport idx_of_node, links_of, list_remove, region_of
from pasralloc._core.lru cimport lru_add, lru_remove
from pasralloc._core.nodetypes cimport (
    PASR_HELD_NOT, PASR_HELD_SINK, PASR_HELD_TARGETS, PASR_NR_MOVES, PASR_PAGE_CLEAN, PASR_PAGE_PINNED,
    PASR_PAGE_UNEVICTABLE, PASR_PAGE_UNKNOWN, PASR_TARGETS_LOWER, pasr_move_t,
)
from pasralloc._core.pcp cimport pcp_drain, pcp_free
from pasralloc._core.reclaim cimport reclaim_block
from pasralloc._core.types cimport (
    PASR_ALLOCATED, PASR_CMA, PASR_FREE, PASR_MODE_SORTED, PASR_NIL, PASR_PARKED,
    PASR_RULES_CLAIM, PASR_TAG_FREE, pasr_freelist_t,
)
from pasralloc._core.zone cimport (
    block_end, head_tag, pageblock_type, pfn_of, tag_allocated, tag_cached, tag_is_cached, tag_order, tag_type,
    zone_block_of, zone_expand, zone_pick,
)

cdef enum:
    COMPACT_CLUSTER_MAX = 32             # pages that are isolated at a time

# Blocks that are about to be moved. They stay where they are known until they are: there is nothing to put back.
ctypedef struct batch_t:
    pasr_idx_t blocks[COMPACT_CLUSTER_MAX]
    uint32_t nr
    uint32_t nr_pages


cdef enum kind_t:
    MOVABLE
    UNMOVABLE
    PINNED


cdef inline uint32_t kind_of(
    const pasr_memzone_t *mz, pasr_idx_t idx, uint8_t tag, bint moves_unevictable
) noexcept nogil:
    """Whether the allocated block at *idx* may be moved, or why not."""
    cdef uint8_t state = mz.states[idx]
    if state == PASR_PAGE_UNKNOWN:
        return MOVABLE if tag_type(tag) == mz.zone.movable else UNMOVABLE
    if state == PASR_PAGE_PINNED or (state == PASR_PAGE_UNEVICTABLE and not moves_unevictable):
        return PINNED
    return MOVABLE


cdef held_t held_in(const pasr_memzone_t *mz, pasr_idx_t first, pasr_idx_t stop) noexcept nogil:
    """What the blocks in [*first*, *stop*) are in use for; one that reaches in counts as a whole. O(blocks)."""
    cdef held_t held
    cdef pasr_idx_t idx = first
    cdef uint32_t kind
    cdef uint64_t nr
    cdef pasr_block_t block
    memset(&held, 0, sizeof(held))
    while idx < stop:
        block = zone_block_of(mz.zone, idx)
        nr = <uint64_t> 1 << block.order
        if block.state == PASR_ALLOCATED:
            kind = kind_of(mz, block.head, head_tag(mz.zone, block.head), False)
            held.movable += nr * (kind == MOVABLE)
            held.unmovable += nr * (kind == UNMOVABLE)
            held.pinned += nr * (kind == PINNED)
        elif block.state != PASR_FREE and block.state != 0:
            held.cached += nr
        idx = block_end(block)
    return held


cdef void isolate(
    const pasr_memzone_t *mz, pasr_idx_t *at, pasr_idx_t stop, uint64_t *nr_expected, bint moves_unevictable,
    batch_t *batch, pasr_compacted_t *done
) noexcept nogil:
    """Collect movable blocks from *at* on, which heads a block, until a batch is full or no more are to come."""
    cdef const pasr_zone_t *z = mz.zone
    cdef uint8_t tag
    cdef uint32_t kind
    cdef uint64_t nr
    batch.nr = batch.nr_pages = 0
    while at[0] < stop and batch.nr_pages < COMPACT_CLUSTER_MAX and nr_expected[0] != 0:
        tag = head_tag(z, at[0])
        if tag == 0:
            at[0] = block_end(zone_block_of(z, at[0]))
            continue
        nr = <uint64_t> 1 << tag_order(tag)
        if not tag & PASR_TAG_FREE:
            nr_expected[0] -= min(nr, nr_expected[0])
            if tag_is_cached(tag):
                done.nr_cached += nr
            else:
                kind = kind_of(mz, at[0], tag, moves_unevictable)
                if kind == MOVABLE:
                    batch.blocks[batch.nr] = at[0]
                    batch.nr += 1
                    batch.nr_pages += <uint32_t> nr
                elif kind == UNMOVABLE:
                    done.nr_unmovable += nr
                else:
                    done.nr_pinned += nr
        at[0] += <pasr_idx_t> nr


cdef void drop_clean(pasr_memory_t *m, pasr_memzone_t *mz, batch_t *batch, pasr_compacted_t *done) noexcept nogil:
    """``reclaim_clean_pages_from_list()``: free the clean page cache of a batch."""
    cdef uint32_t i, nr = 0, order
    for i in range(batch.nr):
        if mz.states[batch.blocks[i]] != PASR_PAGE_CLEAN:
            batch.blocks[nr] = batch.blocks[i]
            nr += 1
            continue
        order = tag_order(head_tag(mz.zone, batch.blocks[i]))
        done.nr_dropped += <uint64_t> 1 << order
        reclaim_block(m, mz, mz.kswapd_cpu, batch.blocks[i], order)
    batch.nr = nr


cdef bint lower_target(
    const pasr_zone_t *z, void *data, uint32_t order, uint32_t migratetype, pasr_block_t *target
) noexcept nogil:
    """What the zone would take next from the lists of the type, if that lies below all of *data*, an extent.

    No other type's memory, nothing that is parked or kept for emergencies is touched for the sake of power.
    """
    cdef const extent_t *extent = <const extent_t *> data
    cdef int high = zone_pick(z, order, migratetype, z.mode)
    if high < 0:
        return False
    target.order = <uint8_t> high
    target.migratetype = <uint8_t> migratetype
    target.head = idx_of_node(z.lists[high][migratetype].head, high)
    return region_of(z, target.head, z.mode) < region_of(z, extent.first, z.mode)


cdef inline void fill_move(
    pasr_move_t *entry, const pasr_zone_t *z, pasr_idx_t source, pasr_idx_t target, uint32_t order
) noexcept nogil:
    entry.old_pfn = pfn_of(z, source)
    entry.new_pfn = pfn_of(z, target)
    entry.order = <uint8_t> order


cdef inline void note_move(
    pasr_memory_t *m, pasr_memzone_t *mz, pasr_idx_t source, pasr_idx_t target, uint32_t order
) noexcept nogil:
    """Have what is known of a block at *source* be known of the allocated one at *target*."""
    cdef pasr_move_t *entry = &m.moves[m.nr_moves % PASR_NR_MOVES]
    cdef uint8_t state = mz.states[source]
    if state != PASR_PAGE_UNKNOWN:
        lru_remove(mz, source)
        lru_add(mz, target, state)
    fill_move(entry, mz.zone, source, target, order)
    m.nr_moves += 1


cdef uint32_t move_block(
    pasr_memory_t *m, pasr_memzone_t *mz, pasr_idx_t source, uint32_t order, target_fn_t find_target, void *data
) noexcept nogil:
    """Give the block at *source* another place; its old one stays allocated and without a state.

    Returns PASR_HELD_NOT, PASR_HELD_TARGETS or PASR_HELD_SINK; with the latter two nothing is changed.
    """
    cdef pasr_zone_t *z = mz.zone
    cdef pasr_block_t target
    cdef uint32_t migratetype = tag_type(head_tag(z, source)), region
    if not find_target(z, data, order, migratetype, &target):
        return PASR_HELD_TARGETS
    if m.sink != NULL:
        m.answer = m.sink(m.sink_context, pfn_of(z, source), pfn_of(z, target.head), order)
        if m.answer != 0:
            fill_move(&m.refused, z, source, target.head, order)
            return PASR_HELD_SINK
    region = region_of(z, target.head, z.mode)
    list_remove(z, target.head, target.order, target.migratetype, region, z.mode)
    zone_expand(z, target.head, order, target.order, target.migratetype, migratetype, region, z.mode)
    note_move(m, mz, source, target.head, order)
    return PASR_HELD_NOT


cdef inline uint32_t move_pages(
    pasr_memory_t *m, pasr_memzone_t *mz, const pasr_idx_t *sources, uint32_t nr, uint32_t migratetype,
    const extent_t *extent, int mode
) noexcept nogil:
    """`move_block` of *nr* single pages to what `lower_target` names, as long as there is any; return how many."""
    cdef pasr_zone_t *z = mz.zone
    cdef pasr_idx_t places[COMPACT_CLUSTER_MAX]
    cdef uint32_t done = 0, n, i, lowest = region_of(z, extent.first, mode)
    cdef int high
    while done < nr:
        high = zone_pick(z, 0, migratetype, mode)
        if high < 0 or z.lists[high][migratetype].head_region >= lowest:
            break
        # All of one region: a run of its list, or one block.
        n = zone_take_bulk(z, 0, migratetype, nr - done, places, mode)
        for i in range(n):
            z.tags[places[i]] = tag_allocated(0, migratetype)
        for i in range(n):
            note_move(m, mz, sources[done + i], places[i], 0)
        done += n
    return done


cdef uint32_t move_run(
    pasr_memory_t *m, pasr_memzone_t *mz, const pasr_idx_t *sources, uint32_t nr, target_fn_t find_target, void *data
) noexcept nogil:
    """Move single pages of one type, with which *sources* begins, at once where that can be; return how many."""
    cdef pasr_zone_t *z = mz.zone
    cdef uint8_t tag = head_tag(z, sources[0])
    cdef uint32_t n = 1
    if find_target != lower_target or m.sink != NULL or tag_order(tag) != 0:
        return 0
    if not z.mode & PASR_MODE_SORTED:
        return 0
    while n < nr and head_tag(z, sources[n]) == tag:
        n += 1
    if z.mode == PASR_MODE_SORTED:
        return move_pages(m, mz, sources, n, tag_type(tag), <const extent_t *> data, PASR_MODE_SORTED)
    return move_pages(m, mz, sources, n, tag_type(tag), <const extent_t *> data, z.mode)


cdef void leave(pasr_memzone_t *mz, const pasr_idx_t *places, uint32_t nr) noexcept nogil:
    """Free the old places of blocks."""
    cdef pasr_zone_t *z = mz.zone
    cdef uint32_t i
    for i in range(nr):
        if z.nr_cpus != 0 or z.rules != PASR_RULES_CLAIM or tag_order(head_tag(z, places[i])) != 0:
            break
    else:
        for i in range(nr):
            z.tags[places[i]] = tag_cached(0)
        zone_give_bulk(z, places, 1, nr, 0, z.mode)
        return
    for i in range(nr):
        pcp_free(z, mz.kswapd_cpu, pfn_of(z, places[i]), -1)


cdef void drain_zone(pasr_zone_t *z) noexcept nogil:
    cdef uint32_t cpu
    for cpu in range(z.nr_cpus):
        pcp_drain(z, cpu)


cdef uint32_t move_batch(
    pasr_memory_t *m, pasr_memzone_t *mz, batch_t *batch, const pasr_compact_control_t *control,
    target_fn_t find_target, void *data, pasr_compacted_t *done
) noexcept nogil:
    """Move the blocks of a batch, then free their old places; those that stay are the batch then.

    Until then the old places stay allocated: no page moves to where another one has just left. Returns
    PASR_HELD_TARGETS or PASR_HELD_SINK if that ends the migration.
    """
    cdef pasr_idx_t left[COMPACT_CLUSTER_MAX]
    cdef uint32_t i = 0, n, nr = 0, nr_stuck = 0, order, why, holder = PASR_HELD_NOT
    while i < batch.nr:
        why = holder
        if holder == <uint32_t> PASR_HELD_NOT:
            n = move_run(m, mz, &batch.blocks[i], batch.nr - i, find_target, data)
            if n != 0:
                memcpy(&left[nr], &batch.blocks[i], n * sizeof(pasr_idx_t))
                nr += n
                i += n
                done.nr_moved += n
                continue
        order = tag_order(head_tag(mz.zone, batch.blocks[i]))
        if holder == <uint32_t> PASR_HELD_NOT:
            why = move_block(m, mz, batch.blocks[i], order, find_target, data)
        if why == <uint32_t> PASR_HELD_NOT:
            left[nr] = batch.blocks[i]
            nr += 1
            done.nr_moved += <uint64_t> 1 << order
        else:
            if why == <uint32_t> PASR_HELD_SINK or (order == 0 and control.targets == PASR_TARGETS_LOWER):
                holder = why
            batch.blocks[nr_stuck] = batch.blocks[i]
            nr_stuck += 1
        i += 1
    batch.nr = nr_stuck
    leave(mz, left, nr)
    return holder


cdef pasr_idx_t compact_range(
    pasr_memory_t *m, pasr_memzone_t *mz, extent_t *extent, uint64_t nr_expected, const pasr_compact_control_t *control,
    target_fn_t find_target, void *data, pasr_compacted_t *done
) noexcept nogil:
    """Empty a range as far as *control* and what *find_target* finds allow.

    Blocks that reach over an end of it are moved as a whole. The walk ends once it has met *nr_expected* pages in
    use. What was done is added to *done*. Returns where the walk ended. Cost: O(blocks in use + free blocks
    between them).
    """
    cdef batch_t batch
    cdef pasr_idx_t at = extent.first
    cdef pasr_block_t block = zone_block_of(mz.zone, at)
    cdef uint32_t tries, i
    if control.drains:
        drain_zone(mz.zone)
    if block.state == PASR_ALLOCATED:
        at = block.head
    elif block.head != at:
        at = block_end(block)
    while at < extent.stop and nr_expected != 0 and done.holder == PASR_HELD_NOT:
        isolate(mz, &at, extent.stop, &nr_expected, control.moves_unevictable, &batch, done)
        if control.drops_clean:
            drop_clean(m, mz, &batch, done)
        tries = 1
        done.holder = <uint8_t> move_batch(m, mz, &batch, control, find_target, data, done)
        while batch.nr != 0 and tries < control.max_tries and done.holder != PASR_HELD_SINK:
            # What was freed onto pagesets may be what is missing.
            drain_zone(mz.zone)
            done.holder = <uint8_t> move_batch(m, mz, &batch, control, find_target, data, done)
            tries += 1
        for i in range(batch.nr):
            done.nr_failed += <uint64_t> 1 << tag_order(head_tag(mz.zone, batch.blocks[i]))
    return at


cdef bint other_target(
    const pasr_zone_t *z, void *data, uint32_t order, uint32_t migratetype, pasr_block_t *target
) noexcept nogil:
    """The first block of the type's lists, by order, that lies in no region which *data*, an extent, touches."""
    cdef const extent_t *extent = <const extent_t *> data
    cdef const pasr_freelist_t *fl
    cdef uint32_t high, region
    cdef uint32_t lowest = region_of(z, extent.first, z.mode), highest = region_of(z, extent.stop - 1, z.mode)
    cdef pasr_idx_t node
    for high in range(order, 11):
        fl = &z.lists[high][migratetype]
        node = fl.head
        while node != PASR_NIL:
            region = region_of(z, idx_of_node(node, high), z.mode)
            if region < lowest or region > highest:
                target.order = <uint8_t> high
                target.migratetype = <uint8_t> migratetype
                target.head = idx_of_node(node, high)
                return True
            if z.mode & PASR_MODE_SORTED:
                node = fl.runs[region].last
            node = links_of(z, high)[node].next
    return False


cdef void empty_range(
    pasr_memory_t *m, pasr_memzone_t *mz, extent_t *extent, uint64_t nr_expected, const pasr_compact_control_t *control,
    pasr_compacted_t *done
) noexcept nogil:
    """`compact_range` to where *control* says that pages go."""
    compact_range(
        m, mz, extent, nr_expected, control, lower_target if control.targets == PASR_TARGETS_LOWER else other_target,
        extent, done)


# The free scanner: where it is, and how far down it may come.
ctypedef struct scanner_t:
    uint64_t pageblock                   # that it is in
    uint64_t last                        # pageblock of the migration scanner: not to be entered
    uint64_t at                          # next frame to look at
    uint64_t stop                        # where the pageblock ends, or a block that begins in it


cdef inline void scan_from(scanner_t *scanner, const pasr_zone_t *z, uint64_t pageblock) noexcept nogil:
    scanner.pageblock = pageblock
    scanner.at = pageblock << z.pageblock_order
    scanner.stop = min(scanner.at + (<uint64_t> 1 << z.pageblock_order), z.end)


cdef inline bint takes_migrants(const pasr_zone_t *z, pasr_idx_t idx) noexcept nogil:
    """``suitable_migration_target()``."""
    cdef uint32_t migratetype = pageblock_type(z, idx)
    return migratetype == z.movable or migratetype == PASR_CMA


cdef bint scanned_target(
    const pasr_zone_t *z, void *data, uint32_t order, uint32_t migratetype, pasr_block_t *target
) noexcept nogil:
    """``isolate_freepages()``: the lowest free block of the highest pageblock that has one."""
    cdef scanner_t *scanner = <scanner_t *> data
    while scanner.pageblock > scanner.last:
        while scanner.at < scanner.stop and takes_migrants(z, <pasr_idx_t> scanner.at):
            target[0] = zone_block_of(z, <pasr_idx_t> scanner.at)
            if target.state == PASR_FREE and target.head == scanner.at and target.order >= order and (
                    target.migratetype != PASR_PARKED):
                # All of it is taken before the scanner goes on.
                scanner.stop = max(scanner.stop, block_end(target[0]))
                return True
            scanner.at = block_end(target[0])
        scan_from(scanner, z, scanner.pageblock - 1)
    return False


cdef void compact_zone(
    pasr_memory_t *m, pasr_memzone_t *mz, const pasr_compact_control_t *control, pasr_compacted_t *done
) noexcept nogil:
    """``compact_zone()``: pages from the bottom of a zone move to free ones at its top, until the scanners meet.

    What the kernel does for large blocks, and the opposite of what regions want. Differs from Linux: free pages are
    taken one by one as they are needed, and what is parked is left alone.
    """
    cdef pasr_zone_t *z = mz.zone
    cdef scanner_t scanner
    cdef extent_t extent
    cdef pasr_idx_t end
    cdef uint64_t pageblock = z.first >> z.pageblock_order
    scan_from(&scanner, z, (z.end - 1) >> z.pageblock_order)
    while pageblock < scanner.pageblock and done.holder == PASR_HELD_NOT:
        extent.first = max(<pasr_idx_t> (pageblock << z.pageblock_order), z.first)
        extent.stop = <pasr_idx_t> ((pageblock + 1) << z.pageblock_order)
        scanner.last = pageblock
        if takes_migrants(z, extent.first):
            end = compact_range(m, mz, &extent, ~<uint64_t> 0, control, scanned_target, &scanner, done)
            # A block that fills several pageblocks was met with the first of them.
            pageblock = max(pageblock, (<uint64_t> end >> z.pageblock_order) - 1)
        pageblock += 1
