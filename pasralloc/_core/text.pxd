"""Lines of ftrace, perf script and trace-cmd report to events."""

from libc.stddef cimport size_t
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from pasralloc._core.events cimport pasr_event_t
from pasralloc._core.gfp cimport gfp_memo_t


# What became of a line.
cdef enum:
    LINE_EVENT                           # an event was written
    LINE_OTHER                           # an event of another kind
    LINE_PLAIN                           # no event: header, blank, stack trace
    LINE_BAD                             # names an event but does not parse


ctypedef struct task_t:
    int32_t pid
    uint8_t length                       # of comm; 0 with pid 0 and is_used 0: the entry is empty
    uint8_t is_used
    char comm[16]


ctypedef struct text_state_t:
    int64_t last_ns                      # time of the latest event so far
    uint64_t nr_backwards                # events that seemed to be earlier than the one before
    uint64_t entries_in_buffer           # of the header of a `trace` file
    uint64_t entries_written
    uint32_t nr_tasks
    uint32_t nr_tasks_dropped            # tasks there was no room for
    uint8_t is_started                   # last_ns is set
    uint8_t saw_system                   # an event was written system:event, as perf does
    uint8_t saw_hex
    uint8_t saw_decimal
    gfp_memo_t memo
    task_t tasks[32768]


cdef int parse_line(
    text_state_t *state, const char *line, const char *end, pasr_event_t *event
) noexcept nogil
