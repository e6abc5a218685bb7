"""Python objects to C values, checked; the only place where numbers and arrays are converted."""

from cpython.buffer cimport Py_buffer
from cpython.long cimport PyLong_CheckExact
from libc.stdint cimport int64_t


cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1


cdef inline int64_t as_int(object value, str name, int64_t low, int64_t high) except? -1:
    """*value* as an integer from *low* to *high*.

    Raises TypeError for what is no integer (2.7, "3", None) and ValueError for
    one out of range; both name *name* and the value.
    """
    cdef int overflow = 0
    cdef int64_t number
    if PyLong_CheckExact(value):
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow == 0 and low <= number <= high:
            return number
    return as_other_int(value, name, low, high)


cdef int64_t as_other_int(object value, str name, int64_t low, int64_t high) except? -1
cdef int get_array(object array, Py_buffer *view, str name, str dtype, bint writable) except -1
cdef bint try_array(object array, Py_buffer *view, str dtype) except -1
cdef object integers(object values, str name)
cdef object small_integers(object values, str name, int high)
