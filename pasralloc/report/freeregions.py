"""Completely free regions over time, what holds the others, and what evacuations did."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TextIO

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pasralloc.report.sparkline import sparkline
from pasralloc.sim.replay import Result
from pasralloc.units import format_count

# Reasons for which a region stayed in use, with a column each; others are counted together.
_NO_TARGET = "next free page not in a lower region"
_UNMOVABLE = "unmovable pages"
_CACHED = "pages on per-CPU lists"
CURVE_WIDTH = 60


def regions_to_json(result: Result) -> dict[str, Any]:
    """Collect what `print_regions` shows of one result."""
    return {
        "regions_by_holder": result.regions_by_holder,
        "region_empty_seconds": result.region_empty_seconds,
        "evacuations": result.evacuations,
    }


def write_timeline(file: TextIO, results: Sequence[Result]) -> None:
    """Write a line per change of the number of completely free regions.

    Columns: ``time_ns``, the clock of the trace; ``policy``; ``free_regions``, from this time on. The first line of
    each policy is of the first event.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("time_ns", "policy", "free_regions"))
    for result in results:
        for time_ns, nr in zip(*(each.tolist() for each in result.free_regions()), strict=True):
            writer.writerow((time_ns, result.policy.name, nr))


def means(result: Result, nr: int) -> list[float]:
    """Mean number of completely free regions in each of *nr* equal parts of the time of the trace."""
    times_ns, nr_free = result.free_regions()
    span = float(result.last_ns - result.first_ns)
    if span <= 0:
        return [float(result.empty_end)]
    at = np.append(times_ns - result.first_ns, span)
    area = np.concatenate([[0.0], np.cumsum(np.diff(at) * nr_free)])
    edges = np.linspace(0, span, nr + 1)
    means = np.diff(np.interp(edges, at, area)) / (span / nr)
    # What is beyond a millionth of a region is left over from the large numbers in between.
    heights: list[float] = means.round(6).tolist()
    return heights


def print_regions(console: Console, results: Sequence[Result]) -> None:
    """Print the curves, what holds the regions at the end, and what evacuations did."""
    _print_curves(console, results)
    _print_holders(console, results)
    evacuated = [result for result in results if result.evacuations is not None]
    if evacuated:
        _print_evacuations(console, evacuated)


def _print_curves(console: Console, results: Sequence[Result]) -> None:
    ascii_only = not (console.encoding or "").lower().startswith("utf")
    curves = [means(result, CURVE_WIDTH) for result in results]
    low, high = min(map(min, curves)), max(map(max, curves))
    console.print(
        f"\nCompletely free regions over time (lowest bar {low:.1f}, highest {high:.1f}):"
        if high > low
        else f"\nCompletely free regions over time: {high:.1f} throughout, under every policy"
    )
    if high > low:
        width = max(len(result.policy.name) for result in results) + 2
        for result, curve in zip(results, curves, strict=True):
            line = sparkline(curve, CURVE_WIDTH, ascii_only=ascii_only, bounds=(low, high))
            console.print(Text(f"{result.policy.name:<{width}}{line}"), soft_wrap=True)


def _print_holders(console: Console, results: Sequence[Result]) -> None:
    table = Table(title="\nRegions at the end by what holds them", title_justify="left")
    table.add_column("policy")
    for heading in (
        "free",
        "pagesets\nonly",
        "movable,\nfew",
        "movable,\nmany",
        "unmov-\nable",
        "few: at\nmost",
        "empty region-\nseconds",
    ):
        table.add_column(heading, justify="right")
    for result in results:
        regions = result.regions_by_holder
        table.add_row(
            result.policy.name,
            *(
                str(regions[name])
                for name in ("free", "cached", "movable_few", "movable_many", "unmovable")
            ),
            format_count(result.most_used),
            f"{result.region_empty_seconds:.1f}",
        )
    table.add_section()
    first = results[0]
    bound = f"{first.packed_mean * first.seconds_traced:.1f}"
    table.add_row("packing bound", str(first.packed_end), *[""] * 5, bound, style="dim")
    console.print(table)


def _short(number: int) -> str:
    return format_count(number) if number < 1_000_000 else f"{number / 1e6:.2f} M"


def _print_evacuations(console: Console, results: Sequence[Result]) -> None:
    table = Table(title="\nEvacuations: regions, and pages", title_justify="left")
    table.add_column("policy")
    for heading in (
        "regions\ntried",
        "emp-\ntied",
        "but for\npagesets",
        "next not\nlower",
        "unmov-\nable",
        "other\nreason",
        "pages\nmoved",
        "\ndropped",
        "\nfailed",
    ):
        table.add_column(heading, justify="right")
    for result in results:
        did = result.evacuations or {}
        held = did["held"]
        other = sum(held.values()) - held[_CACHED] - held[_NO_TARGET] - held[_UNMOVABLE]
        numbers = (
            *(did["tried"], did["complete"], held[_CACHED], held[_NO_TARGET], held[_UNMOVABLE]),
            *(other, did["moved"], did["dropped"], did["failed"]),
        )
        table.add_row(result.policy.name, *map(_short, numbers))
    console.print(table)
    for result in results:
        if result.policy.evacuation is not None:
            fields = ", ".join(
                f"{name}={value}" for name, value in asdict(result.policy.evacuation).items()
            )
            console.print(f"{result.policy.name}: {fields}", markup=False, soft_wrap=True)
    console.print(
        "Movable is what was requested as movable, and movable and cache pages of the start map."
        " Moves take no time."
    )
