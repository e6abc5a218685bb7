"""``pasralloc compare``: one trace, several policies, one table."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

import click

from pasralloc.units import parse_pages

QUALITY_BELOW_STRICT = 4

EXAMPLES = """\b
Examples:
  pasralloc compare
      the sample that comes with the package, under linux and sorted
  pasralloc compare sample:t1 --region 32MiB --start booted
  pasralloc compare sample:t1 --policy all --evacuate max_used=8192 --timeline free.csv
      every preset; regions with up to 8192 pages in use are evacuated
  pasralloc compare --machine generic-16g --policy hierarchy --policy sorted
      on a machine with zones and watermarks; or --machine my-board.toml
  pasralloc compare trace.txt.xz --start-map proc-before/ --region 512MiB
  perf script | pasralloc compare - --memory 16GiB --json > result.json
"""


class _Pages(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A size in whole pages, such as 32MiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return parse_pages(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("compare", epilog=EXAMPLES)
@click.argument("trace", default="sample:demo")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME",
    help="Policy to replay under, or all; repeatable.  [default: linux, sorted]",
)
@click.option(
    "--evacuate",
    metavar="FIELDS",
    default=None,
    help="Change how sorted-v2 and sorted-v4 evacuate regions, such as max_used=4096,trigger=periodic:"
    " any fields of Evacuation.",
)
@click.option(
    "--machine",
    metavar="NAME|FILE",
    default=None,
    help="Replay on a machine with its zones and watermarks: a preset, or a TOML file.",
)
@click.option(
    "--region",
    "region_pages",
    type=_Pages(),
    default=None,
    help="Size of a region, a multiple of 4 MiB.  [default: 128MiB; with --machine its own regions]",
)
@click.option(
    "--memory",
    "memory_pages",
    type=_Pages(),
    default=None,
    help="Memory without --machine.  [default: what the start map covers, or what the trace names]",
)
@click.option(
    "--start",
    type=click.Choice(["recorded", "booted"]),
    default=None,
    help="Pages in use before the trace sit where they sat, or are placed anew by the policy."
    "  [default: recorded; with --machine booted]",
)
@click.option(
    "--start-map",
    type=click.Path(exists=True),
    default=None,
    help="What each page held when the trace began: a start map, or a directory with copies of"
    " kpageflags, kpagecount, zoneinfo and iomem.",
)
@click.option(
    "--migratetypes",
    metavar="NAMES",
    default=None,
    help="Migratetypes in the traced kernel's order, joined by commas.  [default: inferred]",
)
@click.option(
    "--cpus",
    type=click.IntRange(0, 4096),
    default=0,
    show_default=True,
    help="Put per-CPU pagesets of so many CPUs in front of every policy; a --machine has its own.",
)
@click.option(
    "--loop",
    "times",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Repeat the trace so often, with fresh names: for ageing.",
)
@click.option(
    "--timeline",
    type=click.File("w", lazy=False),
    default=None,
    help="Write every change of the number of completely free regions as CSV: time_ns, policy, free_regions.",
)
@click.option("--strict", is_flag=True, help="Exit with 4 if events were lost or do not parse.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(
    trace: str,
    policies: tuple[str, ...],
    evacuate: str | None,
    machine: str | None,
    region_pages: int | None,
    memory_pages: int | None,
    start: str | None,
    start_map: str | None,
    migratetypes: str | None,
    cpus: int,
    times: int,
    timeline: TextIO | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Replay TRACE under several allocator policies and see which regions of memory could have slept.

    TRACE is text of ftrace, perf script or trace-cmd report, plain or compressed;
    "-" is standard input, "sample:demo" and "sample:t1" come with the package.
    """
    from rich.console import Console

    from pasralloc.analysis.quality import assess, below_standard
    from pasralloc.cli.machines import machine_named
    from pasralloc.cli.progress import ReadProgress, status
    from pasralloc.comparison import compare
    from pasralloc.policy.presets import presets_for, with_cpus, with_evacuation
    from pasralloc.report.comparison import print_comparison, to_json
    from pasralloc.report.freeregions import write_timeline
    from pasralloc.trace.trace import Trace

    if machine is not None and cpus:
        raise click.UsageError("--cpus means nothing with --machine, which has CPUs of its own")
    if machine is not None and memory_pages is not None:
        raise click.UsageError("--memory means nothing with --machine, which has memory of its own")
    try:
        names = presets_for(policies or ("linux", "sorted"), on_machine=machine is not None)
        chosen = [with_cpus(name, cpus) for name in names]
        if evacuate is not None:
            chosen = with_evacuation(chosen, evacuate)
        simulated = machine_named(machine) if machine is not None else None
        with ReadProgress(trace) as progress:
            loaded = Trace.open(
                trace, start_map=start_map, migratetypes=migratetypes, progress=progress
            )
        if times > 1:
            from pasralloc.workload.loop import LoopedTrace

            loaded = LoopedTrace(loaded, times)
        with status() as progress:
            results = compare(
                loaded,
                chosen,
                machine=simulated,
                region_pages=region_pages,
                start=start,
                memory_pages=memory_pages,
                progress=progress,
            )
    except ValueError as error:
        from pasralloc.errors import PasrallocError

        if isinstance(error, PasrallocError):
            raise
        raise click.UsageError(str(error)) from None
    if timeline is not None:
        write_timeline(timeline, results)
    quality = assess(loaded, results[0])
    if as_json:
        click.echo(to_json(quality, results))
    else:
        width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 100
        print_comparison(Console(width=width, highlight=False), quality, results)
    reasons = below_standard(quality) if strict else []
    for reason in reasons:
        click.echo(f"pasralloc: below --strict: {reason}", err=True)
    if reasons:
        sys.exit(QUALITY_BELOW_STRICT)
