"""The pagesets of a zone, as Python sees them."""

from libc.stdint cimport uint64_t

from pasralloc._core.pcp cimport pcp_decay, pcp_drain


cdef class ZonePagesets(ZoneRanges):
    """The pagesets of a zone; see `Zone`."""

    cdef object cpus(self, object cpu):
        """The CPUs meant: all if *cpu* is None; none if there are no pagesets."""
        if cpu is None:
            return range(self.c.nr_cpus)
        number = self.as_cpu(cpu)
        return (number,) if self.c.nr_cpus != 0 else ()

    def drain(self, cpu=None):
        """Give all pages on a pageset back to the zone, as ``drain_pages()`` does.

        Parameters
        ----------
        cpu : int, optional
            Which; all of them, in ascending order, if not given.

        Returns
        -------
        nr_pages : int
            0 if the zone has no pagesets.

        Raises
        ------
        ValueError, TypeError
            If there is no such CPU.
        RuntimeError
            If another thread's call owns the zone.

        Notes
        -----
        Order of lists and of pages within them as in the kernel generation.
        Buddies that follow each other are given back as one block. O(blocks).
        """
        cdef uint64_t nr = 0
        chosen = self.cpus(cpu)
        self.refuse_if_busy()
        for number in chosen:
            nr += pcp_drain(&self.c, number)
        return nr

    def decay(self, cpu=None):
        """Shrink the pagesets, as the periodic statistics work of 6.12 does (``decay_pcp_high()``).

        `high` falls by an eighth but not below its least value, and what is
        above it is given back. 3.9 has nothing like it for the pagesets of local
        memory.

        Parameters
        ----------
        cpu : int, optional
            Which; all of them if not given.

        Returns
        -------
        nr_pages : int
            Pages given back.

        Raises
        ------
        ValueError, TypeError
            If there is no such CPU.
        RuntimeError
            If another thread's call owns the zone.
        """
        cdef uint64_t nr = 0
        chosen = self.cpus(cpu)
        self.refuse_if_busy()
        for number in chosen:
            nr += pcp_decay(&self.c, number)
        return nr
