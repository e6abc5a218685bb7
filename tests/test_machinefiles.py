"""Files of /proc about a whole simulation, region by region, and the verb that prints them."""

import re

import numpy as np
import pytest
from click.testing import CliRunner

import pasralloc as pa
from pasralloc.cli.main import cli
from pasralloc.report.machinefiles import FILES, buddyinfo, pagetypeinfo, zoneinfo
from pasralloc.workload.kernbench import Kernbench

REGION = re.compile(r"^\tRegion +(\d+) \t +(\d+) \t +(\d+)$", re.MULTILINE)
HEAD = "Per-region page stats\t present\t free\n"


@pytest.fixture(params=["linux", "sorted-v3", "hierarchy"])
def sim(request):
    sim = pa.Simulation(
        "sandybridge-128g-2013" if request.param == "linux" else "x86-8g-2013", request.param
    )
    sim.alloc_batch(np.zeros(5000, np.uint8), "movable")
    sim.alloc_batch(np.full(7, 3, np.uint8), "unmovable", cpu=1)
    return sim


def test_zoneinfo_has_the_pages_of_every_region(sim):
    text = zoneinfo(sim)
    told = [tuple(map(int, found.groups())) for found in REGION.finditer(text)]
    table = sim.regions()
    assert told == [(row["region"], row["present"], row["nr_free"]) for row in table]
    assert text.count(HEAD) == len(sim.zones)


def test_zoneinfo_has_watermarks_and_sizes():
    sim = pa.Simulation("x86-8g-2013", "sorted")
    text = zoneinfo(sim).split("Node 0, zone   Normal\n")[1]
    mark = sim.machine.watermarks()[2]
    zone = sim.machine.zones[2]
    for name, nr in (
        ("min", mark.min),
        ("low", mark.low),
        ("high", mark.high),
        ("spanned", zone.spanned),
        ("present", zone.present),
        ("managed", zone.managed),
    ):
        assert f"        {name:<8} {nr}\n" in text
    assert text.startswith(f"  pages free     {sim.zones[2].nr_free}\n")
    assert text.count("              count: 0\n") == 16
    assert f"  start_pfn:           {zone.start_pfn}\n" in text


def test_buddyinfo_has_the_blocks_of_every_region(sim):
    text = buddyinfo(sim)
    rows = re.findall(r"^\t\t Region +\d+ ([ \d]+)$", text, re.MULTILINE)
    counts = np.array([row.split() for row in rows], np.int64)
    assert counts.shape == (len(sim.regions()), 11)
    pages = (counts << np.arange(11)).sum()
    assert pages == sim.nr_free
    assert re.findall(r"^Node (\d+), zone +(\w+) $", text, re.MULTILINE) == [
        (str(zone.nid), zone.name) for zone in sim.zones
    ]


def test_pagetypeinfo_has_lists_and_pageblocks_of_every_region(sim):
    text = pagetypeinfo(sim)
    lists = re.findall(r"^Node +(\d+), zone +(\w+), R *\d+ +(\w+) ([ \d]+)$", text, re.MULTILINE)
    assert len(lists) == 6 * len(sim.regions())
    on_lists = sum(zone.pagetypeinfo() for zone in sim.zones).sum(axis=0)
    counts = np.array([row.split() for _, _, _, row in lists], np.int64)
    assert counts.sum(axis=0).tolist() == on_lists.tolist()
    blocks = re.findall(r"^Node \d+, zone +\w+ R *\d+ ([ \d]+)$", text, re.MULTILINE)
    counted = np.array([row.split() for row in blocks], np.int64).sum(axis=0)
    assert counted.tolist() == sum(zone.pageblock_counts() for zone in sim.zones).tolist()
    nr_nodes = len(sim.machine.nodes)
    assert text.count("Page block order: ") == text.count("Number of blocks type") == nr_nodes


def run(*arguments):
    return CliRunner().invoke(cli, ["regions", *arguments])


class TestVerb:
    @pytest.mark.parametrize("file", sorted(FILES))
    def test_after_boot(self, file):
        done = run(file, "--machine", "exynos4210-2g", "--policy", "linux")
        assert done.exit_code == 0
        assert done.stdout == FILES[file](pa.Simulation("exynos4210-2g", "linux"))

    def test_after_a_workload(self):
        done = run("buddyinfo", "--after", "kernbench", "--set", "units=5", "--seed", "3")
        sim = pa.Simulation("generic-16g", "sorted", seed=3)
        Kernbench(units=5).run(sim)
        assert done.stdout == buddyinfo(sim)

    def test_after_a_trace(self):
        done = run("zoneinfo", "--trace", "sample:t1", "--policy", "linux")
        result = pa.replay(pa.Trace.sample("t1"), "linux", machine="generic-16g")
        free = [int(nr) for _, _, nr in REGION.findall(done.stdout)]
        assert free == (result.managed.astype(int) - result.used_end).tolist()

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            (["slabinfo"], "is not one of"),
            (["zoneinfo", "--after", "ebizy"], "did you mean 'ebizzy'"),
            (["zoneinfo", "--policy", "sortd"], "did you mean 'sorted'"),
            (["zoneinfo", "--set", "units=5"], "--set means nothing without --after"),
            (["zoneinfo", "--after", "kernbench", "--trace", "x"], "exclude each other"),
            (["zoneinfo", "--after", "kernbench", "--set", "units=0"], "units must be"),
        ],
    )
    def test_what_does_not_fit_is_usage(self, arguments, why):
        done = run(*arguments)
        assert done.exit_code == 2
        assert why in done.stderr
