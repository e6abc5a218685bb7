"""What can be done to ranges of pages of a zone from Python."""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from pasralloc._core.boundary cimport as_int
from pasralloc._core.rangecalls cimport as_any_migratetype, retype_pages, take_pages
from pasralloc._core.ranges cimport zone_add_pages, zone_split_allocated
from pasralloc._core.reserves cimport highatomic_unreserve, reserve_setup
from pasralloc._core.refusal cimport free_refusal, range_refusal
from pasralloc._core.snapshot cimport ZoneSnapshot
from pasralloc._core.types cimport PASR_ABSENT, PASR_MAX_PAGE_ORDER, PASR_OK, PASR_RULES_STEAL

from pasralloc.sizing import min_watermark
from pasralloc.errors import InvalidFree


cdef class ZoneRanges(ZoneBase):
    """What can be done to ranges of pages; see `Zone`."""

    def take_range(self, pfn, nr, migratetype="movable"):
        """Allocate exactly the pages ``[pfn, pfn + nr)``, as few aligned blocks.

        Parameters
        ----------
        pfn, nr : int
            Range of free pages.
        migratetype : str or int, default "movable"
            What the blocks are remembered as.

        Returns
        -------
        nr_blocks : int
            Blocks made: cut from the left, each as large as alignment, the
            range and the free block that held it allow.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit, or a page of the range is not free.
        RuntimeError
            If another thread's call owns the zone.
        """
        cdef int number = self.as_migratetype(migratetype)
        cdef int64_t first = as_int(pfn, "pfn", 0, INT64_MAX)
        cdef int64_t count = as_int(nr, "nr", 1, INT64_MAX)
        self.refuse_if_busy()
        return take_pages(&self.c, first, count, number)

    def split_allocated(self, pfn, order=0):
        """Turn an allocated block into blocks of *order*, each of which can be freed alone.

        Parameters
        ----------
        pfn : int
            First page of the block.
        order : int, default 0
            At most the order of the block.

        Raises
        ------
        InvalidFree
            If *pfn* does not head an allocated block of at least that order.
        ValueError, TypeError
            If an argument does not fit.
        RuntimeError
            If another thread's call owns the zone.
        """
        cdef int64_t number = as_int(pfn, "pfn", INT64_MIN, INT64_MAX)
        cdef int wanted = <int> as_int(order, "order", 0, PASR_MAX_PAGE_ORDER)
        cdef int error
        self.refuse_if_busy()
        error = zone_split_allocated(&self.c, number, wanted)
        if error != PASR_OK:
            raise InvalidFree(number, free_refusal(&self.c, number, wanted, error), "split")

    def add_pages(self, pfn, nr):
        """Hand absent pages of the span to the allocator, as free pages.

        Parameters
        ----------
        pfn, nr : int
            Range of absent pages.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit, or a page of the range is not absent.
        RuntimeError
            If another thread's call owns the zone.

        Notes
        -----
        Blocks as large as alignment and the range allow are freed in ascending
        order of pfn, as at boot; in 6.12 single pageblocks where a block would
        hold some of several types. O(nr / 1024 + log nr) for whole blocks, and in
        6.12 one look at each pageblock.
        """
        cdef int64_t first = as_int(pfn, "pfn", 0, INT64_MAX)
        cdef int64_t count = as_int(nr, "nr", 1, INT64_MAX)
        self.refuse_if_busy()
        if zone_add_pages(&self.c, first, count) != PASR_OK:
            raise ValueError(range_refusal(&self.c, first, count, PASR_ABSENT))

    def set_pageblocks(self, pfn, nr, migratetype):
        """Give whole pageblocks another migratetype.

        Their free blocks move to the lists of that type, in ascending order of
        pfn; blocks freed there later go to those lists, too. Of what cannot be
        requested, CMA pageblocks serve movable requests, RESERVE pageblocks (3.9)
        serve what finds nothing else, and isolated ones serve nobody. In 3.9 a block that is
        freed beside an isolated one still merges with it, and so lets it go.

        Parameters
        ----------
        pfn, nr : int
            Range from one multiple of ``2**pageblock_order`` (or the start of
            the zone) to another (or its end). In 3.9 no free block may cross its edges;
            6.12 splits one that does.
        migratetype : str or int
            Any of `migratetypes`.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit.
        RuntimeError
            If another thread's call owns the zone.
        """
        cdef int64_t first = as_int(pfn, "pfn", 0, INT64_MAX)
        cdef int64_t count = as_int(nr, "nr", 1, INT64_MAX)
        cdef int number = as_any_migratetype(migratetype, self.migratetypes)
        self.refuse_if_busy()
        retype_pages(&self.c, first, count, number)

    def setup_reserve(self, min_wmark=None):
        """Set RESERVE pageblocks aside, as Linux 3.9 does at boot.

        The lowest movable pageblocks without absent pages become RESERVE, as many
        as the min watermark fills, but at most two; others that were RESERVE
        become movable.

        Parameters
        ----------
        min_wmark : int, optional
            Pages of the min watermark; by default that of a machine with no
            memory but this zone.

        Returns
        -------
        nr_pageblocks : int
            How many there are.

        Raises
        ------
        ValueError, TypeError
            If the zone is of another generation, or *min_wmark* does not fit.
        RuntimeError
            If another thread's call owns the zone.

        Notes
        -----
        O(pageblocks). A free block that is larger than a pageblock moves as a
        whole with the pageblock it begins in.
        """
        cdef int64_t pages = min_watermark(self.c.managed, 65536) if min_wmark is None else as_int(
            min_wmark, "min_wmark", 0, INT64_MAX)
        cdef int64_t most = <int64_t> 2 << self.c.pageblock_order
        if self.c.rules != PASR_RULES_STEAL:
            raise ValueError(f"only kernel='3.9' has RESERVE pageblocks, this zone is of {self.kernel!r}")
        self.refuse_if_busy()
        pages = min(pages, most)
        return reserve_setup(&self.c, (pages + (1 << self.c.pageblock_order) - 1) >> self.c.pageblock_order)

    @property
    def nr_highatomic(self):
        """Pages of the pageblocks that atomic requests of high order have reserved."""
        return self.c.nr_highatomic

    def unreserve_highatomic(self, migratetype="movable", *, bint force=False):
        """Give one HIGHATOMIC pageblock back, as Linux 6.12 does under memory pressure.

        Parameters
        ----------
        migratetype : str or int, default "movable"
            Who gets it.
        force : bool, default False
            Give away even the last one.

        Returns
        -------
        found : bool
            Whether there was one with free pages.

        Raises
        ------
        ValueError, TypeError
            If the zone is of another generation, or *migratetype* does not fit.
        RuntimeError
            If another thread's call owns the zone.
        """
        cdef int number = self.as_migratetype(migratetype)
        if self.c.rules == PASR_RULES_STEAL:
            raise ValueError(f"only kernel='6.12' has HIGHATOMIC pageblocks, this zone is of {self.kernel!r}")
        self.refuse_if_busy()
        return highatomic_unreserve(&self.c, number, force)

    def restore(self, ZoneSnapshot snapshot not None):
        """Go back to a saved state.

        Parameters
        ----------
        snapshot : ZoneSnapshot
            Of a zone of the same description.

        Raises
        ------
        ValueError
            If the snapshot is of another kind of zone, or one that was loaded
            from outside is not sound; the zone is unchanged.
        RuntimeError
            If another thread's call owns the zone.

        Notes
        -----
        Costs what `snapshot` costs. A snapshot that was unpickled or built from
        bytes is checked in full as well. `changed_regions` starts afresh.
        """
        self.load(snapshot)
