"""``pasralloc regions``: the memory of a simulated machine region by region, as files of /proc print it."""

from __future__ import annotations

import click

EXAMPLES = """\b
Examples:
  pasralloc regions zoneinfo
      of a machine that has just booted
  pasralloc regions buddyinfo --machine phone-8g --policy sorted-v3 --after kernbench --set units=100
  pasralloc regions pagetypeinfo --machine my-board.toml --trace trace.txt.xz
"""


@click.command("regions", epilog=EXAMPLES)
@click.argument(
    "file", metavar="FILE", type=click.Choice(["zoneinfo", "buddyinfo", "pagetypeinfo"])
)
@click.option(
    "--machine",
    default="generic-16g",
    show_default=True,
    metavar="NAME|FILE",
    help="Preset, or a TOML file.",
)
@click.option("--policy", default="sorted", show_default=True, metavar="NAME")
@click.option("--after", "kind", metavar="KIND", help="Workload to run before; see synth.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Parameter of the workload; repeatable.",
)
@click.option("--trace", metavar="TRACE", help="Trace to replay before; see compare.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def command(
    file: str,
    machine: str,
    policy: str,
    kind: str | None,
    settings: tuple[str, ...],
    trace: str | None,
    seed: int,
) -> None:
    """Print FILE (zoneinfo, buddyinfo or pagetypeinfo) of a simulated machine, region by region.

    The text is that of /proc of a kernel with the sorted-buddy series: after boot, a workload, or a trace.
    """
    from pasralloc.cli.machines import machine_named
    from pasralloc.report.machinefiles import FILES
    from pasralloc.sim.simulation import Simulation
    from pasralloc.workload.parameters import workload_of

    if kind is not None and trace is not None:
        raise click.UsageError("--after and --trace exclude each other")
    if settings and kind is None:
        raise click.UsageError("--set means nothing without --after")
    try:
        load = workload_of(kind, settings) if kind is not None else None
        simulated = machine_named(machine)
        texts: list[str] = []
        if trace is not None:
            from pasralloc.sim.replay import replay
            from pasralloc.trace.trace import Trace

            def look(memory: object) -> None:
                assert isinstance(memory, Simulation)
                texts.append(FILES[file](memory))

            replay(Trace.open(trace), policy, machine=simulated, at_end=look)
        else:
            sim = Simulation(simulated, policy, seed=seed)
            if load is not None:
                load.run(sim)
            texts.append(FILES[file](sim))
    except ValueError as error:
        from pasralloc.errors import PasrallocError

        if isinstance(error, PasrallocError):
            raise
        raise click.UsageError(str(error)) from None
    click.echo(texts[0], nl=False)
