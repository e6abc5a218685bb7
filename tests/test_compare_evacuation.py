"""What `compare` shows of evacuations, of what holds regions, and of free regions over time."""

import csv
import io
import json
import re

import pytest
from click.testing import CliRunner
from rich.console import Console

import pasralloc as pa
from pasralloc.cli.main import cli
from pasralloc.policy.evacuation import Evacuation, changed
from pasralloc.policy.presets import PRESETS
from pasralloc.report.freeregions import means, print_regions, write_timeline
from pasralloc.report.sparkline import sparkline

SMALL = ["sample:t1", "--region", "32MiB", "--start", "booted"]


def invoke(*arguments):
    return CliRunner().invoke(cli, ["compare", *map(str, arguments)])


@pytest.fixture(scope="module")
def changing():
    """A result in which the number of free regions changes."""
    return pa.replay(pa.Trace.sample("demo"), "sorted-v3", region_pages=8192, start="booted")


def test_all_are_the_presets_that_need_no_machine_unless_there_is_one():
    done = invoke(*SMALL, "--policy", "all", "--json")
    names = [policy["name"] for policy in json.loads(done.output)["policies"]]
    assert names == [name for name in PRESETS if name != "hierarchy"]
    done = invoke("sample:t1", "--policy", "all", "--machine", "generic-16g", "--json")
    assert [policy["name"] for policy in json.loads(done.output)["policies"]] == list(PRESETS)


def test_the_json_tells_what_the_results_do():
    done = invoke(
        *SMALL,
        "--policy",
        "linux",
        "--policy",
        "sorted-v4",
        "--evacuate",
        "max_used=8192",
        "--json",
    )
    assert done.exit_code == 0, done.output
    linux, moved = json.loads(done.output)["policies"]
    result = pa.replay(
        pa.Trace.sample("t1"),
        pa.Policy(
            name="sorted-v4",
            placement="biased",
            region_allocator="when-dry",
            evacuation=Evacuation(order="ascending", max_used=8192),
        ),
        region_pages=8192,
        start="booted",
    )
    assert moved["evacuations"] == result.evacuations
    assert moved["evacuations"]["moved"] > 0
    assert moved["provenance"] == json.loads(json.dumps(result.provenance))
    assert moved["regions_by_holder"] == result.regions_by_holder
    assert moved["region_empty_seconds"] == result.region_empty_seconds
    assert linux["evacuations"] is None
    assert sum(linux["regions_by_holder"].values()) == linux["regions"]
    assert linux["regions_by_holder"]["free"] == linux["free_regions"]["end"]


def test_tables_and_curves_fit_in_100_columns():
    done = invoke(*SMALL, "--policy", "all", "--evacuate", "max_used=8192")
    assert done.exit_code == 0, done.output
    for title in (
        "Completely free regions over time (",
        "Regions at the end by what holds them",
        "Evacuations: regions, and pages",
    ):
        assert done.output.count(title) == 1
    assert "…" not in done.output
    assert "sorted-v4: trigger=free, max_used=8192, targets=lower-regions" in done.output
    rows = [line for line in done.output.splitlines() if line.startswith(("│", "┃"))]
    assert max(map(len, rows)) <= 100
    plain = invoke(*SMALL).output
    assert "Evacuations" not in plain


def test_a_curve_that_does_not_change_is_a_number():
    done = invoke("sample:t1", "--region", "32MiB", "--policy", "linux")
    assert "Completely free regions over time: 95.0 throughout" in done.output


def test_the_timeline_has_every_change_of_every_policy(tmp_path, changing):
    path = tmp_path / "free.csv"
    done = invoke("sample:demo", "--region", "32MiB", "--start", "booted", "--policy", "linux",
                  "--policy", "sorted-v3", "--timeline", path)  # fmt: skip
    assert done.exit_code == 0, done.output
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["time_ns", "policy", "free_regions"]
    times_ns, nr_free = changing.free_regions()
    own = [(int(r["time_ns"]), int(r["free_regions"])) for r in rows if r["policy"] == "sorted-v3"]
    assert own == list(zip(times_ns.tolist(), nr_free.tolist(), strict=True))
    assert len(own) > 3
    assert {row["policy"] for row in rows} == {"linux", "sorted-v3"}
    text = io.StringIO()
    write_timeline(text, [changing])
    assert text.getvalue().count("\n") == 1 + len(own)


def test_means_over_parts_of_the_time_have_the_mean_of_all(changing):
    heights = means(changing, 7)
    assert len(heights) == 7
    assert sum(heights) / 7 == pytest.approx(changing.empty_mean)
    assert min(heights) < max(heights)
    assert means(changing, 1) == [pytest.approx(changing.empty_mean)]


def test_what_does_not_change_is_a_flat_line(capsys):
    """The time of the trace does not divide evenly: what rounding leaves over is no curve."""
    result = pa.replay(pa.Trace.sample("demo"), "linux", region_pages=32768, start="recorded")
    assert result.empty_start == result.empty_end
    for nr in (7, 60, 61):
        assert set(means(result, nr)) == {result.empty_end}
    print_regions(Console(width=100), [result, result])
    assert f"{result.empty_end:.1f} throughout" in capsys.readouterr().out


def test_bounds_say_what_the_bars_stand_for():
    assert sparkline([100, 101, 102], bounds=(100, 102), ascii_only=True) == "148"
    assert sparkline([5, 5], bounds=(5, 5), ascii_only=True) == "11"
    assert sparkline([0, 0], ascii_only=True) == "11"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_used", "expected name=value, got 'max_used'"),
        ("max_use=3", "field of an evacuation must be one of 'trigger', .* did you mean 'max_used'"),
        ("max_used=many", "max_used must be a whole number, got 'many'"),
        ("max_used=0", "max_used must be 1 to"),
        ("drain=yes", "drain must be true or false, got 'yes'"),
        ("max_used=1,max_used=2", "max_used is given twice"),
        ("trigger=timer,x=1,drain=0", "field of an evacuation .*; drain must be true or false.*; trigger must be one of"),
        ("", "expected name=value, got ''"),
    ],
)  # fmt: skip
def test_every_problem_of_a_change_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        changed(Evacuation(), text)
    done = invoke(*SMALL, "--policy", "sorted-v2", "--evacuate", text)
    assert done.exit_code == 2
    assert re.search(message.split(",")[0], " ".join(done.output.split()))


def test_a_change_leaves_other_fields_alone():
    before = Evacuation(trigger="handshake", latency_ns=7)
    after = changed(before, "max_used=99, drain=true,order=ascending")
    assert after == Evacuation(
        trigger="handshake", latency_ns=7, max_used=99, drain=True, order="ascending"
    )


def test_a_change_needs_a_policy_that_evacuates():
    done = invoke(*SMALL, "--policy", "linux", "--evacuate", "max_used=5")
    assert done.exit_code == 2
    assert "there is no evacuation to change: linux do not evacuate regions" in " ".join(
        done.output.split()
    )
