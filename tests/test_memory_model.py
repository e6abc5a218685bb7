"""The model computes zones, zonelists, watermarks and pagesets itself, and so notices when a simulation's are wrong."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import machines as any_machines
from test_simulation import machine_of

import pasralloc as pa
from pasralloc.machine.topology import Node
from pasralloc.policy.presets import PRESETS
from pasralloc.sim import plan, simulation
from pasralloc.sim.plan import pieces_of, plans_of, zonelists_of
from pasralloc.sizing import Pagesets
from pasralloc.testing import MemoryModel, memoryplan
from pasralloc.testing.descriptions import machines

policies = st.builds(
    lambda name, kernel, by_region: replace(
        PRESETS[name], kernel=kernel, pagesets=Pagesets(by_region=by_region)
    ),
    st.sampled_from(["linux", "sorted-v3", "hierarchy"]),
    st.sampled_from(["3.9", "6.12"]),
    st.booleans(),
)


def assert_same_plan(machine, policy, pagesets):
    pieces = pieces_of(machine, policy.hierarchy)
    rules = memoryplan.rules_of(machine, policy, pagesets)
    assert memoryplan.zonelists_of(machine, rules) == zonelists_of(machine, pieces)
    plans = plans_of(machine, pieces, policy, pagesets)
    assert len(plans) == len(rules)
    for piece, made, rule in zip(pieces, plans, rules, strict=True):
        assert (made.nid, made.type, made.watermarks) == (rule.nid, rule.type, rule.watermarks)
        assert list(made.lowmem_reserve) == rule.lowmem_reserve
        assert (made.boost_max, made.nr_reserve) == (rule.boost_max, rule.nr_reserve)
        assert (made.kswapd_cpu, piece.first_region) == (rule.kswapd_cpu, rule.first_region)
        absent = {pfn for at, nr in made.options["absent"] for pfn in range(at, at + nr)}
        assert absent == {pfn for pfn, _ in rule.options["absent"]}
        for name in set(rule.options) - {"absent"}:
            assert made.options[name] == rule.options[name], name


@given(machines(), policies, st.sampled_from([True, False, Pagesets(batch=4, high=12)]))
def test_the_plan_of_a_simulation_is_that_of_the_model(machine, policy, pagesets):
    assert_same_plan(machine, policy, pagesets)


@given(any_machines(), policies)
def test_holes_and_irregular_regions_make_no_difference(machine, policy):
    assert_same_plan(machine, policy, True)


@pytest.mark.parametrize("kernel", ["3.9", "6.12"])
@pytest.mark.parametrize("policy", ["linux", "hierarchy"])
def test_a_preset_is_planned_as_the_kernel_would(policy, kernel):
    assert_same_plan(
        pa.Machine.preset("exynos4210-2g"), replace(PRESETS[policy], kernel=kernel), True
    )


def test_regions_of_two_nodes_are_never_taken_for_one():
    """A node with more regions than there are zones: its region 4 once counted as region 1 of the next node."""
    low, high, end = 0, 8192, 16384
    machine = pa.Machine(
        name="test",
        nodes=(
            Node(
                nid=0,
                cpus=(0,),
                distances=(10, 20),
                memory=((4096, 5000),),
                zones=(("Normal", low, high),),
                regions=tuple((pfn, pfn + 1024) for pfn in range(low, high, 1024)),
            ),
            Node(
                nid=1,
                distances=(20, 10),
                memory=((high, end),),
                zones=(("Normal", high, 12288), ("Movable", 12288, end)),
                regions=((high, 12288), (12288, end)),
            ),
        ),
    )
    assert_same_plan(machine, PRESETS["hierarchy"], True)
    plans = plans_of(machine, pieces_of(machine, True), PRESETS["hierarchy"], True)
    assert [made.lowmem_reserve for made in plans] == [(0, 0, 0, 0)] * 3


def change(**changes):
    """A fault: plans with other values in the first zone."""

    def plans_of_fault(*arguments):
        first, *others = plan.plans_of(*arguments)
        return [first._replace(**{k: f(first) for k, f in changes.items()}), *others]

    return "plans_of", plans_of_fault


FAULTS = {
    "low watermark": change(
        watermarks=lambda p: (p.watermarks[0], p.watermarks[1] - 1, p.watermarks[2])
    ),
    "min watermark": change(watermarks=lambda p: (p.watermarks[0] + 1, *p.watermarks[1:])),
    "lowmem reserve": change(lowmem_reserve=lambda p: tuple(nr + 1 for nr in p.lowmem_reserve)),
    "zonelist": (
        "zonelists_of",
        lambda *arguments: {k: v[::-1] for k, v in plan.zonelists_of(*arguments).items()},
    ),
}


def histories(sim, model):
    """Whether single pages of every kind come from the same place until there are none, and are counted alike."""
    for wanted in ("unmovable", "movable"):
        for nid in (0, 1):
            nr = sim.nr_free + 50
            got = sim.alloc_batch(np.zeros(nr, np.uint8), wanted, nid=nid).tolist()
            for pfn in got:
                try:
                    expected = model.alloc(0, wanted, nid=nid)
                except pa.OutOfMemory:
                    expected = -12
                if pfn != expected:
                    return False
    counters = sim.counters()
    return all(counters[name] == nr for name, nr in model.counters.items())


@pytest.fixture
def machine():
    return machine_of("DMA32", "Normal", mib=8, nodes=2, min_free_kbytes=512)


def test_without_a_fault_both_go_on_alike(machine):
    sim = pa.Simulation(machine, "linux", pagesets=False)
    assert histories(sim, MemoryModel(machine, PRESETS["linux"], pagesets=False))


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_wrong_plan_is_noticed(machine, fault, monkeypatch):
    monkeypatch.setattr(simulation, *FAULTS[fault])
    sim = pa.Simulation(machine, "linux", pagesets=False)
    assert not histories(sim, MemoryModel(machine, PRESETS["linux"], pagesets=False))
