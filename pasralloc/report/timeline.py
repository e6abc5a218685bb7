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
                    "allocated_blocks": timeline.nr_allocs,
                    "allocated_pages": timeline.nr_pages,
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
    print_parameters(console, first.parameters, first.provenance)


def print_parameters(
    console: Console, parameters: dict[str, Any], provenance: dict[str, Any]
) -> None:
    """Print every parameter of a workload as ``--set`` takes it, and those of its simulation."""
    options = {
        name: value
        for name, value in provenance.items()
        if name not in ("policy", "digest", "pasralloc", "python", "machine", "now_ns")
    }
    for title, values in (("parameters", parameters), ("simulation", options)):
        console.print(f"{title}: {_plain(values)}", soft_wrap=True, markup=False, highlight=False)


def _plain(parameters: dict[str, Any]) -> str:
    shown = []
    for name, value in parameters.items():
        if isinstance(value, dict):
            shown.append(_plain({f"{name}.{key}": one for key, one in value.items()}))
        elif isinstance(value, tuple):
            shown.append(f"{name}={','.join(map(str, value))}")
        else:
            shown.append(f"{name}={value}")
    return " ".join(shown)
