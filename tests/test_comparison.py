"""Whole replays, comparisons of policies, and what is said about their quality."""

import re

import numpy as np
import pytest

import pasralloc as pa
import pasralloc.comparison
from pasralloc.analysis.quality import assess, below_standard
from pasralloc.comparison import equal_groups
from pasralloc.trace.pageclasses import ABSENT, CACHE, FREE, MOVABLE
from pasralloc.trace.samples import sample_paths

# Every event of a trace is exactly one of these.
RECORDS = (
    "allocs", "frees", "failed_allocs", "bad_records", "batched", "lost_marks", "other_records",
)  # fmt: skip


@pytest.fixture(scope="module")
def samples():
    return {name: pa.Trace.sample(name) for name in ("t1", "demo")}


@pytest.mark.parametrize("name", ["t1", "demo"])
@pytest.mark.parametrize("policy", ["linux", "sorted"])
@pytest.mark.parametrize("start", ["recorded", "booted"])
def test_two_replays_of_a_sample_come_out_the_same(samples, name, policy, start):
    trace = samples[name]
    first, second = (pa.replay(trace, policy, region_pages=8192, start=start) for _ in range(2))
    assert first.provenance == second.provenance
    assert first.outcome() == second.outcome()
    assert first.transitions.tolist() == second.transitions.tolist()
    assert sum(first.counts[name] for name in RECORDS) == len(trace) == first.nr_events
    assert first.counts["allocs"] == trace.summary["by_kind"][1]
    assert first.empty_end <= first.packed_end
    assert first.empty_mean <= first.packed_mean
    assert first.nr_regions == np.count_nonzero(first.managed)
    pages = trace.start_map.pages_by_class()
    assert int(first.used_start.sum()) == pages["unmovable"] + pages["movable"] + pages["cache"]
    assert int(first.managed.sum()) == trace.start_map.nr_pages - pages["absent"]


def test_page_level_accounting_of_the_sample_is_that_of_the_recording(samples):
    bare = pa.replay(pa.Trace.open(sample_paths("t1")[0]), region_pages=8192).counts
    assert bare["unknown_frees"] == 12_719
    assert bare["free_of_free"] == 1_943
    assert bare["implicit_frees"] == 40
    seeded = pa.replay(samples["t1"], region_pages=8192).counts
    assert seeded["free_of_free"] == 2_342
    assert seeded["unknown_frees"] == 0, "the start map speaks of every page"


def test_a_policy_may_be_an_object(samples):
    policy = pa.Policy(name="old", placement="linux", kernel="3.9")
    result = pa.replay(samples["t1"], policy, region_pages=8192)
    assert (result.policy, result.provenance["kernel"]) == (policy, "3.9")


def test_memory_is_what_is_asked_for_or_what_the_trace_names(tmp_path):
    path = tmp_path / "trace"
    path.write_text("mm_page_alloc: pfn=5000 order=3 migratetype=1 gfp_flags=none\n")
    trace = pa.Trace.open(path)
    assert pa.replay(trace, region_pages=4096).provenance["memory_pages"] == 8192
    small = pa.replay(trace, region_pages=4096, memory_pages=4096)
    assert (len(small.managed), small.counts["failures"]) == (1, 0), "pfns are names only"


START = pa.StartMap([1024, 1024, 1024, 1024], [FREE, MOVABLE, CACHE, ABSENT])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": "sorter"}, "policy must be one of 'linux', 'hierarchy', 'sorted', 'sorted-v2', 'sorted-v3', 'sorted-v4', got 'sorter'; did you mean 'sorted'?"),
        ({"policy": "x"}, "policy must be one of 'linux', 'hierarchy', 'sorted', 'sorted-v2', 'sorted-v3', 'sorted-v4', got 'x'"),
        ({"start": "now"}, "start must be one of 'recorded', 'booted', got 'now'"),
        ({"region_pages": 1000}, "region_pages must be a multiple of 1024, got 1000"),
        ({"region_pages": 0}, "region_pages must be a multiple of 1024, got 0"),
        ({"region_pages": -1024}, "region_pages must be a multiple of 1024, got -1024"),
        ({"memory_pages": 4095}, "memory_pages must be at least the 4096 that the start map covers, got 4095"),
        ({"memory_pages": 4096 * 4096 + 1}, "16777217 pages of memory in regions of 4096 are more than 4096 regions:"
         " choose regions of at least 5120 pages, or less memory"),
    ],
)  # fmt: skip
def test_arguments_that_make_no_sense_are_refused_by_value(samples, options, message):
    trace = pa.Trace.open("sample:t1", start_map=START)
    with pytest.raises(ValueError, match=re.escape(message)):
        pa.replay(trace, **{"policy": "sorted", "region_pages": 4096, **options})
    if "policy" in options:
        options = {"policies": [options.pop("policy")], **options}
    with pytest.raises(ValueError, match=re.escape(message)):
        pa.compare(trace, **{"region_pages": 4096, **options})


