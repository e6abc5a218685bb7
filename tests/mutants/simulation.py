"""Seeded bugs in simulations: watermarks, zonelists, reclaim, states, time, streams, snapshots."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

RULES = "tests/test_simulation.py"
STATES = f"{RULES} tests/test_simulation_machine.py"
REFUSALS = "tests/test_simulation_refusals.py"

MUTANTS = [
    Mutant(
        "_core/watermark.pyx",
        "    if flags & PASR_ALLOC_NON_BLOCK:\n        least -= least // 4\n    if nr_free",
        "    if nr_free",
        "3.9 gives a request that cannot wait no more than others",
        RULES,
    ),
    Mutant(
        "_core/watermark.pyx",
        "        nr_free -= <int64_t> nr_free_of(z, PASR_CMA)",
        "        pass",
        "CMA memory counts for everybody",
        RULES,
    ),
    Mutant(
        "_core/watermark.pyx",
        "        least >>= 1\n",
        "",
        "3.9 wants as much in every order",
        RULES,
    ),
    Mutant(
        "_core/watermark.pyx",
        "    return listed >> order != 0",
        "    return listed != 0",
        "a block of any order serves a request of any order",
        STATES,
    ),
    Mutant(
        "_core/watermark.pyx",
        "    if nr_free <= least + reserve:\n        return False\n    if order == 0",
        "    if nr_free < least + reserve:\n        return False\n    if order == 0",
        "the watermark itself is still enough",
        RULES,
    ),
    Mutant(
        "_core/node.pyx",
        "        if avoiding and mz.nid != m.zones[zonelist[0]].nid:",
        "        if False:",
        "a remote node is preferred to mixing types",
        STATES,
    ),
    Mutant(
        "_core/node.pyx",
        "    if first.type != PASR_ZONE_NORMAL:\n        return False\n",
        "",
        "any zone avoids to mix types",
        STATES,
    ),
    Mutant(
        "_core/node.pyx",
        "                if mz.zone.watermark_boost != 0 and not mz.wants_kswapd:",
        "                if False:",
        "nobody is woken after watermarks were raised",
        RULES,
    ),
    Mutant(
        "_core/node.pyx",
        "    if pfn < 0 and not flags & PASR_ALLOC_NON_BLOCK:",
        "    if pfn < 0:",
        "a request that cannot wait reclaims",
        RULES,
    ),
    Mutant(
        "_core/node.pyx",
        "        give_up_reserves(m, zonelist, migratetype, False)",
        "        if attempt == 1:\n            give_up_reserves(m, zonelist, migratetype, False)",
        "pagesets are drained after the first attempt alone",
        "tests/test_reclaim.py",
    ),
    Mutant(
        "_core/node.pyx",
        "        m.kswapd_at_ns = m.now_ns + m.kswapd_latency_ns",
        "        m.kswapd_at_ns = m.now_ns",
        "kswapd runs at once",
        RULES,
    ),
    Mutant(
        "_core/node.pyx",
        "    m.vmstat_at_ns += nr * m.vmstat_interval_ns",
        "    m.vmstat_at_ns += m.vmstat_interval_ns",
        "intervals that passed at once are counted again",
        STATES,
    ),
    Mutant(
        "_core/node.pyx",
        "            lru_remove(mz, idx_of(mz.zone, pfn))",
        "            pass",
        "a freed block stays on its list",
        RULES,
    ),
    Mutant(
        "_core/reclaim.pyx",
        "            lru_add(mz, idx, PASR_PAGE_CLEAN)",
        "            lru_add(mz, idx, PASR_PAGE_DIRTY)",
        "what was written is still dirty",
        RULES,
    ),
    Mutant(
        "_core/reclaim.pyx",
        "            if m.swap_free < pages:\n                break",
        "            if m.swap_free < pages:\n                pass",
        "memory goes to swap that is not there",
        RULES,
    ),
    Mutant(
        "_core/reclaim.pyx",
        "        mz.zone.watermark_boost = 0",
        "        pass",
        "watermarks stay high for good",
        STATES,
    ),
    Mutant(
        "_core/reclaim.pyx",
        "PASR_WMARK_HIGH), mz.type,",
        "PASR_WMARK_HIGH) - 1, mz.type,",
        "kswapd stops a page too early",
        RULES,
    ),
    Mutant(
        "_core/lru.pyx",
        "    if slot > mz.lru_top[which]:",
        "    if False:",
        "the highest region with something to reclaim is not remembered",
        RULES,
    ),
    Mutant(
        "_core/lru.pyx",
        "    if link.next == PASR_NIL:\n        lru.youngest = link.prev",
        "    if link.next == PASR_NIL:\n        lru.youngest = PASR_NIL",
        "the youngest of a list is lost with its last block",
        STATES,
    ),
    Mutant(
        "_core/nodestream.pyx",
        "                    if cython.unlikely(first.zone.watermark_boost != 0):",
        "                    if False:",
        "a stream wakes nobody after watermarks were raised",
        RULES,
    ),
    Mutant(
        "_core/nodestream.pyx",
        "        return z.nr_free > first.plenty",
        "        return z.nr_free >= first.plenty",
        "a stream takes the page at the low watermark",
        STATES,
    ),
    Mutant(
        "_core/nodestream.pyx",
        "(ops[i].flags & PASR_OP_CHECK_ORDER or has_states)",
        "(ops[i].flags & PASR_OP_CHECK_ORDER)",
        "a stream frees blocks whose state is known as if it was not",
        STATES,
    ),
    Mutant(
        "_core/nodestream.pyx",
        "            unmark_block(m.zones[zone_at(m, pfns[i])].zone, pfns[i], tags[i])\n        at =",
        "            pass\n        at =",
        "a batch that is refused leaves its marks",
        REFUSALS + " " + STATES,
    ),
    Mutant(
        "_core/memory.pyx",
        "        now = self.as_time(now_ns)\n        self.turn.refuse_if_taken()\n        if now > self.c.now_ns:\n            node_advance(&self.c, now)\n        pfn",
        "        self.turn.refuse_if_taken()\n        now = self.as_time(now_ns)\n        if now > self.c.now_ns:\n            node_advance(&self.c, now)\n        pfn",
        "a number that runs code lets another call in",
        "tests/test_simulation_threads.py",
    ),
    Mutant(
        "sim/plan.py",
        "                    pieces[i].group,\n                    -pieces[i].span.type,",
        "                    -pieces[i].span.type,\n                    pieces[i].group,",
        "a hierarchy tries zones of one type in all regions first",
        "tests/test_simulation.py",
    ),
    Mutant(
        "sim/plan.py",
        "replace(piece.span, nid=piece.span.nid * len(pieces) + piece.group) for piece in pieces",
        "piece.span for piece in pieces",
        "zones of one region hold memory back for those of others",
        "tests/test_simulation.py",
    ),
]
