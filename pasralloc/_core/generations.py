# What differs between the kernel generations: numbers of migratetypes, fallback rows and rules,
# and where memory that is new to a list joins it.

from __future__ import annotations

from typing import NamedTuple

REQUESTABLE = ("unmovable", "movable", "reclaimable")


class Generation(NamedTuple):
    """One kernel generation."""

    migratetypes: tuple[str, ...]  # position = number
    fallbacks: dict[str, tuple[str, ...]]  # types to borrow from, in order
    claims: bool  # claims pageblocks whole or not at all, so that types follow pageblocks
    fresh_to_tail: bool


GENERATIONS = {
    # The rows of 3.9 end with RESERVE, which is tried when all of them have nothing.
    "3.9": Generation(
        ("unmovable", "reclaimable", "movable", "reserve", "cma", "isolate"),
        {
            "unmovable": ("reclaimable", "movable"),
            "movable": ("cma", "reclaimable", "unmovable"),
            "reclaimable": ("unmovable", "movable"),
        },
        claims=False,
        fresh_to_tail=False,
    ),
    # Fresh and moved memory at the tail: Linux kernel commits 7fef431be9c9 ("mm/page_alloc:
    # place pages to tail in __free_pages_core()") and 293ffa5ebb9c ("mm/page_alloc: move pages
    # to tail in move_to_free_list()") (in v5.10).
    "6.12": Generation(
        ("unmovable", "movable", "reclaimable", "highatomic", "cma", "isolate"),
        {
            "unmovable": ("reclaimable", "movable"),
            "movable": ("reclaimable", "unmovable"),
            "reclaimable": ("unmovable", "movable"),
        },
        claims=True,
        fresh_to_tail=True,
    ),
}
