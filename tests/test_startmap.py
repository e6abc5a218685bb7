"""Start maps: written and read, and built from copies of files of /proc."""

import gzip
import lzma
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pasralloc as pa
from pasralloc.trace.pageclasses import ABSENT, CACHE, CLASSES, FREE, MOVABLE, UNMOVABLE

TYPES = ("unmovable", "movable", "reclaimable", "highatomic", "cma", "isolate", "reserve")
maps = st.builds(
    lambda runs, types: pa.StartMap([nr for nr, _ in runs], [number for _, number in runs], types),
    st.lists(
        st.tuples(st.integers(1, 1 << 40), st.integers(0, len(CLASSES) - 1)),
        min_size=1,
        max_size=20,
    ),
    st.lists(st.sampled_from(TYPES), unique=True).map(tuple),
)


def contents(start_map):
    return (
        start_map.pfns.tolist(),
        start_map.nrs.tolist(),
        start_map.classes.tolist(),
        start_map.migratetypes,
    )


@given(maps)
def test_a_map_that_was_saved_is_loaded_as_it_was(tmp_path_factory, start_map):
    path = tmp_path_factory.mktemp("maps") / "map.txt"
    start_map.save(path)
    assert contents(pa.StartMap.load(path)) == contents(start_map)


def test_a_map_is_compressed_if_its_name_says_so(tmp_path):
    start_map = pa.StartMap([1, 2], [FREE, CACHE], ("unmovable", "movable"))
    start_map.save(tmp_path / "map.xz")
    data = lzma.decompress((tmp_path / "map.xz").read_bytes())
    assert data == b"# pasralloc start map 1\n# migratetypes: unmovable movable\n1 free\n2 cache\n"
    assert contents(pa.StartMap.load(tmp_path / "map.xz")) == contents(start_map)


@given(st.lists(st.integers(0, len(CLASSES) - 1), min_size=1, max_size=60))
def test_a_map_of_single_pages_is_cut_into_runs(pages):
    start_map = pa.StartMap.from_classes(np.array(pages, np.uint8))
    assert np.repeat(start_map.classes, start_map.nrs).tolist() == pages
    assert (np.diff(start_map.classes.astype(int)) != 0).all()
    assert start_map.nr_pages == len(pages)
    assert start_map.pages_by_class() == {
        name: pages.count(number) for number, name in enumerate(CLASSES)
    }
    absent = {page for pfn, nr in start_map.absent_ranges() for page in range(pfn, pfn + nr)}
    assert absent == {page for page, number in enumerate(pages) if number == ABSENT}


@pytest.mark.parametrize(
    ("nrs", "classes", "types", "message"),
    [
        ([], [], (), "as many classes as runs"),
        ([1, 2], [0], (), "as many classes as runs"),
        ([[1]], [[0]], (), "as many classes as runs"),
        ([0], [0], (), "1 to 2"),
        ([-1], [0], (), "1 to 2"),
        ([1 << 46], [0], (), "1 to 2"),
        ([1], [5], (), "a known class"),
        ([1], [0], ("movable", "bogus"), "unknown migratetype 'bogus'"),
        ([1], [0], ("movable", "movable"), "named twice"),
    ],
)
def test_a_malformed_map_is_refused(nrs, classes, types, message):
    with pytest.raises(ValueError, match=message):
        pa.StartMap(nrs, classes, types)


def test_a_map_needs_a_page():
    with pytest.raises(ValueError, match="at least one page"):
        pa.StartMap.from_classes(np.empty(0, np.uint8))


