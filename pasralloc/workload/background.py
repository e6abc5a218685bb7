"""Pages that come slowly and stay long: what the rest of a system does meanwhile."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np

from pasralloc.choices import Problems
from pasralloc.sim.simulation import Simulation
from pasralloc.sizing import check_range
from pasralloc.workload.checks import TYPES, check_number, check_shares
from pasralloc.workload.pages import Pages
from pasralloc.workload.timeline import SECOND_NS

LEAST_RATE = 1e-6  # a page in eleven days


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Long-lived pages.

    Parameters
    ----------
    pages_per_second : float, default 0
        Mean rate of allocation.
    burst : int, default 1
        Pages that are allocated one after the other, of one type and on one CPU.
    shares : (float, float, float), default (1/6, 5/6, 0)
        Of unmovable, movable and reclaimable bursts.
    lifetime_s : float, optional
        Mean lifetime of a burst; lifetimes are exponentially distributed. By default bursts stay for good.

    Raises
    ------
    ValueError, TypeError
        If a parameter is out of range; every problem is named.

    Notes
    -----
    Bursts come as a Poisson process. How many completely free regions a run ends with moves
    with this rate more than with the policy, so that it has to be stated with every result.
    """

    pages_per_second: float = 0.0
    burst: int = 1
    shares: tuple[float, float, float] = (1 / 6, 5 / 6, 0.0)
    lifetime_s: float | None = None

    def __post_init__(self) -> None:
        problems = Problems()
        problems.check(
            check_number,
            "pages_per_second",
            self.pages_per_second,
            lambda rate: rate == 0 or LEAST_RATE <= rate < math.inf,
            f"0, or {LEAST_RATE} or more and finite",
        )
        problems.check(check_range, "burst", self.burst, 1, 1 << 20)
        problems.check(check_shares, "shares", self.shares)
        if self.lifetime_s is not None:
            problems.check(
                check_number,
                "lifetime_s",
                self.lifetime_s,
                lambda seconds: 0 < seconds < math.inf,
                "positive and finite",
            )
        problems.refuse()


def check_background(background: object) -> None:
    """TypeError for what is no background."""
    if not isinstance(background, Background):
        raise TypeError(f"background must be a Background, got {background!r}")


class BackgroundLoad:
    """A background at work on a simulation; time goes forward from call to call."""

    def __init__(self, background: Background, sim: Simulation) -> None:
        self.background = background
        self.sim = sim
        self.nids = nids_of_cpus(sim)
        self.alive: list[tuple[int, int, Pages]] = []  # when it ends, number, pages
        self.nr_bursts = 0
        self.nr_failures = 0
        self.next_ns = self._gap() if background.pages_per_second else None

    def _gap(self) -> int:
        mean = self.background.burst / self.background.pages_per_second
        return int(self.sim.rng.exponential(mean) * SECOND_NS) + 1

    def advance(self, now_ns: int) -> None:
        """Allocate and free what is due by *now_ns*."""
        while self.next_ns is not None and self.next_ns <= now_ns:
            self._allocate(self.next_ns)
            self.next_ns += self._gap()
        while self.alive and self.alive[0][0] <= now_ns:
            self.sim.free_batch(heapq.heappop(self.alive)[2].pfns, cpu=self._cpu())
        for _, _, pages in self.alive:
            pages.renew()

    def _cpu(self) -> int:
        return int(self.sim.rng.choice(list(self.nids)))

    def _allocate(self, at_ns: int) -> None:
        background = self.background
        cpu = self._cpu()
        kind = str(self.sim.rng.choice(TYPES, p=background.shares))
        pfns = self.sim.alloc_batch(
            np.zeros(background.burst, np.uint8), kind, nid=self.nids[cpu], cpu=cpu
        )
        self.nr_failures += int(np.count_nonzero(pfns < 0))
        self.nr_bursts += 1
        if background.lifetime_s is not None:
            end = at_ns + int(self.sim.rng.exponential(background.lifetime_s) * SECOND_NS)
            pages = Pages(self.sim, pfns[pfns >= 0])
            heapq.heappush(self.alive, (end, self.nr_bursts, pages))


def nids_of_cpus(sim: Simulation) -> dict[int, int]:
    """Node of every CPU of a machine."""
    return {cpu: node.nid for node in sim.machine.nodes for cpu in node.cpus}
