"""The search for the region before another one, in a list that is kept in region order."""

from __future__ import annotations

from statistics import median
from time import perf_counter_ns

import numpy as np

from pasralloc._core.views import freelist_arrays
from pasralloc._core.zoneobject import Zone
from pasralloc.outcomes.outcome import Outcome
from pasralloc.outcomes.published import REGION_SEARCH

TOP_PAGES = 1024
WORD_BITS = 64
ROUNDS = 15
NR_FREES = 512


def run(*, seed: int = 0) -> Outcome:
    """Words that a search looks at, and what a free costs that has to search.

    Parameters
    ----------
    seed : int, default 0
        Order of the frees.

    Returns
    -------
    outcome : Outcome
        *ours* has the same counts, from the maps of a list with blocks in some regions: the words of a
        path from the root to a leaf, and what a binary search in each would take (an instruction does it here); and
        nanoseconds per free by the number of regions, where every free makes a new run on a list and so searches
        for the run before it. The kernel's first version walked through the regions instead, up to as many as there are.
    """
    rng = np.random.default_rng(seed)
    nanoseconds = {nr: _free_ns(nr, rng) for nr in (64, 512, REGION_SEARCH["nr_regions"])}
    nr_regions = REGION_SEARCH["nr_regions"]
    root, leaves, named = _maps(nr_regions, rng)
    nr_words = 2 if len(leaves) > 1 else 1
    return Outcome(
        outcome="region-search",
        parameters={"seed": seed, "rounds": ROUNDS, "frees": NR_FREES, "order": 10},
        published=REGION_SEARCH,
        ours={
            "nr_regions": nr_regions,
            "word_searches": nr_words,
            "steps": nr_words * (WORD_BITS.bit_length() - 1),
            "ns_per_free": nanoseconds,
        },
        checks={
            "leaf bits name the regions that have blocks": np.array_equal(
                np.flatnonzero(_bits(leaves)), named
            ),
            "root bits name the leaves that are not zero": np.array_equal(
                np.flatnonzero(_bits(root)), np.flatnonzero(leaves)
            ),
            "one root word is enough for all leaves": len(root) == 1 and len(leaves) <= WORD_BITS,
        },
    )


def _maps(nr_regions: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Root and leaf words of a list, and the regions that have blocks on it, ascending."""
    zone = _zone(nr_regions)
    pfns = zone.alloc_batch(np.full(nr_regions, 10, np.uint8))
    freed = rng.permutation(pfns)[: nr_regions // 32]
    zone.free_batch(freed)
    arrays = freelist_arrays(zone, 10, zone.migratetypes.index("movable"))
    return arrays["root"], arrays["leaf"], np.sort(freed) // TOP_PAGES


def _bits(words: np.ndarray) -> np.ndarray:
    return np.unpackbits(words.view(np.uint8), bitorder="little").astype(bool)


def _zone(nr_regions: int) -> Zone:
    return Zone(
        nr_regions * TOP_PAGES,
        region_pages=TOP_PAGES,
        placement="sorted",
        kernel="3.9",
        pageblock_order=10,
    )


def _free_ns(nr_regions: int, rng: np.random.Generator) -> float:
    """Median nanoseconds of a free whose region has no block on the list yet."""
    zone = _zone(nr_regions)
    pfns = zone.alloc_batch(np.full(nr_regions, 10, np.uint8))
    times = []
    for _ in range(ROUNDS):
        chosen = rng.permutation(pfns)[: min(NR_FREES, nr_regions)]
        begin = perf_counter_ns()
        zone.free_batch(chosen)
        times.append((perf_counter_ns() - begin) / len(chosen))
        for pfn in chosen.tolist():
            zone.take_range(pfn, TOP_PAGES)
    return round(median(times), 1)
