"""Whose turn it is to use a zone: one call at a time, also while it has released the GIL."""


cdef class Turn:
    """Taken by a call for as long as it uses the zone; zones of one simulation share one."""
