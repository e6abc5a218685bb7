"""Instructions per operation of the pair scenario, counted with callgrind.

    python benchmarks/instructions.py

Both placements at 1 GiB and 64 regions, then the default pageset in front. The floor is the same stream on a zone
with nothing free and slots that hold no pfn: every free is refused at once, every
allocation fails at once. What remains is copying, checking, prefetching and
dispatch in `Zone.run`, and the few instructions of a refusal.

Then the same stream through a simulation of one zone, by the trigger of its evacuation.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

NR_OPS = 1_000_000

CHILD = """
import sys
sys.path.insert(0, {here!r})
import numpy as np
from pasralloc import Pagesets, Zone
from streams import prepare
zone = Zone(1 << 18, region_pages=1 << 12, placement={placement!r}, pagesets={pagesets})
scenario = prepare("pair", zone, {nr_ops})
if {floor}:
    zone.alloc_batch(np.full(zone.nr_pages // 1024, 10, np.uint8))
    while zone.nr_free:
        zone.alloc()
    scenario.slots[:] = -1
scenario.run()
"""

SIMULATION = """
import sys
sys.path.insert(0, {here!r})
import pasralloc as pa
from bench_simulation import OneZone, machine_of
from pasralloc.policy.evacuation import Evacuation
from streams import prepare
policy = pa.Policy(name="x", placement="sorted", evacuation=Evacuation(trigger={trigger!r}))
zone = OneZone(machine_of(1), policy, pagesets=False)
prepare("pair", zone, {nr_ops}).run()
"""


def count(placement, *, pagesets=None, floor=False):
    """Instructions per operation inside `Zone.run`, inlined callees included."""
    script = CHILD.format(
        here=str(Path(__file__).parent),
        placement=placement,
        pagesets=pagesets,
        nr_ops=NR_OPS,
        floor=floor,
    )
    return counted(script, "stream_zone_run")


def count_simulation(trigger):
    """Instructions per operation inside `Simulation.run`, and what it calls on the way."""
    script = SIMULATION.format(here=str(Path(__file__).parent), trigger=trigger, nr_ops=NR_OPS)
    return counted(script, r"(?:nodestream|rmqueue|zone|evacuation|node|pcp)_\w*")


def counted(script, function):
    """Instructions per operation in functions of a name."""
    with tempfile.TemporaryDirectory() as tmp:
        out = Path(tmp) / "callgrind.out"
        subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                f"--callgrind-out-file={out}",
                sys.executable,
                "-c",
                script,
            ],
            check=True,
            capture_output=True,
        )
        listing = subprocess.run(
            ["callgrind_annotate", "--auto=no", str(out)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return (
        sum(
            int(match[1].replace(",", ""))
            for match in re.finditer(rf"^\s*([\d,]+) .*{function}\b", listing, re.MULTILINE)
        )
        / NR_OPS
    )


def main():
    floor = count("linux", floor=True)
    print(f"floor   {floor:6.1f}")
    for placement in ("linux", "sorted"):
        total = count(placement)
        print(f"{placement:7} {total:6.1f}  less the floor {total - floor:6.1f}")
    print(f"pageset {count('sorted', pagesets='Pagesets()'):6.1f}")
    for trigger in ("manual", "handshake", "free"):
        print(f"simulation, {trigger:9} {count_simulation(trigger):6.1f}")


if __name__ == "__main__":
    main()
