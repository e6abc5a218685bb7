"""What pagetest and ageing left behind, for a terminal or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from pasralloc.report.timeline import print_parameters, print_timelines, timelines_to_json
from pasralloc.workload.ageing import AgeingResult
from pasralloc.workload.pagetest import PagetestResult
from pasralloc.workload.timeline import Timeline

WorkloadResult = AgeingResult | PagetestResult | Timeline


def results_to_json(kind: str, results: Sequence[WorkloadResult]) -> str:
    """``{"workload", "parameters", "runs": [{"policy", ..., "provenance"}]}``."""
    timelines = [result for result in results if isinstance(result, Timeline)]
    if timelines:
        return timelines_to_json(kind, timelines)
    return json.dumps(
        {
            "workload": kind,
            "parameters": results[0].parameters,
            "runs": [
                {
                    "policy": result.provenance["policy"]["name"],
                    **_numbers(result),
                    "provenance": result.provenance,
                }
                for result in results
            ],
        },
        allow_nan=False,
    )


def _numbers(result: WorkloadResult) -> dict[str, Any]:
    if isinstance(result, AgeingResult):
        return {
            "index": result.index,
            "free_pages": result.free_pages,
            "free_share": result.free_share,
            "missed": list(result.missed),
        }
    assert isinstance(result, PagetestResult)
    return {"nr_free": result.nr_free.tolist(), "nr_small": result.nr_small.tolist()}


def print_results(console: Console, kind: str, results: Sequence[WorkloadResult]) -> None:
    """Print what every policy came to, and every parameter."""
    timelines = [result for result in results if isinstance(result, Timeline)]
    if timelines:
        print_timelines(console, kind, timelines)
        return
    first = results[0]
    title = f"{kind} on {first.provenance['machine']}"
    ages = [result for result in results if isinstance(result, AgeingResult)]
    if ages:
        table = Table(title=title, title_justify="left")
        table.add_column("policy")
        for column in ("unusable free index", "free pages", "free share"):
            table.add_column(column, justify="right")
        for age in ages:
            table.add_row(
                age.provenance["policy"]["name"],
                str(age.index),
                str(age.free_pages),
                f"{age.free_share:.4f}",
            )
        console.print(table)
    for result in results:
        if isinstance(result, PagetestResult):
            name = result.provenance["policy"]["name"]
            table = Table(title=f"{title}, {name}: free pages per region", title_justify="left")
            for column in ("region", "start", *map(str, result.parameters["requests"])):
                table.add_column(column, justify="right")
            for region, row in enumerate(result.nr_free.T.tolist()):
                table.add_row(str(region), *map(str, row))
            console.print(table)
    print_parameters(console, first.parameters, first.provenance)
