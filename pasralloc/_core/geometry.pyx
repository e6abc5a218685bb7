"""Description of a zone: from keyword arguments to the fields of the struct."""

from cpython.number cimport PyIndex_Check
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from pasralloc._core.boundary cimport as_int
from pasralloc._core.types cimport (
    PASR_COSTLY_ORDER, PASR_MAX_FRAMES, PASR_MAX_PAGE_ORDER, PASR_MAX_PFN, PASR_MAX_REGIONS, PASR_MODE_BIASED,
    PASR_MODE_LOWEST, PASR_MODE_PARKING, PASR_MODE_PRESENT, PASR_MODE_SORTED, PASR_MODE_STRADDLE,
    PASR_NR_PAGE_ORDERS, PASR_NR_PCPTYPES, PASR_PCP_SCALE_MAX, PASR_RULES_CLAIM,
    PASR_RULES_STEAL, PASR_TOP_MASK, PASR_TOP_PAGES,
)

from collections.abc import Iterable
from types import NoneType

from pasralloc._core.generations import GENERATIONS
from pasralloc.sizing import Pagesets
from pasralloc.choices import unknown

PLACEMENTS = {"linux": 0, "sorted": PASR_MODE_SORTED, "biased": PASR_MODE_SORTED | PASR_MODE_BIASED}
QUIRKS = ("fixed", "posted")
REGION_ALLOCATORS = {
    None: 0,
    "when-dry": PASR_MODE_PARKING,
    "lowest-first": PASR_MODE_PARKING | PASR_MODE_LOWEST,
}
GROUPINGS = {None: 0, "by-region": 1}


cdef int one_of(object value, str name, object choices) except -1:
    if not isinstance(value, (str, NoneType)) or value not in choices:
        raise ValueError(unknown(name, value, choices))
    return 0


cdef tuple zone_describe(
    pasr_zone_t *z, object nr_pages, object region_pages, object start_pfn, object placement, object kernel,
    object quirks, object pageblock_order, object region_allocator, object grouping, object pagesets, object absent
):
    """Fill the geometry and policy of *z*; TypeError or ValueError names the argument at fault.

    Returns the ranges of pages that are present, and the frame behind the last of each region.
    """
    cdef int64_t pfn = as_int(start_pfn, "start_pfn", 0, PASR_MAX_PFN)
    cdef uint64_t nr = as_int(nr_pages, "nr_pages", 1, PASR_MAX_FRAMES - PASR_TOP_PAGES)
    one_of(placement, "placement", PLACEMENTS)
    one_of(kernel, "kernel", tuple(GENERATIONS))
    one_of(quirks, "quirks", QUIRKS)
    one_of(region_allocator, "region_allocator", REGION_ALLOCATORS)
    one_of(grouping, "grouping", GROUPINGS)
    if region_allocator is not None and placement == "linux":
        raise ValueError("a region_allocator needs lists in region order, got placement='linux'")
    if grouping is not None and placement == "linux":
        raise ValueError("grouping needs lists in region order, got placement='linux'")
    memset(z, 0, sizeof(pasr_zone_t))
    if pfn & PASR_TOP_MASK and quirks != "posted":
        raise ValueError(
            f"start_pfn must be a multiple of {PASR_TOP_PAGES}, got {pfn:#x}: start at {pfn & ~PASR_TOP_MASK:#x} and"
            f" declare the {pfn & PASR_TOP_MASK} pages before it absent, or choose quirks='posted'")
    z.start_pfn = pfn
    z.nr_pages = nr
    z.base_pfn = pfn & ~<int64_t> PASR_TOP_MASK
    z.first = z.region_bias = <uint32_t> (pfn & PASR_TOP_MASK)
    z.end = <uint32_t> (z.first + nr)
    z.nr_blocks = (z.end + PASR_TOP_MASK) >> PASR_MAX_PAGE_ORDER
    region_ends = describe_regions(z, region_pages)
    z.mode = <uint8_t> (
        PLACEMENTS[placement] | REGION_ALLOCATORS[region_allocator] | (PASR_MODE_STRADDLE if z.first != 0 else 0))
    if quirks == "posted" and region_allocator is not None:
        z.mode |= PASR_MODE_PRESENT
    z.pageblock_order = <uint8_t> as_int(pageblock_order, "pageblock_order", 1, PASR_MAX_PAGE_ORDER)
    z.grouping = GROUPINGS[grouping]
    generation = GENERATIONS[kernel]
    z.fresh_to_tail = generation.fresh_to_tail
    z.rules = PASR_RULES_CLAIM if generation.claims else PASR_RULES_STEAL
    # Types follow pageblocks only where whole blocks are claimed.
    z.merge_limit = z.pageblock_order if generation.claims else PASR_NR_PAGE_ORDERS
    z.movable = generation.migratetypes.index("movable")
    z.reclaimable = generation.migratetypes.index("reclaimable")
    for name, others in generation.fallbacks.items():
        number = generation.migratetypes.index(name)
        z.nr_fallbacks[number] = len(others)
        for i, other in enumerate(others):
            z.fallbacks[number][i] = generation.migratetypes.index(other)
    present = present_ranges(z, absent)
    if pagesets is not None:
        describe_pagesets(z, pagesets, kernel, sum([nr for _, nr in present]))
    return present, region_ends


