"""Pictures; they need matplotlib, the extra ``plot``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pasralloc.outcomes.outcome import Outcome


class Curve(NamedTuple):
    """A published curve and the own one that is compared with it; completely free regions, once a second."""

    title: str
    published: Sequence[int]
    ours: Sequence[int]
    distance: float


def curves_of(outcome: Outcome) -> list[Curve]:
    """Pair the curves of ebizzy, one pair for every published state of the machine."""
    return [
        Curve(
            f"{state}, {ours['policy']}",
            outcome.published["states"][state]["trace"],
            ours["trace"],
            ours["distances"]["curve"],
        )
        for state, ours in outcome.ours["states"].items()
    ]


def check_picture(path: Path) -> None:
    """Refuse what `plot_curves` could not write: RuntimeError, ValueError or OSError, and nothing is written."""
    figure = _figure_class()(figsize=(1, 1))
    formats = figure.canvas.get_supported_filetypes()
    if path.suffix.lstrip(".") not in formats:
        raise ValueError(f"a picture must be named *.svg, *.png or *.pdf, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no directory {str(path.parent)!r} for the picture")


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise RuntimeError(
            "pictures need matplotlib: install pasralloc with the extra 'plot'"
        ) from None
    return Figure


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
    figure_class = _figure_class()
    import matplotlib

    # The same bytes for the same numbers.
    with matplotlib.rc_context({"svg.hashsalt": "pasralloc", "svg.fonttype": "none"}):
        columns = min(2, len(curves))
        rows = -(-len(curves) // columns)
        figure = figure_class(figsize=(4.6 * columns, 2.8 * rows), layout="constrained")
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
