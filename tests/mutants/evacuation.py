"""Seeded bugs in migration: the engine, triggers and queues, following, what snapshots hold."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

ENGINE = "tests/test_evacuation.py"
TRIGGERS = "tests/test_evacuation_triggers.py"
REFUSALS = "tests/test_evacuation_refusals.py"
HISTORIES = "tests/test_migration_histories.py"

COMPACTION, EVACUATION, MOVED, ZONE = (
    f"_core/{name}.pyx" for name in ("compaction", "evacuation", "moved", "zone")
)
LISTS, IMAGE = "_core/freelist.pxd", "_core/memoryimage.pyx"

MUTANTS = [
    Mutant(file, old, new, why, killer)
    for file, old, new, why, killer in (
        # Where pages go
        (
            COMPACTION, "target.head, z.mode) < region_of", "target.head, z.mode) <= region_of",
            "a block of several pages may go to the region that is emptied", HISTORIES,
        ),
        (
            COMPACTION, ".head_region >= lowest", ".head_region > lowest",
            "a page may go to the region that is emptied", ENGINE,
        ),
        (
            COMPACTION, "if region < lowest or region > highest:", "if region != lowest:",
            "pages go to another region that the range touches", ENGINE,
        ),
        (
            COMPACTION, "                node = fl.runs[region].last\n", "                break\n",
            "what stands behind the region itself on a list is not seen", HISTORIES,
        ),
        (
            COMPACTION, "fl = &z.lists[high][migratetype]\n", "fl = &z.lists[high][z.movable]\n",
            "whatever moves takes movable memory", HISTORIES,
        ),
        # What ends a migration, and what is put back
        (
            COMPACTION, "or (order == 0 and control.targets == PASR_TARGETS_LOWER)", "",
            "the first page without a place does not end it", ENGINE,
        ),
        (
            COMPACTION, "(order == 0 and control.targets", "(control.targets",
            "a block of several pages without a place ends it", ENGINE,
        ),
        (
            COMPACTION, "why == <uint32_t> PASR_HELD_SINK or (", "(",
            "a refusal does not end it", REFUSALS,
        ),
        (
            COMPACTION, "            batch.blocks[nr_stuck] = batch.blocks[i]\n", "",
            "what stays is taken for what has moved", HISTORIES,
        ),
        (
            COMPACTION, "    leave(mz, left, nr)\n", "",
            "old places are never freed", ENGINE,
        ),
        (
            COMPACTION, "        why = holder\n", "        why = holder = PASR_HELD_NOT\n",
            "what comes after the end is moved nevertheless", REFUSALS,
        ),
        (
            COMPACTION, "        if m.answer != 0:", "        if m.answer == 9:",
            "the answer of a sink does not matter", REFUSALS,
        ),
        (
            COMPACTION, "            fill_move(&m.refused, z, source, target.head, order)\n", "",
            "nobody knows which move was refused", REFUSALS,
        ),
        (
            "_core/memoryranges.pyx", "        if was_refused:\n", "        if False:\n",
            "a refusal looks like any other end", REFUSALS,
        ),
        (
            COMPACTION, "or m.sink != NULL or tag_order", "or tag_order",
            "no sink is told of single pages", REFUSALS,
        ),
        (
            COMPACTION, "tag_order(head_tag(mz.zone, batch.blocks[i]))\n    return at",
            "1\n    return at",
            "a block that stays counts as two pages", HISTORIES,
        ),
        # Old places
        (
            COMPACTION, "if z.nr_cpus != 0 or z.rules", "if z.rules",
            "old places pass by the pagesets", ENGINE,
        ),
        (
            COMPACTION, "z.nr_cpus != 0 or z.rules != PASR_RULES_CLAIM or tag", "z.nr_cpus != 0 or tag",
            "3.9 gives old places the type that their links seem to hold", HISTORIES,
        ),
        (
            COMPACTION, "pcp_free(z, mz.kswapd_cpu, pfn_of(z, places[i]), -1)",
            "pcp_free(z, z.nr_cpus - 1 if z.nr_cpus != 0 else 0, pfn_of(z, places[i]), -1)",
            "old places go to the pageset of another CPU", ENGINE,
        ),
        # What may move
        (
            COMPACTION, "if state == PASR_PAGE_PINNED or (state", "if (state",
            "pinned pages move", ENGINE,
        ),
        (
            COMPACTION, "PASR_PAGE_UNEVICTABLE and not moves_unevictable)", "PASR_PAGE_UNEVICTABLE)",
            "unevictable pages never move", ENGINE,
        ),
        (
            COMPACTION, "return MOVABLE if tag_type(tag) == mz.zone.movable else UNMOVABLE",
            "return MOVABLE", "unmovable pages move", ENGINE,
        ),
        (
            COMPACTION, "        lru_add(mz, target, state)\n", "",
            "what was known of a block is lost when it moves", ENGINE,
        ),
        (
            COMPACTION, "!= PASR_PAGE_CLEAN:", "< PASR_PAGE_CLEAN:",
            "dirty page cache is dropped", ENGINE,
        ),
        (
            COMPACTION, "        if control.drops_clean:\n", "        if True:\n",
            "clean page cache is always dropped", ENGINE,
        ),
        # Tries, and the walk
        (
            COMPACTION, "tries < control.max_tries", "tries <= control.max_tries",
            "there is one try too many", ENGINE,
        ),
        (
            COMPACTION, "while batch.nr != 0 and tries <", "while tries <",
            "tries go on although all has moved, as posted", ENGINE,
        ),
        (
            COMPACTION, "            drain_zone(mz.zone)\n            done.holder", "            done.holder",
            "nothing is drained before another try", ENGINE,
        ),
        (
            COMPACTION, "    if control.drains:\n", "    if False:\n",
            "nothing is drained first", ENGINE,
        ),
        (
            COMPACTION, "    if block.state == PASR_ALLOCATED:\n        at = block.head\n    elif",
            "    if", "a block that reaches into a range stays", ENGINE,
        ),
        (
            COMPACTION, "nr_expected[0] -= min(nr, nr_expected[0])",
            "nr_expected[0] -= min(2 * nr, nr_expected[0])", "the walk ends early", ENGINE,
        ),
        (
            COMPACTION, "batch.nr_pages < COMPACT_CLUSTER_MAX", "batch.nr_pages < 31",
            "batches are smaller", ENGINE,
        ),
        # The two scanners
        (
            COMPACTION, "while scanner.pageblock > scanner.last:", "while scanner.pageblock >= scanner.last:",
            "the free scanner enters the pageblock that is emptied", HISTORIES,
        ),
        (
            COMPACTION, "                scanner.stop = max(scanner.stop, block_end(target[0]))\n", "",
            "the scanner leaves a block that reaches out of its pageblock",
            "tests/test_compaction_outcome.py",
        ),
        (
            COMPACTION, "                    target.migratetype != PASR_PARKED", "                    True",
            "compaction takes what is parked", HISTORIES,
        ),
        (
            COMPACTION, "    return migratetype == z.movable or migratetype == PASR_CMA", "    return True",
            "compaction fills pageblocks of any type", ENGINE,
        ),
        (
            COMPACTION,
            "            pageblock = max(pageblock, (<uint64_t> end >> z.pageblock_order) - 1)\n",
            "            pageblock += end & 0\n",
            "a large block is met in each of its pageblocks", ENGINE,
        ),
        # Triggers
        (
            EVACUATION, "for region in range(1, mz.zone.nr_regions):", "for region in range(0, mz.zone.nr_regions):",
            "a period queues the first region", HISTORIES,
        ),
        (
            EVACUATION, "r.nr_free <= m.evacuation.max_used", "r.nr_free < m.evacuation.max_used",
            "a region with just so many pages is left alone", TRIGGERS,
        ),
        (
            EVACUATION, "0 < <int64_t> r.managed", "0 <= <int64_t> r.managed",
            "regions that are empty are evacuated", TRIGGERS,
        ),
        (
            EVACUATION, " and mz.type != PASR_ZONE_DMA:", ":",
            "frees in a zone of type DMA count", TRIGGERS,
        ),
        (
            EVACUATION, "    if not mz.is_queued:\n        mz.is_queued", "    if True:\n        mz.is_queued",
            "what comes later puts the worker off", TRIGGERS,
        ),
        (
            EVACUATION, "mz.queued[w] |= z.attention[w]", "mz.queued[w] = z.attention[w]",
            "regions that were queued before are lost", HISTORIES,
        ),
        (
            EVACUATION, "m.now_ns + m.evacuation.latency_ns\n", "m.now_ns\n",
            "the worker does not wait", TRIGGERS,
        ),
        (
            EVACUATION, "w = i if is_ascending else nr_words - 1 - i", "w = i",
            "words of a set of regions are always taken upwards", TRIGGERS,
        ),
        (
            EVACUATION, "lowest_bit(regions[w]) if is_ascending else highest_bit(regions[w])",
            "lowest_bit(regions[w])", "regions are always taken upwards", TRIGGERS,
        ),
        (
            EVACUATION, "        mz.queued[w] = 0\n    if mz.zone", "    if mz.zone",
            "regions that were looked at stay queued", HISTORIES,
        ),
        (
            EVACUATION, "        mz.zone.opened_state = PASR_OPENED_NONE\n", "        pass\n",
            "the handshake never ends", TRIGGERS,
        ),
        (
            EVACUATION, "        if should_evacuate(m, mz, region):\n            if is_logged",
            "        if region != 0:\n            if is_logged",
            "the worker does not count pages again", TRIGGERS,
        ),
        (
            EVACUATION, "    return m.nr_moves - since.nr_moves + nr <= PASR_NR_MOVES and (",
            "    return True or (", "workers move more than the log holds", TRIGGERS,
        ),
        (
            EVACUATION, "                queue_region(m, mz, region)\n        region = take",
            "                pass\n        region = take",
            "what the log had no room for is lost", TRIGGERS,
        ),
        (
            EVACUATION, "// m.evacuation.period_ns + 1) *", "// m.evacuation.period_ns) *",
            "a period that has begun is run again", TRIGGERS,
        ),
        (
            ZONE, "        z.opened_state = PASR_OPENED_READY\n", "        pass\n",
            "frees do not take up what allocations have noted", TRIGGERS,
        ),
        (
            ZONE, "    if 0 < used <= z.notify_used:", "    if 0 <= used <= z.notify_used:",
            "a free that empties a region queues it", TRIGGERS,
        ),
        (
            ZONE, "if region != 0 and (migratetype == z.movable or", "if (migratetype == z.movable or",
            "a free queues the first region", TRIGGERS,
        ),
        (
            ZONE, "(migratetype == z.movable or migratetype == z.reclaimable):\n        regionmap",
            "True:\n        regionmap", "a free in any pageblock counts", TRIGGERS,
        ),
        (
            "_core/bulk.pxd", "        if k != 0 and z.notify_used != 0:", "        if False:",
            "pages that go back together count as one free", TRIGGERS,
        ),
        (
            "_core/zone.pxd",
            "region_give(z, region, <uint32_t> 1 << order)):\n            zone_alert(z, region, idx)",
            "region_give(z, region, <uint32_t> 1 << order)):\n            zone_alert(z, 0, idx)",
            "another region gets the attention", TRIGGERS,
        ),
        (
            LISTS, "    if z.opened_state != PASR_OPENED_NONE and z.opened_state",
            "    if z.opened_state == 9 and z.opened_state",
            "what is opened while one waits takes its place", TRIGGERS,
        ),
        (
            LISTS, "    if region != 0 and (migratetype == z.movable or", "    if (migratetype == z.movable or",
            "the opening of the first region is noted", TRIGGERS,
        ),
        (
            LISTS, " or migratetype == PASR_CMA):\n        z.opened", "):\n        z.opened",
            "opened CMA memory is not noted", TRIGGERS,
        ),
        # Following
        (
            MOVED, "place_of(places, move.new_pfn))", "move.new_pfn)",
            "a block that moves twice is lost", HISTORIES,
        ),
        (
            MOVED, "reclaimed.nr_moves) <= 0:", "reclaimed.nr_moves) < 0:",
            "what is reclaimed after all moves is found before them", HISTORIES,
        ),
        (
            MOVED, "if <int32_t> (<uint32_t> i - reclaimed.nr_moves) < 0:",
            "if <int32_t> (<uint32_t> i - reclaimed.nr_moves) < 1:",
            "one block is followed past the moment of its reclaim", "tests/test_reclaim.py",
        ),
        (
            "_core/memory.pyx", "            if self.pass_time(now):\n                number = follow",
            "            if self.pass_time(now) and False:\n                number = follow",
            "free() does not follow", TRIGGERS,
        ),
        (
            "_core/batchcalls.pyx", "    follow_all(target.place.memory, then, slots, nr_slots)\n", "",
            "slots do not follow", HISTORIES,
        ),
        (
            "_core/nodestream.pyx", "        follow_all(m, then, pfns, nr)\n", "        then.nr_moves = 0\n",
            "free_batch() does not follow", HISTORIES,
        ),
        # Snapshots
        (
            IMAGE, "    mz.is_queued = worker.is_queued\n", "", "a queue is not restored", REFUSALS,
        ),
        (
            IMAGE, "    mz.zone.opened = worker.opened\n", "", "what was opened is not restored", TRIGGERS,
        ),
        (
            IMAGE, "UINT32_MAX if worker.opened_state == PASR_OPENED_NOTED else mz.zone.notify_used",
            "mz.zone.notify_used", "after a restore the next free is not looked at", REFUSALS,
        ),
        (
            IMAGE, "    if mz.is_queued:\n        worker.evacuate_at_ns = mz.evacuate_at_ns\n",
            "    worker.evacuate_at_ns = mz.evacuate_at_ns\n",
            "a time that means nothing is part of the state", TRIGGERS,
        ),
        (
            "_core/memorybase.pyx", "        evacuation_collect(&self.c)\n", "        pass\n",
            "what zones have noted is not saved", REFUSALS,
        ),
    )
]  # fmt: skip
