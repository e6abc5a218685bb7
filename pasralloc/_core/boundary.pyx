"""Python objects to C values, checked; the only place where integers are converted."""

from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_ND, PyBUF_WRITABLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer,
)
from cpython.number cimport PyNumber_Index
from libc.string cimport strcmp


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


cdef inline bint format_matches(const char *format, str dtype) noexcept:
    """Whether a buffer format is what numpy writes for *dtype*; native long is spelled two ways."""
    if format == NULL:
        return dtype == "uint8"
    if dtype == "uint8":
        return strcmp(format, b"B") == 0
    if dtype == "int64":
        return strcmp(format, b"l") == 0 or strcmp(format, b"q") == 0
    if dtype == "OP_DTYPE":
        return strcmp(format, b"T{B:op:B:order:B:migratetype:B:flags:I:slot:}") == 0
    return strcmp(
        format,
        b"T{l:time_ns:l:pfn:I:gfp:i:pid:H:cpu:B:event:b:order:b:migratetype:B:flags:H:pad:}") == 0


cdef bint try_array(object array, Py_buffer *view, str dtype):
    """Fill *view* and return True if *array* is a C-contiguous, one-dimensional buffer of *dtype*."""
    if not PyObject_CheckBuffer(array):
        return False
    try:
        PyObject_GetBuffer(array, view, PyBUF_ND | PyBUF_FORMAT)
    except (BufferError, ValueError):
        return False
    if view.ndim == 1 and format_matches(view.format, dtype):
        return True
    PyBuffer_Release(view)
    return False


cdef int get_array(
    object array, Py_buffer *view, str name, str dtype, Py_ssize_t itemsize, bint writable
) except -1:
    """Fill *view* with a C-contiguous, one-dimensional buffer of *dtype*; the caller releases it."""
    if not PyObject_CheckBuffer(array):
        raise TypeError(f"{name} must be a C-contiguous array of {dtype}, got {type(array).__name__}")
    try:
        PyObject_GetBuffer(array, view, PyBUF_ND | PyBUF_FORMAT | (PyBUF_WRITABLE if writable else 0))
    except (BufferError, ValueError) as error:
        raise ValueError(
            f"{name} must be a C-contiguous{' writable' if writable else ''} array of {dtype}: {error}"
        ) from None
    if view.ndim != 1 or view.itemsize != itemsize or not format_matches(view.format, dtype):
        shape = f"{view.ndim} dimension{'s' if view.ndim != 1 else ''}"
        found = view.format.decode() if view.format != NULL else "bytes"
        PyBuffer_Release(view)
        raise ValueError(f"{name} must be a one-dimensional array of {dtype}, got {shape} of format {found!r}")
    return 0
