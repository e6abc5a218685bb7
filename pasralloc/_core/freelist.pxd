"""Free lists in region order and in the order of Linux.

Region order follows the sorted-buddy series (Srivatsa S. Bhat, "Demarcate and
maintain pageblocks in region-order in the zones' freelists", linux-mm, 26
September 2013, <20130925231454.26184.19783.stgit@srivatsabhat.in.ibm.com>): the
blocks of a region are neighbours, runs stand in ascending region order, and a
block joins its run just before the run's last block. So the pfns that come out
are those of the series.

*mode* is always a literal at the outermost caller, so the compiler drops the
branches that do not apply. *node* is a frame index, or a block number on the
lists of the largest order.
"""

cimport cython
from libc.stdint cimport UINT32_MAX, int32_t, int64_t, uint32_t

from pasralloc._core.bits cimport regionmap_clear, regionmap_prev, regionmap_set
from pasralloc._core.types cimport (
    PASR_CMA, PASR_MAX_PAGE_ORDER, PASR_MODE_SORTED, PASR_MODE_STRADDLE, PASR_NIL, PASR_OPENED_NONE,
    PASR_OPENED_NOTED, pasr_freelist_t, pasr_idx_t, pasr_link_t, pasr_region_t, pasr_run_t, pasr_zone_t,
)


cdef inline pasr_link_t *links_of(const pasr_zone_t *z, uint32_t order) noexcept nogil:
    return z.top_links if order == PASR_MAX_PAGE_ORDER else z.links


cdef inline pasr_idx_t node_of(pasr_idx_t idx, uint32_t order) noexcept nogil:
    return idx >> PASR_MAX_PAGE_ORDER if order == PASR_MAX_PAGE_ORDER else idx


cdef inline pasr_idx_t idx_of_node(pasr_idx_t node, uint32_t order) noexcept nogil:
    return node << PASR_MAX_PAGE_ORDER if order == PASR_MAX_PAGE_ORDER else node


cdef inline uint32_t region_of(const pasr_zone_t *z, pasr_idx_t idx, int mode) noexcept nogil:
    """Region in which frame *idx* lies."""
    if mode & PASR_MODE_STRADDLE:
        idx -= z.region_bias
    return z.region_of_block[idx >> PASR_MAX_PAGE_ORDER]


cdef inline void region_open(pasr_zone_t *z, uint32_t region, uint32_t migratetype) noexcept nogil:
    """Note that memory of *migratetype* is about to be taken from a region all of which was free.

    Region 0 does not count, nor what cannot be moved; as long as an earlier region waits
    to be looked at, none does.
    """
    regionmap_set(&z.changed_root, z.changed, region)
    if z.opened_state != PASR_OPENED_NONE and z.opened_state != PASR_OPENED_NOTED:
        return
    if region != 0 and (migratetype == z.movable or migratetype == z.reclaimable or migratetype == PASR_CMA):
        z.opened = region
        z.opened_state = PASR_OPENED_NOTED
        # The next free is looked at, wherever it is.
        z.alert_used = UINT32_MAX


cdef inline void region_take(
    pasr_zone_t *z, uint32_t region, uint32_t nr_pages, uint32_t migratetype
) noexcept nogil:
    """Count *nr_pages* of *region*, from a list of *migratetype*, as no longer free."""
    cdef pasr_region_t *r = &z.regions[region]
    if cython.unlikely(r.nr_free == r.managed):
        region_open(z, region, migratetype)
    r.nr_free -= nr_pages


cdef inline bint region_give(pasr_zone_t *z, uint32_t region, uint32_t nr_pages) noexcept nogil:
    """Count *nr_pages* of *region* as free, and say whether `zone_alert` has to know."""
    cdef pasr_region_t *r = &z.regions[region]
    r.nr_free += nr_pages
    return r.managed - r.nr_free <= z.alert_used


cdef inline void region_credit(pasr_zone_t *z, uint32_t region, int64_t nr_pages) noexcept nogil:
    """Count pages of a region that may hold more free pages than it manages, since blocks straddle it."""
    cdef pasr_region_t *r = &z.regions[region]
    cdef bint was_empty = r.nr_free == r.managed
    r.nr_free = <uint32_t> (r.nr_free + nr_pages)
    if was_empty != (r.nr_free == r.managed):
        regionmap_set(&z.changed_root, z.changed, region)


