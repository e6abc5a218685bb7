"""Published experiments: tables as published, statements about own numbers, and how distances are taken."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import pasralloc as pa
from pasralloc import Simulation, Zone
from pasralloc.machine.machine import Machine
from pasralloc.machine.topology import Node
from pasralloc.outcomes import (
    distances,
    ebizzy,
    hierarchy,
    pagetest,
    regionsearch,
    watermarks,
    zonefragmentation,
)
from pasralloc.outcomes.published import (
    CURVES,
    END_FREE,
    END_LISTS,
    HIERARCHY,
    MISSING,
    NODE_0_REGIONS,
    PAGETEST,
    START_OF_USE,
)
from pasralloc.outcomes.startuse import STATES
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


@pytest.mark.parametrize("state", END_LISTS)
def test_free_lists_hold_as_many_pages_as_the_mail_says(state):
    pages = sum(distances.pages_of(nr).sum() for nr in END_LISTS[state].values())
    # The counts are of two moments.
    assert abs(END_FREE[state] - pages) < 300


def test_regions_that_were_printed_hold_as_many_pages_as_the_mail_says():
    missing = {
        **MISSING["v4 patched"],
        **{i: NODE_0_REGIONS[i] - nr for i, nr in START_OF_USE["v4 patched"].items()},
    }
    assert sorted(missing) == list(range(1, 125))
    assert list(MISSING["v4 patched"].values()).count(0) == 95
    assert abs(sum(NODE_0_REGIONS) - sum(missing.values()) - END_FREE["v4 patched"]) < 1000


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


class TestHierarchy:
    def test_a_region_is_opened_at_the_low_watermark(self):
        outcome = hierarchy.run()
        assert all(outcome.checks.values()), outcome.checks
        assert outcome.ours["regions"][:2] == HIERARCHY[:2]

    @pytest.mark.parametrize(
        ("last", "opens"),
        [([473, 100], True), ([472, 100], False), ([506, 100], False), ([900, 1000], True)],
    )
    def test_every_step_is_looked_at(self, last, opens):
        steps = np.array([[1000, 1000], last, [473, 1000]])
        assert hierarchy.opens_at_low(steps, [473, 490]) == opens


class TestZoneFragmentation:
    LOAD = replace(zonefragmentation.LOAD, units=300, anon_pages=5000)

    def test_many_small_zones_cost_more_under_pressure(self):
        outcome = zonefragmentation.run(machine="exynos4210-2g", load=self.LOAD, orders=())
        assert [name for name, holds in outcome.checks.items() if not holds] == []
        for load in ("build", "stream"):
            assert outcome.ours[load]["sorted"]["kswapd"] > 10_000, "the cache has been reclaimed"
        assert outcome.ours["stream"]["hierarchy"]["failures"] > 100
        assert outcome.ours["by_order"]["orders"] == [8]

    def test_what_is_no_worse_is_said(self):
        """Blocks of eight pages are found anywhere, and a load without pressure wakes nobody."""
        checks = zonefragmentation.run(
            machine="exynos4210-2g",
            load=replace(self.LOAD, units=4),
            stream=zonefragmentation.Stream(order=3, rounds=50),
            orders=(),
        ).checks
        assert not checks["stream: a hierarchy has more failures"]
        assert not checks["build: kswapd finds more of its zones below their high watermark"]


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
            record_seconds=75,
            background=Background(pages_per_second=40, burst=4),
        )
        return ebizzy.run(load=load, seeds=2, rates=(10,))

    def test_without_background_and_pagesets_all_regions_come_back(self, outcome):
        assert outcome.checks["without background and pagesets every region is free again"]
        assert outcome.ours["quiet_without_pagesets"] == {
            name: [238, 238] for name in ebizzy.POLICIES
        }

    def test_each_policy_has_the_same_fields(self, outcome):
        for name in ebizzy.POLICIES:
            ours = outcome.ours[name]
            assert {"start", "min", "end", "end_drained", "trace"} <= set(ours)
            assert ours["trace"][-1] == ours["end"] <= ours["end_drained"]
        swept = outcome.ours["by_rate"]
        assert swept["rates"] == [40, 10]
        for key in ("end", "end_drained"):
            assert set(swept[key]) == set(ebizzy.POLICIES)
            assert all(np.shape(ends) == (2, 2) for ends in swept[key].values())
        assert np.less_equal(*[list(swept[key].values()) for key in ("end", "end_drained")]).all()

    def test_what_was_published_has_the_shape_of_what_is_ours(self, outcome):
        ours, published = json.loads(outcome.to_json())["ours"], outcome.published
        assert set(ours["states"]) == set(published["states"]) == set(CURVES)
        pairs = [(ours["states"][name], other) for name, other in published["states"].items()]
        pairs += [(ours[name], published[name]) for name in ebizzy.POLICIES if name in published]
        assert len(pairs) == len(CURVES) + len({run["policy"] for run in ours["states"].values()})
        for own, other in pairs:
            assert set(other) <= set(own)
            for key in ("trace", "nr_free"):
                assert np.shape(own[key]) == np.shape(other[key])
            if other["lists"] is not None:
                assert {k: len(v) for k, v in own["lists"].items()} == dict.fromkeys(
                    other["lists"], 11
                )

    def test_a_curve_is_compared_with_that_of_its_own_state(self, outcome):
        for name, own in outcome.ours["states"].items():
            other = outcome.published["states"][name]
            assert own["state"] == name
            assert own["start"] == other["start"] == CURVES[name][0]
            assert own["distances"]["curve"] == distances.curve_distance(own["trace"], CURVES[name])
        assert outcome.ours["linux"]["state"] == "v3 vanilla"
        assert outcome.published["sorted-v3"]["end"] == 121
        assert outcome.published["sorted-v4"]["end"] == 202

    def test_every_free_page_is_on_a_list(self, outcome):
        assert outcome.checks["the lists hold every free page"]
        parked = outcome.ours["states"]["v4 patched"]["lists"]["parked"]
        assert parked[:10] == [0] * 10
        assert parked[10] > 100 * 128

    def test_processes_give_the_same_numbers(self):
        runs = [
            ebizzy.Run(
                policy=name, load=Ebizzy(processes=1, threads=1, chunk_pages=64, seconds=0.1)
            )
            for name in ("linux", "sorted-v3")
        ]
        assert ebizzy.perform_all(runs, jobs=2) == ebizzy.perform_all(runs, jobs=1)


class TestStatementsAboutEbizzy:
    """On results that nobody measured."""

    @staticmethod
    def statements(monkeypatch, change, rates=()):
        def results(runs, **options):
            made = []
            for run in runs:
                end = 4 + list(ebizzy.POLICIES).index(run.policy) if run.pagesets else 10
                result = {"policy": run.policy, "state": run.state, "start": 10, "end": end}
                result |= {"min": 1, "end_drained": end, "trace": [*[10] * 75, end]}
                result |= {"nr_free": list(NODE_0_REGIONS), "free_pages": sum(NODE_0_REGIONS)}
                lists = {name: [0] * 11 for name in ebizzy.LISTS}
                result["lists"] = lists | {"movable": [sum(NODE_0_REGIONS), *[0] * 10]}
                result |= {"killed": 0, "short": 0, "background_failures": 0, "allocations": 1}
                made.append(result | change(run))
            return made

        monkeypatch.setattr(ebizzy, "perform_all", results)
        outcome = ebizzy.run(rates=rates)
        return outcome, [name for name, holds in outcome.checks.items() if not holds]

    def test_all_hold(self, monkeypatch):
        outcome, failing = self.statements(monkeypatch, lambda run: {})
        assert failing == []
        assert len(outcome.checks) == 4

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"start": 11}, "without background and pagesets"),
            ({"free_pages": 7}, "the lists hold every free page"),
            ({"killed": 1}, "nothing was short"),
            ({"short": 1}, "nothing was short"),
            ({"background_failures": 1}, "nothing was short"),
        ],
    )
    def test_each_can_fail(self, monkeypatch, change, why):
        _, failing = self.statements(monkeypatch, lambda run: change)
        assert [name.startswith(why) for name in failing] == [True]

    @pytest.mark.parametrize(("rate", "fails"), [(6, True), (24, True), (500, False)])
    def test_the_order_counts_within_its_band(self, monkeypatch, rate, fails):
        outcome, failing = self.statements(
            monkeypatch,
            lambda run: (
                {"end": 4} if run.load.background.pages_per_second == rate and run.pagesets else {}
            ),
            rates=(6, 500),
        )
        assert outcome.ours["by_rate"]["rates"] == [24, 6, 500]
        assert outcome.ours["by_rate"]["ordered"] == [rate != other for other in (24, 6, 500)]
        assert [name.startswith("linux < sorted") for name in failing] == [True] * fails


@pytest.mark.parametrize("policy", ["linux", "sorted-v3"])
@pytest.mark.parametrize("state", STATES)
def test_a_state_has_as_many_free_regions_as_were_published(state, policy):
    sim = Simulation(ebizzy.MACHINE, ebizzy.POLICIES[policy])
    STATES[state].place(sim)
    sim.check()
    assert sim.nr_free_regions() == CURVES[state][0]
    table = sim.regions()
    near = table[(table["nid"] == 0) & (table["zone"] == "Normal")]
    for region, nr_free in STATES[state].free_pages.items():
        assert near["nr_free"][region] == min(nr_free, near["managed"][region])


class TestOrderOfTechniques:
    """On a machine of 4 GiB, a thirty-second of that of the mails, with as little memory to spare."""

    LOAD = Ebizzy(
        processes=9,
        threads=16,
        chunk_pages=8192,
        seconds=20,
        idle_seconds=1,
        pages_per_second=60_000,
        slice_ns=50_000_000,
        background=Background(pages_per_second=24, burst=8),
    )

    def ends(self, load, **options):
        pages = 2 << 18
        nodes = tuple(
            Node(
                nid=nid,
                cpus=(2 * nid, 2 * nid + 1),
                distances=(10, 20) if nid == 0 else (20, 10),
                memory=((nid * pages, (nid + 1) * pages),),
                zones=(("Normal", nid * pages, (nid + 1) * pages),),
                regions=tuple(
                    (at, at + 8192) for at in range(nid * pages, (nid + 1) * pages, 8192)
                ),
            )
            for nid in (0, 1)
        )
        machine = Machine(name="small", pageblock_order=10, nodes=nodes)
        results = [
            ebizzy.perform(
                ebizzy.Run(policy=name, load=load, machine=machine, seed=seed, **options)
            )
            for seed in range(2)
            for name in ebizzy.POLICIES
        ]
        assert not any(result["short"] for result in results)
        assert max(result["min"] for result in results) < 40
        return np.reshape([result["end"] for result in results], (2, -1)).sum(axis=0)

    def test_every_technique_leaves_more_regions_free(self):
        assert ebizzy.is_ordered(self.ends(self.LOAD).tolist())

    def test_without_background_and_pagesets_they_are_alike(self):
        load = replace(self.LOAD, seconds=8, background=Background())
        ends = self.ends(load, pagesets=False).tolist()
        assert ends == [2 * 128] * len(ebizzy.POLICIES)
        assert not ebizzy.is_ordered(ends)


@pytest.mark.parametrize(
    ("ends", "is_in_order"),
    [
        ([1, 2, 2, 3], True),
        ([1, 2, 2, 3, 4], True),
        ([1, 1, 2, 3], False),
        ([1, 3, 2, 4], False),
        ([1, 2, 3, 3], False),
        ([1, 2, 3, 4, 4], False),
    ],
)
def test_only_the_bias_may_leave_as_many(ends, is_in_order):
    assert ebizzy.is_ordered(ends) == is_in_order


def test_the_distance_of_a_curve_is_in_regions():
    curve = CURVES["v3 patched"]
    assert distances.curve_distance(curve, curve) == 0
    assert distances.curve_distance([nr + 3 for nr in curve], curve) == 3
    assert distances.curve_distance([242] * 76, CURVES["v3 vanilla"]) > 150
    with pytest.raises(ValueError, match="73 and 76 samples"):
        distances.curve_distance(curve[:73], curve)


def test_the_distance_of_missing_pages_is_over_what_was_printed():
    assert distances.missing_distance([5, 7, 9], [5, None, 5]) == 2
    assert distances.missing_distance([5, 7, 9], [None] * 3) is None
    assert distances.distribution_distance([1, 9, 5], [5, None, 1]) == 0
    assert distances.distribution_distance([1, 1], [5, 5]) == 1
    assert distances.distribution_distance([1, 2, 3, 4], [1, 2, 1, 2]) == 0.5
    assert distances.distribution_distance([1], [None]) is None


def test_the_distance_of_lists_is_a_share_of_their_pages():
    lists = END_LISTS["v4 patched"]
    assert distances.lists_distance(lists, lists) == 0
    empty = {name: [0] * 11 for name in ebizzy.LISTS}
    one = empty | {"movable": [0] * 10 + [1]}
    assert distances.lists_distance(one, empty | {"unmovable": [1024] + [0] * 10}) == 1
    assert distances.lists_distance(one, empty | {"parked": [0] * 10 + [1]}) == 1


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
            *("zone-fragmentation", "compaction", "grouping", "region-search"),
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
