"""Invariants of a zone, checked from the tags up; safe on a zone that is wrong in any way.

Tags are read in address order first, so that nothing is followed through a link
before the frame it names is known to be sound.
"""

from libc.stdint cimport UINT32_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from pasralloc._core.freelist cimport idx_of_node, links_of, node_of, region_of
from pasralloc._core.types cimport (
    PASR_CMA, PASR_HIGHATOMIC, PASR_MAX_PAGE_ORDER, PASR_MAX_REGIONS, PASR_MODE_PARKING, PASR_MODE_PRESENT,
    PASR_MODE_SORTED, PASR_MODE_STRADDLE, PASR_NIL, PASR_NR_MIGRATETYPES, PASR_NR_PAGE_ORDERS, PASR_NR_PCPLISTS,
    PASR_NR_PCPTYPES, PASR_OPENED_NOTED, PASR_OPENED_READY, PASR_PCP_SCALE_MAX, PASR_RULES_CLAIM,
    PASR_RULES_STEAL, PASR_TAG_FREE, PASR_TAG_PARKED, PASR_TAG_SPLIT, PASR_TOP_PAGES, PASR_ZONE_BELOW_HIGH,
    pasr_freelist_t, pasr_idx_t, pasr_link_t, pasr_pageset_t, pasr_pcplist_t,
)
from pasralloc._core.zone cimport (
    head_tag, minds_flags, nr_pageblocks, nr_region_words, pcplist_order, tag_cached, tag_free, tag_is_cached,
    tag_is_free, tag_order, tag_type,
)


cdef enum:
    OK
    BAD_REGION_TABLE
    BAD_PAGEBLOCK
    BAD_TAG
    BAD_ALIGNMENT
    OVERLAP
    OUTSIDE
    UNMERGED
    BAD_FREE_TYPE
    BAD_CMA_FIRST
    BAD_HIGHATOMIC
    BAD_FLAGS
    BAD_MANAGED
    BAD_REGION_FREE
    BAD_ZONE_MANAGED
    BAD_ZONE_FREE
    BAD_NR_BLOCKS
    BAD_NONEMPTY
    BAD_NODE
    BAD_PREV
    BAD_LENGTH
    BAD_TAIL
    BAD_HEAD_REGION
    UNSORTED
    BAD_RUN_LENGTH
    BAD_RUN_LAST
    BAD_REGION_BIT
    BAD_ROOT_BIT
    BAD_CHANGED_ROOT
    BAD_CHANGED_BIT
    BAD_ATTENTION_ROOT
    BAD_ATTENTION_BIT
    BAD_OPENED
    BAD_ALERT
    BAD_PARKED
    BAD_PAGESET
    BAD_COUNT
    BAD_CACHED
    CACHED_TWICE
    BAD_NR_CACHED
    NR_FAULTS

cdef enum:
    PARKED = 66                          # in place of order * 6 + migratetype: the list of parked regions

