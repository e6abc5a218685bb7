"""What can be done to ranges of pages of a zone from Python."""

from pasralloc._core.zonebase cimport ZoneBase


cdef class ZoneRanges(ZoneBase):
    pass
