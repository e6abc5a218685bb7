"""What a Cython extension can build on: ``from pasralloc cimport Zone, zone_alloc, zone_free``, or ``rank_run``.

Compile with ``pasralloc.get_include()`` on the include path.
"""

from pasralloc._core.pcp cimport pcp_alloc, pcp_drain, pcp_free
from pasralloc._core.power cimport (
    PASR_CMD_ACT, PASR_CMD_NOP, PASR_CMD_PDN, PASR_CMD_PDN_F_ACT, PASR_CMD_PDN_F_PRE, PASR_CMD_PDN_S_ACT,
    PASR_CMD_PDN_S_PRE, PASR_CMD_PRE, PASR_CMD_PREA, PASR_CMD_PUP, PASR_CMD_PUP_ACT, PASR_CMD_PUP_PRE, PASR_CMD_RD,
    PASR_CMD_RDA, PASR_CMD_REF, PASR_CMD_REFB, PASR_CMD_REFSB, PASR_CMD_SREN, PASR_CMD_SREX, PASR_CMD_WR,
    PASR_CMD_WRA, PASR_CYC_ACT, PASR_CYC_BANKS, PASR_CYC_F_ACT_PD, PASR_CYC_F_PRE_PD, PASR_CYC_PRE,
    PASR_CYC_S_ACT_PD, PASR_CYC_S_PRE_PD, PASR_CYC_SPUP_REF_ACT, PASR_CYC_SPUP_REF_PRE, PASR_CYC_SREF,
    PASR_CYC_SREF_REF_ACT, PASR_CYC_SREF_REF_PRE, PASR_ENTRY_BEFORE, PASR_ENTRY_INSIDE, PASR_ENTRY_NONE,
    PASR_MAX_BANKS, PASR_NR_ACT, PASR_NR_COMMANDS, PASR_NR_PRE, PASR_NR_RANK_COUNTERS, PASR_NR_RD, PASR_NR_REF,
    PASR_NR_REFB, PASR_NR_REFSB, PASR_NR_SREF, PASR_NR_WR,
    PASR_RANK_EALLCLOSED, PASR_RANK_EBANK, PASR_RANK_ECLOSED, PASR_RANK_ECLOSING, PASR_RANK_ECOMMAND, PASR_RANK_EKIND,
    PASR_RANK_ELATE, PASR_RANK_ENOPOWERDOWN, PASR_RANK_ENOSELFREFRESH, PASR_RANK_EOPEN, PASR_RANK_EORDER,
    PASR_RANK_EPOWERDOWN, PASR_RANK_EREFRESH, PASR_RANK_ESELFREFRESH, pasr_command_t, pasr_rank_t, pasr_rank_timing_t,
    rank_init, rank_run,
)
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