HEADER = "# pasralloc start map 1\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "expected '# pasralloc start map 1', got ''"),
        ("12 free\n", 1, "expected '# pasralloc start map 1', got '12 free'"),
        (HEADER.replace("1", "2"), 1, "got '# pasralloc start map 2'"),
        (HEADER, 1, "ends before the first run"),
        (HEADER + "# nothing more\n", 2, "ends before the first run"),
        (HEADER + "12 free\n12 unfree\n", 3, "expected a number of pages and a class, got '12 unfree'"),
        (HEADER + "12 free\n\n", 3, "got ''"),
        (HEADER + "12  free\n", 2, "got '12  free'"),
        (HEADER + "twelve free\n", 2, "got 'twelve free'"),
        (HEADER + "-12 free\n", 2, "got '-12 free'"),
        (HEADER + "0 free\n", 2, "got '0 free'"),
        (HEADER + "99999999999999 free\n", 2, "got '99999999999999 free'"),
        (HEADER + "9" * 5000 + " free\n", 2, "got '9999"),
        (HEADER + "# migratetypes: movable bogus\n12 free\n", 2, "unknown migratetype 'bogus'"),
        (HEADER + "12 free\n\x00\xff\n", 3, "expected a number of pages"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_by_line(tmp_path, text, line, message):
    path = tmp_path / "map"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(pa.TraceFormatError, match=re.escape(message)) as error:
        pa.StartMap.load(path)
    assert (error.value.path, error.value.line) == (str(path), line)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "map.xz"
    pa.StartMap([1], [0]).save(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(pa.TraceFormatError, match="damaged compression"):
        pa.StartMap.load(path)


def test_comments_are_skipped(tmp_path):
    path = tmp_path / "map"
    path.write_text(HEADER + "# made by hand\n3 free\n# and\n4 movable\n")
    assert pa.StartMap.load(path).nrs.tolist() == [3, 4]


# /proc of a machine with 64 pages: two zones, the second of which does not manage its last 8 yet.

NR_PAGES, LATE = 64, 56
ZONEINFO = """\
Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 77
      nr_free_pages_blocks 3
  pages free     {dma_free}
        boost    0
        min      1
        spanned  15
        present  15
        managed  15
        cma      0
        protection: (0, 1000, 1000)
      nr_free_pages {dma_free}
      nr_zone_inactive_anon 0
  pagesets
    cpu: 0
              count:    0
              high:     4
  node_unreclaimable:  0
  start_pfn:           1
Node 0, zone   Normal
  pages free     {normal_free}
        spanned  48
        present  46
        managed  40
      nr_free_pages {normal_free}
  node_unreclaimable:  0
  start_pfn:           16
Node 0, zone  Movable
  pages free     0
        spanned  0
        present  0
        managed  0
  start_pfn:           0
"""
IOMEM = """\
00000000-00000fff : Reserved
00001000-0000ffff : System RAM
  00002000-00002fff : Kernel code
00010000-0003d7ff : System RAM
  00011000-00011fff : System RAM (not at the top level)
fec00000-fec00fff : IOAPIC 0
"""
PAGETYPES = """\
Page block order: 9
Free pages count per migrate type at order       0      1
Node    0, zone      DMA, type    Unmovable      1      0

Number of blocks type     Unmovable      Movable  Reclaimable   HighAtomic          CMA      Isolate
Node 0, zone      DMA            1            0            0            0            0            0
"""
BUDDY = 1 << 10


class Proc:
    """Files of a made-up /proc; every page of RAM is free until a test says otherwise."""

    def __init__(self, directory):
        self.directory = directory
        self.flags = np.zeros(NR_PAGES, "<u8")
        self.flags[1:LATE] = BUDDY
        self.counts = np.zeros(NR_PAGES, "<u8")
        self.zoneinfo = ZONEINFO.format(dma_free=15, normal_free=40)
        self.iomem = IOMEM
        self.pagetypeinfo = None

    def read(self):
        files = {
            "kpageflags": self.flags.tobytes(),
            "kpagecount": self.counts.tobytes(),
            "zoneinfo": self.zoneinfo.encode(),
            "iomem": self.iomem.encode(),
        }
        if self.pagetypeinfo is not None:
            files["pagetypeinfo"] = self.pagetypeinfo.encode()
        for name, data in files.items():
            (self.directory / name).write_bytes(data)
        return pa.StartMap.from_proc(self.directory)

    def classes(self):
        start_map = self.read()
        return np.repeat(start_map.classes, start_map.nrs).tolist()


@pytest.fixture
def proc(tmp_path):
    return Proc(tmp_path)


def test_pages_outside_ram_and_silent_pages_beyond_what_is_managed_are_absent(proc):
    expected = [FREE] * NR_PAGES
    expected[0] = ABSENT  # not in a zone
    expected[LATE:] = [ABSENT] * 8  # not yet online
    assert proc.classes() == expected
    proc.flags[57] = 1 << 7
    proc.counts[58] = 1
    proc.flags[61:63] = 1 << 7  # half of page 61 is RAM, page 62 is none
    assert proc.classes()[LATE:] == [ABSENT, UNMOVABLE, UNMOVABLE, *[ABSENT] * 5]


LOCKED, REFERENCED, UPTODATE, DIRTY, LRU, ACTIVE, SLAB, WRITEBACK = 0, 2, 3, 4, 5, 6, 7, 8
MMAP, ANON, SWAPBACKED, HEAD, TAIL, HUGE, UNEVICTABLE = 11, 12, 14, 15, 16, 17, 18
NOPAGE, THP, OFFLINE, PGTABLE, RESERVED, MLOCKED = 20, 22, 23, 26, 32, 33


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ([10], FREE),
        ([10, OFFLINE], ABSENT),
        ([NOPAGE], ABSENT),
        ([OFFLINE], ABSENT),
        ([], UNMOVABLE),
        ([RESERVED], UNMOVABLE),
        ([RESERVED, LRU], UNMOVABLE),
        ([SLAB], UNMOVABLE),
        ([PGTABLE, MMAP], UNMOVABLE),
        ([HUGE, HEAD], UNMOVABLE),
        ([MMAP, ANON], UNMOVABLE),
        ([LRU], CACHE),
        ([LRU, MMAP, REFERENCED, UPTODATE, ACTIVE, LOCKED], CACHE),
        ([LRU, DIRTY], MOVABLE),
        ([LRU, WRITEBACK], MOVABLE),
        ([LRU, SWAPBACKED], MOVABLE),
        ([LRU, ANON, SWAPBACKED, MMAP], MOVABLE),
        ([LRU, ANON], MOVABLE),
        ([LRU, UNEVICTABLE], UNMOVABLE),
        ([LRU, ANON, SWAPBACKED, MLOCKED], UNMOVABLE),
    ],
)
@pytest.mark.parametrize("count", [0, 3])
def test_flags_tell_what_a_page_is(proc, bits, expected, count):
    proc.flags[20] = sum(1 << bit for bit in bits)
    proc.counts[20] = count
    classes = proc.classes()
    assert classes[20] == expected
    assert classes[19] == classes[21] == FREE


