"""Machines as they are named on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pasralloc.machine.machine import Machine


def machine_named(name: str) -> Machine:
    """Read the TOML file of that name, or return the preset."""
    from pasralloc.machine.machine import Machine

    return Machine.from_toml(name) if name.endswith(".toml") else Machine.preset(name)
