"""Zonelists, watermarks, reclaim and time of a simulation, one test per rule.

Rules and names are those of mm/page_alloc.c of Linux v3.9 and v6.12. The state machine
compares whole histories with the model.
"""

import doctest
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import pasralloc as pa
from pasralloc.machine.machine import Machine
from pasralloc.machine.topology import Node
from pasralloc.policy.presets import PRESETS, Policy

MIB = 256  # pages
TOP = 1024


def machine_of(*kinds, mib=64, nodes=1, cpus=1, **options):
    """Nodes with zones of equal size, and regions of 8 MiB."""
    made, at = [], 0
    for nid in range(nodes):
        start = at
        zones = []
        for kind in kinds:
            zones.append((kind, at, at + mib * MIB))
            at += mib * MIB
        made.append(
            Node(
                nid=nid,
                cpus=tuple(range(nid * cpus, (nid + 1) * cpus)),
                distances=tuple(10 if other == nid else 20 for other in range(nodes)),
                memory=((start, at),),
                zones=tuple(zones),
                regions=tuple((pfn, pfn + 8 * MIB) for pfn in range(start, at, 8 * MIB)),
            )
        )
    return Machine(name="test", nodes=tuple(made), **options)


def simulation(*kinds, policy="linux", kernel="6.12", pagesets=False, machine=None, **options):
    names = {
        name: options.pop(name)
        for name in ("mib", "nodes", "cpus", "min_free_kbytes")
        if name in options
    }
    return pa.Simulation(
        machine or machine_of(*(kinds or ("Normal",)), **names),
        replace(PRESETS[policy], kernel=kernel),
        pagesets=pagesets,
        **options,
    )


def fill(sim, down_to, zone=0, **where):
    """Allocate single pages until a zone has so many free ones."""
    nr = sim.zones[zone].nr_free - down_to
    pfns = sim.alloc_batch(np.zeros(nr, np.uint8), **where)
    assert pfns.min() >= 0
    return pfns


def take_all(sim):
    """Take every free block; return the pfns of single pages, as blocks of their own."""
    pfns = []
    for zone in sim.zones:
        for block in zone.blocks():
            if block["is_free"]:
                for pfn in range(int(block["pfn"]), int(block["pfn"]) + (1 << int(block["order"]))):
                    sim.take_range(pfn, 1)
                    pfns.append(pfn)
    return pfns


class TestZonelist:
    def test_movable_memory_goes_to_the_highest_zone(self):
        sim = simulation("DMA32", "Normal", "Movable")
        assert sim.zone_of(sim.alloc()).name == "Movable"
        assert sim.zone_of(sim.alloc(migratetype="unmovable")).name == "Normal"
        assert sim.zone_of(sim.alloc(zone="DMA32")).name == "DMA32"
        assert sim.zone_of(sim.alloc(zone="Normal")).name == "Normal"

    def test_a_zone_is_left_at_its_low_watermark(self):
        sim = simulation("DMA32", "Normal")
        low = sim.machine.watermarks("6.12")[1].low
        fill(sim, low + 1, zone=1)
        assert sim.zone_of(sim.alloc()).name == "Normal", "the last page that may go"
        assert sim.zones[1].nr_free == low
        assert sim.zone_of(sim.alloc()).name == "DMA32"
        assert sim.counters()["misses"] == sim.counters()["walked"] == 1

    def test_a_lower_zone_keeps_its_reserve_from_requests_that_could_go_higher(self):
        sim = simulation("DMA32", "Normal", mib=64)
        marks = sim.machine.watermarks("6.12")
        assert marks[0].lowmem_reserve[2] == 64 * MIB // 256
        fill(sim, marks[1].low, zone=1)
        fill(sim, marks[0].low + marks[0].lowmem_reserve[2], zone=0)
        slow = sim.counters()["slow"]
        sim.alloc(zone="DMA32")
        assert sim.counters()["slow"] == slow, "its own requests are above low"
        sim.alloc()
        assert sim.counters()["slow"] == slow + 1

    def test_another_node_comes_before_the_reserves_of_the_own(self):
        sim = simulation("Normal", nodes=2)
        low = sim.machine.watermarks("6.12")[0].low
        fill(sim, low, zone=0, nid=0)
        assert sim.zone_of(sim.alloc(nid=0)).nid == 1
        assert sim.zone_of(sim.alloc(nid=1)).nid == 1

    def test_a_request_would_rather_change_the_zone_than_mix_types(self):
        """``ALLOC_NOFRAGMENT``: Normal has movable pageblocks only, DMA32 has unmovable ones."""
        for kernel, zone in (("6.12", "DMA32"), ("3.9", "Normal")):
            sim = simulation("DMA32", "Normal", kernel=kernel)
            pageblock = 1 << sim.machine.pageblock_order
            first = sim.zones[1].start_pfn
            for pfn in range(first, first + 64 * MIB, pageblock):
                if sim.zones[1].block_of(pfn).state == "free":
                    sim.take_range(pfn, 1)
            assert sim.zone_of(sim.alloc(migratetype="unmovable")).name == zone

    def test_below_the_low_watermark_types_may_mix(self):
        """``gfp_to_alloc_flags()`` does not ask to avoid it: the own zone comes first again."""
        sim = simulation("DMA32", "Normal")
        marks = sim.machine.watermarks("6.12")
        fill(sim, marks[1].low, zone=1)
        fill(sim, marks[0].low + marks[0].lowmem_reserve[2], zone=0)
        sim.set_pageblocks(0, 64 * MIB, "unmovable")
        assert sim.zone_of(sim.alloc(migratetype="unmovable")).name == "Normal"


