"""Traces as a whole: files, compression, numbering of migratetypes, what is kept."""

import bz2
import functools
import gzip
import io
import lzma
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pasralloc as pa
from pasralloc.trace.migratetypes import infer_numbering, parse_numbering
from pasralloc.trace.store import CHUNK_EVENTS, EventStore
from pasralloc.trace.text import TextReader

ALLOC = " sh-7 [001] .....  {time}.000000: mm_page_alloc: page=1 pfn={pfn:#x} order={order} migratetype={type} gfp_flags={gfp}\n"
FREE = " sh-7 [001] .....  {time}.000000: mm_page_free: page=1 pfn={pfn:#x} order={order}\n"
SMALL = ALLOC.format(time=1, pfn=16, order=2, type=1, gfp="GFP_HIGHUSER_MOVABLE") + FREE.format(
    time=3, pfn=16, order=2
)


@functools.cache
def many(nr):
    """A trace whose pfns hardly compress."""
    pfns = np.random.default_rng(1).integers(1, 1 << 40, nr).tolist()
    return "".join(FREE.format(time=1, pfn=pfn, order=0) for pfn in pfns).encode()


def events_of(trace):
    return np.concatenate([*trace, np.empty(0, pa.EVENT_DTYPE)])


@pytest.fixture
def file(tmp_path):
    def write(data, name="trace.txt"):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


# The samples


def test_the_sample_t1_holds_what_the_recording_held():
    trace = pa.Trace.sample("t1")
    events = events_of(trace)
    assert len(trace) == len(events) == 120_000
    assert trace.summary["by_kind"] == [0, 41_365, 37_636, 31_607, 5_360, 4_032, 0, 0]
    assert np.bincount(events["event"]).tolist() == [0, 41_365, 37_636, 31_607, 5_360, 4_032]
    assert int(events["pfn"].sum()) == 179_180_458_062
    assert (events["pfn"][0], events["pfn"][-1]) == (1_684_340, 1_709_547)
    allocs = events[events["event"] == 1]
    assert int((1 << allocs["order"].astype(int)).sum()) == 48_096
    assert trace.summary["pages_allocated"] == 48_096
    assert np.bincount(allocs["migratetype"]).tolist() == [3_458, 37_661, 246]
    assert (events["time_ns"][0], events["time_ns"][-1]) == (413_219_769_000, 414_539_637_000)
    assert (trace.summary["first_ns"], trace.summary["last_ns"]) == (
        413_219_769_000,
        414_539_637_000,
    )
    for counter in ("other_events", "plain_lines", "bad_lines", "lost", "failed_allocs"):
        assert trace.summary[counter] == 0
    assert infer_numbering(trace.summary["types_by_gfp"]).source == (
        "inferred from the GFP flags of 37,907 allocations"
    )
    assert trace.numbering.names == (
        "unmovable",
        "movable",
        "reclaimable",
        "highatomic",
        "isolate",
    )
    assert trace.end_pfn == int((allocs["pfn"] + (1 << allocs["order"].astype(int))).max())


def test_the_sample_demo_holds_what_the_recording_held():
    trace = pa.Trace.open("sample:demo")
    assert trace.summary["by_kind"] == [0, 135_119, 122_255, 0, 0, 0, 0, 0]
    assert len(trace) == trace.summary["lines"] == 257_374
    assert trace.start_map.nr_pages >= trace.end_pfn
    assert trace.damage == ""


def test_an_unknown_sample_is_refused_by_name():
    with pytest.raises(ValueError, match=r"no sample 'dmo', expected one of demo, t1"):
        pa.Trace.sample("dmo")


def test_a_sample_takes_another_start_map():
    other = pa.StartMap([2048], [0])
    assert pa.Trace.open("sample:t1", start_map=other).start_map is other


