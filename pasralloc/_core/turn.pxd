"""Whose turn it is to use a zone, or all zones of a simulation."""


cdef class Turn:
    cdef bint is_taken                   # by a call that may have released the GIL

    cdef inline int refuse_if_taken(self) except -1:
        if self.is_taken:
            raise RuntimeError("this zone is in use by another call")
        return 0

    cdef inline int take(self) except -1:
        """Own what this is about, so that the GIL may be released."""
        self.refuse_if_taken()
        self.is_taken = True
        return 0

    cdef inline void give_back(self) noexcept:
        self.is_taken = False
