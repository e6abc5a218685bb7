"""Seeded bugs in replays: what they count, and where requests go on a machine."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

ZONE = "tests/test_replay.py"
MODEL = "tests/test_replay_machine_model.py"
MACHINE = "tests/test_replay_machine.py"
EVACUATION = "tests/test_replay_evacuation.py"

MUTANTS = [
    Mutant(
        "_core/replayregions.pyx",
        "    while needed != 0 and used <= r.held[needed - 1]:",
        "    while needed != 0 and used < r.held[needed - 1]:",
        "the packing bound needs one region too many when the pages fill the rest exactly",
        ZONE,
    ),
    Mutant(
        "_core/replayregions.pxd",
        "r.is_everywhere or r.memory.nr_slow != r.nr_slow",
        "r.is_everywhere",
        "regions that a drain of all pagesets empties are missed",
        MODEL,
    ),
    Mutant(
        "_core/replayregions.pyx",
        "    memset(r.capacities, 0, r.nr_regions * sizeof(uint32_t))\n",
        "",
        "regions without a zone count for the packing bound",
        MACHINE,
    ),
    Mutant(
        "_core/replayplaces.pxd",
        "    r.is_everywhere = r.is_everywhere or (r.at != PASR_NO_ZONE and r.at != at)\n",
        "",
        "of an event that changes two zones one is missed",
        MODEL,
    ),
    Mutant(
        "_core/replayplaces.pxd",
        "        return r.highest[gfp & 15]",
        "        return r.highest[gfp & 7]",
        "movable requests never get to Movable",
        MACHINE,
    ),
    Mutant(
        "_core/replayplaces.pxd",
        "r.memory, r.nodes[r.cpu], highest_of",
        "r.memory, 0, highest_of",
        "every request starts on the first node",
        MACHINE,
    ),
    Mutant(
        "_core/replayplaces.pyx",
        "    if m.vmstat_at_ns != due or m.evac",
        "    if m.evac",
        "regions that a decay of pagesets empties are missed",
        MACHINE,
    ),
    Mutant(
        "_core/replayplaces.pyx",
        "        stop = min(stop, z.start_pfn + <int64_t> z.nr_pages)\n",
        "",
        "what was in use across the end of a zone has no place",
        MACHINE,
    ),
    Mutant(
        "_core/replay.pyx",
        "    if r.memory != NULL:\n        return False                                        # a machine has all its memory from the start\n",
        "",
        "memory comes online in the first zone of a machine",
        MACHINE,
    ),
    Mutant(
        "_core/replayer.pyx",
        "            elif gfp & GFP_MOVABLE and gfp & GFP_HIGHMEM:",
        "            elif gfp & GFP_MOVABLE:",
        "movable memory that the kernel must address goes to Movable",
        MACHINE,
    ),
    Mutant(
        "_core/replayer.pyx",
        "    cdef uint8_t dma = PASR_ZONE_NORMAL,",
        "    cdef uint8_t dma = 0,",
        "without a zone DMA requests for it fail",
        MACHINE,
    ),
    Mutant(
        "sim/ground.py",
        " + piece.first_region\n",
        "\n",
        "a hierarchy numbers all regions of a zone alike",
        MACHINE,
    ),
    Mutant(
        "sim/ground.py",
        "(FREE, ABSENT))",
        "(FREE,))",
        "absent memory must have a place on the machine",
        MACHINE,
    ),
    Mutant(
        "_core/replayplaces.pyx",
        "    give_place(r, owner - 1, name_of_pfn(r, new_pfn))\n",
        "    r.names[owner - 1] = name_of_pfn(r, new_pfn)\n",
        "a block that was moved is found once, but not by its next move",
        EVACUATION,
    ),
    Mutant(
        "_core/replayplaces.pyx",
        "owner == 0 or r.names[owner - 1] != old:",
        "owner == 0:",
        "a block of somebody else takes the name of one that lay there before",
        EVACUATION,
    ),
    Mutant(
        "_core/replayplaces.pyx",
        " or m.evacuation.nr_tried != nr_tried:",
        ":",
        "regions that the worker empties on a machine are missed",
        EVACUATION,
    ),
    Mutant(
        "_core/replay.pyx",
        "        give_place(r, head + i, name + <pasr_idx_t> i)\n",
        "        r.names[head + i] = name + <pasr_idx_t> i\n",
        "pieces of a block are not followed when they are moved",
        EVACUATION,
    ),
    Mutant(
        "_core/replay.pyx",
        "            if has_place:\n                give_place(r, page, name_of_pfn(r, <int64_t> page))\n",
        "            if has_place:\n                r.names[page] = name_of_pfn(r, <int64_t> page)\n",
        "pages that were in use before the trace are not followed",
        EVACUATION,
    ),
    Mutant(
        "_core/replay.pyx",
        "            give_place(r, i, name)\n",
        "            r.names[i] = name\n",
        "pages that were placed anew before the trace are not followed",
        EVACUATION,
    ),
    Mutant(
        "_core/replay.pyx",
        "        if is_clocked:\n            give_place(r, page, name)\n",
        "        if on_machine:\n            give_place(r, page, name)\n",
        "in one zone blocks are not followed",
        EVACUATION,
    ),
    Mutant(
        "_core/replayer.pyx",
        "                    m.sink, m.sink_context = sink, context\n",
        "                    pass\n",
        "moves are told to a replay that may be gone",
        EVACUATION,
    ),
    Mutant(
        "sim/held.py",
        "(used <= most)",
        "(used < most)",
        "a region with just as many pages as an evacuation takes on counts as none",
        EVACUATION,
    ),
]
