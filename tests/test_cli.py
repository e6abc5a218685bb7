"""The command line: what goes to which stream, exit codes, and the strips of regions."""

import json
import lzma
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import pasralloc as pa
from pasralloc.cli.main import cli, main
from pasralloc.report.strip import ASCII, BARS, strip

ALLOC = " sh-7 [001] .....  {at}.000000: mm_page_alloc: page=1 pfn={pfn} order=0 migratetype=1 gfp_flags=none\n"
FREE = " sh-7 [001] .....  {at}.000000: mm_page_free: page=1 pfn={pfn} order=0\n"
SMALL = ALLOC.format(at=1, pfn=5) + FREE.format(at=3, pfn=5)
BAD = SMALL + FREE.format(at=4, pfn="?")


def run(*arguments, stdin=b"", **environment):
    """Run the program as a user does, with pipes for streams."""
    env = {
        name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS")
    }
    return subprocess.run(
        [sys.executable, "-m", "pasralloc", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env={**env, **environment},
        check=False,
    )


@pytest.fixture
def file(tmp_path):
    def write(data, name="trace.txt"):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


def fails_with(capsys, *arguments):
    """Exit code and message of `main`, which must print nothing else."""
    with pytest.raises(SystemExit) as exit_:
        main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return exit_.value.code, err


# What is printed


def test_without_arguments_the_sample_is_compared_as_text():
    done = run("compare")
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert text.startswith("Quality of the input")
    assert "alloc 135,119, free 122,255" in text
    assert "72 regions of 128 MiB" in text
    for row in ("│ linux ", "│ sorted ", "│ packing bound ", "\nstart ", "\nlinux ", "\nsorted "):
        assert row in text
    assert "\x1b" not in text


def test_json_is_all_there_is_on_standard_output():
    done = run("compare", "sample:t1", "--region", "32MiB", "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    report = json.loads(done.stdout)
    assert list(report) == ["quality", "policies", "equal"]
    assert report["quality"]["events"] == 120_000
    assert report["quality"]["region_pages"] == 8192
    assert [policy["name"] for policy in report["policies"]] == ["linux", "sorted"]
    results = pa.compare(pa.Trace.sample("t1"), region_pages=8192)
    for policy, result in zip(report["policies"], results, strict=True):
        assert policy["counts"] == result.counts
        assert policy["free_regions"] == {
            "start": result.empty_start,
            "mean": result.empty_mean,
            "end": result.empty_end,
        }
        assert policy["packing_bound"]["mean"] == result.packed_mean
        assert policy["used_pages"]["end"] == result.used_end.tolist()
        assert len(policy["transitions"]) == len(result.transitions)
        assert policy["provenance"]["digest"] == result.provenance["digest"]


def test_cpus_put_pagesets_before_every_policy():
    done = run("compare", "sample:t1", "--cpus", "4", "--policy", "sorted-v3", "--json")
    report = json.loads(done.stdout)
    (policy,) = report["policies"]
    result = pa.replay(
        pa.Trace.sample("t1"),
        pa.Policy(
            name="sorted-v3",
            placement="biased",
            region_allocator="when-dry",
            pagesets=pa.Pagesets(nr_cpus=4),
        ),
    )
    assert policy["provenance"]["digest"] == result.provenance["digest"]
    assert policy["fallbacks"]["count"] == result.nr_extfrag
    assert report["quality"]["assumptions"][-3] == (
        "all memory is one zone, without watermarks or reclaim"
    )
    assert report["quality"]["fallbacks_per_million"] is None, "the sample has no such event"


def test_a_trace_with_fallbacks_shows_how_many_per_million():
    event = (
        " sh-1 [000] 1.5: mm_page_alloc_extfrag: page=1 pfn=0x1 alloc_order=0 fallback_order=9 pageblock_order=9"
        " alloc_migratetype=0 fallback_migratetype=1 fragmenting=0 change_ownership=1\n"
    )
    done = run("compare", "-", "--json", "--region", "4MiB", stdin=(SMALL + event).encode())
    quality = json.loads(done.stdout)["quality"]
    assert quality["events_by_kind"]["extfrag"] == 1
    assert quality["fallbacks_per_million"] == 1e6 / quality["events_by_kind"]["alloc"]


def test_a_trace_may_come_from_standard_input():
    done = run("compare", "-", "--json", "--region", "4MiB", stdin=lzma.compress(SMALL.encode()))
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (report["quality"]["trace"], report["quality"]["events"]) == ("<stdin>", 2)
    assert report["policies"][0]["transitions"] == [
        {"time_ns": 10**9, "region": 0, "is_empty": False},
        {"time_ns": 3 * 10**9, "region": 0, "is_empty": True},
    ]
    assert report["policies"][0]["free_regions"] == {"start": 1, "mean": 0.0, "end": 1}


def test_progress_goes_to_the_terminal_and_not_into_the_output(file):
    master, slave = os.openpty()
    path = file(FREE.format(at=1, pfn=5) * 100_000)
    done = subprocess.run(
        [sys.executable, "-m", "pasralloc", "compare", path, "--json", "--region", "4MiB"],
        stdout=subprocess.PIPE,
        stderr=slave,
        check=True,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(slave)
    shown = os.read(master, 1 << 16)
    os.close(master)
    assert json.loads(done.stdout)["quality"]["events"] == 100_000
    assert b"reading" in shown


def test_a_reader_that_leaves_early_is_no_traceback():
    process = subprocess.Popen(
        [sys.executable, "-m", "pasralloc", "compare", "sample:t1", "--json", "--region", "8MiB"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() in (0, 1)  # as the version of click has it


def test_a_terminal_without_unicode_gets_ascii(file):
    path = file(BAD.replace("?", "\u00e9\x1b[31m"), "na\u00efve.txt")
    done = run("compare", path, "--region", "4MiB", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode("ascii")
    assert "na\\xefve.txt" in text
    assert r"pfn=\xe9\x1b[31m order=0" in text, "what a trace holds cannot steer the terminal"
    assert "\nlinux   .\n" in text
    assert "| linux " in text


def test_help_ends_with_examples():
    result = CliRunner().invoke(cli, ["compare", "--help"])
    assert result.exit_code == 0
    *_, examples = result.output.split("Examples:\n")
    assert examples.strip().splitlines()[-1].strip() == (
        "perf script | pasralloc compare - --memory 16GiB --json > result.json"
    )
    overview = CliRunner().invoke(cli, ["--help"])
    assert overview.exit_code == 0
    assert "compare    One trace, several policies, one table." in overview.output
    assert CliRunner().invoke(cli, ["--version"]).output.strip().endswith(pa.__version__)


# Options


def compare(*arguments, **options):
    result = CliRunner().invoke(cli, ["compare", *map(str, arguments)], **options)
    assert result.exit_code == 0, result.output
    return result.output


def compare_json(*arguments):
    return json.loads(compare(*arguments, "--json"))


def test_equal_policies_are_said_to_be_equal(file):
    path = file(SMALL)
    arguments = (path, "--policy", "linux", "--policy", "linux", "--region", "4MiB")
    assert "Equal on this input: linux and linux come out the same." in compare(*arguments)
    assert compare_json(*arguments)["equal"] == [["linux", "linux"]]


def test_policies_that_differ_are_not_said_to_be_equal():
    text = compare("sample:t1", "--region", "32MiB")
    assert "Equal on this input" not in text


def test_options_reach_the_replay(file):
    start_map = file("# pasralloc start map 1\n1024 free\n1024 movable\n2048 absent\n", "map")
    arguments = (file(SMALL), "--region", "4MiB", "--start-map", start_map, "--policy", "sorted")
    recorded = compare_json(*arguments)["policies"][0]
    assert recorded["used_pages"]["start"] == [0, 1024, 0, 0]
    assert recorded["managed_pages"] == [1024, 1024, 0, 0]
    booted = compare_json(*arguments, "--start", "booted", "--memory", "32MiB")["policies"][0]
    assert booted["used_pages"]["start"] == [1024, 0, 0, 0, 0, 0, 0, 0]
    named = compare_json(*arguments, "--migratetypes", "movable,unmovable")
    assert named["quality"]["migratetypes"] == {
        "names": ["movable", "unmovable"],
        "source": "given",
    }
    text = compare(*arguments)
    assert "recorded: pages in use sit where they sat; free 4 MiB, movable 4 MiB" in text
    assert "booted: pages in use are placed anew" in compare(*arguments, "--start", "booted")


def test_what_is_odd_is_shown_in_the_quality_block(file):
    text = compare(
        file("CPU:1 [LOST 7 EVENTS]\n" + BAD + ALLOC.format(at=9, pfn=5) * 2), "--region", "4MiB"
    )
    assert "4; 1 unparsable, 0 other events" not in text
    assert "6; 1 unparsable, 0 other events" in text
    assert "line 4: ' sh-7 [001] .....  4.000000: mm_page_free: page=1 pfn=? order=0'" in text
    assert "7 events at 1 marks" in text
    assert "implicit frees 1 (33.3 % of allocs)" in text
    assert "memory is empty when the trace begins: no start map was given" in text


# Exit codes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--region", "lots"], "expected a size such as 32MiB, 512M or 2G, got 'lots'"),
        (["--region", "5000"], "expected a whole number of 4 KiB pages, got '5000'"),
        (["--region", "0"], "expected a whole number of 4 KiB pages, got '0'"),
        (["--region", "-4MiB"], "got '-4MiB'"),
        (["--region", "32\u212a"], "expected a size such as 32MiB"),
        (["--region", "2MiB"], "region_pages must be a multiple of 1024, got 512"),
        (["--region", "6MiB"], "region_pages must be a multiple of 1024, got 1536"),
        (["--memory", "1GiB"], "memory_pages must be at least the 6553600 that the start map covers, got 262144"),
        (["--region", "4MiB"], "more than 4096 regions: choose regions of at least 2048 pages"),
        (["--policy", "sort"], "policy must be one of 'linux', 'hierarchy', 'sorted', 'sorted-v2', 'sorted-v3', 'sorted-v4', got 'sort'; did you mean 'sorted'?"),
        (["--start", "later"], "'later' is not one of 'recorded', 'booted'"),
        (["--start-map", "/nowhere"], "'/nowhere' does not exist"),
        (["--migratetypes", "a,b"], "unknown migratetype 'a' in 'a,b'"),
        (["--frobnicate"], "No such option"),
    ],
)  # fmt: skip
def test_wrong_usage_exits_with_2(capsys, arguments, message):
    code, err = fails_with(capsys, "compare", "sample:t1", *arguments)
    assert code == 2
    assert message in " ".join(err.split())


def test_an_unknown_sample_or_verb_exits_with_2(capsys):
    assert fails_with(capsys, "compare", "sample:x")[0] == 2
    assert fails_with(capsys, "frobnicate")[0] == 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "No such file or directory"),
        ("", "no page-allocation event in 0 lines"),
        ("hello\n", "no page-allocation event in 1 lines"),
        (b"PERFILE2" + bytes(100), "this is a perf.data file; `perf script` turns it into text"),
        (b"\x17\x08\x44tracing6\x00", "this is a trace.dat file; `trace-cmd report` turns it into text"),
        (bytes(range(256)) * 9, "no page-allocation event"),
        (ALLOC.format(at=1, pfn=1).replace("none", "GFP_HIGHUSER_MOVABLE") * 2
         + ALLOC.format(at=1, pfn=1).replace("none", "__GFP_MOVABLE").replace("type=1", "type=2"),
         "say which number is which with --migratetypes"),
    ],
)  # fmt: skip
def test_bad_input_exits_with_3_and_names_the_file(capsys, file, data, message):
    path = file(data) if data is not None else "/nowhere/trace.txt"
    code, err = fails_with(capsys, "compare", path)
    assert code == 3
    assert err.startswith("pasralloc: ")
    assert str(path) in err
    assert message in err
    assert err.count("\n") == 1


def test_bad_input_of_the_program_is_one_line_on_standard_error(file):
    path = file(b"PERFILE2" + bytes(100))
    done = run("compare", path)
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.decode() == (
        f"pasralloc: {path}: this is a perf.data file; `perf script` turns it into text\n"
    )


def test_a_start_map_that_does_not_parse_is_bad_input(capsys, file):
    path = file("# pasralloc start map 1\n12 unfree\n", "map")
    code, err = fails_with(capsys, "compare", "sample:t1", "--start-map", path)
    assert code == 3
    assert f"{path}:2: expected a number of pages and a class, got '12 unfree'" in err
    code, err = fails_with(capsys, "compare", "sample:t1", "--start-map", path.parent)
    assert (code, "has no kpageflags" in err) == (3, True)


def test_strict_exits_with_4_after_the_report(file):
    done = run("compare", file(BAD), "--strict", "--json", "--region", "4MiB")
    assert done.returncode == 4
    assert json.loads(done.stdout)["quality"]["bad_lines"] == 1
    assert done.stderr.decode() == (
        "pasralloc: below --strict: 1 lines name a page event but do not parse\n"
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (SMALL, 0),
        ("CPU:1 [LOST 7 EVENTS]\n" + SMALL, 4),
        ("# entries-in-buffer/entries-written: 2/9   #P:2\n" + SMALL, 4),
        (SMALL + FREE.format(at=4, pfn=5).replace("order=0", "order=11"), 4),
        (SMALL + FREE.format(at=4, pfn=5) + "hello: world\n", 0),
    ],
)
def test_strict_is_about_what_was_lost_or_cannot_be(file, text, code):
    result = CliRunner().invoke(cli, ["compare", str(file(text)), "--strict", "--region", "4MiB"])
    assert result.exit_code == code
    assert ("below --strict" in result.stderr) == (code == 4)


