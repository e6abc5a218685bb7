"""DRAM parts as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pasralloc.dram.spec import DramSpec
from pasralloc.dram.states import StateTable
from pasralloc.report.breakeven import break_even_times


def to_json(tables: Sequence[StateTable], entry_refresh: str) -> str:
    """``{"parts": [{"id", "device", "rails", ..., "states", "break_even_s", "assumptions"}]}``."""
    return json.dumps({"parts": [_part(table, entry_refresh) for table in tables]}, indent=2)


def _part(table: StateTable, entry_refresh: str) -> dict[str, Any]:
    spec = table.spec
    return {
        "id": spec.id,
        "standard": spec.standard,
        "vendor_part": spec.vendor_part,
        "density_Mb": spec.density_Mb,
        "devices_per_rank": spec.devices,
        "pasr": {"kind": spec.pasr_kind, "note": spec.pasr_note},
        "fields": _fields(spec),
        "states": {
            state.name: {
                "watts": state.watts,
                "rails": dict(state.rails),
                "refresh_watts": state.refresh_watts,
                "exit_s": state.exit_seconds,
                "read_s": state.read_seconds,
                "keeps_content": state.keeps_content,
            }
            for state in table.states.values()
        },
        "missing": {name: str(error) for name, error in table.missing.items()},
        "break_even_s": {"entry_refresh": entry_refresh, **break_even_times(table, entry_refresh)},
        "self_refresh": {"current": table.idd6, "fraction": table.fraction, "sigma": table.sigma},
        "assumptions": dict(table.assumptions),
    }


def _fields(spec: DramSpec) -> dict[str, Any]:
    return {
        name: {
            "value": spec.value_of(name),
            "sources": [source.text for source in spec.sources_of(name)],
            "caveats": [caveat.text for caveat in spec.caveats_of(name)],
        }
        for name in spec.fields()
    }