# Files


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress, bz2.compress])
def test_a_compressed_trace_is_the_trace(file, pack):
    data = many(40_000)
    trace = pa.Trace.open(file(pack(data)))
    plain = TextReader("plain", io.BytesIO(data))
    assert events_of(trace).tobytes() == events_of(plain).tobytes()
    assert len(trace) == 40_000


def test_zstd_is_read_or_what_is_missing_is_named(file):
    data = SMALL.encode()
    block = (len(data) << 3 | 1).to_bytes(3, "little")  # the last block, stored
    frame = b"\x28\xb5\x2f\xfd\xe0" + len(data).to_bytes(8, "little") + block + data
    try:
        assert len(pa.Trace.open(file(frame))) == 2
    except pa.TraceFormatError as error:
        assert "needs Python 3.14 or the package backports.zstd" in str(error)
        assert sys.version_info < (3, 14)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, lambda data: bz2.compress(data, 1)])
@pytest.mark.parametrize("hurt", ["cut", "overwritten"])
def test_what_came_before_damage_is_kept_unless_strict(file, pack, hurt):
    packed = pack(many(40_000))
    at = len(packed) * 3 // 4
    path = file(packed[:at] + (b"" if hurt == "cut" else bytes(1000) + packed[at + 1000 :]))
    trace = pa.Trace.open(path)
    assert 20_000 < len(trace) < 40_000
    assert trace.damage
    whole = events_of(TextReader("whole", io.BytesIO(many(40_000))))
    assert events_of(trace)[:20_000].tobytes() == whole[:20_000].tobytes()
    with pytest.raises(pa.TraceFormatError, match="damaged compression: "):
        pa.Trace.open(path, strict=True)


def test_a_file_damaged_from_the_start_says_so(file):
    with pytest.raises(
        pa.TraceFormatError, match=r"no page-allocation event in 1 lines.*is damaged: "
    ):
        pa.Trace.open(file(gzip.compress(SMALL.encode())[:12]))


@pytest.mark.parametrize(
    ("magic", "what"),
    [
        (b"\x17\x08\x44tracing6\x00\x00\x08", "a trace.dat file; `trace-cmd report`"),
        (b"PERFILE2\x68\x00\x00\x00", "a perf.data file; `perf script`"),
        (b"2ELIFREP\x00\x00\x00\x68", "a perf.data file; `perf script`"),
        (0xC1FC1FC1.to_bytes(4, "little"), "a CTF stream"),
        (0xC1FC1FC1.to_bytes(4, "big"), "a CTF stream"),
        (0x75D11D57.to_bytes(4, "little"), "the metadata of a CTF trace"),
        (0x75D11D57.to_bytes(4, "big"), "the metadata of a CTF trace"),
    ],
)
def test_binary_formats_are_refused_with_what_helps(file, magic, what):
    path = file(magic + bytes(100))
    with pytest.raises(pa.TraceFormatError) as error:
        pa.Trace.open(path)
    assert str(error.value).startswith(f"{path}: this is {what}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no page-allocation event in 0 lines read as ftrace \(trace_pipe\); expected lines such"),
        ("# tracer: nop\n#\n", r"no page-allocation event in 2 lines read as ftrace \(trace\);"),
        ("cpus=2\n a-1 [000] 1.0: sched_switch: a\n a-1 [000] 1.0: kmalloc: b\n",
         r"in 3 lines read as trace-cmd report \(2 lines hold other events\)"),
        ("hello\nworld: mm_page_free: x\n", r"trace.txt:2: no line parses; the first bad one is 'world: mm_page_free: x'"),
    ],
)  # fmt: skip
def test_a_file_without_a_page_event_is_refused_with_what_it_holds(file, text, message):
    with pytest.raises(pa.TraceFormatError, match=message):
        pa.Trace.open(file(text))


def test_a_file_that_cannot_be_opened_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        pa.Trace.open(tmp_path / "nowhere")
    with pytest.raises(IsADirectoryError):
        pa.Trace.open(tmp_path)


