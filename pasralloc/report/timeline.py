"""What a workload left behind, for a terminal or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from pasralloc.report.sparkline import sparkline
from pasralloc.workload.timeline import Timeline


def timelines_to_json(kind: str, timelines: Sequence[Timeline]) -> str:
    """``{"workload", "parameters", "runs": [{"policy", "start", ...}]}``."""
    return json.dumps(
        {
            "workload": kind,
            "parameters": timelines[0].parameters,
            "runs": [
                {
                    "policy": timeline.provenance["policy"]["name"],
                    "start": timeline.start,
                    "min": timeline.lowest,
                    "end": timeline.end,
                    "end_drained": timeline.end_drained,
                    "trace": timeline.free_regions.tolist(),
                    "allocations": timeline.nr_allocs,
                    "killed": timeline.nr_killed,
                    "short": timeline.nr_short,
                    "background_failures": timeline.nr_background_failures,
                    "provenance": timeline.provenance,
                }
                for timeline in timelines
            ],
        },
        allow_nan=False,
    )


def print_timelines(console: Console, kind: str, timelines: Sequence[Timeline]) -> None:
    """Print one line per policy, and every parameter."""
    first = timelines[0]
    table = Table(
        title=f"{kind} on {first.provenance['machine']}: completely free regions",
        title_justify="left",
    )
    table.add_column("policy")
    for column in ("start", "least", "end", "drained", "killed"):
        table.add_column(column, justify="right")
    table.add_column("one sample per second")
    for timeline in timelines:
        table.add_row(
            timeline.provenance["policy"]["name"],
            *[
                str(nr)
                for nr in (
                    timeline.start,
                    timeline.lowest,
                    timeline.end,
                    timeline.end_drained,
                    timeline.nr_killed,
                )
            ],
            sparkline(
                timeline.free_regions.tolist(), ascii_only=not console.encoding.startswith("utf")
            ),
        )
    console.print(table)
    options = {
        name: value
        for name, value in first.provenance.items()
        if name not in ("policy", "digest", "pasralloc", "python", "machine", "now_ns")
    }
    console.print(
        f"parameters: {_plain(first.parameters)}", soft_wrap=True, markup=False, highlight=False
    )
    console.print(f"simulation: {_plain(options)}", soft_wrap=True, markup=False, highlight=False)


def _plain(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in parameters.items())