# Strips


@pytest.mark.parametrize(
    ("used", "managed", "width", "bars", "digits"),
    [
        ([0, 0, 1, 500, 1000], [0, 1000, 1000, 1000, 1000], 80, " ·▁▄█", " .148"),
        ([124, 125, 126, 875, 876], [1000] * 5, 5, "▁▁▂▇█", "11278"),
        ([0, 10, 0, 0], [10, 10, 10, 10], 2, "▄·", "4."),  # bins of two
        ([0, 0, 0, 0], [0, 0, 10, 0], 2, " ·", " ."),
        ([0, 10, 10], [0, 10, 10], 2, " █", " 8"),
        ([7], [10], 1, "▆", "6"),
        ([], [], 80, "", ""),
    ],
)
def test_a_strip_shows_how_full_each_region_is(used, managed, width, bars, digits):
    used, managed = np.array(used, np.uint32), np.array(managed, np.uint32)
    assert strip(used, managed, width) == bars
    assert strip(used, managed, width, ascii_only=True) == digits


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), max_size=300),
    st.integers(1, 200),
)
def test_every_region_is_in_one_character(pairs, width):
    managed = np.array([max(pair) for pair in pairs], np.uint32)
    used = np.array([min(pair) for pair in pairs], np.uint32)
    text = strip(used, managed, width)
    assert len(text) == min(len(pairs), width)
    assert set(text) <= {" ", *BARS}
    assert ("█" in text) <= bool(used.any())
    assert set(text) <= {" ", BARS[0]} or used.any()
    if not managed.any():
        assert text.strip() == ""
    if used.all():
        assert BARS[0] not in text
    digits = strip(used, managed, width, ascii_only=True)
    assert digits == text.translate(str.maketrans(BARS, ASCII))
