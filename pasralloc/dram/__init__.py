"""DRAM parts, what their states and commands cost, and which memory shares a rank."""

from __future__ import annotations

import importlib
from typing import Any

# Public name -> module that has it; looked up on first use, as in the package itself.
_WHERE = {
    "ASSUMPTIONS": "parameters",
    "COMMANDS": "commands",
    "COMMAND_DTYPE": "commands",
    "CommandEnergy": "energy",
    "CommandMeter": "energy",
    "DramSpec": "spec",
    "Rail": "spec",
    "case_energy": "cases",
    "check_case": "cases",
    "check_file": "cases",
    "command_array": "commands",
    "command_energy": "energy",
    "SIGMA_RANGES": "selfrefresh",
    "PasrFit": "selfrefresh",
    "RefreshSetting": "pasr",
    "refresh_setting": "pasr",
    "refresh_settings": "pasr",
    "AddressMap": "mapping",
    "Geometry": "geometry",
    "Place": "mapping",
    "by_rank": "domains",
    "by_segment": "domains",
    "domain_table": "domains",
    "idle_seconds": "domains",
    "region_places": "domains",
    "ChannelPower": "traffic",
    "PlatformState": "platform",
    "PlatformTable": "platform",
    "channel_power": "traffic",
    "gap_probability": "traffic",
    "mean_gap": "traffic",
    "read_platform": "platform",
    "StatePower": "states",
    "StateTable": "states",
    "pasr_fit": "selfrefresh",
    "self_refresh_share": "selfrefresh",
    "state_powers": "states",
    "part": "parts",
    "part_ids": "parts",
    "read_part": "parts",
}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(f"pasralloc.dram.{_WHERE[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE})
