"""Whether a machine can hold what a workload keeps."""

from __future__ import annotations

from pasralloc.sim.simulation import Simulation


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
        If it is more than all free pages.
    """
    if nr_pages > sim.nr_free:
        raise ValueError(
            f"{sim.machine.name} cannot hold {what}: that is {nr_pages} pages, and {sim.nr_free} are free"
        )
