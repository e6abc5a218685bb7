"""``pasralloc synth``: a seeded workload on a machine, under several policies."""

from __future__ import annotations

import warnings
from contextlib import ExitStack

import click

EXAMPLES = """\b
Examples:
  pasralloc synth kernbench
  pasralloc synth ebizzy --machine sandybridge-128g-2013 --policy linux --policy sorted-v3
  pasralloc synth pagetest --set requests=131072,262144 --set grows=true
  pasralloc synth ageing --set index=700 --set shares=0.2,0.7,0.1
  pasralloc synth kernbench --set background.pages_per_second=24 --set background.shares=0.2,0.7,0.1
  pasralloc synth ebizzy --machine my-board.toml --set processes=2 --set background.pages_per_second=24
"""


HELP = """\
Run the workload KIND on a machine and see what it leaves.

\b
ebizzy, kernbench  completely free regions, one sample per second
pagetest           free pages of every region, after each request
ageing             unusable free index and free share that were reached

A --trace has every request, also those that failed, every free, and what reclaim took, as frees; of ageing the
pages that it takes, as allocations; of pagetest the end of each process, as frees of all that it had. What a machine
has in use before is not in it. It takes about 100 bytes per event.
"""


@click.command("synth", help=HELP, epilog=EXAMPLES)
@click.argument(
    "kind", metavar="KIND", type=click.Choice(["ageing", "ebizzy", "kernbench", "pagetest"])
)
@click.option(
    "--machine",
    default="generic-16g",
    show_default=True,
    metavar="NAME|FILE",
    help="Preset, or a TOML file.",
)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME",
    help="Policy to run under; repeatable.  [default: linux, sorted]",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Parameter of the workload; repeatable.",
)
@click.option(
    "--pagesets/--no-pagesets",
    default=True,
    show_default=True,
    help="Whether CPUs have pagesets.",
)
@click.option(
    "--trace",
    "path",
    type=click.Path(dir_okay=False),
    default=None,
    help="Write allocations and frees as a trace that compare reads; needs one --policy.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(
    kind: str,
    machine: str,
    policies: tuple[str, ...],
    seed: int,
    settings: tuple[str, ...],
    pagesets: bool,
    path: str | None,
    as_json: bool,
) -> None:
    """Run the workload KIND on a machine and see what it leaves."""
    from rich.console import Console

    from pasralloc.cli.machines import machine_named
    from pasralloc.cli.progress import runs
    from pasralloc.policy.presets import policy_of
    from pasralloc.report.workloads import WorkloadResult, print_results, results_to_json
    from pasralloc.sim.recording import RecordedSimulation
    from pasralloc.sim.simulation import Simulation
    from pasralloc.trace.writer import TraceWriter
    from pasralloc.workload.ageing import AgeingResult
    from pasralloc.workload.parameters import workload_of

    if path is not None and len(policies) != 1:
        raise click.UsageError("--trace is of one run: it needs exactly one --policy")
    try:
        load = workload_of(kind, settings)
        chosen = [policy_of(name) for name in policies or ("linux", "sorted")]
        simulated = machine_named(machine)
        results: list[WorkloadResult] = []
        with runs() as progress, warnings.catch_warnings():
            # What was missed is said below, without the place in the source.
            warnings.simplefilter("ignore", RuntimeWarning)
            for policy in chosen:
                progress(len(results), len(chosen))
                with ExitStack() as stack:
                    sim = Simulation(simulated, policy, seed=seed, pagesets=pagesets)
                    if path is not None:
                        file = stack.enter_context(open(path, "w", encoding="ascii"))
                        sim = RecordedSimulation(
                            TraceWriter(file), simulated, policy, seed=seed, pagesets=pagesets
                        )
                    results.append(load.run(sim))
    except ValueError as error:
        from pasralloc.errors import PasrallocError

        if isinstance(error, PasrallocError):
            raise
        raise click.UsageError(str(error)) from None
    if as_json:
        click.echo(results_to_json(kind, results))
    else:
        print_results(Console(), kind, results)
    for result in results:
        for what in result.missed if isinstance(result, AgeingResult) else ():
            name = result.provenance["policy"]["name"]
            click.echo(f"pasralloc: {name}: ageing did not reach {what}", err=True)
