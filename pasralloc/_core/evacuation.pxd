"""When regions are evacuated: triggers, queues, the worker.

The triggers are those of the sorted-buddy series: a handshake between allocations and frees (Srivatsa S. Bhat,
"[RFC PATCH v2 14/15] mm: Add alloc-free handshake to trigger memory region compaction", linux-mm, 9 April 2013,
<20130409214853.4500.63619.stgit@srivatsabhat.in.ibm.com>) and frees that leave few pages of a region in use
("[RFC PATCH v4 40/40] mm: Add triggers in the page-allocator to kick off region evacuation", linux-mm, 26
September 2013, <20130925232256.26184.77601.stgit@srivatsabhat.in.ibm.com>). Differs from the series: what the worker
itself queues waits for the next time it runs, nothing that was queued is lost, and what the logs have no room for
waits, too: whoever knows blocks by their pfn can follow them however much time passes at once.

Threading rule: one thread at a time for one memory; the GIL is not needed.
"""

from libc.stdint cimport uint32_t, uint64_t

from pasralloc._core.moved cimport moment_t
from pasralloc._core.nodetypes cimport pasr_compact_control_t, pasr_compacted_t, pasr_memory_t, pasr_memzone_t


cdef void note_holder(pasr_compacted_t *done) noexcept nogil
cdef void evacuate_region(
    pasr_memory_t *m, pasr_memzone_t *mz, uint32_t region, const pasr_compact_control_t *control, pasr_compacted_t *done
) noexcept nogil
cdef void evacuation_enable(pasr_memory_t *m, pasr_memzone_t *mz) noexcept nogil
cdef void evacuation_collect(pasr_memory_t *m) noexcept nogil
cdef void evacuation_run(pasr_memory_t *m, moment_t since) noexcept nogil
cdef const char *worker_fault(const pasr_memory_t *m, const pasr_memzone_t *mz, uint64_t *where) noexcept nogil
