"""The Python face of a replay."""

cimport cython
from cpython.buffer cimport Py_buffer, PyBuffer_Release
from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from pasralloc._core.arena cimport Arena, ReadOnlyView
from pasralloc._core.boundary cimport as_int, get_array
from pasralloc._core.events cimport pasr_event_t
from pasralloc._core.memorybase cimport MemoryBase
from pasralloc._core.node cimport node_drain
from pasralloc._core.nodetypes cimport (
    PASR_NO_ZONE, PASR_TRIGGER_NONE, PASR_ZONE_DMA32, PASR_ZONE_MOVABLE, PASR_ZONE_NORMAL, pasr_memory_t, pasr_move_fn,
)
from pasralloc._core.replay cimport mark_start, place_anew, place_where_it_was, replay_events
from pasralloc._core.replayplaces cimport follow_move
from pasralloc._core.replayregions cimport start_counting
from pasralloc._core.replaytypes cimport elapsed, pages_t, part_t, replay_t, transition_t
from pasralloc._core.turn cimport Turn
from pasralloc._core.types cimport PASR_MAX_FRAMES, PASR_MAX_PAGE_ORDER, PASR_NIL, PASR_NR_PCPTYPES, pasr_idx_t
from pasralloc._core.zonebase cimport ZoneBase
from pasralloc._core.zoneobject cimport Zone

import numpy as np

from pasralloc.choices import unknown

TRANSITION_DTYPE = np.dtype([("time_ns", "i8"), ("region", "u4"), ("is_empty", "u4")])


cdef enum:
    MAX_REGIONS = 1 << 24
    GFP_DMA = 1
    GFP_HIGHMEM = 2
    GFP_DMA32 = 4
    GFP_MOVABLE = 8


cdef inline uint64_t nr_words(uint64_t nr_bits) noexcept:
    return (nr_bits + 63) >> 6


