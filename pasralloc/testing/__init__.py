"""Tools to test allocators with: executable models, strategies and state machines.

`ZoneModel`, `freelist`, `pcplists` and `corrupt` need numpy alone; `ZoneMachine` needs
hypothesis and is imported when it is first asked for.
"""

from __future__ import annotations

from typing import Any

from pasralloc.testing.inside import corrupt, freelist, pcplists
from pasralloc.testing.model import ZoneModel

__all__ = ["ZoneMachine", "ZoneModel", "corrupt", "freelist", "pcplists"]


def __getattr__(name: str) -> Any:
    if name == "ZoneMachine":
        from pasralloc.testing.machine import ZoneMachine

        return ZoneMachine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
