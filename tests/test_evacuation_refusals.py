"""What evacuation refuses, what a sink may do, and snapshots of what workers are to do."""

import ctypes
import pickle
import re
import threading
import time
from contextlib import suppress

import numpy as np
import pytest
from evacuation import TOP, moved, simulation, take, take_whole, used, without_trace
from test_simulation_states import broken, write

import pasralloc as pa
from pasralloc._core.memoryranges import MOVE_SINK
from pasralloc._core.views import memory_arrays, zone_arrays
from pasralloc.policy.evacuation import Evacuation
from pasralloc.sim.zonememory import ZoneMemory


@pytest.fixture
def sim():
    """Regions 2 and 3 hold three pages each, and region 2 is queued."""
    sim = simulation(trigger="free", latency_ns=50)
    sim.advance(1000)
    pfns = take(sim, *range(2 * TOP, 2 * TOP + 4), *range(3 * TOP, 3 * TOP + 3))
    sim.free(pfns[3])
    sim.check()
    return sim


class TestPolicy:
    def test_every_problem_is_named_at_once(self):
        with pytest.raises(ValueError, match="trigger must be one of") as error:
            Evacuation(
                trigger="fre",
                targets="up",
                order="random",
                drop_clean=1,
                move_unevictable=None,
                drain="no",
                max_used=0,
                max_tries=256,
                latency_ns=-1,
                period_ns=0,
            )
        assert re.findall(r"(\w+) must be", str(error.value)) == [
            "trigger", "targets", "order", "drop_clean", "move_unevictable", "drain",
            "max_used", "max_tries", "latency_ns", "period_ns",
        ]  # fmt: skip

    @pytest.mark.parametrize("name", ["trigger", "targets", "order"])
    def test_an_array_is_no_choice(self, name):
        with pytest.raises(ValueError, match=f"{name} must be one of"):
            Evacuation(**{name: np.array(["free", "lower-regions"])})

    @pytest.mark.parametrize(
        ("name", "least", "most"),
        [
            ("max_used", 1, 1 << 20),
            ("max_tries", 1, 255),
            ("latency_ns", 0, 1 << 61),
            ("period_ns", 1, 1 << 61),
        ],
    )
    def test_limits(self, name, least, most):
        for value in (least, most):
            sim = simulation(**{"trigger": "periodic", name: value})
            sim.advance(1 << 61)
            sim.restore(pa.MemorySnapshot(sim.snapshot().image))
        for value in (least - 1, most + 1, -(1 << 70), 1 << 70, 1.5, "2", None):
            with pytest.raises(ValueError, match=name):
                Evacuation(**{name: value})


