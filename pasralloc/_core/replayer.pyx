"""The Python face of a replay."""

cimport cython
from cpython.buffer cimport Py_buffer, PyBuffer_Release
from libc.stdint cimport int8_t, int64_t, uint32_t, uint64_t
from libc.string cimport memset

from pasralloc._core.arena cimport Arena
from pasralloc._core.boundary cimport as_int, get_array
from pasralloc._core.events cimport pasr_event_t
from pasralloc._core.replay cimport (
    elapsed, mark_start, pages_t, place_anew, place_where_it_was, replay_events, replay_t, start_counting,
    transition_t,
)
from pasralloc._core.types cimport PASR_MAX_FRAMES, PASR_NR_PCPTYPES, pasr_idx_t
from pasralloc._core.zoneobject cimport Zone

import numpy as np

TRANSITION_DTYPE = np.dtype([("time_ns", "i8"), ("region", "u4"), ("is_empty", "u4")])


@cython.final
cdef class Replayer:
    """Replayer(zone, nr_pages, type_map, *, free_on_batched=False)\n--\n\n
    What-if replay of allocation and free events into a zone.

    A traced pfn is only the name of a block; the zone chooses where it lies.

    Parameters
    ----------
    zone : Zone
        Fresh; from here on it belongs to the replay.
    nr_pages : int
        Traced pfns from 0 on that can occur, less than 2**32. Memory for 4.5
        bytes each is reserved and touched as they do.
    type_map : sequence of int
        The zone's migratetype for each of the 16 numbers a trace may use.
    free_on_batched : bool, default False
        Whether ``mm_page_free_batched`` is the trace's only record of frees.

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
    cdef Zone zone
    cdef Arena tables
    cdef Arena small
    cdef list transitions
    cdef readonly int nr_empty_at_start
    cdef readonly int nr_packed_at_start

    def __cinit__(self, Zone zone not None, nr_pages, type_map, *, free_on_batched=False):
        cdef uint64_t nr = as_int(nr_pages, "nr_pages", 1, PASR_MAX_FRAMES)
        cdef uint64_t nr_words = (nr + 63) >> 6
        cdef uint32_t nr_regions = zone.c.nr_regions
        cdef char *p
        cdef int i
        types = list(type_map)
        if len(types) != 16:
            raise ValueError(f"type_map must have 16 entries, got {len(types)}")
        for i in range(16):
            self.r.type_map[i] = <int8_t> as_int(types[i], f"type_map[{i}]", 0, PASR_NR_PCPTYPES - 1)
        self.zone = zone
        self.r.zone = &zone.c
        self.r.nr_pages = nr
        self.r.free_on_batched = free_on_batched
        # Blocks reach past the last page by at most their own size.
        self.tables = Arena.create(nr_words * (64 * sizeof(pasr_idx_t) + sizeof(pages_t)), None)
        p = self.tables.memory
        self.r.names = <pasr_idx_t *> p
        p += nr_words * 64 * sizeof(pasr_idx_t)
        self.r.pages = <pages_t *> p
        self.r.room = 4 * nr_regions + 16384
        self.small = Arena.create(
            self.r.room * sizeof(transition_t) + (nr_regions + 1) * sizeof(uint64_t)
            + 2 * ((nr_regions + 63) >> 6) * sizeof(uint64_t) + nr_regions * sizeof(uint32_t), None)
        p = self.small.memory
        self.r.transitions = <transition_t *> p
        p += self.r.room * sizeof(transition_t)
        self.r.held = <uint64_t *> p
        self.r.empty = self.r.held + nr_regions + 1
        self.r.touched = self.r.empty + ((nr_regions + 63) >> 6)
        self.r.capacities = <uint32_t *> (self.r.touched + ((nr_regions + 63) >> 6))
        self.transitions = []
        self.begin()

    cdef begin(self):
        """Take the zone as it is for the start of the replay."""
        cdef uint32_t nr_words = (self.r.zone.nr_regions + 63) >> 6
        self.zone.changed_regions()
        memset(self.r.empty, 0, nr_words * sizeof(uint64_t))
        memset(self.r.touched, 0, nr_words * sizeof(uint64_t))
        self.r.nr_empty = 0
        start_counting(&self.r)
        self.nr_empty_at_start = self.r.nr_empty
        self.nr_packed_at_start = self.r.nr_packed

    def seed(self, pfns, nrs, types, *, anew):
        """Put pages that were in use before the trace in their places; must precede `feed`.

        Parameters
        ----------
        pfns, nrs : ndarray of int64, shape (n,)
            Disjoint ranges of pages within both the zone and *nr_pages*.
        types : ndarray of uint8, shape (n,)
            The zone's migratetype of each range; 255 for pages known to be free.
        anew : bool
            Let the zone choose a place for each page, in the order given;
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
        last = np.minimum(self.r.nr_pages, self.zone.start_pfn + self.zone.nr_pages)
        for name, wrong in (
            ("pfns", (pfns < self.zone.start_pfn) | (pfns >= last)),
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
        self.zone.enter()
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
        self.zone.leave()
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
        get_array(events, &view, "events", "EVENT_DTYPE", False)
        try:
            self.zone.enter()
            try:
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
                self.zone.leave()
        finally:
            PyBuffer_Release(&view)

    def result(self):
        """What has come out so far: dict of str to numbers, and the transitions as one array."""
        cdef replay_t *r = &self.r
        cdef double span = elapsed(r.first_ns, r.now_ns)
        touched = np.unpackbits(
            np.frombuffer((<char *> r.touched)[:((r.zone.nr_regions + 63) >> 6) * 8], np.uint8), bitorder="little")
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
