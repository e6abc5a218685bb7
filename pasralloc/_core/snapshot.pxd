"""A saved state of a zone."""


cdef class ZoneSnapshot:
    cdef readonly bytes image            # immutable
    cdef str hashed                      # None until the digest is asked for
    cdef bint is_trusted                 # made by a zone of this process

    @staticmethod
    cdef ZoneSnapshot create(bytes image)


cdef str digest_of(bytes image)