class TestCalls:
    @pytest.mark.parametrize(
        ("region", "error", "match"),
        [
            (0, ValueError, "region must not be 0: the first region of a zone"),
            (6, ValueError, "region must be 0 to 5, got 6"),
            (-1, ValueError, "region must be 0 to 5, got -1"),
            (1 << 70, ValueError, "region must be 0 to 5"),
            (1.0, TypeError, "region"),
            ("1", TypeError, "region"),
        ],
    )
    def test_no_such_region(self, sim, region, error, match):
        without_trace(sim, lambda: sim.evacuate(sim.zones[0], region), error, match)

    def test_no_such_zone(self, sim):
        other = simulation()
        for zone in (other.zones[0], None, 0, pa.Zone(4096, region_pages=1024)):
            for call in (
                lambda z=zone: sim.evacuate(z, 1),
                lambda z=zone: sim.compact(z),
                lambda z=zone: sim.held(z),
            ):
                without_trace(sim, call, ValueError, "zone must be one of the 1 zones")

    def test_no_such_range(self):
        sim = simulation(kinds=("Normal", "Movable"))
        take(sim, TOP)
        for pfn, nr, error, match in (
            (5 * TOP, 2 * TOP, ValueError, "do not lie in one zone"),
            (6 * TOP - 1, 2, ValueError, "do not lie in one zone"),
            (0, 1 << 62, ValueError, "do not lie in one zone"),
            (12 * TOP, 1, ValueError, "lies in no zone"),
            (-1, 1, ValueError, "pfn must be 0 to"),
            (0, 0, ValueError, "nr must be 1 to"),
            (0, -5, ValueError, "nr must be 1 to"),
            (0, 1.5, TypeError, "nr"),
        ):
            without_trace(sim, lambda p=pfn, n=nr: sim.evacuate_range(p, n), error, match)

    @pytest.mark.parametrize("name", ["evacuate", "evacuate_range", "compact"])
    def test_neither_targets_nor_times_that_do_not_exist(self, sim, name):
        args = {"evacuate": (sim.zones[0], 2), "evacuate_range": (0, 9), "compact": (sim.zones[0],)}
        call = getattr(sim, name)
        if name != "compact":
            for targets in ("lower", 1, b"lower-regions", np.array(["lower-regions"] * 2)):
                without_trace(
                    sim,
                    lambda t=targets: call(*args[name], targets=t),
                    ValueError,
                    "targets must be",
                )
        for now, error in (
            (999, ValueError),
            (-1, ValueError),
            (1 << 62, ValueError),
            (1.5, TypeError),
        ):
            without_trace(sim, lambda n=now: call(*args[name], now_ns=n), error, "now_ns")

    @pytest.mark.parametrize(
        "since", [(1, 0, 0), (0, 1, 0), (-1, 0, 0), (1 << 70, 0, 0), (0, 0, 1)]
    )
    def test_no_moment_that_has_not_been(self, sim, since):
        with pytest.raises(ValueError, match="since"):
            sim.follow(np.zeros(1, np.int64), since)

    def test_no_moment_of_before_a_restore(self, sim):
        """Blocks are where they were then; what had moved them did not happen."""
        snapshot, then = sim.snapshot(), sim.moment()
        sim.evacuate(sim.zones[0], 2)
        for later in (then, sim.moment()):
            sim.restore(snapshot)
            with pytest.raises(ValueError, match="after the last restore"):
                sim.follow(np.zeros(1, np.int64), later)
        sim.follow(np.zeros(1, np.int64), sim.moment())
        broken = pa.MemorySnapshot(snapshot.image[:-1])
        now = sim.moment()
        with pytest.raises(ValueError, match="is not of a simulation like"):
            sim.restore(broken)
        assert sim.moment() == now

    def test_nothing_is_followed_in_what_cannot_be_written(self, sim):
        fixed = np.zeros(1, np.int64)
        fixed.flags.writeable = False
        for pfns in (fixed, np.zeros(1, np.int32), [1], None):
            with pytest.raises((TypeError, ValueError), match="pfns"):
                sim.follow(pfns, (0, 0, 0))
        for since in (None, 1, (1,), (0, 0), ("a", 0, 0), (0, 0, "a")):
            with pytest.raises((TypeError, ValueError)):
                sim.follow(np.zeros(1, np.int64), since)


def state_of(sim):
    """All blocks, and what is known of them."""
    blocks = sim.zones[0].blocks().tolist()
    return blocks, [sim.page_state(pfn) for pfn, *_ in blocks], [old for old, _ in moved(sim)]


@pytest.mark.parametrize("start_pfn", [1, 700, 5 * TOP + 1])
def test_a_zone_that_begins_inside_a_block_is_no_zone_of_a_simulation(start_pfn):
    """The table of zones has an entry per block: there is none for a zone that shares one."""
    with pytest.raises(ValueError, match=f"multiple of 1024 pages, got start_pfn={start_pfn:#x}"):
        ZoneMemory(
            Evacuation(trigger="manual"),
            nr_pages=9000,
            region_pages=TOP,
            placement="sorted",
            start_pfn=start_pfn,
            quirks="posted",
        )


