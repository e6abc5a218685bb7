"""Pictures; they need matplotlib, the extra ``plot``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Curve(NamedTuple):
    """A published curve and the own one that is compared with it; completely free regions, once a second."""

    title: str
    published: Sequence[int]
    ours: Sequence[int]
    distance: float


def plot_curves(curves: Sequence[Curve], path: Path) -> None:
    """Draw each pair of curves in a panel of its own.

    Parameters
    ----------
    curves : sequence of Curve
    path : Path
        Where to write; its suffix decides the format (``.svg``, ``.png``, ``.pdf``).

    Raises
    ------
    RuntimeError
        If matplotlib is not installed.
    ValueError, OSError
        If the format is unknown, or the file cannot be written.
    """
    try:
        import matplotlib
    except ImportError:
        raise RuntimeError(
            "pictures need matplotlib: install pasralloc with the extra 'plot'"
        ) from None
    from matplotlib.figure import Figure

    # The same bytes for the same numbers.
    with matplotlib.rc_context({"svg.hashsalt": "pasralloc", "svg.fonttype": "none"}):
        columns = min(2, len(curves))
        rows = -(-len(curves) // columns)
        figure = Figure(figsize=(4.6 * columns, 2.8 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for panel, curve in zip(panels.flat, curves, strict=False):
            panel.plot(curve.published, color="0.55", linewidth=3, label="published")
            panel.plot(curve.ours, color="C0", linewidth=1.4, label="own")
            panel.set_title(f"{curve.title}: distance {curve.distance:g} regions", fontsize=9)
            panel.set_ylim(bottom=0)
            panel.grid(alpha=0.3)
        for panel in panels.flat[len(curves) :]:
            panel.set_axis_off()
        panels[0, 0].legend(fontsize=8)
        figure.supxlabel("seconds", fontsize=9)
        figure.supylabel("completely free regions", fontsize=9)
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, metadata=metadata)
