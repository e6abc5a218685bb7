"""What is simulated: nodes, zones, regions and watermarks of a machine, as values."""

from __future__ import annotations

import importlib
from typing import Any

# Public name -> module that has it; looked up on first use, as in the package itself.
_WHERE = {
    "Machine": "machine",
    "MemoryRegion": "topology",
    "Node": "topology",
    "PowerNode": "mpst",
    "PowerState": "mpst",
    "PowerTable": "mpst",
    "ZoneSpan": "topology",
    "ZoneWatermarks": "watermarks",
    "memory_from_devicetree": "devicetree",
    "regions_from_mpst": "mpst",
    "regular": "regions",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(f"pasralloc.machine.{_WHERE[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
