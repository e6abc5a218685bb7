"""The pagesets of a zone, as Python sees them."""

from libc.stdint cimport uint32_t, uint64_t

from pasralloc._core.boundary cimport as_int
from pasralloc._core.pcp cimport pcp_decay, pcp_drain
from pasralloc._core.types cimport PASR_NR_PCPLISTS, pasr_pageset_t

import numpy as np

from pasralloc.sizing import Pageset


cdef class ZonePagesets(ZoneRanges):
    """The pagesets of a zone; see `Zone`."""

    cdef uint32_t as_cpu(self, object cpu) except? 0xffffffff:
        return <uint32_t> as_int(cpu, "cpu", 0, self.c.nr_cpus - 1 if self.c.nr_cpus != 0 else 0)

    cdef object cpus(self, object cpu):
        """The CPUs meant: all if *cpu* is None; none if there are no pagesets."""
        if cpu is None:
            return range(self.c.nr_cpus)
        number = self.as_cpu(cpu)
        return (number,) if self.c.nr_cpus != 0 else ()

    def pageset(self, cpu=0):
        """The pageset of a CPU, as it is now: `Pageset`.

        Raises ValueError or TypeError if the zone has no such CPU.
        """
        cdef const pasr_pageset_t *pageset
        if self.c.nr_cpus == 0:
            raise ValueError("this zone has no pagesets; it was made with pagesets=None")
        pageset = &self.c.pagesets[self.as_cpu(cpu)]
        self.refuse_if_busy()
        return Pageset(
            count=pageset.count, high=pageset.high, high_min=self.c.pcp_high_min,
            high_max=self.c.pcp_high_max,
            batch=self.c.pcp_batch, alloc_factor=pageset.alloc_factor, free_count=pageset.free_count,
            lengths=np.array(
                [pageset.lists[i].end - pageset.lists[i].first for i in range(PASR_NR_PCPLISTS)], np.int64))

    @property
    def nr_cached(self):
        """Pages on pagesets. They are neither free nor allocated."""
        return sum([self.c.pagesets[i].count for i in range(self.c.nr_cpus)])

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
