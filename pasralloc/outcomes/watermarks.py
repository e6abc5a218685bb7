"""Watermarks of the machine on which the third and fourth version of the series ran."""

from __future__ import annotations

from dataclasses import replace

from pasralloc.machine.machine import Machine
from pasralloc.outcomes.outcome import Outcome
from pasralloc.outcomes.published import WATERMARKS


def run(*, seed: int = 0) -> Outcome:
    """Watermarks of ZONE_NORMAL of node 0 by the formulas of 3.9.

    Parameters
    ----------
    seed : int, default 0
        Nothing depends on it.

    Returns
    -------
    outcome : Outcome
        Why the fourth version has a higher min watermark on the same machine is not
        known: there `min_free_kbytes` is chosen to meet it, and only low and high are computed.
    """
    machine = Machine.preset("sandybridge-128g-2013")
    at = next(i for i, zone in enumerate(machine.zones) if (zone.nid, zone.name) == (0, "Normal"))
    sharing = sum(zone.managed for zone in machine.zones)
    pages = -(-WATERMARKS["v4"][0] * sharing // machine.zones[at].managed)
    machines = {"v3": machine, "v4": replace(machine, min_free_kbytes=4 * pages)}
    ours = {}
    for version, variant in machines.items():
        mark = variant.watermarks("3.9")[at]
        ours[version] = [mark.min, mark.low, mark.high]
    return Outcome(
        outcome="watermarks",
        parameters={
            "seed": seed,
            "machine": machine.name,
            "kernel": "3.9",
            "min_free_kbytes": {"v3": "computed", "v4": 4 * pages},
        },
        published=WATERMARKS,
        ours=ours,
        checks={"as published": ours == WATERMARKS},
    )
