"""The machines that come with the package."""

from __future__ import annotations

from pathlib import Path

from pasralloc.choices import unknown
from pasralloc.errors import MachineError

PRESETS = Path(__file__).parent / "presets"


def preset_names() -> tuple[str, ...]:
    """Names of the presets, sorted."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.toml")))


def preset_path(name: str) -> Path:
    """File of a preset.

    Raises
    ------
    MachineError
        If there is none of this name.
    """
    if name not in preset_names():
        raise MachineError("machine", [("", unknown("preset", name, preset_names()))])
    return PRESETS / f"{name}.toml"
