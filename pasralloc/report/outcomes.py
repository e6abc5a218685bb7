"""Published and own numbers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pasralloc.outcomes.outcome import Outcome
from pasralloc.report.sparkline import sparkline

PAGETEST_COLUMNS = ("start", "512 MiB", "1024 MiB", "2048 MiB")
HIERARCHY_COLUMNS = ("start", "480 MiB", "later")


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Print an outcome, its checks and what it depends on."""
    printer = {
        "pagetest": _print_pagetest,
        "hierarchy": _print_hierarchy,
        "ebizzy": _print_ebizzy,
        "zone-fragmentation": _print_columns,
        "compaction": _print_steps,
    }.get(outcome.outcome, _print_pairs)
    printer(console, outcome)
    for check, holds in outcome.checks.items():
        console.print(Text(f"{'holds' if holds else 'FAILS'}  {check}", "" if holds else "bold"))
    console.print(
        f"parameters: {outcome.parameters}", soft_wrap=True, markup=False, highlight=False
    )


def _cells(published: Any, ours: Any) -> Text:
    return Text(f"{published:,}") + Text(f" {ours:,}", "dim" if published == ours else "bold")


def _region_table(
    title: str,
    columns: Sequence[str],
    published: Sequence[Sequence[int]],
    ours: Sequence[Sequence[int]],
) -> Table:
    """Rows are regions, columns moments; a cell is the published number and the own one."""
    # Four columns of two numbers fit into 80 characters without lines between them.
    table = Table(
        title=f"{title}: free pages, published and own", title_justify="left", box=SIMPLE_HEAD
    )
    table.add_column("R", justify="right")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    for region in range(len(published[0])):
        table.add_row(
            str(region),
            *[_cells(p[region], o[region]) for p, o in zip(published, ours, strict=True)],
        )
    return table


def _print_pagetest(console: Console, outcome: Outcome) -> None:
    for version, policies in outcome.ours.items():
        for policy, table in policies.items():
            console.print(
                _region_table(
                    f"{version} under {policy}", PAGETEST_COLUMNS, outcome.published[version], table
                )
            )


def _print_hierarchy(console: Console, outcome: Outcome) -> None:
    console.print(
        _region_table(
            "hierarchy", HIERARCHY_COLUMNS, outcome.published["regions"], outcome.ours["regions"]
        )
    )


def _print_steps(console: Console, outcome: Outcome) -> None:
    """One table for each sequence of steps; columns are what is known after a step."""
    for name, steps in outcome.ours.items():
        table = Table(title=name, title_justify="left", box=SIMPLE_HEAD)
        for column in steps[0]:
            table.add_column(column.replace("_", " "), justify="right")
        for step in steps:
            table.add_row(*[f"{v:,}" if isinstance(v, int) else str(v) for v in step.values()])
        console.print(table)


def _print_columns(console: Console, outcome: Outcome) -> None:
    """Print what was counted, one column per design."""
    table = Table()
    table.add_column("")
    for name in outcome.ours:
        table.add_column(name, justify="right")
    for key in next(iter(outcome.ours.values())):
        table.add_row(key.replace("_", " "), *[f"{ours[key]:,}" for ours in outcome.ours.values()])
    console.print(table)


def _print_pairs(console: Console, outcome: Outcome) -> None:
    table = Table()
    for column in ("", "published", "own"):
        table.add_column(column)
    for name, ours in outcome.ours.items():
        table.add_row(name, str(outcome.published.get(name, "-")), str(ours))
    console.print(table)


def _print_ebizzy(console: Console, outcome: Outcome) -> None:
    policies = list(outcome.parameters["policies"])
    table = Table(title="completely free regions", title_justify="left")
    for column in ("", "start", "least", "end", "drained", "one sample per second"):
        table.add_column(
            column, justify="left" if column in ("", "one sample per second") else "right"
        )
    for name, curve in outcome.published["curves"].items():
        table.add_row(
            f"published, {name}",
            str(curve[0]),
            str(min(curve)),
            str(curve[-1]),
            "-",
            _line(console, curve),
        )
    for name in policies:
        ours = outcome.ours[name]
        table.add_row(
            name,
            *[str(ours[key]) for key in ("start", "min", "end", "end_drained")],
            _line(console, ours["trace"]),
        )
    console.print(table)
    for name in policies:
        ours = outcome.ours[name]
        if "curve_distance" in ours:
            console.print(
                f"{name}: mean distance from the published curve {ours['curve_distance']} regions"
            )
        if "lists_distance" in ours:
            console.print(
                f"{name}: {ours['lists_distance']:.0%} of the free pages lie on other lists at the end"
            )
    _print_missing(console, outcome)
    _print_ends(console, "seed", range(outcome.parameters["seeds"]), outcome.ours["ends_by_seed"])
    rates = outcome.ours["ends_by_rate"]["rates"]
    if rates:
        _print_ends(console, "background pages/s", rates, outcome.ours["ends_by_rate"])


def _print_missing(console: Console, outcome: Outcome) -> None:
    for name in outcome.parameters["policies"]:
        missing = outcome.ours[name]["missing"]
        text = f"{name}: {len(missing)} regions of ZONE_NORMAL of node 0 are incomplete, half of them lack at most"
        console.print(f"{text} {missing[len(missing) // 2] if missing else 0} pages")


def _line(console: Console, curve: Sequence[int]) -> str:
    return sparkline(curve, ascii_only=not console.encoding.startswith("utf"))


def _print_ends(console: Console, title: str, rows: Sequence[float], ends: dict[str, Any]) -> None:
    policies = [name for name in ends if name != "rates"]
    table = Table(title=f"completely free regions at the end, by {title}", title_justify="left")
    table.add_column(title, justify="right")
    for name in policies:
        table.add_column(name, justify="right")
    for i, row in enumerate(rows):
        table.add_row(f"{row:g}", *[str(ends[name][i]) for name in policies])
    console.print(table)
