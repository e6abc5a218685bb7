"""ebizzy on the machine with 128 GB: completely free regions, technique by technique."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from pasralloc.machine.machine import Machine
from pasralloc.outcomes import distances
from pasralloc.outcomes.outcome import Outcome
from pasralloc.outcomes.published import (
    CURVES,
    END_FREE,
    END_LISTS,
    MEASURED_WITH,
    MISSING,
    NODE_0_REGIONS,
    START_OF_USE,
)
from pasralloc.outcomes.startuse import STATES
from pasralloc.policy.presets import PRESETS, Policy
from pasralloc.sim.simulation import Simulation
from pasralloc.workload.background import Background
from pasralloc.workload.ebizzy import Ebizzy

MACHINE = "sandybridge-128g-2013"
LISTS = ("movable", "unmovable", "reclaimable", "reserve", "parked")
NR_SAMPLES = 76
STATE = "v3 patched"  # in which techniques are compared with each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Technique:
    """A policy, and the published states of the machine that it is compared on."""

    policy: Policy
    states: tuple[str, ...] = ()


# As the series adds them. A state belongs to the last technique that names it.
TECHNIQUES = tuple(
    Technique(policy=replace(policy, kernel="3.9"), states=states)
    for policy, states in (
        (Policy(name="linux", placement="linux"), ("v3 vanilla", "v4 vanilla")),
        (Policy(name="sorted", placement="sorted"), ()),
        (Policy(name="biased", placement="biased"), ()),
        (PRESETS["sorted-v3"], ("v3 patched",)),
        (PRESETS["sorted-v4"], ("v4 patched",)),
    )
)
POLICIES = {technique.policy.name: technique.policy for technique in TECHNIQUES}
POLICY_OF = {state: technique.policy.name for technique in TECHNIQUES for state in technique.states}
ORDER = "linux < sorted <= biased < sorted-v3 < sorted-v4"

# Nothing about the background is in the mails. With this one the end counts of linux and sorted-v3 are near
# the published ones; they move with it more than with the policy.
BACKGROUND = Background(pages_per_second=24.0, burst=8, shares=(1 / 6, 5 / 6, 0.0))
# Pages per second between which the order of the techniques holds, on this machine and with this load.
BAND = (6.0, 24.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run to make."""

    policy: str
    load: Ebizzy
    state: str | None = None
    machine: str | Machine = MACHINE
    seed: int = 0
    pagesets: bool = True


def perform(run: Run) -> dict[str, Any]:
    """Make a run; plain numbers, so that it may happen in another process."""
    sim = Simulation(run.machine, POLICIES[run.policy], seed=run.seed, pagesets=run.pagesets)
    if run.state is not None:
        STATES[run.state].place(sim)
    timeline = run.load.run(sim)
    table = timeline.regions
    normal = table[(table["nid"] == 0) & (table["zone"] == "Normal")]
    at = next(i for i, zone in enumerate(sim.zones) if (zone.nid, zone.name) == (0, "Normal"))
    names = sim.zones[at].migratetypes
    lists = {name: timeline.lists[at][names.index(name)].tolist() for name in LISTS[:-1]}
    nr_parked = int(timeline.parked_pages[at]) >> distances.NR_ORDERS - 1
    return {
        "policy": run.policy,
        "state": run.state,
        "start": timeline.start,
        "min": timeline.lowest,
        "end": timeline.end,
        "end_drained": timeline.end_drained,
        "trace": timeline.free_regions.tolist(),
        "lists": {**lists, "parked": [*[0] * (distances.NR_ORDERS - 1), nr_parked]},
        "free_pages": int(normal["nr_free"].sum()),
        "nr_free": normal["nr_free"].tolist(),
        "killed": timeline.nr_killed,
        "short": timeline.nr_short,
        "background_failures": timeline.nr_background_failures,
        "allocations": timeline.nr_allocs,
    }


