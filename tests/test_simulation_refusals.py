"""What a simulation refuses, and that nothing has changed then."""

import gc
import pickle

import numpy as np
import pytest
from test_simulation import machine_of, simulation

import pasralloc as pa
from pasralloc.policy.presets import CHOICES, PRESETS, Policy
from pasralloc.sim.plan import evacuation_plan, pieces_of, plans_of
from pasralloc.units import MAX_TIME_NS

OPS = np.zeros(1, pa.OP_DTYPE)
SLOTS = np.zeros(1, np.int64)


@pytest.fixture
def sim():
    sim = simulation("DMA32", "Normal", mib=8, swap_pages=10)
    sim.set_page_states(sim.alloc_batch(np.zeros(100, np.uint8)), "clean")
    sim.advance(1000)
    return sim


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda s: s.alloc(11), "order must be 0 to 10, got 11"),
        (lambda s: s.alloc(2.5), "order must be an integer, got 2.5"),
        (lambda s: s.alloc(0, "moveable"), "did you mean 'movable'"),
        (lambda s: s.alloc(0, 3), "migratetype must be 0 to 2, got 3"),
        (lambda s: s.alloc(zone="normal"), "did you mean 'Normal'"),
        (lambda s: s.alloc(zone=2), "zone must be one of"),
        (lambda s: s.alloc(nid=1), "nid must be one of 0, got 1"),
        (lambda s: s.alloc(nid=[]), "nid must be one of 0"),
        (lambda s: s.alloc(cpu=1), "cpu must be 0 to 0, got 1"),
        (lambda s: s.alloc(flags=64), "flags must be 0 to 63, got 64"),
        (lambda s: s.alloc(flags=1), "flags must be ALLOC_NON_BLOCK"),
        (
            lambda s: s.alloc(now_ns=999),
            "now_ns must not be before the present of 1000 ns, got 999",
        ),
        (lambda s: s.alloc(now_ns=2**61 + 1), "now_ns must be 0 to"),
        (lambda s: s.advance(-1), "now_ns must be 0 to"),
        (lambda s: s.advance(None), "now_ns must be an integer, got None"),
        (lambda s: s.free(2.0), "pfn must be an integer"),
        (lambda s: s.free(10**15), "outside every zone"),
        (lambda s: s.free(-1), "outside every zone"),
        (lambda s: s.free(0), "already free"),
        (lambda s: s.free_batch([2**40]), "outside every zone"),
        (lambda s: s.free_batch([0]), "already free .entry 0."),
        (lambda s: s.alloc_batch([0, 11]), r"orders\[1\]|orders"),
        (lambda s: s.run(OPS, SLOTS, zone="Highmem"), "zone must be one of"),
        (lambda s: s.take_range(2**40, 1), "pfn 0x10000000000 lies in no zone"),
        (lambda s: s.take_range(2040, 20), "do not lie in the zone|is allocated|expected free"),
        (lambda s: s.set_pageblocks(3, 512, "cma"), "not whole pageblocks"),
        (lambda s: s.set_pageblocks(0, 512, "cam"), "did you mean 'cma'"),
        (lambda s: s.set_page_state(0, 1, "clean"), "pfn 0x0 is not in use"),
        (lambda s: s.set_page_state(0, 1, "clear"), "did you mean 'clean'"),
        (lambda s: s.set_page_state(4000, 5000, "clean"), "do not lie in one zone"),
        (lambda s: s.set_page_states([0], "clean"), r"pfns\[0\], 0x0, does not head"),
        (lambda s: s.set_page_states([2**40], "clean"), r"pfns\[0\], 0x10000000000, does not head"),
        (lambda s: s.page_state(2**40), "lies in no zone"),
        (lambda s: s.free_swap(1), "at most the 0 pages of swap in use"),
        (lambda s: s.free_swap(-1), "nr_pages must be 0 to"),
        (lambda s: s.restore(simulation("Normal").snapshot()), "is not of a simulation like"),
        (lambda s: s.restore(None), "snapshot"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_changes(sim, call, why):
    before, counters = sim.digest(), sim.counters()
    with pytest.raises((ValueError, TypeError, pa.InvalidFree), match=why):
        call(sim)
    assert sim.digest() == before
    assert sim.counters() == counters
    sim.check()


def test_a_block_that_reaches_out_of_the_range_has_no_state_set(sim):
    pfn = sim.alloc(3)
    before = sim.digest()
    for first, nr in ((pfn, 4), (pfn + 4, 4), (pfn, 1)):
        with pytest.raises(ValueError, match="expected whole allocated blocks"):
            sim.set_page_state(first, nr, "clean")
    assert sim.digest() == before
    sim.set_page_state(pfn, 8, "clean")
    assert sim.page_state(pfn) == "clean"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"machine": "generic-15g"}, "did you mean 'generic-16g'"),
        ({"machine": 3}, "machine must be a Machine or the name of a preset, got 3"),
        ({"policy": "sortd"}, "did you mean 'sorted'"),
        ({"pagesets": 3}, "pagesets must be True, False or Pagesets, got 3"),
        ({"swap_pages": -1}, "swap_pages must be 0 to"),
        ({"kswapd_latency_ns": 1.5}, "kswapd_latency_ns must be an integer"),
        ({"vmstat_interval_ns": "1s"}, "vmstat_interval_ns must be an integer"),
        ({"vmstat_interval_ns": MAX_TIME_NS + 1}, "vmstat_interval_ns must be 0 to"),
        ({"seed": None}, "seed must be an integer, got None"),
        ({"seed": -1}, "seed must be 0 to"),
        ({"seed": 1.5}, r"seed must be an integer, got 1\.5"),
    ],
)
def test_a_simulation_that_cannot_be_is_refused(arguments, why):
    with pytest.raises((ValueError, TypeError), match=why):
        pa.Simulation(**{"machine": machine_of("Normal"), **arguments})


