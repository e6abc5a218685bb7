"""DRAM parts as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pasralloc.dram.states import StateTable
from pasralloc.report.breakeven import break_even_times
from pasralloc.units import format_power, format_seconds

_COLUMNS = {
    "precharge_standby": "pre\nstandby",
    "active_standby": "act\nstandby",
    "active_power_down": "act\nPD",
    "precharge_power_down": "pre\nPD",
    "precharge_power_down_slow": "pre PD\nslow",
    "self_refresh": "self-\nrefresh",
}
_UNKNOWN = "-"


def _milliwatts(watts: float | None) -> str:
    return _UNKNOWN if watts is None else format_power(watts).removesuffix(" mW")


def _time(seconds: float | str | None) -> str:
    if isinstance(seconds, str):
        return _UNKNOWN
    return "no gain" if seconds is None else f"{seconds * 1e6:.2f}"


def print_parts(console: Console, tables: Sequence[StateTable], entry_refresh: str) -> None:
    """Print one line per part: mW by state, break-even times, PASR."""
    grid = Table(
        title="mW of one device without refresh commands; refresh: what they add on average, in every state but self-refresh",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    grid.add_column("part", no_wrap=True)
    grid.add_column("standard", no_wrap=True)
    for heading in ("Gb", *_COLUMNS.values(), "refresh", "break-even\nPD us", "standby\nus"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("PASR", no_wrap=True)
    for table in tables:
        spec = table.spec
        states = table.states
        standby = states.get("precharge_standby")
        density = _UNKNOWN if spec.density_Mb is None else f"{spec.density_Mb / 1024:g}"
        grid.add_row(
            spec.id,
            spec.standard,
            density,
            *(_milliwatts(states[name].watts if name in states else None) for name in _COLUMNS),
            _milliwatts(standby.refresh_watts if standby else None),
            *(_time(seconds) for seconds in break_even_times(table, entry_refresh).values()),
            {"none": "none", "masks": "masks", "segment-mask": "masks"}.get(
                spec.pasr_kind, "codes"
            ),
        )
    console.print(grid)
    console.print(
        f"\nBreak-even: stay above which self-refresh costs less than the deepest power-down, and than precharge"
        f"\nstandby, both with their refresh (entry: {entry_refresh}). PD: power-down. Currents are maxima of data"
        "\nsheets unless marked otherwise; `pasralloc parts ID` has the sources."
    )
    for table in tables:
        if gaps := _gaps(table):
            more = f" (and {len(gaps) - 1} more)" if len(gaps) > 1 else ""
            console.print(Text(f"{gaps[0]}{more}"), style="dim")
    _print_assumptions(console, tables)


def _gaps(table: StateTable) -> list[str]:
    """Return what the part lacks, each value once."""
    return list(dict.fromkeys(str(error) for error in table.missing.values()))


def _print_assumptions(console: Console, tables: Sequence[StateTable]) -> None:
    used = {name: text for table in tables for name, text in table.assumptions.items()}
    for name, text in used.items():
        users = ", ".join(table.spec.id for table in tables if name in table.assumptions)
        console.print(Text(f"assumed {name}: {text} ({users})"))


def print_part(console: Console, table: StateTable, entry_refresh: str) -> None:
    """Print everything about one part: states, break-even times, every field with its sources, caveats."""
    spec = table.spec
    console.print(Text(f"{spec.id}: {spec.vendor_part}", style="bold"))
    console.print(
        Text(
            f"{spec.standard}, {spec.devices} device{'s' if spec.devices != 1 else ''} per rank of"
            f" {spec.channel_bits} bits. PASR: {spec.pasr_note}. Checked: {spec.verified}."
        )
    )
    _print_states(console, table)
    for against, seconds in break_even_times(table, entry_refresh).items():
        if isinstance(seconds, str):
            text = "unknown"
        else:
            text = "no gain" if seconds is None else format_seconds(seconds * 1e9)
        console.print(
            f"break-even of self-refresh against {against} (entry: {entry_refresh}): {text}"
        )
    for gap in _gaps(table):
        console.print(Text(gap), style="dim")
    _print_assumptions(console, [table])
    _print_fields(console, table)
    for letter, source in zip(_letters(len(spec.sources)), spec.sources, strict=True):
        console.print(Text(f"[{letter}] {source.text} ({source.licence})"))
    for caveat in spec.caveats:
        console.print(Text(f"caveat for {', '.join(caveat.fields)}: {caveat.text}"))


def _print_states(console: Console, table: StateTable) -> None:
    share = (
        ""
        if table.fraction == 1
        else f", {table.fraction:g} of the array refreshed, sigma {table.sigma:g}"
    )
    grid = Table(
        title=f"\nmW of one device (self-refresh: {table.idd6}{share})", title_justify="left"
    )
    for heading in (
        "state",
        *table.spec.rails,
        "sum",
        "refresh",
        "exit",
        "exit to read",
        "content",
    ):
        grid.add_column(heading, justify="left" if heading in ("state", "content") else "right")
    for state in table.states.values():
        exits = [
            _UNKNOWN if seconds is None else format_seconds(seconds * 1e9)
            for seconds in (state.exit_seconds, state.read_seconds)
        ]
        grid.add_row(
            state.name,
            *(_milliwatts(state.rails.get(rail)) for rail in table.spec.rails),
            _milliwatts(state.watts),
            _milliwatts(state.refresh_watts),
            *exits,
            "kept" if state.keeps_content else "lost",
        )
    console.print(grid)
    if table.fraction != 1:
        known = table.sigma_range
        console.print(
            f"sigma is {known.low:g} to {known.high:g} (median {known.median:g}) in the data sheets that tell"
        )


def _print_fields(console: Console, table: StateTable) -> None:
    spec = table.spec
    grid = Table(title="\nvalues", title_justify="left")
    for heading in ("field", "value", "sources"):
        grid.add_column(heading)
    letters = dict(zip((id(s) for s in spec.sources), _letters(len(spec.sources)), strict=True))
    for name in spec.fields():
        marks = " ".join(f"[{letters[id(source)]}]" for source in spec.sources_of(name))
        grid.add_row(name, Text(spec.value_of(name)), Text(marks))
    console.print(grid)


def _letters(nr: int) -> list[str]:
    return [chr(ord("a") + i) for i in range(nr)]
