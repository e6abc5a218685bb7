"""Batch calls of a zone or of a simulation: arrays in, arrays out.

The caller owns it. Whatever decides what happens is copied and checked
before anything happens, so that an array which another thread changes meanwhile
cannot make a call fail half way or let a bad value through.
"""

from cpython.buffer cimport Py_buffer, PyBuffer_Release
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from pasralloc._core.batch cimport zone_alloc_batch, zone_free_batch
from pasralloc._core.boundary cimport get_array, integers, small_integers, try_array
from pasralloc._core.moved cimport follow_all, moment_of, moment_t
from pasralloc._core.node cimport node_advance, zone_at
from pasralloc._core.nodestream cimport node_alloc_batch, node_free_batch, node_run
from pasralloc._core.nodetypes cimport PASR_NO_ZONE
from pasralloc._core.refusal cimport free_refusal
from pasralloc._core.stream cimport op_is_valid, ops_are_valid, zone_run
from pasralloc._core.types cimport (
    PASR_EALREADY, PASR_MAX_PAGE_ORDER, PASR_NR_PCPTYPES, PASR_OK, PASR_OP_FLAGS, pasr_op_t, pasr_zone_t,
)
from pasralloc._core.zone cimport zone_free_error

import numpy as np

from pasralloc.errors import InvalidFree

OP_DTYPE = np.dtype(
    [("op", "u1"), ("order", "u1"), ("migratetype", "u1"), ("flags", "u1"), ("slot", "u4")]
)

# Smaller batches keep the GIL and use the stack.
cdef enum:
    NOGIL_BATCH = 1024
    ALLOC_STACK = 2048                   # bytes: an order and a type each
    FREE_STACK = 1280                    # words: a pfn, a tag and an order each


cdef Py_ssize_t open_small_integers(object values, Py_buffer *view, str name, int high) except -1:
    """Open *values* as an array of uint8, converted first if it is another kind; not yet checked if it is not."""
    if not try_array(values, view, "uint8"):
        get_array(small_integers(values, name, high), view, name, "uint8", False)
    return view.shape[0]


cdef int copy_small_integers(Py_buffer *view, str name, int high, uint8_t *copy, Py_ssize_t nr) except -1:
    """Copy *nr* small integers, release *view*, and check the copy."""
    cdef Py_ssize_t i, length = view.shape[0]
    if length == nr:
        memcpy(copy, view.buf, nr)
    PyBuffer_Release(view)
    if length != nr:
        raise ValueError(f"{name} must have {nr} entries, got {length}")
    for i in range(nr):
        if copy[i] > high:
            raise ValueError(f"{name}[{i}] must be 0 to {high}, got {copy[i]}")
    return 0


cdef int fill_migratetypes(int migratetype, object migratetypes, uint8_t *copy, Py_ssize_t nr) except -1:
    cdef Py_buffer view
    if migratetype >= 0:
        memset(copy, migratetype, nr)
        return 0
    open_small_integers(migratetypes, &view, "migratetypes", PASR_NR_PCPTYPES - 1)
    return copy_small_integers(&view, "migratetypes", PASR_NR_PCPTYPES - 1, copy, nr)


cdef inline void pass_time(const target_t *target) noexcept nogil:
    if target.now_ns > target.place.memory.now_ns:
        node_advance(target.place.memory, target.now_ns)


cdef inline void alloc_on(
    const target_t *target, const uint8_t *orders, const uint8_t *migratetypes, uint64_t nr, int64_t *out
) noexcept nogil:
    if target.zone != NULL:
        zone_alloc_batch(target.zone, target.place.cpu, orders, migratetypes, nr, out)
    else:
        pass_time(target)
        node_alloc_batch(&target.place, orders, migratetypes, nr, out)


cdef inline int free_on(
    const target_t *target, int64_t *pfns, const uint8_t *orders, uint8_t *tags, uint64_t nr, uint64_t *bad
) noexcept nogil:
    if target.zone != NULL:
        return zone_free_batch(target.zone, target.place.cpu, pfns, orders, tags, nr, bad)
    return node_free_batch(&target.place, pfns, orders, tags, nr, bad, target.now_ns)


cdef inline int64_t run_on(
    const target_t *target, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots, uint64_t *nr_done
) noexcept nogil:
    cdef moment_t then
    if target.zone != NULL:
        return zone_run(target.zone, target.place.cpu, ops, nr, slots, nr_slots, nr_done)
    then = moment_of(target.place.memory)
    pass_time(target)
    follow_all(target.place.memory, then, slots, nr_slots)
    return node_run(&target.place, ops, nr, slots, nr_slots, nr_done)


cdef object batch_alloc(const target_t *target, object orders, int migratetype, object migratetypes, object out):
    """`Zone.alloc_batch`; *migratetype* is that of all, or with -1 *migratetypes* an array."""
    cdef Py_buffer view
    cdef Py_ssize_t nr = open_small_integers(orders, &view, "orders", PASR_MAX_PAGE_ORDER)
    cdef uint8_t small[ALLOC_STACK]
    cdef uint8_t *copy = small
    if nr > NOGIL_BATCH:
        copy = <uint8_t *> malloc(2 * nr)
        if copy == NULL:
            PyBuffer_Release(&view)
            raise MemoryError(f"cannot copy the orders of {nr} allocations")
    try:
        copy_small_integers(&view, "orders", PASR_MAX_PAGE_ORDER, copy, nr)
        fill_migratetypes(migratetype, migratetypes, copy + nr, nr)
        if out is None:
            out = np.empty(nr, np.int64)
        get_array(out, &view, "out", "int64", True)
        try:
            if view.shape[0] != nr:
                raise ValueError(f"out must have {nr} entries, got {view.shape[0]}")
            if nr < NOGIL_BATCH:
                alloc_on(target, copy, copy + nr, nr, <int64_t *> view.buf)
            else:
                with nogil:
                    alloc_on(target, copy, copy + nr, nr, <int64_t *> view.buf)
        finally:
            PyBuffer_Release(&view)
    finally:
        if copy != small:
            free(copy)
    return out


