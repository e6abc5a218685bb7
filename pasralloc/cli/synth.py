"""``pasralloc synth``: a seeded workload on a machine, under several policies."""

from __future__ import annotations

import warnings

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
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(
    kind: str,
    machine: str,
    policies: tuple[str, ...],
    seed: int,
    settings: tuple[str, ...],
    pagesets: bool,
    as_json: bool,
) -> None:
    """Run the workload KIND on a machine and see what it leaves."""
    from rich.console import Console

    from pasralloc.cli.machines import machine_named
    from pasralloc.cli.progress import runs
    from pasralloc.policy.presets import policy_of
    from pasralloc.report.workloads import WorkloadResult, print_results, results_to_json
    from pasralloc.sim.simulation import Simulation
    from pasralloc.workload.ageing import AgeingResult
    from pasralloc.workload.parameters import workload_of

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
                sim = Simulation(simulated, policy, seed=seed, pagesets=pagesets)
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
