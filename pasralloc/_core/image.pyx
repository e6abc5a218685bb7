"""The state of a zone as bytes: same state, same bytes.

An image holds geometry, counters, lists, pagesets, and the tags and links of those
blocks of the largest order that are split. What no list reaches is written as zero, so
two zones have equal images exactly if they answer every future sequence of
operations alike. Which regions changed lately belongs to the reader of that
bitmap, past fallback events are history, and both are left out.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from pasralloc._core.bits cimport regionmap_set
from pasralloc._core.types cimport (
    PASR_MAX_PAGE_ORDER, PASR_MODE_PARKING, PASR_MODE_SORTED, PASR_NR_MIGRATETYPES, PASR_NR_PAGE_ORDERS,
    PASR_NR_PCPLISTS, PASR_PCP_SCALE_MAX, PASR_RULES_STEAL, PASR_TAG_FREE, PASR_TAG_PARKED, PASR_TAG_SPLIT,
    PASR_TOP_PAGES, PASR_ZONE_BELOW_HIGH, pasr_freelist_t, pasr_idx_t, pasr_link_t, pasr_pageset_t, pasr_pcplist_t,
    pasr_region_t, pasr_run_t,
)
from pasralloc._core.zone cimport (
    nr_pageblocks, nr_region_words, pcplist_order, tag_is_cached, tag_order, tag_type, zone_note_cma, zone_set_flags,
)


# What two zones must share for an image of one to fit the other.
ctypedef struct geometry_t:
    char magic[8]
    int64_t base_pfn
    uint64_t region_pages
    uint32_t first
    uint32_t end
    uint32_t nr_blocks
    uint32_t nr_regions
    uint32_t region_bias
    uint8_t mode
    uint8_t pageblock_order
    uint8_t fresh_to_tail
    uint8_t pcp_by_region
    uint32_t nr_cpus
    uint32_t pcp_batch
    uint32_t pcp_high_min
    uint32_t pcp_high_max
    uint8_t grouping[8]
    uint8_t nr_fallbacks[8]
    uint8_t fallbacks[6][8]

ctypedef struct counters_t:
    uint64_t nr_free
    uint64_t managed
    uint64_t nr_highatomic
    uint64_t watermark_boost
    uint64_t flags

# The pages of all lists follow at the end of the image.
ctypedef struct pageset_t:
    uint32_t high
    uint32_t free_count
    uint32_t alloc_factor
    uint32_t was_high_order
    uint32_t lengths[14]

ctypedef struct list_t:
    pasr_idx_t head
    pasr_idx_t tail
    uint32_t nr_blocks
    uint32_t head_region


cdef void geometry_of(const pasr_zone_t *z, geometry_t *g) noexcept nogil:
    memset(g, 0, sizeof(geometry_t))
    memcpy(g.magic, b"PASRZON5", 8)
    g.base_pfn = z.base_pfn
    g.region_pages = z.region_pages
    g.first = z.first
    g.end = z.end
    g.nr_blocks = z.nr_blocks
    g.nr_regions = z.nr_regions
    g.region_bias = z.region_bias
    g.mode = z.mode
    g.pageblock_order = z.pageblock_order
    g.fresh_to_tail = z.fresh_to_tail
    g.pcp_by_region = z.pcp_by_region
    g.nr_cpus = z.nr_cpus
    g.pcp_batch = z.pcp_batch
    g.pcp_high_min = z.pcp_high_min
    g.pcp_high_max = z.pcp_high_max
    g.grouping[0] = z.grouping
    memcpy(g.nr_fallbacks, z.nr_fallbacks, sizeof(z.nr_fallbacks))
    for i in range(PASR_NR_MIGRATETYPES):
        memcpy(g.fallbacks[i], z.fallbacks[i], z.nr_fallbacks[i])


cdef inline uint64_t nr_split(const uint8_t *top_tags, uint32_t nr_blocks) noexcept nogil:
    cdef uint64_t nr = 0
    cdef uint32_t block
    for block in range(nr_blocks):
        nr += top_tags[block] == PASR_TAG_SPLIT
    return nr


cdef inline uint64_t offset_of_pagesets() noexcept nogil:
    return sizeof(geometry_t) + sizeof(counters_t)


cdef inline uint64_t offset_of_top_tags(const pasr_zone_t *z) noexcept nogil:
    """Bytes before the top tags: all that depends on the geometry alone."""
    return offset_of_pagesets() + (
        z.nr_cpus * sizeof(pageset_t) + z.nr_regions * (sizeof(pasr_idx_t) + sizeof(pasr_region_t)) + nr_pageblocks(z))


cdef uint64_t size_with(const pasr_zone_t *z, uint64_t split, uint64_t nr_cached) noexcept nogil:
    cdef uint64_t nr_lists = PASR_NR_PAGE_ORDERS * PASR_NR_MIGRATETYPES + (z.mode & PASR_MODE_PARKING != 0)
    cdef uint64_t nr_runs = z.nr_regions * nr_lists if z.mode & PASR_MODE_SORTED else 0
    return (
        offset_of_top_tags(z)
        + z.nr_blocks * (1 + sizeof(pasr_link_t))
        + nr_lists * sizeof(list_t) + nr_runs * sizeof(pasr_run_t)
        + split * PASR_TOP_PAGES * (1 + sizeof(pasr_link_t))
        + nr_cached * sizeof(pasr_idx_t)
    )


cdef uint64_t image_size(const pasr_zone_t *z) noexcept nogil:
    cdef uint64_t nr_cached = 0
    cdef uint32_t cpu, i
    for cpu in range(z.nr_cpus):
        for i in range(PASR_NR_PCPLISTS):
            nr_cached += z.pagesets[cpu].lists[i].end - z.pagesets[cpu].lists[i].first
    return size_with(z, nr_split(z.top_tags, z.nr_blocks), nr_cached)


cdef inline void write_link(
    const pasr_zone_t *z, uint8_t tag, const pasr_link_t *links, pasr_idx_t node, pasr_link_t *out
) noexcept nogil:
    """Copy the links of a free block, the undefined predecessor of a list head left out."""
    cdef pasr_idx_t head
    out.next = out.prev = 0
    if tag & PASR_TAG_FREE:
        out.next = links[node].next
        head = z.parked.head if tag == PASR_TAG_PARKED else z.lists[tag_order(tag)][tag_type(tag)].head
        if head != node:
            out.prev = links[node].prev
    elif tag_is_cached(tag) and z.rules == PASR_RULES_STEAL:
        out.prev = links[node].prev      # the type it will be given back as


cdef inline char *put_bytes(char *out, const void *source, uint64_t nr_bytes) noexcept nogil:
    memcpy(out, source, nr_bytes)
    return out + nr_bytes


cdef char *write_pagesets(const pasr_zone_t *z, char *out) noexcept nogil:
    cdef pageset_t header
    cdef const pasr_pageset_t *pageset
    cdef uint32_t cpu, i
    for cpu in range(z.nr_cpus):
        pageset = &z.pagesets[cpu]
        header.high = pageset.high
        header.free_count = pageset.free_count
        header.alloc_factor = pageset.alloc_factor
        header.was_high_order = pageset.was_high_order
        for i in range(PASR_NR_PCPLISTS):
            header.lengths[i] = pageset.lists[i].end - pageset.lists[i].first
        out = put_bytes(out, &header, sizeof(header))
    return out


cdef char *write_cached(const pasr_zone_t *z, char *out) noexcept nogil:
    cdef const pasr_pcplist_t *pcplist
    cdef uint32_t cpu, i
    for cpu in range(z.nr_cpus):
        for i in range(PASR_NR_PCPLISTS):
            pcplist = &z.pagesets[cpu].lists[i]
            out = put_bytes(
                out, pcplist.pages + pcplist.first, (pcplist.end - pcplist.first) * sizeof(pasr_idx_t))
    return out


cdef char *write_list(const pasr_zone_t *z, const pasr_freelist_t *fl, char *out) noexcept nogil:
    cdef list_t header
    cdef pasr_run_t run
    cdef uint32_t region
    memset(&header, 0, sizeof(header))
    header.head = fl.head
    header.nr_blocks = fl.nr_blocks
    if fl.nr_blocks != 0:
        if z.mode & PASR_MODE_SORTED:
            header.head_region = fl.head_region
        else:
            header.tail = fl.tail
    out = put_bytes(out, &header, sizeof(header))
    if z.mode & PASR_MODE_SORTED:
        for region in range(z.nr_regions):
            run = fl.runs[region]
            if run.nr_blocks == 0:
                run.last = 0
            out = put_bytes(out, &run, sizeof(run))
    return out


cdef void image_write(const pasr_zone_t *z, char *out) noexcept nogil:
    """Write `image_size` bytes. O(regions * lists + blocks + pages of split blocks)."""
    cdef geometry_t geometry
    cdef counters_t counters
    cdef pasr_link_t link
    cdef uint32_t block, order, migratetype
    cdef pasr_idx_t idx
    geometry_of(z, &geometry)
    counters.nr_free = z.nr_free
    counters.managed = z.managed
    counters.nr_highatomic = z.nr_highatomic
    counters.watermark_boost = z.watermark_boost
    counters.flags = z.flags
    out = put_bytes(out, &geometry, sizeof(geometry))
    out = put_bytes(out, &counters, sizeof(counters))
    out = write_pagesets(z, out)
    out = put_bytes(out, z.region_ends, z.nr_regions * sizeof(pasr_idx_t))
    out = put_bytes(out, z.regions, z.nr_regions * sizeof(pasr_region_t))
    out = put_bytes(out, z.pageblocks, nr_pageblocks(z))
    out = put_bytes(out, z.top_tags, z.nr_blocks)
    for block in range(z.nr_blocks):
        # A split block has no links of its own: SPLIT lacks the FREE bit.
        write_link(z, z.top_tags[block], z.top_links, block, &link)
        out = put_bytes(out, &link, sizeof(link))
    for order in range(PASR_NR_PAGE_ORDERS):
        for migratetype in range(PASR_NR_MIGRATETYPES):
            out = write_list(z, &z.lists[order][migratetype], out)
    if z.mode & PASR_MODE_PARKING:
        out = write_list(z, &z.parked, out)
    for block in range(z.nr_blocks):
        if z.top_tags[block] == PASR_TAG_SPLIT:
            idx = block << PASR_MAX_PAGE_ORDER
            out = put_bytes(out, z.tags + idx, PASR_TOP_PAGES)
            for idx in range(idx, idx + PASR_TOP_PAGES):
                write_link(z, z.tags[idx], z.links, idx, &link)
                out = put_bytes(out, &link, sizeof(link))
    write_cached(z, out)


cdef bint image_fits(const pasr_zone_t *z, const char *image, uint64_t nr_bytes) noexcept nogil:
    """Whether *image* is one of a zone of the same geometry, and complete."""
    cdef geometry_t geometry
    cdef pageset_t header
    cdef uint64_t at = offset_of_top_tags(z), nr_cached = 0
    cdef uint32_t cpu, i
    geometry_of(z, &geometry)
    if nr_bytes < at + z.nr_blocks or memcmp(image, &geometry, sizeof(geometry)) != 0:
        return False
    if memcmp(image + offset_of_pagesets() + z.nr_cpus * sizeof(header), z.region_ends,
              z.nr_regions * sizeof(pasr_idx_t)) != 0:
        return False
    for cpu in range(z.nr_cpus):
        memcpy(&header, image + offset_of_pagesets() + cpu * sizeof(header), sizeof(header))
        if header.alloc_factor > PASR_PCP_SCALE_MAX or header.was_high_order > 1:
            return False
        for i in range(PASR_NR_PCPLISTS):
            if header.lengths[i] > z.pagesets[cpu].lists[i].room:
                return False
            nr_cached += header.lengths[i]
    return nr_bytes == size_with(z, nr_split(<const uint8_t *> image + at, z.nr_blocks), nr_cached)


cdef inline const char *get_bytes(const char *image, void *target, uint64_t nr_bytes) noexcept nogil:
    memcpy(target, image, nr_bytes)
    return image + nr_bytes


cdef const char *read_list(pasr_zone_t *z, pasr_freelist_t *fl, const char *image) noexcept nogil:
    cdef list_t header
    cdef uint32_t region
    image = get_bytes(image, &header, sizeof(header))
    fl.head = header.head
    fl.tail = header.tail
    fl.nr_blocks = header.nr_blocks
    fl.head_region = header.head_region
    fl.root = 0
    if z.mode & PASR_MODE_SORTED:
        image = get_bytes(image, fl.runs, z.nr_regions * sizeof(pasr_run_t))
        memset(fl.leaf, 0, nr_region_words(z) * sizeof(uint64_t))
        for region in range(z.nr_regions):
            if fl.runs[region].nr_blocks != 0:
                regionmap_set(&fl.root, fl.leaf, region)
    return image


cdef const char *read_pagesets(pasr_zone_t *z, const char *image) noexcept nogil:
    cdef pageset_t header
    cdef pasr_pageset_t *pageset
    cdef uint32_t cpu, i
    for cpu in range(z.nr_cpus):
        image = get_bytes(image, &header, sizeof(header))
        pageset = &z.pagesets[cpu]
        pageset.count = 0
        pageset.high = header.high
        pageset.free_count = header.free_count
        pageset.alloc_factor = <uint8_t> header.alloc_factor
        pageset.was_high_order = <uint8_t> header.was_high_order
        for i in range(PASR_NR_PCPLISTS):
            pageset.count += header.lengths[i] << pcplist_order(z, i)
            pageset.lists[i].end = pageset.lists[i].room
            pageset.lists[i].first = pageset.lists[i].room - header.lengths[i]
    return image


cdef const char *read_cached(pasr_zone_t *z, const char *image) noexcept nogil:
    cdef pasr_pcplist_t *pcplist
    cdef uint32_t cpu, i
    for cpu in range(z.nr_cpus):
        for i in range(PASR_NR_PCPLISTS):
            pcplist = &z.pagesets[cpu].lists[i]
            image = get_bytes(
                image, pcplist.pages + pcplist.first, (pcplist.end - pcplist.first) * sizeof(pasr_idx_t))
    return image


cdef void image_read(pasr_zone_t *z, const char *image) noexcept nogil:
    """Put the zone into the state of an image that fits it.

    Writes inside the arrays whatever the image holds; whether it is sound is
    for `zone_check` to say. Leaves alone which regions changed lately.
    """
    cdef counters_t counters
    cdef uint32_t block, order, migratetype
    cdef const uint8_t *top_tags
    image += sizeof(geometry_t)
    image = get_bytes(image, &counters, sizeof(counters))
    z.nr_free = counters.nr_free
    z.managed = counters.managed
    z.nr_highatomic = counters.nr_highatomic
    z.watermark_boost = min(counters.watermark_boost, z.boost_max)
    zone_set_flags(z, counters.flags & PASR_ZONE_BELOW_HIGH)
    image = read_pagesets(z, image)
    image += z.nr_regions * sizeof(pasr_idx_t)
    image = get_bytes(image, z.regions, z.nr_regions * sizeof(pasr_region_t))
    image = get_bytes(image, z.pageblocks, nr_pageblocks(z))
    top_tags = <const uint8_t *> image
    for block in range(z.nr_blocks):
        # Tags of a block that is whole read as zero: that is what merging relies on.
        if z.top_tags[block] == PASR_TAG_SPLIT and top_tags[block] != PASR_TAG_SPLIT:
            memset(z.tags + (<uint64_t> block << PASR_MAX_PAGE_ORDER), 0, PASR_TOP_PAGES)
    image = get_bytes(image, z.top_tags, z.nr_blocks)
    image = get_bytes(image, z.top_links, z.nr_blocks * sizeof(pasr_link_t))
    for migratetype in range(PASR_NR_MIGRATETYPES):
        z.nonempty[migratetype] = 0
    for order in range(PASR_NR_PAGE_ORDERS):
        for migratetype in range(PASR_NR_MIGRATETYPES):
            image = read_list(z, &z.lists[order][migratetype], image)
            if z.lists[order][migratetype].nr_blocks != 0:
                z.nonempty[migratetype] |= <uint32_t> 1 << order
    if z.mode & PASR_MODE_PARKING:
        image = read_list(z, &z.parked, image)
    for block in range(z.nr_blocks):
        if z.top_tags[block] == PASR_TAG_SPLIT:
            image = get_bytes(image, z.tags + (<uint64_t> block << PASR_MAX_PAGE_ORDER), PASR_TOP_PAGES)
            image = get_bytes(
                image, z.links + (<uint64_t> block << PASR_MAX_PAGE_ORDER), PASR_TOP_PAGES * sizeof(pasr_link_t))
    read_cached(z, image)
    zone_note_cma(z)
