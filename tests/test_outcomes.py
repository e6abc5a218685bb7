"""Published experiments: tables as published, statements about own numbers, and how distances are taken."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import pasralloc as pa
from pasralloc import Zone
from pasralloc.outcomes import (
    ebizzy,
    hierarchy,
    pagetest,
    regionsearch,
    watermarks,
    zonefragmentation,
)
from pasralloc.outcomes.published import CURVES, END_LISTS, HIERARCHY, MISSING, PAGETEST
from pasralloc.report.sparkline import sparkline
from pasralloc.workload.ageing import Ageing
from pasralloc.workload.background import Background
from pasralloc.workload.ebizzy import Ebizzy
from pasralloc.workload.pagetest import Pagetest
from pasralloc.workload.parameters import WORKLOADS


def test_curves_have_a_sample_per_second():
    assert {len(curve) for curve in CURVES.values()} == {76}
    ends = {name: (curve[0], min(curve), curve[-1]) for name, curve in CURVES.items()}
    assert ends == {
        "v3 vanilla": (242, 15, 18),
        "v3 patched": (238, 21, 121),
        "v4 vanilla": (214, 4, 8),
        "v4 patched": (210, 5, 202),
    }


def test_free_lists_hold_as_many_pages_as_the_mail_says():
    pages = sum(
        nr << order
        for blocks in END_LISTS["v3 vanilla"].values()
        for order, nr in enumerate(blocks)
    )
    # 2 RESERVE blocks of order 10 beside them. The counts are of two moments.
    assert abs(15_751_188 - pages - 2048) < 100


class TestPagetest:
    @pytest.fixture(scope="class")
    @staticmethod
    def outcome():
        return pagetest.run()

    def test_every_statement_holds(self, outcome):
        assert [name for name, holds in outcome.checks.items() if not holds] == []
        assert len(outcome.checks) == 17

    def test_tables_have_the_published_shape(self, outcome):
        for version, published in PAGETEST.items():
            for table in outcome.ours[version].values():
                assert np.shape(table) == np.shape(published)
                assert table[0] == published[0]

    def test_whole_blocks_are_looked_for_after_every_request(self):
        """Columns are regions 0 to 8; only what was begun of 2 to 7 counts."""
        start = np.array([0, 50_000, *[131_072] * 6, 40_000])
        after = [start.copy() for _ in range(3)]
        for row, (region, free) in zip(after, ((2, 10_000), (2, 3000), (3, 90_000)), strict=True):
            row[region] = free
        nr_free = np.array([start, *after])
        small = np.zeros_like(nr_free)
        small[:, (1, 8)] = 5000
        small[2, 2] = 1023
        assert pagetest.is_whole(nr_free, small)
        for request, region in ((1, 2), (2, 2), (3, 3)):
            broken = small.copy()
            broken[request, region] = 1024
            assert not pagetest.is_whole(nr_free, broken), request
        for request in (1, 2, 3):
            nothing_begun = nr_free.copy()
            nothing_begun[request] = start
            assert not pagetest.is_whole(nothing_begun, small), request

    def test_present_pages_are_those_of_the_mail(self):
        for version, first, last in (("v1", 16, 131056), ("v2", 1, 131071)):
            zone = next(z for z in pagetest.machine_of(version).zones if z.name == "Normal")
            present = [region.present for region in zone.regions]
            assert present == [first, *[131072] * 7, last]


def test_the_hierarchy_opens_a_region_at_the_low_watermark():
    outcome = hierarchy.run()
    assert all(outcome.checks.values()), outcome.checks
    assert outcome.ours["regions"][:2] == HIERARCHY[:2]


def test_many_small_zones_cost_more_under_pressure():
    load = replace(zonefragmentation.LOAD, units=300, read_pages=8000)
    outcome = zonefragmentation.run(load=load)
    assert [name for name, holds in outcome.checks.items() if not holds] == []
    assert outcome.ours["sorted"]["kswapd"] > 100_000, "the cache has been reclaimed"


def test_watermarks_are_those_of_the_mails():
    outcome = watermarks.run()
    assert outcome.ours == outcome.published


def test_a_search_takes_two_words():
    outcome = regionsearch.run()
    for key, value in outcome.published.items():
        assert outcome.ours[key] == value
    assert set(outcome.ours["ns_per_free"]) == {64, 512, 4096}
    assert all(outcome.checks.values()), outcome.checks


def test_lists_without_region_order_have_no_maps_to_search(monkeypatch):
    monkeypatch.setattr(
        regionsearch,
        "_zone",
        lambda nr: Zone(nr * 1024, region_pages=1024, placement="linux", pageblock_order=10),
    )
    checks = regionsearch.run().checks
    assert not checks["leaf bits name the regions that have blocks"]


class TestEbizzy:
    @pytest.fixture(scope="class")
    @staticmethod
    def outcome():
        load = Ebizzy(
            processes=2,
            threads=4,
            chunk_pages=4096,
            seconds=1,
            idle_seconds=1,
            background=Background(pages_per_second=40, burst=4),
        )
        return ebizzy.run(load=load, seeds=2, rates=(0, 10))

    def test_without_background_and_pagesets_all_regions_come_back(self, outcome):
        assert outcome.checks["without background and pagesets every region is free again"]

    def test_each_policy_has_the_same_fields(self, outcome):
        for name in ebizzy.POLICIES:
            ours = outcome.ours[name]
            assert {"start", "min", "end", "end_drained", "trace", "missing"} <= set(ours)
            assert ours["trace"][-1] == ours["end"] <= ours["end_drained"]
        assert outcome.ours["ends_by_rate"]["rates"] == [0, 10]
        assert all(len(outcome.ours["ends_by_seed"][name]) == 2 for name in ebizzy.POLICIES)

    def test_json_has_the_four_parts(self, outcome):
        loaded = json.loads(outcome.to_json())
        assert {"outcome", "parameters", "published", "ours"} <= set(loaded)
        for name, published in loaded["published"].items():
            if name in ebizzy.POLICIES:
                assert set(published) <= set(loaded["ours"][name])
        assert loaded["published"]["sorted-v3"]["end"] == 121

    def test_processes_give_the_same_numbers(self, outcome):
        runs = [
            ebizzy.Run(
                policy=name, load=Ebizzy(processes=1, threads=1, chunk_pages=64, seconds=0.1)
            )
            for name in ("linux", "sorted-v3")
        ]
        assert ebizzy.perform_all(runs, jobs=2) == ebizzy.perform_all(runs, jobs=1)


def test_the_distance_of_a_curve_from_itself_is_zero():
    curve = CURVES["v3 patched"]
    assert ebizzy.curve_distance(curve, curve) == 0
    assert ebizzy.curve_distance([2 * nr for nr in curve], curve) == 0, "shares of the start"
    assert ebizzy.curve_distance([242] * 76, CURVES["v3 vanilla"]) > 150


def test_the_distance_of_missing_pages_is_between_distributions():
    missing = MISSING["v4 patched"]
    assert ebizzy.missing_distance(missing, missing) == 0
    assert ebizzy.missing_distance([1, 1], [5]) == 1
    assert ebizzy.missing_distance([1, 2, 3, 4], [1, 2]) == 0.5
    assert ebizzy.missing_distance([], missing) == 1


def test_the_distance_of_lists_is_a_share_of_their_pages():
    lists = END_LISTS["v3 vanilla"]
    assert ebizzy.lists_distance(lists, lists) == 0
    one = {name: [0] * 11 for name in ebizzy.TYPES} | {"movable": [0] * 10 + [1]}
    other = {name: [0] * 11 for name in ebizzy.TYPES} | {"unmovable": [1024] + [0] * 10}
    assert ebizzy.lists_distance(one, other) == 1


def test_a_sparkline_has_one_character_per_value_up_to_its_width():
    assert sparkline([8, 4, 1, 1, 7]) == "█▄▁▁▇"
    assert sparkline([1, 1, 8, 8], 2) == "▁█"
    assert sparkline([0, 8], ascii_only=True) == "18"
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "▁▁"


def pasralloc(*args):
    return subprocess.run(
        [sys.executable, "-m", "pasralloc", *args], capture_output=True, text=True, check=False
    )


class TestCommands:
    def test_list_names_every_outcome(self):
        done = pasralloc("reproduce", "list")
        assert done.returncode == 0
        names = [line.split()[0] for line in done.stdout.splitlines()]
        assert names == [
            *("pagetest", "hierarchy", "ebizzy", "watermarks"),
            *("zone-fragmentation", "region-search"),
        ]

    @pytest.mark.parametrize("name", ["pagetest", "hierarchy", "watermarks", "region-search"])
    def test_an_outcome_is_printed_and_written_as_json(self, name):
        printed = pasralloc("reproduce", name)
        assert printed.returncode == 0, printed.stderr
        assert "holds" in printed.stdout
        assert "FAILS" not in printed.stdout
        written = pasralloc("reproduce", name, "--json")
        assert json.loads(written.stdout)["outcome"] == name

    def test_options_of_ebizzy_mean_nothing_to_others(self):
        done = pasralloc("reproduce", "pagetest", "--seeds", "3")
        assert done.returncode == 2
        assert "mean nothing to pagetest" in done.stderr

    def test_a_workload_prints_its_parameters(self):
        done = pasralloc("synth", "kernbench", "--set", "units=5", "--policy", "sorted")
        assert done.returncode == 0, done.stderr
        assert "units=5" in done.stdout
        assert "seed=0" in done.stdout

    def test_a_terminal_without_unicode_gets_ascii(self):
        done = subprocess.run(
            [sys.executable, "-m", "pasralloc", "synth", "kernbench", "--set", "units=5"],
            capture_output=True,
            env=os.environ | {"PYTHONIOENCODING": "ascii"},
            check=True,
        )
        assert "| sorted |" in done.stdout.decode("ascii")

    def test_a_workload_is_written_as_json(self):
        done = pasralloc("synth", "kernbench", "--set", "units=5", "--json")
        loaded = json.loads(done.stdout)
        assert [run["policy"] for run in loaded["runs"]] == ["linux", "sorted"]
        assert loaded["parameters"]["units"] == 5

    def test_every_workload_can_be_run(self):
        for kind in WORKLOADS:
            help_text = pasralloc("synth", "--help").stdout
            assert kind in help_text

    def test_ageing_tells_what_it_reached(self):
        where = ["--machine", "exynos4210-2g", "--policy", "linux"]
        settings = ["--set", "index=700", "--set", "shares=0.2,0.7,0.1"]
        done = pasralloc("synth", "ageing", *where, *settings)
        assert (done.returncode, done.stderr) == (0, "")
        assert "shares=0.2,0.7,0.1" in done.stdout
        run = json.loads(pasralloc("synth", "ageing", *where, *settings, "--json").stdout)["runs"][
            0
        ]
        machine = pa.Machine.preset("exynos4210-2g")
        own = Ageing(index=700, shares=(0.2, 0.7, 0.1)).run(pa.Simulation(machine, "linux"))
        assert (run["index"], run["free_pages"]) == (own.index, own.free_pages)
        assert run["provenance"]["digest"] == own.provenance["digest"]
        assert f"{own.index} │" in done.stdout

    def test_ageing_that_misses_says_so_on_standard_error(self):
        done = pasralloc(
            *("synth", "ageing", "--machine", "exynos4210-2g", "--policy", "sorted"),
            *("--set", "free_share=1e-6", "--json"),
        )
        assert "pasralloc: sorted: ageing did not reach a free share of 1e-06" in done.stderr
        assert len(json.loads(done.stdout)["runs"][0]["missed"]) == 2

    def test_pagetest_shows_every_region_after_every_request(self):
        where = ["--machine", "exynos4210-2g", "--policy", "sorted"]
        settings = ["--set", "requests=1000,2000", "--set", "grows=true"]
        done = pasralloc("synth", "pagetest", *where, *settings)
        assert "requests=1000,2000 grows=True" in done.stdout
        run = json.loads(pasralloc("synth", "pagetest", *where, *settings, "--json").stdout)[
            "runs"
        ][0]
        sim = pa.Simulation("exynos4210-2g", "sorted")
        own = Pagetest(requests=(1000, 2000), grows=True).run(sim)
        assert run["nr_free"] == own.nr_free.tolist()
        assert run["nr_small"] == own.nr_small.tolist()
        for row in own.nr_free.T.tolist():
            assert " │ ".join(f"{nr:>6}" for nr in row) in done.stdout

    def test_shares_of_the_background_are_set_and_printed(self):
        setting = "background.shares=0.2,0.7,0.1"
        done = pasralloc("synth", "kernbench", "--set", "units=5", "--set", setting)
        assert setting in done.stdout
        assert "background.burst=1" in done.stdout

    def test_a_machine_that_does_not_exist_is_bad_input(self):
        done = pasralloc("synth", "kernbench", "--machine", "generic-15g")
        assert done.returncode == 3
        assert "did you mean 'generic-16g'" in done.stderr

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (["--policy", "sortd"], "did you mean 'sorted'"),
            (["--set", "unit=5"], "did you mean 'units'"),
            (
                ["--set", "jobs=100", "--machine", "exynos4210-2g"],
                "exynos4210-2g cannot hold 100 jobs",
            ),
        ],
    )
    def test_a_name_that_does_not_exist_is_usage(self, args, message):
        done = pasralloc("synth", "kernbench", *args)
        assert done.returncode == 2
        assert message in done.stderr
