"""Seeded bugs. Each must make the default tests fail; `run.py` builds and proves it."""

from __future__ import annotations

from tests.mutants.above_lists import MUTANTS as ABOVE_LISTS
from tests.mutants.dram import MUTANTS as DRAM
from tests.mutants.evacuation import MUTANTS as EVACUATIONS
from tests.mutants.machine import MUTANTS as MACHINES
from tests.mutants.mutant import MACHINE, Mutant
from tests.mutants.replay import MUTANTS as REPLAYS
from tests.mutants.simulation import MUTANTS as SIMULATIONS

ZONE = "tests/test_zone.py tests/test_zone_refusals.py"
CHECK = "tests/test_check.py"
FALLBACK = "tests/test_fallback.py"
TEXT = "tests/test_text.py"
REPLAY = "tests/test_replay.py"

MUTANTS = [
    *ABOVE_LISTS,
    *DRAM,
    *MACHINES,
    *REPLAYS,
    *SIMULATIONS,
    *EVACUATIONS,
    Mutant(
        "_core/bits.pxd",
        "    if leaf[region >> 6] == 0:\n        root[0]",
        "    if True:\n        root[0]",
        "clearing one region hides the other 63 of its word from the search",
        f"{MACHINE} {CHECK}",
    ),
    Mutant(
        "_core/bits.pxd",
        "        root &= bits_below(w)",
        "        root &= ~bits_below(w)",
        "find-previous looks for a higher word where the own word has nothing",
        f"{ZONE} tests/test_regions.py",
    ),
    Mutant(
        "_core/freelist.pxd",
        "        following = run.last\n        links[node].next = following",
        "        following = run.last\n        run.last = node\n        links[node].next = following",
        "the last block of a run is forgotten when another joins before it",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/freelist.pxd",
        "            run.last = preceding\n",
        "            run.last = node\n",
        "removing the last block of a run leaves a stale end",
        f"{MACHINE}",
    ),
    Mutant(
        "_core/freelist.pxd",
        "                fl.head_region = region_of(z, idx_of_node(following, order), mode)",
        "                fl.head_region = region[0] + 1",
        "the head's region is guessed instead of looked up when a run ends",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/freelist.pxd",
        "    elif following == PASR_NIL:\n        fl.tail = preceding",
        "    elif False:\n        fl.tail = preceding",
        "removing the tail leaves it pointing at a block that is gone",
        f"{MACHINE}",
    ),
    Mutant(
        "_core/freelist.pxd",
        "    if cython.unlikely(r.nr_free == r.managed):\n        region_open(z, region, migratetype)\n    r.nr_free -= nr_pages",
        "    r.nr_free -= nr_pages",
        "the first allocation in an empty region is not published",
        f"{ZONE} {REPLAY}",
    ),
    Mutant(
        "_core/zone.pxd",
        "        z.tags[idx | buddy] = 0\n",
        "        z.tags[buddy] = 0\n",
        "the upper half of a merge keeps its tag when it was the one freed",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/zone.pxd",
        "    if z.top_tags[idx >> PASR_MAX_PAGE_ORDER] == PASR_TAG_SPLIT:\n        z.tags[idx] = 0",
        "    if False:\n        z.tags[idx] = 0",
        "a block that is whole again keeps the tag of its first page",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/zone.pxd",
        "        while high > order:\n            high -= 1\n            zone_put(z, idx + (<pasr_idx_t> 1 << high), high,"
        " remainder, region, False, mode)",
        "        while high > order:\n            high -= 1\n            zone_put(z, idx, high,"
        " remainder, region, False, mode)\n            idx += <pasr_idx_t> 1 << high",
        "a split keeps the upper half: safe, but not the pfn that Linux hands out",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/zone.pxd",
        "    if order >= PASR_MAX_PAGE_ORDER - 1:\n        return False",
        "    if order >= PASR_MAX_PAGE_ORDER - 2:\n        return False",
        "the merge heuristic stops one order early",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/zone.pxd",
        "    return tag_is_free(z.tags[parent ^ (<pasr_idx_t> 2 << order)], order + 1)",
        "    return tag_is_free(z.tags[parent ^ (<pasr_idx_t> 2 << order)], order)",
        "the merge heuristic looks for a buddy of the wrong order",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/zone.pxd",
        "        list_remove(z, buddy, order, tag_type(tag), region, mode)",
        "        list_remove(z, buddy, order, migratetype, region, mode)",
        "a merging buddy leaves the list of the freed page's type",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/zone.pxd",
        "    if not types_may_merge(buddy_type, migratetype):\n        return False",
        "    if False:\n        return False",
        "memory that is set apart merges with other memory",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/zone.pxd",
        "        retype_pageblocks(z, buddy, order, migratetype)",
        "        pass",
        "a merged buddy keeps the type of its pageblock",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/zone.pxd",
        "            if z.lists[high][migratetype].head_region < z",
        "            if z.lists[high][migratetype].head_region <= z",
        "bias prefers the larger of two blocks of one region",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/fallback.pyx",
        "    unlist(z, idx, &region)\n    retype_pageblocks(z, idx, high, migratetype)\n",
        "    unlist(z, idx, &region)\n",
        "a claimed block of a pageblock or more keeps its type",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/fallback.pyx",
        "    if nr_free + nr_alike < nr_pages // 2:",
        "    if nr_free + nr_alike <= nr_pages // 2:",
        "exactly half a pageblock is not enough to claim it",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/fallback.pyx",
        "        if migratetype == z.movable and high < z.pageblock_order // 2:",
        "        if migratetype == z.movable and high <= z.pageblock_order // 2:",
        "movable requests give up claiming one order early",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/fallback.pyx",
        "block.migratetype == z.movable:",
        "True:",
        "every page in use counts as movable",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/fallback.pyx",
        "        nr_alike = nr_pages - nr_free - nr_movable ",
        "        nr_alike = nr_pages - nr_movable ",
        "free pages count as alike once more",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/fallback.pyx",
        "    for high in range(order, PASR_NR_PAGE_ORDERS):\n        other",
        "    for high in range(order + 1, PASR_NR_PAGE_ORDERS):\n        other",
        "stealing skips the order that fits exactly",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/fallback.pyx",
        "    cdef uint32_t i, other\n    for i in range(z.nr_fallbacks[migratetype]):",
        "    cdef uint32_t i, other\n    for i in range(1, z.nr_fallbacks[migratetype]):",
        "the first type of a fallback row is skipped",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/fallback.pyx",
        "            if high >= z.pageblock_order // 2 or migratetype == z.reclaimable:",
        "            if high >= z.pageblock_order // 2:",
        "reclaimable requests of 3.9 leave the neighbours of a small block alone",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/fallback.pyx",
        "if other == <int> PASR_CMA or z.mode & PASR_MODE_PARKING:",
        "if z.mode & PASR_MODE_PARKING:",
        "the rest of a CMA block leaves the CMA lists",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/fallback.pyx",
        "    return idx if idx >= 0 else zone_take_smallest(z, order, PASR_RESERVE, migratetype, z.mode)",
        "    return idx",
        "RESERVE pageblocks are never used",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/fallback.pyx",
        "(z.nr_free - nr_free_of(z, PASR_ISOLATE)) // 2",
        "z.nr_free // 2",
        "isolated pages count as free in the CMA balance",
        f"{MACHINE} {FALLBACK}",
    ),
    Mutant(
        "_core/zone.pxd",
        "(order >= 0 and order != <int> tag_order(tag[0]))):",
        "(order >= 0 and order > <int> tag_order(tag[0]))):",
        "a free with too small an order is accepted",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/ranges.pyx",
        "            if idx - block.head >= half:",
        "            if idx - block.head > half:",
        "take_range keeps the wrong half when the page begins the upper one",
        f"{MACHINE}",
    ),
    Mutant(
        "_core/ranges.pyx",
        "        if region_end > stop:\n            region_end = stop\n",
        "        region_end = stop\n",
        "new pages beyond a region's end are credited to it",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/zone.pxd",
        "    if cython.unlikely(i >= z.end):\n        return False\n",
        "",
        "of a wild pfn, a tag is read",
        ZONE,
    ),
    Mutant(
        "_core/zone.pxd",
        "    if cython.unlikely(i & PASR_TOP_MASK == 0 and",
        "    if cython.unlikely(i & PASR_TOP_MASK == 1 and",
        "a free of a block that was never split maps the tags of its pages",
        ZONE,
    ),
    Mutant(
        "_core/stream.pxd",
        "word & op_word(0xff, 0, PASR_OP_CHECK_ORDER) ==",
        "word & op_word(0xff, 0, 0) ==",
        "a stream does not compare orders",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/ranges.pyx",
        "        order = order_to_free(z, idx, largest_piece(idx, nr))",
        "        order = largest_piece(idx, nr)",
        "new pages become of the type of the first pageblock of their block",
        ZONE,
    ),
    Mutant(
        "_core/ranges.pyx",
        "        at += <pasr_idx_t> 1 << z.pageblock_order\n    return order",
        "        break\n    return order",
        "of new pages, only the first pageblock is looked at",
        ZONE,
    ),
    Mutant(
        "_core/batch.pxd",
        "tag_order(tag[0]), tag_cached(tag_order(tag[0])))",
        "tag_order(tag[0]), tag[0])",
        "a batch may free a block twice",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/image.pyx",
        "            memset(z.tags + (<uint64_t> block << PASR_MAX_PAGE_ORDER), 0, PASR_TOP_PAGES)\n    image",
        "            pass\n    image",
        "restoring leaves tags of a block that was whole in the snapshot",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/text.pyx",
        "    if event.event == PASR_EVENT_ALLOC and (pfn == UINT64_MAX or (pfn == 0 and page_is_null)):",
        "    if event.event == PASR_EVENT_ALLOC and (pfn == UINT64_MAX or pfn == 0):",
        "frame 0 is always taken for a failed allocation",
        TEXT,
    ),
    Mutant(
        "_core/replay.pyx",
        "        if head < page or head + nr_block > stop:",
        "        if False:",
        "a partial free frees the whole block",
        REPLAY,
    ),
    Mutant(
        "_core/image.pyx",
        "    return nr_bytes == size_with(z, nr_split(<const uint8_t *> image + at, z.nr_blocks), nr_cached)",
        "    return True",
        "a snapshot of any length is read",
        ZONE,
    ),
    Mutant(
        "_core/image.pyx",
        "        if head != node:\n",
        "        if True:\n",
        "a digest depends on the undefined predecessor of a list head",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/image.pyx",
        "            if run.nr_blocks == 0:\n                run.last = 0",
        "            pass",
        "a digest depends on where a run ended that is empty now",
        f"{MACHINE} {ZONE}",
    ),
    Mutant(
        "_core/zonebase.pyx",
        '                    raise ValueError(f"{snapshot!r} is not sound: {fault}") from None\n'
        "                raise\n        self.forget_changes()",
        '                    raise ValueError(f"{snapshot!r} is not sound: {fault}") from None\n'
        "                raise",
        "restoring keeps the record of regions that changed before",
        ZONE,
    ),
    Mutant(
        "_core/turn.pxd",
        "        if self.is_taken:",
        "        if False:",
        "a zone that another call owns can be entered",
        "tests/test_zone_threads.py",
    ),
]
