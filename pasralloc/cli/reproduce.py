"""``pasralloc reproduce``: a published experiment, published and own numbers side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

# Name, module, and what it is about. Modules are imported when their outcome is asked for.
OUTCOMES = {
    "pagetest": ("pagetest", "free pages per region while a process grows (sorted-buddy v1, v2)"),
    "hierarchy": ("hierarchy", "the same where every region has zones of its own (Garg 2011)"),
    "ebizzy": (
        "ebizzy",
        "completely free regions over time, technique by technique (v3, v4); minutes",
    ),
    "watermarks": ("watermarks", "watermarks of the machine of v3 and v4"),
    "zone-fragmentation": ("zonefragmentation", "zones inside regions beside regions beside zones"),
    "compaction": ("compaction", "Linux's own compaction beside evacuation: opposite directions"),
    "grouping": ("grouping", "unmovable and reclaimable memory in few regions (to-do 4 of v2)"),
    "region-search": ("regionsearch", "the search for the region before another one (v3)"),
}

EXAMPLES = """\b
Examples:
  pasralloc reproduce list
  pasralloc reproduce pagetest
  pasralloc reproduce ebizzy --seeds 5 --rate 0 --rate 24 --rate 500 --jobs 4
  pasralloc reproduce ebizzy --plot curves.svg --json > ebizzy.json
"""


@click.command("reproduce", epilog=EXAMPLES)
@click.argument("outcome", type=click.Choice(["list", *OUTCOMES]))
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Runs of each policy, with as many seeds; of ebizzy.",
)
@click.option(
    "--rate",
    "rates",
    type=click.FloatRange(0),
    multiple=True,
    help="Background pages per second to run with as well; of ebizzy, repeatable.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Runs at a time, each in a process of its own; of ebizzy.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=None,
    help="Draw own curves over the published ones, as .svg, .png or .pdf; of ebizzy, needs matplotlib.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(
    outcome: str,
    seed: int,
    seeds: int,
    rates: tuple[float, ...],
    jobs: int,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Repeat a published experiment and print its numbers beside the published ones.

    OUTCOME is "list" or one of those that it lists. Exit code 3 if a statement about the numbers does not hold.
    """
    import importlib

    from rich.console import Console

    from pasralloc.cli.main import BAD_INPUT
    from pasralloc.cli.progress import runs
    from pasralloc.report.outcomes import print_outcome
    from pasralloc.report.plots import check_picture, curves_of, plot_curves

    if outcome == "list":
        for name, (_, summary) in OUTCOMES.items():
            click.echo(f"{name:18} {summary}")
        return
    options: dict[str, Any] = {"seed": seed}
    if outcome != "ebizzy" and (seeds != 1 or rates or jobs != 1 or plot is not None):
        raise click.UsageError(f"--seeds, --rate, --jobs and --plot mean nothing to {outcome}")
    if plot is not None:
        # Before minutes are spent on what cannot be drawn.
        try:
            check_picture(plot)
        except (RuntimeError, ValueError) as error:
            raise click.UsageError(f"--plot: {error}") from None
    module = importlib.import_module(f"pasralloc.outcomes.{OUTCOMES[outcome][0]}")
    with runs() as progress:
        if outcome == "ebizzy":
            options |= {"seeds": seeds, "rates": rates, "jobs": jobs, "progress": progress}
        result = module.run(**options)
    if plot is not None:
        plot_curves(curves_of(result), plot)
    if as_json:
        click.echo(result.to_json())
    else:
        print_outcome(Console(), result)
    if not all(result.checks.values()):
        sys.exit(BAD_INPUT)