# Where a list is at fault, "where" is order * 6 + migratetype, or PARKED; the texts can take it apart.
cdef const char *TEXTS[NR_FAULTS]
TEXTS[OK] = b"sound"
TEXTS[BAD_REGION_TABLE] = b"block number {where} is assigned to region {found}, expected {expected}"
TEXTS[BAD_PAGEBLOCK] = b"pageblock {where} has migratetype {found}, expected less than {expected}"
TEXTS[BAD_TAG] = b"frame {where} has the malformed tag {found:#x}"
TEXTS[BAD_ALIGNMENT] = b"block at frame {where} of order {found} is not aligned to its size"
TEXTS[OVERLAP] = b"frame {where} has the tag {found:#x} but lies inside what starts at frame {expected}"
TEXTS[OUTSIDE] = b"block at frame {where} reaches frame {found}, outside the zone which ends at {expected}"
TEXTS[UNMERGED] = b"free buddies of order {found} at frames {where} and {expected} are not merged"
TEXTS[BAD_FREE_TYPE] = b"free block at frame {where} has migratetype {found}, its pageblock {expected}"
TEXTS[BAD_CMA_FIRST] = b"the mask of types that look at CMA pageblocks first is {found}, expected {expected}"
TEXTS[BAD_HIGHATOMIC] = b"the zone counts {found} pages of HIGHATOMIC pageblocks, there are {expected}"
TEXTS[BAD_FLAGS] = b"with flags {where} pagesets take frees of {found} types as they come, expected {expected}"
TEXTS[BAD_MANAGED] = b"region {where} counts {found} managed pages, its blocks hold {expected}"
TEXTS[BAD_REGION_FREE] = b"region {where} counts {found} free pages, its blocks hold {expected}"
TEXTS[BAD_ZONE_MANAGED] = b"the zone counts {found} managed pages, its blocks hold {expected}"
TEXTS[BAD_ZONE_FREE] = b"the zone counts {found} free pages, its blocks hold {expected}"
TEXTS[BAD_NR_BLOCKS] = b"the list of {list} counts {found} blocks, the tags show {expected}"
TEXTS[BAD_NONEMPTY] = b"the list mask of migratetype {where} is {found:#x}, expected {expected:#x}"
TEXTS[BAD_NODE] = (
    b"the list of {list} leads to node {found}, which is no free block of its order and type")
TEXTS[BAD_PREV] = b"node {where} names {found} as its predecessor, expected {expected}"
TEXTS[BAD_LENGTH] = b"the list of {list} ends after {found} blocks, expected {expected}"
TEXTS[BAD_TAIL] = b"the list of {list} has the tail {found}, expected {expected}"
TEXTS[BAD_HEAD_REGION] = (
    b"the list of {list} says its first block is in region {found}, expected {expected}")
TEXTS[UNSORTED] = b"the list of {list} has region {found} after region {expected}"
TEXTS[BAD_RUN_LENGTH] = b"run of region {where} counts {found} blocks, expected {expected}"
TEXTS[BAD_RUN_LAST] = b"run of region {where} ends at node {found}, expected {expected}"
TEXTS[BAD_REGION_BIT] = b"region bit {where} of a list is {found}, expected {expected}"
TEXTS[BAD_ROOT_BIT] = b"root bit {where} of a list is {found}, expected {expected}"
TEXTS[BAD_CHANGED_ROOT] = b"root bit {where} of the changed regions is {found}, expected {expected}"
TEXTS[BAD_CHANGED_BIT] = b"region {where} is marked as changed, there are {expected} regions"
TEXTS[BAD_ATTENTION_ROOT] = b"root bit {where} of the regions with attention is {found}, expected {expected}"
TEXTS[BAD_ATTENTION_BIT] = b"region {where} has attention, expected one of the {expected} regions but the first"
TEXTS[BAD_OPENED] = b"region {found} was opened by state {where}, expected one of the {expected} regions but the first"
TEXTS[BAD_ALERT] = b"frees that leave {found} pages in use are looked at, expected {expected}"
TEXTS[BAD_PARKED] = b"region {where} has {found} pages parked, expected none or all {expected} of it"
TEXTS[BAD_PAGESET] = b"pageset {where} has a state of {found}, which its sizes do not allow"
TEXTS[BAD_COUNT] = b"pageset {where} counts {found} pages, its lists hold {expected}"
TEXTS[BAD_CACHED] = b"list {where} of a pageset names frame {found}, which is no such block"
TEXTS[CACHED_TWICE] = b"list {where} of a pageset names frame {found}, which stands elsewhere as well"
TEXTS[BAD_NR_CACHED] = b"the pagesets hold {found} pages, the tags show {expected}"


# What the tags say, to hold lists and counters against.
ctypedef struct census_t:
    uint64_t nr_free
    uint64_t nr_managed
    uint32_t nr_parked
    uint64_t nr_cached
    uint32_t nr_blocks[11][6]
    uint32_t region_free[4096]
    uint32_t region_managed[4096]


