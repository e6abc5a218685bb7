"""A comparison of policies as tables for a terminal, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pasralloc.comparison import equal_groups
from pasralloc.report.freeregions import print_regions, regions_to_json
from pasralloc.report.strip import strip
from pasralloc.sim.replay import Result
from pasralloc.units import format_count, format_pages, format_rate, format_seconds

_ANOMALIES = {
    "failed_allocs": "failed allocations",
    "implicit_frees": "implicit frees",
    "start_contradictions": "of them against the start map",
    "unknown_frees": "frees of unknown pages",
    "free_of_free": "frees of free pages",
    "order_mismatches": "frees of another order",
    "lost_frees": "lost frees",
    "bad_records": "impossible records",
}


def to_json(quality: dict[str, Any], results: Sequence[Result]) -> str:
    """``{"quality": ..., "policies": [{"name", ...}], "equal": ...}``."""
    return json.dumps(
        {
            "quality": quality,
            "policies": [_policy_as_json(result) for result in results],
            "equal": equal_groups(results),
        },
        indent=2,
    )


def _policy_as_json(result: Result) -> dict[str, Any]:
    return {
        "name": result.policy.name,
        "regions": result.nr_regions,
        "regions_touched": result.regions_touched,
        "free_regions": {
            "start": result.empty_start,
            "mean": result.empty_mean,
            "end": result.empty_end,
        },
        "packing_bound": {
            "start": result.packed_start,
            "mean": result.packed_mean,
            "end": result.packed_end,
        },
        "transitions": [
            {"time_ns": int(time_ns), "region": int(region), "is_empty": bool(is_empty)}
            for time_ns, region, is_empty in result.transitions.tolist()
        ],
        "failures": result.counts["failures"],
        "fallbacks": {
            "count": result.nr_extfrag,
            "per_million_allocs": result.extfrag_per_million,
        },
        "counts": result.counts,
        "counters": result.counters,
        **regions_to_json(result),
        "used_pages": {"start": result.used_start.tolist(), "end": result.used_end.tolist()},
        "managed_pages": result.managed.tolist(),
        "events_per_second": result.events_per_second,
        "provenance": result.provenance,
    }


def print_quality(console: Console, quality: dict[str, Any]) -> None:
    """Print the quality block: what the answer rests on."""
    table = Table(title="Quality of the input", title_justify="left", show_header=False, box=None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    kinds = ", ".join(
        f"{name} {format_count(nr)}" for name, nr in quality["events_by_kind"].items() if nr
    )
    table.add_row("trace", Text(f"{quality['trace']} ({quality['format']})"))
    table.add_row(
        "events",
        f"{format_count(quality['events'])} in {format_seconds(quality['span_ns'])}: {kinds}",
    )
    skipped = f"{format_count(quality['bad_lines'])} unparsable, {format_count(quality['other_events'])} other events"
    table.add_row("lines", f"{format_count(quality['lines'])}; {skipped}")
    for quote in quality["bad_quotes"]:
        table.add_row("", Text(f"line {quote['line']}: {quote['text']!r}"))
    lost = f"{format_count(quality['lost_events'])} events at {format_count(quality['lost_marks'])} marks"
    damage = f"; damaged: {quality['damage']}" if quality["damage"] else ""
    table.add_row("lost", Text(lost + damage))
    types = quality["migratetypes"]
    names = ", ".join(f"{number} {name}" for number, name in enumerate(types["names"]))
    table.add_row("migratetypes", f"{names} ({types['source']})")
    table.add_row("start", _start_text(quality))
    odd = [
        f"{label} {format_count(quality['anomalies'][name]['count'])}"
        f" ({quality['anomalies'][name]['percent']:.3g} % of {quality['anomalies'][name]['of']})"
        for name, label in _ANOMALIES.items()
        if quality["anomalies"][name]["count"]
    ]
    table.add_row("anomalies", "; ".join(odd) if odd else "none")
    if quality["added_pages"]:
        table.add_row("came online", f"{format_pages(quality['added_pages'])} during the trace")
    for number, assumption in enumerate(quality["assumptions"]):
        table.add_row("assumed" if number == 0 else "", assumption)
    console.print(table)


def _start_text(quality: dict[str, Any]) -> str:
    if quality["start_map"] is None:
        return f"no start map; {format_pages(quality['memory_pages'])} of memory"
    pages = ", ".join(f"{name} {format_pages(nr)}" for name, nr in quality["start_map"].items())
    how = {
        "recorded": "pages in use sit where they sat",
        "booted": "pages in use are placed anew",
    }[quality["start"]]
    return f"{quality['start']}: {how}; {pages}"


def print_comparison(console: Console, quality: dict[str, Any], results: Sequence[Result]) -> None:
    """Print the quality block, the table of policies, and a strip of the regions of each."""
    print_quality(console, quality)
    first = results[0]
    regions = f"\n{first.nr_regions} regions"
    if quality["region_pages"] is not None:
        regions += f" of {format_pages(quality['region_pages'])}"
    if quality["machine"] is not None:
        regions += f" on {quality['machine']}"
    table = Table(title=Text(regions), title_justify="left")
    table.add_column("policy")
    for heading in (
        "regions\ntouched",
        "free regions\nstart",
        "\nmean",
        "\nend",
        "transi-\ntions",
        "fail-\nures",
        "fallbacks\n/M allocs",
        "events/s",
    ):
        table.add_column(heading, justify="right")
    for result in results:
        table.add_row(
            result.policy.name,
            str(result.regions_touched),
            str(result.empty_start),
            f"{result.empty_mean:.1f}",
            str(result.empty_end),
            format_count(len(result.transitions)),
            format_count(result.counts["failures"]),
            f"{result.extfrag_per_million:.0f}",
            format_rate(result.events_per_second),
        )
    table.add_section()
    table.add_row(
        "packing bound",
        "",
        str(first.packed_start),
        f"{first.packed_mean:.1f}",
        str(first.packed_end),
        "",
        "",
        "",
        "",
        style="dim",
    )
    traced = quality["fallbacks_per_million"]
    fallbacks = "none seen" if traced is None else f"{traced:.0f}"
    table.add_row("as traced", "", "", "", "", "", "", fallbacks, "", style="dim")
    console.print(table)
    print_counters(console, results)
    print_regions(console, results)
    print_strips(console, results)
    for names in equal_groups(results):
        console.print(f"Equal on this input: {' and '.join(names)} come out the same.")


def print_counters(console: Console, results: Sequence[Result]) -> None:
    """Print what the zones of a machine did to requests; nothing if there is no machine."""
    if results[0].counters is None:
        return
    table = Table(title="\nRequests on their way through the zones", title_justify="left")
    table.add_column("policy")
    for heading in (
        "zones passed over\nfor a watermark",
        "zones tried\nin vain",
        "requests below\nall low watermarks",
        "kswapd\nruns",
    ):
        table.add_column(heading, justify="right")
    for result in results:
        counters = result.counters or {}
        table.add_row(
            result.policy.name,
            *(format_count(counters[name]) for name in ("misses", "walked", "slow", "kswapd_runs")),
        )
    console.print(table)


def print_strips(console: Console, results: Sequence[Result]) -> None:
    """Print how full each region is at the start, and at the end under each policy."""
    ascii_only = not (console.encoding or "").lower().startswith("utf")
    label_width = max(len("start"), *(len(result.policy.name) for result in results)) + 2
    width = max(16, min(console.width, 160) - label_width - 1)
    first = results[0]
    nr_regions = len(first.managed)
    per_character = -(-nr_regions // width)
    scale = (
        "one character a region"
        if per_character == 1
        else f"about {per_character} regions a character"
    )
    console.print(f"\nPages in use per region, lowest region first ({scale};")
    console.print("blank: no memory, dot: completely free):")
    rows = [("start", first.used_start)] + [(r.policy.name, r.used_end) for r in results]
    for label, used in rows:
        text = strip(used, first.managed, width, ascii_only=ascii_only)
        console.print(Text(f"{label:<{label_width}}{text}"), soft_wrap=True)
