"""Memory of a zone: an anonymous mapping, or a buffer of the caller."""

from cpython.buffer cimport Py_buffer
from libc.stddef cimport size_t


cdef class Arena:
    cdef char *memory
    cdef size_t nr_bytes
    cdef Py_buffer view                  # held while the memory is the caller's
    cdef bint is_foreign

    @staticmethod
    cdef Arena create(size_t nr_bytes, object buffer)


cdef class ReadOnlyView:
    cdef object owner                    # keeps the memory alive
    cdef const char *memory
    cdef Py_ssize_t nr_bytes

    @staticmethod
    cdef ReadOnlyView create(object owner, const void *memory, Py_ssize_t nr_bytes)