cdef str fault_text(int broken, const fault_t *fault):
    """What a broken invariant found where, in words."""
    if fault.where == PARKED:
        name = "parked regions"
    else:
        name = f"order {fault.where // PASR_NR_MIGRATETYPES}, migratetype {fault.where % PASR_NR_MIGRATETYPES}"
    return TEXTS[broken].decode().format(
        where=fault.where, found=fault.found, expected=fault.expected, list=name)


cdef int fail(fault_t *fault, int broken, int64_t where, int64_t found, int64_t expected) noexcept nogil:
    fault.where = where
    fault.found = found
    fault.expected = expected
    return broken


cdef int check_tables(const pasr_zone_t *z, fault_t *fault) noexcept nogil:
    cdef uint64_t i, nr_highatomic = 0
    cdef uint32_t region = 0
    cdef bint has_cma = False
    cdef int expected_types
    for i in range(z.nr_blocks):
        while region + 1 < z.nr_regions and (i << PASR_MAX_PAGE_ORDER) + z.region_bias >= z.region_ends[region]:
            region += 1
        if z.region_of_block[i] != region:
            return fail(fault, BAD_REGION_TABLE, <int64_t> i, z.region_of_block[i], region)
    for i in range(nr_pageblocks(z)):
        if z.pageblocks[i] >= PASR_NR_MIGRATETYPES:
            return fail(fault, BAD_PAGEBLOCK, <int64_t> i, z.pageblocks[i], PASR_NR_MIGRATETYPES)
        has_cma = has_cma or z.pageblocks[i] == PASR_CMA
        nr_highatomic += z.rules == PASR_RULES_CLAIM and z.pageblocks[i] == PASR_HIGHATOMIC
    if z.nr_highatomic != nr_highatomic << z.pageblock_order:
        return fail(
            fault, BAD_HIGHATOMIC, 0, <int64_t> z.nr_highatomic, <int64_t> (nr_highatomic << z.pageblock_order))
    expected_types = (has_cma and z.rules == PASR_RULES_CLAIM) << z.movable
    if z.cma_first != expected_types:
        return fail(fault, BAD_CMA_FIRST, 0, z.cma_first, expected_types)
    expected_types = PASR_NR_PCPTYPES if z.nr_cpus != 0 and z.rules == PASR_RULES_CLAIM and z.flags == 0 else 0
    if z.pcp_nr_plain != expected_types or z.flags > minds_flags(z) * PASR_ZONE_BELOW_HIGH:
        return fail(fault, BAD_FLAGS, z.flags, z.pcp_nr_plain, expected_types)
    return check_notes(z, fault)


cdef int check_notes(const pasr_zone_t *z, fault_t *fault) noexcept nogil:
    """What the zone has noted for those who look at it from time to time."""
    cdef uint64_t i
    cdef bint expected
    cdef uint32_t alert_used = z.notify_used
    for i in range(64):
        expected = i < nr_region_words(z) and z.changed[i] != 0
        if expected != <bint> (z.changed_root >> i & 1):
            return fail(fault, BAD_CHANGED_ROOT, <int64_t> i, z.changed_root >> i & 1, expected)
        expected = i < nr_region_words(z) and z.attention[i] != 0
        if expected != <bint> (z.attention_root >> i & 1):
            return fail(fault, BAD_ATTENTION_ROOT, <int64_t> i, z.attention_root >> i & 1, expected)
    for i in range(z.nr_regions, <uint64_t> (z.nr_regions + 63) & ~<uint64_t> 63):
        if z.changed[i >> 6] >> (i & 63) & 1:
            return fail(fault, BAD_CHANGED_BIT, <int64_t> i, 1, z.nr_regions)
        if z.attention[i >> 6] >> (i & 63) & 1:
            return fail(fault, BAD_ATTENTION_BIT, <int64_t> i, 1, z.nr_regions)
    if z.attention[0] & 1:
        return fail(fault, BAD_ATTENTION_BIT, 0, 1, z.nr_regions)
    if z.opened_state > <uint8_t> PASR_OPENED_READY or (
            z.opened_state >= <uint8_t> PASR_OPENED_NOTED and (z.opened == 0 or z.opened >= z.nr_regions)):
        return fail(fault, BAD_OPENED, z.opened_state, z.opened, z.nr_regions)
    if z.opened_state == PASR_OPENED_NOTED:
        alert_used = UINT32_MAX
    if z.alert_used != alert_used:
        return fail(fault, BAD_ALERT, 0, z.alert_used, alert_used)
    return OK


