"""Messages for what a zone refuses."""

from libc.stdint cimport int64_t

from pasralloc._core.types cimport (
    PASR_EALREADY, PASR_EINVAL, PASR_ENXIO, PASR_FREE, pasr_block_t, pasr_idx_t,
)
from pasralloc._core.zone cimport idx_of, pfn_of, zone_block_of, zone_spans

# By enum pasr_state.
cdef tuple STATES = ("absent", "free", "allocated", "on a per-CPU list")


cdef str span(const pasr_zone_t *z):
    return f"the zone, which spans pfns {pfn_of(z, z.first):#x} to {pfn_of(z, z.end) - 1:#x}"


cdef str free_refusal(const pasr_zone_t *z, int64_t pfn, int order, int error):
    """Why `zone_free` returned *error* for *pfn*."""
    cdef pasr_block_t block
    if not zone_spans(z, pfn):
        return f"outside {span(z)}"
    block = zone_block_of(z, idx_of(z, pfn))
    if error == PASR_ENXIO:
        return "absent from the zone"
    if error == PASR_EALREADY:
        return "already free" if block.state == PASR_FREE else "already free, on a per-CPU list"
    if error == PASR_EINVAL:
        return f"inside the block of order {block.order} at {pfn_of(z, block.head):#x}"
    return f"it heads a block of order {block.order}, not {order}"


cdef str range_refusal(const pasr_zone_t *z, int64_t pfn, int64_t nr, int wanted):
    """Why ``[pfn, pfn + nr)`` is not a range of pages in state *wanted*."""
    cdef pasr_block_t block
    cdef pasr_idx_t idx
    if nr < 1 or not zone_spans(z, pfn) or nr > pfn_of(z, z.end) - pfn:
        return f"{nr} pages from pfn {pfn:#x} do not lie in {span(z)}"
    idx = idx_of(z, pfn)
    while True:
        block = zone_block_of(z, idx)
        if block.state != wanted:
            return f"pfn {pfn_of(z, idx):#x} is {STATES[block.state]}, expected {STATES[wanted]} pages only"
        idx = block.head + (<pasr_idx_t> 1 << block.order)