class TestWatermarks:
    @pytest.mark.parametrize("kernel", ["3.9", "6.12"])
    def test_below_low_kswapd_is_woken_and_min_decides(self, kernel):
        sim = simulation(kernel=kernel)
        mark = sim.machine.watermarks(kernel)[0]
        fill(sim, mark.low)
        assert sim.counters()["kswapd_runs"] == 0
        sim.alloc()
        assert sim.counters()["kswapd_runs"] == 1
        fill(sim, mark.min)
        with pytest.raises(pa.OutOfMemory):
            sim.alloc()
        assert sim.counters()["failures"] == 1

    @pytest.mark.parametrize(
        ("kernel", "flags", "share"),
        [
            ("6.12", pa.ALLOC_MIN_RESERVE, 1 / 2),
            ("6.12", pa.ALLOC_MIN_RESERVE | pa.ALLOC_NON_BLOCK, 3 / 8),
            ("6.12", pa.ALLOC_NON_BLOCK, 1),
            ("6.12", pa.ALLOC_OOM, 1 / 2),
            ("3.9", pa.ALLOC_MIN_RESERVE, 1 / 2),
            ("3.9", pa.ALLOC_NON_BLOCK, 3 / 4),
            ("3.9", pa.ALLOC_MIN_RESERVE | pa.ALLOC_NON_BLOCK, 3 / 8),
        ],
    )
    def test_flags_open_the_reserves(self, kernel, flags, share):
        sim = simulation(kernel=kernel, min_free_kbytes=2048)
        least = sim.machine.watermarks(kernel)[0].min
        assert least == 512
        fill(sim, least)
        nr = 0
        while True:
            try:
                sim.alloc(flags=flags)
            except pa.OutOfMemory:
                break
            nr += 1
        assert sim.zones[0].nr_free == least * share
        assert nr == least - least * share

    @pytest.mark.parametrize("kernel", ["3.9", "6.12"])
    def test_single_pages_do_not_serve_larger_requests(self, kernel):
        sim = simulation(kernel=kernel, min_free_kbytes=2048)
        sim.free_batch(take_all(sim)[::2][:1112])
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(order=1)
        assert sim.alloc() >= 0

    def test_39_wants_half_as_much_of_each_larger_order(self):
        """512 pages at all, 256 without single pages, 128 without those of order 1."""
        for nr_blocks, fits in ((64, False), (65, True)):
            sim = simulation(kernel="3.9", min_free_kbytes=2048)
            pfns = take_all(sim)
            sim.free_batch(pfns[::2][:1000])
            at = 4096
            for block in range(nr_blocks):
                sim.free_batch(pfns[at + 8 * block : at + 8 * block + 4])
            # What is left for the request itself is subtracted first: 3 pages.
            if fits:
                assert sim.alloc(order=2) >= 0
            else:
                with pytest.raises(pa.OutOfMemory):
                    sim.alloc(order=2)

    def test_612_wants_one_block_that_fits(self):
        sim = simulation(kernel="6.12", min_free_kbytes=2048)
        pfns = take_all(sim)
        sim.free_batch(pfns[::2][:1112])
        sim.free_batch(pfns[4096:4104])
        assert sim.alloc(order=3) == pfns[4096]
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(order=3)

    def test_cma_memory_counts_for_movable_requests_only(self):
        sim = simulation(min_free_kbytes=2048)
        sim.set_pageblocks(0, 8 * TOP, "cma")
        sim.take_range(8 * TOP, 8 * TOP - 100)
        assert sim.zones[0].nr_free == 8 * TOP + 100
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(migratetype="unmovable")
        assert sim.alloc() < 8 * TOP

    def test_claiming_a_pageblock_raises_watermarks_until_kswapd_has_run(self):
        """``boost_watermark()``: kswapd has work although there is more free than the high watermark."""
        sim = simulation(kswapd_latency_ns=100)
        pfns = take_all(sim)
        for pageblock in range(20):
            sim.free_batch(pfns[512 * pageblock : 512 * pageblock + 256])
        sim.set_page_states(pfns[-600:], "clean")
        high = sim.machine.watermarks("6.12")[0].high
        assert sim.zones[0].nr_free > 4 * high
        sim.alloc(migratetype="unmovable")
        counters = sim.counters()
        assert (counters["slow"], counters["kswapd_runs"]) == (0, 0)
        sim.advance(100)
        assert sim.counters()["kswapd_runs"] == 1
        sim.alloc(migratetype="unmovable")
        sim.advance(1000)
        assert sim.counters()["kswapd_runs"] == 1, "the next page comes from the same pageblock"

    def test_39_boosts_nothing(self):
        sim = simulation(kernel="3.9", kswapd_latency_ns=100)
        pfns = take_all(sim)
        for pageblock in range(20):
            sim.free_batch(pfns[512 * pageblock : 512 * pageblock + 256])
        sim.alloc(migratetype="unmovable")
        sim.advance(100)
        assert sim.counters()["kswapd_runs"] == 0


