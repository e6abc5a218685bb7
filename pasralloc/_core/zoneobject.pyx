"""What can be done to a zone from Python: conversions in, exceptions out, nothing else."""

cimport cython
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t

from pasralloc._core.batchcalls cimport batch_alloc, batch_free, batch_run
from pasralloc._core.boundary cimport as_int
from pasralloc._core.ranges cimport (
    zone_add_pages, zone_set_pageblocks, zone_split_allocated, zone_take_range,
)
from pasralloc._core.refusal cimport free_refusal, range_refusal
from pasralloc._core.rmqueue cimport zone_alloc, zone_free
from pasralloc._core.types cimport (
    PASR_ABSENT, PASR_EBUSY, PASR_EDOM, PASR_FREE, PASR_MAX_PAGE_ORDER, PASR_NR_MIGRATETYPES, PASR_OK, PASR_TOP_PAGES,
)

from pasralloc.choices import unknown
from pasralloc.errors import InvalidFree, OutOfMemory

cdef str MOVABLE = "movable"


@cython.final
cdef class Zone(ZoneBase):
    """Zone(nr_pages, *, region_pages, start_pfn=0, absent=(), placement='sorted', kernel='6.12', \
quirks='fixed', pageblock_order=9, region_allocator=None, buffer=None)\n--\n\n
    A contiguous span of physical pages under one buddy allocator.

    Free lists are kept per order and migratetype. All pageblocks start as
    movable; a freed block returns to the list of its pageblock's type; a
    request whose own lists are dry falls back to other types by the rules of
    the kernel generation.

    Parameters
    ----------
    nr_pages : int
        Pages spanned, absent ones included; at most 4,294,964,224 (16 TiB less
        12 MiB).
    region_pages : int
        Pages per power-manageable region, a multiple of 1024 (one block of the
        largest order). A zone has at most 4096 regions; the last may be short.
    start_pfn : int, default 0
        First pfn of the span, a multiple of 1024 unless `quirks` is "posted".
        For a zone that starts elsewhere declare the pages before it absent.
    absent : iterable of (pfn, nr) pairs, optional
        Ranges that hold no memory, disjoint and inside the span.
    placement : {"sorted", "linux", "biased"}
        "sorted" keeps each list in region order as the sorted-buddy series
        does, so that low regions fill first. "biased" goes on from there, as
        the series did from its third version: of all orders that can serve, the
        one whose first block lies in the lowest region is split. "linux" puts a
        block at the head of its list, or at the tail when the buddy of its
        parent is free. Fallback to other types never looks at regions.
    kernel : {"6.12", "3.9"}
        Kernel generation: numbers of the migratetypes, fallback rows and rules
        (3.9 steals, with RESERVE pageblocks as the last resort; 6.12 claims
        pageblocks, then steals, and keeps CMA and other memory in balance),
        whether free buddies of different types merge, and whether memory that is
        new to a list joins at its tail (6.12) or at its head (3.9).
    quirks : {"fixed", "posted"}
        "posted" counts regions from `start_pfn` even inside a block and credits
        a block to the region of its first page, as the series did: a region can
        then have more free than managed pages. The series counted from the first
        pfn of the node; for a zone further up start where its first region does
        and declare the pages below the zone absent.
    pageblock_order : int, default 9
        ``2**pageblock_order`` pages share a migratetype; 1 to 10. The default
        is that of x86-64.
    region_allocator : {None, "when-dry", "lowest-first"}
        Whether a region that is completely free leaves the lists as a whole, so
        that the next migratetype to need memory gets all of it: request before
        fallback, and fallback never changes the type of a pageblock. Each type
        keeps one such region on its list. "when-dry" is the rule of the series:
        a region is handed out, the lowest first, once the lists of a type have
        no block that fits. That undercuts the placement: a low region which
        becomes free is parked while its type goes on in a higher one. With
        "lowest-first" a parked region counts as if it were on the list. Needs
        lists in region order. CMA, isolated, RESERVE and HIGHATOMIC memory is
        never parked.
    buffer : writable buffer, optional
        Memory for the tables, at least `buffer_size` bytes from a multiple of
        64; it is cleared and held for as long as the zone lives. Whoever writes
        into it meanwhile breaks the zone, up to a crash. By default the zone maps
        its own memory.

    Raises
    ------
    ValueError
        If an argument does not fit; the message gives the value.
    TypeError
        If an argument is not of the kind described.
    MemoryError
        If the tables cannot be mapped.

    Attributes
    ----------
    placement, kernel, quirks : str
        As given.
    migratetypes : tuple of str
        Names of the migratetypes; the position of a name is its number.

    Notes
    -----
    Takes 9.02 bytes per page and 544 bytes per region, of which only the parts
    in use are touched. A failed call leaves the zone unchanged.

    Threading rule: any thread that holds the GIL may call. A call that has
    released the GIL owns the zone, and calls from other threads raise
    RuntimeError meanwhile.

    References
    ----------
    S. S. Bhat, "[RFC PATCH v4 00/40] mm: Memory Power Management", linux-mm, 26
    September 2013, <20130925231250.26184.31438.stgit@srivatsabhat.in.ibm.com>.

    Examples
    --------
    >>> import pasralloc as pa
    >>> zone = pa.Zone(1 << 20, region_pages=1 << 15)      # 4 GiB in regions of 128 MiB
    >>> pfn = zone.alloc(order=9)
    >>> zone.nr_free
    1048064
    >>> zone.free(pfn)
    >>> zone.nr_free
    1048576
    """

    def alloc(self, object order=0, object migratetype="movable"):
        """Allocate ``2**order`` pages.

        Parameters
        ----------
        order : int, default 0
            0 to 10.
        migratetype : str or int, default "movable"
            "unmovable", "movable" or "reclaimable", or the zone's number for it.

        Returns
        -------
        pfn : int
            First page of the block, a multiple of ``2**order``.

        Raises
        ------
        OutOfMemory
            If no free block is large enough.
        ValueError, TypeError
            If an argument does not fit.
        RuntimeError
            If another thread's call owns the zone.

        Notes
        -----
        One list removal, and one insertion per order split.
        """
        cdef int number = self.movable if migratetype is MOVABLE else self.as_migratetype(migratetype)
        cdef uint32_t wanted = <uint32_t> as_int(order, "order", 0, PASR_MAX_PAGE_ORDER)
        cdef int64_t pfn
        # After the conversions: they may run Python code that lets another thread in.
        self.refuse_if_busy()
        pfn = zone_alloc(&self.c, wanted, number)
        if pfn < 0:
            raise OutOfMemory(wanted, self.migratetypes[number])
        return pfn

    def free(self, object pfn, object order=None):
        """Free the allocated block that starts at *pfn*.

        Parameters
        ----------
        pfn : int
        order : int, optional
            What the order of the block must be.

        Raises
        ------
        InvalidFree
            If *pfn* does not head an allocated block (of that order).
        ValueError, TypeError
            If *order* does not fit, or *pfn* is no integer.
        RuntimeError
            If another thread's call owns the zone.

        Notes
        -----
        One list removal per order merged, and one insertion.
        """
        cdef int wanted = -1 if order is None else <int> as_int(order, "order", 0, PASR_MAX_PAGE_ORDER)
        cdef int64_t number = as_int(pfn, "pfn", INT64_MIN, INT64_MAX)
        cdef int error
        self.refuse_if_busy()
        error = zone_free(&self.c, number, wanted)
        if error != PASR_OK:
            raise InvalidFree(number, free_refusal(&self.c, number, wanted, error))

    def alloc_batch(self, object orders, object migratetypes="movable", object out=None):
        """Allocate many blocks, in the order given.

        Parameters
        ----------
        orders : array_like of int, shape (n,)
            0 to 10; uint8 is fastest.
        migratetypes : str, int or array_like of int, shape (n,), default "movable"
            One for all, or a number for each.
        out : ndarray of int64, shape (n,), optional
            Where to write the result.

        Returns
        -------
        pfns : ndarray of int64, shape (n,)
            *out* if given. A negative errno (-12, ENOMEM) where one failed.

        Raises
        ------
        ValueError, TypeError
            If an array or an element does not fit; nothing is allocated.
        RuntimeError
            If another thread's call owns the zone.

        Notes
        -----
        The same blocks as *n* calls of `alloc`. Releases the GIL for 1024
        entries or more.
        """
        is_one = isinstance(migratetypes, str) or not hasattr(migratetypes, "__len__")
        number = self.as_migratetype(migratetypes) if is_one else migratetypes
        self.enter()
        try:
            return batch_alloc(&self.c, orders, number, out)
        finally:
            self.leave()

    def free_batch(self, object pfns, object orders=None):
        """Free many blocks, in the order given, or none.

        Parameters
        ----------
        pfns : array_like of int64, shape (n,)
        orders : array_like of int, shape (n,), optional
            What the order of each block must be.

        Raises
        ------
        InvalidFree
            If an entry does not head an allocated block (of that order), or
            another entry names the same block; nothing is freed.
        ValueError, TypeError
            If an array or an order does not fit.
        RuntimeError
            If another thread's call owns the zone.

        Notes
        -----
        Leaves the same lists as *n* calls of `free`. Releases the GIL for 1024
        entries or more.
        """
        self.enter()
        try:
            batch_free(&self.c, pfns, orders)
        finally:
            self.leave()

    def run(self, object ops, object slots):
        """Execute a stream of operations.

        Parameters
        ----------
        ops : ndarray of OP_DTYPE, shape (n,)
            *op* 0 allocates ``2**order`` pages of *migratetype* (a number) into
            *slot*; 1 frees the block whose pfn is in *slot*. The order of a free
            is looked at only if *flags* is 1.
        slots : ndarray of int64, shape (m,)
            Live pfns. Written by an allocation (-12, ENOMEM, if it fails), read
            by a free.

        Returns
        -------
        nr_failed : int
            Allocations without memory plus frees that `free` would refuse. Such
            an operation changes nothing and the stream goes on.

        Raises
        ------
        ValueError, TypeError
            If an array does not fit or an operation is malformed; nothing is executed.
        RuntimeError
            If another thread's call owns the zone, or *ops* was changed
            meanwhile; operations before the changed one stand.

        Notes
        -----
        Fetches the frames of coming frees ahead of time. Releases the GIL for
        1024 operations or more.
        """
        self.enter()
        try:
            return batch_run(&self.c, ops, slots)
        finally:
            self.leave()

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
        cdef int64_t result
        self.refuse_if_busy()
        result = zone_take_range(&self.c, first, count, number)
        if result < 0:
            raise ValueError(range_refusal(&self.c, first, count, PASR_FREE))
        return result

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
        order of pfn, as at boot.
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
        serve what finds nothing else, and isolated ones serve nobody.

        Parameters
        ----------
        pfn, nr : int
            Range from one multiple of ``2**pageblock_order`` (or the start of
            the zone) to another (or its end), whose edges no free block crosses.
        migratetype : str or int
            Any of `migratetypes`.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit.
        RuntimeError
            If another thread's call owns the zone.
        """
        cdef int number
        cdef int64_t first = as_int(pfn, "pfn", 0, INT64_MAX)
        cdef int64_t count = as_int(nr, "nr", 1, INT64_MAX)
        cdef int error
        if isinstance(migratetype, str):
            if migratetype not in self.migratetypes:
                raise ValueError(unknown("migratetype", migratetype, self.migratetypes))
            number = self.migratetypes.index(migratetype)
        else:
            number = <int> as_int(migratetype, "migratetype", 0, PASR_NR_MIGRATETYPES - 1)
        self.refuse_if_busy()
        error = zone_set_pageblocks(&self.c, first, count, number)
        if error == PASR_EDOM:
            raise ValueError(
                f"{count} pages from pfn {first:#x} are not whole pageblocks of {1 << self.c.pageblock_order} pages")
        if error == PASR_EBUSY:
            raise ValueError(
                f"a free block reaches beyond the {count} pages from pfn {first:#x}; choose multiples of"
                f" {PASR_TOP_PAGES} pages, or allocate it first")
        if error != PASR_OK:
            raise ValueError(range_refusal(&self.c, first, count, PASR_FREE))
