"""Medians and ratios of a benchmark run, as tables.

python -m pytest benchmarks --benchmark-only --benchmark-json=result.json
python benchmarks/table.py result.json
"""

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def main(path):
    console = Console(width=100)
    benchmarks = json.loads(Path(path).read_text())["benchmarks"]
    infos = [entry["extra_info"] for entry in benchmarks if "scenario" in entry["extra_info"]]
    beside = [info for info in infos if "beside" in info]
    infos = [info for info in infos if "beside" not in info]
    cells = {
        (info["scenario"], info["gib"], info["regions"]): info
        for info in infos
        if "pagesets" not in info
    }
    table = Table(title="ns per operation, median of rounds; ratio: median of the rounds' ratios")
    for heading in ("scenario", "GiB", "regions", "pagesets", "linux", "sorted", "sorted/linux"):
        table.add_column(heading, justify="left" if heading == "scenario" else "right")
    for info in infos:
        if info.get("pagesets") != "by region":
            table.add_row(
                info["scenario"],
                str(info["gib"]),
                str(info["regions"]),
                info.get("pagesets", "none"),
                f"{info['base_ns']:.1f}",
                f"{info['other_ns']:.1f}",
                f"{info['ratio']:.2f}",
            )
    console.print(table)
    table = Table(
        title="sorted, with pagesets by region over plain ones; free regions once drained"
    )
    for heading in ("scenario", "plain", "by region", "ratio", "plain free", "by region free"):
        table.add_column(heading, justify="left" if heading == "scenario" else "right")
    for info in infos:
        if info.get("pagesets") == "by region":
            table.add_row(
                info["scenario"],
                f"{info['base_ns']:.1f}",
                f"{info['other_ns']:.1f}",
                f"{info['ratio']:.2f}",
                str(info["free_regions_plain"]),
                str(info["free_regions_by_region"]),
            )
    console.print(table)
    table = Table(
        title="the same streams beside each other: a zone over plain C, a machine over a zone"
    )
    for heading in ("scenario", "pagesets", "beside", "its ns", "ns", "ratio"):
        table.add_column(heading, justify="left" if heading in ("scenario", "beside") else "right")
    for info in beside:
        table.add_row(
            info["scenario"],
            info["pagesets"],
            info["beside"],
            f"{info['base_ns']:.1f}",
            f"{info['other_ns']:.1f}",
            f"{info['ratio']:.2f}",
        )
    console.print(table)
    table = Table(title="sorted, 4096 against 8 regions, each over linux of its own rounds")
    for heading in ("scenario", "GiB", "ratio"):
        table.add_column(heading, justify="left" if heading == "scenario" else "right")
    for (name, gib, regions), info in cells.items():
        if regions == 4096 and (name, gib, 8) in cells:
            ratio = info["ratio"] / cells[name, gib, 8]["ratio"]
            table.add_row(name, str(gib), f"{ratio:.2f}")
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
        table.add_row(escape(entry["name"]), "; ".join(parts))
    console.print(table)


if __name__ == "__main__":
    main(sys.argv[1])
