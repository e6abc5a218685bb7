"""Published and own numbers of ebizzy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pasralloc.outcomes.outcome import Outcome
from pasralloc.outcomes.published import REGION_PAGES
from pasralloc.report.sparkline import sparkline

DISTANCES = {
    "curve": "curve, mean difference in regions",
    "lists": "share of the free pages on other lists",
    "start_of_use": "regions in use at the start, mean difference in pages",
    "missing": "pages missing from the other regions that were printed, mean difference",
    "missing_distribution": "the same, largest difference of the distributions",
}


def print_ebizzy(console: Console, outcome: Outcome) -> None:
    """Print curves, states of the machine with their distances, and end counts by rate."""
    _print_curves(console, outcome)
    for name, ours in outcome.ours["states"].items():
        _print_state(console, name, outcome.published["states"][name], ours)
    _print_ends(console, outcome)


def _print_curves(console: Console, outcome: Outcome) -> None:
    last = "by second"
    table = Table(title="completely free regions", title_justify="left", box=SIMPLE_HEAD)
    for column in ("state", "start", "least", "end", "drained", last):
        table.add_column(
            column, justify="left" if column in ("state", last) else "right", no_wrap=True
        )
    for name, ours in outcome.ours["states"].items():
        table.add_row(f"{name}, published", *_numbers(console, outcome.published["states"][name]))
        table.add_row(f"{name}, {ours['policy']}", *_numbers(console, ours))
    state = outcome.parameters["state"]
    for policy in outcome.parameters["policies"]:
        if outcome.ours[policy]["state"] == state and policy not in outcome.published:
            table.add_row(f"{state}, {policy}", *_numbers(console, outcome.ours[policy]))
    console.print(table)


def _numbers(console: Console, run: dict[str, Any]) -> list[str]:
    # What remains of 80 characters.
    line = sparkline(run["trace"], 18, ascii_only=not console.encoding.startswith("utf"))
    return [*(_text(run[key]) for key in ("start", "min", "end", "end_drained")), line]


def _text(value: Any) -> str:
    return "-" if value is None else f"{value:,}"


def _print_state(
    console: Console, name: str, published: dict[str, Any], ours: dict[str, Any]
) -> None:
    if published["policy"] != ours["policy"]:
        console.print(
            f"{name} was measured with {published['policy']}, which is not among the techniques here:"
            f" compared with {ours['policy']}"
        )
    title = f"{name}: ZONE_NORMAL of node 0 at the end, published and {ours['policy']}"
    if published["lists"] is not None:
        table = Table(title=f"{title}; free blocks", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("order", justify="right")
        for kind in published["lists"]:
            table.add_column(kind, justify="right", no_wrap=True)
        for order in range(len(published["lists"]["movable"])):
            cells = [
                f"{published['lists'][kind][order]} {ours['lists'][kind][order]}"
                for kind in published["lists"]
            ]
            table.add_row(str(order), *cells)
        console.print(table)
    if any(nr is not None for nr in published["nr_free"]):
        console.print(f"{title}; free pages of regions of which they were printed:")
        pairs = zip(published["nr_free"], ours["nr_free"], strict=True)
        known = [(i, other, own) for i, (other, own) in enumerate(pairs) if other is not None]
        texts = [f"R{i} {other} {own}" for i, other, own in known if other != REGION_PAGES]
        complete = [own == REGION_PAGES for _, other, own in known if other == REGION_PAGES]
        console.print(f"  {', '.join(texts)}; of {len(complete)} complete ones {sum(complete)} are")
        console.print(
            f"  missing from regions not in use at the start: {_text(published['missing_elsewhere'])} pages,"
            f" own {_text(ours['missing_elsewhere'])}; {ours['missing_80_to_1000']} regions miss 80 to 1000"
        )
    for key, what in DISTANCES.items():
        if ours["distances"][key] is not None:
            console.print(f"  distance of {what}: {ours['distances'][key]}")


def _print_ends(console: Console, outcome: Outcome) -> None:
    swept = outcome.ours["by_rate"]
    policies = list(outcome.parameters["policies"])
    table = Table(
        title=f"completely free regions at the end from state {outcome.parameters['state']}, before and after a"
        " drain of the pagesets; with several seeds the least and the most",
        title_justify="left",
    )
    table.add_column("background pages/s", justify="right")
    for name in policies:
        table.add_column(name, justify="right")
    table.add_column("in order")
    for i, rate in enumerate(swept["rates"]):
        cells = [
            " ".join(_range(swept[key][name][i]) for key in ("end", "end_drained"))
            for name in policies
        ]
        table.add_row(f"{rate:g}", *cells, "yes" if swept["ordered"][i] else "no")
    console.print(table)


def _range(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else f"{min(values)}-{max(values)}"
