"""A Linux-like page allocator in user space that knows what memory could sleep."""

from __future__ import annotations

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# Public name -> module that has it. Looked up on first use, so that importing
# the package costs nothing and the command line starts at once.
_WHERE = {
    "OP_DTYPE": "pasralloc._core.batchcalls",
    "ALLOC_HIGHATOMIC": "pasralloc._core.zoneobject",
    "ALLOC_NOFRAGMENT": "pasralloc._core.zoneobject",
    "ALLOC_NON_BLOCK": "pasralloc._core.zoneobject",
    "ALLOC_OOM": "pasralloc._core.zoneobject",
    "Pageset": "pasralloc.sizing",
    "Pagesets": "pasralloc.sizing",
    "BLOCK_DTYPE": "pasralloc._core.records",
    "Block": "pasralloc._core.records",
    "Zone": "pasralloc._core.zoneobject",
    "ZoneSnapshot": "pasralloc._core.snapshot",
    "EVENT_DTYPE": "pasralloc._core.textparser",
    "CommandError": "pasralloc.errors",
    "CorruptZone": "pasralloc.errors",
    "DramError": "pasralloc.errors",
    "InvalidFree": "pasralloc.errors",
    "MachineError": "pasralloc.errors",
    "MissingValue": "pasralloc.errors",
    "MoveRefused": "pasralloc.errors",
    "OutOfMemory": "pasralloc.errors",
    "PasrallocError": "pasralloc.errors",
    "TraceFormatError": "pasralloc.errors",
    "Machine": "pasralloc.machine.machine",
    "Policy": "pasralloc.policy.presets",
    "Result": "pasralloc.sim.replay",
    "StartMap": "pasralloc.trace.startmap",
    "Trace": "pasralloc.trace.trace",
    "ALLOC_MIN_RESERVE": "pasralloc._core.memory",
    "MemorySnapshot": "pasralloc._core.snapshot",
    "MemoryZone": "pasralloc._core.memorybase",
    "Evacuated": "pasralloc._core.records",
    "Evacuation": "pasralloc.policy.evacuation",
    "HELD_DTYPE": "pasralloc._core.records",
    "MOVE_DTYPE": "pasralloc._core.records",
    "MOVE_SINK": "pasralloc._core.memoryranges",
    "RECLAIMED_DTYPE": "pasralloc._core.records",
    "Simulation": "pasralloc.sim.simulation",
    "compare": "pasralloc.comparison",
    "replay": "pasralloc.sim.replay",
}


# Subpackages reachable as attributes without an import of their own.
_SUBPACKAGES = ("dram", "machine")


def get_include() -> str:
    """Directory of the C headers, for the include path of an extension that cimports pasralloc."""
    return os.path.join(os.path.dirname(__file__), "include")


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(_WHERE[name]), name)
        globals()[name] = value
        return value
    if name in _SUBPACKAGES:
        return importlib.import_module(f"pasralloc.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE, *_SUBPACKAGES})