class TestReclaim:
    @pytest.mark.parametrize("kernel", ["3.9", "6.12"])
    def test_kswapd_drops_cache_up_to_the_high_watermark(self, kernel):
        sim = simulation(kernel=kernel)
        mark = sim.machine.watermarks(kernel)[0]
        pfns = fill(sim, mark.low)
        sim.set_page_states(pfns[:2000], "clean")
        sim.alloc()
        freed = sim.counters()["kswapd"]
        assert mark.high < sim.zones[0].nr_free <= mark.high + 32
        assert freed == sim.zones[0].nr_free - mark.low + 1
        assert [pfn for pfn, _, _ in sim.reclaimed().tolist()] == pfns[:freed].tolist()
        sim.check()

    def test_kswapd_takes_its_time(self):
        sim = simulation(kswapd_latency_ns=500)
        mark = sim.machine.watermarks("6.12")[0]
        pfns = fill(sim, mark.low)
        sim.set_page_states(pfns, "clean")
        sim.alloc(now_ns=1000)
        sim.alloc(now_ns=1499)
        assert sim.counters()["kswapd_runs"] == 0
        sim.alloc(now_ns=1500)
        assert sim.counters()["kswapd_runs"] == 1

    def test_a_request_that_may_wait_reclaims_for_itself(self):
        sim = simulation(kswapd_latency_ns=10**9)
        pfns = fill(sim, sim.machine.watermarks("6.12")[0].min)
        sim.set_page_states(pfns[:64], "clean")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(flags=pa.ALLOC_NON_BLOCK)
        sim.alloc()
        assert sim.counters()["direct"] == 32
        assert sim.counters()["direct_runs"] == 1

    def test_dirty_cache_is_written_first_and_goes_after_what_is_clean(self):
        sim = simulation(kswapd_latency_ns=10**9)
        pfns = fill(sim, sim.machine.watermarks("6.12")[0].min)
        sim.set_page_states(pfns[:10], "dirty")
        sim.set_page_states(pfns[10:42], "clean")
        sim.alloc()
        counters = sim.counters()
        assert (counters["written"], counters["scanned"]) == (10, 42)
        assert sim.page_state(int(pfns[0])) == "clean"
        assert [pfn for pfn, _, _ in sim.reclaimed().tolist()] == pfns[10:42].tolist()

    def test_anonymous_memory_needs_swap(self):
        for swap in (0, 20, 1000):
            sim = simulation(kswapd_latency_ns=10**9, swap_pages=swap)
            pfns = fill(sim, sim.machine.watermarks("6.12")[0].min)
            sim.set_page_states(pfns[:100], "movable")
            if swap:
                sim.alloc()
            else:
                with pytest.raises(pa.OutOfMemory):
                    sim.alloc()
            assert sim.counters()["swapped"] == min(swap, 32)
            assert sim.swap_free == swap - min(swap, 32)
        sim.free_swap(32)
        assert sim.swap_free == 1000

    def test_pinned_blocks_stay(self):
        sim = simulation()
        pfns = fill(sim, sim.machine.watermarks("6.12")[0].min)
        sim.set_page_states(pfns, "pinned")
        with pytest.raises(pa.OutOfMemory):
            sim.alloc()
        assert len(sim.reclaimed()) == 0

    @pytest.mark.parametrize("reclaim", ["region-blind", "high-region-first"])
    def test_which_region_goes_first(self, reclaim):
        policy = Policy(name="test", placement="sorted", reclaim=reclaim)
        sim = pa.Simulation(machine_of("Normal"), policy, pagesets=False, kswapd_latency_ns=10**9)
        pfns = fill(sim, sim.machine.watermarks("6.12")[0].min)
        sim.set_page_states(pfns, "clean")
        sim.alloc()
        regions = {sim.zones[0].region_of(int(block["pfn"])) for block in sim.reclaimed()}
        last = sim.zones[0].region_of(int(pfns[-1]))
        first = sim.zones[0].region_of(int(pfns[0]))
        assert regions == ({first} if reclaim == "region-blind" else {last})
        sim.check()

    def test_a_state_is_forgotten_with_its_block(self):
        sim = simulation()
        pfns = sim.alloc_batch(np.zeros(4, np.uint8))
        sim.set_page_states(pfns, "clean")
        sim.free(int(pfns[1]))
        sim.free_batch(pfns[2:3])
        assert [sim.page_state(int(pfn)) for pfn in pfns] == [
            *("clean", "unknown", "unknown", "clean")
        ]
        sim.check()

    def test_what_was_reclaimed_onto_pagesets_is_drained_before_more_is_reclaimed(self):
        sim = simulation(pagesets=True, kswapd_latency_ns=10**9)
        least = sim.machine.watermarks("6.12")[0].min
        pfns = take_all(sim)
        sim.free_batch(pfns[:least])
        sim.drain()
        sim.set_page_states(pfns[-100:], "clean")
        sim.alloc()
        assert sim.counters()["direct"] == 32
        sim.check()

    def test_kswapd_goes_on_at_the_high_watermark_itself(self):
        sim = simulation(kernel="3.9", min_free_kbytes=496)
        mark = sim.machine.watermarks("3.9")[0]
        assert (mark.high - mark.low + 1) % 32 == 0
        pfns = fill(sim, mark.low)
        sim.set_page_states(pfns[:2000], "clean")
        sim.alloc()
        assert sim.zones[0].nr_free == mark.high + 32

    def test_a_stream_forgets_states_of_what_it_frees(self):
        sim = simulation()
        slots = sim.alloc_batch(np.zeros(50, np.uint8))
        sim.set_page_states(slots, "clean")
        ops = np.zeros(50, pa.OP_DTYPE)
        ops["op"], ops["slot"] = 1, np.arange(50)
        pfns = slots.copy()
        assert sim.run(ops, slots) == 0
        assert {sim.page_state(int(pfn)) for pfn in pfns} == {"unknown"}
        sim.check()

    def test_what_cpus_keep_comes_back_before_a_request_fails(self):
        sim = simulation(pagesets=True, cpus=2)
        pfns = sim.alloc_batch(np.zeros(63, np.uint8), cpu=1)
        sim.free_batch(pfns, cpu=1)
        kept = sim.zones[0].nr_cached
        assert kept
        nr = 0
        while True:
            try:
                sim.alloc(cpu=0)
            except pa.OutOfMemory:
                break
            nr += 1
        least = sim.machine.watermarks("6.12")[0].min
        assert sim.zones[0].nr_cached < kept
        assert sim.zones[0].nr_free <= least


