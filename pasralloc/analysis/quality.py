"""How far a result can be trusted: the quality of its input, and what was assumed."""

from __future__ import annotations

from typing import Any

from pasralloc.sim.replay import Result
from pasralloc.trace.trace import Trace

KINDS = {
    "alloc": 1,
    "free": 2,
    "free_batched": 3,
    "zone_locked": 4,
    "pcpu_drain": 5,
    "extfrag": 6,
}

# Anomalies that a replay counts, and what each is a share of.
_SHARES = {
    "failed_allocs": "allocs",
    "implicit_frees": "allocs",
    "start_contradictions": "allocs",
    "unknown_frees": "frees",
    "free_of_free": "frees",
    "order_mismatches": "frees",
    "lost_frees": "frees",
    "bad_records": "records",
}


def assess(trace: Trace, result: Result) -> dict[str, Any]:
    """Quality of a trace, with what one replay of it met.

    Parameters
    ----------
    trace : Trace
    result : Result
        Of any policy: what is odd about a trace does not depend on it, only
        whether pagesets are among the assumptions.

    Returns
    -------
    quality : dict of str to Any
        Ready for JSON. ``anomalies`` maps each kind to a count and a percentage
        of the allocations or frees it could have befallen.
    """
    s = trace.summary
    counts = result.counts
    totals = {
        "allocs": counts["allocs"] + counts["failed_allocs"],
        "frees": counts["frees"],
        "records": counts["allocs"] + counts["frees"] + counts["bad_records"],
    }
    start_map = trace.start_map
    return {
        "trace": trace.name,
        "format": trace.format,
        "page_size": 4096,
        "max_order": 10,
        "lines": s["lines"],
        "events": s["events"],
        "events_by_kind": {name: s["by_kind"][number] for name, number in KINDS.items()},
        "span_ns": result.last_ns - result.first_ns,
        "other_events": s["other_events"],
        "bad_lines": s["bad_lines"],
        "bad_quotes": [{"line": line, "text": text} for line, text in s["bad_quotes"]],
        "damage": trace.damage,
        "lost_marks": counts["lost_marks"],
        "lost_events": s["lost"] + max(0, s["entries_written"] - s["entries_in_buffer"]),
        "backward_time_steps": s["backwards"],
        "batched_ignored": counts["batched"],
        "fallbacks_per_million": _fallbacks(s["by_kind"][KINDS["extfrag"]], counts["allocs"]),
        "tasks": len(trace.tasks),
        "pfn_radix": "hexadecimal" if s["saw_hex"] else "decimal",
        "migratetypes": {
            "names": list(trace.numbering.names),
            "source": trace.numbering.source,
        },
        "start_map": start_map.pages_by_class() if start_map is not None else None,
        "start": result.provenance["start"] if start_map is not None else None,
        "anomalies": {
            name: {
                "count": counts[name],
                "percent": 100 * counts[name] / totals[whole] if totals[whole] else 0.0,
                "of": whole,
            }
            for name, whole in _SHARES.items()
        },
        "unknown_free_pages": counts["unknown_free_pages"],
        "missing_pages": counts["missing_pages"],
        "added_pages": counts["added_pages"],
        "machine": result.provenance["machine"],
        "memory_pages": result.provenance["memory_pages"],
        "region_pages": result.provenance["region_pages"],
        "assumptions": _assumptions(trace, result),
    }


def _fallbacks(nr: int, nr_allocs: int) -> float | None:
    """Fallback events of the traced kernel per million allocations.

    None if there is none: more often than not the event was not recorded.
    """
    return nr * 1e6 / nr_allocs if nr and nr_allocs else None


def _assumptions(trace: Trace, result: Result) -> list[str]:
    """List what moves the answer and is not in the trace."""
    machine = result.provenance["machine"]
    if machine is not None:
        memory = f"memory is that of {machine}: reclaim finds nothing in it, so requests below its watermarks fail"
    elif result.policy.pagesets is not None:
        memory = "all memory is one zone, without watermarks or reclaim"
    else:
        memory = "all memory is one zone, without per-CPU lists, watermarks or reclaim"
    assumptions = [
        memory,
        "a region holds adjacent pages: interleaving over channels or ranks would defeat it",
        "clean page cache stays in memory",
    ]
    if trace.start_map is None:
        assumptions.insert(0, "memory is empty when the trace begins: no start map was given")
    if trace.has_batched_frees_only:
        assumptions.insert(0, "batched records are frees: the trace has no mm_page_free")
    if trace.numbering.source.startswith("assumed"):
        assumptions.insert(0, f"migratetypes: {trace.numbering.source}")
    return assumptions


def below_standard(quality: dict[str, Any]) -> list[str]:
    """List what a strict reader would refuse a trace for; empty if there is nothing."""
    reasons = []
    if quality["bad_lines"]:
        reasons.append(f"{quality['bad_lines']} lines name a page event but do not parse")
    if quality["damage"]:
        reasons.append(f"damaged file: {quality['damage']}")
    if quality["lost_marks"] or quality["lost_events"]:
        reasons.append(
            f"{quality['lost_events']} events lost at {quality['lost_marks']} marked places"
        )
    if quality["anomalies"]["bad_records"]["count"]:
        reasons.append(f"{quality['anomalies']['bad_records']['count']} impossible records")
    return reasons
