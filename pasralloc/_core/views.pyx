"""The raw state of a zone or a simulation as live, read-only arrays; for tests and for the curious."""

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from pasralloc._core.arena cimport ReadOnlyView
from pasralloc._core.boundary cimport as_int
from pasralloc._core.memorybase cimport MemoryBase
from pasralloc._core.nodetypes cimport pasr_memzone_t
from pasralloc._core.types cimport (
    PASR_MAX_PAGE_ORDER, PASR_NR_MIGRATETYPES, PASR_NR_PCPLISTS, PASR_PARKED, pasr_freelist_t, pasr_link_t,
    pasr_pageset_t, pasr_region_t, pasr_run_t, pasr_zone_t,
)
from pasralloc._core.zone cimport nr_pageblocks, nr_region_words
from pasralloc._core.zonebase cimport ZoneBase

import numpy as np

from pasralloc._core.records import REGION_DTYPE

LINK_DTYPE = np.dtype([("next", "u4"), ("prev", "u4")])
RUN_DTYPE = np.dtype([("last", "u4"), ("nr_blocks", "u4")])


def zone_arrays(ZoneBase zone not None):
    """Arrays and counters of a zone, by the names of the fields of ``pasr_zone_t``.

    Returns
    -------
    arrays : dict of str to ndarray
        Read-only views of the live state; a counter is an array of one.
    """
    cdef pasr_zone_t *z = &zone.c
    cdef uint64_t nr_frames = <uint64_t> z.nr_blocks << PASR_MAX_PAGE_ORDER
    return {
        name: np.frombuffer(view, dtype)
        for name, view, dtype in (
            ("links", ReadOnlyView.create(zone, z.links, nr_frames * sizeof(pasr_link_t)), LINK_DTYPE),
            ("tags", ReadOnlyView.create(zone, z.tags, nr_frames), np.uint8),
            ("top_links", ReadOnlyView.create(zone, z.top_links, z.nr_blocks * sizeof(pasr_link_t)), LINK_DTYPE),
            ("top_tags", ReadOnlyView.create(zone, z.top_tags, z.nr_blocks), np.uint8),
            ("pageblocks", ReadOnlyView.create(zone, z.pageblocks, nr_pageblocks(z)), np.uint8),
            ("region_of_block",
             ReadOnlyView.create(zone, z.region_of_block, z.nr_blocks * sizeof(uint16_t)), np.uint16),
            ("regions", ReadOnlyView.create(zone, z.regions, z.nr_regions * sizeof(pasr_region_t)), REGION_DTYPE),
            ("changed", ReadOnlyView.create(zone, z.changed, nr_region_words(z) * sizeof(uint64_t)), np.uint64),
            ("changed_root", ReadOnlyView.create(zone, &z.changed_root, sizeof(uint64_t)), np.uint64),
            ("attention", ReadOnlyView.create(zone, z.attention, nr_region_words(z) * sizeof(uint64_t)), np.uint64),
            ("attention_root", ReadOnlyView.create(zone, &z.attention_root, sizeof(uint64_t)), np.uint64),
            ("alert_used", ReadOnlyView.create(zone, &z.alert_used, sizeof(uint32_t)), np.uint32),
            ("notify_used", ReadOnlyView.create(zone, &z.notify_used, sizeof(uint32_t)), np.uint32),
            ("opened", ReadOnlyView.create(zone, &z.opened, sizeof(uint32_t)), np.uint32),
            ("opened_state", ReadOnlyView.create(zone, &z.opened_state, 1), np.uint8),
            ("nr_free", ReadOnlyView.create(zone, &z.nr_free, sizeof(uint64_t)), np.uint64),
            ("nr_highatomic", ReadOnlyView.create(zone, &z.nr_highatomic, sizeof(uint64_t)), np.uint64),
            ("cma_first", ReadOnlyView.create(zone, &z.cma_first, 1), np.uint8),
            ("flags", ReadOnlyView.create(zone, &z.flags, 1), np.uint8),
            ("managed", ReadOnlyView.create(zone, &z.managed, sizeof(uint64_t)), np.uint64),
            ("nonempty", ReadOnlyView.create(zone, z.nonempty, PASR_NR_MIGRATETYPES * sizeof(uint32_t)), np.uint32),
        )
    }