cdef int count_block(
    const pasr_zone_t *z, census_t *census, pasr_idx_t idx, uint8_t tag, fault_t *fault
) noexcept nogil:
    cdef uint32_t order = tag_order(tag)
    cdef uint64_t nr_pages, stop, region_end, at
    cdef uint32_t region
    cdef bint is_parked = tag == PASR_TAG_PARKED and z.mode & PASR_MODE_PARKING
    cdef bint is_cached = tag_is_cached(tag) and z.pcp_orders >> order & 1
    if order >= PASR_NR_PAGE_ORDERS or (tag_type(tag) >= PASR_NR_MIGRATETYPES and not is_parked and not is_cached):
        return fail(fault, BAD_TAG, idx, tag, 0)
    nr_pages = <uint64_t> 1 << order
    if idx & (nr_pages - 1):
        return fail(fault, BAD_ALIGNMENT, idx, order, 0)
    stop = idx + nr_pages
    if idx < z.first or stop > z.end:
        return fail(fault, OUTSIDE, idx, <int64_t> stop, z.end)
    region = region_of(z, idx, PASR_MODE_STRADDLE)
    census.nr_managed += nr_pages
    if is_cached:
        census.nr_cached += nr_pages
    if tag & PASR_TAG_FREE:
        census.nr_free += nr_pages
        census.region_free[region] += <uint32_t> nr_pages
        if is_parked:
            census.nr_parked += 1
        else:
            census.nr_blocks[order][tag_type(tag)] += 1
        if order < PASR_MAX_PAGE_ORDER and idx & <pasr_idx_t> nr_pages == 0:
            # Of larger buddies, one may have been apart by its type before it was re-typed.
            if order < z.merge_limit and tag_is_free(head_tag(z, <pasr_idx_t> stop), order):
                return fail(fault, UNMERGED, idx, order, <int64_t> stop)
        if z.merge_limit <= PASR_MAX_PAGE_ORDER and not is_parked:
            for at in range(idx >> z.pageblock_order, ((stop - 1) >> z.pageblock_order) + 1):
                if z.pageblocks[at] != tag_type(tag):
                    return fail(fault, BAD_FREE_TYPE, idx, tag_type(tag), z.pageblocks[at])
    region_end = z.region_ends[region]
    if stop > region_end:
        census.region_managed[region + 1] += <uint32_t> (stop - region_end)
        nr_pages = region_end - idx
    census.region_managed[region] += <uint32_t> nr_pages
    return OK


