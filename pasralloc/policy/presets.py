"""Named allocator policies."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pasralloc.choices import unknown
from pasralloc.sizing import Pagesets


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How an allocator places pages.

    Parameters
    ----------
    name : str
        For tables.
    placement : {"linux", "sorted", "biased"}
        Order of the free lists; see `pasralloc.Zone`.
    kernel : {"6.12", "3.9"}
        Kernel generation.
    quirks : {"fixed", "posted"}
        Whether bugs of the posted sorted-buddy series that move pages are kept.
    region_allocator : {None, "when-dry", "lowest-first"}
        Whether and when completely free regions leave the lists.
    pagesets : Pagesets, optional
        Per-CPU pagesets in front of the zone; none by default.
    """

    name: str
    placement: str
    kernel: str = "6.12"
    quirks: str = "fixed"
    region_allocator: str | None = None
    pagesets: Pagesets | None = None


PRESETS = {
    policy.name: policy
    for policy in (
        Policy(name="linux", placement="linux"),
        Policy(name="sorted", placement="sorted"),
        Policy(name="sorted-v3", placement="biased", region_allocator="when-dry"),
    )
}


def policy_of(policy: str | Policy) -> Policy:
    """Look up the preset of that name; a policy is returned as it is.

    Raises
    ------
    ValueError
        If there is no such preset; the message names the nearest.
    """
    if isinstance(policy, Policy):
        return policy
    if policy in PRESETS:
        return PRESETS[policy]
    raise ValueError(unknown("policy", policy, PRESETS))


def with_cpus(policy: str | Policy, nr_cpus: int) -> Policy:
    """Put the pagesets of so many CPUs in front of a policy; 0 leaves it as it is."""
    policy = policy_of(policy)
    return replace(policy, pagesets=Pagesets(nr_cpus=nr_cpus)) if nr_cpus else policy