def test_strict_names_the_first_line_that_does_not_parse(file):
    path = file(SMALL + "\n" + " sh-7 [001] 4.000000: mm_page_free: pfn=?\n" + SMALL)
    with pytest.raises(
        pa.TraceFormatError, match=r"trace.txt:4: names a page event.*pfn=\?"
    ) as error:
        pa.Trace.open(path, strict=True)
    assert error.value.line == 4
    trace = pa.Trace.open(path)
    assert (len(trace), trace.summary["bad_lines"]) == (4, 1)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("", "ftrace (trace_pipe)"),
        ("# tracer: nop\n", "ftrace (trace)"),
        ("cpus=2\n", "trace-cmd report"),
        ("version = 6\n", "trace-cmd report"),
        ("cat 7 [000] 1.0:  kmem:mm_page_free: pfn=1 order=0\n", "perf script"),
    ],
)
def test_the_writer_is_told_from_the_text(file, head, name):
    assert pa.Trace.open(file(head + SMALL)).format == name


def test_a_truncated_last_line_is_counted_not_believed(file):
    trace = pa.Trace.open(file(SMALL + FREE.format(time=4, pfn=16, order=2)[:-9]))
    assert (len(trace), trace.summary["bad_lines"]) == (2, 1)


def test_the_lines_of_a_large_file_survive_the_joints_of_blocks(file):
    data = many(120_000)
    assert len(data) > 2 << 22
    read = []
    trace = pa.Trace.open(file(data), progress=read.append)
    assert (len(trace), trace.summary["lines"]) == (120_000, 120_000)
    assert read == sorted(read)
    assert read[-1] == len(data)


def test_standard_input_is_a_dash_and_stays_open(monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(gzip.compress(SMALL.encode())))
    monkeypatch.setattr(sys, "stdin", stdin)
    trace = pa.Trace.open("-")
    assert (trace.name, len(trace)) == ("<stdin>", 2)
    assert not stdin.buffer.closed


def test_a_pipe_is_read_to_its_end():
    script = "import pasralloc as pa; print(len(pa.Trace.open('-')))"
    done = subprocess.run(
        [sys.executable, "-c", script], input=many(60_000), capture_output=True, check=True
    )
    assert done.stdout.strip() == b"60000"


# Numbering of migratetypes


def numbering(file, *lines, **options):
    text = "".join(
        ALLOC.format(time=1, pfn=16, order=0, type=type_, gfp=gfp) for type_, gfp in lines
    )
    return pa.Trace.open(file(text), **options).numbering


@pytest.mark.parametrize(
    ("lines", "second", "source"),
    [
        ([(0, "GFP_KERNEL"), (1, "GFP_TRANSHUGE"), (2, "__GFP_RECLAIMABLE")], "movable", "inferred from the GFP flags of 2 "),
        ([(1, "GFP_HIGHUSER_MOVABLE")], "movable", "inferred from the GFP flags of 1 "),
        ([(2, "GFP_KERNEL|__GFP_RECLAIMABLE")], "movable", "inferred"),
        ([(0, "GFP_KERNEL"), (2, "GFP_HIGHUSER_MOVABLE")], "reclaimable", "inferred"),
        ([(1, "GFP_TEMPORARY")], "reclaimable", "inferred"),
        ([(0, "GFP_KERNEL")], "movable", "assumed: that of Linux 4.4 and later"),
        ([(4, "GFP_HIGHUSER_MOVABLE")], "movable", "assumed"),
        ([(0, "GFP_HIGHUSER_MOVABLE")], "movable", "all 0: the traced kernel does not group"),
    ],
)  # fmt: skip
def test_the_numbering_is_inferred_from_the_gfp_flags(file, lines, second, source):
    found = numbering(file, *lines)
    assert found.names[1] == second
    assert found.names[:3] in (
        ("unmovable", "movable", "reclaimable"),
        ("unmovable", "reclaimable", "movable"),
    )
    assert found.source.startswith(source)


