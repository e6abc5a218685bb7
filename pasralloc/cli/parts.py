"""``pasralloc parts``: DRAM parts and what their states cost."""

from __future__ import annotations

import os
import sys

import click

DIFFERENT = 3
LIST_WIDTH = 140

EXAMPLES = """\b
Examples:
  pasralloc parts
  pasralloc parts --assume ipp_missing --assume trefi_min
  pasralloc parts ddr4_2400_8Gb_x8 --celsius 45
  pasralloc parts --check cases.json
"""


@click.command("parts", epilog=EXAMPLES)
@click.argument("part_id", metavar="[ID]", required=False)
@click.option(
    "--assume",
    "assumptions",
    multiple=True,
    metavar="NAME",
    help="Fill a gap of the data; repeatable. Names are printed with whatever rests on them.",
)
@click.option(
    "--celsius", type=float, default=None, help="Case temperature.  [default: that of IDD6]"
)
@click.option(
    "--fraction",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Share of the array that self-refresh refreshes; needs --sigma if below 1.",
)
@click.option(
    "--sigma",
    type=click.FloatRange(0, 1),
    default=None,
    help="Share of the self-refresh current that masking does not save.",
)
@click.option(
    "--entry-refresh",
    type=click.Choice(["pulse", "drampower4", "drampower5", "none"]),
    default="pulse",
    show_default=True,
    help="What entering self-refresh costs, for the break-even times.",
)
@click.option(
    "--check",
    "cases",
    type=click.Path(exists=True, dir_okay=False),
    default=None,
    help="Compute the energies of a file of cases; exit with 3 if one differs from what the case expects.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(
    part_id: str | None,
    assumptions: tuple[str, ...],
    celsius: float | None,
    fraction: float,
    sigma: float | None,
    entry_refresh: str,
    cases: str | None,
    as_json: bool,
) -> None:
    """List DRAM parts with the power of their states; with ID, everything about one, with sources.

    Numbers are of one device, in mW. A state that a part gives no current for is a dash.
    """
    if cases is not None:
        if part_id is not None:
            raise click.UsageError("--check takes no part: a case brings its own device")
        _check(cases, as_json)
        return

    from pasralloc.dram.parts import part, part_ids
    from pasralloc.dram.states import state_powers
    from pasralloc.errors import PasrallocError

    specs = [part(name) for name in ([part_id] if part_id else part_ids())]
    if celsius is not None and not part_id:
        raise click.UsageError(
            "--celsius needs a part: not all are specified for the same temperatures"
        )
    try:
        tables = [
            state_powers(
                spec,
                celsius=celsius,
                fraction=fraction,
                sigma=sigma,
                assumptions=assumptions,
            )
            for spec in specs
        ]
    except ValueError as error:
        if isinstance(error, PasrallocError):
            raise
        raise click.UsageError(str(error)) from None
    if as_json:
        from pasralloc.report.partsjson import to_json

        click.echo(to_json(tables, entry_refresh))
        return

    from rich.console import Console

    from pasralloc.report.parts import print_part, print_parts

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else LIST_WIDTH
    console = Console(width=width, highlight=False)
    if not part_id:
        # Rich would cut numbers to fit; the terminal wraps lines instead.
        console.width = max(console.width, LIST_WIDTH)
    if part_id:
        print_part(console, tables[0], entry_refresh)
    else:
        print_parts(console, tables, entry_refresh)


def _check(path: str, as_json: bool) -> None:
    import json

    from pasralloc.dram.cases import check_file

    results = list(check_file(path))
    wrong = [(name, differences) for name, differences in results if differences]
    if as_json:
        different = [{"id": name, "differences": differences} for name, differences in wrong]
        click.echo(json.dumps({"cases": len(results), "different": different}, indent=2))
    else:
        for name, differences in wrong:
            for difference in differences:
                click.echo(f"{name}: {difference}")
        click.echo(f"{len(results) - len(wrong)} of {len(results)} cases are met.")
    if wrong or not results:
        click.echo(
            "pasralloc: cases differ" if wrong else "pasralloc: the file has no cases", err=True
        )
        sys.exit(DIFFERENT)
