"""The machine that a live Linux runs on, by what its files in /proc and /sys tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pasralloc.errors import MachineError
from pasralloc.machine.check import LOCAL_DISTANCE, MAX_DISTANCE
from pasralloc.machine.cpulist import parse_cpus
from pasralloc.machine.mpst import regions_from_mpst
from pasralloc.machine.ranges import Range, intersect, join, subtract, total
from pasralloc.machine.regions import regular, span_of
from pasralloc.machine.topology import ZONE_NAMES, Node
from pasralloc.units import PAGE_BYTES, format_pages

REGION_PAGES = 1 << 17  # 512 MiB
REMOTE_DISTANCE = 20

_ZONE = re.compile(r"^Node +(\d+), zone +(\S+)$", re.MULTILINE)
_RESOURCE = re.compile(r"^ *([0-9a-f]+)-([0-9a-f]+) : (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Zone:
    """A populated zone as zoneinfo describes it."""

    nid: int
    name: str
    start: int
    end: int
    present: int
    managed: int


def read_host(root: str | Path, region_pages: int) -> tuple[dict[str, Any], tuple[Range, ...]]:
    """Read a host: arguments of a Machine, and the regions that its firmware describes.

    Raises
    ------
    MachineError
        If its zones cannot be told.
    """
    return _Host(Path(root)).arguments(region_pages)


class _Host:
    """Reads files below a root and notes what is missing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes: list[str] = []

    def read(self, name: str) -> str | None:
        """Text of a file, or None if it cannot be read."""
        try:
            return (self.root / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def number(self, name: str, default: int | None, base: int = 10) -> int | None:
        """Content of a file that holds one number; noted if it does not."""
        text = self.read(name)
        try:
            return int(text or "", base)
        except ValueError:
            what = "cannot be read" if text is None else f"has no number but {text[:40]!r}"
            self.notes.append(f"{name} {what}; the default is taken")
            return default

    def arguments(self, region_pages: int) -> tuple[dict[str, Any], tuple[Range, ...]]:
        """Read everything."""
        size = re.search(r"^KernelPageSize: +(\d+) kB$", self.read("proc/self/smaps") or "", re.M)
        if size is not None and int(size[1]) * 1024 != PAGE_BYTES:
            why = f"only pages of 4 KiB are possible, this kernel has {size[1]} KiB"
            raise MachineError(str(self.root), [("proc/self/smaps", why)])
        text = self.read("proc/zoneinfo")
        zones = [*self.zones(text or "")]
        if not zones:
            why = (
                "cannot be read" if text is None else "has no zone with memory, start_pfn and span"
            )
            raise MachineError(str(self.root), [("proc/zoneinfo", why)])
        nids = sorted({zone.nid for zone in zones} | {*self.nids()})
        cpus = self.cpus(nids, text or "")
        distances = self.distances(nids)
        memory = self.memory(zones)
        nodes = []
        for i, nid in enumerate(nids):
            own = [zone for zone in zones if zone.nid == nid]
            present = join(pages for zone in own for pages in memory[zone][0])
            node = Node(
                nid=nid,
                cpus=cpus[nid],
                distances=distances[i],
                memory=present,
                reserved=join(pages for zone in own for pages in memory[zone][1]),
                zones=tuple((zone.name, zone.start, zone.end) for zone in own),
            )
            if present:
                node = replace(node, regions=regular(span_of(node), region_pages))
            nodes.append(node)
        regions = self.regions(region_pages)
        arguments = {
            "name": "host",
            "nodes": tuple(nodes),
            "pageblock_order": self.pageblock_order(),
            "watermark_scale_factor": self.number("proc/sys/vm/watermark_scale_factor", 10),
            "min_free_kbytes": self.number("proc/sys/vm/min_free_kbytes", None),
            "notes": tuple(self.notes),
        }
        return arguments, regions

    def zones(self, text: str) -> Iterator[_Zone]:
        """Find the populated zones, in ascending nid and type."""
        parts = _ZONE.split(text)
        found = []
        for nid, name, section in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
            numbers = {
                key: int(value)
                for key, value in re.findall(
                    r"^ *(start_pfn|spanned|present|managed):? +(\d+)$", section, re.MULTILINE
                )
            }
            if not numbers.get("present") or not {"start_pfn", "spanned"} <= numbers.keys():
                continue
            if name not in ZONE_NAMES:
                self.notes.append(
                    f"zone {name} of node {nid}, {format_pages(numbers['present'])}, is left out"
                )
                continue
            start = numbers["start_pfn"]
            found.append(
                _Zone(
                    nid=int(nid),
                    name=name,
                    start=start,
                    end=start + numbers["spanned"],
                    present=numbers["present"],
                    managed=numbers.get("managed", numbers["present"]),
                )
            )
        yield from sorted(found, key=lambda zone: (zone.nid, ZONE_NAMES.index(zone.name)))

    def nids(self) -> Iterator[int]:
        for path in (self.root / "sys/devices/system/node").glob("node[0-9]*"):
            if path.name[4:].isdecimal():
                yield int(path.name[4:])

    def cpus(self, nids: Sequence[int], zoneinfo: str) -> dict[int, tuple[int, ...]]:
        found: dict[int, tuple[int, ...]] = {}
        for nid in nids:
            try:
                text = self.read(f"sys/devices/system/node/node{nid}/cpulist")
                found[nid] = parse_cpus(text or "")
            except ValueError:
                found[nid] = ()
        if not any(found.values()):
            online = sorted(
                {int(n) for n in re.findall(r"^ *cpu: +(\d+)$", zoneinfo, re.MULTILINE)}
            )
            found[nids[0]] = tuple(online) or (0,)
            self.notes.append(
                f"no node/node*/cpulist can be read; all {len(found[nids[0]])} CPUs are taken to be in node {nids[0]}"
            )
        return found

    def distances(self, nids: Sequence[int]) -> list[tuple[int, ...]]:
        rows = []
        for nid in nids:
            text = self.read(f"sys/devices/system/node/node{nid}/distance") or ""
            rows.append([int(word) for word in text.split() if word.isdecimal()])
        size = range(len(nids))
        fits = all(len(row) == len(nids) for row in rows) and all(
            rows[i][j] == LOCAL_DISTANCE if i == j else LOCAL_DISTANCE < rows[i][j] <= MAX_DISTANCE
            for i in size
            for j in size
        )
        if not fits:
            self.notes.append("the distances of nodes cannot be told; 20 is taken between any two")
            rows = [[LOCAL_DISTANCE if i == j else REMOTE_DISTANCE for j in size] for i in size]
        if any(rows[i][j] != rows[j][i] for i in size for j in size):
            self.notes.append("the distances of nodes differ by direction; the greater is taken")
        return [tuple(max(rows[i][j], rows[j][i]) for j in size) for i in size]

    def memory(self, zones: Sequence[_Zone]) -> dict[_Zone, tuple[tuple[Range, ...], ...]]:
        """Present and reserved ranges of every zone."""
        ram, kernel = self.iomem()
        found: dict[_Zone, tuple[tuple[Range, ...], ...]] = {}
        for zone in zones:
            span = ((zone.start, zone.end),)
            present = intersect(ram or self.blocks(zone.name), span) or span
            if total(present) != zone.present:
                self.notes.append(
                    f"zone {zone.name} of node {zone.nid} has {zone.present} pages, {total(present)} places"
                    " for them are known; the lowest are taken"
                )
            present = _lowest(present, zone.present)
            usable = subtract(present, kernel)
            if total(usable) < zone.managed:  # the kernel gave back some of its image
                usable = present
            found[zone] = (present, subtract(present, _lowest(usable, zone.managed)))
        self.notes.append(
            "which pages are reserved is not told; the kernel image, if it is known, and the highest"
            " pages of each zone are taken"
        )
        return found

    def iomem(self) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
        """System RAM and the kernel in it; empty where the kernel shows zeros only."""
        resources = _RESOURCE.findall(self.read("proc/iomem") or "")
        ram, kernel = (
            join(
                (start, end)
                for start, end in (
                    (
                        (int(first, 16) + PAGE_BYTES - 1) // PAGE_BYTES,
                        (int(last, 16) + 1) // PAGE_BYTES,
                    )
                    for first, last, name in resources
                    if name.startswith(prefix)
                )
                if start < end
            )
            for prefix in ("System RAM", "Kernel ")
        )
        if not ram:
            self.notes.append(
                "proc/iomem tells no addresses (only root may see them); memory is placed by"
                " sys/devices/system/memory, as far as that can be read"
            )
        return ram, kernel

    def blocks(self, zone: str) -> tuple[Range, ...]:
        """Memory blocks that may be of a zone."""
        directory = self.root / "sys/devices/system/memory"
        try:
            size = int(self.read("sys/devices/system/memory/block_size_bytes") or "", 16)
        except ValueError:
            return ()
        found = []
        for path in directory.glob("memory[0-9]*"):
            place = f"sys/devices/system/memory/{path.name}"
            index, state, valid = (
                (self.read(f"{place}/{name}") or "").split()
                for name in ("phys_index", "state", "valid_zones")
            )
            if not index or state[:1] == ["offline"] or valid[:1] not in ([], ["none"], [zone]):
                continue
            first = int(index[0], 16) * (size // PAGE_BYTES)
            found.append((first, first + size // PAGE_BYTES))
        return join(found)

    def pageblock_order(self) -> int:
        match = re.search(r"^Page block order: +(\d+)$", self.read("proc/pagetypeinfo") or "", re.M)
        if match is None:
            self.notes.append("proc/pagetypeinfo cannot be read; a pageblock order of 9 is taken")
        return int(match[1]) if match else 9

    def regions(self, region_pages: int) -> tuple[Range, ...]:
        """Regions that the firmware describes."""
        try:
            data = (self.root / "sys/firmware/acpi/tables/MPST").read_bytes()
            return regions_from_mpst(data).regions
        except OSError:
            why = "the firmware describes none that can be read (sys/firmware/acpi/tables/MPST)"
        except MachineError as error:
            why = f"those of the firmware cannot be used: {error}"
        self.notes.append(f"regions of {format_pages(region_pages)} are taken; {why}")
        return ()


def _lowest(ranges: Sequence[Range], nr: int) -> tuple[Range, ...]:
    """Return the first *nr* pages of some ranges."""
    found = []
    for start, end in ranges:
        if nr > 0:
            found.append((start, min(end, start + nr)))
        nr -= end - start
    return tuple(found)
