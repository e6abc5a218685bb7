"""Python objects to C values, checked; the only place where numbers and arrays are converted."""

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_ND, PyBUF_WRITABLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer,
)
from cpython.number cimport PyNumber_Index
from libc.stdint cimport INT64_MAX, INT64_MIN, uintptr_t
from libc.string cimport strcmp

import operator
import sys

import numpy as np

cdef char NATIVE_ORDER = c"<" if sys.byteorder == "little" else c">"


cdef int64_t as_other_int(object value, str name, int64_t low, int64_t high) except? -1:
    """`as_int` of what is not a plain int, or one out of range."""
    cdef int overflow = 0
    cdef int64_t number
    try:
        integer = PyNumber_Index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    number = PyLong_AsLongLongAndOverflow(integer, &overflow)
    if overflow != 0 or number < low or number > high:
        raise ValueError(f"{name} must be {low} to {high}, got {value!r}")
    return number


# Buffer formats of what numpy calls by these names; of int64 without its byte order.
cdef dict FORMATS = {
    "uint8": b"B",
    "OP_DTYPE": b"T{B:op:B:order:B:migratetype:B:flags:I:slot:}",
    "EVENT_DTYPE": b"T{l:time_ns:l:pfn:I:gfp:i:pid:H:cpu:B:event:b:order:b:migratetype:B:flags:H:pad:}",
}


cdef bint is_int64(const char *format, Py_ssize_t itemsize) noexcept:
    """Native int64 is spelled in many ways: l, q, =q, <q, @l."""
    if format[0] == c"@" or format[0] == c"=" or format[0] == NATIVE_ORDER:
        format += 1
    return itemsize == 8 and (format[0] == c"l" or format[0] == c"q") and format[1] == 0


cdef bint fits(const Py_buffer *view, str dtype, Py_ssize_t alignment):
    """Whether a C-contiguous buffer is one-dimensional, aligned and of *dtype*."""
    if view.ndim != 1 or <uintptr_t> view.buf % alignment:
        return False
    if dtype == "int64":
        return view.format != NULL and is_int64(view.format, view.itemsize)
    return (view.format == NULL and dtype == "uint8") or strcmp(view.format, <const char *> FORMATS[dtype]) == 0


cdef Py_ssize_t alignment_of(str dtype) except -1:
    return 1 if dtype == "uint8" else 4 if dtype == "OP_DTYPE" else 8


cdef bint try_array(object array, Py_buffer *view, str dtype) except -1:
    """Fill *view* and return True if *array* is a C-contiguous, one-dimensional, aligned buffer of *dtype*."""
    if not PyObject_CheckBuffer(array):
        return False
    try:
        PyObject_GetBuffer(array, view, PyBUF_ND | PyBUF_FORMAT)
    except (BufferError, ValueError):
        return False
    if fits(view, dtype, alignment_of(dtype)):
        return True
    PyBuffer_Release(view)
    return False


cdef str wanted(str name, str dtype, bint writable):
    return (
        f"{name} must be a one-dimensional, aligned, C-contiguous{' and writable' if writable else ''}"
        f" array of {dtype}")


cdef int get_array(object array, Py_buffer *view, str name, str dtype, bint writable) except -1:
    """Fill *view* with a C-contiguous, one-dimensional, aligned buffer of *dtype*; the caller releases it."""
    if not PyObject_CheckBuffer(array):
        raise TypeError(f"{wanted(name, dtype, writable)}, got {type(array).__name__}")
    try:
        PyObject_GetBuffer(array, view, PyBUF_ND | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0))
    except (BufferError, ValueError) as error:
        raise ValueError(f"{wanted(name, dtype, writable)}: {error}") from None
    if not fits(view, dtype, alignment_of(dtype)):
        found = view.format.decode() if view.format != NULL else "bytes"
        message = (
            f"{wanted(name, dtype, writable)}, got {view.ndim} dimension{'s' if view.ndim != 1 else ''}"
            f" of format {found!r} at {<uintptr_t> view.buf:#x}")
        PyBuffer_Release(view)
        raise ValueError(message)
    return 0


cdef object integers(object values, str name):
    """*values* as an aligned, contiguous, one-dimensional int64 array, whatever kind of integers they are."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        # Empty lists, and integers too large for one dtype, which numpy makes float or object.
        try:
            numbers = [operator.index(value) for value in values]
        except TypeError:
            raise TypeError(f"{name} must be integers, got an array of {array.dtype}") from None
        array = np.array(numbers, dtype=object)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got {array.ndim}")
    wrong = np.flatnonzero((array > INT64_MAX) | (array < INT64_MIN))
    if wrong.size:
        raise ValueError(f"{name}[{wrong[0]}] must be -2**63 to 2**63 - 1, got {array[wrong[0]]}")
    return np.require(array.astype(np.int64), requirements="CA")


cdef object small_integers(object values, str name, int high):
    """*values* as a contiguous uint8 array; ValueError names the first that is not 0 to *high*."""
    array = integers(values, name)
    wrong = np.flatnonzero((array < 0) | (array > high))
    if wrong.size:
        raise ValueError(f"{name}[{wrong[0]}] must be 0 to {high}, got {array[wrong[0]]}")
    return array.astype(np.uint8)