def freelist_arrays(ZoneBase zone not None, order, migratetype):
    """Fields of one free list, by the names of the fields of ``pasr_freelist_t``.

    Migratetype 6 stands for the list of parked regions.

    Returns
    -------
    arrays : dict of str to ndarray
        Read-only views of the live state; a single field is an array of one.
    """
    cdef pasr_freelist_t *fl = &zone.c.lists[<int> as_int(order, "order", 0, PASR_MAX_PAGE_ORDER)][
        <int> as_int(migratetype, "migratetype", 0, PASR_NR_MIGRATETYPES - 1)] if migratetype != PASR_PARKED else (
        &zone.c.parked)
    return {
        name: np.frombuffer(view, dtype)
        for name, view, dtype in (
            ("head", ReadOnlyView.create(zone, &fl.head, sizeof(uint32_t)), np.uint32),
            ("tail", ReadOnlyView.create(zone, &fl.tail, sizeof(uint32_t)), np.uint32),
            ("nr_blocks", ReadOnlyView.create(zone, &fl.nr_blocks, sizeof(uint32_t)), np.uint32),
            ("head_region", ReadOnlyView.create(zone, &fl.head_region, sizeof(uint32_t)), np.uint32),
            ("root", ReadOnlyView.create(zone, &fl.root, sizeof(uint64_t)), np.uint64),
            ("leaf", ReadOnlyView.create(zone, fl.leaf, nr_region_words(&zone.c) * sizeof(uint64_t)), np.uint64),
            ("runs", ReadOnlyView.create(zone, fl.runs, zone.c.nr_regions * sizeof(pasr_run_t)), RUN_DTYPE),
        )
    }


def memory_arrays(MemoryBase memory not None, zone):
    """What is known about the blocks of a zone of a simulation, by the names of the fields of ``pasr_memzone_t``.

    Returns
    -------
    arrays : dict of str to ndarray
        Read-only views of the live state.
    """
    cdef pasr_memzone_t *mz = &memory.c.zones[<int> as_int(zone, "zone", 0, <int64_t> memory.c.nr_zones - 1)]
    return {
        name: np.frombuffer(view, dtype)
        for name, view, dtype in (
            ("states", ReadOnlyView.create(
                memory, mz.states, <uint64_t> mz.zone.nr_blocks << PASR_MAX_PAGE_ORDER), np.uint8),
            ("nr_lru", ReadOnlyView.create(memory, mz.nr_lru, sizeof(mz.nr_lru)), np.uint64),
            ("lru_top", ReadOnlyView.create(memory, mz.lru_top, sizeof(mz.lru_top)), np.uint32),
            ("queued", ReadOnlyView.create(
                memory, mz.queued, nr_region_words(mz.zone) * sizeof(uint64_t)), np.uint64),
            ("is_queued", ReadOnlyView.create(memory, &mz.is_queued, 1), np.uint8),
            ("evacuate_at_ns", ReadOnlyView.create(memory, &mz.evacuate_at_ns, sizeof(int64_t)), np.int64),
        )
    }


def pageset_arrays(ZoneBase zone not None, cpu):
    """Fields of one pageset, by the names of the fields of ``pasr_pageset_t``, and its lists.

    Returns
    -------
    arrays : dict of str or int to ndarray
        Read-only views of the live state; a single field is an array of one. By
        the number of a list: its frames, the next to be taken first, as long as
        the list is now.
    """
    cdef pasr_pageset_t *pageset = &zone.c.pagesets[<int> as_int(cpu, "cpu", 0, <int64_t> zone.c.nr_cpus - 1)]
    arrays = {
        name: np.frombuffer(view, dtype)
        for name, view, dtype in (
            ("count", ReadOnlyView.create(zone, &pageset.count, sizeof(uint32_t)), np.uint32),
            ("high", ReadOnlyView.create(zone, &pageset.high, sizeof(uint32_t)), np.uint32),
            ("free_count", ReadOnlyView.create(zone, &pageset.free_count, sizeof(uint32_t)), np.uint32),
            ("alloc_factor", ReadOnlyView.create(zone, &pageset.alloc_factor, 1), np.uint8),
            ("was_high_order", ReadOnlyView.create(zone, &pageset.was_high_order, 1), np.uint8),
        )
    }
    for i in range(PASR_NR_PCPLISTS):
        arrays[i] = np.frombuffer(
            ReadOnlyView.create(
                zone, pageset.lists[i].pages + pageset.lists[i].first,
                (pageset.lists[i].end - pageset.lists[i].first) * sizeof(uint32_t)), np.uint32)
    return arrays