@pytest.mark.parametrize(
    ("head", "tail", "expected"),
    [
        ([LRU, ANON, SWAPBACKED, THP], [LRU, ANON, SWAPBACKED, THP], MOVABLE),  # as 6.18 flags them
        ([LRU, ANON, SWAPBACKED, THP], [ANON, THP], MOVABLE),  # as kernels before folios do
        ([LRU], [], CACHE),
        ([LRU, MLOCKED], [], UNMOVABLE),
        ([SLAB], [], UNMOVABLE),
        ([HUGE], [HUGE], UNMOVABLE),
    ],
)
def test_the_tail_of_a_compound_page_is_what_its_head_is(proc, head, tail, expected):
    proc.flags[24] = sum(1 << bit for bit in [*head, HEAD])
    proc.flags[25:28] = sum(1 << bit for bit in [*tail, TAIL])
    assert proc.classes()[23:29] == [FREE, *[expected] * 4, FREE]


def test_a_tail_without_a_head_is_unmovable(proc):
    proc.flags[20] = 1 << TAIL
    proc.flags[24] = 1 << LRU | 1 << HEAD
    assert proc.classes()[20] == UNMOVABLE


@pytest.mark.parametrize(("suffix", "pack"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_the_files_may_be_compressed(proc, suffix, pack):
    expected = proc.classes()
    for path in list(proc.directory.iterdir()):
        (proc.directory / (path.name + suffix)).write_bytes(pack(path.read_bytes()))
        path.unlink()
    start_map = pa.StartMap.from_proc(proc.directory)
    assert np.repeat(start_map.classes, start_map.nrs).tolist() == expected


def test_migratetypes_are_read_in_the_order_of_their_numbers(proc):
    assert proc.read().migratetypes == ()
    proc.pagetypeinfo = PAGETYPES
    assert proc.read().migratetypes == (
        "unmovable",
        "movable",
        "reclaimable",
        "highatomic",
        "cma",
        "isolate",
    )
    proc.pagetypeinfo = PAGETYPES.replace("Movable  Reclaimable", "Reclaimable  Movable")
    assert proc.read().migratetypes[1:3] == ("reclaimable", "movable")


def test_a_directory_is_a_start_map_for_a_trace(proc, tmp_path):
    proc.read()
    trace = tmp_path / "trace"
    trace.write_text("mm_page_free: pfn=1 order=0\n")
    assert pa.Trace.open(trace, start_map=proc.directory).start_map.nr_pages == NR_PAGES


@pytest.mark.parametrize("name", ["kpageflags", "kpagecount", "zoneinfo", "iomem"])
def test_a_missing_file_is_named(proc, name):
    proc.read()
    (proc.directory / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"has no {name}, {name}.xz or {name}.gz"):
        pa.StartMap.from_proc(proc.directory)


def set_heads_only(proc):
    proc.flags[:] = 0
    proc.flags[[1, 2, 4, 8, 16, 32]] = BUDDY


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: setattr(p, "flags", p.flags[:-1]), "the zones end at pfn 0x40, kpageflags has 0x3f"),
        (lambda p: setattr(p, "counts", p.counts[:-1]), "the zones end at pfn 0x40, kpagecount has 0x3f"),
        (lambda p: setattr(p, "flags", np.zeros(9, np.uint8)), "expected one 64-bit word per page, got 9 bytes"),
        (lambda p: setattr(p, "counts", p.counts[:0]), "expected one 64-bit word per page, got 0 bytes"),
        (set_heads_only, "marks 6 free pages of 55: this kernel marks only the first page"),
        (lambda p: setattr(p, "iomem", re.sub(r"[0-9a-f]{8}", "00000000", IOMEM)), "shows zeros only"),
        (lambda p: setattr(p, "iomem", ""), "no System RAM range"),
        (lambda p: setattr(p, "zoneinfo", ""), "no populated zone"),
        (lambda p: setattr(p, "zoneinfo", ZONEINFO.replace("start_pfn", "start")), "no populated zone"),
        (lambda p: setattr(p, "pagetypeinfo", "Page block order: 9\n"), r"cannot tell the migratetypes from \[\]"),
        (lambda p: setattr(p, "pagetypeinfo", PAGETYPES.replace("CMA", "XYZ")), "cannot tell .* 'XYZ'"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused(proc, spoil, message):
    spoil(proc)
    with pytest.raises(pa.TraceFormatError, match=message):
        proc.read()


def test_a_damaged_file_of_proc_is_refused(proc):
    proc.read()
    (proc.directory / "kpageflags").unlink()
    (proc.directory / "kpageflags.xz").write_bytes(lzma.compress(proc.flags.tobytes())[:-20])
    with pytest.raises(pa.TraceFormatError, match=r"kpageflags.xz: damaged compression"):
        pa.StartMap.from_proc(proc.directory)