class TestTime:
    def test_pagesets_decay_once_per_interval(self):
        sim = simulation(pagesets=True, vmstat_interval_ns=100)
        pfns = sim.alloc_batch(np.zeros(5000, np.uint8))
        sim.free_batch(pfns)
        highs = [sim.zones[0].pageset().high]
        for now in (99, 100, 150, 199, 200, 450, 451, 499, 500):
            sim.advance(now)
            highs.append(sim.zones[0].pageset().high)
        assert highs[0] == highs[1] > highs[2] == highs[3] == highs[4] > highs[5]
        assert highs[5] > highs[6] == highs[7] == highs[8] > highs[9], "two at once, then one"

    def test_a_long_time_passes_at_once(self):
        sim = simulation(pagesets=True, vmstat_interval_ns=1)
        sim.free_batch(sim.alloc_batch(np.zeros(5000, np.uint8)))
        sim.advance(10**18)
        pageset = sim.zones[0].pageset()
        assert pageset.high == pageset.high_min

    def test_a_call_that_is_refused_lets_no_time_pass(self):
        sim = simulation()
        ops, slots = np.zeros(1, pa.OP_DTYPE), np.zeros(1, np.int64)
        ops["order"] = 11
        for call in (
            lambda: sim.free(5, now_ns=10),
            lambda: sim.free_batch([5], now_ns=10),
            lambda: sim.run(ops, slots, now_ns=10),
            lambda: sim.alloc(11, now_ns=10),
            lambda: sim.alloc_batch([11], now_ns=10),
        ):
            with pytest.raises((ValueError, pa.InvalidFree)):
                call()
        assert sim.now_ns == 0


