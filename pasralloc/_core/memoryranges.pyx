"""What can be done to ranges and regions of the memory of a simulation from Python."""

import ctypes
from operator import index

from libc.stdint cimport INT64_MAX, int64_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memset

from pasralloc._core.boundary cimport as_int
from pasralloc._core.compaction cimport compact_zone, empty_range, extent_t, held_in, held_t
from pasralloc._core.evacuation cimport evacuate_region, note_holder
from pasralloc._core.nodetypes cimport (
    PASR_HELD_SINK, PASR_HELD_TARGETS, pasr_memzone_t, pasr_move_fn,
)
from pasralloc._core.rangecalls cimport as_any_migratetype, retype_pages, take_pages
from pasralloc._core.types cimport pasr_idx_t, pasr_zone_t
from pasralloc._core.zone cimport idx_of, pfn_of, zone_spans

import numpy as np

from pasralloc._core.records import EVACUATION_TARGETS, HELD_DTYPE, HOLDERS, Evacuated
from pasralloc.choices import unknown
from pasralloc.errors import MoveRefused

MOVE_SINK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint32)
MOVE_SINK.__doc__ = "Type of the functions that `Simulation.set_move_sink` takes."


cdef class MemoryRanges(Memory):
    """What can be done to ranges and regions of the memory of a simulation; see `Simulation`."""

    def take_range(self, pfn, nr, migratetype="movable"):
        """Allocate exactly the pages ``[pfn, pfn + nr)`` of one zone, as few aligned blocks.

        Parameters
        ----------
        pfn, nr : int
            Range of free pages. Watermarks do not matter.
        migratetype : str or int, default "movable"
            What the blocks are remembered as.

        Returns
        -------
        nr_blocks : int
            Blocks made, as by `Zone.take_range`.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit, or a page of the range is not free; nothing is changed.
        RuntimeError
            If another thread's call is at work.

        Notes
        -----
        O(log) per block.
        """
        cdef int64_t first = as_int(pfn, "pfn", 0, INT64_MAX)
        cdef int64_t count = as_int(nr, "nr", 1, INT64_MAX)
        cdef pasr_zone_t *z = self.c.zones[self.zone_number(first)].zone
        cdef int number = self.first.as_migratetype(migratetype)
        self.turn.refuse_if_taken()
        return take_pages(z, first, count, number)

    def set_pageblocks(self, pfn, nr, migratetype):
        """Give whole pageblocks of one zone another migratetype.

        Parameters
        ----------
        pfn, nr : int
            Range of whole pageblocks, as for `Zone.set_pageblocks`.
        migratetype : str or int
            Any that the zones have.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit; nothing is changed.
        RuntimeError
            If another thread's call is at work.

        Notes
        -----
        O(blocks of the range).
        """
        cdef int64_t first = as_int(pfn, "pfn", 0, INT64_MAX)
        cdef int64_t count = as_int(nr, "nr", 1, INT64_MAX)
        cdef pasr_zone_t *z = self.c.zones[self.zone_number(first)].zone
        cdef int number = as_any_migratetype(migratetype, self.first.migratetypes)
        self.turn.refuse_if_taken()
        retype_pages(z, first, count, number)

    cdef int zone_index(self, object zone) except -1:
        """Position of one of `zones`."""
        cdef int i
        for i in range(<int> self.c.nr_zones):
            if self.zones[i] is zone:
                return i
        raise ValueError(f"zone must be one of the {self.c.nr_zones} zones of this simulation, got {zone!r}")

    cdef pasr_compact_control_t control_of(self, object targets) except *:
        """The control record of the policy, but for where pages go."""
        cdef pasr_compact_control_t control = self.c.evacuation.control
        if targets is not None:
            if not isinstance(targets, str) or targets not in EVACUATION_TARGETS:
                raise ValueError(unknown("targets", targets, EVACUATION_TARGETS))
            control.targets = EVACUATION_TARGETS.index(targets)
        return control

    cdef object result_of(self, pasr_compacted_t *done, int64_t left):
        """What was done, when *left* pages are in use still; MoveRefused if the sink has ended it."""
        cdef bint was_refused = done.holder == PASR_HELD_SINK
        cdef bint was_ended = was_refused or done.holder == PASR_HELD_TARGETS
        cdef uint64_t nr_stuck = done.nr_failed + done.nr_unmovable + done.nr_pinned
        if left != 0:
            note_holder(done)
        result = Evacuated(
            moved=done.nr_moved, dropped=done.nr_dropped, failed=done.nr_failed, aborted=was_ended,
            complete=left == 0, complete_after_drain=not was_ended and nr_stuck == 0, reason=HOLDERS[done.holder],
            unmovable=done.nr_unmovable, pinned=done.nr_pinned, cached=done.nr_cached)
        if was_refused:
            raise MoveRefused(
                self.c.refused.old_pfn, self.c.refused.new_pfn, self.c.refused.order, self.c.answer, result)
        return result

    def evacuate(self, zone, region, now_ns=None, *, targets=None):
        """Move the pages in use of a region elsewhere, so that it becomes completely free.

        Parameters
        ----------
        zone : MemoryZone
            One of `zones`.
        region : int
            Not 0: the series leaves the first region of a zone alone.
        now_ns : int, optional
            Time of the call; by default as late as the last.
        targets : {"lower-regions", "other-regions"}, optional
            Where pages may go; by default what the policy says.

        Returns
        -------
        result : Evacuated
            *moved*, *dropped* (clean page cache) and *failed* pages (could have been moved, but no free block was
            found; where the walk ended early, of the 32 pages at hand alone); *aborted*, whether the walk ended
            early; *complete*, whether the region is completely free; *complete_after_drain*, whether it is but for
            pages on pagesets; *reason*, why it is not complete, or None; *unmovable*, *pinned* and *cached*, pages
            that were met of these kinds.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit; nothing is changed.
        RuntimeError
            If another thread's call is at work, or the sink calls.
        MoveRefused
            If the sink refuses a move. What was done before stands, and is the *result* of the exception.

        Notes
        -----
        The number of pages in use does not matter here. Blocks go to the free lists of their own type, from where
        the zone's placement takes next: never to parked regions, reserves, or other types' memory. The
        pages they leave go to the pageset of a CPU of the node. O(blocks in use + free blocks between
        them).

        References
        ----------
        S. S. Bhat, "[RFC PATCH v2 12/15] mm: Add infrastructure to evacuate memory regions using compaction",
        linux-mm, 9 April 2013, <20130409214832.4500.17236.stgit@srivatsabhat.in.ibm.com>.
        """
        cdef pasr_memzone_t *mz = &self.c.zones[self.zone_index(zone)]
        cdef int64_t number = as_int(region, "region", 0, mz.zone.nr_regions - 1)
        cdef pasr_compact_control_t control = self.control_of(targets)
        cdef pasr_compacted_t done
        cdef int64_t now = self.as_time(now_ns)
        if number == 0:
            raise ValueError("region must not be 0: the first region of a zone is never evacuated")
        self.turn.refuse_if_taken()
        self.pass_time(now)
        self.turn.take()
        try:
            evacuate_region(&self.c, mz, <uint32_t> number, &control, &done)
        finally:
            self.turn.give_back()
        return self.result_of(&done, <int64_t> mz.zone.regions[number].managed - mz.zone.regions[number].nr_free)

    def evacuate_range(self, pfn, nr, now_ns=None, *, targets=None):
        """Move the pages in use of a range elsewhere.

        Parameters
        ----------
        pfn, nr : int
            Range of one zone. A block that reaches over an end of it is moved as a whole.
        now_ns, targets
            As for `evacuate`; pages never go into a region that the range touches.

        Returns
        -------
        result : Evacuated
            As of `evacuate`, *complete* if all pages of the range are free.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit, or the range leaves its zone; nothing is changed.
        RuntimeError
            If another thread's call is at work, or the sink calls.
        MoveRefused
            If the sink refuses a move. What was done before stands, and is the *result* of the exception.
        """
        cdef int64_t first = as_int(pfn, "pfn", 0, INT64_MAX)
        cdef int64_t count = as_int(nr, "nr", 1, INT64_MAX)
        cdef pasr_memzone_t *mz = &self.c.zones[self.zone_number(first)]
        cdef pasr_compact_control_t control = self.control_of(targets)
        cdef pasr_compacted_t done
        cdef extent_t extent
        cdef held_t held
        cdef int64_t now = self.as_time(now_ns)
        if not zone_spans(mz.zone, first) or count > pfn_of(mz.zone, mz.zone.end) - first:
            raise ValueError(f"{count} pages from pfn {first:#x} do not lie in one zone")
        self.turn.refuse_if_taken()
        self.pass_time(now)
        memset(&done, 0, sizeof(done))
        extent.first = idx_of(mz.zone, first)
        extent.stop = <pasr_idx_t> (extent.first + count)
        self.turn.take()
        try:
            empty_range(&self.c, mz, &extent, ~<uint64_t> 0, &control, &done)
        finally:
            self.turn.give_back()
        held = held_in(mz, extent.first, extent.stop)
        return self.result_of(&done, held.movable + held.unmovable + held.pinned + held.cached)

    def compact(self, zone, now_ns=None):
        """Compact a zone as Linux does for the sake of large blocks: pages from its bottom move to its top.

        The opposite of what evacuation wants: low regions become free, and high ones are filled.

        Parameters
        ----------
        zone : MemoryZone
            One of `zones`.
        now_ns : int, optional
            As for `evacuate`.

        Returns
        -------
        result : Evacuated
            As of `evacuate`; *complete* says that every page in use that the migration scanner met was moved.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit; nothing is changed.
        RuntimeError
            If another thread's call is at work, or the sink calls.
        MoveRefused
            If the sink refuses a move. What was done before stands, and is the *result* of the exception.

        Notes
        -----
        ``/proc/sys/vm/compact_memory``: goes on until the scanners meet. Both look at movable and CMA pageblocks
        alone. O(blocks).
        """
        cdef pasr_memzone_t *mz = &self.c.zones[self.zone_index(zone)]
        cdef pasr_compact_control_t control
        cdef pasr_compacted_t done
        cdef int64_t now = self.as_time(now_ns)
        memset(&control, 0, sizeof(control))
        memset(&done, 0, sizeof(done))
        control.max_tries = 1
        control.targets = 1
        self.turn.refuse_if_taken()
        self.pass_time(now)
        self.turn.take()
        try:
            compact_zone(&self.c, mz, &control, &done)
        finally:
            self.turn.give_back()
        return self.result_of(&done, done.nr_failed + done.nr_unmovable + done.nr_pinned + done.nr_cached)

    def held(self, zone):
        """What the pages in use of each region are.

        Parameters
        ----------
        zone : MemoryZone
            One of `zones`.

        Returns
        -------
        held : ndarray of HELD_DTYPE, shape (nr_regions,)
            Pages that are *unmovable*, *pinned* (or unevictable), *movable*, and *cached* (on pagesets).

        Raises
        ------
        ValueError
            If *zone* is another.
        RuntimeError
            If another thread's call is at work.

        Notes
        -----
        O(blocks of the zone).
        """
        cdef pasr_memzone_t *mz = &self.c.zones[self.zone_index(zone)]
        cdef uint32_t region
        cdef pasr_idx_t first = mz.zone.first
        cdef held_t held
        self.turn.refuse_if_taken()
        table = np.empty(mz.zone.nr_regions, HELD_DTYPE)
        for region in range(mz.zone.nr_regions):
            held = held_in(mz, first, min(mz.zone.region_ends[region], mz.zone.end))
            table[region] = (held.unmovable, held.pinned, held.movable, held.cached)
            first = mz.zone.region_ends[region]
        return table

    def set_move_sink(self, sink):
        """Have a function told of every block that is about to be migrated.

        Parameters
        ----------
        sink : MOVE_SINK or None
            A C function ``int sink(void *context, int64_t old_pfn, int64_t new_pfn, uint32_t order)`` as a ctypes
            function of that type: a decorated Python function, or the address of a compiled one. *context* is NULL.
            If it returns anything but 0, the block stays, and the evacuation ends after what was moved before: a call
            raises `MoveRefused`, and of regions, whoever evacuates them, `evacuations` counts "refused by the sink".
            It must not raise: ctypes prints the exception, and what it then returns is not defined. Calls of this
            simulation from it are refused. None: nobody is told.

        Raises
        ------
        TypeError
            If it is anything else.
        RuntimeError
            If another thread's call is at work.
        """
        if sink is not None and not isinstance(sink, MOVE_SINK):
            raise TypeError(f"sink must be a function of type MOVE_SINK or None, got {sink!r}")
        # The address first: finding it runs Python code, while the function before is still in use.
        address = 0 if sink is None else index(ctypes.cast(sink, ctypes.c_void_p).value or 0)
        self.turn.refuse_if_taken()
        self.c.sink_context = NULL
        self.c.sink = <pasr_move_fn> <uintptr_t> address
        self.sink = sink
