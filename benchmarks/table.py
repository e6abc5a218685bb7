"""Medians and ratios of a benchmark run, as tables.

python -m pytest benchmarks --benchmark-only --benchmark-json=result.json
python benchmarks/table.py result.json
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table


def scenarios(benchmarks):
    """Nanoseconds per operation by (scenario, GiB, regions) and placement."""
    cells = defaultdict(dict)
    for entry in benchmarks:
        info = entry["extra_info"]
        if "scenario" in info:
            key = info["scenario"], info["gib"], info["regions"]
            cells[key][info["placement"]] = info["ns_per_op"]
    return cells


def main(path):
    console = Console(width=100)
    benchmarks = json.loads(Path(path).read_text())["benchmarks"]
    cells = scenarios(benchmarks)
    table = Table(title="ns per operation, median")
    for heading in ("scenario", "GiB", "regions", "linux", "sorted", "sorted/linux"):
        table.add_column(heading, justify="left" if heading == "scenario" else "right")
    for (name, gib, regions), by in cells.items():
        ratio = by["sorted"] / by["linux"]
        table.add_row(
            name,
            str(gib),
            str(regions),
            f"{by['linux']:.1f}",
            f"{by['sorted']:.1f}",
            f"{ratio:.2f}",
        )
    console.print(table)
    table = Table(title="sorted, 4096 against 8 regions")
    for heading in ("scenario", "GiB", "ratio"):
        table.add_column(heading, justify="left" if heading == "scenario" else "right")
    for (name, gib, regions), by in cells.items():
        if regions == 4096 and (name, gib, 8) in cells:
            table.add_row(name, str(gib), f"{by['sorted'] / cells[name, gib, 8]['sorted']:.2f}")
    console.print(table)
    table = Table(title="calls and traces")
    table.add_column("benchmark")
    table.add_column("median")
    for entry in benchmarks:
        info = entry["extra_info"]
        if "scenario" in info:
            continue
        parts = []
        if "ns_per_op" in info:
            parts.append(f"{info['ns_per_op']:,.1f} ns")
        if "mb_per_s" in info:
            parts.append(f"{info['mb_per_s']:,.0f} MB/s, {info['lines_per_s'] / 1e6:.1f} M lines/s")
        if "events_per_s" in info:
            parts.append(f"{info['events_per_s'] / 1e6:.1f} M events/s")
        table.add_row(entry["name"], "; ".join(parts))
    console.print(table)


if __name__ == "__main__":
    main(sys.argv[1])
