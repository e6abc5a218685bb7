"""Memory of a zone: an anonymous mapping, or a buffer of the caller."""

from cpython.buffer cimport Py_buffer
from libc.stddef cimport size_t


cdef class Arena:
    cdef char *memory
    cdef size_t nr_bytes
    cdef Py_buffer view                  # held while the memory is the caller's
    cdef bint is_held                    # `view` is to be released
    cdef object exporter                 # None while the memory is our own; seen by the garbage collector

    @staticmethod
    cdef Arena create(size_t nr_bytes, object buffer)


cdef class ReadOnlyView:
    cdef object owner                    # keeps the memory alive
    cdef const char *memory
    cdef Py_ssize_t nr_bytes

    @staticmethod
    cdef ReadOnlyView create(object owner, const void *memory, Py_ssize_t nr_bytes)
