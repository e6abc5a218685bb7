"""Seeded bugs in machines: watermarks, zonelists, regions, checks and parsers."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

VALUES = "tests/test_machine.py"
REFUSALS = "tests/test_machine_refusals.py"
TOML = "tests/test_machine_toml.py"
FIRMWARE = "tests/test_machine_firmware.py"
HOST = "tests/test_machine_host.py"

MUTANTS = [
    Mutant(
        "machine/watermarks.py",
        "sum(zone.managed for zone in zones if not (modern and zone.type == MOVABLE))",
        "sum(zone.managed for zone in zones)",
        "Movable takes part in the sharing of the min watermark",
        VALUES,
    ),
    Mutant(
        "machine/watermarks.py",
        "max(share // 4, zone.managed * scale_factor // 10000)",
        "max(least // 4, zone.managed * scale_factor // 10000)",
        "the gap of Movable follows its capped min watermark",
        VALUES,
    ),
    Mutant(
        "machine/watermarks.py",
        "least + share // 4, least + share // 2",
        "least + share // 4, least + share // 4 * 2",
        "a half is rounded as two quarters",
        VALUES,
    ),
    Mutant(
        "machine/watermarks.py",
        "    if pageblock_pages * 4 > zone.managed or not most:",
        "    if not most:",
        "zones of less than four pageblocks are boosted",
        VALUES,
    ),
    Mutant(
        "machine/watermarks.py",
        "z.nid == zone.nid and zone.type < z.type <= highest",
        "zone.type < z.type <= highest",
        "zones of other nodes count for the reserve",
        VALUES,
    ),
    Mutant(
        "machine/watermarks.py",
        "    lowmem = sum(zone.managed for zone in zones if zone.type != MOVABLE)",
        "    lowmem = sum(zone.present for zone in zones if zone.type != MOVABLE)",
        "min_free_kbytes counts reserved pages",
        VALUES,
    ),
    Mutant(
        "machine/watermarks.py",
        "max(low // sharing, 4 * batch)",
        "max(low // nr_cpus, 4 * batch)",
        "CPUs of other nodes share the low watermark",
        VALUES,
    ),
    Mutant(
        "machine/machine.py",
        "(distance, other.nid < nid, other.nid)",
        "(distance, other.nid)",
        "of equal distances the lowest node comes first",
        VALUES,
    ),
    Mutant(
        "machine/machine.py",
        "            (order[zone.nid], -zone.type, position)",
        "            (-zone.type, order[zone.nid], position)",
        "zonelists go by zone before node",
        VALUES,
    ),
    Mutant(
        "machine/machine.py",
        "if zone.type <= highest_type and zone.managed",
        "if zone.type <= highest_type",
        "zonelists hold zones without managed pages",
        VALUES,
    ),
    Mutant(
        "machine/topology.py",
        "    bounds = [span[0], *cut[1:], span[1]]",
        "    bounds = [cut[0], *cut[1:], span[1]]",
        "a hole below the first region belongs to none",
        f"{VALUES} {REFUSALS}",
    ),
    Mutant(
        "machine/topology.py",
        "managed=total(intersect(managed_ranges, ((start, end),))),",
        "managed=total(intersect(present_ranges, ((start, end),))),",
        "reserved pages of a region count as managed",
        VALUES,
    ),
    Mutant(
        "machine/ranges.py",
        "        if ranges[i][1] < others[j][1]:",
        "        if ranges[i][0] < others[j][0]:",
        "an intersection leaves a range that begins first, however far it reaches",
        VALUES,
    ),
    Mutant(
        "machine/regions.py",
        "    first = start - (start - origin) % size",
        "    first = start",
        "regions are counted from the start whatever the origin",
        TOML,
    ),
    Mutant(
        "machine/check.py",
        "        widest = max(widest, span, key=lambda span: span[1][1])",
        "        widest = span",
        "a zone that reaches over two others overlaps the first only",
        REFUSALS,
    ),
    Mutant(
        "machine/tomlfile.py",
        "            if regions[i][1] - end > size:\n                break",
        "",
        "runs of regions swallow a larger one when written",
        TOML,
    ),
    Mutant(
        "machine/devicetree.py",
        "        if address % PAGE_BYTES or length % PAGE_BYTES or address + length > MAX_PFN * PAGE_BYTES:",
        "        if address % PAGE_BYTES or length % PAGE_BYTES:",
        "memory of a device tree may lie beyond every address",
        FIRMWARE,
    ),
    Mutant(
        "machine/mpst.py",
        "            if index >= len(characteristics):",
        "            if index > len(characteristics):",
        "a power state may have characteristics beyond the last",
        FIRMWARE,
    ),
    Mutant(
        "machine/host.py",
        "            if total(usable) < zone.managed:  # the kernel gave back some of its image\n"
        "                usable = present\n",
        "",
        "a zone loses pages of the kernel image that were given back",
        HOST,
    ),
]
