"""Blocks of trace text to arrays of events, with counts of everything on the way."""

cimport cython
from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcpy

from pasralloc._core.boundary cimport get_array
from pasralloc._core.events cimport (
    PASR_EVENT_ALLOC, PASR_EVENT_FAILED, PASR_EVENT_FREE, PASR_EVENT_LOST, PASR_EVENT_UNTIMED,
    PASR_NR_EVENT_KINDS, pasr_event_t,
)
from pasralloc._core.gfp cimport GFP_MOVABLE, GFP_RECLAIMABLE
from pasralloc._core.text cimport (
    LINE_BAD, LINE_EVENT, LINE_OTHER, LINE_PLAIN, parse_line, text_state_t,
)

import numpy as np

EVENT_DTYPE = np.dtype([
    ("time_ns", "i8"), ("pfn", "i8"), ("gfp", "u4"), ("pid", "i4"), ("cpu", "u2"), ("event", "u1"),
    ("order", "i1"), ("migratetype", "i1"), ("flags", "u1"), ("pad", "u2"),
])

cdef enum:
    NR_QUOTED = 5
    QUOTE = 160
    NR_TYPES = 16
    MAX_LINE = 65536


ctypedef struct quote_t:
    uint64_t line
    uint32_t length
    char text[160]


# What an input holds, counted event by event.
ctypedef struct tally_t:
    uint64_t nr_lines
    uint64_t nr_by_line[4]               # by LINE_EVENT, LINE_OTHER, LINE_PLAIN, LINE_BAD
    uint64_t nr_by_event[8]
    uint64_t nr_lost                     # events lost, where a mark says how many
    uint64_t nr_failed
    uint64_t nr_pages_allocated
    uint64_t types_by_gfp[16][3]         # migratetype of mm_page_alloc by gfp: neither, movable, reclaimable
    int64_t first_ns                     # of the first event that has a time stamp
    bint is_timed                        # first_ns is set
    int64_t end_pfn                      # one more than the last pfn of an allocation or free
    uint64_t nr_quotes
    quote_t quotes[5]


cdef inline void count_event(tally_t *tally, const pasr_event_t *event) noexcept nogil:
    cdef int64_t end_pfn
    if not tally.is_timed and not event.flags & PASR_EVENT_UNTIMED:
        tally.is_timed = True
        tally.first_ns = event.time_ns
    tally.nr_by_event[event.event] += 1
    if event.event == PASR_EVENT_LOST:
        tally.nr_lost += event.pfn
        return
    if event.event != PASR_EVENT_ALLOC and event.event != PASR_EVENT_FREE:
        return
    if event.flags & PASR_EVENT_FAILED:
        tally.nr_failed += 1
        return
    if event.event == PASR_EVENT_ALLOC:
        if 0 <= event.migratetype < NR_TYPES:
            tally.types_by_gfp[event.migratetype][
                1 if event.gfp & GFP_MOVABLE else 2 if event.gfp & GFP_RECLAIMABLE else 0] += 1
        if 0 <= event.order <= 10:
            tally.nr_pages_allocated += <uint64_t> 1 << event.order
    if 0 <= event.order <= 10 and event.pfn < <int64_t> 1 << 45:
        end_pfn = event.pfn + (<int64_t> 1 << event.order)
        if end_pfn > tally.end_pfn:
            tally.end_pfn = end_pfn


cdef void quote(tally_t *tally, const char *line, const char *end) noexcept nogil:
    cdef quote_t *q
    if tally.nr_quotes == NR_QUOTED:
        return
    q = &tally.quotes[tally.nr_quotes]
    q.line = tally.nr_lines
    q.length = <uint32_t> (end - line) if end - line < QUOTE else QUOTE
    memcpy(q.text, line, q.length)
    tally.nr_quotes += 1


cdef const char *parse_block(
    text_state_t *state, tally_t *tally, const char *p, const char *end, bint at_end, bint *skip_rest,
    pasr_event_t *out, uint64_t room, uint64_t *nr_events
) noexcept nogil:
    """Parse whole lines until the block or the room ends; return where the next line starts."""
    cdef const char *newline
    cdef int kind
    nr_events[0] = 0
    while p < end and nr_events[0] < room:
        newline = <const char *> memchr(p, c'\n', end - p)
        if newline == NULL:
            if not at_end and not skip_rest[0] and end - p < MAX_LINE:
                return p
            newline = end
        if skip_rest[0]:                                    # more of a line that was given up
            skip_rest[0] = newline == end
            p = newline + 1
            continue
        skip_rest[0] = newline == end
        tally.nr_lines += 1
        kind = LINE_BAD
        if newline - p < MAX_LINE:
            kind = parse_line(state, p, newline, &out[nr_events[0]])
        tally.nr_by_line[kind] += 1
        if kind == LINE_EVENT:
            count_event(tally, &out[nr_events[0]])
            nr_events[0] += 1
        elif kind == LINE_BAD:
            quote(tally, p, newline)
        p = newline + 1
    return p if p < end else end


