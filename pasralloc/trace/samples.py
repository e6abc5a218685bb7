"""Real traces that come with the package."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).parent.parent / "data"

SAMPLES = {
    "demo": "page cache dropped, then 28 processes that each map and touch 4 to 32 MiB and exit",
    "t1": "first 1.3 s of package installation and compilation, all six page events",
}


def sample_paths(name: str) -> tuple[Path, Path]:
    """Trace and start map of a sample.

    Raises
    ------
    ValueError
        If there is no such sample.
    """
    if name not in SAMPLES:
        raise ValueError(f"there is no sample {name!r}, expected one of {', '.join(SAMPLES)}")
    return DATA / f"{name}.ftrace.txt.xz", DATA / f"{name}.startmap.xz"