def perform_all(
    runs: Sequence[Run], *, jobs: int = 1, progress: Callable[[int], None] | None = None
) -> list[dict[str, Any]]:
    """Make all runs, *jobs* at a time; results in the order of *runs*."""
    if jobs == 1:
        results: Iterable[dict[str, Any]] = map(perform, runs)
        return [_noted(result, i, progress) for i, result in enumerate(results)]
    with ProcessPoolExecutor(jobs) as pool:
        return [_noted(result, i, progress) for i, result in enumerate(pool.map(perform, runs))]


def _noted(
    result: dict[str, Any], number: int, progress: Callable[[int], None] | None
) -> dict[str, Any]:
    if progress is not None:
        progress(number + 1)
    return result


def is_ordered(ends: Sequence[int]) -> bool:
    """Whether every technique leaves more regions free than the one before; the bias may leave as many."""
    linux, in_order, biased, *others = ends
    return linux < in_order <= biased and all(
        one < other for one, other in zip([biased, *others], others, strict=False)
    )


def published_of(state: str) -> dict[str, Any]:
    """Bring what was printed of a state into the form of an own result; None where nothing was."""
    curve = CURVES[state]
    free: list[int | None] = [None] * len(NODE_0_REGIONS)
    for region, missing in MISSING.get(state, {}).items():
        free[region] = NODE_0_REGIONS[region] - missing
    for region, nr in START_OF_USE.get(state, {}).items():
        free[region] = nr
    return {
        "policy": MEASURED_WITH[state],
        "state": state,
        "start": curve[0],
        "min": min(curve),
        "end": curve[-1],
        "end_drained": None,
        "trace": curve,
        "lists": END_LISTS.get(state),
        "free_pages": END_FREE.get(state),
        "nr_free": free,
        "missing_elsewhere": missing_elsewhere(state, END_FREE.get(state), free),
    }


def missing_elsewhere(state: str, nr_free: int | None, regions: Sequence[int | None]) -> int | None:
    """Pages missing from the regions of node 0 that were not in use at the start, together."""
    missing = distances.missing_of(regions)
    elsewhere = [nr for i, nr in enumerate(missing) if i and i not in STATES[state].free_pages]
    if None not in elsewhere:
        return sum(nr for nr in elsewhere if nr is not None)
    if nr_free is None:
        return None
    in_use = sum(missing[region] or 0 for region in STATES[state].free_pages)
    return sum(NODE_0_REGIONS) - nr_free - in_use


def compared(result: dict[str, Any], published: dict[str, Any]) -> dict[str, Any]:
    """Cut the trace to as many samples as were published, and add the distances."""
    state = published["state"]
    # The last sample is of the moment when everything was over.
    trace = [*result["trace"][: NR_SAMPLES - 1], result["trace"][-1]]
    missing: list[int] = np.subtract(NODE_0_REGIONS, result["nr_free"]).tolist()
    other = distances.missing_of(published["nr_free"])
    used = STATES[state].free_pages
    elsewhere = [None if i in used else nr for i, nr in enumerate(other)]
    at_start = [nr if i in used else None for i, nr in enumerate(other)]
    return {
        **result,
        "trace": trace,
        "missing_elsewhere": missing_elsewhere(state, result["free_pages"], result["nr_free"]),
        "missing_80_to_1000": sum(
            80 <= nr <= 1000 for i, nr in enumerate(missing) if nr is not None and i not in used
        ),
        "distances": {
            "curve": distances.curve_distance(trace, published["trace"]),
            "lists": distances.lists_distance(result["lists"], published["lists"])
            if published["lists"]
            else None,
            "start_of_use": distances.missing_distance(missing, at_start),
            "missing": distances.missing_distance(missing, elsewhere),
            "missing_distribution": distances.distribution_distance(missing, elsewhere),
        },
    }


