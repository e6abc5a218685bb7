"""Entry point of the command line."""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

import click

from pasralloc import __version__

# Verb -> one line of help. Modules are imported when their verb is used, so that
# --help does not wait for numpy.
VERBS = {
    "compare": "One trace, several policies, one table.",
    "parts": "DRAM parts and what their states cost.",
    "regions": "Memory of a simulated machine, region by region, as /proc prints it.",
    "reproduce": "A published experiment, published and own numbers side by side.",
    "synth": "A seeded workload on a machine, under several policies.",
}

BAD_INPUT = 3


class _Verbs(click.Group):
    """Group whose commands are modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module = importlib.import_module(f"pasralloc.cli.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Which memory could sleep? Replay kernel page-allocation traces through other allocators.

    Exit codes: 0 ok, 2 wrong usage, 3 bad input, 4 quality below --strict.
    """


def main(*args: Any) -> None:
    """Run the command line; bad input ends with a message and exit code 3."""
    from pasralloc.errors import PasrallocError

    # A name of a file or task that the encoding of the terminal lacks must not end in a traceback.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        cli(*args)
    except (PasrallocError, OSError, MemoryError) as error:
        click.echo(f"pasralloc: {error}", err=True)
        sys.exit(BAD_INPUT)
