"""What a Cython extension can build on: ``from pasralloc cimport Zone, zone_alloc, zone_free``.

Compile with ``pasralloc.get_include()`` on the include path.
"""

from pasralloc._core.pcp cimport pcp_alloc, pcp_drain, pcp_free
from pasralloc._core.ranges cimport zone_add_pages, zone_split_allocated, zone_take_range
from pasralloc._core.rmqueue cimport zone_alloc, zone_free
from pasralloc._core.stream cimport zone_run
from pasralloc._core.types cimport (
    PASR_EALREADY, PASR_EDOM, PASR_EINVAL, PASR_ENOMEM, PASR_ENXIO, PASR_ERANGE,
    PASR_MAX_PAGE_ORDER, PASR_OK, PASR_OP_ALLOC, PASR_OP_CHECK_ORDER, PASR_OP_FREE,
    pasr_block_t, pasr_idx_t, pasr_op_t, pasr_region_t, pasr_zone_t,
)
from pasralloc._core.zone cimport idx_of, pfn_of, region_of, zone_block_of, zone_spans
from pasralloc._core.zoneobject cimport Zone
