"""One trace, several policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pasralloc.machine.machine import Machine
from pasralloc.policy.presets import Policy, policy_of
from pasralloc.sim.ground import check_ground, machine_of
from pasralloc.sim.replay import Result, check_start, replay
from pasralloc.trace.trace import Trace


def compare(
    trace: Trace,
    policies: Sequence[str | Policy] = ("linux", "sorted"),
    *,
    machine: Machine | str | None = None,
    region_pages: int | None = None,
    start: str | None = None,
    memory_pages: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Result]:
    """Replay a trace under several policies.

    Parameters
    ----------
    trace : Trace
    policies : sequence of str or Policy, default ("linux", "sorted")
    machine, region_pages, start, memory_pages
        As for `replay`.
    progress : callable, optional
        Called with the name of each policy before its replay.

    Returns
    -------
    results : list of Result
        In the order of *policies*.

    Raises
    ------
    ValueError
        As `replay`; unknown policies, and such that need a machine, are refused before anything
        is replayed.
    MachineError
        As `replay`.
    """
    check_start(start)
    chosen = [policy_of(policy) for policy in policies]
    if not chosen:
        raise ValueError("there must be at least one policy to compare")
    for policy in chosen:
        check_ground(policy, region_pages, memory_pages, machine)
    machine = machine_of(machine, region_pages)
    results = []
    for policy in chosen:
        if progress is not None:
            progress(policy.name)
        results.append(
            replay(
                trace,
                policy,
                machine=machine,
                region_pages=region_pages,
                start=start,
                memory_pages=memory_pages,
            )
        )
    return results


def equal_groups(results: Sequence[Result]) -> list[list[str]]:
    """Names of policies that came out equal, group by group; groups of one are left out."""
    groups: list[tuple[object, list[str]]] = []
    for result in results:
        for outcome, names in groups:
            if outcome == result.outcome():
                names.append(result.policy.name)
                break
        else:
            groups.append((result.outcome(), [result.policy.name]))
    return [names for _, names in groups if len(names) > 1]
