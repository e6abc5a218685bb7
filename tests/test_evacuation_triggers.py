"""When regions are evacuated, one test per rule.

Sources: S. S. Bhat's sorted-buddy series, v2 13/15 and 14/15 (the handshake), v4 37/40 to 40/40 (kmempowerd).
"""

from dataclasses import replace

import numpy as np
import pytest
from evacuation import TOP, machine_of, moved, simulation, take, take_whole, used

import pasralloc as pa
from pasralloc._core.memoryranges import MOVE_SINK
from pasralloc._core.views import zone_arrays

NONE, NOTED, READY = 1, 2, 3


def opened(sim, zone=0):
    """What the handshake has noted: state and region."""
    arrays = zone_arrays(sim.zones[zone])
    state = int(arrays["opened_state"][0])
    return (state, int(arrays["opened"][0])) if state != NONE else (NONE, None)


def attention(sim, zone=0):
    word = int(zone_arrays(sim.zones[zone])["attention"][0])
    return {bit for bit in range(64) if word >> bit & 1}


def tried(sim):
    return sim.evacuations()["tried"]


class TestHandshake:
    @pytest.fixture
    def sim(self):
        """Region 0 is full, of which page 3 is a block of its own; nothing was opened yet."""
        sim = simulation(trigger="handshake")
        for pfn in (3, 0, 1, 2):
            take(sim, pfn)
        take(sim, *range(4, TOP))
        assert opened(sim) == (NONE, None)
        return sim

    def test_the_first_allocation_of_a_region_is_noted(self, sim):
        assert sim.alloc() // TOP == 1
        assert opened(sim) == (NOTED, 1)
        sim.alloc()
        assert opened(sim) == (NOTED, 1)

    def test_a_restored_simulation_has_noted_what_it_had(self, sim):
        take(sim, 3 * TOP)
        snapshot = sim.snapshot()
        take(sim, 2 * TOP + 7)
        assert opened(sim) == (NOTED, 2)
        sim.restore(snapshot)
        assert opened(sim) == (NOTED, 3)
        assert sim.digest() == snapshot.digest

    def test_a_later_one_takes_its_place(self, sim):
        take(sim, 3 * TOP)
        take(sim, 2 * TOP + 7)
        assert opened(sim) == (NOTED, 2)
        sim.free(3)
        sim.advance(1)
        assert tried(sim) == 1
        assert moved(sim) == [(2 * TOP + 7, 3)]

    @pytest.mark.parametrize(
        ("migratetype", "is_noted"),
        [("unmovable", False), ("reclaimable", True), ("movable", True), ("cma", True)],
    )
    def test_only_of_memory_that_can_be_moved(self, sim, migratetype, is_noted):
        """By the list that the memory comes from, not by the request."""
        number = sim.zones[0].migratetypes.index(migratetype)
        sim.set_pageblocks(4 * TOP, TOP, number)
        take(sim, 4 * TOP + 9)
        assert opened(sim) == ((NOTED, 4) if is_noted else (NONE, None))

    def test_the_first_region_does_not_count(self):
        sim = simulation(trigger="handshake")
        sim.alloc()
        assert opened(sim) == (NONE, None)

    def test_the_next_free_queues_wherever_it_is(self, sim):
        take(sim, TOP + 1)
        take(sim, 2 * TOP)
        sim.free(TOP + 1)
        assert opened(sim) == (READY, 2)

    def test_a_split_is_no_free(self, sim):
        """To do instead of 4: what an allocation puts back does not queue the region that it opened."""
        sim.alloc()
        sim.advance(1)
        assert opened(sim) == (NOTED, 1)
        assert tried(sim) == 0

    def test_a_free_to_a_pageset_is_none_until_it_is_given_back(self):
        sim = simulation(trigger="handshake", pagesets=pa.Pagesets(batch=4, high=12))
        pfns = take(sim, *range(4))
        take(sim, 2 * TOP)
        sim.free(pfns[0])
        assert opened(sim) == (NOTED, 2)
        sim.drain()
        assert opened(sim) == (READY, 2)

    def test_a_free_in_another_zone_does_not_count(self):
        sim = simulation(trigger="handshake", kinds=("Normal", "Movable"))
        low = take(sim, 1)
        take(sim, 8 * TOP)
        assert opened(sim, 1) == (NOTED, 2)
        sim.free(low[0])
        assert opened(sim, 1) == (NOTED, 2)
        sim.free(take(sim, 6 * TOP + 1)[0])
        assert opened(sim, 1) == (READY, 2)

    def test_what_is_opened_while_one_waits_is_ignored(self, sim):
        take(sim, 2 * TOP)
        sim.free(3)
        take(sim, 4 * TOP)
        assert opened(sim) == (READY, 2)
        sim.advance(1)
        assert tried(sim) == 1
        assert opened(sim) == (NONE, None)

    def test_what_the_worker_opens_is_ignored(self, sim):
        """Workers would undo what workers do."""
        take(sim, *range(3 * TOP, 3 * TOP + 2))
        sim.free(3)
        sim.advance(1)
        assert [new // TOP for _, new in moved(sim)] == [0, 1], "region 1 was opened"
        assert opened(sim) == (NONE, None)
        assert sim.zones[0].region_nr_free[1] == TOP - 1

    def test_completed_work_always_makes_room_for_the_next(self, sim):
        """To do instead of 2 and 3: whatever came of a region, the next one is noted."""
        take(sim, *range(2 * TOP, 2 * TOP + 33))  # too many
        sim.free(3)
        sim.advance(1)
        assert (tried(sim), opened(sim)) == (0, (NONE, None))
        take(sim, 4 * TOP)
        assert opened(sim) == (NOTED, 4)

    @pytest.mark.parametrize(("nr", "is_tried"), [(32, True), (33, False), (0, False)])
    def test_the_worker_counts_when_it_runs(self, sim, nr, is_tried):
        pfns = take(sim, *range(2 * TOP, 2 * TOP + 40))
        sim.free(3)
        sim.free_batch(pfns[nr:])
        sim.advance(1)
        assert tried(sim) == is_tried

    def test_nothing_is_noted_by_other_triggers(self):
        for trigger in ("free", "periodic", "manual"):
            sim = simulation(trigger=trigger)
            take(sim, 2 * TOP)
            sim.free(take(sim, 1)[0])
            assert zone_arrays(sim.zones[0])["opened_state"][0] == 0


class TestFree:
    @pytest.mark.parametrize(("left", "is_noted"), [(33, False), (32, True), (1, True), (0, False)])
    def test_a_free_that_leaves_few_pages_of_its_region_in_use(self, left, is_noted):
        sim = simulation(trigger="free")
        pfns = take(sim, *range(2 * TOP, 2 * TOP + left + 1))
        assert attention(sim) == set()
        sim.free(pfns[0])
        assert attention(sim) == ({2} if is_noted else set())

    def test_when_something_was_queued_is_forgotten_with_the_queue(self):
        """The same state has the same digest, however it came about."""
        digests = set()
        for freed_ns in (5, 10):
            sim = simulation(trigger="free")
            pfns = take(sim, 2 * TOP, 2 * TOP + 1, state="pinned")
            sim.advance(freed_ns)
            sim.free(pfns[0])
            sim.advance(20)
            assert tried(sim) == 1
            digests.add(sim.digest())
        assert len(digests) == 1

    def test_the_limit_is_the_policys(self):
        sim = simulation(trigger="free", max_used=3)
        pfns = take(sim, *range(2 * TOP, 2 * TOP + 5))
        sim.free(pfns[0])
        assert attention(sim) == set()
        sim.free(pfns[1])
        assert attention(sim) == {2}

    def test_the_first_region_of_a_zone_does_not_count(self):
        sim = simulation(trigger="free", kinds=("Normal", "Movable"))
        for pfns in (take(sim, 1, 2), take(sim, 6 * TOP + 1, 6 * TOP + 2)):
            sim.free(pfns[0])
        assert attention(sim, 0) == attention(sim, 1) == set()

    def test_nor_does_a_zone_of_type_dma(self):
        sim = simulation(trigger="free", kinds=("DMA", "Normal"))
        for pfns in (take(sim, TOP + 1, TOP + 2), take(sim, 7 * TOP + 1, 7 * TOP + 2)):
            sim.free(pfns[0])
        assert attention(sim, 0) == set()
        assert attention(sim, 1) == {1}

    @pytest.mark.parametrize(
        ("migratetype", "is_noted"),
        [("unmovable", False), ("reclaimable", True), ("movable", True), ("cma", False)],
    )
    def test_the_pageblock_must_be_movable_or_reclaimable(self, migratetype, is_noted):
        sim = simulation(trigger="free")
        sim.set_pageblocks(2 * TOP, TOP, sim.zones[0].migratetypes.index(migratetype))
        sim.free(take(sim, 2 * TOP, 2 * TOP + 1)[0])
        assert attention(sim) == ({2} if is_noted else set())

    def test_a_split_is_no_free(self):
        """To do instead of 5: what an allocation puts back does not queue the region that it takes from."""
        sim = simulation(trigger="free")
        take_whole(sim, 0)
        sim.alloc()
        assert used(sim)[1] == 1
        assert attention(sim) == set()

    def test_a_free_of_another_region_does_not_count(self):
        """So regions stay behind that are as good as empty: the end state of the series' v4 shows 22 of them."""
        sim = simulation(trigger="free")
        take(sim, 3 * TOP)
        sim.free(take(sim, 1)[0])
        sim.advance(1)
        assert tried(sim) == 0

    @pytest.mark.parametrize("kernel", ["6.12", "3.9"])
    def test_what_a_pageset_gives_back_counts(self, kernel):
        sim = simulation(trigger="free", kernel=kernel, pagesets=pa.Pagesets(batch=4, high=12))
        pfns = take(sim, *range(2 * TOP, 2 * TOP + 6))
        sim.free(pfns[0])
        assert attention(sim) == set()
        sim.drain()
        assert attention(sim) == {2}

    @pytest.mark.parametrize("step", [1, -1])
    def test_pages_that_go_back_together_count_one_by_one(self, step):
        """The last one was in use alone for a moment, although no free left the region that way."""
        sim = simulation(trigger="free", pagesets=pa.Pagesets(batch=4, high=12), latency_ns=10)
        pfns = take(sim, *range(2 * TOP, 2 * TOP + 2))
        sim.free_batch(pfns[::step])
        sim.drain()
        assert used(sim)[2] == 0
        assert attention(sim) == {2}
        sim.advance(1)
        take(sim, 2 * TOP)
        sim.advance(10)
        assert tried(sim) == 1

    def test_zones_have_queues_of_their_own(self):
        """To do instead of 7."""
        sim = simulation(trigger="free", kinds=("Normal", "Movable"))
        for base, region in ((0, 3), (6, 5)):
            sim.free(take(sim, *((base + region) * TOP + i for i in (0, 1)))[0])
        assert (attention(sim, 0), attention(sim, 1)) == ({3}, {5})
        sim.advance(1)
        assert [old // TOP for old, _ in moved(sim)] == [3, 11]

    def test_a_region_that_is_queued_again_meanwhile_is_not_lost(self):
        """To do instead of 8: here by a page that the worker itself frees, for the next time it runs."""
        sim = simulation(trigger="free", move_unevictable=False)
        take(sim, 2 * TOP + 5, state="unevictable")
        pfns = take(sim, 2 * TOP + 1, 2 * TOP + 2)
        sim.free(pfns[0])
        sim.advance(1)
        assert (tried(sim), used(sim)[2]) == (1, 1)
        assert attention(sim) == {2}, "the free of the page that was moved has noted it"
        sim.set_page_states([2 * TOP + 5], "movable")
        sim.advance(2)
        assert (tried(sim), used(sim)[2]) == (2, 0)


@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_regions_are_taken_in_order(order):
    sim = simulation(trigger="free", order=order, nr_regions=70)
    for region in (3, 66, 1, 64, 20):
        sim.free(take(sim, region * TOP, region * TOP + 1)[0])
    sim.advance(1)
    regions = [old // TOP for old, _ in moved(sim)]
    assert regions == sorted([3, 66, 1, 64, 20], reverse=order == "descending")


class TestTime:
    def test_the_worker_comes_when_time_passes_next(self):
        sim = simulation(trigger="free")
        sim.free(take(sim, 2 * TOP, 2 * TOP + 1)[0])
        sim.alloc()
        assert tried(sim) == 0
        sim.alloc(now_ns=1)
        assert tried(sim) == 1

    @pytest.mark.parametrize("trigger", ["free", "handshake"])
    def test_or_after_its_latency(self, trigger):
        sim = simulation(trigger=trigger, latency_ns=100)
        sim.advance(1000)
        take(sim, 1)
        sim.free_batch([*take(sim, 2 * TOP, 2 * TOP + 1)[:1], 1])
        for now in (1001, 1099):
            sim.advance(now)
            assert tried(sim) == 0
        sim.advance(1100)
        assert tried(sim) == 1

    def test_what_comes_while_it_is_awaited_makes_it_no_later(self):
        sim = simulation(trigger="free", latency_ns=100)
        sim.free(take(sim, 2 * TOP, 2 * TOP + 1)[0])
        sim.advance(60)
        sim.free(take(sim, 3 * TOP, 3 * TOP + 1)[0])
        sim.advance(100)
        assert tried(sim) == 2

    def test_periods(self):
        sim = simulation(trigger="periodic", period_ns=100)
        for now, total in ((99, 0), (100, 1), (199, 1), (450, 2), (499, 2), (500, 3)):
            take(sim, 2 * TOP)
            sim.advance(now)
            assert tried(sim) == total, now
            sim.free_batch([2 * TOP] if used(sim)[2] else [])

    def test_a_period_queues_every_region_that_has_few_pages_in_use(self):
        sim = simulation(trigger="periodic", period_ns=100, kinds=("DMA", "Normal"), max_used=2)
        take(sim, 0, TOP, 2 * TOP, 2 * TOP + 1, *range(3 * TOP, 3 * TOP + 3), 7 * TOP)
        sim.advance(100)
        assert [old // TOP for old, _ in moved(sim)] == [2, 2, 1, 7]

    def test_by_calls_alone_nothing_is_queued(self):
        sim = simulation(trigger="manual")
        sim.free(take(sim, 2 * TOP, 2 * TOP + 1)[0])
        sim.advance(10**12)
        assert tried(sim) == 0

    def test_what_kswapd_frees_counts(self):
        machine = replace(machine_of(), min_free_kbytes=8000)
        sim = simulation(trigger="free", machine=machine)
        take_whole(sim, 0, 1, 3, 4, 5)
        take(sim, 2 * TOP, 2 * TOP + 1, state="clean")
        take(sim, 2 * TOP + 2)
        with pytest.raises(pa.OutOfMemory):
            sim.alloc(flags=2)  # does not reclaim for itself
        assert sim.counters()["kswapd"] == 2
        assert attention(sim) == {2}
        sim.advance(1)
        assert tried(sim) == 1


def test_moves_of_a_worker_are_followed_by_frees():
    sim = simulation(trigger="free")
    pfns = take(sim, *range(2 * TOP, 2 * TOP + 4))
    take(sim, 3 * TOP, state="clean")
    sim.free(pfns[0])
    sim.free(take(sim, 3 * TOP + 1)[0])
    sim.free(pfns[1], now_ns=1)  # moved and freed
    assert dict(moved(sim)).keys() == set(pfns[1:])
    with pytest.raises(pa.InvalidFree, match="free"):
        sim.free(pfns[2])
    places = np.array([*pfns[2:], 3 * TOP], np.int64)
    sim.follow(places, (0, 0, 0))
    assert places.tolist() == [dict(moved(sim))[pfns[2]], dict(moved(sim))[pfns[3]], -22]
    sim.free_batch(places[:2])
    assert used(sim) == [0] * 6


def test_a_block_that_the_worker_drops_cannot_be_freed():
    for call in ("free", "free_batch", "run"):
        sim = simulation(trigger="free")
        pfn = take(sim, 2 * TOP, state="clean")[0]
        sim.free(take(sim, 2 * TOP + 1)[0])
        if call == "free":
            with pytest.raises(pa.InvalidFree, match="it was reclaimed as time passed"):
                sim.free(pfn, now_ns=1)
        elif call == "free_batch":
            sim.free_batch([pfn], now_ns=1)
        else:
            ops = np.zeros(1, pa.OP_DTYPE)
            ops["op"] = 1
            slots = np.array([pfn])
            assert sim.run(ops, slots, now_ns=1) == 1
            assert slots.tolist() == [-22]
        assert used(sim)[2] == 0


def test_a_chain_of_moves_and_of_places_that_are_used_again_is_followed():
    sim = simulation()
    pfns = take(sim, *range(4 * TOP, 4 * TOP + 3))
    take_whole(sim, 0)
    then = sim.moment()
    sim.evacuate(sim.zones[0], 4)
    first = [new for _, new in moved(sim)]
    sim.evacuate(sim.zones[0], 1, targets="other-regions")
    again = take(sim, first[1])  # another block at a place that was left
    later = sim.moment()
    places = np.array(pfns, np.int64)
    sim.follow(places, then)
    assert places.tolist() == [new for _, new in moved(sim)[3:]]
    others = np.array(again, np.int64)
    sim.follow(others, later)
    assert others.tolist() == again


def test_workers_stop_where_logs_could_not_tell_what_they_did():
    """However much time passes at once, every block can be found again."""
    machine = machine_of(24)
    node = machine.nodes[0]
    big, nr = 131_072, 24
    machine = pa.Machine(
        name="big",
        nodes=(
            type(node)(
                nid=0,
                cpus=(0,),
                memory=((0, nr * big),),
                zones=(("Normal", 0, nr * big),),
                regions=tuple((pfn, pfn + big) for pfn in range(0, nr * big, big)),
            ),
        ),
    )
    sim = simulation(
        machine=machine, trigger="periodic", period_ns=100, max_used=big, order="ascending"
    )
    low = sim.alloc_batch(np.full(12 * 128, 10, np.uint8))
    pfns = sim.alloc_batch(np.zeros(11 * big, np.uint8))
    assert pfns.min() >= 12 * big
    sim.free_batch(low)
    ours, then = pfns.copy(), sim.moment()
    sim.advance(100)
    assert sim.evacuations()["moved_blocks"] == 1 << 20
    sim.follow(ours, then)
    assert (ours < 12 * big).sum() == 1 << 20
    then = sim.moment()
    sim.advance(101)
    sim.follow(ours, then)
    assert ours.max() < 12 * big
    assert len(np.unique(ours)) == len(ours)
    sim.free_batch(ours)
    assert sim.nr_free == nr * big


def test_a_sink_is_told_of_what_workers_do():
    sim = simulation(trigger="free")
    told = []

    @MOVE_SINK
    def sink(context, old, new, order):
        told.append((old, new, order))
        return 0

    sim.set_move_sink(sink)
    sim.free(take(sim, 2 * TOP, 2 * TOP + 1, 2 * TOP + 2)[0])
    sim.advance(1)
    assert told == sim.moves().tolist()
    assert len(told) == 2
    sim.set_move_sink(None)
    sim.free(take(sim, 3 * TOP, 3 * TOP + 1)[0])
    sim.advance(2)
    assert len(told) == 2
