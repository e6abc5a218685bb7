"""What has happened to the memory of a simulation."""

from cpython.buffer cimport Py_buffer, PyBuffer_Release
from libc.stdint cimport int64_t, uint32_t, uint64_t

from pasralloc._core.arena cimport ReadOnlyView
from pasralloc._core.boundary cimport as_int, get_array
from pasralloc._core.moved cimport follow_all, moment_t
from pasralloc._core.nodetypes cimport (
    PASR_HELD_CACHED, PASR_HELD_NOT, PASR_NR_HOLDERS, PASR_NR_MOVES, PASR_NR_RECLAIMED, pasr_evacuation_t,
    pasr_memzone_t,
)

import numpy as np

from pasralloc._core.records import (
    HOLDERS, MOVE_DTYPE, MOVE_RECORD_DTYPE, RECLAIMED_DTYPE, RECLAIMED_RECORD_DTYPE,
)


cdef class MemoryHistory(MemoryBase):
    """What has happened to the memory of a simulation; see `Simulation`."""

    def counters(self):
        """What happened so far, by name: dict of str to int.

        *slow*: requests that found every zone below its low watermark; *walked*: zones tried
        in vain; *failures*: requests without memory; *kswapd_runs*, *direct_runs*: how often the kswapd
        of a node ran, and reclaim by a request itself; of all zones together *misses*, requests that went on
        because of a watermark, *kswapd_zones*, zones that runs of kswapd found below their high watermark, and
        the pages *scanned*, *kswapd* and *direct* (reclaimed by either), *written* and *swapped*.
        """
        cdef const pasr_memzone_t *mz
        cdef uint32_t i
        totals = dict.fromkeys(("misses", "kswapd_zones", "scanned", "kswapd", "direct", "written", "swapped"), 0)
        for i in range(self.c.nr_zones):
            mz = &self.c.zones[i]
            totals["misses"] += mz.nr_misses
            totals["scanned"] += mz.nr_scanned
            totals["kswapd_zones"] += mz.nr_kswapd_runs
            totals["kswapd"] += mz.nr_kswapd
            totals["direct"] += mz.nr_direct
            totals["written"] += mz.nr_written
            totals["swapped"] += mz.nr_swapped
        return {
            "slow": self.c.nr_slow, "walked": self.c.nr_walked, "failures": self.c.nr_failures,
            "kswapd_runs": self.c.nr_kswapd_runs, "direct_runs": self.c.nr_direct_runs, **totals,
            "reclaimed_blocks": self.c.nr_reclaimed}

    def reclaimed(self):
        """Blocks that reclaim freed: whoever knows them by their pfn must forget them.

        Returns
        -------
        blocks : ndarray of RECLAIMED_DTYPE, shape (n,)
            *pfn*, *order* and *state* (2 for page cache, 1 for anonymous memory, which is in
            swap now), the oldest first. The last 1,048,576; how many there were in all is
            ``counters()["reclaimed_blocks"]``.
        """
        return self.ring(
            self.c.reclaimed, self.c.nr_reclaimed, PASR_NR_RECLAIMED, RECLAIMED_RECORD_DTYPE, RECLAIMED_DTYPE)

    def moves(self):
        """Blocks that were migrated: whoever knows them by their pfn must follow them.

        Returns
        -------
        blocks : ndarray of MOVE_DTYPE, shape (n,)
            *old_pfn*, *new_pfn* and *order*, the oldest first. The last 1,048,576; how many there were in all
            is ``evacuations()["moved_blocks"]``.
        """
        return self.ring(self.c.moves, self.c.nr_moves, PASR_NR_MOVES, MOVE_RECORD_DTYPE, MOVE_DTYPE)

    def evacuations(self):
        """What became of the regions that were evacuated so far: dict of str to int, and a dict of them.

        *tried*: regions that were evacuated, *complete*, those that were completely free then, and
        *complete_after_drain*, those that were but for pages on pagesets; pages of all of them that *moved*, clean
        page cache that was *dropped*, and pages that could have moved but did not (*failed*); *moved_blocks*, entries
        of `moves`; *held*: regions that were in use still, by the reason.
        """
        cdef const pasr_evacuation_t *evacuation = &self.c.evacuation
        return {
            "tried": evacuation.nr_tried, "complete": evacuation.nr_by_holder[<int> PASR_HELD_NOT],
            "complete_after_drain": evacuation.nr_by_holder[<int> PASR_HELD_CACHED], "moved": evacuation.nr_moved,
            "dropped": evacuation.nr_dropped, "failed": evacuation.nr_failed, "moved_blocks": self.c.nr_moves,
            "held": {HOLDERS[i]: evacuation.nr_by_holder[i] for i in range(1, <int> PASR_NR_HOLDERS)}}

    def moment(self):
        """How far history has come: what `follow` wants to know of pfns that are noted now.

        Returns
        -------
        moment : (int, int, int)
            Blocks that were migrated and reclaimed so far, and snapshots that were restored.
        """
        return self.c.nr_moves, self.c.nr_reclaimed, self.nr_restored

    def follow(self, pfns, since):
        """Find blocks again that may have been migrated or reclaimed.

        Parameters
        ----------
        pfns : ndarray of int64, shape (n,)
            First pages of blocks. Overwritten with where they are now; -22 (EINVAL) if they were reclaimed.
        since : (int, int, int) or (int, None, int)
            `moment` at which the pfns were right; without the second number blocks that reclaim does not take.

        Raises
        ------
        ValueError, TypeError
            If an argument does not fit, more has happened since than `moves` or `reclaimed` can tell, or a
            snapshot was restored since; nothing is changed.
        RuntimeError
            If another thread's call is at work.

        Notes
        -----
        O(n + moves since). A block that was freed meanwhile cannot
        be told from another one at its place: forget it.
        """
        cdef Py_buffer view
        cdef moment_t then
        nr_moves, nr_reclaimed, nr_restored = since
        if nr_restored != self.nr_restored:
            raise ValueError(f"since must be a moment after the last restore, got {since!r}")
        then.nr_moves = <uint64_t> as_int(nr_moves, "since[0]", 0, <int64_t> self.c.nr_moves)
        then.nr_reclaimed = self.c.nr_reclaimed
        if nr_reclaimed is not None:
            then.nr_reclaimed = <uint64_t> as_int(nr_reclaimed, "since[1]", 0, <int64_t> self.c.nr_reclaimed)
        if self.c.nr_moves - then.nr_moves > PASR_NR_MOVES or (
                self.c.nr_reclaimed - then.nr_reclaimed > PASR_NR_RECLAIMED):
            raise ValueError(f"since must be later: only the last {PASR_NR_MOVES} moves and the last"
                             f" {PASR_NR_RECLAIMED} reclaimed blocks are known, got {since!r}")
        get_array(pfns, &view, "pfns", "int64", True)
        try:
            self.turn.refuse_if_taken()
            follow_all(&self.c, then, <int64_t *> view.buf, view.shape[0])
        finally:
            PyBuffer_Release(&view)

    cdef object ring(self, const void *records, uint64_t nr, uint64_t size, object record_dtype, object dtype):
        """The entries of a ring that *nr* were written to, the oldest first."""
        self.turn.refuse_if_taken()
        if self.first is None:
            return np.empty(0, dtype)
        entries = np.frombuffer(ReadOnlyView.create(self, <void *> records, size * record_dtype.itemsize), record_dtype)
        at = nr % size
        entries = np.concatenate([entries[at:], entries[:at]]) if nr > size else entries[:nr]
        return entries.astype(dtype)