cdef inline void freelist_insert_run(
    pasr_freelist_t *fl, pasr_link_t *links, pasr_idx_t first, pasr_idx_t last, uint32_t region
) noexcept nogil:
    """Link the nodes from *first* to *last* as the run of a region that has none yet: two word searches."""
    cdef int32_t lower = regionmap_prev(fl.root, fl.leaf, region)
    cdef pasr_idx_t preceding, following
    regionmap_set(&fl.root, fl.leaf, region)
    if lower >= 0:
        preceding = fl.runs[lower].last
        following = links[preceding].next
        links[first].prev = preceding
        links[preceding].next = first
    else:
        following = fl.head
        fl.head = first
        fl.head_region = region
    links[last].next = following
    if following != PASR_NIL:
        links[following].prev = last


cdef inline void freelist_add_sorted(
    pasr_freelist_t *fl, pasr_link_t *links, pasr_idx_t node, uint32_t region
) noexcept nogil:
    """Add *node* to the run of *region*: O(1), and two word searches where the run is new."""
    cdef pasr_run_t *run = &fl.runs[region]
    cdef pasr_idx_t preceding, following
    run.nr_blocks += 1
    if run.nr_blocks != 1:
        following = run.last
        links[node].next = following
        if following == fl.head:
            fl.head = node
        else:
            preceding = links[following].prev
            links[node].prev = preceding
            links[preceding].next = node
        links[following].prev = node
        return
    run.last = node
    freelist_insert_run(fl, links, node, node, region)


cdef inline void freelist_add_linux(
    pasr_freelist_t *fl, pasr_link_t *links, pasr_idx_t node, bint to_tail
) noexcept nogil:
    cdef pasr_idx_t head = fl.head
    if not to_tail:
        links[node].next = head
        fl.head = node
        if head == PASR_NIL:
            fl.tail = node
        else:
            links[head].prev = node
        return
    links[node].next = PASR_NIL
    if head == PASR_NIL:
        fl.head = node
    else:
        links[node].prev = fl.tail
        links[fl.tail].next = node
    fl.tail = node


cdef inline void list_add(
    pasr_zone_t *z, pasr_idx_t idx, uint32_t order, uint32_t migratetype, uint32_t region, bint to_tail, int mode
) noexcept nogil:
    """Put the block at *idx*, which lies in *region*, on its list.

    *to_tail* speaks to the order of Linux only.
    """
    cdef pasr_freelist_t *fl = &z.lists[order][migratetype]
    cdef pasr_idx_t node = node_of(idx, order)
    if mode & PASR_MODE_STRADDLE:
        region = region_of(z, idx, mode)
        region_credit(z, region, <int64_t> 1 << order)
    fl.nr_blocks += 1
    if fl.head == PASR_NIL:
        z.nonempty[migratetype] |= <uint32_t> 1 << order
    if mode & PASR_MODE_SORTED:
        freelist_add_sorted(fl, links_of(z, order), node, region)
    else:
        freelist_add_linux(fl, links_of(z, order), node, to_tail)


cdef inline pasr_idx_t list_pop(
    pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t *region, int mode
) noexcept nogil:
    """Take the first block off a list that is not empty, and say in which region it lies.

    O(1). In region order the list knows the region of its head; what follows the block is
    looked up only where a run ends.
    """
    cdef pasr_freelist_t *fl = &z.lists[order][migratetype]
    cdef pasr_idx_t node = fl.head
    cdef pasr_idx_t following = links_of(z, order)[node].next
    cdef pasr_run_t *run
    fl.head = following
    fl.nr_blocks -= 1
    if following == PASR_NIL:
        z.nonempty[migratetype] &= ~(<uint32_t> 1 << order)
    if mode & PASR_MODE_SORTED:
        region[0] = fl.head_region
        run = &fl.runs[region[0]]
        run.nr_blocks -= 1
        if run.nr_blocks == 0:
            regionmap_clear(&fl.root, fl.leaf, region[0])
            if following != PASR_NIL:
                fl.head_region = region_of(z, idx_of_node(following, order), mode)
    else:
        region[0] = region_of(z, idx_of_node(node, order), mode)
    if mode & PASR_MODE_STRADDLE:
        region_credit(z, region[0], -(<int64_t> 1 << order))
    return idx_of_node(node, order)