cdef uint64_t as_region_pages(object pages, str name) except 0:
    cdef uint64_t nr = as_int(pages, name, PASR_TOP_PAGES, PASR_MAX_PFN)
    if nr & PASR_TOP_MASK:
        raise ValueError(f"{name} must be a multiple of {PASR_TOP_PAGES} (a block of the largest order), got {pages}")
    return nr


cdef list describe_regions(pasr_zone_t *z, object region_pages):
    """Number and sizes of the regions from one size for all, or from one for each; their ends as frames."""
    cdef uint64_t nr_regions, pages, end = z.first
    cdef list sizes, ends = []
    if isinstance(region_pages, (str, bytes)) or PyIndex_Check(region_pages) or not isinstance(region_pages, Iterable):
        pages = z.region_pages = as_region_pages(region_pages, "region_pages")
        nr_regions = (z.nr_pages + pages - 1) // pages
        if nr_regions > PASR_MAX_REGIONS:
            raise ValueError(
                f"{z.nr_pages} pages in regions of {region_pages} make {nr_regions} regions, expected at most"
                f" {PASR_MAX_REGIONS}")
        z.nr_regions = <uint32_t> nr_regions
        return [min(z.first + region * pages, z.end) for region in range(1, nr_regions + 1)]
    sizes = list(region_pages)
    if not 0 < len(sizes) <= PASR_MAX_REGIONS:
        raise ValueError(f"region_pages must hold 1 to {PASR_MAX_REGIONS} sizes, got {len(sizes)}")
    for region, size in enumerate(sizes):
        pages = as_region_pages(size, f"region_pages[{region}]")
        if end >= z.end:
            raise ValueError(
                f"region_pages[{region}] begins behind the {z.nr_pages} pages of the zone: the regions before it"
                f" have {end - z.first}")
        end += pages
        ends.append(min(end, z.end))
    if end < z.end:
        raise ValueError(f"region_pages must cover the {z.nr_pages} pages of the zone, got {end - z.first} in all")
    z.nr_regions = <uint32_t> len(sizes)
    return ends


cdef int describe_pagesets(pasr_zone_t *z, object pagesets, str kernel, object managed) except -1:
    # Tables are sized by what it says, so that it must be what it seems.
    if type(pagesets) is not Pagesets:
        raise TypeError(f"pagesets must be a Pagesets or None, got {pagesets!r}")
    z.pcp_batch, z.pcp_high_min, z.pcp_high_max = pagesets.sizes(kernel, managed)
    z.pcp_most_freed = z.pcp_batch << PASR_PCP_SCALE_MAX
    # 3.9 has to note the type of each page.
    z.pcp_nr_plain = <uint8_t> (PASR_NR_PCPTYPES if z.rules == PASR_RULES_CLAIM else 0)
    z.nr_cpus = pagesets.nr_cpus
    z.pcp_by_region = bool(pagesets.by_region)
    if z.pcp_by_region and not z.mode & PASR_MODE_SORTED:
        raise ValueError("pagesets by_region need lists in region order, got placement='linux'")
    z.pcp_orders = 1
    if z.rules == PASR_RULES_CLAIM:
        z.pcp_orders = <uint16_t> (
            ((1 << (PASR_COSTLY_ORDER + 1)) - 1 | 1 << z.pageblock_order) & ((2 << z.pageblock_order) - 1))
    return 0


cdef list present_ranges(const pasr_zone_t *z, object absent):
    """Ascending (pfn, nr) pairs of the span less *absent*, which is checked to lie in the span and to be disjoint."""
    cdef int64_t end = z.start_pfn + <int64_t> z.nr_pages
    cdef int64_t pfn, nr, free_from = z.start_pfn
    cdef list ranges = [], present = []
    try:
        absent = list(absent)
    except TypeError:
        raise TypeError(f"absent must hold (pfn, nr) pairs, got {absent!r}") from None
    for entry in absent:
        try:
            first, count = entry
        except (TypeError, ValueError):
            raise ValueError(f"absent must hold (pfn, nr) pairs, got {entry!r}") from None
        pfn = as_int(first, "pfn of an absent range", z.start_pfn, end - 1)
        ranges.append((pfn, as_int(count, f"nr of the absent range at pfn {pfn:#x}", 1, end - pfn)))
    ranges.sort()
    for pfn, nr in ranges:
        if pfn < free_from:
            raise ValueError(f"the absent range at pfn {pfn:#x} overlaps the one before it")
        if pfn > free_from:
            present.append((free_from, pfn - free_from))
        free_from = pfn + nr
    if free_from < end:
        present.append((free_from, end - free_from))
    return present
