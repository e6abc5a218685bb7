"""Other threads, and other objects, that get in the way of a call."""

import gc
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from zones import small_zone

import pasralloc as pa

BUSY = "this zone is in use by another call"


def test_calls_from_another_thread_are_refused_while_a_batch_runs_without_the_gil():
    zone = pa.Zone(1 << 20, region_pages=1 << 15)
    refused = []
    stop = threading.Event()

    def pester():
        while not stop.is_set():
            for call in (
                zone.alloc,
                zone.snapshot,
                zone.check,
                zone.blocks,
                lambda: zone.block_of(0),
            ):
                try:
                    call()
                except RuntimeError as error:
                    refused.append(str(error))

    thread = threading.Thread(target=pester)
    thread.start()
    try:
        for _ in range(200):
            try:
                pfns = zone.alloc_batch(np.zeros(100_000, np.uint8))
                zone.free_batch(pfns)
            except RuntimeError as error:  # the other thread was inside check() or snapshot()
                refused.append(str(error))
            if len(refused) > 20:
                break
    finally:
        stop.set()
        thread.join()
    zone.check()
    assert refused
    assert set(refused) == {BUSY}


def test_a_stream_that_changes_while_it_runs_harms_nothing():
    zone = pa.Zone(1 << 20, region_pages=1 << 15)
    ops = np.zeros(200_000, pa.OP_DTYPE)
    ops["op"][1::2] = 1
    slots = np.full(1, -1, np.int64)
    raw = ops.view(np.uint64)
    stop = threading.Event()

    def scribble():
        rng = np.random.default_rng(0)
        while not stop.is_set():
            raw[rng.integers(0, len(raw), 64)] = rng.integers(0, 1 << 63, 64, dtype=np.uint64)

    thread = threading.Thread(target=scribble)
    thread.start()
    try:
        for _ in range(30):
            ops[:] = 0
            try:
                zone.run(ops, slots)
            except (ValueError, RuntimeError) as error:
                assert "ops[" in str(error)
            zone.check()
    finally:
        stop.set()
        thread.join()


CALLS = {
    "alloc": lambda zone: zone.alloc(),
    "free": lambda zone: zone.free(0),
    "alloc_batch": lambda zone: zone.alloc_batch([0]),
    "free_batch": lambda zone: zone.free_batch([0]),
    "run": lambda zone: zone.run(np.zeros(1, pa.OP_DTYPE), np.zeros(1, np.int64)),
    "take_range": lambda zone: zone.take_range(0, 1),
    "split_allocated": lambda zone: zone.split_allocated(0),
    "add_pages": lambda zone: zone.add_pages(0, 1),
    "set_pageblocks": lambda zone: zone.set_pageblocks(0, 1024, "movable"),
    "setup_reserve": lambda zone: zone.setup_reserve(),
    "unreserve_highatomic": lambda zone: zone.unreserve_highatomic(),
    "pageset": lambda zone: zone.pageset(),
    "drain": lambda zone: zone.drain(),
    "decay": lambda zone: zone.decay(),
    "parked_regions": lambda zone: zone.parked_regions(),
    "changed_regions": lambda zone: zone.changed_regions(),
    "buddyinfo": lambda zone: zone.buddyinfo(),
    "pagetypeinfo": lambda zone: zone.pagetypeinfo(),
    "pageblock_counts": lambda zone: zone.pageblock_counts(),
    "extfrag_events": lambda zone: zone.extfrag_events(),
    "block_of": lambda zone: zone.block_of(0),
    "blocks": lambda zone: zone.blocks(),
    "check": lambda zone: zone.check(),
    "snapshot": lambda zone: zone.snapshot(),
    "restore": lambda zone: zone.restore(SNAPSHOT),
    "digest": lambda zone: zone.digest(),
}
SNAPSHOT = small_zone().snapshot()


class Intruder:
    """An array whose conversion calls back into the zone that asked for it."""

    def __init__(self, call):
        self.call = call
        self.answer = None

    def __len__(self):
        return 1

    def __array__(self, dtype=None, copy=None):
        try:
            self.call()
        except RuntimeError as error:
            self.answer = str(error)
        return np.zeros(1, np.int64)


@pytest.mark.parametrize("name", CALLS)
def test_every_call_is_refused_while_another_owns_the_zone(name):
    zone = small_zone(pagesets=pa.Pagesets(), kernel="3.9" if name == "setup_reserve" else "6.12")
    intruder = Intruder(lambda: CALLS[name](zone))
    zone.alloc_batch(intruder)
    assert intruder.answer == BUSY
    zone.check()


def test_the_list_of_calls_above_is_complete():
    methods = {
        name
        for cls in pa.Zone.__mro__[:4]
        for name, value in vars(cls).items()
        if callable(value) and not name.startswith("_") and not isinstance(value, staticmethod)
    }
    assert methods == CALLS.keys() | {"region_of"}, "geometry alone never changes"


def test_a_conversion_that_lets_another_thread_in_does_not_share_the_zone():
    """`__index__` of an order returns only once the other thread owns the zone."""
    zone = pa.Zone(1 << 20, region_pages=1 << 15)
    ops = np.zeros(400_000, pa.OP_DTYPE)
    ops["op"][1::2] = 1
    slots = np.zeros(1, np.int64)

    class Order:
        def __index__(self):
            while thread.is_alive():
                try:
                    zone.buddyinfo()
                except RuntimeError:
                    return 0
            return 0

    for _ in range(20):
        thread = threading.Thread(target=zone.run, args=(ops, slots))
        thread.start()
        try:
            zone.alloc(Order())
        except RuntimeError as error:
            assert str(error) == BUSY
        thread.join()
        zone.check()


def test_two_zones_cannot_share_a_buffer():
    memory = np.zeros(pa.Zone.buffer_size(1024, region_pages=1024) * 2 + 64, np.uint8)
    memory = memory[-memory.ctypes.data % 64 :]
    zone = pa.Zone(1024, region_pages=1024, buffer=memory)
    with pytest.raises(ValueError, match="buffer overlaps the memory of another zone"):
        pa.Zone(1024, region_pages=1024, buffer=memory[64:])
    del zone
    pa.Zone(1024, region_pages=1024, buffer=memory).check()


def test_a_cycle_through_a_buffer_is_collected():
    class Memory(bytearray):
        pass

    freed = []
    for _ in range(5):
        memory = Memory(pa.Zone.buffer_size(1024, region_pages=1024) + 64)
        skip = -np.frombuffer(memory, np.uint8).ctypes.data % 64
        memory.zone = pa.Zone(1024, region_pages=1024, buffer=memoryview(memory)[skip:])
        weakref.finalize(memory, freed.append, 1)
        del memory
    gc.collect()
    assert len(freed) == 5


def test_a_terabyte_costs_what_is_used_of_it():
    script = (
        "import re, numpy as np, pasralloc as pa\n"
        "def resident():\n"
        "    return int(re.search(r'VmRSS:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
        "pa.Zone(1 << 20, region_pages=1 << 15).check()\n"
        "before = resident()\n"
        "zone = pa.Zone(1 << 28, region_pages=1 << 16)\n"
        "pfns = zone.alloc_batch(np.arange(11).repeat(5))\n"
        "zone.check()\n"
        "zone.free_batch(pfns)\n"
        "assert (zone.nr_regions, zone.nr_free) == (4096, 1 << 28)\n"
        "print(resident() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 32 * 1024, "KiB that became resident"
