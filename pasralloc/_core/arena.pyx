"""Memory of a zone: an anonymous mapping, or a buffer of the caller."""

cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer,
)
from libc.stdint cimport uintptr_t
from libc.string cimport memset


cdef extern from *:
    """
    #include <sys/mman.h>

    #ifndef MAP_NORESERVE
    #define MAP_NORESERVE 0
    #endif

    /* Fresh pages read as zero and cost nothing until they are written. Huge
     * pages would defeat that: one block touched would cost 2 MiB. */
    static void *pasr_map(size_t nr_bytes)
    {
        void *memory = mmap(NULL, nr_bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
            return NULL;
    #ifdef MADV_NOHUGEPAGE
        (void)madvise(memory, nr_bytes, MADV_NOHUGEPAGE);
    #endif
        return memory;
    }
    """
    void *pasr_map(size_t nr_bytes) nogil
    int munmap(void *memory, size_t nr_bytes) nogil


# Address ranges of buffers that zones hold: two zones on one would corrupt each other.
cdef dict HELD = {}


@cython.final
cdef class Arena:
    """Zeroed, writable memory that starts on a cache line."""

    @staticmethod
    cdef Arena create(size_t nr_bytes, object buffer):
        """Map *nr_bytes*, or take and clear the start of *buffer* if it is not None."""
        cdef Arena arena = Arena.__new__(Arena)
        if buffer is None:
            arena.memory = <char *> pasr_map(nr_bytes)
            if arena.memory == NULL:
                raise MemoryError(f"cannot map {nr_bytes} bytes for the tables of a zone")
            arena.nr_bytes = nr_bytes
            return arena
        if not PyObject_CheckBuffer(buffer):
            raise TypeError(f"buffer must be a writable, C-contiguous buffer, got {type(buffer).__name__}")
        try:
            PyObject_GetBuffer(buffer, &arena.view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        except (BufferError, ValueError) as error:
            raise ValueError(f"buffer must be a writable, C-contiguous buffer: {error}") from None
        arena.is_held = True
        arena.exporter = buffer
        if <size_t> arena.view.len < nr_bytes:
            raise ValueError(f"buffer must hold at least {nr_bytes} bytes for this zone, got {arena.view.len}")
        if <uintptr_t> arena.view.buf & 63:
            raise ValueError("buffer must start at a multiple of 64 bytes")
        first = <uintptr_t> arena.view.buf
        for other_first, other_end in HELD.values():
            if first < other_end and other_first < first + nr_bytes:
                raise ValueError("buffer overlaps the memory of another zone")
        HELD[id(arena)] = first, first + nr_bytes
        arena.memory = <char *> arena.view.buf
        arena.nr_bytes = nr_bytes
        memset(arena.memory, 0, nr_bytes)
        return arena

    def __dealloc__(self):
        if self.is_held:
            HELD.pop(<uintptr_t> <void *> self, None)
            PyBuffer_Release(&self.view)
        elif self.memory != NULL:
            munmap(self.memory, self.nr_bytes)


@cython.final
cdef class ReadOnlyView:
    """Live memory of a zone, for numpy to look at; no array on it can be made writable."""

    @staticmethod
    cdef ReadOnlyView create(object owner, const void *memory, Py_ssize_t nr_bytes):
        cdef ReadOnlyView view = ReadOnlyView.__new__(ReadOnlyView)
        view.owner = owner
        view.memory = <const char *> memory
        view.nr_bytes = nr_bytes
        return view

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, <void *> self.memory, self.nr_bytes, True, flags)

    def __releasebuffer__(self, Py_buffer *view):
        pass
