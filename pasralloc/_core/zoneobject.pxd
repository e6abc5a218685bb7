"""The `Zone` class, as a Cython user sees it.

The C handle of a zone is ``&zone.c``. Between `enter` and `leave` a thread owns
the zone and may call the kernel functions on the handle without the GIL; both
need the GIL themselves.
"""

from pasralloc._core.zonepagesets cimport ZonePagesets


cdef class Zone(ZonePagesets):
    pass
