"""Break-even times of a part, where they can be told."""

from __future__ import annotations

from pasralloc.dram.states import StateTable
from pasralloc.errors import MissingValue


def break_even_times(table: StateTable, entry_refresh: str) -> dict[str, float | str | None]:
    """Seconds by the state that self-refresh is compared with; None for no gain, "unknown" for no data."""
    times: dict[str, float | str | None] = {}
    for against in (table.deepest_power_down, "precharge_standby"):
        try:
            times[against] = table.break_even(against, entry_refresh)
        except MissingValue:
            times[against] = "unknown"
    return times
