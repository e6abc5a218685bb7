"""Saved states of a zone, and of a simulation."""


cdef class Snapshot:
    cdef readonly bytes image            # immutable
    cdef str hashed                      # None until the digest is asked for
    cdef bint is_trusted                 # made by an object of this process


cdef class ZoneSnapshot(Snapshot):
    @staticmethod
    cdef ZoneSnapshot create(bytes image)


cdef class MemorySnapshot(Snapshot):
    @staticmethod
    cdef MemorySnapshot create(bytes image)


cdef str digest_of(bytes image)