@cython.final
cdef class TextParser:
    """Parser of one text trace, fed block by block.

    Understands what ftrace (``trace``, ``trace_pipe``, also with the function
    graph tracer), ``perf script`` and ``trace-cmd report`` (also with -R) print.
    One thread at a time.
    """

    cdef text_state_t *state
    cdef tally_t *tally
    cdef bint skip_rest

    def __cinit__(self):
        self.state = <text_state_t *> calloc(1, sizeof(text_state_t))
        self.tally = <tally_t *> calloc(1, sizeof(tally_t))
        if self.state == NULL or self.tally == NULL:
            raise MemoryError("cannot allocate the state of a trace parser")

    def __dealloc__(self):
        free(self.state)
        free(self.tally)

    def parse(self, data, out, bint at_end=False):
        """Parse the whole lines of a block.

        Parameters
        ----------
        data : bytes-like
            What the last call left, followed by what comes next in the input.
        out : ndarray of EVENT_DTYPE, shape (n,)
            Where events are written.
        at_end : bool, default False
            Whether the input ends with this block, so that a last line needs no
            newline.

        Returns
        -------
        nr_bytes, nr_events : int
            Bytes consumed and events written. Parsing stops at the last
            newline or when *out* is full.

        Raises
        ------
        ValueError, TypeError
            If *out* does not fit.

        Notes
        -----
        A line of 64 KiB or more is given up and counted as bad. Releases the GIL.
        """
        cdef Py_buffer source, target
        cdef const char *start
        cdef const char *stop
        cdef uint64_t nr_events = 0
        PyObject_GetBuffer(data, &source, PyBUF_SIMPLE)
        try:
            get_array(out, &target, "out", "EVENT_DTYPE", True)
            start = <const char *> source.buf
            with nogil:
                stop = parse_block(
                    self.state, self.tally, start, start + source.len, at_end, &self.skip_rest,
                    <pasr_event_t *> target.buf, target.shape[0], &nr_events)
            PyBuffer_Release(&target)
            return stop - start, nr_events
        finally:
            PyBuffer_Release(&source)

    def tasks(self):
        """Latest name of each task: dict of int (pid) to str."""
        return {
            task.pid: task.comm[:task.length].decode("utf-8", "replace")
            for task in self.state.tasks[:32768] if task.is_used
        }

    def summary(self):
        """What was counted so far: dict of str to int, list or array; see `pasralloc.analysis.quality`."""
        cdef tally_t *t = self.tally
        return {
            "lines": t.nr_lines,
            "events": t.nr_by_line[LINE_EVENT],
            "other_events": t.nr_by_line[LINE_OTHER],
            "plain_lines": t.nr_by_line[LINE_PLAIN],
            "bad_lines": t.nr_by_line[LINE_BAD],
            "bad_quotes": [
                (q.line, q.text[:q.length].decode("utf-8", "replace")) for q in t.quotes[:t.nr_quotes]
            ],
            "by_kind": [t.nr_by_event[kind] for kind in range(PASR_NR_EVENT_KINDS)],
            "lost": t.nr_lost,
            "failed_allocs": t.nr_failed,
            "pages_allocated": t.nr_pages_allocated,
            "types_by_gfp": np.array([[t.types_by_gfp[i][j] for j in range(3)] for i in range(NR_TYPES)]),
            "first_ns": t.first_ns,
            "last_ns": self.state.last_ns,
            "end_pfn": t.end_pfn,
            "backwards": self.state.nr_backwards,
            "entries_in_buffer": self.state.entries_in_buffer,
            "entries_written": self.state.entries_written,
            "tasks_dropped": self.state.nr_tasks_dropped,
            "saw_system": bool(self.state.saw_system),
            "saw_hex": bool(self.state.saw_hex),
            "saw_decimal": bool(self.state.saw_decimal),
        }
