"""Python objects to C values, checked; the only place where integers are converted."""

from cpython.buffer cimport Py_buffer
from libc.stdint cimport int64_t


cdef int64_t as_int(object value, str name, int64_t low, int64_t high) except? -1
cdef int get_array(object array, Py_buffer *view, str name, str dtype, Py_ssize_t itemsize, bint writable) except -1
cdef bint try_array(object array, Py_buffer *view, str dtype)