cdef int check_tags(const pasr_zone_t *z, census_t *census, fault_t *fault) noexcept nogil:
    """Blocks are well-formed, aligned, disjoint, inside the zone and merged; count them."""
    cdef uint32_t block
    cdef pasr_idx_t idx, stop, head, covered
    cdef uint8_t tag
    cdef int broken
    for block in range(z.nr_blocks):
        idx = head = block << PASR_MAX_PAGE_ORDER
        stop = covered = idx + PASR_TOP_PAGES
        tag = z.top_tags[block]
        if tag != PASR_TAG_SPLIT:
            if tag != 0:                  # otherwise nothing of it was ever managed
                if tag_order(tag) != PASR_MAX_PAGE_ORDER:
                    return fail(fault, BAD_TAG, idx, tag, 0)
                broken = count_block(z, census, idx, tag, fault)
                if broken != OK:
                    return broken
        else:
            covered = idx
        while idx < stop:
            tag = z.tags[idx]
            if tag != 0:
                if idx < covered:
                    return fail(fault, OVERLAP, idx, tag, head)
                broken = count_block(z, census, idx, tag, fault)
                if broken != OK:
                    return broken
                if tag_order(tag) == PASR_MAX_PAGE_ORDER:
                    return fail(fault, BAD_TAG, idx, tag, 0)
                head = idx
                covered = idx + (<pasr_idx_t> 1 << tag_order(tag))
            idx += 1
    return OK


cdef int check_counters(const pasr_zone_t *z, const census_t *census, fault_t *fault) noexcept nogil:
    cdef uint32_t i, order, mask
    cdef uint64_t nr_parked, expected
    for i in range(z.nr_regions):
        if z.regions[i].managed != census.region_managed[i]:
            return fail(fault, BAD_MANAGED, i, z.regions[i].managed, census.region_managed[i])
        if z.regions[i].nr_free != census.region_free[i]:
            return fail(fault, BAD_REGION_FREE, i, z.regions[i].nr_free, census.region_free[i])
    if z.managed != census.nr_managed:
        return fail(fault, BAD_ZONE_MANAGED, 0, <int64_t> z.managed, <int64_t> census.nr_managed)
    if z.nr_free != census.nr_free:
        return fail(fault, BAD_ZONE_FREE, 0, <int64_t> z.nr_free, <int64_t> census.nr_free)
    for i in range(PASR_NR_MIGRATETYPES):
        mask = 0
        for order in range(PASR_NR_PAGE_ORDERS):
            if z.lists[order][i].nr_blocks != census.nr_blocks[order][i]:
                return fail(fault, BAD_NR_BLOCKS, order * PASR_NR_MIGRATETYPES + i,
                            z.lists[order][i].nr_blocks, census.nr_blocks[order][i])
            if census.nr_blocks[order][i] != 0:
                mask |= <uint32_t> 1 << order
        if z.nonempty[i] != mask:
            return fail(fault, BAD_NONEMPTY, i, z.nonempty[i], mask)
    if z.parked.nr_blocks != census.nr_parked:
        return fail(fault, BAD_NR_BLOCKS, PARKED, z.parked.nr_blocks, census.nr_parked)
    for i in range(z.nr_regions):
        nr_parked = <uint64_t> z.parked.runs[i].nr_blocks << PASR_MAX_PAGE_ORDER
        # Where blocks straddle, a piece of one may be credited to a region after that was parked.
        expected = z.regions[i].managed
        if z.mode & PASR_MODE_PRESENT:
            expected = z.region_ends[i] - (z.region_ends[i - 1] if i != 0 else z.first)
        if nr_parked != 0 and (nr_parked != expected or (
                z.regions[i].nr_free != expected and not z.mode & PASR_MODE_STRADDLE)):
            return fail(fault, BAD_PARKED, i, <int64_t> nr_parked, <int64_t> expected)
    return OK


cdef int check_runs(
    const pasr_zone_t *z, const pasr_freelist_t *fl, const uint32_t *lengths, const pasr_idx_t *lasts,
    fault_t *fault
) noexcept nogil:
    """Runs and region bitmap of one list say what walking it showed."""
    cdef uint32_t i, nr_words = nr_region_words(z)
    for i in range(z.nr_regions):
        if fl.runs[i].nr_blocks != lengths[i]:
            return fail(fault, BAD_RUN_LENGTH, i, fl.runs[i].nr_blocks, lengths[i])
        if lengths[i] != 0 and fl.runs[i].last != lasts[i]:
            return fail(fault, BAD_RUN_LAST, i, fl.runs[i].last, lasts[i])
    for i in range(nr_words * 64):              # lengths beyond the last region are zero
        if (fl.leaf[i >> 6] >> (i & 63) & 1) != (lengths[i] != 0):
            return fail(fault, BAD_REGION_BIT, i, fl.leaf[i >> 6] >> (i & 63) & 1, lengths[i] != 0)
    for i in range(64):
        if (fl.root >> i & 1) != (i < nr_words and fl.leaf[i] != 0):
            return fail(fault, BAD_ROOT_BIT, i, fl.root >> i & 1, not (fl.root >> i & 1))
    return OK


