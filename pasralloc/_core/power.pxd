"""Commands of one DRAM rank and the time they make it spend in each state.

Threading rule: one thread at a time for one rank; the GIL is not needed.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


cdef extern from "pasralloc/power.h" nogil:
    const uint32_t PASR_MAX_BANKS
    enum:
        PASR_CMD_NOP
        PASR_CMD_ACT
        PASR_CMD_RD
        PASR_CMD_RDA
        PASR_CMD_WR
        PASR_CMD_WRA
        PASR_CMD_PRE
        PASR_CMD_PREA
        PASR_CMD_REF
        PASR_CMD_REFB
        PASR_CMD_REFSB
        PASR_CMD_PDN
        PASR_CMD_PDN_F_ACT
        PASR_CMD_PDN_S_ACT
        PASR_CMD_PDN_F_PRE
        PASR_CMD_PDN_S_PRE
        PASR_CMD_PUP
        PASR_CMD_PUP_ACT
        PASR_CMD_PUP_PRE
        PASR_CMD_SREN
        PASR_CMD_SREX
        PASR_NR_COMMANDS
        PASR_NR_ACT
        PASR_NR_PRE
        PASR_NR_RD
        PASR_NR_WR
        PASR_NR_REF
        PASR_NR_REFB
        PASR_NR_REFSB
        PASR_NR_SREF
        PASR_CYC_ACT
        PASR_CYC_PRE
        PASR_CYC_F_ACT_PD
        PASR_CYC_S_ACT_PD
        PASR_CYC_F_PRE_PD
        PASR_CYC_S_PRE_PD
        PASR_CYC_SREF
        PASR_CYC_SREF_REF_ACT
        PASR_CYC_SREF_REF_PRE
        PASR_CYC_SPUP_REF_ACT
        PASR_CYC_SPUP_REF_PRE
        PASR_CYC_BANKS
        PASR_NR_RANK_COUNTERS
        PASR_ENTRY_NONE
        PASR_ENTRY_INSIDE
        PASR_ENTRY_BEFORE
        PASR_RANK_EORDER
        PASR_RANK_ELATE
        PASR_RANK_ECOMMAND
        PASR_RANK_EBANK
        PASR_RANK_EOPEN
        PASR_RANK_ECLOSED
        PASR_RANK_ECLOSING
        PASR_RANK_EREFRESH
        PASR_RANK_EPOWERDOWN
        PASR_RANK_ESELFREFRESH
        PASR_RANK_ENOPOWERDOWN
        PASR_RANK_ENOSELFREFRESH
        PASR_RANK_EKIND
        PASR_RANK_EALLCLOSED

    ctypedef struct pasr_command_t:
        uint64_t cycle
        uint8_t command
        uint8_t bank

    ctypedef struct pasr_rank_timing_t:
        int64_t ras
        int64_t rfc
        int64_t ref_act
        int64_t entry_act
        int64_t rfcpb
        int64_t rfcsb
        int64_t read_close
        int64_t write_close
        int64_t act_to_pd
        int64_t pre_to_pd
        uint32_t banks
        uint32_t banks_per_group
        uint32_t entry

    ctypedef struct pasr_rank_t:
        int64_t now
        int64_t ref_act_end
        int64_t ref_end
        int64_t state_from
        int64_t next_close
        int64_t last_act
        int64_t last_pre
        int64_t counters[20]
        int64_t opened_at[64]
        int64_t close_at[64]
        uint64_t open
        uint64_t closing
        uint64_t refreshing
        uint32_t nr_open
        uint8_t state
        uint8_t ref_act_counter
        uint8_t ref_pre_counter
        uint8_t bad_bank


cdef void rank_init(pasr_rank_t *r) noexcept nogil
cdef int rank_run(
    pasr_rank_t *r, const pasr_rank_timing_t *tm, const pasr_command_t *commands, uint64_t nr, int64_t until,
    uint64_t *bad,
) noexcept nogil
