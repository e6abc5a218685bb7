"""Lines of ftrace, perf script and trace-cmd report to events.

The columns before the event name vary with the producer, its version and its
options; what follows the name hardly does. So a line is anchored on
``event_name:``, its ``key=value`` fields are read in any order, and the columns
before are looked for from the right.
"""

from libc.stddef cimport size_t
from libc.stdint cimport INT64_MAX, UINT64_MAX, int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy, memset

from pasralloc._core.events cimport (
    PASR_EVENT_ALLOC, PASR_EVENT_EXTFRAG, PASR_EVENT_FAILED, PASR_EVENT_FREE, PASR_EVENT_FREE_BATCHED,
    PASR_EVENT_LOST, PASR_EVENT_NONE, PASR_EVENT_OLD_NAME, PASR_EVENT_OWNERSHIP, PASR_EVENT_PCPU_DRAIN,
    PASR_EVENT_REFILL, PASR_EVENT_UNTIMED, PASR_EVENT_ZONE_LOCKED,
)
from pasralloc._core.gfp cimport gfp_parse
from pasralloc._core.scan cimport (
    is_blank, is_digit, is_word, matches, read_number, read_small, skip_value, starts_with, token_start, trim_right,
)

cdef enum:
    NR_TASKS = 32768
    HAS_PFN = 1
    HAS_ORDER = 2
    HAS_TYPE = 4


cdef inline int event_of_name(const char *name, size_t length, uint8_t *flags) noexcept nogil:
    """Kind of event, PASR_EVENT_NONE if it is none of the page allocator."""
    flags[0] = 0
    if length > 5 and memcmp(name, b"kmem_", 5) == 0:      # as LTTng names it
        name += 5
        length -= 5
    if length < 12 or memcmp(name, b"mm_page", 7) != 0:
        return PASR_EVENT_NONE
    if matches(name, length, b"mm_page_alloc", 13):
        return PASR_EVENT_ALLOC
    if matches(name, length, b"mm_page_free", 12):
        return PASR_EVENT_FREE
    if matches(name, length, b"mm_page_free_batched", 20):
        return PASR_EVENT_FREE_BATCHED
    if matches(name, length, b"mm_page_alloc_zone_locked", 25):
        return PASR_EVENT_ZONE_LOCKED
    if matches(name, length, b"mm_page_pcpu_drain", 18):
        return PASR_EVENT_PCPU_DRAIN
    if matches(name, length, b"mm_page_alloc_extfrag", 21):
        return PASR_EVENT_EXTFRAG
    flags[0] = PASR_EVENT_OLD_NAME
    if matches(name, length, b"mm_page_free_direct", 19):
        return PASR_EVENT_FREE
    if matches(name, length, b"mm_pagevec_free", 15):
        return PASR_EVENT_FREE_BATCHED
    return PASR_EVENT_NONE


cdef inline const char *read_page(const char *p, const char *end, bint *is_null) noexcept nogil:
    """Skip the page pointer, which is a hash, an address or a copy of the pfn; note whether it is null."""
    cdef const char *start
    cdef const char *c
    if end - p > 1 and is_blank(p[0]) and p[1] == c'(':     # "page= (null)"
        p += 1
    start = p
    p = skip_value(p, end)
    is_null[0] = True
    if matches(start, p - start, b"(null)", 6):
        return p
    c = start
    while c < p and (c[0] == c'0' or (c[0] == c'x' and c == start + 1)):
        c += 1
    is_null[0] = c == p
    return p


cdef enum:
    KEY_NONE
    KEY_UNKNOWN
    KEY_PAGE
    KEY_PFN
    KEY_ORDER
    KEY_TYPE
    KEY_GFP
    KEY_REFILL
    KEY_OWNERSHIP


cdef inline int read_key(const char **at, const char *end) noexcept nogil:
    """Read ``key=``; KEY_NONE at the end, or at what is no field at all."""
    cdef const char *p
    while True:
        while at[0] < end and is_blank(at[0][0]):
            at[0] += 1
        if starts_with(at, end, b"pfn=", 4):
            return KEY_PFN
        if starts_with(at, end, b"order=", 6) or starts_with(at, end, b"alloc_order=", 12):
            return KEY_ORDER
        if starts_with(at, end, b"page=", 5):
            return KEY_PAGE
        if starts_with(at, end, b"migratetype=", 12) or starts_with(at, end, b"alloc_migratetype=", 18):
            return KEY_TYPE
        if starts_with(at, end, b"gfp_flags=", 10):
            return KEY_GFP
        if starts_with(at, end, b"percpu_refill=", 14):
            return KEY_REFILL
        if starts_with(at, end, b"change_ownership=", 17):
            return KEY_OWNERSHIP
        p = at[0]
        while p < end and is_word(p[0]):
            p += 1
        if p == at[0] or p == end:
            return KEY_NONE
        at[0] = p
        if p[0] == c'=':
            at[0] += 1
            return KEY_UNKNOWN
        # A word without a value: field names with a blank in them exist.


