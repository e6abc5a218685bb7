"""Whether a machine can hold what a workload keeps."""

from __future__ import annotations

from pasralloc._core.views import memory_arrays
from pasralloc.sim.simulation import Simulation

FILE, ANON = 0, 1  # lists of blocks whose state is known


def obtainable(sim: Simulation) -> int:
    """Pages that a workload can have at most: free, on pagesets, or reclaimable.

    Parameters
    ----------
    sim : Simulation

    Returns
    -------
    nr_pages : int
        Reclaimable are clean and dirty page cache, and anonymous memory as far as there is swap
        for it. Watermarks are not considered.

    Notes
    -----
    O(zones x CPUs).
    """
    lists = [memory_arrays(sim, i)["nr_lru"] for i in range(len(sim.zones))]
    cached = sum(zone.nr_cached for zone in sim.zones)
    nr_file, nr_anon = (sum(int(pages[which]) for pages in lists) for which in (FILE, ANON))
    return sim.nr_free + cached + nr_file + min(nr_anon, sim.swap_free)


def check_fits(sim: Simulation, what: str, nr_pages: int) -> None:
    """Refuse a workload that needs more than there is, before anything is allocated.

    Parameters
    ----------
    sim : Simulation
    what : str
        What needs the pages, with the parameters that it follows from.
    nr_pages : int

    Raises
    ------
    ValueError
        If it is more than can be had (`obtainable`).
    """
    most = obtainable(sim)
    if nr_pages > most:
        raise ValueError(
            f"{sim.machine.name} cannot hold {what}: that is {nr_pages} pages, and {most} are free or reclaimable"
        )
