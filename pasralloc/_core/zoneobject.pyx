"""What can be done to a zone from Python: conversions in, exceptions out, nothing else."""

cimport cython
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint32_t

from pasralloc._core.batchcalls cimport batch_alloc, batch_free, batch_run, target_t
from pasralloc._core.boundary cimport as_int
from pasralloc._core.refusal cimport free_refusal
from pasralloc._core.pcp cimport pcp_alloc, pcp_free
from pasralloc._core.types cimport (
    PASR_ALLOC_HIGHATOMIC, PASR_ALLOC_NOFRAGMENT, PASR_ALLOC_NON_BLOCK, PASR_ALLOC_OOM, PASR_MAX_PAGE_ORDER, PASR_OK,
)

from pasralloc.errors import InvalidFree, OutOfMemory

cdef str MOVABLE = "movable"

ALLOC_NON_BLOCK = PASR_ALLOC_NON_BLOCK
ALLOC_HIGHATOMIC = PASR_ALLOC_HIGHATOMIC
ALLOC_OOM = PASR_ALLOC_OOM
ALLOC_NOFRAGMENT = PASR_ALLOC_NOFRAGMENT

cdef enum:
    ALL_FLAGS = 30


@cython.final
cdef class Zone(ZonePagesets):
    """Zone(nr_pages, *, region_pages, start_pfn=0, absent=(), placement='sorted', kernel='6.12', \
quirks='fixed', pageblock_order=9, region_allocator=None, grouping=None, pagesets=None, buffer=None)\n--\n\n
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
    region_pages : int or iterable of int
        Pages per power-manageable region, a multiple of 1024 (one block of the
        largest order), or the pages of each region from the lowest on where they
        differ. A zone has at most 4096 regions; the last may be short.
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
        then have more free than managed pages. With a region allocator a region with absent pages never parks,
        as in the series, which waited for pages that boot had reserved to become free. Differs
        from the series: holes were not present there and kept no region from parking, but
        a zone takes all that is absent for reserved. Its other bugs are not kept. The series
        counted from the first pfn of the node; for a zone further up start where its first region does
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
    grouping : {None, "by-region"}
        "by-region" keeps unmovable and reclaimable memory in few regions: a
        request of either type whose own lists are dry takes whole pageblocks, for good, of the
        lowest region that has both pageblocks of these two types and a free block of at least a
        pageblock of another type that it may borrow from; there the largest. Only if no region has
        both is a region allocator asked, and do the rules of the generation
        apply. With a region allocator a region can so come to hold pageblocks of
        several types; it parks when all of it is free on one list. Needs lists in region order.
    pagesets : Pagesets, optional
        Per-CPU pagesets. A block on one is neither free nor allocated: it is
        missing from all counts of free pages, and its region is not completely
        free. By default every request goes to the zone itself.
    buffer : writable buffer, optional
        Memory for the tables, at least `buffer_size` bytes from a multiple of
        64; it is cleared and held for as long as the zone lives. Whoever writes
        into it meanwhile breaks the zone, up to a crash. By default the zone maps
        its own memory in small pages, so that it costs what is used of it. If all
        of a large zone is used, huge pages are faster, and numpy asks for them for
        large arrays: streams over 16 GiB took 5 to 20 % less time in one.

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
    placement, kernel, quirks, region_allocator, grouping, pagesets
        As given.
    migratetypes : tuple of str
        Names of the migratetypes; the position of a name is its number.

    Notes
    -----
    Takes 9.02 bytes per page and 552 bytes per region, and with pagesets of the
    default size 3.2 more per page and 80 KiB per CPU, of which only the parts in use
    are touched. A failed call leaves the zone unchanged. Differs from Linux: there
    the tuning of a pageset remembers a refill that failed.

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

    def alloc(self, object order=0, object migratetype="movable", *, object cpu=0, object flags=0):
        """Allocate ``2**order`` pages.

        Parameters
        ----------
        order : int, default 0
            0 to 10.
        migratetype : str or int, default "movable"
            "unmovable", "movable" or "reclaimable", or the zone's number for it.
        cpu : int, default 0
            Whose pageset to use, if the zone has pagesets.
        flags : int, default 0
            `ALLOC_NON_BLOCK`, `ALLOC_HIGHATOMIC`, `ALLOC_OOM` and
            `ALLOC_NOFRAGMENT`, or-ed, with the meaning they have in Linux
            6.12; 3.9 has none of them and ignores them.

        Returns
        -------
        pfn : int
            First page of the block, a multiple of ``2**order``.

        Raises
        ------
        OutOfMemory
            If no free block is large enough. Pages on pagesets are not free: after a
            `drain` it may be otherwise.
        ValueError, TypeError
            If an argument does not fit.
        RuntimeError
            If another thread's call owns the zone.

        Notes
        -----
        One list removal, and one insertion per order split; from a pageset no
        list of the zone is touched but in a refill.
        """
        cdef int number = self.movable if migratetype is MOVABLE else self.as_migratetype(migratetype)
        cdef uint32_t wanted = <uint32_t> as_int(order, "order", 0, PASR_MAX_PAGE_ORDER)
        cdef uint32_t on = self.as_cpu(cpu)
        cdef uint32_t granted = <uint32_t> as_int(flags, "flags", 0, ALL_FLAGS | 1)
        cdef int64_t pfn
        if granted & ~<uint32_t> ALL_FLAGS:
            raise ValueError(f"flags must be ALLOC_NON_BLOCK (2), ALLOC_HIGHATOMIC (4), ALLOC_OOM (8) and"
                             f" ALLOC_NOFRAGMENT (16) or-ed, got {flags}")
        # After the conversions: they may run Python code that lets another thread in.
        self.refuse_if_busy()
        pfn = pcp_alloc(&self.c, on, wanted, number, granted)
        if pfn < 0:
            raise OutOfMemory(wanted, self.migratetypes[number])
        return pfn

    def free(self, object pfn, object order=None, *, object cpu=0):
        """Free the allocated block that starts at *pfn*.

        Parameters
        ----------
        pfn : int
        order : int, optional
            What the order of the block must be.
        cpu : int, default 0
            Whose pageset to use, if the zone has pagesets.

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
        One list removal per order merged, and one insertion; to a pageset
        neither, but when it spills.
        """
        cdef int wanted = -1 if order is None else <int> as_int(order, "order", 0, PASR_MAX_PAGE_ORDER)
        cdef int64_t number = as_int(pfn, "pfn", INT64_MIN, INT64_MAX)
        cdef uint32_t on = self.as_cpu(cpu)
        cdef int error
        self.refuse_if_busy()
        error = pcp_free(&self.c, on, number, wanted)
        if error != PASR_OK:
            raise InvalidFree(number, free_refusal(&self.c, number, wanted, error))

    def alloc_batch(self, object orders, object migratetypes="movable", object out=None, *, object cpu=0):
        """Allocate many blocks, in the order given.

        Parameters
        ----------
        orders : array_like of int, shape (n,)
            0 to 10; uint8 is fastest.
        migratetypes : str, int or array_like of int, shape (n,), default "movable"
            One for all, or a number for each.
        out : ndarray of int64, shape (n,), optional
            Where to write the result.
        cpu : int, default 0
            Whose pageset to use, if the zone has pagesets.

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
        cdef target_t target
        cdef int number = -1
        if isinstance(migratetypes, str) or not hasattr(migratetypes, "__len__"):
            number = self.as_migratetype(migratetypes)
        target.zone = &self.c
        target.place.cpu = self.as_cpu(cpu)
        self.enter()
        try:
            return batch_alloc(&target, orders, number, migratetypes, out)
        finally:
            self.leave()

    def free_batch(self, object pfns, object orders=None, *, object cpu=0):
        """Free many blocks, in the order given, or none.

        Parameters
        ----------
        pfns : array_like of int64, shape (n,)
        orders : array_like of int, shape (n,), optional
            What the order of each block must be.
        cpu : int, default 0
            Whose pageset to use, if the zone has pagesets.

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
        cdef target_t target
        target.zone = &self.c
        target.place.cpu = self.as_cpu(cpu)
        self.enter()
        try:
            batch_free(&target, pfns, orders)
        finally:
            self.leave()

    def run(self, object ops, object slots, *, object cpu=0):
        """Execute a stream of operations.

        Parameters
        ----------
        ops : ndarray of OP_DTYPE, shape (n,)
            *op* 0 allocates ``2**order`` pages of *migratetype* (a number) into
            *slot*; 1 frees the block whose pfn is in *slot*. The order of a free
            is looked at only if *flags* is 1. The flags of an allocation are those of
            `alloc`, and 1 means nothing.
        slots : ndarray of int64, shape (m,)
            Live pfns. Written by an allocation (-12, ENOMEM, if it fails), read
            by a free.
        cpu : int, default 0
            Whose pageset to use, if the zone has pagesets.

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
        cdef target_t target
        target.zone = &self.c
        target.place.cpu = self.as_cpu(cpu)
        self.enter()
        try:
            return batch_run(&target, ops, slots)
        finally:
            self.leave()