cdef int read_fields(text_state_t *state, const char *p, const char *end, pasr_event_t *event) noexcept nogil:
    """Read ``key=value`` fields; LINE_EVENT, or LINE_BAD if one that matters is missing or malformed."""
    cdef const char *start
    cdef uint64_t number = 0
    cdef int8_t small = 0
    cdef uint8_t seen = 0
    cdef bint page_is_null = False
    cdef int key = read_key(&p, end)
    while key != KEY_NONE:
        if key == KEY_PAGE:
            p = read_page(p, end, &page_is_null)
        elif key == KEY_PFN:
            start = p
            if not read_number(&p, end, False, &number):
                return LINE_BAD
            if p - start > 2 and start[1] == c'x':
                state.saw_hex = True
            else:
                state.saw_decimal = True
            seen |= HAS_PFN
        elif key == KEY_ORDER:
            if not read_small(&p, end, &event.order):
                return LINE_BAD
            seen |= HAS_ORDER
        elif key == KEY_TYPE:
            if not read_small(&p, end, &event.migratetype):
                return LINE_BAD
            seen |= HAS_TYPE
        elif key == KEY_GFP:
            start = p
            p = <const char *> memchr(p, c' ', end - p)
            if p == NULL:
                p = end
            event.gfp = gfp_parse(&state.memo, start, p - start)
        elif key == KEY_REFILL or key == KEY_OWNERSHIP:
            if not read_small(&p, end, &small):
                return LINE_BAD
            if small == 1:
                event.flags |= PASR_EVENT_REFILL if key == KEY_REFILL else PASR_EVENT_OWNERSHIP
        else:
            p = skip_value(p, end)
        if p < end and not is_blank(p[0]):                  # a number that is none, as in "pfn=12cc5d"
            return LINE_BAD
        key = read_key(&p, end)
    return finish_fields(event, seen, page_is_null, number)


cdef inline int finish_fields(
    pasr_event_t *event, uint8_t seen, bint page_is_null, uint64_t pfn
) noexcept nogil:
    """Hold what was read against what the event must have."""
    if not seen & HAS_PFN:
        return LINE_BAD
    if event.event == PASR_EVENT_FREE_BATCHED:
        event.order = 0                                     # printed as 0, or not at all, whatever it is
    elif not seen & HAS_ORDER:
        return LINE_BAD
    if event.event != PASR_EVENT_FREE and event.event != PASR_EVENT_FREE_BATCHED and not seen & HAS_TYPE:
        return LINE_BAD
    if event.event == PASR_EVENT_ALLOC and (pfn == UINT64_MAX or (pfn == 0 and page_is_null)):
        event.flags |= PASR_EVENT_FAILED
        event.pfn = -1
        return LINE_EVENT
    if pfn > INT64_MAX:
        return LINE_BAD
    event.pfn = <int64_t> pfn
    return LINE_EVENT


cdef inline bint read_time(const char *p, const char *end, int64_t *time_ns) noexcept nogil:
    """Read ``seconds.fraction`` of up to nine digits, or a counter without a point; *end* excludes the colon."""
    cdef uint64_t seconds = 0, fraction = 0
    cdef int nr_digits = 0
    if p == end or not is_digit(p[0]) or not read_number(&p, end, False, &seconds):
        return False
    if p == end:
        time_ns[0] = <int64_t> seconds
        return seconds <= INT64_MAX
    if p[0] != c'.' or seconds > <uint64_t> 9_000_000_000:             # more would not fit in nanoseconds
        return False
    p += 1
    while p < end and is_digit(p[0]):
        if nr_digits < 9:
            fraction = fraction * 10 + <uint8_t> p[0] - c'0'
            nr_digits += 1
        p += 1
    if p != end or nr_digits == 0:
        return False
    while nr_digits < 9:
        fraction *= 10
        nr_digits += 1
    time_ns[0] = <int64_t> (seconds * <uint64_t> 1_000_000_000 + fraction)
    return True


