"""Machines read from a live Linux: fake roots, roots with parts missing, and this host."""

import re
from pathlib import Path

import pytest
from firmware import MIB, mpst
from machines import GIB

import pasralloc as pa

SYSFS = "sys/devices/system"
# (nid, name, start, spanned, present, managed), as zoneinfo of a host with two nodes has them.
ZONES = [
    (0, "DMA", 1, 4095, 3998, 3840),
    (0, "DMA32", 4096, GIB - 4096, GIB // 2 - 4096, GIB // 2 - 8192),
    (0, "Normal", GIB, GIB, GIB, GIB - 5000),
    (0, "Movable", 0, 0, 0, 0),
    (0, "Device", 0, 0, 0, 0),
    (1, "Normal", 2 * GIB, 2 * GIB, 2 * GIB, 2 * GIB - 7000),
    (1, "Movable", 4 * GIB, GIB, GIB, GIB),
]
IOMEM = [
    (0x1000, 0x9FBFF, "System RAM"),
    (0x100000, (GIB // 2 << 12) - 1, "System RAM"),
    (16 * MIB, 20 * MIB - 1, "Kernel code"),
    (20 * MIB, 20 * MIB + 99, "Kernel bss"),
    (GIB << 12, (5 * GIB << 12) - 1, "System RAM"),
    (6 * GIB << 12, (7 * GIB << 12) - 1, "PCI Bus 0000:00"),
]


def zoneinfo(zones):
    text = ""
    for nid, name, start, spanned, present, managed in zones:
        text += f"Node {nid}, zone {name:>8}\n  per-node stats\n      nr_mapped    5\n"
        text += f"  pages free     {managed}\n        min      32\n        spanned  {spanned}\n"
        text += f"        present  {present}\n        managed  {managed}\n"
        text += "        protection: (0, 0)\n  pagesets\n    cpu: 0\n              count: 3\n    cpu: 1\n"
        text += f"  node_unreclaimable:  0\n  start_pfn:           {start}\n"
    return text


def files(zones=ZONES, iomem=IOMEM):
    found = {
        "proc/zoneinfo": zoneinfo(zones),
        "proc/iomem": "".join(
            f"{'  ' * name.startswith('Kernel')}{a:08x}-{b:08x} : {name}\n" for a, b, name in iomem
        ),
        "proc/pagetypeinfo": "Page block order: 10\nPages per block:  1024\n",
        "proc/sys/vm/min_free_kbytes": "45056\n",
        "proc/sys/vm/watermark_scale_factor": "20\n",
        f"{SYSFS}/memory/block_size_bytes": "8000000\n",
    }
    for nid, cpus, distance in ((0, "0-3,8", "10 21"), (1, "4-7", "21 10")):
        found[f"{SYSFS}/node/node{nid}/cpulist"] = cpus + "\n"
        found[f"{SYSFS}/node/node{nid}/distance"] = distance + "\n"
    for block in range(5 * GIB // 32768):
        if GIB // 2 <= block * 32768 < GIB:
            continue
        name = "none" if block == 0 else "DMA32" if block < 8 else "Normal"
        found[f"{SYSFS}/memory/memory{block}/phys_index"] = f"{block:08x}\n"
        found[f"{SYSFS}/memory/memory{block}/state"] = "online\n"
        found[f"{SYSFS}/memory/memory{block}/valid_zones"] = (
            "Movable\n" if block * 32768 >= 4 * GIB else name + "\n"
        )
    return found


def root_of(tmp_path, found):
    for name, content in found.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path


def without(*patterns):
    return {
        name: content
        for name, content in files().items()
        if not any(re.search(pattern, name) for pattern in patterns)
    }


def read(tmp_path, found, **options):
    return pa.Machine.from_host(root_of(tmp_path, found), **options)


def shape(some):
    return [(z.nid, z.name, z.present, z.managed) for z in some.zones]


WANTED = [(nid, name, present, managed) for nid, name, _, _, present, managed in ZONES if present]


def noted(some, text):
    return any(text in note for note in some.notes)


def test_everything_is_read(tmp_path):
    some = read(tmp_path, files())
    assert shape(some) == WANTED
    assert [one.cpus for one in some.nodes] == [(0, 1, 2, 3, 8), (4, 5, 6, 7)]
    assert [one.distances for one in some.nodes] == [(10, 21), (21, 10)]
    assert (some.pageblock_order, some.min_free_kbytes) == (10, 45056)
    assert some.watermark_scale_factor == 20
    assert some.nodes[0].memory[:2] == ((1, 159), (256, GIB // 2))
    assert intersecting(some.nodes[0].reserved, 4096, 4096 + 1024), "the kernel image is reserved"
    assert [len(z.regions) for z in some.zones] == [1, 2, 2, 4, 2]
    assert len(some.notes) == 2
    assert noted(some, "which pages are reserved is not told")
    assert noted(some, "regions of 512 MiB are taken; the firmware describes none")
    again = tmp_path / "host.toml"
    again.write_text(some.to_toml())
    assert pa.Machine.from_toml(again) == some


def intersecting(ranges, start, end):
    return any(first <= start and end <= last for first, last in ranges)


def test_regions_of_another_size(tmp_path):
    some = read(tmp_path, files(), region_pages=GIB // 4)
    assert [len(z.regions) for z in some.zones] == [1, 4, 4, 8, 4]


def test_without_privileges_memory_blocks_place_the_memory(tmp_path):
    found = without("pagetypeinfo")
    found["proc/iomem"] = "00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n"
    some = read(tmp_path, found)
    assert shape(some) == WANTED
    assert some.nodes[1].memory == ((2 * GIB, 5 * GIB),)
    assert noted(some, "proc/iomem tells no addresses")
    assert noted(some, "zone DMA of node 0 has 3998 pages, 4095 places for them are known")
    assert noted(some, "proc/pagetypeinfo cannot be read; a pageblock order of 9 is taken")


def test_blocks_that_are_offline_or_of_other_zones_are_left_out(tmp_path):
    found = without("iomem")
    zones = [(*ZONES[5][:4], 2 * GIB - 65536, 1000)]
    found["proc/zoneinfo"] = zoneinfo(zones)
    found[f"{SYSFS}/memory/memory16/state"] = "offline\n"
    found[f"{SYSFS}/memory/memory17/valid_zones"] = "Movable\n"
    some = read(tmp_path, found)
    assert some.nodes[1].memory == ((2 * GIB + 65536, 4 * GIB),)
    assert some.nodes[0].memory == ()
    assert some.zonelist(0, 2) == (0,)


def test_without_any_places_the_lowest_pages_of_a_zone_are_taken(tmp_path):
    some = read(tmp_path, without("iomem", "memory"))
    assert shape(some) == WANTED
    assert some.nodes[0].memory[0] == (1, 3999)


def test_without_nodes_all_cpus_are_in_the_first(tmp_path):
    some = read(tmp_path, without("/node/"))
    assert [one.cpus for one in some.nodes] == [(0, 1), ()]
    assert [one.distances for one in some.nodes] == [(10, 20), (20, 10)]
    assert noted(some, "all 2 CPUs are taken to be in node 0")
    assert noted(some, "the distances of nodes cannot be told")


def test_without_any_cpu_there_is_one(tmp_path):
    found = without("/node/")
    found["proc/zoneinfo"] = found["proc/zoneinfo"].replace("cpu:", "CPU:")
    assert read(tmp_path, found).nr_cpus == 1


@pytest.mark.parametrize(
    ("distances", "expected", "note"),
    [
        (("10 21", "17 10"), (10, 21), "differ by direction; the greater is taken"),
        (("10 21", "5 10"), (10, 20), "cannot be told"),
        (("11 21", "21 11"), (10, 20), "cannot be told"),
        (("10", "21 10"), (10, 20), "cannot be told"),
        (("10 many", "21 10"), (10, 20), "cannot be told"),
    ],
)
def test_odd_distances(tmp_path, distances, expected, note):
    found = files()
    for nid, text in enumerate(distances):
        found[f"{SYSFS}/node/node{nid}/distance"] = text
    some = read(tmp_path, found)
    assert some.nodes[0].distances == expected
    assert noted(some, note)


def test_numbers_that_are_none(tmp_path):
    found = without("watermark_scale_factor")
    found["proc/sys/vm/min_free_kbytes"] = "many"
    found[f"{SYSFS}/node/node1/cpulist"] = "4-"
    some = read(tmp_path, found)
    assert (some.watermark_scale_factor, some.min_free_kbytes) == (10, None)
    assert noted(some, "proc/sys/vm/watermark_scale_factor cannot be read; the default is taken")
    assert noted(some, "min_free_kbytes has no number but 'many'; the default is taken")
    assert some.nodes[1].cpus == ()


def test_zones_of_another_kind_are_left_out(tmp_path):
    found = files([*ZONES, (1, "Device", 5 * GIB, GIB, GIB, 0)])
    some = read(tmp_path, found)
    assert shape(some) == WANTED
    assert noted(some, "zone Device of node 1, 1 GiB, is left out")


def test_a_kernel_that_gave_back_some_of_its_image(tmp_path):
    zones = [ZONES[0], (*ZONES[1][:5], ZONES[1][4]), *ZONES[2:]]
    assert read(tmp_path, files(zones)).zones[1].managed == ZONES[1][4]


def test_an_old_kernel_tells_no_managed_pages(tmp_path):
    found = files()
    found["proc/zoneinfo"] = re.sub(r" *managed .*\n", "", found["proc/zoneinfo"])
    assert all(z.managed == z.present for z in read(tmp_path, found).zones)


def test_regions_of_the_firmware(tmp_path):
    nodes = [(1, k, k * GIB << 12, GIB << 12, [], []) for k in range(5)]
    some = read(tmp_path, files() | {"sys/firmware/acpi/tables/MPST": mpst(nodes)})
    assert [len(z.regions) for z in some.zones] == [1, 1, 1, 2, 1]
    assert len(some.notes) == 1


@pytest.mark.parametrize(
    ("table", "note"),
    [
        (b"MPST", "those of the firmware cannot be used: MPST: expected a table"),
        (
            mpst([(1, 0, 0, GIB << 12, [], [])]),
            "those of the firmware do not fit: host: node[0].memory[2]: [0x40000, 0x80000) belongs to no region",
        ),
    ],
)
def test_regions_of_the_firmware_that_cannot_be_used(tmp_path, table, note):
    some = read(tmp_path, files() | {"sys/firmware/acpi/tables/MPST": table})
    assert noted(some, note)
    assert [len(z.regions) for z in some.zones] == [1, 2, 2, 4, 2]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "proc/zoneinfo: cannot be read"),
        ("", "proc/zoneinfo: has no zone with memory, start_pfn and span"),
        (zoneinfo(ZONES).replace("start_pfn", "start"), "has no zone with memory"),
    ],
)
def test_another_system_is_refused(tmp_path, text, why):
    found = without("zoneinfo") | ({} if text is None else {"proc/zoneinfo": text})
    with pytest.raises(pa.MachineError, match=why):
        read(tmp_path, found)


def test_pages_of_another_size_are_refused(tmp_path):
    found = files() | {"proc/self/smaps": "KernelPageSize:        4 kB\n"}
    assert shape(read(tmp_path, found)) == WANTED
    found["proc/self/smaps"] = "Size: 4 kB\nKernelPageSize:       64 kB\nMMUPageSize: 64 kB\n"
    with pytest.raises(pa.MachineError, match=r"only pages of 4 KiB are possible, .* has 64 KiB"):
        read(tmp_path, found)


def test_nodes_inside_each_other_are_refused(tmp_path):
    zones = [(0, "Normal", 0, 4 * GIB, GIB, GIB), (1, "Normal", GIB, GIB, GIB, GIB)]
    with pytest.raises(pa.MachineError, match=r"node\[1\].zones.Normal: .* overlaps"):
        read(tmp_path, files(zones))


@pytest.mark.skipif(not Path("/proc/zoneinfo").exists(), reason="no live Linux")
def test_this_host():
    some = pa.Machine.from_host()
    assert sum(z.managed for z in some.zones) > 0
    assert some.notes
    for kernel in ("6.12", "3.9"):
        assert len(some.watermarks(kernel)) == len(some.pagesets(kernel)) == len(some.zones)
