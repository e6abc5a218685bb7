"""Memory that is in use before a run begins, on the machine with 128 GB."""

from __future__ import annotations

from dataclasses import dataclass, field

from pasralloc.outcomes.published import START_OF_USE
from pasralloc.sim.simulation import Simulation

TOP_PAGES = 1024
FREE_OF_SCATTERED = 0.8  # of a pageblock with scattered pages


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUse:
    """State of the machine at the start.

    Parameters
    ----------
    free_pages : dict of int to int
        Pages that are free in regions of ZONE_NORMAL of node 0, by region; others are completely free.
    others : int
        Further regions in use, all on node 1.
    from_top : bool
        Whether those are the highest of node 1 or the lowest.
    other_pages : int, default 4096
        Pages in use in each of them.
    scattered : float, default 0.01
        Share of the pages in use that lie one by one in unmovable pageblocks most of which is free; the
        others fill pageblocks.
    inferred : str
        What of this was not published, and where it is from.
    """

    free_pages: dict[int, int] = field(hash=False)
    others: int
    from_top: bool
    other_pages: int = 4096
    scattered: float = 0.01
    inferred: str

    def place(self, sim: Simulation) -> None:
        """Take the pages; `Simulation.rng` chooses the scattered ones.

        Parameters
        ----------
        sim : Simulation
            Of the preset ``sandybridge-128g-2013``, nothing of which is in use.
        """
        table = sim.regions()
        table = table[table["zone"] == "Normal"]
        near = table[table["nid"] == 0]
        for region, nr_free in self.free_pages.items():
            row = near[region]
            self._use(
                sim, int(row["start_pfn"]), int(row["managed"]), int(row["managed"]) - nr_free
            )
        far = table[(table["nid"] == 1) & (table["managed"] == table["present"])]
        for row in far[::-1][: self.others] if self.from_top else far[: self.others]:
            self._use(sim, int(row["start_pfn"]), int(row["managed"]), self.other_pages)

    def _use(self, sim: Simulation, start_pfn: int, managed: int, nr: int) -> None:
        """Use *nr* pages of a region: the highest, and below them scattered ones."""
        if nr <= 0:
            return
        nr_scattered = int(nr * self.scattered)
        first = start_pfn + managed - (nr - nr_scattered)
        sim.take_range(first, nr - nr_scattered, "unmovable")
        # The lowest two blocks of a zone are its RESERVE.
        nr_blocks = min(
            -(-nr_scattered // int(TOP_PAGES * (1 - FREE_OF_SCATTERED))),
            (first - start_pfn) // TOP_PAGES - 3,
        )
        begin = (first // TOP_PAGES - nr_blocks) * TOP_PAGES
        sim.set_pageblocks(begin, nr_blocks * TOP_PAGES, "unmovable")
        for page in sim.rng.choice(nr_blocks * TOP_PAGES, nr_scattered, replace=False).tolist():
            sim.take_range(begin + page, 1, "unmovable")


_NODE_0 = "node 0 has the free pages that were printed for the end, when nothing of ebizzy is left"
_REST = (
    "that the pages are in use from the start, what for, and the regions of node 1, as many as the published"
    " count at the start leaves, are inferred"
)

STATES = {
    "v3 vanilla": StartUse(
        free_pages=START_OF_USE["v3 vanilla"],
        others=7,
        from_top=True,
        inferred=f"{_NODE_0}; {_REST}",
    ),
    "v3 patched": StartUse(
        free_pages=START_OF_USE["v4 patched"],
        others=10,
        from_top=False,
        inferred=f"nothing was printed: node 0 is that of v4 patched; {_REST}",
    ),
    "v4 vanilla": StartUse(
        free_pages=START_OF_USE["v4 vanilla"],
        others=36,
        from_top=True,
        inferred=f"{_NODE_0}; {_REST}",
    ),
    "v4 patched": StartUse(
        free_pages=START_OF_USE["v4 patched"],
        others=38,
        from_top=False,
        inferred=f"{_NODE_0}; {_REST}",
    ),
}
