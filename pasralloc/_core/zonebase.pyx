"""What a zone is: its memory, its geometry, its state, and questions about it."""

from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from pasralloc._core.arena cimport Arena, ReadOnlyView
from pasralloc._core.bits cimport lowest_bit
from pasralloc._core.boundary cimport as_int
from pasralloc._core.check cimport fault_t, fault_text, zone_check
from pasralloc._core.freelist cimport region_of
from pasralloc._core.geometry cimport zone_describe
from pasralloc._core.image cimport image_fits, image_read, image_size, image_write
from pasralloc._core.layout cimport zone_bind
from pasralloc._core.ranges cimport zone_manage, zone_release
from pasralloc._core.region_alloc cimport region_is_parked
from pasralloc._core.snapshot cimport ZoneSnapshot, digest_of
from pasralloc._core.turn cimport Turn
from pasralloc._core.types cimport (
    PASR_ABSENT, PASR_FREE, PASR_MAX_PAGE_ORDER, PASR_MODE_STRADDLE, PASR_NR_EXTFRAG, PASR_NR_MIGRATETYPES,
    PASR_NR_PAGE_ORDERS, PASR_NR_PCPLISTS, PASR_NR_PCPTYPES, PASR_TOP_MASK, pasr_block_t, pasr_extfrag_t, pasr_idx_t,
    pasr_pageset_t, pasr_region_t, pasr_zone_t,
)
from pasralloc._core.zone cimport (
    idx_of, nr_region_words, pfn_of, zone_block_of, zone_blocks, zone_init,
)

import numpy as np

from pasralloc._core.generations import GENERATIONS
from pasralloc._core.records import (
    BLOCK_DTYPE, EXTFRAG_DTYPE, EXTFRAG_RECORD_DTYPE, RECORD_DTYPE, REGION_DTYPE, Block,
)
from pasralloc.choices import unknown
from pasralloc.errors import CorruptZone
from pasralloc.sizing import Pageset

OPTIONS = (
    "region_pages", "start_pfn", "absent", "placement", "kernel", "quirks", "pageblock_order", "region_allocator",
    "grouping", "pagesets", "buffer")

# By enum pasr_state.
cdef tuple STATES = ("absent", "free", "allocated", "pcp")


