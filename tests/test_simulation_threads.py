"""One call at a time, also while one has released the GIL."""

import sys
import threading
import time
from contextlib import suppress

import numpy as np
import pytest
from test_simulation import simulation

import pasralloc as pa


@pytest.fixture
def sim():
    return simulation("DMA32", "Normal", mib=8)


@pytest.fixture(autouse=True)
def short_switches():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def long_stream(nr):
    ops = np.zeros(nr, pa.OP_DTYPE)
    ops["op"][1::2] = 1
    ops["migratetype"] = 1
    return ops


@pytest.mark.parametrize("name", ["alloc", "advance", "free"])
def test_a_number_that_runs_code_lets_no_other_call_in(sim, name):
    """While a stream is at work, started by the conversion of an argument, the call is refused."""
    ops, slots = long_stream(6_000_000), np.zeros(1, np.int64)
    threads = []

    class Sly:
        def __index__(self):
            threads.append(threading.Thread(target=lambda: sim.run(ops, slots)))
            threads[-1].start()
            while threads[-1].is_alive():
                try:
                    sim.zones[0].buddyinfo()
                except RuntimeError:
                    return 2000
                time.sleep(0)
            return 2000

    pfn = sim.alloc()
    call = {
        "alloc": lambda: sim.alloc(now_ns=Sly()),
        "advance": lambda: sim.advance(Sly()),
        "free": lambda: sim.free(pfn, now_ns=Sly()),
    }[name]
    with pytest.raises(RuntimeError, match="in use by another call"):
        call()
    threads[0].join()
    sim.check()


def test_a_stream_in_another_thread_keeps_others_out(sim):
    ops = long_stream(6_000_000)

    def stream():
        while True:
            with suppress(RuntimeError):  # the other thread has its turn
                sim.run(ops, np.zeros(1, np.int64))
                return

    thread = threading.Thread(target=stream)
    thread.start()
    refused = 0
    while thread.is_alive():
        for call in (sim.alloc, sim.digest, sim.check, sim.zones[0].buddyinfo, sim.snapshot):
            with suppress(RuntimeError):
                call()
                continue
            refused += 1
    thread.join()
    assert refused
    sim.check()


def test_a_check_in_another_thread_sees_no_call_half_way(sim):
    """States are set and forgotten meanwhile: that is refused, or done before or after."""
    pfns = sim.alloc_batch(np.zeros(3000, np.uint8))
    faults = []

    def check():
        for _ in range(200):
            try:
                sim.check()
            except RuntimeError:
                pass
            except pa.CorruptZone as fault:
                faults.append(fault)

    thread = threading.Thread(target=check)
    thread.start()
    while thread.is_alive():
        for state in ("clean", "dirty", "unknown"):
            with suppress(RuntimeError):
                sim.set_page_states(pfns, state)
    thread.join()
    assert faults == []
    sim.check()
