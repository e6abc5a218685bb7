"""``pasralloc synth``: a seeded workload on a machine, under several policies."""

from __future__ import annotations

import click

EXAMPLES = """\b
Examples:
  pasralloc synth kernbench
  pasralloc synth ebizzy --machine sandybridge-128g-2013 --policy linux --policy sorted-v3
  pasralloc synth ebizzy --machine my-board.toml --set processes=2 --set background.pages_per_second=24
"""


@click.command("synth", epilog=EXAMPLES)
@click.argument("kind", metavar="KIND", type=click.Choice(["ebizzy", "kernbench"]))
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
    """Run the workload KIND (ebizzy or kernbench) and see how many regions it leaves completely free."""
    from rich.console import Console

    from pasralloc.cli.machines import machine_named
    from pasralloc.cli.progress import runs
    from pasralloc.policy.presets import policy_of
    from pasralloc.report.timeline import print_timelines, timelines_to_json
    from pasralloc.sim.simulation import Simulation
    from pasralloc.workload.parameters import workload_of
    from pasralloc.workload.timeline import Timeline

    try:
        load = workload_of(kind, settings)
        chosen = [policy_of(name) for name in policies or ("linux", "sorted")]
        simulated = machine_named(machine)
        timelines: list[Timeline] = []
        with runs() as progress:
            for policy in chosen:
                progress(len(timelines), len(chosen))
                sim = Simulation(simulated, policy, seed=seed, pagesets=pagesets)
                timelines.append(load.run(sim))
    except ValueError as error:
        from pasralloc.errors import PasrallocError

        if isinstance(error, PasrallocError):
            raise
        raise click.UsageError(str(error)) from None
    if as_json:
        click.echo(timelines_to_json(kind, timelines))
    else:
        print_timelines(Console(), kind, timelines)