class TestHierarchy:
    def test_every_region_has_zones_of_its_own(self):
        sim = simulation("DMA32", "Normal", policy="hierarchy")
        assert len(sim.zones) == 16
        assert {zone.nr_regions for zone in sim.zones} == {1}
        assert len(sim.regions()) == 16
        assert sim.regions()["region"].tolist() == [*range(8), *range(8)]

    def test_regions_are_used_one_after_the_other(self):
        sim = simulation("Normal", policy="hierarchy")
        low = sim.alloc_batch(np.zeros(8 * MIB + 100, np.uint8))
        regions = [int(pfn) // (8 * MIB) for pfn in low]
        assert regions == sorted(regions)
        assert set(regions) == {0, 1}
        assert sim.counters()["walked"] > 0

    def test_zones_of_a_region_stand_together(self):
        """Region 0 has DMA32 and Normal: both are tried before region 1, and hold back for each other alone."""
        node = Node(
            nid=0,
            cpus=(0,),
            memory=((0, 16 * TOP),),
            zones=(("DMA32", 0, 2 * TOP), ("Normal", 2 * TOP, 16 * TOP)),
            regions=tuple((pfn, pfn + 4 * TOP) for pfn in range(0, 16 * TOP, 4 * TOP)),
        )
        machine = Machine(name="test", nodes=(node,), min_free_kbytes=512)
        sim = simulation(policy="hierarchy", kernel="3.9", machine=machine)
        assert [(zone.name, zone.nr_pages) for zone in sim.zones] == [
            ("DMA32", 2 * TOP),
            ("Normal", 2 * TOP),
            *[("Normal", 4 * TOP)] * 3,
        ]
        pfns = sim.alloc_batch(np.zeros(5 * TOP, np.uint8))
        order = list(dict.fromkeys(sim.zones.index(sim.zone_of(int(pfn))) for pfn in pfns))
        assert order == [1, 0, 2]
        low = sim.machine.min_free_kbytes // 4 * 2 * TOP // (16 * TOP) * 5 // 4
        assert sim.zones[0].nr_free == low + 2 * TOP // 256, "not what all of Normal would ask for"

    def test_watermarks_are_shares(self):
        sim = simulation("Normal", policy="hierarchy", kernel="3.9", min_free_kbytes=2048)
        whole = sim.machine.watermarks("3.9")[0].min
        pfns = sim.alloc_batch(np.zeros(64 * MIB, np.uint8))
        assert np.count_nonzero(pfns < 0) == whole
        assert {zone.nr_free for zone in sim.zones} == {whole // 8}


def test_own_sizes_of_pagesets_hold_for_all_cpus_of_the_machine():
    sim = simulation(cpus=4, pagesets=pa.Pagesets(batch=8, high=32, high_max=32))
    for cpu in range(4):
        pfn = sim.alloc(cpu=cpu)
        sim.free(pfn, cpu=cpu)
    assert [sim.zones[0].pageset(cpu).count for cpu in range(4)] == [8] * 4
    with pytest.raises(ValueError, match="cpu must be 0 to 3, got 4"):
        sim.alloc(cpu=4)


def test_provenance_tells_what_it_was_made_of():
    sim = simulation(swap_pages=7, seed=3)
    told = sim.provenance()
    assert (told["machine"], told["seed"], told["swap_pages"]) == ("test", 3, 7)
    assert told["policy"]["name"] == "linux"
    assert told["digest"] == sim.digest()
    assert "64 zones" not in repr(sim)


def test_the_examples_of_the_page_run():
    page = Path(__file__).parent.parent / "docs" / "simulation.md"
    examples = doctest.DocTestParser().get_doctest(
        page.read_text(encoding="utf-8").replace("\n```", ""), {}, "simulation", None, 0
    )
    assert len(examples.examples) > 9
    assert doctest.DocTestRunner().run(examples).failed == 0