cdef int batch_free(const target_t *target, object pfns, object orders) except -1:
    """`Zone.free_batch`."""
    cdef Py_buffer view
    cdef Py_ssize_t nr
    cdef uint64_t bad = 0
    cdef int error
    cdef int64_t small[FREE_STACK]
    cdef int64_t *copy = small                            # pfns, then scratch tags, then orders
    cdef uint8_t *wanted = NULL
    if not try_array(pfns, &view, "int64"):
        get_array(integers(pfns, "pfns"), &view, "pfns", "int64", False)
    nr = view.shape[0]
    if nr > NOGIL_BATCH:
        copy = <int64_t *> malloc(10 * nr)
        if copy == NULL:
            PyBuffer_Release(&view)
            raise MemoryError(f"cannot copy {nr} pfns")
    memcpy(copy, view.buf, 8 * nr)
    PyBuffer_Release(&view)
    try:
        if orders is not None:
            wanted = <uint8_t *> (copy + nr) + nr
            open_small_integers(orders, &view, "orders", PASR_MAX_PAGE_ORDER)
            copy_small_integers(&view, "orders", PASR_MAX_PAGE_ORDER, wanted, nr)
        if nr < NOGIL_BATCH:
            error = free_on(target, copy, wanted, <uint8_t *> (copy + nr), nr, &bad)
        else:
            with nogil:
                error = free_on(target, copy, wanted, <uint8_t *> (copy + nr), nr, &bad)
        if error != PASR_OK:
            raise refusal(target, copy[bad], -1 if wanted == NULL else wanted[bad], error, bad)
    finally:
        if copy != small:
            free(copy)
    return 0


cdef const pasr_zone_t *zone_for(const target_t *target, int64_t pfn) noexcept nogil:
    """The zone that answers for *pfn*; NULL if there is none."""
    cdef uint32_t at
    if target.zone != NULL:
        return target.zone
    at = zone_at(target.place.memory, pfn)
    return target.place.memory.zones[at].zone if at != PASR_NO_ZONE else NULL


cdef object refusal(const target_t *target, int64_t pfn, int order, int error, uint64_t entry):
    """The exception for an entry that cannot be freed."""
    cdef const pasr_zone_t *z = zone_for(target, pfn)
    if z == NULL:
        why = "outside every zone"
    elif error == PASR_EALREADY and zone_free_error(z, pfn, order) == PASR_OK:
        why = "an earlier entry frees the same block"
    else:
        why = free_refusal(z, pfn, order, error)
    return InvalidFree(pfn, f"{why} (entry {entry})")


cdef uint64_t first_invalid(const pasr_op_t *ops, uint64_t nr, uint64_t nr_slots) noexcept nogil:
    cdef uint64_t i = 0
    if ops_are_valid(ops, nr, nr_slots):
        return nr
    while i < nr and op_is_valid(ops[i], nr_slots):
        i += 1
    return i


cdef int64_t batch_run(const target_t *target, object ops, object slots) except -1:
    """`Zone.run`."""
    cdef Py_buffer ops_view, slots_view
    cdef uint64_t nr, done = 0
    cdef int64_t nr_failed = 0
    cdef pasr_op_t op
    get_array(ops, &ops_view, "ops", "OP_DTYPE", False)
    try:
        get_array(slots, &slots_view, "slots", "int64", True)
        try:
            nr = ops_view.shape[0]
            done = first_invalid(<pasr_op_t *> ops_view.buf, nr, slots_view.shape[0])
            if done < nr:
                op = (<pasr_op_t *> ops_view.buf)[done]
                raise ValueError(
                    f"ops[{done}] is (op={op.op}, order={op.order}, migratetype={op.migratetype}, flags={op.flags},"
                    f" slot={op.slot}), expected op 0 or 1, order 0 to {PASR_MAX_PAGE_ORDER}, migratetype 0 to"
                    f" {PASR_NR_PCPTYPES - 1}, flags 0 to {PASR_OP_FLAGS}, slot below {slots_view.shape[0]}")
            if nr < NOGIL_BATCH:
                nr_failed = run_on(
                    target, <pasr_op_t *> ops_view.buf, nr, <int64_t *> slots_view.buf, slots_view.shape[0], &done)
            else:
                with nogil:
                    nr_failed = run_on(
                        target, <pasr_op_t *> ops_view.buf, nr, <int64_t *> slots_view.buf, slots_view.shape[0], &done)
            if done < nr:
                raise RuntimeError(f"ops[{done}] was changed while run() was executing")
        finally:
            PyBuffer_Release(&slots_view)
    finally:
        PyBuffer_Release(&ops_view)
    return nr_failed
