"""Published and own numbers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pasralloc.outcomes.outcome import Outcome
from pasralloc.report.ebizzy import print_ebizzy

PAGETEST_COLUMNS = ("start", "512 MiB", "1024 MiB", "2048 MiB")
HIERARCHY_COLUMNS = ("start", "480 MiB", "later")


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Print an outcome, its checks and what it depends on."""
    printer = {
        "pagetest": _print_pagetest,
        "hierarchy": _print_hierarchy,
        "ebizzy": print_ebizzy,
        "zone-fragmentation": _print_designs,
        "compaction": _print_rows,
        "grouping": _print_rows,
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


def _print_rows(console: Console, outcome: Outcome) -> None:
    """One table for each list of rows; columns are what a row tells."""
    for name, rows in outcome.ours.items():
        table = Table(title=name, title_justify="left", box=SIMPLE_HEAD)
        for column in rows[0]:
            table.add_column(column.replace("_", " "), justify="right")
        for row in rows:
            table.add_row(*[f"{v:,}" if isinstance(v, int) else str(v) for v in row.values()])
        console.print(table)


def _print_designs(console: Console, outcome: Outcome) -> None:
    """Print what was counted, a table per load with one column per design."""
    orders = outcome.ours["by_order"]["orders"]
    for load, by_design in outcome.ours.items():
        table = Table(title=load.replace("_", " "), title_justify="left")
        table.add_column("")
        designs = [name for name in by_design if name != "orders"]
        for name in designs:
            table.add_column(name, justify="right")
        for key in by_design[designs[0]]:
            rows = [by_design[name][key] for name in designs]
            if load != "by_order":
                table.add_row(key.replace("_", " "), *[f"{nr:,}" for nr in rows])
                continue
            for i, order in enumerate(orders):
                table.add_row(
                    f"{key.replace('_', ' ')}, order {order}", *[f"{row[i]:,}" for row in rows]
                )
        console.print(table)


def _print_pairs(console: Console, outcome: Outcome) -> None:
    table = Table()
    for column in ("", "published", "own"):
        table.add_column(column)
    for name, ours in outcome.ours.items():
        table.add_row(name, str(outcome.published.get(name, "-")), str(ours))
    console.print(table)