cdef int check_list(
    const pasr_zone_t *z, const pasr_freelist_t *fl, uint32_t order, uint8_t expected, int64_t name, fault_t *fault
) noexcept nogil:
    """Links of one list: every node a free block with the tag of it, in order, as many as counted."""
    cdef const pasr_link_t *links = links_of(z, order)
    cdef pasr_idx_t node = fl.head
    cdef pasr_idx_t previous = PASR_NIL
    cdef uint64_t nr_nodes = <uint64_t> z.nr_blocks << (PASR_MAX_PAGE_ORDER if order != PASR_MAX_PAGE_ORDER else 0)
    cdef uint32_t seen = 0, region, last_region = 0
    cdef uint32_t lengths[PASR_MAX_REGIONS]
    cdef pasr_idx_t lasts[PASR_MAX_REGIONS]
    memset(lengths, 0, sizeof(lengths))
    while node != PASR_NIL:
        if seen == fl.nr_blocks:
            return fail(fault, BAD_LENGTH, name, seen + 1, fl.nr_blocks)
        if node >= nr_nodes:
            return fail(fault, BAD_NODE, name, node, 0)
        if head_tag(z, idx_of_node(node, order)) != expected:
            return fail(fault, BAD_NODE, name, node, 0)
        if previous != PASR_NIL and links[node].prev != previous:
            return fail(fault, BAD_PREV, node, links[node].prev, previous)
        if z.mode & PASR_MODE_SORTED:
            region = region_of(z, idx_of_node(node, order), PASR_MODE_STRADDLE)
            if seen == 0 and fl.head_region != region:
                return fail(fault, BAD_HEAD_REGION, name, fl.head_region, region)
            if seen != 0 and region < last_region:
                return fail(fault, UNSORTED, name, region, last_region)
            last_region = region
            lengths[region] += 1
            lasts[region] = node
        seen += 1
        previous = node
        node = links[node].next
    if seen != fl.nr_blocks:
        return fail(fault, BAD_LENGTH, name, seen, fl.nr_blocks)
    if z.mode & PASR_MODE_SORTED:
        return check_runs(z, fl, lengths, lasts, fault)
    if seen != 0 and fl.tail != previous:
        return fail(fault, BAD_TAIL, name, fl.tail, previous)
    return OK


cdef int check_pcplist(
    pasr_zone_t *z, const pasr_pcplist_t *pcplist, uint32_t index, uint32_t *position, bint again, fault_t *fault
) noexcept nogil:
    """Every entry is a cached block of the list's order; the second time, none stands in two places.

    A cached block is on no list of the zone, so its link may hold where it was met.
    """
    cdef uint32_t i, order = pcplist_order(z, index)
    cdef pasr_idx_t idx, node
    for i in range(pcplist.first, pcplist.end):
        idx = pcplist.pages[i]
        if idx < z.first or idx >= z.end or head_tag(z, idx) != tag_cached(order):
            return fail(fault, BAD_CACHED, index, idx, 0)
        node = node_of(idx, order)
        if not again:
            links_of(z, order)[node].next = position[0]
        elif links_of(z, order)[node].next != position[0]:
            return fail(fault, CACHED_TWICE, index, idx, 0)
        if z.rules == PASR_RULES_STEAL and links_of(z, order)[node].prev >= PASR_NR_MIGRATETYPES:
            return fail(fault, BAD_CACHED, index, idx, 0)
        position[0] += 1
    return OK


