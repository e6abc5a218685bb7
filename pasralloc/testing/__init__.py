"""Tools to test allocators with: executable models, strategies and state machines.

`ZoneModel`, `MemoryModel`, `freelist`, `pcplists` and `corrupt` need numpy alone; `ZoneMachine` and
`SimulationMachine` need hypothesis and are imported when they are first asked for.
"""

from __future__ import annotations

from typing import Any

from pasralloc.testing.inside import corrupt, freelist, pcplists
from pasralloc.testing.memory import MemoryModel
from pasralloc.testing.model import ZoneModel

__all__ = [
    "MemoryModel",
    "SimulationMachine",
    "ZoneMachine",
    "ZoneModel",
    "corrupt",
    "freelist",
    "pcplists",
]


def __getattr__(name: str) -> Any:
    if name == "ZoneMachine":
        from pasralloc.testing.machine import ZoneMachine

        return ZoneMachine
    if name == "SimulationMachine":
        from pasralloc.testing.simulation import SimulationMachine

        return SimulationMachine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