cdef void note_task(text_state_t *state, int32_t pid, const char *comm, size_t length) noexcept nogil:
    """Remember the latest name of a task."""
    cdef uint32_t at = (<uint32_t> pid * <uint32_t> 0x9E3779B1) >> 17
    cdef task_t *task = NULL
    cdef char name[16]
    if length > 15:
        length = 15
    memset(name, 0, sizeof(name))
    memcpy(name, comm, length)
    while True:
        task = &state.tasks[at]
        if not task.is_used:
            if state.nr_tasks >= NR_TASKS // 4 * 3:
                state.nr_tasks_dropped += 1
                return
            state.nr_tasks += 1
            task.is_used = True
            task.pid = pid
            break
        if task.pid == pid:
            if memcmp(task.comm, name, sizeof(name)) == 0 or (length == 5 and memcmp(name, b"<...>", 5) == 0):
                return
            break
        at = (at + 1) & (NR_TASKS - 1)
    task.length = <uint8_t> length
    memcpy(task.comm, name, sizeof(name))


cdef void read_task(text_state_t *state, const char *line, const char *end, pasr_event_t *event) noexcept nogil:
    """Read ``comm-pid`` or ``comm pid/tid`` from the columns left of the processor."""
    cdef const char *comm = line
    cdef const char *p
    cdef const char *colon
    cdef uint64_t pid = 0
    end = trim_right(line, end)
    if end > line and (end - 1)[0] == c')':                      # thread group: "(  123)", "(-----)"
        while end > line and (end - 1)[0] != c'(':
            end -= 1
        if end > line:
            end = trim_right(line, end - 1)
    p = end
    while p > line and is_digit((p - 1)[0]):
        p -= 1
    if p == end or not read_number(<const char **> &p, end, False, &pid) or pid > 0x7fffffff:
        return
    while end > line and is_digit((end - 1)[0]):
        end -= 1
    if end > line and (end - 1)[0] == c'/':                      # perf: pid/tid, the thread is the task
        end -= 1
        while end > line and is_digit((end - 1)[0]):
            end -= 1
    if end > line and (end - 1)[0] == c'-':
        end -= 1
    else:
        end = trim_right(line, end)
    # trace-cmd puts the name of a buffer instance first, at the very start of the line.
    if comm < end and not is_blank(comm[0]):
        colon = <const char *> memchr(comm, c':', end - comm)
        if colon != NULL and colon + 1 < end and is_blank(colon[1]):
            comm = colon + 1
    while comm < end and is_blank(comm[0]):
        comm += 1
    if end - comm > 4 and memcmp(comm, b":-1 ", 4) == 0:         # perf: the thread is gone, its pid -1
        return
    event.pid = <int32_t> pid
    note_task(state, event.pid, comm, end - comm)


cdef bint is_processor(const char *p, const char *end, uint16_t *cpu) noexcept nogil:
    """Read ``[001]``, or the ``1d..2.`` that the latency layout writes instead."""
    cdef uint64_t number = 0
    cdef bint in_brackets = p < end and p[0] == c'['
    if in_brackets:
        p += 1
        end -= 1
        if end <= p or end[0] != c']':
            return False
    if not read_number(&p, end, False, &number) or number > 65534:
        return False
    if in_brackets != (p == end) or (not in_brackets and end - p < 4):
        return False
    cpu[0] = <uint16_t> number
    return True


cdef bint read_graph_columns(
    const char *line, const char *end, pasr_event_t *event, int64_t *time_ns
) noexcept nogil:
    """Read the columns of the function graph tracer, which writes events as comments.

    The processor is ``24)``; there is no task, and a time only in front of it.
    """
    cdef uint64_t number = 0
    cdef const char *p = <const char *> memchr(line, c')', end - line)
    cdef const char *start
    if p != NULL:
        start = p
        while start > line and is_digit((start - 1)[0]):
            start -= 1
        if start < p and read_number(&start, p, False, &number) and number < 65535:
            event.cpu = <uint16_t> number
    while line < end and is_blank(line[0]):
        line += 1
    return read_time(line, skip_value(line, end), time_ns)


cdef void read_columns(text_state_t *state, const char *line, const char *end, pasr_event_t *event) noexcept nogil:
    """Read the columns before the event name, from the right: time, flags, processor, task."""
    cdef const char *start
    cdef int64_t time_ns = 0
    cdef bint has_time = False
    cdef int nr_tokens = 0
    while nr_tokens < 8:
        nr_tokens += 1
        end = trim_right(line, end)
        start = token_start(line, end)
        if start == end:
            break
        # Between time and name there may be a delta "(+15)", a period, or "|  /*".
        if not has_time and (end - 1)[0] == c':' and read_time(start, end - 1, &time_ns):
            has_time = True
        elif nr_tokens == 1 and end - start == 2 and memcmp(start, b"/*", 2) == 0:
            has_time = read_graph_columns(line, start, event, &time_ns)
            break
        # Where there is no time, only brackets tell a processor from what else there may be.
        elif (has_time or start[0] == c'[') and is_processor(start, end, &event.cpu):
            read_task(state, line, start, event)
            break
        end = start
    if has_time:
        event.time_ns = time_ns
    else:
        event.flags |= PASR_EVENT_UNTIMED