CONTRADICTION = [(1, "GFP_HIGHUSER_MOVABLE"), (2, "GFP_HIGHUSER_MOVABLE")]


def test_a_trace_that_contradicts_itself_is_refused(file):
    message = (
        r"movable allocations have numbers \[1, 2\].*say which number is which with --migratetypes"
    )
    with pytest.raises(pa.TraceFormatError, match=message):
        numbering(file, *CONTRADICTION)
    given_one = numbering(file, *CONTRADICTION, migratetypes="Unmovable, reclaimable ,movable")
    assert given_one == (("unmovable", "reclaimable", "movable"), "given")


def test_the_numbering_of_the_start_map_goes_before_what_is_inferred(file):
    names = ("unmovable", "reclaimable", "movable")
    start_map = pa.StartMap([2048], [0], names)
    found = numbering(file, (1, "GFP_HIGHUSER_MOVABLE"), start_map=start_map)
    assert found == (names, "pagetypeinfo, kept with the start map")
    found = numbering(file, (1, "GFP_KERNEL"), start_map=start_map, migratetypes="movable")
    assert found.names == ("movable",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "movable,bogus",
            "unknown migratetype 'bogus' in 'movable,bogus', expected unmovable, movable",
        ),
        ("", "unknown migratetype ''"),
        ("movable,movable", "named twice"),
    ],
)
def test_a_numbering_that_makes_no_sense_is_refused(file, text, message):
    with pytest.raises(ValueError, match=message):
        parse_numbering(text)
    with pytest.raises(ValueError, match=message):
        pa.Trace.open(file(SMALL), migratetypes=text)


@pytest.mark.parametrize("kernel", ["6.12", "3.9"])
def test_a_zone_serves_every_number_of_a_trace_with_a_type_it_has(kernel):
    zone = pa.Zone(1024, region_pages=1024, kernel=kernel)
    names = parse_numbering("cma,isolate,highatomic,reserve,reclaimable,movable").for_zone(zone)
    assert [zone.migratetypes[number] for number in names] == [
        "movable", "unmovable", "unmovable", "unmovable", "reclaimable", "movable", *["unmovable"] * 10,
    ]  # fmt: skip


# What is kept


@given(
    st.lists(st.integers(0, 50), max_size=8),
    st.integers(0, 100),
    st.lists(st.booleans(), min_size=8),
)
def test_events_are_the_same_from_memory_and_from_a_file(sizes, limit, look):
    store, expected = EventStore(max_in_memory=limit), []
    for number, (size, is_read) in enumerate(zip(sizes, look, strict=False)):
        events = np.zeros(size, pa.EVENT_DTYPE)
        events["pfn"] = np.arange(size) + 1000 * number
        store.append(events)
        expected += events["pfn"].tolist()
        events["pfn"] = -7  # the store has copied them
        if is_read:  # and leave off in the middle
            next(iter(store), None)
    assert len(store) == len(expected)
    for _ in range(2):
        assert [pfn for part in store for pfn in part["pfn"].tolist()] == expected


def test_a_spilled_trace_comes_back_in_bounded_pieces():
    store = EventStore(max_in_memory=10)
    events = np.zeros(CHUNK_EVENTS + 5, pa.EVENT_DTYPE)
    events["pfn"] = np.arange(len(events))
    store.append(events)
    first, second = store
    assert (len(first), len(second)) == (CHUNK_EVENTS, 5)
    assert np.concatenate([first, second]).tobytes() == events.tobytes()
    next(iter(store))  # leaves off in the middle of the file
    store.append(events[:7])
    assert np.concatenate(list(store)).tobytes() == events.tobytes() + events[:7].tobytes()
    both = zip(store, store, strict=True)
    assert all(left.tobytes() == right.tobytes() for left, right in both)