def test_everything_that_is_wrong_with_a_simulation_is_named():
    with pytest.raises(ValueError, match="generic-15g") as error:
        pa.Simulation(
            "generic-15g",
            "sortd",
            seed=None,
            pagesets=3,
            swap_pages=-1,
            kswapd_latency_ns=1.5,
            vmstat_interval_ns=-1,
        )
    places = ["generic", "'sorted'", "seed", "pagesets", "swap_pages", "kswapd_latency", "vmstat"]
    at = [str(error.value).index(place) for place in places]
    assert at == sorted(at)


def test_without_init_nothing_works_and_nothing_crashes():
    sim = pa.Simulation.__new__(pa.Simulation)
    for call in (
        lambda: sim.alloc(),
        lambda: sim.alloc_batch([0]),
        lambda: sim.free_batch([0]),
        lambda: sim.run(OPS, SLOTS),
        lambda: sim.free(0),
        lambda: sim.take_range(0, 1),
        lambda: sim.set_pageblocks(0, 1, "cma"),
        lambda: sim.set_page_state(0, 1, "clean"),
        lambda: sim.set_page_states([0], "clean"),
        lambda: sim.page_state(0),
    ):
        with pytest.raises((RuntimeError, ValueError, pa.InvalidFree)):
            call()
    sim.check()
    sim.advance(5)
    assert sim.drain() == sim.nr_free == len(sim.zones) == len(sim.reclaimed()) == 0
    assert sim.zone_of(0) is None
    sim.restore(sim.snapshot())
    assert sim.counters()["slow"] == 0


def test_a_simulation_is_set_up_once(sim):
    with pytest.raises(RuntimeError, match="has its zones already"):
        pa.Simulation.__init__(sim, machine_of("Normal"))


def test_a_set_up_that_fails_half_way_leaves_nothing_behind():
    """A zonelist of the second node is missing, which shows when all zones are made."""
    machine = machine_of("DMA32", "Normal", nodes=2)
    pieces = pieces_of(machine, False)
    plans = plans_of(machine, pieces, PRESETS["linux"], True)
    options = {
        "nr_cpus": 2,
        "reclaim_by_region": False,
        "swap_pages": 0,
        "kswapd_latency_ns": 0,
        "vmstat_interval_ns": 0,
        "evacuation": evacuation_plan(None),
    }
    sim = pa.Simulation.__new__(pa.Simulation)
    for lists, nids in (({(0, which): [0] for which in range(4)}, [0, 1]), ({}, [])):
        with pytest.raises((KeyError, ValueError)):
            sim._set_up(plans, lists, nids, **options)
        gc.collect()
        sim.check()
        sim.advance(5)
        assert sim.drain() == 0
        assert sim.zone_of(5) is None
        assert sim.digest() == sim.snapshot().digest
        with pytest.raises(pa.InvalidFree):
            sim.free(5)
    pa.Simulation.__init__(sim, machine)
    assert sim.alloc() >= 0
    sim.check()


def test_zones_can_be_looked_at_and_not_changed(sim):
    zone = sim.zones[0]
    assert (zone.nid, zone.name) == (0, "DMA32")
    assert zone.block_of(0).state == "free"
    for name in ("alloc", "free", "run", "drain", "take_range", "set_pageblocks", "restore"):
        assert not hasattr(zone, name)
    with pytest.raises(AttributeError):
        zone.nid = 3


def go_on(sim, rng, live):
    """Allocate, free, set states and let time pass at random; return the pfns."""
    history = []
    reclaimed = sim.counters()["reclaimed_blocks"]
    for _ in range(400):
        cpu = int(rng.integers(0, 2))
        kind = str(rng.choice(["unmovable", "movable", "reclaimable"]))
        orders = rng.choice(np.array([0, 0, 0, 1, 3, 9], np.uint8), 20)
        now_ns = sim.now_ns + int(rng.integers(0, 10**7))
        pfns = sim.alloc_batch(orders, kind, cpu=cpu, now_ns=now_ns)
        history.append(pfns.tolist())
        held = pfns[pfns >= 0]
        if kind == "movable":
            sim.set_page_states(held, str(rng.choice(["clean", "dirty", "movable"])))
        else:
            live += held.tolist()
        while len(live) > 200:
            sim.free(live.pop(int(rng.integers(0, len(live)))), cpu=cpu)
    history.append(sim.counters()["reclaimed_blocks"] - reclaimed)
    assert history[-1], "reclaim had to do"
    return history