class TestSink:
    @pytest.mark.parametrize("nr", [0, 1, 31, 32, 45])
    def test_one_that_refuses_leaves_what_was_before(self, nr):
        """The same as if there had been no place left for the next page."""
        states, places = [], [TOP + 2 * i for i in range(nr + 5)]
        for is_refused in (True, False):
            sim = simulation()
            take_whole(sim, 0, 2)
            take(sim, *range(TOP, 2 * TOP), wanted="unmovable")
            sim.free_batch(places)
            take(sim, *range(3 * TOP, 3 * TOP + 50), state="dirty")
            seen = []

            @MOVE_SINK
            def sink(context, old, new, order, seen=seen):
                seen.append(old)
                return len(seen) > nr

            if is_refused:
                sim.set_move_sink(sink)
            if is_refused:
                with pytest.raises(pa.MoveRefused) as error:
                    sim.evacuate(sim.zones[0], 3)
                result = error.value.result
            else:
                result = sim.evacuate(sim.zones[0], 3)
            assert (result.moved, result.aborted, result.failed) == (
                nr,
                True,
                min(32, 50 - nr // 32 * 32) - nr % 32,
            )
            assert result.reason == (
                "refused by the sink" if is_refused else "next free page not in a lower region"
            )
            sim.check()
            if is_refused:
                assert len(seen) == nr + 1
                assert sim.evacuations()["held"]["refused by the sink"] == 1
                left = sorted(set(places) - {new for _, new in moved(sim)})
                take(sim, *left, wanted="unmovable")
                places = [new for _, new in moved(sim)]
            states.append(state_of(sim))
        assert states[0] == states[1]

    def test_one_that_refuses_at_once_leaves_no_trace(self, sim):
        digest = sim.digest()
        sim.set_move_sink(MOVE_SINK(lambda *_: -1))
        for call in (
            lambda: sim.evacuate(sim.zones[0], 2),
            lambda: sim.compact(sim.zones[0]),
            lambda: sim.evacuate_range(2 * TOP, 9),
        ):
            with pytest.raises(pa.MoveRefused) as error:
                call()
            result = error.value.result
            assert (result.moved, result.aborted, result.reason) == (0, True, "refused by the sink")
            assert sim.digest() == digest

    def test_the_error_names_the_move(self, sim):
        told = []

        @MOVE_SINK
        def sink(context, old, new, order):
            told.append((old, new, order))
            return 7 if len(told) == 3 else 0

        sim.set_move_sink(sink)
        with pytest.raises(
            pa.MoveRefused, match=r"it returned 7, expected 0; 2 pages were"
        ) as error:
            sim.evacuate(sim.zones[0], 2)
        refused = error.value
        assert (refused.old_pfn, refused.new_pfn, refused.order) == told[-1]
        assert f"at pfn {refused.old_pfn:#x} to pfn {refused.new_pfn:#x}" in str(refused)
        assert moved(sim) == [move[:2] for move in told[:2]]
        assert str(pickle.loads(pickle.dumps(refused))) == str(refused)
        sim.check()

    @pytest.mark.parametrize(
        "wrong",
        [1, "sink", print, lambda *_: 0, ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 0), MOVE_SINK],
    )
    def test_it_must_be_of_the_type(self, sim, wrong):
        with pytest.raises(TypeError, match="sink must be a function of type MOVE_SINK or None"):
            sim.set_move_sink(wrong)
        assert sim.evacuate(sim.zones[0], 2).moved == 3

    def test_null_is_nobody(self, sim):
        sim.set_move_sink(MOVE_SINK(0))
        assert sim.evacuate(sim.zones[0], 2).moved == 3

    @pytest.mark.parametrize("when", ["call", "advance", "alloc", "free", "free_batch", "run"])
    def test_it_cannot_use_the_simulation(self, sim, when):
        """Each call is refused, whoever lets the worker run; afterwards all is as without the sink."""
        twin = simulation(trigger="free", latency_ns=50)
        twin.restore(sim.snapshot())
        snapshot, zone = sim.snapshot(), sim.zones[0]
        ops = np.zeros(1, pa.OP_DTYPE)
        inside = {
            "alloc": sim.alloc,
            "free": lambda: sim.free(3 * TOP),
            "alloc_batch": lambda: sim.alloc_batch([0]),
            "free_batch": lambda: sim.free_batch([3 * TOP]),
            "run": lambda: sim.run(ops, np.zeros(1, np.int64)),
            "advance": lambda: sim.advance(10**6),
            "drain": sim.drain,
            "take_range": lambda: sim.take_range(5 * TOP, 1),
            "set_pageblocks": lambda: sim.set_pageblocks(0, TOP, 0),
            "set_page_state": lambda: sim.set_page_state(3 * TOP, 1, "pinned"),
            "set_page_states": lambda: sim.set_page_states([3 * TOP], "pinned"),
            "free_swap": lambda: sim.free_swap(0),
            "evacuate": lambda: sim.evacuate(zone, 3),
            "evacuate_range": lambda: sim.evacuate_range(3 * TOP, 1),
            "compact": lambda: sim.compact(zone),
            "held": lambda: sim.held(zone),
            "follow": lambda: sim.follow(np.zeros(1, np.int64), (0, 0, 0)),
            "moves": sim.moves,
            "reclaimed": sim.reclaimed,
            "set_move_sink": lambda: sim.set_move_sink(None),
            "snapshot": sim.snapshot,
            "restore": lambda: sim.restore(snapshot),
            "digest": sim.digest,
            "check": sim.check,
            "buddyinfo": zone.buddyinfo,
            "blocks": zone.blocks,
        }
        refused = set()

        @MOVE_SINK
        def sink(context, old, new, order):
            for name, call in inside.items():
                try:
                    call()
                except RuntimeError:
                    refused.add(name)
            return 0

        sim.set_move_sink(sink)
        now = {"now_ns": 2000}
        for each in (sim, twin):
            {
                "call": lambda s=each: s.evacuate(s.zones[0], 2),
                "advance": lambda s=each: s.advance(2000),
                "alloc": lambda s=each: s.alloc(**now),
                "free": lambda s=each: s.free(3 * TOP, **now),
                "free_batch": lambda s=each: s.free_batch([3 * TOP], **now),
                "run": lambda s=each: s.run(ops, np.zeros(1, np.int64), **now),
            }[when]()
        assert refused == inside.keys()
        assert len(moved(sim)) == 3
        sim.check()
        assert sim.digest() == twin.digest()
        sim.set_move_sink(None)

    def test_other_threads_wait_while_it_is_told(self, sim):
        """A sink in Python lets them in; each of their calls is refused."""
        done, refused, faults = threading.Event(), [], []

        def meddle():
            while not done.is_set():
                for call in (
                    sim.alloc,
                    sim.check,
                    sim.digest,
                    lambda: sim.free(3 * TOP),
                    sim.drain,
                ):
                    try:
                        call()
                    except RuntimeError:
                        refused.append(call)
                    except Exception as error:
                        faults.append(error)

        started = threading.Event()

        @MOVE_SINK
        def sink(context, old, new, order):
            if not started.is_set():
                started.set()
                thread.start()
            before = len(refused)
            while len(refused) < before + 5:
                time.sleep(0)
            return 0

        thread = threading.Thread(target=meddle)
        sim.set_move_sink(sink)
        try:
            assert sim.evacuate(sim.zones[0], 2).moved == 3
        finally:
            done.set()
            thread.join()
        assert not faults or all(isinstance(fault, pa.InvalidFree) for fault in faults)
        sim.check()

    def test_calls_in_many_threads_come_one_after_the_other(self, sim):
        def work(seed):
            rng = np.random.default_rng(seed)
            for _ in range(300):
                with suppress(RuntimeError, pa.OutOfMemory):
                    kind = int(rng.integers(4))
                    if kind == 0:
                        sim.evacuate(sim.zones[0], int(rng.integers(1, 6)), targets="other-regions")
                    elif kind == 1:
                        sim.alloc_batch(np.zeros(int(rng.integers(1, 2000)), np.uint8))
                    elif kind == 2:
                        sim.compact(sim.zones[0])
                    else:
                        sim.follow(np.arange(5000), (0, 0, 0))

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sim.check()
        assert sum(used(sim)) == 6 * TOP - sim.nr_free