def run(
    *,
    seed: int = 0,
    load: Ebizzy | None = None,
    seeds: int = 1,
    rates: Sequence[float] = (),
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Run every technique on one set of parameters, and on others to see what the result hangs on.

    Parameters
    ----------
    seed : int, default 0
        Of the first run of each policy.
    load : Ebizzy, optional
        Parameters that all policies share; by default those of the mails, and `BACKGROUND`.
    seeds : int, default 1
        Runs of each policy at each rate, with different seeds.
    rates : sequence of float
        Background rates, in pages per second, to run as well.
    jobs : int, default 1
        Runs at a time, each in a process of its own.
    progress : callable, optional
        Called with the number of runs that are done, and of all.

    Returns
    -------
    outcome : Outcome
        *published* and *ours* have, for each policy that was measured, start, min, end, end_drained and
        trace, 76 samples; in *states* the same for every state of the machine that was measured, with free lists
        and free pages per region of ZONE_NORMAL of node 0 at the end, and *ours* the distances. In
        *ours* further the end counts, before and after a drain of the pagesets, by seed and by background
        rate, all from one state, and those without background and without pagesets.

    Notes
    -----
    A run takes about 20 s, and without seeds and rates there are 11.
    """
    load = load or Ebizzy(background=BACKGROUND, record_seconds=NR_SAMPLES - 1)
    quiet = _with_rate(load, 0.0)
    all_rates = list(dict.fromkeys([load.background.pages_per_second, *rates]))
    measured = {
        state: Run(policy=name, state=state, load=load, seed=seed)
        for state, name in POLICY_OF.items()
    }
    sane = [
        Run(policy=name, state=STATE, load=quiet, seed=seed, pagesets=False) for name in POLICIES
    ]
    swept = [
        Run(policy=name, state=STATE, load=_with_rate(load, rate), seed=seed + i)
        for rate in all_rates
        for i in range(seeds)
        for name in POLICIES
    ]
    runs = list(dict.fromkeys([*measured.values(), *sane, *swept]))
    nr_runs = len(runs)
    results = perform_all(
        runs,
        jobs=jobs,
        progress=(lambda done: progress(done, nr_runs)) if progress is not None else None,
    )
    by_run = dict(zip(runs, results, strict=True))
    published = {state: published_of(state) for state in POLICY_OF}
    states = {state: compared(by_run[run], published[state]) for state, run in measured.items()}
    # Of the states of a policy the first; a policy that was not measured has the state of the comparison.
    first = {name: state for state, name in reversed(POLICY_OF.items())}
    ends = {
        key: np.array([by_run[run][key] for run in swept]).reshape(len(all_rates), seeds, -1)
        for key in ("end", "end_drained")
    }
    ordered = [all(is_ordered(row) for row in at_rate) for at_rate in ends["end"].tolist()]
    ours: dict[str, Any] = {
        **{
            name: states[first[name]] if name in first else by_run[swept[i]]
            for i, name in enumerate(POLICIES)
        },
        "states": states,
        "by_rate": {
            "rates": all_rates,
            "ordered": ordered,
            **{
                key: {name: values[:, :, i].tolist() for i, name in enumerate(POLICIES)}
                for key, values in ends.items()
            },
        },
        "quiet_without_pagesets": {
            run.policy: [by_run[run]["start"], by_run[run]["end"]] for run in sane
        },
    }
    in_band = [
        holds for rate, holds in zip(all_rates, ordered, strict=True) if BAND[0] <= rate <= BAND[1]
    ]
    return Outcome(
        outcome="ebizzy",
        parameters={
            "machine": MACHINE,
            "seed": seed,
            "seeds": seeds,
            "state": STATE,
            "states": {name: asdict(state) for name, state in STATES.items()},
            "load": asdict(load),
            "policies": {name: asdict(policy) for name, policy in POLICIES.items()},
        },
        published={
            **{name: published[state] for name, state in first.items()},
            "states": published,
        },
        ours=ours,
        checks={
            "without background and pagesets every region is free again": all(
                by_run[run]["end"] == by_run[run]["start"] for run in sane
            ),
            f"{ORDER} at the end, at every rate from {BAND[0]:g} to {BAND[1]:g} pages/s and with every seed": all(
                in_band
            ),
            "the lists hold every free page": all(
                sum(distances.pages_of(nr).sum() for nr in result["lists"].values())
                == result["free_pages"]
                for result in results
            ),
            "nothing was short of memory": not any(
                result["killed"] or result["short"] or result["background_failures"]
                for result in results
            ),
        },
    )


def _with_rate(load: Ebizzy, rate: float) -> Ebizzy:
    return replace(load, background=replace(load.background, pages_per_second=rate))
