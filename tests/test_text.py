"""The tokenizer: lines of ftrace, perf script and trace-cmd report to events."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tracelines import (
    ALLOC,
    BATCHED,
    DRAIN,
    EVENT,
    EXTFRAG,
    FAILED,
    FREE,
    LAYOUTS,
    LOCKED,
    LOST,
    NO_CPU,
    OLD_NAME,
    OWNERSHIP,
    REFILL,
    TAIL,
    UNTIMED,
    as_dict,
    feed,
    parse,
    read,
    record,
    write,
)

from pasralloc._core.textparser import EVENT_DTYPE, TextParser

MAX_LINE = 65536


def fate_of(line):
    """How a line is counted."""
    summary = parse(line)[0].summary()
    kinds = [
        kind for kind in ("events", "other_events", "plain_lines", "bad_lines") if summary[kind]
    ]
    assert len(kinds) == 1
    assert summary[kinds[0]] == summary["lines"] == 1
    return kinds[0]


COLUMNS = {
    "ftrace, 5 flags": ("          worker-4711    [003] d..2.    12.000345: ", "worker", 4711, 3, 12_000_345_000),
    "ftrace, 4 flags": ("          worker-4711  [003] ....    12.000345: ", "worker", 4711, 3, 12_000_345_000),
    "ftrace, no flags": ("  gnome-shell-1567  [000]  4415.246466: ", "gnome-shell", 1567, 0, 4_415_246_466_000),
    "flags that are letters": ("   a-1 [001] .Ns1.     1.000000: ", "a", 1, 1, 10**9),
    "flags in interrupts": ("   a-1 [001] dNh2.     1.000000: ", "a", 1, 1, 10**9),
    "idle task": ("          <idle>-0       [006] d.s.  1110.217281: ", "<idle>", 0, 6, 1_110_217_281_000),
    "task without a name": ("           <...>-22275   [255] ....     0.000001: ", "<...>", 22275, 255, 1000),
    "thread group": ("   a-12   (  100) [001] ....     1.000000: ", "a", 12, 1, 10**9),
    "thread group unknown": ("   a-12   (-----) [001] ....     1.000000: ", "a", 12, 1, 10**9),
    "thread group glued": ("   a-12   (1234567) [001] ....     1.000000: ", "a", 12, 1, 10**9),
    "name with blanks": ("    my old daemon-7 [000] ....     1.000000: ", "my old daemon", 7, 0, 10**9),
    "name with a colon": ("    kworker/0:1H-7 [000] ....     1.000000: ", "kworker/0:1H", 7, 0, 10**9),
    "name like an event": ("    fetch: job-7 [000] ....     1.000000: ", "fetch: job", 7, 0, 10**9),
    "name with dashes": ("       a--b-12-7 [000] ....     1.000000: ", "a--b-12", 7, 0, 10**9),
    "name with brackets": ("     [x] (y)-7 [000] ....     1.000000: ", "[x] (y)", 7, 0, 10**9),
    "name like a processor": ("     x [001]-7 [000] ....     1.000000: ", "x [001]", 7, 0, 10**9),
    "name not ASCII": ("        naïveté-7 [000] ....     1.000000: ", "naïveté", 7, 0, 10**9),
    "empty name": ("-5972    [006] ....  7971.248176: ", "", 5972, 6, 7_971_248_176_000),
    "empty name, padded": ("                -5972    [006] ....  7971.248176: ", "", 5972, 6, 7_971_248_176_000),
    "tabs": ("\timap-20599 [002] 1287672.803567: ", "imap", 20599, 2, 1_287_672_803_567_000),
    "nanoseconds": ("  a-1 [001] .....   475.239848123: ", "a", 1, 1, 475_239_848_123),
    "clock that counts": ("  a-1 [001] .....   475239848: ", "a", 1, 1, 475_239_848),
    "trace-cmd": ("            bash-10211 [000]   475.239848: ", "bash", 10211, 0, 475_239_848_000),
    "trace-cmd, instance": ("inst:             bash-9 [000]   475.239848: ", "bash", 9, 0, 475_239_848_000),
    "trace-cmd, delta": ("    bash-9 [000]   475.239848: (+15)     ", "bash", 9, 0, 475_239_848_000),
    "trace-cmd, latency": ("    bash-9       12d..2.   475.239848: ", "bash", 9, 12, 475_239_848_000),
    "trace-cmd, 4 flags glued": ("    bash-9       0....   475.239848: ", "bash", 9, 0, 475_239_848_000),
    "perf": ("             cat  7311 [000]   394.251422:     kmem:", "cat", 7311, 0, 394_251_422_000),
    "perf, name with blanks": ("     my old cat  7311 [000]   394.251422:     kmem:", "my old cat", 7311, 0, 394_251_422_000),
    "perf, name ends in a dash": ("            cat-  7311 [000]   394.251422:     kmem:", "cat-", 7311, 0, 394_251_422_000),
    "perf, name ends in digits": ("    kworker/1:12  7311 [000]   394.251422:     kmem:", "kworker/1:12", 7311, 0, 394_251_422_000),
    "perf, pid/tid": ("             cat  7311/7312  [000]   394.251422:     kmem:", "cat", 7312, 0, 394_251_422_000),
    "perf --ns": ("             cat  7311 [000]   394.251422017:     kmem:", "cat", 7311, 0, 394_251_422_017),
    "perf, period": ("             cat  7311 [000]   394.251422:          1     kmem:", "cat", 7311, 0, 394_251_422_000),
    "perf of 2010": ("\tcat-7311 [000] 394.251422: ", "cat", 7311, 0, 394_251_422_000),
}  # fmt: skip


@pytest.mark.parametrize("name", COLUMNS)
def test_the_columns_before_the_event_are_read(name):
    columns, comm, pid, cpu, time_ns = COLUMNS[name]
    parser, events = parse(columns + TAIL)
    assert as_dict(events[0]) == record(
        FREE, time_ns=time_ns, pfn=0x1234, order=2, pid=pid, cpu=cpu
    )
    assert parser.tasks() == {pid: comm}
    assert parser.summary()["saw_system"] == ("kmem:" in columns)


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        ("", {"flags": UNTIMED}),
        ("   ", {"flags": UNTIMED}),
        ("kmem:", {"flags": UNTIMED}),
        ("             cat  7311 [004]     kmem:", {"flags": UNTIMED, "cpu": 4, "pid": 7311}),
        ("   394.251422:     kmem:", {"time_ns": 394_251_422_000}),
        ("   [004]   394.251422:     kmem:", {"time_ns": 394_251_422_000, "cpu": 4}),
        # The thread is gone: perf calls it -1, which is no pid.
        ("             :-1    -1 [004]   394.251422:     kmem:", {"time_ns": 394_251_422_000, "cpu": 4}),
        ("             :-1    -1/-1  [004]   394.251422:     kmem:", {"time_ns": 394_251_422_000, "cpu": 4}),
        (" a-99999999999 [004]   1.000000: ", {"time_ns": 10**9, "cpu": 4}),
        (" a-1 [99999]   1.000000: ", {"time_ns": 10**9}),
        (" a-1 [004]   99999999999.000000: ", {"flags": UNTIMED, "cpu": 4, "pid": 1}),
        (" a-1 [004]   1.: ", {"flags": UNTIMED, "cpu": 4, "pid": 1}),
        (" 24)               |  /* ", {"flags": UNTIMED, "cpu": 24}),
        (" 3) + 14.016 us    |    /* ", {"flags": UNTIMED, "cpu": 3}),
        (" 1287587.105144 |   1)               |  /* ", {"time_ns": 1_287_587_105_144_000, "cpu": 1}),
    ],
)  # fmt: skip
def test_columns_that_are_missing_or_malformed_are_left_out(columns, fields):
    tail = TAIL.replace("\n", " */\n") if "/*" in columns else TAIL
    parser, events = parse(columns + tail)
    assert as_dict(events[0]) == record(FREE, pfn=0x1234, order=2, **fields)
    assert len(parser.tasks()) == ("pid" in fields)


def test_a_task_name_that_is_not_utf8_is_replaced_not_refused():
    parser, events = parse(b"     \xff\xfe x\x00y-7 [000] ....     1.000000: " + TAIL.encode())
    assert parser.tasks() == {7: "\ufffd\ufffd x\x00y"}
    assert events["pid"].tolist() == [7]


def test_the_latest_name_of_a_task_counts_and_dots_are_no_name():
    lines = "".join(
        f" {comm}-7 [000] 1.000000: {TAIL}" for comm in ("<...>", "sh", "make", "<...>")
    )
    parser, _ = parse(lines + f" <...>-8 [000] 1.000000: {TAIL}")
    assert parser.tasks() == {7: "make", 8: "<...>"}


def test_many_tasks_are_kept_and_what_has_no_room_is_counted():
    lines = "".join(f" t{pid}-{pid} [000] 1.000000: {TAIL}" for pid in range(30_000))
    parser, events = parse(lines)
    tasks = parser.tasks()
    assert events["pid"].tolist() == list(range(30_000))
    assert len(tasks) + parser.summary()["tasks_dropped"] == 30_000
    assert len(tasks) > 20_000
    assert all(name == f"t{pid}" for pid, name in tasks.items())


FIELDS = {
    "mm_page_alloc: page=00000000d2be5665 pfn=0xecff8 order=3 migratetype=1 gfp_flags=GFP_KERNEL|__GFP_ZERO":
        record(ALLOC, pfn=0xECFF8, order=3, migratetype=1, gfp=0xDC0),
    "mm_page_alloc: page=0xffffea0004 pfn=4536000 order=3 migratetype=0 gfp_flags=GFP_ATOMIC|GFP_NOWARN":
        record(ALLOC, pfn=4_536_000, order=3, migratetype=0, gfp=0x2820),
    "mm_page_alloc:  page=0x122233 pfn=0x122233 order=0 migratetype=1 gfp_flags=0x140cca":
        record(ALLOC, pfn=0x122233, migratetype=1, gfp=0x140CCA),
    "mm_page_alloc: pfn=0x12cc5d order=0 gfp_flags=0x140cca migratetype=1":                      # trace-cmd -R
        record(ALLOC, pfn=0x12CC5D, migratetype=1, gfp=0x140CCA),
    "mm_page_alloc: page=1 pfn=970744 order=0 migratetype=0 nr_free=3650 gfp_flags=none":        # a vendor's field
        record(ALLOC, pfn=970_744, migratetype=0),
    "mm_page_alloc: zone name=Normal gfp_flags=32976 migratetype=2 order=1 pfn=0x10 page=7":     # in any order
        record(ALLOC, pfn=16, order=1, migratetype=2, gfp=32976),
    "mm_page_alloc: page=(null) pfn=0 order=9 migratetype=1 gfp_flags=none":
        record(ALLOC, order=9, migratetype=1, flags=FAILED),
    "mm_page_alloc: page= (null) pfn=0 order=9 migratetype=1 gfp_flags=none":
        record(ALLOC, order=9, migratetype=1, flags=FAILED),
    "mm_page_alloc: page=0000000000000000 pfn=0x0 order=9 migratetype=1 gfp_flags=none":
        record(ALLOC, order=9, migratetype=1, flags=FAILED),
    "mm_page_alloc: page=0x0 pfn=0 order=9 migratetype=1 gfp_flags=none":
        record(ALLOC, order=9, migratetype=1, flags=FAILED),
    "mm_page_alloc: pfn=0xffffffffffffffff order=9 gfp_flags=0x0 migratetype=1":
        record(ALLOC, order=9, migratetype=1, flags=FAILED),
    "mm_page_alloc: pfn=18446744073709551615 order=9 gfp_flags=0 migratetype=1":
        record(ALLOC, order=9, migratetype=1, flags=FAILED),
    # Frame 0 is a page like any other unless the page pointer is null too.
    "mm_page_alloc: page=ffffea0000000000 pfn=0 order=0 migratetype=1 gfp_flags=none": record(ALLOC, pfn=0, migratetype=1),
    "mm_page_alloc: page=(____ptrval____) pfn=0 order=0 migratetype=1 gfp_flags=none": record(ALLOC, pfn=0, migratetype=1),
    "mm_page_alloc: pfn=0 order=0 migratetype=1 gfp_flags=none": record(ALLOC, pfn=0, migratetype=1),
    "mm_page_alloc: page= pfn=5 order=0 migratetype=1 gfp_flags=none": record(ALLOC, pfn=5, migratetype=1),
    "mm_page_alloc: page=(null) pfn=5 order=-1 migratetype=-1 gfp_flags=none": record(ALLOC, pfn=5, order=-1),
    "mm_page_free: page=00000000d3fef0eb pfn=0x12cc5d order=0": record(FREE, pfn=0x12CC5D),
    "mm_page_free: page=00000000d3fef0eb pfn=0 order=10": record(FREE, pfn=0, order=10),
    "mm_page_free: pfn=0x7fffffffffffffff order=127": record(FREE, pfn=2**63 - 1, order=127),
    "mm_page_free: pfn=9 order=0 ffffffff81 mm_page_free+0x12 ([kernel])": record(FREE, pfn=9),  # perf -F +ip,sym
    "mm_page_free_direct: page=ffffea0003db9f40 pfn=1155800 order=0": record(FREE, pfn=1_155_800, flags=OLD_NAME),
    "mm_page_free_batched: page=0000000000000001 pfn=0x80 order=0": record(BATCHED, pfn=0x80),
    "mm_page_free_batched: page=c10aea00 pfn=128 order=0 cold=0": record(BATCHED, pfn=128),
    "mm_page_free_batched: page=c10aea00 pfn=128 cold=0": record(BATCHED, pfn=128),
    "mm_page_free_batched: page=c10aea00 pfn=128 order=3": record(BATCHED, pfn=128),          # its order means nothing
    "mm_pagevec_free: page=c10aea00 pfn=128 order=0 cold=1": record(BATCHED, pfn=128, flags=OLD_NAME),
    "mm_page_alloc_zone_locked: page=1 pfn=0x40 order=2 migratetype=1 percpu_refill=1":
        record(LOCKED, pfn=0x40, order=2, migratetype=1, flags=REFILL),
    "mm_page_alloc_zone_locked: page=1 pfn=0x40 order=2 migratetype=1 percpu_refill=0":
        record(LOCKED, pfn=0x40, order=2, migratetype=1),
    "mm_page_alloc_zone_locked: page=1 pfn=0x40 order=2 migratetype=1": record(LOCKED, pfn=0x40, order=2, migratetype=1),
    "mm_page_pcpu_drain: page=1 pfn=0x40 order=0 migratetype=2": record(DRAIN, pfn=0x40, migratetype=2),
    "mm_page_alloc_extfrag: page=1 pfn=26235008 alloc_order=1 fallback_order=9 pageblock_order=9 alloc_migratetype=0"
    " fallback_migratetype=1 fragmenting=1 change_ownership=1":
        record(EXTFRAG, pfn=26_235_008, order=1, migratetype=0, flags=OWNERSHIP),
    "mm_page_alloc_extfrag: page=1 pfn=26235008 alloc_order=1 fallback_order=9 pageblock_order=9 alloc_migratetype=0"
    " fallback_migratetype=1 fragmenting=1 change_ownership=0": record(EXTFRAG, pfn=26_235_008, order=1, migratetype=0),
}  # fmt: skip


@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("end", ["\n", "", "\r\n", "  \t \n", " \r\n"])
def test_the_fields_of_an_event_are_read_in_any_order(fields, end):
    expected = {**FIELDS[fields], "time_ns": 1_500_000_000, "pid": 7, "cpu": 2}
    assert read(f"   a-7 [002] .....     1.500000: {fields}{end}") == expected


@pytest.mark.parametrize(
    "fields", [line for line in FIELDS if "alloc: " in line or "free: " in line]
)
def test_the_function_graph_tracer_writes_events_as_comments(fields):
    expected = FIELDS[fields]
    flags = expected["flags"] | UNTIMED
    assert read(f"  24)               |  /* {fields} */") == {**expected, "flags": flags, "cpu": 24}


@pytest.mark.parametrize(
    "fields",
    [
        "mm_page_free:",
        "mm_page_free: order=0",
        "mm_page_free: pfn=0x1",
        "mm_page_free: pfn=0x1 ord",
        "mm_page_free: pfn=0x1 order=",
        "mm_page_free: pfn= order=0",
        "mm_page_free: pfn=zero order=0",
        "mm_page_free: pfn=12cc5d order=0",
        "mm_page_free: pfn=0x12xyz order=0",
        "mm_page_free: pfn=-5 order=0",
        "mm_page_free: pfn=0xffffffffffffffff order=0",
        "mm_page_free: pfn=0x8000000000000000 order=0",
        "mm_page_free: pfn=0x11111111111111111 order=0",
        "mm_page_free: pfn=18446744073709551616 order=0",
        "mm_page_free: pfn=0x1 order=128",
        "mm_page_free: pfn=0x1 order=0\x00",
        "mm_page_free: pfn=0x1 order=1.5",
        "mm_page_free: pfn=0x1 order=--1",
        "mm_page_alloc: page=1 pfn=0x1 order=0 gfp_flags=none",
        "mm_page_alloc: page=1 order=0 migratetype=1 gfp_flags=none",
        "mm_page_alloc: page=1 pfn=0x1 order=0 migratetype=x gfp_flags=none",
        "mm_page_alloc_zone_locked: page=1 pfn=0x1 order=0",
        "mm_page_alloc_zone_locked: page=1 pfn=0x1 order=0 migratetype=1 percpu_refill=?",
        "mm_page_pcpu_drain: page=1 pfn=0x1 migratetype=0",
        "mm_page_alloc_extfrag: page=1 pfn=1 alloc_order=1",
        "mm_page_free_batched: page=1",
        "mm_page_alloc: { cpu_id = 2 }, { page = 0xC10AEA00, order = 0, gfp_flags = 32976, migratetype = 0 }",
        "kmem_mm_page_alloc: { cpu_id = 2 }, { page = 0xC10AEA00, pfn = 1, order = 0, migratetype = 0 }",
    ],
)  # fmt: skip
def test_a_line_that_names_an_event_but_does_not_parse_is_bad_and_quoted(fields):
    line = f"   a-7 [002] .....     1.500000: {fields}"
    assert fate_of(line) == "bad_lines"
    assert parse(f"\n{line}\n")[0].summary()["bad_quotes"] == [(2, line)]


@pytest.mark.parametrize(
    ("line", "fate"),
    [
        ("\n", "plain_lines"),
        ("   \t ", "plain_lines"),
        ("\r", "plain_lines"),
        ("\x00\x00\x00", "plain_lines"),
        ("# tracer: nop", "plain_lines"),
        ("# mm_page_free: pfn=1 order=0", "plain_lines"),
        ("#              | |         |   |||||     |         |", "plain_lines"),
        ("cpus=2", "plain_lines"),
        ("version = 6", "plain_lines"),
        ("CPU 1 is empty", "plain_lines"),
        ("            bash-1 [000] .....     1.000000: <stack trace>", "plain_lines"),
        (" => trace_event_raw_event_mm_page_free", "plain_lines"),
        (" => mm_page_free", "plain_lines"),
        (" => call-mm_page_free: pfn=1 order=0", "plain_lines"),
        (" => (mm_page_free: pfn=1 order=0)", "plain_lines"),
        ("        ffffffff8124 free_unref_page+0x5 ([kernel.kallsyms])", "plain_lines"),
        ("        ffffffff8124 mm_page_free:pfn=1 order=0", "plain_lines"),
        ("  24) @ 184015.2 us |  }", "plain_lines"),
        ("  0)   0.121 us    |  __alloc_pages();", "plain_lines"),
        ("            bash-1 [000] .....     1.000000: sched_switch: prev_comm=a", "other_events"),
        ("            bash-1 [000] .....     1.000000: tracing_mark_write: 12: begin", "other_events"),
        ("            bash-1 [000] .....     1.000000: 42: begin", "plain_lines"),
        ("            bash-1 [000] .....     1.000000: mm_page_frees: pfn=1 order=0", "other_events"),
        ("            bash-1 [000] .....     1.000000: xmm_page_free: pfn=1 order=0", "other_events"),
        ("            bash-1 [000] .....     1.000000: mm_page: pfn=1 order=0", "other_events"),
        ("            bash-1 [000] .....     1.000000: cma_release: name=a pfn=1c000 page=1 count=4", "other_events"),
        ("-5972 [006] ....  7971.2: mm_compaction_begin: zone_start=0x4 zone_end=0x10, mode=async   ", "other_events"),
        ("   a-1 [0] 1.0: mm_calculate: node_id=0 zone name=Normal watermark min=1", "other_events"),
        ("kmem_mm_page_free: pfn=1 order=0", "events"),
    ],
)  # fmt: skip
def test_what_is_no_page_event_is_counted_by_kind(line, fate):
    assert fate_of(line) == fate


@pytest.mark.parametrize(
    ("line", "cpu", "nr"),
    [
        ("CPU:1 [LOST 12 EVENTS]", 1, 12),
        ("CPU:12 [LOST EVENTS]\r", 12, 0),
        ("CPU:3 [204600 EVENTS DROPPED]", 3, 204_600),  # trace-cmd
        ("CPU:3 [EVENTS DROPPED]", 3, 0),
        ("CPU:99999 [LOST 1 EVENTS]", NO_CPU, 1),
        ("CPU:0 [LOST 99999999999999999999 EVENTS]", 0, 0),
    ],
)
def test_marks_of_lost_events_are_records(line, cpu, nr):
    parser, events = parse(f"{line}\n{line}")
    assert [as_dict(event) for event in events] == [
        record(LOST, pfn=nr, cpu=cpu, flags=UNTIMED)
    ] * 2
    assert parser.summary()["lost"] == 2 * nr
    assert parser.summary()["by_kind"][LOST] == 2


@pytest.mark.parametrize(
    "line", ["CPU 1 is empty", "CPU:1", "CPU:x [LOST 1 EVENTS]", "CPU:1 [FOUND 1 EVENTS]"]
)
def test_other_lines_about_processors_are_no_marks(line):
    assert fate_of(line) == "plain_lines"


@pytest.mark.parametrize(
    ("header", "numbers"),
    [
        ("# entries-in-buffer/entries-written: 102727/112727   #P:2", (102_727, 112_727)),
        ("# entries-in-buffer/entries-written: 1/1", (1, 1)),
        ("# entries-in-buffer/entries-written: 102727", (0, 0)),
        ("# entries-in-buffer/entries-written: some/many       ", (0, 0)),
    ],
)
def test_the_header_says_what_the_buffer_held(header, numbers):
    summary = parse(header)[0].summary()
    assert (summary["entries_in_buffer"], summary["entries_written"]) == numbers


def test_time_never_runs_backwards_and_steps_back_are_counted():
    times = ["1.000002", "1.000001", "1.000002", "0.000001", "1.000003"]
    parser, events = parse("".join(f" a-1 [000] {time}: {TAIL}" for time in times))
    assert (events["time_ns"] - 10**9).tolist() == [2000, 2000, 2000, 2000, 3000]
    summary = parser.summary()
    assert summary["backwards"] == 2
    assert (summary["first_ns"], summary["last_ns"]) == (1_000_002_000, 1_000_003_000)


def test_an_event_without_a_time_has_that_of_the_one_before():
    _, events = parse(
        f" a-1 [000] 1.000000: {TAIL}{TAIL}CPU:0 [LOST EVENTS]\n a-1 [000] 2.000000: {TAIL}"
    )
    assert events["time_ns"].tolist() == [10**9, 10**9, 10**9, 2 * 10**9]
    assert events["flags"].tolist() == [0, UNTIMED, UNTIMED, 0]


def test_the_first_time_stamp_is_that_of_the_first_event_that_has_one():
    assert (
        parse(f"CPU:0 [LOST 5 EVENTS]\n a-1 [000] 7.000000: {TAIL}")[0].summary()["first_ns"]
        == 7 * 10**9
    )


def test_the_summary_counts_what_a_trace_holds():
    alloc = " a-1 [000] 1.0: mm_page_alloc: page=1 pfn={} order={} migratetype={} gfp_flags={}\n"
    parser, _ = parse(
        alloc.format("0x100", 3, 1, "GFP_TRANSHUGE")
        + alloc.format("256", 0, 2, "__GFP_RECLAIMABLE")
        + alloc.format("0x200", -1, 0, "none")
        + alloc.format("0x300", 11, 99, "none")
        + " a-1 [000] 1.0: mm_page_alloc: page=(null) pfn=0 order=9 migratetype=1 gfp_flags=GFP_TRANSHUGE\n"
        + TAIL
        + "mm_page_free_batched: page=1 pfn=0xffff order=0\n"
    )
    summary = parser.summary()
    assert summary["by_kind"] == [0, 5, 1, 1, 0, 0, 0, 0]
    assert summary["failed_allocs"] == 1
    assert summary["pages_allocated"] == 9
    assert summary["end_pfn"] == 0x1234 + 4, (
        "batched records do not count: their order is not known"
    )
    assert np.argwhere(summary["types_by_gfp"]).tolist() == [[0, 0], [1, 1], [2, 2]]
    assert summary["saw_hex"]
    assert summary["saw_decimal"]


# Whole traces


@pytest.mark.parametrize("layout", LAYOUTS)
@given(st.lists(EVENT, max_size=12), st.lists(st.floats(0, 1), max_size=6), st.integers(1, 5))
def test_what_was_written_is_read_back_however_it_is_cut(layout, events, cuts, room):
    data, records, tasks = write(events, layout)
    parser = TextParser()
    got = feed(parser, data, [round(cut * len(data)) for cut in cuts], room)
    assert [as_dict(event) for event in got] == records
    assert parser.tasks() == tasks
    summary = parser.summary()
    assert summary["lines"] == data.count(b"\n")
    assert summary["events"] == len(records) == sum(summary["by_kind"])
    assert summary["bad_lines"] == 0


VALID = [line.encode() for line in FIELDS] + [
    (columns + TAIL).encode() for columns, *_ in COLUMNS.values()
]


@st.composite
def mutated_lines(draw):
    data = bytearray(b"\n".join(draw(st.lists(st.sampled_from(VALID), min_size=1, max_size=4))))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(
            st.one_of(st.binary(max_size=2), st.sampled_from(TOKENS))
        )
    return bytes(data)


TOKENS = [
    b"\n",
    b"\r\n",
    b"\x00",
    b":",
    b": ",
    b"=",
    b"-",
    b"[",
    b"]",
    b"/*",
    b"0x",
    b"pfn=",
    b"99999999999",
    b"kmem:",
]


@given(
    st.one_of(st.binary(max_size=200), mutated_lines()),
    st.lists(st.floats(0, 1), max_size=4),
    st.integers(1, 3),
)
@example(b"CPU:", [], 1)
def test_any_bytes_are_safe_and_every_line_is_counted_once_however_it_is_cut(data, cuts, room):
    parser, whole = parse(data)
    summary = parser.summary()
    assert summary["lines"] == len(data.split(b"\n")) - (data == b"" or data.endswith(b"\n"))
    kinds = [summary[kind] for kind in ("events", "other_events", "plain_lines", "bad_lines")]
    assert sum(kinds) == summary["lines"]
    assert len(whole) == summary["events"] == sum(summary["by_kind"])
    pieces = TextParser()
    assert (
        feed(pieces, data, [round(cut * len(data)) for cut in cuts], room).tobytes()
        == whole.tobytes()
    )
    assert repr(pieces.summary()) == repr(summary)
    assert pieces.tasks() == parser.tasks()


@pytest.mark.parametrize("length", [MAX_LINE - 1, MAX_LINE, 3 * MAX_LINE])
@pytest.mark.parametrize("block", [1000, MAX_LINE, 100_000, 1 << 20])
@pytest.mark.parametrize("end", [b"", b"\n", b"\n" + TAIL.encode()])
def test_an_over_long_line_is_given_up_and_counted_once(length, block, end):
    data = TAIL.encode() + b"x" * length + end
    parser = TextParser()
    events = feed(parser, data, range(block, len(data), block))
    summary = parser.summary()
    assert len(events) == 1 + (len(end) > 1)
    assert (summary["lines"], summary["bad_lines"]) == (2 + (len(end) > 1), length >= MAX_LINE)
    assert summary["bad_quotes"] == ([(2, "x" * 160)] if length >= MAX_LINE else [])


def test_the_first_five_bad_lines_are_quoted():
    parser, _ = parse("".join(f"mm_page_free: {number}\n" for number in range(9)))
    assert parser.summary()["bad_lines"] == 9
    assert parser.summary()["bad_quotes"] == [(n + 1, f"mm_page_free: {n}") for n in range(5)]


@pytest.mark.parametrize(
    "out", [None, [], np.zeros(3), np.zeros((2, 2), EVENT_DTYPE), np.zeros(4, EVENT_DTYPE)[::2]]
)
def test_room_that_does_not_fit_is_refused(out):
    with pytest.raises((TypeError, ValueError), match="out must be a"):
        TextParser().parse(b"", out)
    with pytest.raises(TypeError):
        TextParser().parse("text", np.zeros(1, EVENT_DTYPE))
