/* Commands of one DRAM rank and the time they make it spend in each state. */
#ifndef PASRALLOC_POWER_H
#define PASRALLOC_POWER_H

#include "pasralloc/zone.h"

#define PASR_MAX_BANKS 64u            /* of one device: one bit each */

enum pasr_command_code {
    PASR_CMD_NOP = 0,
    PASR_CMD_ACT = 1,
    PASR_CMD_RD = 2,
    PASR_CMD_RDA = 3,                 /* with auto-precharge */
    PASR_CMD_WR = 4,
    PASR_CMD_WRA = 5,
    PASR_CMD_PRE = 6,
    PASR_CMD_PREA = 7,                /* all banks */
    PASR_CMD_REF = 8,                 /* all banks */
    PASR_CMD_REFB = 9,                /* one bank */
    PASR_CMD_REFSB = 10,              /* the same bank of every bank group */
    PASR_CMD_PDN = 11,                /* power-down, fast exit, active or precharge as the banks are */
    PASR_CMD_PDN_F_ACT = 12,
    PASR_CMD_PDN_S_ACT = 13,
    PASR_CMD_PDN_F_PRE = 14,
    PASR_CMD_PDN_S_PRE = 15,
    PASR_CMD_PUP = 16,                /* out of any power-down */
    PASR_CMD_PUP_ACT = 17,
    PASR_CMD_PUP_PRE = 18,
    PASR_CMD_SREN = 19,
    PASR_CMD_SREX = 20,
    PASR_NR_COMMANDS = 21
};

typedef struct pasr_command {
    uint64_t cycle;
    uint8_t command;                  /* enum pasr_command_code */
    uint8_t bank;                     /* flat index; not read by commands of the rank */
    uint8_t pad[6];
} pasr_command_t;

/* What is counted. Commands first, then clock cycles; all but the last of these add up to the time. */
enum pasr_rank_counter {
    PASR_NR_ACT = 0,
    PASR_NR_PRE = 1,                  /* banks that were really closed */
    PASR_NR_RD = 2,
    PASR_NR_WR = 3,
    PASR_NR_REF = 4,
    PASR_NR_REFB = 5,
    PASR_NR_REFSB = 6,
    PASR_NR_SREF = 7,
    PASR_CYC_ACT = 8,                 /* at least one bank open, or refreshing */
    PASR_CYC_PRE = 9,
    PASR_CYC_F_ACT_PD = 10,
    PASR_CYC_S_ACT_PD = 11,
    PASR_CYC_F_PRE_PD = 12,
    PASR_CYC_S_PRE_PD = 13,
    PASR_CYC_SREF = 14,               /* at the self-refresh current */
    PASR_CYC_SREF_REF_ACT = 15,       /* refresh at entry, first part, inside self-refresh */
    PASR_CYC_SREF_REF_PRE = 16,       /* its last tRP */
    PASR_CYC_SPUP_REF_ACT = 17,       /* the same after an early exit */
    PASR_CYC_SPUP_REF_PRE = 18,
    PASR_CYC_BANKS = 19,              /* open banks times cycles, while in standby */
    PASR_NR_RANK_COUNTERS = 20
};

enum pasr_entry_refresh {
    PASR_ENTRY_NONE = 0,              /* self-refresh current from the entry on */
    PASR_ENTRY_INSIDE = 1,            /* a refresh inside self-refresh, at power-down background */
    PASR_ENTRY_BEFORE = 2             /* a refresh before self-refresh, at active background */
};

/* All in clock cycles. */
typedef struct pasr_rank_timing {
    int64_t ras;
    int64_t rfc;
    int64_t ref_act;                  /* part of rfc that an auto-refresh counts as active */
    int64_t entry_act;                /* the same of the refresh at self-refresh entry */
    int64_t rfcpb;
    int64_t rfcsb;
    int64_t read_close;               /* RDA to its precharge */
    int64_t write_close;              /* WRA to its precharge */
    int64_t act_to_pd;                /* power-down begins no earlier than this after an ACT */
    int64_t pre_to_pd;                /* and this after a precharge */
    uint32_t banks;
    uint32_t banks_per_group;
    uint32_t entry;                   /* enum pasr_entry_refresh */
    uint32_t pad;
} pasr_rank_timing_t;

typedef struct pasr_rank {
    int64_t now;                      /* everything before is counted */
    int64_t ref_act_end;              /* a refresh runs to ref_end, its first part to ref_act_end */
    int64_t ref_end;
    int64_t state_from;               /* a power-down or self-refresh takes effect here */
    int64_t next_close;               /* earliest of close_at over `closing`, or INT64_MAX */
    int64_t last_act;
    int64_t last_pre;
    int64_t counters[PASR_NR_RANK_COUNTERS];
    int64_t opened_at[PASR_MAX_BANKS];
    int64_t close_at[PASR_MAX_BANKS];
    uint64_t open;                    /* banks that are open or refreshing by themselves */
    uint64_t closing;                 /* of these: close by themselves at close_at */
    uint64_t refreshing;              /* of these: opened by REFB or REFSB */
    uint32_t nr_open;
    uint8_t state;                    /* counter that cycles go to, or 0 in standby */
    uint8_t ref_act_counter;          /* counters of the two parts of the running refresh */
    uint8_t ref_pre_counter;
    uint8_t bad_bank;                 /* after an error: the bank at fault */
} pasr_rank_t;

/* Why a command cannot be executed. */
enum pasr_rank_error {
    PASR_RANK_EORDER = -1,            /* earlier than the one before */
    PASR_RANK_ELATE = -2,             /* not before the end of the window */
    PASR_RANK_ECOMMAND = -3,
    PASR_RANK_EBANK = -4,
    PASR_RANK_EOPEN = -5,             /* a bank is open that must be closed */
    PASR_RANK_ECLOSED = -6,
    PASR_RANK_ECLOSING = -7,          /* auto-precharge is under way */
    PASR_RANK_EREFRESH = -8,
    PASR_RANK_EPOWERDOWN = -9,
    PASR_RANK_ESELFREFRESH = -10,
    PASR_RANK_ENOPOWERDOWN = -11,
    PASR_RANK_ENOSELFREFRESH = -12,
    PASR_RANK_EKIND = -13,            /* exit of the other power-down */
    PASR_RANK_EALLCLOSED = -14        /* active power-down without an open bank */
};

PASR_STATIC_ASSERT(sizeof(pasr_command_t) == 16, "numpy writes commands");

#endif
