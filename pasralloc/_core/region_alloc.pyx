"""The region allocator: completely free regions leave the lists and come back as a whole.

A parked region is a run on a list of its own, so parking and unparking splice.
Its pages stay free pages of the zone and of the region; they are on no list that
a request looks at, and have no migratetype until a request gives them one.

Follows "mm: Add a mechanism to add and remove regions to/from the Region
Allocator" and its neighbours (Srivatsa S. Bhat, "[RFC PATCH v4 00/40] mm: Memory
Power Management", linux-mm, 26 September 2013,
<20130925231250.26184.31438.stgit@srivatsabhat.in.ibm.com>).
"""

from libc.stdint cimport uint8_t, uint32_t

from pasralloc._core.bits cimport lowest_bit
from pasralloc._core.freelist cimport list_first_of, list_move_run, region_of
from pasralloc._core.types cimport (
    PASR_MAX_PAGE_ORDER, PASR_MODE_BIASED, PASR_MODE_LOWEST, PASR_MODE_PRESENT, PASR_NR_PCPTYPES, PASR_TAG_FREE,
    PASR_TAG_PARKED, pasr_freelist_t, pasr_region_t, pasr_run_t,
)
from pasralloc._core.zone cimport retype_pageblocks, tag_free, tag_type


cdef inline void retag(pasr_zone_t *z, pasr_idx_t node, uint32_t nr_blocks, uint8_t tag) noexcept nogil:
    """Give *nr_blocks* blocks, from *node* on in list order, another tag."""
    while nr_blocks != 0:
        z.top_tags[node] = tag
        node = z.top_links[node].next
        nr_blocks -= 1


cdef inline uint32_t pages_when_whole(const pasr_zone_t *z, uint32_t region) noexcept nogil:
    """Free pages of a region that is completely free.

    The series expected all pages that are present, of which boot had reserved some that never become free.
    What is absent here is taken for such: a zone does not know which of it are holes.
    """
    if z.mode & PASR_MODE_PRESENT:
        return z.region_ends[region] - (z.region_ends[region - 1] if region != 0 else z.first)
    return z.regions[region].managed


cdef void region_offer(pasr_zone_t *z, pasr_idx_t idx) noexcept nogil:
    """Park the region of frame *idx* if what was just freed there completes it.

    The conditions are those of the series, in its order: all of the region is
    free; a block of the largest order was inserted; its list holds another
    region as well, so that every migratetype keeps one; nothing of the region
    is on another list. What cannot be requested by type stays on its lists.
    """
    cdef uint8_t tag = z.top_tags[idx >> PASR_MAX_PAGE_ORDER]
    cdef uint32_t region, migratetype = tag_type(tag)
    cdef const pasr_region_t *r
    cdef pasr_freelist_t *fl
    cdef pasr_run_t run
    if not tag & PASR_TAG_FREE or migratetype >= PASR_NR_PCPTYPES:
        return
    region = region_of(z, idx >> PASR_MAX_PAGE_ORDER << PASR_MAX_PAGE_ORDER, z.mode)
    r = &z.regions[region]
    if r.nr_free != pages_when_whole(z, region):
        return
    fl = &z.lists[<int> PASR_MAX_PAGE_ORDER][migratetype]
    run = fl.runs[region]
    if run.nr_blocks == fl.nr_blocks or run.nr_blocks << PASR_MAX_PAGE_ORDER != r.nr_free:
        return
    list_move_run(z, fl, &z.parked, region, z.mode)
    retag(z, list_first_of(z, &z.parked, PASR_MAX_PAGE_ORDER, region), run.nr_blocks, PASR_TAG_PARKED)


cdef bint region_is_parked(const pasr_zone_t *z, uint32_t region) noexcept nogil:
    return z.parked.nr_blocks != 0 and z.parked.runs[region].nr_blocks != 0


cdef void region_unpark(pasr_zone_t *z, uint32_t region, uint32_t migratetype) noexcept nogil:
    """Put a parked region on the list of *migratetype*; its pageblocks become of that type, too."""
    cdef pasr_freelist_t *fl = &z.lists[<int> PASR_MAX_PAGE_ORDER][migratetype]
    cdef pasr_run_t run = list_move_run(z, &z.parked, fl, region, z.mode)
    cdef pasr_idx_t node = list_first_of(z, fl, PASR_MAX_PAGE_ORDER, region)
    z.nonempty[migratetype] |= <uint32_t> 1 << PASR_MAX_PAGE_ORDER
    retag(z, node, run.nr_blocks, tag_free(PASR_MAX_PAGE_ORDER, migratetype))
    while run.nr_blocks != 0:
        retype_pageblocks(z, node << PASR_MAX_PAGE_ORDER, PASR_MAX_PAGE_ORDER, migratetype)
        node = z.top_links[node].next
        run.nr_blocks -= 1


cdef void region_request(pasr_zone_t *z, uint32_t order, uint32_t migratetype, int mode) noexcept nogil:
    """Hand the lowest parked region to *migratetype* if a request of *order* should have it.

    In the series that is when the lists of the type have no block that fits; then
    a low region that was parked meanwhile stays unused while the type goes on
    in a higher one. With PASR_MODE_LOWEST a parked region counts as if it stood on
    the list, so it is also handed out when it would be taken from there. *mode* may be
    biased where the zone is not.
    """
    cdef uint32_t fit = z.nonempty[migratetype] >> order
    cdef uint32_t high, first
    if z.parked.nr_blocks == 0:
        return
    if fit != 0:
        if not z.mode & PASR_MODE_LOWEST:
            return
        if not mode & PASR_MODE_BIASED and order + lowest_bit(fit) != PASR_MAX_PAGE_ORDER:
            return
        while fit != 0:
            high = order + lowest_bit(fit)
            first = z.lists[high][migratetype].head_region
            # Parts of a posted block that straddles two regions share a region with the parked blocks behind it, and
            # of one region the smallest block is taken. Of the largest order all blocks of a region are parked.
            if first < z.parked.head_region or (first == z.parked.head_region and high != PASR_MAX_PAGE_ORDER):
                return
            fit &= fit - 1
    region_unpark(z, z.parked.head_region, migratetype)