def test_memory_that_the_trace_alone_makes_too_large_names_the_pfn(tmp_path):
    path = tmp_path / "trace"
    path.write_text("mm_page_free: pfn=0x7fffffffff order=0\n")
    with pytest.raises(
        ValueError, match=r"less memory \(the trace names pfns up to 0x7fffffffff\)"
    ):
        pa.replay(pa.Trace.open(path))


@pytest.mark.parametrize("start", ["recorded", "booted"])
def test_the_start_decides_where_pages_in_use_sit(start):
    trace = pa.Trace.open("sample:t1", start_map=START)
    result = pa.replay(trace, "sorted", region_pages=1024, start=start)
    expected = {"recorded": [0, 1024, 1024, 0], "booted": [1024, 1024, 0, 0]}
    assert result.used_start.tolist() == expected[start]


def test_a_comparison_keeps_the_order_of_its_policies(samples):
    seen = []
    policies = ["sorted", "linux", pa.Policy(name="third", placement="sorted"), "linux"]
    results = pa.compare(samples["t1"], policies, region_pages=8192, progress=seen.append)
    assert [result.policy.name for result in results] == ["sorted", "linux", "third", "linux"]
    assert seen == ["sorted", "linux", "third", "linux"]
    assert equal_groups(results) == [["sorted", "third"], ["linux", "linux"]]
    assert equal_groups(results[:2]) == []
    assert equal_groups([]) == []


def test_an_unknown_policy_is_refused_before_anything_is_replayed(samples):
    seen = []
    with pytest.raises(ValueError, match=r"policy must be .* got 'linus'; did you mean 'linux'"):
        pa.compare(samples["t1"], ["linux", "linus"], progress=seen.append)
    with pytest.raises(ValueError, match="at least one policy"):
        pa.compare(samples["t1"], [], progress=seen.append)
    assert seen == []


def test_compare_is_a_function_whatever_was_imported_before():
    assert callable(pa.compare)
    assert pa.compare is pasralloc.comparison.compare


# Quality


def assess_text(tmp_path, text):
    path = tmp_path / "trace"
    path.write_text(text)
    trace = pa.Trace.open(path)
    return assess(trace, pa.replay(trace, region_pages=1024))


def test_the_quality_says_what_is_odd_about_a_trace(tmp_path):
    alloc_line = " a-1 [0] {}: mm_page_alloc: page=1 pfn={} order=0 migratetype=1 gfp_flags=none\n"
    quality = assess_text(
        tmp_path,
        "# entries-in-buffer/entries-written: 5/25\nCPU:0 [LOST 3 EVENTS]\n"
        + alloc_line.format("7.0", 5)
        + alloc_line.format("7.000001", 5)
        + alloc_line.format("6.0", 9)
        + " a-1 [0] 8.0: mm_page_free: pfn=5 order=12\n a-1 [0] 8.5: mm_page_free: oops\n",
    )
    assert quality["events"] == 5
    assert quality["events_by_kind"]["alloc"] == 3
    assert quality["span_ns"] == 10**9
    assert (quality["lost_events"], quality["lost_marks"]) == (23, 1)
    assert quality["backward_time_steps"] == 1
    assert quality["bad_quotes"] == [{"line": 7, "text": " a-1 [0] 8.5: mm_page_free: oops"}]
    implicit = quality["anomalies"]["implicit_frees"]
    assert implicit == {"count": 1, "percent": pytest.approx(100 / 3), "of": "allocs"}
    assert quality["anomalies"]["bad_records"]["percent"] == 25
    assert quality["assumptions"][0] == "migratetypes: assumed: that of Linux 4.4 and later"
    assert quality["assumptions"][1].startswith("memory is empty when the trace begins")
    assert below_standard(quality) == [
        "1 lines name a page event but do not parse",
        "23 events lost at 1 marked places",
        "1 impossible records",
    ]


def test_frees_from_batched_records_are_an_assumption(tmp_path):
    text = (
        "mm_page_alloc: pfn=8 order=3 migratetype=1 gfp_flags=none\nmm_page_free_batched: pfn=8\n"
    )
    quality = assess_text(tmp_path, text)
    assert "batched records are frees: the trace has no mm_page_free" in quality["assumptions"]
    assert quality["batched_ignored"] == 0
    both = assess_text(tmp_path, text + "mm_page_free: pfn=8 order=3\n")
    assert not any("batched" in assumption for assumption in both["assumptions"])
    assert both["anomalies"]["lost_frees"]["count"] == 1


def test_a_sound_trace_is_not_below_standard(samples):
    quality = assess(samples["demo"], pa.replay(samples["demo"]))
    assert below_standard(quality) == []
    assert quality["start_map"] == samples["demo"].start_map.pages_by_class()
