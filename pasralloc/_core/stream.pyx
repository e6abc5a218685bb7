"""Streams of allocations and frees."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from pasralloc._core.types cimport PASR_MODE_SORTED


cdef uint64_t copy_valid(
    pasr_op_t *copy, const pasr_op_t *ops, uint64_t nr, uint64_t nr_slots
) noexcept nogil:
    """Copy the next operations of *nr* into NR_COPIED entries; return how many of them may be executed.

    That is NR_EXECUTED of them or fewer if one of those is not valid; what stands behind may be looked at.
    """
    cdef uint64_t nr_copied = NR_COPIED, nr_valid
    if nr < nr_copied:
        nr_copied = nr
    memcpy(copy, ops, nr_copied * sizeof(pasr_op_t))
    nr_valid = nr_copied
    if not ops_are_valid(copy, nr_copied, nr_slots):
        nr_valid = 0
        while nr_valid < nr_copied and op_is_valid(copy[nr_valid], nr_slots):
            nr_valid += 1
    # Nothing beyond what is valid may be looked at: it becomes slot 0.
    memset(&copy[nr_valid], 0, (NR_COPIED - nr_valid) * sizeof(pasr_op_t))
    return nr_valid if nr_valid < NR_EXECUTED else <uint64_t> NR_EXECUTED


cdef int64_t zone_run(
    pasr_zone_t *z, uint32_t cpu, const pasr_op_t *ops, uint64_t nr, int64_t *slots, uint64_t nr_slots,
    uint64_t *nr_done
) noexcept nogil:
    """Execute *nr* operations on a CPU; return how many failed.

    An allocation stores its pfn, or PASR_ENOMEM, in its slot; a free reads the
    pfn from its slot and leaves it there. A failed operation changes nothing in
    the zone. Stops before an operation that is not valid; *nr_done* counts
    those executed. Another thread may write *ops* meanwhile: each operation is
    copied, and the copy is what is checked and executed.
    """
    cdef pasr_op_t copy[NR_COPIED]
    cdef uint64_t nr_valid
    cdef int64_t nr_failed = 0
    nr_done[0] = 0
    while nr_done[0] < nr:
        nr_valid = copy_valid(copy, ops + nr_done[0], nr - nr_done[0], nr_slots)
        if z.nr_cpus != 0:
            execute(z, &z.pagesets[cpu], copy, nr_valid, slots, &nr_failed, NULL, False, True, 0)
        elif z.mode == 0:
            execute(z, NULL, copy, nr_valid, slots, &nr_failed, NULL, False, False, 0)
        elif z.mode == PASR_MODE_SORTED:
            execute(z, NULL, copy, nr_valid, slots, &nr_failed, NULL, False, False, PASR_MODE_SORTED)
        else:
            execute(z, NULL, copy, nr_valid, slots, &nr_failed, NULL, False, False, z.mode)
        nr_done[0] += nr_valid
        if nr_valid < NR_EXECUTED:
            break
    return nr_failed
