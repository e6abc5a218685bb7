"""What can be done to the memory of a simulation from Python: conversions in, exceptions out."""

from cpython.buffer cimport Py_buffer, PyBuffer_Release
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t, uint8_t, uint32_t, uint64_t

from pasralloc._core.batchcalls cimport batch_alloc, batch_free, batch_run, target_t
from pasralloc._core.boundary cimport as_int, get_array, integers
from pasralloc._core.lru cimport lru_check_range, lru_set, lru_set_range
from pasralloc._core.moved cimport follow, moment_of, moment_t
from pasralloc._core.node cimport node_advance, node_drain, node_free, zone_at
from pasralloc._core.nodestream cimport place_alloc
from pasralloc._core.nodetypes cimport PASR_ALLOC_MIN_RESERVE, PASR_NO_ZONE, pasr_memzone_t
from pasralloc._core.refusal cimport free_refusal
from pasralloc._core.types cimport (
    PASR_EALREADY, PASR_EINVAL, PASR_ERANGE, PASR_MAX_PAGE_ORDER, PASR_OK, pasr_idx_t,
)
from pasralloc._core.zone cimport idx_of, pfn_of, zone_free_error, zone_spans

import numpy as np

from pasralloc._core.records import PAGE_STATES
from pasralloc.choices import unknown
from pasralloc.errors import InvalidFree, OutOfMemory
from pasralloc.units import MAX_TIME_NS

cdef str MOVABLE = "movable"

ALLOC_MIN_RESERVE = PASR_ALLOC_MIN_RESERVE

cdef enum:
    ALL_FLAGS = 62

cdef int64_t MAX_TIME = MAX_TIME_NS


