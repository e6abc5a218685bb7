"""Named allocator policies."""

from __future__ import annotations

import difflib
from dataclasses import dataclass


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
    """

    name: str
    placement: str
    kernel: str = "6.12"
    quirks: str = "fixed"


PRESETS = {
    policy.name: policy
    for policy in (
        Policy(name="linux", placement="linux"),
        Policy(name="sorted", placement="sorted"),
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
    near = difflib.get_close_matches(policy, PRESETS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown policy {policy!r}, expected one of {', '.join(PRESETS)}{hint}")
