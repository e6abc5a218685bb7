"""Parameters of workloads: from text, all problems at once, and what a machine can hold."""

import numpy as np
import pytest
from test_simulation import machine_of

import pasralloc as pa
from pasralloc.choices import Problems
from pasralloc.workload.ageing import Ageing
from pasralloc.workload.background import Background
from pasralloc.workload.ebizzy import Ebizzy
from pasralloc.workload.fitting import check_fits, obtainable
from pasralloc.workload.kernbench import Kernbench
from pasralloc.workload.pagetest import Pagetest
from pasralloc.workload.parameters import WORKLOADS, defaults_of, workload_of


class TestProblems:
    def test_one_is_raised_as_it_is(self):
        problems = Problems()
        error = KeyError
        assert problems.check(int, "3") == 3
        assert not problems
        problems.check(pa.Machine.preset, "generic-15g")
        with pytest.raises(pa.MachineError):
            problems.refuse()
        with pytest.raises(error):
            problems.check({}.__getitem__, "other errors are none of its business")

    def test_several_are_named_in_their_order(self):
        problems = Problems()
        problems.check(int, "x")
        problems.add("y is wrong")
        with pytest.raises(ValueError, match=r"invalid literal .*'x'; y is wrong$"):
            problems.refuse()

    def test_only_wrong_types_are_a_wrong_type(self):
        problems = Problems()
        problems.check(int, [])
        problems.check(len, 3)
        with pytest.raises(TypeError, match=r"'list'; object of type 'int'"):
            problems.refuse()
        problems.add("and a value")
        with pytest.raises(ValueError, match="and a value"):
            problems.refuse()


@pytest.mark.parametrize(
    "bad",
    [
        {"pages_per_second": -1},
        {"pages_per_second": float("nan")},
        {"pages_per_second": "many"},
        {"burst": 0},
        {"shares": (1, 1, 1)},
        {"shares": (1.5, -0.5, 0)},
        {"shares": (1, 0)},
        {"shares": 1},
        {"shares": ("all", 0, 0)},
        {"lifetime_s": 0},
        {"lifetime_s": float("inf")},
        {"pages_per_second": 1e-320},
        {"shares": (float("nan"), 1, 0)},
    ],
)
def test_a_background_that_cannot_be_is_refused(bad):
    with pytest.raises((ValueError, TypeError), match=next(iter(bad))):
        Background(**bad)


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (Background, {"pages_per_second": -1, "burst": 0, "shares": (2, 0, 0), "lifetime_s": -1}),
        (Ageing, {"index": 1001, "order": 0, "free_share": 1, "shares": (1, 1, 1)}),
        (Pagetest, {"requests": (0, -1), "overhead_pages": -1, "cpu": -1, "nid": -1, "grows": 2}),
        (Pagetest, {"requests": ()}),
        (Pagetest, {"requests": 5, "cpu": "first"}),
        (
            Kernbench,
            {
                **dict.fromkeys(("units", "anon_pages", "pages_per_second", "slice_ns", "jobs"), 0),
                **dict.fromkeys(("read_pages", "written_pages", "slab_blocks", "slab_kept"), -1),
                "background": None,
            },
        ),
    ],
)
def test_every_parameter_that_does_not_fit_is_named(kind, bad):
    with pytest.raises((ValueError, TypeError)) as error:
        kind(**bad)
    parts = str(error.value).split("; ")
    assert len(parts) >= len(bad)
    for name in bad:
        assert any(part.startswith(name) for part in parts), name


def test_a_process_that_grows_needs_ascending_requests():
    with pytest.raises(ValueError, match="requests must ascend"):
        Pagetest(requests=(2, 1), grows=True)


