"""How far is a zone with pagesets from an allocator in plain C that does as little as possible?

Absolute times say as much of the machine as of the code. `plain.c` runs the same streams
over the same slots at the same time: what is left is what migratetypes, counters
and pagesets as Linux sizes them cost. Unchecked, it does not look at a page that is
freed: what is between the two is the price of refusing a double free.
"""

import ctypes
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from rounds import measure
from streams import Scenario, prepare

from pasralloc import OP_DTYPE, Pagesets, Zone

GIB = 1 << 18
NR_OPS = 2_000_000
SLOT_AHEAD = 64


class Plain:
    """The allocator of plain.c in place of a zone, with the blocks of one."""

    def __init__(self, library: ctypes.CDLL, zone: Zone) -> None:
        zone.drain()
        blocks = zone.blocks()
        self.library = library
        self.nr_pages = zone.nr_pages
        self.frames = blocks["pfn"].astype(np.uint32)
        self.orders = blocks["order"].astype(np.uint8)
        self.are_free = blocks["is_free"].astype(np.uint8)
        self.c = None

    def snapshot(self) -> None:
        """It starts afresh instead."""

    def restore(self, _: None) -> None:
        self.close()
        self.c = self.library.plain_create(self.nr_pages)
        if self.c is None:
            raise MemoryError("no memory for the plain allocator")
        pointers = (
            array.ctypes.data_as(ctypes.c_void_p)
            for array in (self.frames, self.orders, self.are_free)
        )
        self.library.plain_add(self.c, *pointers, len(self.frames))

    def close(self) -> None:
        if self.c is not None:
            self.library.plain_destroy(self.c)
        self.c = None

    def run(self, ops: np.ndarray, slots: np.ndarray) -> int:
        """*ops* has SLOT_AHEAD entries more than are executed."""
        return self.library.plain_run(
            self.c,
            ops.ctypes.data_as(ctypes.c_void_p),
            len(ops) - SLOT_AHEAD,
            slots.ctypes.data_as(ctypes.c_void_p),
        )

    def check(self) -> None:
        """There is nothing to compare with."""


def build(folder: Path, *options: str) -> ctypes.CDLL:
    path = folder / "plain.so"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()
    source = Path(__file__).with_name("plain.c")
    subprocess.run([*compiler, "-O3", "-shared", "-fPIC", *options, source, "-o", path], check=True)
    library = ctypes.CDLL(str(path))
    library.plain_create.restype = ctypes.c_void_p
    library.plain_create.argtypes = [ctypes.c_uint32]
    library.plain_destroy.restype = None
    library.plain_destroy.argtypes = [ctypes.c_void_p]
    library.plain_add.restype = None
    library.plain_add.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_uint64]
    library.plain_run.restype = ctypes.c_int64
    library.plain_run.argtypes = [
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_uint64,
        ctypes.c_void_p,
    ]
    return library


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("pair", "plain C"),
        ("coin", "plain C"),
        ("mixed", "plain C"),
        # Streams of single pages only: frees of others do not say of what order.
        ("pair", "unchecked C"),
        ("coin", "unchecked C"),
    ],
)
def bench_beside_plain_c(benchmark, tmp_path, name, beside):
    def zone():
        return Zone(16 * GIB, region_pages=GIB // 4, placement="sorted", pagesets=Pagesets())

    ours = prepare(name, zone(), NR_OPS)
    start = prepare(name, zone(), NR_OPS)
    ops = np.concatenate([start.ops, np.zeros(SLOT_AHEAD, OP_DTYPE)])
    library = build(tmp_path, *(["-DUNCHECKED"] if beside == "unchecked C" else []))
    plain = Scenario(Plain(library, start.zone), ops, start.slots)
    plain.reset()
    measure(benchmark, plain, ours, 16, scenario=name, pagesets="plain", beside=beside)
    plain.zone.close()