cdef class Memory(MemoryHistory):
    """What can be done to the memory of a simulation; see `Simulation`."""

    cdef int64_t as_time(self, object now_ns) except -1:
        """A time that is not in the past; the present if it is None."""
        cdef int64_t now
        if now_ns is None:
            return self.c.now_ns
        now = as_int(now_ns, "now_ns", 0, MAX_TIME)
        if now < self.c.now_ns:
            raise ValueError(f"now_ns must not be before the present of {self.c.now_ns} ns, got {now}")
        return now

    cdef int pass_time(self, int64_t now) except -1:
        """Let time pass up to *now*; 1 if it does. Whoever is told of moves must not change anything meanwhile."""
        if now <= self.c.now_ns:
            return 0
        if self.c.sink == NULL:
            node_advance(&self.c, now)
            return 1
        self.turn.take()
        try:
            node_advance(&self.c, now)
        finally:
            self.turn.give_back()
        return 1

    def advance(self, now_ns):
        """Let simulated time pass.

        kswapd runs if it was to run by then, of 6.12 pagesets decay once per `vmstat_interval_ns`, and
        regions are evacuated that the policy's worker has queued.

        Parameters
        ----------
        now_ns : int
            The new time, not before the present.

        Raises
        ------
        ValueError, TypeError
            If it is no time, or in the past.
        RuntimeError
            If another thread's call is at work.
        """
        cdef int64_t now = self.as_time(as_int(now_ns, "now_ns", 0, MAX_TIME))
        # After the conversion: it may run Python code that lets another thread in.
        self.turn.refuse_if_taken()
        self.pass_time(now)

    def alloc(
        self, object order=0, object migratetype="movable", object zone=None, object nid=0, object cpu=0,
        object flags=0, object now_ns=None,
    ):
        """Allocate ``2**order`` pages.

        Parameters
        ----------
        order : int, default 0
            0 to 10.
        migratetype : str or int, default "movable"
            "unmovable", "movable" or "reclaimable", or the number of it.
        zone : {None, "DMA", "DMA32", "Normal", "Movable"}
            The highest zone that will do; by default "Movable" for movable memory and
            "Normal" for other.
        nid : int, default 0
            Node whose zones are tried first.
        cpu : int, default 0
            Whose pagesets to use.
        flags : int, default 0
            `ALLOC_NON_BLOCK` (the request does not reclaim), `ALLOC_MIN_RESERVE` (it may go below
            the min watermark: ``__GFP_HIGH``), `ALLOC_HIGHATOMIC`, `ALLOC_OOM` and
            `ALLOC_NOFRAGMENT`, or-ed, with the meaning they have in Linux 6.12: but for the last they matter to
            requests below the low watermark alone. 3.9 knows the first two. ``GFP_ATOMIC`` is the first two
            together (of several pages, with `ALLOC_HIGHATOMIC`), and nothing ``GFP_KERNEL``.
        now_ns : int, optional
            Time of the request; by default as late as the last.

        Returns
        -------
        pfn : int
            First page of the block, a multiple of ``2**order``.

        Raises
        ------
        OutOfMemory
            If no zone has a block to spare, and reclaim found nothing. What was reclaimed is gone.
        ValueError, TypeError
            If an argument does not fit; nothing is changed.
        RuntimeError
            If another thread's call is at work.

        Notes
        -----
        Zones are tried in the order of the zonelist, each while it is above its low
        watermark. Then kswapd is woken and the min watermark counts, and then the request
        reclaims for itself.
        """
        cdef target_t target
        cdef int number = self.first.movable if migratetype is MOVABLE and self.first is not None else -1
        cdef uint32_t wanted = <uint32_t> as_int(order, "order", 0, PASR_MAX_PAGE_ORDER)
        cdef uint32_t granted = <uint32_t> as_int(flags, "flags", 0, ALL_FLAGS | 1)
        cdef int64_t pfn, now
        self.place(&target.place, zone, nid, cpu)
        if number < 0:
            number = self.first.as_migratetype(migratetype)
        if granted & ~<uint32_t> ALL_FLAGS:
            raise ValueError(f"flags must be ALLOC_NON_BLOCK (2), ALLOC_HIGHATOMIC (4), ALLOC_OOM (8),"
                             f" ALLOC_NOFRAGMENT (16) and ALLOC_MIN_RESERVE (32) or-ed, got {flags}")
        now = self.as_time(now_ns)
        self.turn.refuse_if_taken()
        self.pass_time(now)
        pfn = place_alloc(&target.place, wanted, number, granted)
        if pfn < 0:
            raise OutOfMemory(wanted, self.first.migratetypes[number])
        return pfn

    def free(self, object pfn, object order=None, *, object cpu=0, object now_ns=None):
        """Free the allocated block that starts at *pfn*; its state is forgotten.

        Parameters
        ----------
        pfn : int
        order : int, optional
            What the order of the block must be.
        cpu : int, default 0
            Whose pagesets to use.
        now_ns : int, optional
            Time of the free; by default as late as the last. A block that is moved as time passes is freed where it
            is then.

        Raises
        ------
        InvalidFree
            If *pfn* does not head an allocated block (of that order), or kswapd reclaims it as time passes.
        ValueError, TypeError
            If an argument does not fit.
        RuntimeError
            If another thread's call is at work.
        """
        cdef int wanted = -1 if order is None else <int> as_int(order, "order", 0, PASR_MAX_PAGE_ORDER)
        cdef int64_t number = as_int(pfn, "pfn", INT64_MIN, INT64_MAX)
        cdef uint32_t on = <uint32_t> as_int(cpu, "cpu", 0, self.c.nr_cpus - 1 if self.c.nr_cpus != 0 else 0)
        cdef int64_t now = self.as_time(now_ns)
        cdef int error = PASR_ERANGE
        cdef uint32_t at = zone_at(&self.c, number)
        cdef moment_t then
        self.turn.refuse_if_taken()
        if at != PASR_NO_ZONE:
            # A free that is refused lets no time pass.
            error = PASR_OK if now == self.c.now_ns else zone_free_error(self.c.zones[at].zone, number, wanted)
        if error == PASR_OK:
            then = moment_of(&self.c)
            if self.pass_time(now):
                number = follow(&self.c, then, number)
            error = node_free(&self.c, on, number, wanted) if number >= 0 else <int> PASR_EALREADY
        if error != PASR_OK:
            if number < 0 and at != PASR_NO_ZONE:
                raise InvalidFree(pfn, "it was reclaimed as time passed")
            raise InvalidFree(
                number, "outside every zone" if at == PASR_NO_ZONE else free_refusal(
                    self.c.zones[at].zone, number, wanted, error))

    def alloc_batch(
        self, object orders, object migratetypes="movable", object out=None, *, object zone=None, object nid=0,
        object cpu=0, object now_ns=None,
    ):
        """Allocate many blocks, in the order given.

        Parameters
        ----------
        orders : array_like of int, shape (n,)
            0 to 10; uint8 is fastest.
        migratetypes : str, int or array_like of int, shape (n,), default "movable"
            One for all, or a number for each.
        out : ndarray of int64, shape (n,), optional
            Where to write the result.
        zone, nid, cpu, now_ns
            As for `alloc`, for all of them.

        Returns
        -------
        pfns : ndarray of int64, shape (n,)
            *out* if given. A negative errno (-12, ENOMEM) where one failed.

        Raises
        ------
        ValueError, TypeError
            If an array or an element does not fit; nothing is allocated.
        RuntimeError
            If another thread's call is at work.

        Notes
        -----
        The same blocks as *n* calls of `alloc`. Releases the GIL for 1024
        entries or more.
        """
        cdef target_t target
        cdef int number = -1
        target.zone = NULL
        self.place(&target.place, zone, nid, cpu)
        if isinstance(migratetypes, str) or not hasattr(migratetypes, "__len__"):
            number = self.first.as_migratetype(migratetypes)
        target.now_ns = self.as_time(now_ns)
        self.turn.take()
        try:
            return batch_alloc(&target, orders, number, migratetypes, out)
        finally:
            self.turn.give_back()

    def free_batch(self, object pfns, object orders=None, *, object cpu=0, object now_ns=None):
        """Free many blocks, in the order given, or none.

        Parameters
        ----------
        pfns : array_like of int64, shape (n,)
        orders : array_like of int, shape (n,), optional
            What the order of each block must be.
        cpu, now_ns
            As for `free`, for all of them; what is reclaimed as time passes is left out.

        Raises
        ------
        InvalidFree
            If an entry does not head an allocated block (of that order), or
            another entry names the same block; nothing is freed.
        ValueError, TypeError
            If an array or an order does not fit.
        RuntimeError
            If another thread's call is at work.
        """
        cdef target_t target
        target.zone = NULL
        self.place(&target.place, None, self.first_nid, cpu)
        target.now_ns = self.as_time(now_ns)
        self.turn.take()
        try:
            batch_free(&target, pfns, orders)
        finally:
            self.turn.give_back()

    def run(
        self, object ops, object slots, *, object zone=None, object nid=0, object cpu=0, object now_ns=None,
    ):
        """Execute a stream of operations.

        Parameters
        ----------
        ops : ndarray of OP_DTYPE, shape (n,)
            As for `Zone.run`; the flags of an allocation are those of `alloc`, but for `ALLOC_MIN_RESERVE`.
        slots : ndarray of int64, shape (m,)
            Live pfns. Written by an allocation (-12, ENOMEM, if it fails), read
            by a free. As time passes up to *now_ns* they follow blocks that are moved, and become -22 (EINVAL) if
            blocks are reclaimed.
        zone, nid, cpu, now_ns
            As for `alloc`, for all of them.

        Returns
        -------
        nr_failed : int
            Allocations without memory plus frees that `free` would refuse. Such
            an operation changes nothing but what reclaim did for it, and the stream goes on.

        Raises
        ------
        ValueError, TypeError
            If an array does not fit or an operation is malformed; nothing is executed.
        RuntimeError
            If another thread's call is at work, or *ops* was changed
            meanwhile; operations before the changed one stand.

        Notes
        -----
        Releases the GIL for 1024 operations or more.
        """
        cdef target_t target
        target.zone = NULL
        self.place(&target.place, zone, nid, cpu)
        target.now_ns = self.as_time(now_ns)
        self.turn.take()
        try:
            return batch_run(&target, ops, slots)
        finally:
            self.turn.give_back()

    cdef int zone_number(self, int64_t pfn) except -1:
        """Number of the zone that spans *pfn*."""
        cdef uint32_t at = zone_at(&self.c, pfn)
        if at == PASR_NO_ZONE:
            raise ValueError(f"pfn {pfn:#x} lies in no zone")
        return <int> at

    def set_page_state(self, pfn, nr, state):
        """Say what reclaim and migration may do with blocks in use.

        Parameters
        ----------
        pfn, nr : int
            Range of pages of one zone that consists of whole allocated blocks.
        state : {"unknown", "movable", "clean", "dirty", "pinned", "unevictable"}
            "movable": anonymous memory, swapped out if there is swap; "clean" and "dirty": page cache, dropped
            at once, or written first; "pinned": neither reclaimed nor moved; "unevictable": mlocked, not reclaimed, and
            moved where evacuation is told so; "unknown": as if nothing was said. Then reclaim leaves a block
            alone, and it can be moved if it was requested as movable.
            The blocks become the youngest of their list.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit, or a page of the range is not in use, or a block reaches
            over an end of it; nothing is changed.
        RuntimeError
            If another thread's call is at work.

        Notes
        -----
        O(blocks). A state is forgotten when its block is freed.
        """
        cdef int64_t first = as_int(pfn, "pfn", 0, INT64_MAX)
        cdef int64_t count = as_int(nr, "nr", 1, INT64_MAX)
        cdef pasr_memzone_t *mz
        cdef pasr_idx_t bad = 0
        cdef int error
        if state not in PAGE_STATES:
            raise ValueError(unknown("state", state, PAGE_STATES))
        mz = &self.c.zones[self.zone_number(first)]
        number = PAGE_STATES.index(state)
        self.turn.refuse_if_taken()
        if not zone_spans(mz.zone, first) or count > pfn_of(mz.zone, mz.zone.end) - first:
            raise ValueError(f"{count} pages from pfn {first:#x} do not lie in one zone")
        error = lru_check_range(mz, idx_of(mz.zone, first), count, &bad)
        if error != PASR_OK:
            why = "is inside or heads a block that reaches out of the range" if error == PASR_EINVAL else (
                "is not in use")
            raise ValueError(f"pfn {pfn_of(mz.zone, bad):#x} {why}: expected whole allocated blocks")
        lru_set_range(mz, idx_of(mz.zone, first), count, <uint8_t> number)

    def set_page_states(self, pfns, state):
        """Say what reclaim and migration may do with many blocks in use.

        Parameters
        ----------
        pfns : array_like of int64, shape (n,)
            First pages of allocated blocks. They become the youngest of their list, in this order.
        state : {"unknown", "movable", "clean", "dirty", "pinned", "unevictable"}
            As for `set_page_state`.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit, or an entry does not head an allocated block; nothing is changed.
        RuntimeError
            If another thread's call is at work.
        """
        cdef Py_buffer view
        cdef Py_ssize_t i
        cdef int64_t pfn
        cdef uint32_t at
        cdef uint8_t number
        if state not in PAGE_STATES:
            raise ValueError(unknown("state", state, PAGE_STATES))
        number = PAGE_STATES.index(state)
        # A copy: another thread may change the array.
        get_array(np.array(integers(pfns, "pfns")), &view, "pfns", "int64", False)
        try:
            self.turn.refuse_if_taken()
            for i in range(view.shape[0]):
                pfn = (<int64_t *> view.buf)[i]
                at = zone_at(&self.c, pfn)
                if at == PASR_NO_ZONE or zone_free_error(self.c.zones[at].zone, pfn, -1) != PASR_OK:
                    raise ValueError(f"pfns[{i}], {pfn:#x}, does not head an allocated block")
            for i in range(view.shape[0]):
                pfn = (<int64_t *> view.buf)[i]
                at = zone_at(&self.c, pfn)
                lru_set(&self.c.zones[at], idx_of(self.c.zones[at].zone, pfn), number)
        finally:
            PyBuffer_Release(&view)

    def drain(self):
        """Give all pages on all pagesets back to their zones, as ``drain_all_pages()`` does.

        Returns
        -------
        nr_pages : int

        Raises
        ------
        RuntimeError
            If another thread's call is at work.

        Notes
        -----
        O(blocks on pagesets).
        """
        cdef int64_t before
        self.turn.refuse_if_taken()
        before = self.nr_free
        node_drain(&self.c)
        return self.nr_free - before

    def free_swap(self, nr_pages):
        """Say that some swap is not in use any more: its memory came back, or its owner is gone.

        Parameters
        ----------
        nr_pages : int

        Raises
        ------
        ValueError, TypeError
            If so many are not in use; nothing is changed.
        RuntimeError
            If another thread's call is at work.
        """
        cdef uint64_t nr = <uint64_t> as_int(nr_pages, "nr_pages", 0, INT64_MAX)
        self.turn.refuse_if_taken()
        if nr > self.c.swap_size - self.c.swap_free:
            raise ValueError(
                f"nr_pages must be at most the {self.c.swap_size - self.c.swap_free} pages of swap in use, got {nr}")
        self.c.swap_free += nr