class TestSettings:
    def test_they_reach_their_parameter(self):
        load = workload_of("ebizzy", ["processes=4", "seconds=1.5", "background.burst=8"])
        assert (load.processes, load.seconds, load.background.burst) == (4, 1.5, 8)
        for kind, made in WORKLOADS.items():
            assert workload_of(kind) == made()

    @pytest.mark.parametrize("kind", ["ebizzy", "kernbench"])
    def test_shares_of_the_background_are_set_as_the_rest_of_it(self, kind):
        load = workload_of(
            kind, ["background.shares=0.2,0.7,0.1", "background.pages_per_second=24"]
        )
        assert load.background == Background(shares=(0.2, 0.7, 0.1), pages_per_second=24)

    def test_tuples_words_and_single_values(self):
        load = workload_of("pagetest", ["requests=10,20", "grows=true"])
        assert load == Pagetest(requests=(10, 20), grows=True)
        assert workload_of("pagetest", ["requests=7"]).requests == (7,)
        assert workload_of("ageing", ["shares=0,1,0", "index=7"]) == Ageing(
            shares=(0, 1, 0), index=7
        )
        assert workload_of("kernbench", ["jobs=none"]).jobs is None

    def test_every_parameter_can_be_set_to_its_default(self):
        for kind, made in WORKLOADS.items():
            settings = [
                f"{name}={','.join(map(repr, value)) if isinstance(value, tuple) else value}".lower()
                for name, value in defaults_of(kind).items()
            ]
            assert workload_of(kind, settings) == made()

    def test_every_problem_is_named(self):
        with pytest.raises(ValueError, match="did you mean 'processes'") as error:
            workload_of(
                "ebizzy",
                ["proceses=4", "threads", "chunks=many", "background.brst=1", "slice_ns=0"],
            )
        assert "'threads' is not NAME=VALUE" in str(error.value)
        assert "chunks must be a number, got 'many'" in str(error.value)
        assert "did you mean 'background.burst'" in str(error.value)
        assert "slice_ns must be 1 to" in str(error.value)

    def test_problems_of_the_background_come_last_and_say_so(self):
        with pytest.raises(
            ValueError,
            match=r"^units must be .* got 0; background: burst must .* got 0; shares must",
        ):
            workload_of("kernbench", ["background.burst=0", "background.shares=1,1,1", "units=0"])

    def test_values_are_checked(self):
        with pytest.raises(ValueError, match="threads must be 1 to"):
            workload_of("ebizzy", ["threads=0"])
        with pytest.raises(ValueError, match=r"jobs must be an integer, got 1\.5"):
            workload_of("kernbench", ["jobs=1.5"])
        with pytest.raises(ValueError, match="workload must be one of"):
            workload_of("ebizy")
        with pytest.raises(ValueError, match="index is given twice"):
            workload_of("ageing", ["index=1", "index=2"])
        with pytest.raises(ValueError, match=r"parameter of ageing .* got 'background\.burst'"):
            workload_of("ageing", ["background.burst=1"])


@pytest.fixture
def machine():
    return machine_of("DMA32", "Normal", mib=256, nodes=2, cpus=2)


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (
            Pagetest(requests=(1, 1024 * 256)),
            r"requests\[1\] of 262144 pages with page tables and overhead: that is 263176 pages",
        ),
        (Ebizzy(), "20 processes of .* and a copy, with page tables: that is 2694784 pages"),
        (Kernbench(jobs=100), "100 jobs of 8000 anonymous pages: that is 800000 pages"),
    ],
)
def test_a_load_that_the_machine_cannot_hold_is_refused_at_once(machine, load, why):
    sim = pa.Simulation(machine, "sorted")
    before = sim.digest()
    with pytest.raises(ValueError, match=f"test cannot hold {why}, and 26"):
        load.run(sim)
    assert sim.digest() == before


def test_every_request_cpu_and_node_that_there_is_not_is_named(machine):
    sim = pa.Simulation(machine, "sorted")
    before = sim.digest()
    with pytest.raises(ValueError, match=r"requests\[0\]") as error:
        Pagetest(requests=(300_000, 5, 400_000), cpu=4, nid=2).run(sim)
    for place in ("requests[2] of 400000", "cpu must be 0 to 3, got 4", "nid must be one of 0, 1"):
        assert place in str(error.value)
    assert "requests[1]" not in str(error.value)
    assert sim.digest() == before


class TestObtainable:
    @pytest.mark.parametrize("policy", ["sorted", "hierarchy"])
    @pytest.mark.parametrize("swap", [0, 30, 1000])
    def test_pages_on_pagesets_page_cache_and_what_fits_into_swap_count(
        self, machine, policy, swap
    ):
        sim = pa.Simulation(machine, policy, swap_pages=swap)
        everything = obtainable(sim)
        assert everything == sim.nr_free
        pfns = sim.alloc_batch(np.zeros(500, np.uint8))
        assert sum(zone.nr_cached for zone in sim.zones) > 0
        assert obtainable(sim) == everything - 500
        for first, last, state in (
            (0, 100, "clean"),
            (100, 200, "dirty"),
            (200, 300, "movable"),
            (300, 400, "pinned"),
        ):
            sim.set_page_states(pfns[first:last], state)
        assert obtainable(sim) == everything - 500 + 200 + min(100, swap)

    def test_a_machine_full_of_page_cache_holds_what_fits_when_it_is_reclaimed(self, machine):
        sim = pa.Simulation(machine, "sorted")
        cache = sim.alloc_batch(np.zeros(200_000, np.uint8))
        with pytest.raises(ValueError, match="and 62144 are free or reclaimable"):
            check_fits(sim, "it", 100_000)
        sim.set_page_states(cache, "clean")
        check_fits(sim, "it", 262_144)
        used = Pagetest(requests=(100_000,), overhead_pages=0).run(sim)
        assert (used.nr_free >= 0).all()
        assert sim.counters()["kswapd"] > 0
