"""Lines of traces for tests: written here, fed to the parser, and what must come out."""

import itertools

import numpy as np
from hypothesis import strategies as st

from pasralloc._core.textparser import EVENT_DTYPE, TextParser

ALLOC, FREE, BATCHED, LOCKED, DRAIN, EXTFRAG, LOST = range(1, 8)
FAILED, REFILL, OWNERSHIP, OLD_NAME, UNTIMED = 1, 2, 4, 8, 16
NO_CPU = 65535
TAIL = "mm_page_free: page=00000000abcdef01 pfn=0x1234 order=2\n"


def feed(parser, data, cuts=(), room=4096):
    """Events of *data*, handed over in blocks that end at *cuts*."""
    out = np.zeros(room, EVENT_DTYPE)
    parts, kept = [], b""
    bounds = [0, *sorted(cuts), len(data)]
    for number, (start, stop) in enumerate(itertools.pairwise(bounds)):
        block = kept + data[start:stop]
        while True:
            nr_bytes, nr_events = parser.parse(block, out, number == len(bounds) - 2)
            parts.append(out[:nr_events].copy())
            block = block[nr_bytes:]
            if nr_events < room:
                break
        kept = block
    assert kept == b"", "the last call takes all"
    return np.concatenate(parts)


def parse(data):
    """The parser and the events of a whole trace."""
    parser = TextParser()
    events = feed(parser, data.encode() if isinstance(data, str) else data)
    return parser, events


def as_dict(event):
    """The fields of one event."""
    return {name: event[name].item() for name in EVENT_DTYPE.names if name != "pad"}


def read(line):
    """The fields of the one event of a line."""
    _, events = parse(line)
    assert len(events) == 1
    return as_dict(events[0])


def record(event, **fields):
    """A record with *fields*, and nothing in all others."""
    nothing = {"time_ns": 0, "pfn": -1, "gfp": 0, "pid": -1, "cpu": NO_CPU, "order": 0}
    return {**nothing, "migratetype": -1, "flags": 0, "event": event, **fields}


COMM = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=15
).filter(
    lambda comm: (
        len(comm.encode()) <= 15
        and comm == comm.strip(" \t\r")
        and "mm_page" not in comm
        and comm != ":-1"
    )
)
GFP = {
    "none": 0,
    "GFP_KERNEL": 0xCC0,
    "GFP_HIGHUSER_MOVABLE|__GFP_ZERO": 0x100DCA,
    "0x140cca": 0x140CCA,
}
EVENT = st.fixed_dictionaries(
    {
        "comm": COMM,
        "pid": st.integers(0, 1 << 22),
        "cpu": st.integers(0, 4095),
        "step_us": st.integers(0, 10**7),
        "kind": st.sampled_from([ALLOC, FREE, BATCHED, LOCKED, DRAIN, EXTFRAG, LOST]),
        "pfn": st.one_of(st.integers(1, 1 << 20), st.integers(1, 2**63 - 1)),
        "order": st.integers(-1, 11),
        "type": st.integers(-1, 6),
        "gfp": st.sampled_from(sorted(GFP)),
        "flag": st.booleans(),
        "hex": st.booleans(),
        "noise": st.sampled_from(
            [
                "",
                "",
                "\n",
                " => mm_page_free\n",
                "# comment\n",
                "\tffffffff81 __alloc+0x1 ([k])\n\n",
            ]
        ),
    }
)
LAYOUTS = {
    "ftrace": "{comm:>16}-{pid:<7} [{cpu:03}] d..1. {seconds}: {name}: {fields}",
    "perf": "{comm:>16} {pid:>5} [{cpu:03}] {seconds}:          1 {system:>14}:{name}: {fields}",
    "trace-cmd": "buf:{comm:>16}-{pid:<5} [{cpu:03}] {seconds}: (+15) {name:<20} {fields}",
}
MARKS = {"ftrace": "CPU:{cpu} [LOST {pfn} EVENTS]", "trace-cmd": "CPU:{cpu} [{pfn} EVENTS DROPPED]"}
KINDS = {
    ALLOC: "mm_page_alloc: page={pfn:x} pfn={number} order={order} migratetype={type} gfp_flags={gfp}",
    FREE: "mm_page_free: page=0x1 pfn={number} order={order}",
    BATCHED: "mm_page_free_batched: pfn={number} order=0",
    LOCKED: "mm_page_alloc_zone_locked: pfn={number} order={order} migratetype={type} percpu_refill={flag:d}",
    DRAIN: "mm_page_pcpu_drain: order={order} migratetype={type} pfn={number}",
    EXTFRAG: "mm_page_alloc_extfrag: pfn={number} alloc_order={order} fallback_order=10 alloc_migratetype={type}"
    " fallback_migratetype=3 change_ownership={flag:d}",
}
FLAGS = {LOCKED: REFILL, EXTFRAG: OWNERSHIP}


def write(events, layout):
    """A trace of some events: its text, and the records and task names that it must give."""
    text, records, tasks, now_us = "", [], {}, 0
    for e in events:
        line, number = LAYOUTS[layout], f"{e['pfn']:#x}" if e["hex"] else str(e["pfn"])
        if e["kind"] == LOST and layout in MARKS:
            text += MARKS[layout].format(**e) + "\n"
            records.append(
                record(LOST, time_ns=now_us * 1000, pfn=e["pfn"], cpu=e["cpu"], flags=UNTIMED)
            )
            continue
        kind = e["kind"] if e["kind"] != LOST else FREE
        now_us += e["step_us"]
        name, fields = KINDS[kind].format(**e, number=number).split(": ", 1)
        text += line.format(
            **e, seconds=f"{now_us // 10**6}.{now_us % 10**6:06}", name=name + (":" if layout == "trace-cmd" else ""),
            system="kmem", fields=fields,
        ) + "\n" + e["noise"]  # fmt: skip
        records.append(
            record(
                kind,
                time_ns=now_us * 1000,
                pfn=e["pfn"],
                gfp=GFP[e["gfp"]] if kind == ALLOC else 0,
                pid=e["pid"],
                cpu=e["cpu"],
                order=e["order"] if kind != BATCHED else 0,
                migratetype=e["type"] if kind not in (FREE, BATCHED) else -1,
                flags=FLAGS.get(kind, 0) if e["flag"] else 0,
            )
        )
        if e["comm"] != "<...>" or e["pid"] not in tasks:
            tasks[e["pid"]] = e["comm"]
    return text.encode(), records, tasks
