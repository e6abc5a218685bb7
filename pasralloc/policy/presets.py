"""Named allocator policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pasralloc.choices import unknown
from pasralloc.policy.evacuation import Evacuation, changed
from pasralloc.sizing import Pagesets

CHOICES: dict[str, tuple[object, ...]] = {
    "placement": ("linux", "sorted", "biased"),
    "kernel": ("6.12", "3.9"),
    "quirks": ("fixed", "posted"),
    "region_allocator": (None, "when-dry", "lowest-first"),
    "grouping": (None, "by-region"),
    "hierarchy": (False, True),
    "reclaim": ("region-blind", "high-region-first"),
}


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
        Whether regions may begin inside a block, and never park if pages of them are absent, as in the posted
        sorted-buddy series; see `pasralloc.Zone`.
    region_allocator : {None, "when-dry", "lowest-first"}
        Whether and when completely free regions leave the lists.
    grouping : {None, "by-region"}
        Whether unmovable and reclaimable requests whose lists are dry look first for whole pageblocks in regions that
        hold such memory already; see `pasralloc.Zone`.
    pagesets : Pagesets, optional
        Per-CPU pagesets in front of the zone of a replay; none by default. A simulation has
        those of its machine.
    hierarchy : bool
        Whether every region has zones of its own, with watermarks and pagesets of their own. Of
        machines only.
    reclaim : {"region-blind", "high-region-first"}
        Whether reclaim takes the oldest page of a zone, or the oldest of the highest region that
        has any. Of machines only.
    evacuation : Evacuation, optional
        When regions are evacuated; by default only when a call says so. Of machines only.

    Raises
    ------
    ValueError
        If a field is none of the values that it can have; every problem is named.

    References
    ----------
    A. Garg, "[PATCH 00/10] mm: Linux VM Infrastructure to support Memory Power Management", linux-mm, 27
    May 2011, <1306499498-14263-1-git-send-email-ankita@in.ibm.com> (hierarchy).
    S. S. Bhat, "[RFC PATCH 0/8][Sorted-buddy] mm: Linux VM Infrastructure to support Memory Power
    Management", linux-mm, 7 November 2012, <20121106195026.6941.24662.stgit@srivatsabhat.in.ibm.com> (reclaim).
    """

    name: str
    placement: str
    kernel: str = "6.12"
    quirks: str = "fixed"
    region_allocator: str | None = None
    grouping: str | None = None
    pagesets: Pagesets | None = None
    hierarchy: bool = False
    reclaim: str = "region-blind"
    evacuation: Evacuation | None = None

    def __post_init__(self) -> None:
        problems = [
            unknown(name, getattr(self, name), choices)
            for name, choices in CHOICES.items()
            if getattr(self, name) not in choices
        ]
        if self.region_allocator is not None and self.placement == "linux":
            problems.append("a region_allocator needs lists in region order, got placement='linux'")
        if self.grouping is not None and self.placement == "linux":
            problems.append("grouping needs lists in region order, got placement='linux'")
        if not isinstance(self.evacuation, Evacuation | None):
            problems.append(f"evacuation must be an Evacuation or None, got {self.evacuation!r}")
        if problems:
            raise ValueError("; ".join(problems))


PRESETS = {
    policy.name: policy
    for policy in (
        Policy(name="linux", placement="linux"),
        Policy(name="hierarchy", placement="linux", hierarchy=True),
        Policy(name="sorted", placement="sorted"),
        Policy(name="sorted-v2", placement="sorted", evacuation=Evacuation(trigger="handshake")),
        Policy(name="sorted-v3", placement="biased", region_allocator="when-dry"),
        Policy(
            name="sorted-v4",
            placement="biased",
            region_allocator="when-dry",
            evacuation=Evacuation(trigger="free", order="ascending"),
        ),
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
    if isinstance(policy, str) and policy in PRESETS:
        return PRESETS[policy]
    raise ValueError(unknown("policy", policy, PRESETS))


def presets_for(names: Sequence[str], *, on_machine: bool) -> list[str]:
    """Names of policies, where "all" stands for every preset; for "hierarchy" only on a machine."""
    every = [name for name, preset in PRESETS.items() if on_machine or not preset.hierarchy]
    return [each for name in names for each in (every if name == "all" else [name])]


def with_evacuation(policies: Sequence[Policy], text: str) -> list[Policy]:
    """Change fields of the evacuation of those policies that have one.

    Raises
    ------
    ValueError
        If none has one, or as `changed`.
    """
    if all(policy.evacuation is None for policy in policies):
        names = ", ".join(policy.name for policy in policies)
        raise ValueError(
            f"there is no evacuation to change: {names} do not evacuate regions, sorted-v2 and sorted-v4 do"
        )
    return [
        replace(policy, evacuation=changed(policy.evacuation, text))
        if policy.evacuation is not None
        else policy
        for policy in policies
    ]


def with_cpus(policy: str | Policy, nr_cpus: int) -> Policy:
    """Put the pagesets of so many CPUs in front of a policy; 0 leaves it as it is."""
    policy = policy_of(policy)
    return replace(policy, pagesets=Pagesets(nr_cpus=nr_cpus)) if nr_cpus else policy