cdef inline uint32_t list_pop_run(
    pasr_zone_t *z, uint32_t order, uint32_t migratetype, uint32_t nr, pasr_idx_t *out, int mode
) noexcept nogil:
    """Take up to *nr* blocks off the front of a list that is not empty; return how many.

    In region order no more than the first run holds. As that many calls of
    `list_pop`, but list and region are written once.
    """
    cdef pasr_freelist_t *fl = &z.lists[order][migratetype]
    cdef const pasr_link_t *links = links_of(z, order)
    cdef pasr_idx_t node = fl.head
    cdef pasr_run_t *run = NULL
    cdef uint32_t i
    if mode & PASR_MODE_SORTED:
        run = &fl.runs[fl.head_region]
        if run.nr_blocks < nr:
            nr = run.nr_blocks
    elif fl.nr_blocks < nr:
        nr = fl.nr_blocks
    for i in range(nr):
        out[i] = idx_of_node(node, order)
        node = links[node].next
        if mode & PASR_MODE_STRADDLE:
            region_credit(z, region_of(z, out[i], mode), -(<int64_t> 1 << order))
        elif not mode & PASR_MODE_SORTED:
            region_take(z, region_of(z, out[i], mode), <uint32_t> 1 << order, migratetype)
    fl.head = node
    fl.nr_blocks -= nr
    if node == PASR_NIL:
        z.nonempty[migratetype] &= ~(<uint32_t> 1 << order)
    if mode & PASR_MODE_SORTED:
        if not mode & PASR_MODE_STRADDLE:
            region_take(z, fl.head_region, nr << order, migratetype)
        run.nr_blocks -= nr
        if run.nr_blocks == 0:
            regionmap_clear(&fl.root, fl.leaf, fl.head_region)
            if node != PASR_NIL:
                fl.head_region = region_of(z, idx_of_node(node, order), mode)
    return nr


cdef inline void list_remove(
    pasr_zone_t *z, pasr_idx_t idx, uint32_t order, uint32_t migratetype, uint32_t region, int mode
) noexcept nogil:
    """Take the block at *idx*, which lies in *region*, off its list: O(1)."""
    cdef pasr_freelist_t *fl = &z.lists[order][migratetype]
    cdef pasr_link_t *links = links_of(z, order)
    cdef pasr_idx_t node = node_of(idx, order)
    cdef pasr_idx_t preceding, following
    cdef pasr_run_t *run
    if node == fl.head:
        list_pop(z, order, migratetype, &region, mode)
        return
    if mode & PASR_MODE_STRADDLE:
        region = region_of(z, idx, mode)
        region_credit(z, region, -(<int64_t> 1 << order))
    preceding = links[node].prev
    following = links[node].next
    links[preceding].next = following
    if following != PASR_NIL:
        links[following].prev = preceding
    fl.nr_blocks -= 1
    if mode & PASR_MODE_SORTED:
        run = &fl.runs[region]
        run.nr_blocks -= 1
        if node == run.last:
            run.last = preceding
            if run.nr_blocks == 0:
                regionmap_clear(&fl.root, fl.leaf, region)
    elif following == PASR_NIL:
        fl.tail = preceding


cdef inline pasr_run_t list_move_run(
    pasr_zone_t *z, pasr_freelist_t *source, pasr_freelist_t *target, uint32_t region, int mode
) noexcept nogil:
    """Move all blocks of *region* between two region-sorted lists of the largest order, in their order: O(1).

    *target* must hold none of that region. No page changes its state, so no
    region is credited. Returns the run.
    """
    cdef pasr_link_t *links = z.top_links
    cdef pasr_run_t run = source.runs[region]
    cdef int32_t lower = regionmap_prev(source.root, source.leaf, region)
    cdef pasr_idx_t first, preceding, following = links[run.last].next
    if lower >= 0:
        preceding = source.runs[lower].last
        first = links[preceding].next
        links[preceding].next = following
        if following != PASR_NIL:
            links[following].prev = preceding
    else:
        first = source.head
        source.head = following
        if following != PASR_NIL:
            source.head_region = region_of(z, idx_of_node(following, PASR_MAX_PAGE_ORDER), mode)
    source.nr_blocks -= run.nr_blocks
    source.runs[region].nr_blocks = 0
    regionmap_clear(&source.root, source.leaf, region)

    target.nr_blocks += run.nr_blocks
    target.runs[region] = run
    freelist_insert_run(target, links, first, run.last, region)
    return run


cdef inline pasr_idx_t list_first_of(
    const pasr_zone_t *z, const pasr_freelist_t *fl, uint32_t order, uint32_t region
) noexcept nogil:
    """First node of *region*, which must have blocks, on a region-sorted list of *order*."""
    cdef int32_t lower = regionmap_prev(fl.root, fl.leaf, region)
    return fl.head if lower < 0 else links_of(z, order)[fl.runs[lower].last].next