class TestSnapshots:
    def test_they_hold_everything(self, sim):
        snapshot = pickle.loads(pickle.dumps(sim.snapshot()))
        digest, states = sim.digest(), [sim.page_state(pfn) for pfn in range(4096)]
        pfns = sim.alloc_batch(np.zeros(3000, np.uint8))
        sim.set_page_states(pfns[pfns >= 0], "dirty")
        sim.advance(10**10)
        assert sim.digest() != digest
        sim.restore(snapshot)
        assert sim.digest() == digest == snapshot.digest
        assert [sim.page_state(pfn) for pfn in range(4096)] == states
        assert sim.now_ns == 1000

    @pytest.mark.parametrize("policy", ["linux", "sorted-v3", "hierarchy"])
    def test_what_is_restored_goes_on_exactly_as_the_original(self, policy):
        """Bit for bit, whatever the seed of either: the simulation itself draws nothing."""
        options = {"mib": 32, "policy": policy, "pagesets": True, "cpus": 2, "swap_pages": 10**6}
        first, other = (
            simulation("DMA32", "Normal", seed=seed, kswapd_latency_ns=500, **options)
            for seed in (1, 2)
        )
        live = []
        go_on(first, np.random.default_rng(5), live)
        state = first.rng.bit_generator.state
        snapshot = pickle.loads(pickle.dumps(first.snapshot()))
        other.restore(snapshot)
        histories = [go_on(sim, np.random.default_rng(6), [*live]) for sim in (first, other)]
        assert histories[0] == histories[1]
        assert first.snapshot().image == other.snapshot().image
        assert first.digest() == other.digest() != snapshot.digest
        assert first.rng.bit_generator.state == state
        first.check()
        other.check()

    def test_they_fit_simulations_that_are_made_alike(self, sim):
        options = {"mib": 8, "swap_pages": 10}
        simulation("DMA32", "Normal", **options).restore(sim.snapshot())
        for other in (
            simulation("DMA32", "Normal", kswapd_latency_ns=1, **options),
            simulation("DMA32", "Normal", mib=8, swap_pages=11),
            simulation("DMA32", "Normal", min_free_kbytes=777, **options),
        ):
            with pytest.raises(ValueError, match="is not of a simulation like"):
                other.restore(sim.snapshot())

    def test_hostile_bytes_are_refused_or_sound(self, sim):
        image = sim.snapshot().image
        before = sim.digest()
        rng = np.random.default_rng(3)
        nr_accepted = 0
        for attempt in range(600):
            bad = bytearray(image)
            if attempt % 3 == 0:
                del bad[int(rng.integers(0, len(bad))) :]
            else:
                # Headers and lengths lie at the start; the rest is the zones.
                at = int(rng.integers(0, 200 if attempt % 3 == 1 else len(bad)))
                bad[at] ^= 1 << int(rng.integers(0, 8))
            try:
                sim.restore(pa.MemorySnapshot(bytes(bad)))
            except ValueError:
                assert sim.digest() == before
                continue
            nr_accepted += 1
            sim.check()
            assert sim.digest() == pa.MemorySnapshot(bytes(bad)).digest
            sim.restore(pa.MemorySnapshot(image))
        assert nr_accepted < 300

    def test_a_time_that_cannot_be_is_refused(self, sim):
        image = bytearray(sim.snapshot().image)
        at = bytes(image).index((1000).to_bytes(8, "little"))
        for time in (-7, 2**63 - 1):
            image[at : at + 8] = time.to_bytes(8, "little", signed=True)
            with pytest.raises(ValueError, match="is not of a simulation like"):
                sim.restore(pa.MemorySnapshot(bytes(image)))


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("placement", "srted", "did you mean 'sorted'"),
        ("kernel", "3.10", "kernel must be one of '6.12', '3.9'"),
        ("quirks", "poster", "did you mean 'posted'"),
        ("region_allocator", "when-wet", "did you mean 'when-dry'"),
        ("reclaim", "high-first", "did you mean 'high-region-first'"),
        ("region_allocator", "when-dry", "needs lists in region order"),
        ("grouping", "by-regon", "did you mean 'by-region'"),
        ("grouping", "by-region", "grouping needs lists in region order, got placement='linux'"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(field, value, why):
    with pytest.raises(ValueError, match=why):
        Policy(**{"name": "mine", "placement": "linux", field: value})


def test_policies_know_what_zones_know():
    for name in ("placement", "kernel", "quirks", "region_allocator", "grouping"):
        with pytest.raises(ValueError, match=f"{name} must be one of") as error:
            pa.Zone(4096, region_pages=1024, **{name: "x"})
        told = str(error.value).partition(" one of ")[2].partition(", got")[0].split(", ")
        assert sorted(told) == sorted(repr(choice) for choice in CHOICES[name])