cdef int check_pagesets(pasr_zone_t *z, const census_t *census, fault_t *fault) noexcept nogil:
    cdef const pasr_pageset_t *pageset
    cdef uint64_t count, nr_cached = 0
    cdef uint32_t cpu, i, again, position
    cdef int broken
    for cpu in range(z.nr_cpus):
        pageset = &z.pagesets[cpu]
        if pageset.high < z.pcp_high_min or pageset.high > z.pcp_high_max:
            return fail(fault, BAD_PAGESET, cpu, pageset.high, 0)
        if pageset.alloc_factor > PASR_PCP_SCALE_MAX or pageset.was_high_order > 1:
            return fail(fault, BAD_PAGESET, cpu, pageset.alloc_factor, 0)
        if pageset.free_count >= (z.pcp_batch << PASR_PCP_SCALE_MAX) + PASR_TOP_PAGES:
            return fail(fault, BAD_PAGESET, cpu, pageset.free_count, 0)
        count = 0
        for i in range(PASR_NR_PCPLISTS):
            if pageset.lists[i].end > pageset.lists[i].room or pageset.lists[i].first > pageset.lists[i].end:
                return fail(fault, BAD_PAGESET, cpu, pageset.lists[i].first, 0)
            # A free needs room for one more.
            if pageset.lists[i].room != 0 and pageset.lists[i].end - pageset.lists[i].first == pageset.lists[i].room:
                return fail(fault, BAD_PAGESET, cpu, pageset.lists[i].first, 0)
            count += <uint64_t> (pageset.lists[i].end - pageset.lists[i].first) << pcplist_order(z, i)
        if z.rules == PASR_RULES_STEAL and count > z.pcp_high_max + 3 * z.pcp_batch:
            return fail(fault, BAD_PAGESET, cpu, <int64_t> count, 0)
        if pageset.count != count:
            return fail(fault, BAD_COUNT, cpu, pageset.count, <int64_t> count)
        nr_cached += count
    if nr_cached != census.nr_cached:
        return fail(fault, BAD_NR_CACHED, 0, <int64_t> nr_cached, <int64_t> census.nr_cached)
    for again in range(2):
        position = 0
        for cpu in range(z.nr_cpus):
            for i in range(PASR_NR_PCPLISTS):
                broken = check_pcplist(z, &z.pagesets[cpu].lists[i], i, &position, again, fault)
                if broken != OK:
                    return broken
    return OK


cdef int zone_check(pasr_zone_t *z, fault_t *fault) noexcept nogil:
    """0 if every invariant holds, else the number of the first broken one (see `fault_text`).

    Reads the geometry as given; every array may hold anything. Writes nothing
    but what nobody reads. O(pages + free blocks + lists * regions).
    """
    cdef census_t census
    cdef uint32_t order, migratetype
    cdef int broken = check_tables(z, fault)
    if broken != OK:
        return broken
    memset(&census, 0, sizeof(census))
    broken = check_tags(z, &census, fault)
    if broken != OK:
        return broken
    broken = check_counters(z, &census, fault)
    if broken == OK:
        broken = check_pagesets(z, &census, fault)
    if broken != OK:
        return broken
    for order in range(PASR_NR_PAGE_ORDERS):
        for migratetype in range(PASR_NR_MIGRATETYPES):
            broken = check_list(
                z, &z.lists[order][migratetype], order, tag_free(order, migratetype),
                order * PASR_NR_MIGRATETYPES + migratetype, fault)
            if broken != OK:
                return broken
    if z.mode & PASR_MODE_PARKING:
        return check_list(z, &z.parked, PASR_MAX_PAGE_ORDER, PASR_TAG_PARKED, PARKED, fault)
    return OK