cdef bint read_lost(const char *line, const char *end, pasr_event_t *event) noexcept nogil:
    """Read ``CPU:1 [LOST 12 EVENTS]``, or ``CPU:1 [12 EVENTS DROPPED]`` of trace-cmd; the number may be missing."""
    cdef uint64_t cpu = 0, nr = 0
    cdef bint is_mark
    if not starts_with(&line, end, b"CPU:", 4) or not read_number(&line, end, False, &cpu):
        return False
    if not starts_with(&line, end, b" [", 2):
        return False
    is_mark = starts_with(&line, end, b"LOST ", 5)
    if not read_number(&line, end, False, &nr):
        nr = 0
    elif not is_mark:
        starts_with(&line, end, b" ", 1)
    if not is_mark and not starts_with(&line, end, b"EVENTS DROPPED]", 15):
        return False
    event.event = PASR_EVENT_LOST
    event.cpu = <uint16_t> cpu if cpu < 65535 else 65535
    event.pfn = <int64_t> nr if nr <= INT64_MAX else 0
    return True


cdef void read_header(text_state_t *state, const char *line, const char *end) noexcept nogil:
    """Read ``# entries-in-buffer/entries-written: 102727/102727   #P:2``."""
    cdef const char *p
    cdef uint64_t in_buffer = 0, written = 0
    if end - line < 40 or memcmp(line, b"# entries-in-buffer/entries-written:", 36) != 0:
        return
    p = line + 36
    while p < end and is_blank(p[0]):
        p += 1
    if read_number(&p, end, False, &in_buffer) and p < end and p[0] == c'/':
        p += 1
        if read_number(&p, end, False, &written):
            state.entries_in_buffer = in_buffer
            state.entries_written = written


cdef const char *find_event(
    text_state_t *state, const char *line, const char *end, pasr_event_t *event, bint *saw_other
) noexcept nogil:
    """Find ``name:`` of a page event, set its kind and return where it starts; NULL if there is none."""
    cdef const char *p = line
    cdef const char *name
    cdef const char *colon
    while True:
        colon = <const char *> memchr(p, c':', end - p)
        if colon == NULL:
            return NULL
        p = colon + 1
        if p < end and not is_blank(p[0]):
            continue
        name = colon
        while name > line and is_word((name - 1)[0]):
            name -= 1
        if name == colon or is_digit(name[0]):
            continue
        if name > line and not is_blank((name - 1)[0]) and (name - 1)[0] != c':':
            continue
        event.event = event_of_name(name, colon - name, &event.flags)
        if event.event != PASR_EVENT_NONE:
            return name
        saw_other[0] = True


cdef int parse_line(
    text_state_t *state, const char *line, const char *end, pasr_event_t *event
) noexcept nogil:
    """Parse one line, given without its end of line, and write *event* if it is one.

    Any bytes are safe. Returns LINE_EVENT, LINE_OTHER, LINE_PLAIN or LINE_BAD.
    """
    cdef const char *name
    cdef const char *columns_end
    cdef bint saw_other = False
    event.time_ns = state.last_ns
    event.pfn = -1
    event.gfp = 0
    event.pid = -1
    event.cpu = 65535
    event.event = event.flags = 0
    event.order = 0
    event.migratetype = -1
    event.pad[0] = event.pad[1] = 0
    while end > line and (is_blank((end - 1)[0]) or (end - 1)[0] == c'\r'):
        end -= 1
    if line == end:
        return LINE_PLAIN
    if line[0] == c'#':
        read_header(state, line, end)
        return LINE_PLAIN
    if line[0] == c'C' and read_lost(line, end, event):
        event.flags = PASR_EVENT_UNTIMED
        return LINE_EVENT
    name = find_event(state, line, end, event, &saw_other)
    if name == NULL:
        return LINE_OTHER if saw_other else LINE_PLAIN
    columns_end = name
    if name > line and (name - 1)[0] == c':':                    # perf: system:event
        state.saw_system = True
        columns_end = token_start(line, name)
    name = <const char *> memchr(name, c':', end - name) + 1
    if read_fields(state, name, end, event) != LINE_EVENT:
        return LINE_BAD
    read_columns(state, line, columns_end, event)
    if not event.flags & PASR_EVENT_UNTIMED:
        if state.is_started and event.time_ns < state.last_ns:
            state.nr_backwards += 1
            event.time_ns = state.last_ns
        state.last_ns = event.time_ns
        state.is_started = True
    return LINE_EVENT