cdef class ZoneBase:
    """What a zone is; see `Zone` for what can be done to it."""

    def __cinit__(
        self, nr_pages, *, region_pages, start_pfn=0, absent=(), placement="sorted", kernel="6.12",
        quirks="fixed", pageblock_order=9, region_allocator=None, grouping=None, pagesets=None, buffer=None, **others,
    ):
        cdef int64_t pfn, nr
        cdef uint32_t region
        for name in others:
            raise TypeError(unknown("option of a zone", name, OPTIONS))
        present, region_ends = zone_describe(
            &self.c, nr_pages, region_pages, start_pfn, placement, kernel, quirks, pageblock_order, region_allocator,
            grouping, pagesets, absent)
        self.arena = Arena.create(zone_bind(&self.c, NULL), buffer)
        zone_bind(&self.c, self.arena.memory)
        for region, end in enumerate(region_ends):
            self.c.region_ends[region] = end
        self.turn = Turn()
        self.placement = placement
        self.kernel = kernel
        self.quirks = quirks
        self.region_allocator = region_allocator
        self.grouping = grouping
        self.pagesets = pagesets
        self.migratetypes = GENERATIONS[kernel].migratetypes
        self.numbers = {name: i for i, name in enumerate(self.migratetypes[:PASR_NR_PCPTYPES])}
        self.movable = self.numbers["movable"]
        zone_init(&self.c, self.movable)
        for pfn, nr in present:
            zone_manage(&self.c, pfn, nr)
        for pfn, nr in present:
            zone_release(&self.c, pfn, nr)
        self.forget_changes()

    @staticmethod
    def buffer_size(
        nr_pages, *, region_pages, start_pfn=0, absent=(), placement="sorted", kernel="6.12", quirks="fixed",
        pageblock_order=9, region_allocator=None, grouping=None, pagesets=None,
    ):
        """Bytes that the `buffer` of a zone of this description must hold.

        Raises as the class does. O(1).
        """
        cdef pasr_zone_t z
        zone_describe(
            &z, nr_pages, region_pages, start_pfn, placement, kernel, quirks, pageblock_order, region_allocator,
            grouping, pagesets, absent)
        return zone_bind(&z, NULL)

    cdef void forget_changes(self) noexcept:
        memset(self.c.changed, 0, nr_region_words(&self.c) * sizeof(uint64_t))
        memset(self.c.attention, 0, nr_region_words(&self.c) * sizeof(uint64_t))
        self.c.changed_root = self.c.attention_root = 0

    cdef int enter(self) except -1:
        """Own the zone, so that the GIL may be released."""
        return self.turn.take()

    cdef void leave(self) noexcept:
        self.turn.give_back()

    cdef int as_migratetype(self, object migratetype) except -1:
        """Number of a migratetype given by name or by number."""
        if isinstance(migratetype, str):
            number = self.numbers.get(migratetype)
            if number is None:
                raise ValueError(unknown("migratetype", migratetype, self.numbers))
            return number
        return <int> as_int(migratetype, "migratetype", 0, PASR_NR_PCPTYPES - 1)

    @property
    def start_pfn(self):
        """First pfn of the span."""
        return pfn_of(&self.c, self.c.first)

    @property
    def nr_pages(self):
        """Pages spanned, absent ones included."""
        return self.c.end - self.c.first

    @property
    def managed(self):
        """Pages that belong to the allocator: the span less what is absent."""
        return self.c.managed

    @property
    def nr_free(self):
        """Free pages. Differs from Linux: isolated ones count as well."""
        return self.c.nr_free

    @property
    def region_pages(self):
        """Pages per region: int, or where they differ a tuple with those of each, the last in whole blocks."""
        cdef uint64_t end = self.c.first
        if self.c.region_pages != 0:
            return self.c.region_pages
        sizes = []
        for region in range(self.c.nr_regions):
            sizes.append((self.c.region_ends[region] - end + PASR_TOP_MASK) & ~<uint64_t> PASR_TOP_MASK)
            end = self.c.region_ends[region]
        return tuple(sizes)

    @property
    def region_start_pfn(self):
        """First pfn of each region: ndarray of int64, shape (nr_regions,). O(nr_regions)."""
        ends = np.frombuffer(
            ReadOnlyView.create(self, self.c.region_ends, self.c.nr_regions * sizeof(pasr_idx_t)), np.uint32)
        starts = np.full(self.c.nr_regions, self.start_pfn, np.int64)
        starts[1:] = ends[:self.c.nr_regions - 1]
        starts[1:] += self.c.base_pfn
        return starts

    @property
    def nr_regions(self):
        """Number of regions."""
        return self.c.nr_regions

    @property
    def pageblock_order(self):
        """``2**pageblock_order`` pages share a migratetype."""
        return self.c.pageblock_order

    @property
    def nr_bytes(self):
        """Bytes of the tables, touched or not."""
        return self.arena.nr_bytes

    cdef uint32_t as_cpu(self, object cpu) except? 0xffffffff:
        return <uint32_t> as_int(cpu, "cpu", 0, self.c.nr_cpus - 1 if self.c.nr_cpus != 0 else 0)

    cdef object regions(self):
        return np.frombuffer(
            ReadOnlyView.create(self, self.c.regions, self.c.nr_regions * sizeof(pasr_region_t)), REGION_DTYPE)

    @property
    def region_nr_free(self):
        """Free pages of each region: a live, read-only ndarray of uint32, shape (nr_regions,)."""
        return self.regions()["nr_free"]

    @property
    def region_managed(self):
        """Managed pages of each region: a live, read-only ndarray of uint32, shape (nr_regions,).

        A region is completely free if it manages pages and all of them are free.
        """
        return self.regions()["managed"]

    def region_of(self, pfn):
        """Number of the region in which *pfn* lies.

        Raises ValueError outside the span. O(1).
        """
        cdef int64_t number = as_int(
            pfn, "pfn", pfn_of(&self.c, self.c.first), pfn_of(&self.c, self.c.end) - 1)
        return region_of(&self.c, idx_of(&self.c, number), PASR_MODE_STRADDLE)

    def changed_regions(self):
        """Regions that became completely free, or ceased to be, since the last call.

        Returns
        -------
        regions : list of int
            Ascending. A region that changed and changed back is named as well.

        Notes
        -----
        O(number of regions named). There is one such record per zone, for one reader.
        """
        cdef list regions = []
        cdef uint32_t w
        self.refuse_if_busy()
        while self.c.changed_root != 0:
            w = lowest_bit(self.c.changed_root)
            while self.c.changed[w] != 0:
                regions.append(w * 64 + lowest_bit(self.c.changed[w]))
                self.c.changed[w] &= self.c.changed[w] - 1
            self.c.changed_root &= self.c.changed_root - 1
        return regions

    def buddyinfo(self):
        """Free blocks of each order, as in ``/proc/buddyinfo``: ndarray of int64, shape (11,).

        Includes the blocks of regions that are parked.
        """
        nr_blocks = self.pagetypeinfo().sum(axis=0)
        nr_blocks[<int> PASR_MAX_PAGE_ORDER] += self.c.parked.nr_blocks
        return nr_blocks

    def pageset(self, cpu=0):
        """The pageset of a CPU, as it is now: `Pageset`.

        Raises ValueError or TypeError if the zone has no such CPU.
        """
        cdef const pasr_pageset_t *pageset
        if self.c.nr_cpus == 0:
            raise ValueError("this zone has no pagesets; it was made with pagesets=None")
        pageset = &self.c.pagesets[self.as_cpu(cpu)]
        self.refuse_if_busy()
        return Pageset(
            count=pageset.count, high=pageset.high, high_min=self.c.pcp_high_min,
            high_max=self.c.pcp_high_max,
            batch=self.c.pcp_batch, alloc_factor=pageset.alloc_factor, free_count=pageset.free_count,
            lengths=np.array(
                [pageset.lists[i].end - pageset.lists[i].first for i in range(PASR_NR_PCPLISTS)], np.int64))

    @property
    def nr_cached(self):
        """Pages on pagesets. They are neither free nor allocated."""
        return sum([self.c.pagesets[i].count for i in range(self.c.nr_cpus)])

    def parked_regions(self):
        """Regions that the region allocator holds: list of int, ascending. O(number of regions)."""
        self.refuse_if_busy()
        return [region for region in range(self.c.nr_regions) if region_is_parked(&self.c, region)]

    def pagetypeinfo(self):
        """Free blocks per migratetype and order, as in ``/proc/pagetypeinfo``: ndarray of int64, shape (6, 11).

        Rows are numbered as `migratetypes`. A block counts for the list it is on; parked
        regions are on none.
        """
        self.refuse_if_busy()
        return np.array(
            [[self.c.lists[order][migratetype].nr_blocks for order in range(PASR_NR_PAGE_ORDERS)]
             for migratetype in range(PASR_NR_MIGRATETYPES)], np.int64)

    def pageblock_counts(self):
        """Pageblocks of each migratetype: ndarray of int64, shape (6,).

        Counts the pageblocks that overlap the span, absent pages or not. O(pageblocks).
        """
        cdef uint64_t first = self.c.first >> self.c.pageblock_order
        cdef uint64_t nr = ((self.c.end - 1) >> self.c.pageblock_order) - first + 1
        self.refuse_if_busy()
        types = np.frombuffer(ReadOnlyView.create(self, self.c.pageblocks + first, nr), np.uint8)
        return np.bincount(types, minlength=PASR_NR_MIGRATETYPES).astype(np.int64)

    @property
    def nr_extfrag(self):
        """Requests that were served from another migratetype's blocks, so far."""
        return self.c.nr_extfrag

    def extfrag_events(self):
        """The last fallback events, with what the kernel's ``mm_page_alloc_extfrag`` reports.

        Returns
        -------
        events : ndarray of EXTFRAG_DTYPE, shape (min(nr_extfrag, 1024),)
            Oldest first: *pfn* allocated, *alloc_order* and *alloc_migratetype* of
            the request, *fallback_order* and *fallback_migratetype* of the list
            the block was on, *pageblock_order*, *fragmenting* (the block was
            smaller than a pageblock) and *change_ownership* (the pageblock now
            has the type of the request).

        Notes
        -----
        History rather than state: a snapshot does not hold it, and `restore`
        leaves it alone. CMA memory of 6.12 and RESERVE memory of 3.9 is
        lent without an event, as in the kernel. 3.9 itself prints the type of
        the request as *fallback_migratetype* once it has moved the pageblock's
        free pages, and so 1 as *change_ownership*; here the one is the list's and the
        other says whether the pageblock changed hands, in both generations.
        """
        cdef uint64_t nr = self.c.nr_extfrag
        self.refuse_if_busy()
        records = np.frombuffer(
            ReadOnlyView.create(self, self.c.extfrag, PASR_NR_EXTFRAG * sizeof(pasr_extfrag_t)), EXTFRAG_RECORD_DTYPE)
        records = np.roll(records, -<int64_t> (nr % PASR_NR_EXTFRAG)) if nr > PASR_NR_EXTFRAG else records[:nr]
        events = np.empty(len(records), EXTFRAG_DTYPE)
        events["pfn"] = records["idx"]
        events["pfn"] += self.c.base_pfn
        events["alloc_order"] = records["order"]
        events["fallback_order"] = records["fallback_order"]
        events["pageblock_order"] = self.c.pageblock_order
        events["alloc_migratetype"] = records["migratetype"]
        events["fallback_migratetype"] = records["fallback_type"]
        events["fragmenting"] = records["fallback_order"] < self.c.pageblock_order
        events["change_ownership"] = records["change_ownership"]
        return events

    def block_of(self, pfn):
        """The block that covers *pfn*.

        Parameters
        ----------
        pfn : int

        Returns
        -------
        block : Block
            Named tuple (pfn, order, state, migratetype). An absent page is
            reported alone, or with the other 1023 of its aligned 1024 if none of
            them was ever managed.

        Raises
        ------
        ValueError, TypeError
            If *pfn* is no pfn of the span.

        Notes
        -----
        Reads at most 11 bytes.
        """
        cdef int64_t number = as_int(
            pfn, "pfn", pfn_of(&self.c, self.c.first), pfn_of(&self.c, self.c.end) - 1)
        cdef pasr_block_t block
        self.refuse_if_busy()
        block = zone_block_of(&self.c, idx_of(&self.c, number))
        if block.state == PASR_ABSENT:
            return Block(pfn_of(&self.c, block.head), block.order, "absent", None)
        return Block(
            pfn_of(&self.c, block.head), block.order, STATES[block.state],
            self.migratetypes[block.migratetype] if block.migratetype < PASR_NR_MIGRATETYPES else None)

    def blocks(self):
        """All blocks, free and allocated, in ascending order of pfn.

        Returns
        -------
        blocks : ndarray of BLOCK_DTYPE, shape (n,)
            *pfn*, *order*, *migratetype* (a number, 6 while parked, 7 on a per-CPU
            list) and *is_free*.

        Notes
        -----
        O(blocks + absent pages). Releases the GIL.
        """
        cdef uint64_t nr
        cdef pasr_block_t *found
        self.enter()
        try:
            with nogil:
                nr = zone_blocks(&self.c, NULL, 0)
            raw = bytearray(nr * sizeof(pasr_block_t))
            found = <pasr_block_t *> <char *> raw
            with nogil:
                zone_blocks(&self.c, found, nr)
        finally:
            self.leave()
        records = np.frombuffer(raw, RECORD_DTYPE)
        result = np.empty(nr, BLOCK_DTYPE)
        result["pfn"] = records["head"]
        result["pfn"] += self.c.base_pfn
        result["order"] = records["order"]
        result["migratetype"] = records["migratetype"]
        result["is_free"] = records["state"] == PASR_FREE
        return result

    def check(self):
        """Check every invariant of the zone.

        Raises
        ------
        CorruptZone
            If one does not hold, which is a bug or the work of somebody who
            wrote into the memory of the zone.
        RuntimeError
            If another thread's call owns the zone.

        Notes
        -----
        O(pages + free blocks + 66 * regions); reads tags of untouched memory
        without making it resident. Releases the GIL.
        """
        cdef fault_t fault
        cdef int broken
        self.enter()
        with nogil:
            broken = zone_check(&self.c, &fault)
        self.leave()
        if broken:
            raise CorruptZone(fault_text(broken, &fault))

    cdef bytes image(self):
        self.enter()
        try:
            return self.image_in_turn()
        finally:
            self.leave()

    cdef bytes image_in_turn(self):
        """`image`, for whoever has the turn."""
        cdef bytes image = PyBytes_FromStringAndSize(NULL, image_size(&self.c))
        cdef char *out = PyBytes_AsString(image)
        with nogil:
            image_write(&self.c, out)
        return image

    def snapshot(self):
        """Save the state of the zone.

        Returns
        -------
        snapshot : ZoneSnapshot
            Immutable; can be pickled.

        Notes
        -----
        Copies the tables of what is in use: O(regions * 66 + pages of split
        blocks of the largest order). Releases the GIL. The digest is computed
        when it is first asked for.
        """
        return ZoneSnapshot.create(self.image())

    cdef int load(self, ZoneSnapshot snapshot) except -1:
        """`Zone.restore`."""
        cdef const char *image = PyBytes_AsString(snapshot.image)
        cdef bytes before = None
        self.refuse_if_busy()
        if not image_fits(&self.c, image, len(snapshot.image)):
            raise ValueError(f"{snapshot!r} is not of a zone like {self!r}")
        if not snapshot.is_trusted:
            before = self.image()
        image_read(&self.c, image)
        if before is not None:
            try:
                self.check()
                if self.image() != snapshot.image:
                    raise CorruptZone("it holds bytes that mean nothing")
            except BaseException as fault:
                image_read(&self.c, PyBytes_AsString(before))
                if isinstance(fault, CorruptZone):
                    raise ValueError(f"{snapshot!r} is not sound: {fault}") from None
                raise
        self.forget_changes()
        return 0

    def digest(self):
        """Hash of the state: 32 hexadecimal digits.

        Two zones have the same digest if and only if (but for a collision of
        blake2b) they answer every sequence of operations alike, save that
        `changed_regions` speaks of the past. Costs what `snapshot` costs, and a
        hash of it.
        """
        return digest_of(self.image())

    def __reduce__(self):
        raise TypeError("a zone cannot be pickled; pickle zone.snapshot() and restore it into a zone like it")

    def __repr__(self):
        more = f", region_allocator={self.region_allocator!r}" if self.region_allocator is not None else ""
        more += f", grouping={self.grouping!r}" if self.grouping is not None else ""
        more += f", pagesets={self.pagesets!r}" if self.pagesets is not None else ""
        sizes = self.c.region_pages or "different sizes"
        return (
            f"<Zone {self.nr_pages} pages from pfn {self.start_pfn:#x}, {self.nr_regions} regions of {sizes},"
            f" placement={self.placement!r}, kernel={self.kernel!r}{more}, {self.nr_free} free>")