class TestSnapshots:
    def test_what_workers_are_to_do_is_saved(self, sim):
        snapshot = sim.snapshot()
        told = []
        for _ in range(2):
            sim.advance(1050)
            told.append((sim.digest(), sim.moves()[-3:].tolist()))
            sim.restore(snapshot)
            assert sim.digest() == snapshot.digest
        assert told[0] == told[1]
        assert sim.evacuations()["tried"] == 2, "history stays"

    def test_what_was_opened_is_saved(self):
        sim = simulation(trigger="handshake")
        pfn = take(sim, 1)[0]
        take(sim, 2 * TOP)
        noted = sim.snapshot()
        sim.free(pfn)
        ready = sim.snapshot()
        sim.advance(1)
        assert sim.evacuations()["tried"] == 1
        sim.restore(ready)
        sim.check()
        sim.advance(1)
        assert sim.evacuations()["tried"] == 2
        sim.restore(noted)
        sim.check()
        sim.advance(1)
        assert sim.evacuations()["tried"] == 2
        sim.free(pfn)
        sim.advance(2)
        assert sim.evacuations()["tried"] == 3

    def test_they_fit_the_same_policy_alone(self, sim):
        for changes in (
            {"trigger": "handshake"}, {"max_used": 5}, {"latency_ns": 51}, {"order": "ascending"},
            {"drop_clean": False}, {"move_unevictable": True}, {"drain": True}, {"max_tries": 2},
            {"targets": "other-regions"}, {"period_ns": 5},
        ):  # fmt: skip
            other = simulation(**({"trigger": "free", "latency_ns": 50} | changes))
            with pytest.raises(ValueError, match="is not of a simulation like"):
                other.restore(sim.snapshot())

    @pytest.mark.parametrize("trigger", ["free", "handshake", "manual"])
    def test_tampered_ones_are_refused(self, trigger):
        """Whatever bit of what workers are to do is wrong, nothing is changed."""
        sim = simulation(trigger=trigger, latency_ns=50, nr_regions=7)
        sim.advance(1000)
        take(sim, 1)
        pfns = take(sim, *range(2 * TOP, 2 * TOP + 4))
        sim.free_batch([pfns[3], 1])
        image, digest = sim.snapshot().image, sim.digest()
        at = 8 + 16 + 48  # behind magic, plan and clock
        assert image[at : at + 8] == (24).to_bytes(8, "little")
        nr_refused = nr_taken = 0
        for byte in range(at, at + 32):
            for bit in range(8):
                bad = bytearray(image)
                bad[byte] ^= 1 << bit
                try:
                    sim.restore(pa.MemorySnapshot(bytes(bad)))
                except ValueError:
                    nr_refused += 1
                    assert sim.digest() == digest
                    sim.check()
                    continue
                nr_taken += 1
                sim.check()
                assert sim.digest() == pa.MemorySnapshot(bytes(bad)).digest
                sim.advance(10**6)
                sim.check()
                sim.restore(pa.MemorySnapshot(image))
        assert nr_refused > 180
        # Regions that could be queued or opened, a time before the latency has passed, and whether kswapd is wanted.
        assert nr_taken > 0