@cython.final
cdef class Replayer:
    """Replayer(memory, nr_pages, type_map, *, free_on_batched=False, cpu_nodes=None, first_regions=None, \
around=None)\n--\n\n
    What-if replay of allocation and free events into a zone, or into the zones of a simulation.

    A traced pfn is only the name of a block; the memory chooses where it lies.

    Parameters
    ----------
    memory : Zone or Simulation
        Fresh; from here on it belongs to the replay. While events are fed, the blocks that its worker migrates keep
        their names, and no other sink is told of moves.
    nr_pages : int
        Traced pfns from 0 on that can occur, less than 2**32. Memory for 4.5
        bytes each is reserved and touched as they do, and for 4 bytes per page of *memory* if it is evacuated.
    type_map : sequence of int
        The zone's migratetype for each of the 16 numbers a trace may use.
    free_on_batched : bool, default False
        Whether ``mm_page_free_batched`` is the trace's only record of frees.
    cpu_nodes : sequence of int, optional
        Of a simulation: nid of each CPU.
    first_regions : sequence of int, optional
        Number of the first region of each zone; by default regions are numbered from zone to zone.
    around : MemoryRanges, optional
        If *memory* is a MemoryZone: what it is the only zone of. The time of this passes with that of the trace, so
        that its worker evacuates regions; requests go to the zone itself, as to a Zone.

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit.
    MemoryError

    Notes
    -----
    Threading rule: one thread at a time.
    """

    cdef replay_t r
    cdef object memory
    cdef MemoryBase clocked
    cdef list zones
    cdef Turn turn
    cdef Arena tables
    cdef Arena small
    cdef Arena owners
    cdef list transitions
    cdef readonly int nr_empty_at_start
    cdef readonly int nr_packed_at_start

    def __cinit__(
        self, memory, nr_pages, type_map, *, free_on_batched=False, cpu_nodes=None, first_regions=None, around=None,
    ):
        cdef uint64_t nr = as_int(nr_pages, "nr_pages", 1, PASR_MAX_FRAMES)
        cdef int i
        types = list(type_map)
        if len(types) != 16:
            raise ValueError(f"type_map must have 16 entries, got {len(types)}")
        for i in range(16):
            self.r.type_map[i] = <int8_t> as_int(types[i], f"type_map[{i}]", 0, PASR_NR_PCPTYPES - 1)
        self.r.nr_pages = nr
        self.r.free_on_batched = free_on_batched
        self.memory = memory
        if around is not None:
            if not isinstance(around, MemoryBase) or around.zones is None or list(around.zones) != [memory]:
                raise TypeError(f"around must be what {memory!r} is the only zone of, got {around!r}")
            self.zones = [memory]
        elif isinstance(memory, Zone):
            self.zones = [memory]
        elif isinstance(memory, MemoryBase) and memory.zones:
            self.zones = list(memory.zones)
        else:
            raise TypeError(f"memory must be a Zone or a Simulation, got {memory!r}")
        if first_regions is None:
            nrs = [zone.nr_regions for zone in self.zones]
            first_regions = [sum(nrs[:i]) for i in range(len(nrs))]
        if len(first_regions) != len(self.zones):
            raise ValueError(f"first_regions must have {len(self.zones)} entries, got {len(first_regions)}")
        self.make_tables(list(first_regions), len(cpu_nodes) if cpu_nodes is not None else 0)
        if isinstance(memory, MemoryBase):
            self.use_machine(memory, cpu_nodes)
            around = memory
        if around is not None:
            self.keep_clock(around)
        self.transitions = []
        self.begin()

    cdef int make_tables(self, list first_regions, uint64_t nr_cpus) except -1:
        cdef replay_t *r = &self.r
        cdef ZoneBase zone = self.zones[0]
        cdef uint32_t i
        cdef char *p
        self.turn = zone.turn
        r.zone = &zone.c
        r.base_pfn = zone.c.base_pfn
        r.nr_parts = len(self.zones)
        for i, zone in enumerate(self.zones):
            first_regions[i] = as_int(first_regions[i], f"first_regions[{i}]", 0, MAX_REGIONS)
            r.nr_regions = max(r.nr_regions, <uint32_t> first_regions[i] + zone.c.nr_regions)
        zone = self.zones[0]
        # Blocks reach past the last page by at most their own size.
        self.tables = Arena.create(nr_words(r.nr_pages) * (64 * sizeof(pasr_idx_t) + sizeof(pages_t)), None)
        p = self.tables.memory
        r.names = <pasr_idx_t *> p
        p += nr_words(r.nr_pages) * 64 * sizeof(pasr_idx_t)
        r.pages = <pages_t *> p
        r.room = 4 * <uint64_t> r.nr_regions + 16384
        self.small = Arena.create(
            r.room * sizeof(transition_t) + r.nr_parts * sizeof(part_t)
            + (r.nr_regions + 1 + 2 * nr_words(r.nr_regions)) * sizeof(uint64_t)
            + r.nr_regions * sizeof(uint32_t) + nr_cpus * sizeof(uint16_t), None)
        p = self.small.memory
        r.transitions = <transition_t *> p
        p += r.room * sizeof(transition_t)
        r.parts = <part_t *> p
        p += r.nr_parts * sizeof(part_t)
        r.held = <uint64_t *> p
        r.empty = r.held + r.nr_regions + 1
        r.touched = r.empty + nr_words(r.nr_regions)
        r.capacities = <uint32_t *> (r.touched + nr_words(r.nr_regions))
        r.nodes = <uint16_t *> (r.capacities + r.nr_regions)
        for i in range(r.nr_parts):
            zone = self.zones[i]
            r.parts[i].zone = &zone.c
            r.parts[i].first_region = first_regions[i]
        return 0

    cdef int use_machine(self, MemoryBase memory, object cpu_nodes) except -1:
        """Allocate from all zones of a simulation."""
        cdef replay_t *r = &self.r
        cdef uint32_t cpu, gfp
        cdef uint8_t dma = PASR_ZONE_NORMAL, dma32 = PASR_ZONE_NORMAL
        if cpu_nodes is None or len(cpu_nodes) != memory.c.nr_cpus:
            raise ValueError(f"cpu_nodes must have an entry for each of {memory.c.nr_cpus} CPUs, got {cpu_nodes!r}")
        if memory.c.nr_blocks << PASR_MAX_PAGE_ORDER > PASR_MAX_FRAMES:
            raise ValueError(
                f"a replay takes at most {PASR_MAX_FRAMES} pages from the first of a machine to its last,"
                f" got {memory.c.nr_blocks << PASR_MAX_PAGE_ORDER}")
        for cpu in range(memory.c.nr_cpus):
            if cpu_nodes[cpu] not in memory.nodes:
                raise ValueError(unknown(f"cpu_nodes[{cpu}]", cpu_nodes[cpu], memory.nodes))
            (<uint16_t *> r.nodes)[cpu] = <uint16_t> memory.nodes[cpu_nodes[cpu]]
        # A kernel without such a zone takes memory that would have to be in it from Normal.
        for zone in self.zones:
            if zone.name == "DMA":
                dma = 0
            elif zone.name == "DMA32":
                dma32 = PASR_ZONE_DMA32
        for gfp in range(16):
            r.highest[gfp] = PASR_ZONE_NORMAL
            if gfp & GFP_DMA:
                r.highest[gfp] = dma
            elif gfp & GFP_DMA32:
                r.highest[gfp] = dma32
            elif gfp & GFP_MOVABLE and gfp & GFP_HIGHMEM:
                r.highest[gfp] = PASR_ZONE_MOVABLE
        r.memory = &memory.c
        r.base_pfn = memory.c.base_pfn
        return 0

    cdef int keep_clock(self, MemoryBase memory) except -1:
        """Let the time of *memory* pass with that of the trace; if its worker then moves blocks, names follow."""
        self.clocked = memory
        self.r.clocked = &memory.c
        if memory.c.evacuation.trigger != PASR_TRIGGER_NONE:
            self.owners = Arena.create((memory.c.nr_blocks << PASR_MAX_PAGE_ORDER) * sizeof(pasr_idx_t), None)
            self.r.owners = <pasr_idx_t *> self.owners.memory
        return 0

    cdef begin(self):
        """Take the memory as it is for the start of the replay."""
        cdef ZoneBase zone
        if self.r.memory != NULL:
            node_drain(self.r.memory)
            self.r.nr_slow = self.r.memory.nr_slow
        self.r.at = PASR_NO_ZONE
        self.r.is_everywhere = False
        for zone in self.zones:
            zone.forget_changes()
        memset(self.r.empty, 0, nr_words(self.r.nr_regions) * sizeof(uint64_t))
        memset(self.r.touched, 0, nr_words(self.r.nr_regions) * sizeof(uint64_t))
        self.r.nr_empty = 0
        start_counting(&self.r)
        self.nr_empty_at_start = self.r.nr_empty
        self.nr_packed_at_start = self.r.nr_packed

    def seed(self, pfns, nrs, types, *, anew):
        """Put pages that were in use before the trace in their places; must precede `feed`.

        Parameters
        ----------
        pfns, nrs : ndarray of int64, shape (n,)
            Disjoint ranges of pages within *nr_pages*, and within the zone if there is only one.
        types : ndarray of uint8, shape (n,)
            The zone's migratetype of each range; 255 for pages known to be free.
        anew : bool
            Let the memory choose a place for each page, in the order given, on a machine as CPU 0;
            otherwise each keeps its own pfn, which must be free.

        Raises
        ------
        ValueError, TypeError
            If an array or a range does not fit; nothing is placed.
        RuntimeError
            If the replay has begun.
        """
        cdef Py_buffer views[3]
        cdef int64_t pfn, nr
        cdef Py_ssize_t i, n
        if self.r.is_started:
            raise RuntimeError("the start must be seeded before the first event")
        cdef bint is_anew = bool(anew)
        pfns = np.ascontiguousarray(pfns, dtype=np.int64)
        nrs = np.ascontiguousarray(nrs, dtype=np.int64)
        types = np.ascontiguousarray(types, dtype=np.uint8)
        n = len(pfns)
        if len(nrs) != n or len(types) != n:
            raise ValueError(f"pfns, nrs and types must have equal lengths, got {n}, {len(nrs)} and {len(types)}")
        first, last = 0, self.r.nr_pages
        if self.r.memory == NULL:
            first, last = self.r.zone.start_pfn, min(last, self.r.zone.start_pfn + self.r.zone.nr_pages)
        for name, wrong in (
            ("pfns", (pfns < first) | (pfns >= last)),
            ("nrs", (nrs < 1) | (nrs > last - pfns)),
            ("types", (types >= PASR_NR_PCPTYPES) & (types != 255)),
        ):
            if wrong.any():
                at = int(np.flatnonzero(wrong)[0])
                raise ValueError(
                    f"range {at} of the start, {nrs[at]} pages from pfn {pfns[at]:#x} of type {types[at]},"
                    f" has {name} that do not fit")
        get_array(pfns, &views[0], "pfns", "int64", False)
        get_array(nrs, &views[1], "nrs", "int64", False)
        get_array(types, &views[2], "types", "uint8", False)
        self.turn.take()
        with nogil:
            for i in range(n):
                pfn = (<int64_t *> views[0].buf)[i]
                nr = (<int64_t *> views[1].buf)[i]
                mark_start(&self.r, pfn, nr, (<unsigned char *> views[2].buf)[i] != 255)
                if (<unsigned char *> views[2].buf)[i] == 255:
                    continue
                if is_anew:
                    place_anew(&self.r, pfn, nr, (<unsigned char *> views[2].buf)[i])
                else:
                    place_where_it_was(&self.r, pfn, nr, (<unsigned char *> views[2].buf)[i])
        self.turn.give_back()
        for i in range(3):
            PyBuffer_Release(&views[i])
        self.begin()

    def feed(self, events):
        """Replay events.

        Parameters
        ----------
        events : ndarray of EVENT_DTYPE, shape (n,)
            In order of time; any content is safe.

        Raises
        ------
        ValueError, TypeError
            If *events* is no such array.
        RuntimeError
            If another thread's call owns the zone.

        Notes
        -----
        Releases the GIL.
        """
        cdef Py_buffer view
        cdef uint64_t done = 0, nr
        cdef pasr_memory_t *m = self.r.clocked
        cdef pasr_move_fn sink = NULL
        cdef void *context = NULL
        get_array(events, &view, "events", "EVENT_DTYPE", False)
        try:
            self.turn.take()
            try:
                if m != NULL:
                    sink, context = m.sink, m.sink_context
                    m.sink, m.sink_context = follow_move, &self.r
                nr = view.shape[0]
                while done < nr:
                    with nogil:
                        done += replay_events(&self.r, <pasr_event_t *> view.buf + done, nr - done)
                    if self.r.nr_transitions:
                        self.transitions.append(np.frombuffer(
                            (<char *> self.r.transitions)[:self.r.nr_transitions * sizeof(transition_t)],
                            TRANSITION_DTYPE))
                        self.r.nr_transitions = 0
            finally:
                if m != NULL:
                    m.sink, m.sink_context = sink, context
                self.turn.give_back()
        finally:
            PyBuffer_Release(&view)

    def places(self):
        """Where the blocks of the trace lie now, those that have a place.

        Returns
        -------
        pages, pfns : ndarray of int64, shape (n,)
            First traced page of each block, ascending, and the pfn where it lies.

        Raises
        ------
        RuntimeError
            If another thread's call owns the memory.

        Notes
        -----
        O(*nr_pages*).
        """
        self.turn.refuse_if_taken()
        names = np.frombuffer(
            ReadOnlyView.create(self, self.r.names, self.r.nr_pages * sizeof(pasr_idx_t)), np.uint32)
        pages = np.flatnonzero((names != 0) & (names != PASR_NIL))
        return pages, names[pages].astype(np.int64) + (self.r.base_pfn - 1)

    def result(self):
        """What has come out so far: dict of str to numbers, and the transitions as one array."""
        cdef replay_t *r = &self.r
        cdef double span = elapsed(r.first_ns, r.now_ns)
        touched = np.unpackbits(
            np.frombuffer((<char *> r.touched)[:nr_words(r.nr_regions) * 8], np.uint8), bitorder="little")
        return {
            "counts": r.counts,
            "first_ns": r.first_ns,
            "last_ns": r.now_ns,
            "regions_touched": int(touched.sum()),
            "empty_start": self.nr_empty_at_start,
            "empty_mean": (r.empty_ns + r.nr_empty * elapsed(r.changed_ns, r.now_ns)) / span if span > 0 else (
                <double> r.nr_empty),
            "empty_end": r.nr_empty,
            "packed_start": self.nr_packed_at_start,
            "packed_mean": (r.packed_sum_ns + r.nr_packed * elapsed(r.packed_ns, r.now_ns)) / span if span > 0 else (
                <double> r.nr_packed),
            "packed_end": r.nr_packed,
            "transitions": (
                np.concatenate(self.transitions) if self.transitions else np.empty(0, TRANSITION_DTYPE)),
        }