class TestChecks:
    """Every fault in what is noted and queued is noticed."""

    def test_regions_with_attention(self, sim):
        arrays = zone_arrays(sim.zones[0])
        write(arrays["attention_root"], 0, 0)
        broken(sim, "root bit 0 of the regions with attention is 0, expected 1")
        write(arrays["attention_root"], 0, 1)
        for bit in (0, 6, 63):
            write(arrays["attention"], 0, 1 << bit)
            broken(sim, f"region {bit} has attention, expected one of the 6 regions but the first")
        write(arrays["attention"], 0, 1 << 2)
        sim.check()

    def test_frees_that_are_looked_at(self, sim):
        for value in (31, 0, 0xFFFFFFFF):
            write(zone_arrays(sim.zones[0])["alert_used"], 0, value)
            broken(sim, f"leave {value} pages in use are looked at, expected 32")

    def test_what_was_opened(self):
        sim = simulation(trigger="handshake")
        take(sim, 2 * TOP)
        arrays = zone_arrays(sim.zones[0])
        for region in (0, 6, 0xFFFFFFFF):
            write(arrays["opened"], 0, region)
            broken(sim, f"region {region} was opened by state 2, expected one of the 6 regions")
        write(arrays["opened"], 0, 2)
        sim.check()
        write(arrays["opened_state"], 0, 4)
        broken(sim, "was opened by state 4")
        write(arrays["opened_state"], 0, 1)
        broken(sim, "leave 4294967295 pages in use are looked at, expected 0")

    def test_queues(self, sim):
        sim.advance(1001)
        arrays = memory_arrays(sim, 0)
        write(arrays["queued"], 0, 1 << 6)
        broken(sim, "a region is queued that does not exist")
        write(arrays["queued"], 0, 1)
        broken(sim, "the first region is queued")
        write(arrays["queued"], 0, 0)
        broken(sim, "the worker is to look at a zone of which nothing is queued")
        write(arrays["queued"], 0, 1 << 2)
        sim.check()
        write(arrays["is_queued"], 0, 0)
        broken(sim, "a region is queued but the worker is not to look at it")
        write(arrays["is_queued"], 0, 2)
        broken(sim, "a region is queued but the worker is not to look at it .at 2.")
        write(arrays["is_queued"], 0, 1)
        write(arrays["evacuate_at_ns"], 0, 1052)
        broken(sim, "the worker comes later than its latency allows .at 1052.")
        write(arrays["evacuate_at_ns"], 0, 1050)
        sim.check()

    def test_a_queue_that_nobody_looks_at(self):
        sim = simulation()
        write(memory_arrays(sim, 0)["queued"], 0, 1 << 2)
        write(memory_arrays(sim, 0)["is_queued"], 0, 1)
        broken(sim, "regions are queued although only calls evacuate")
