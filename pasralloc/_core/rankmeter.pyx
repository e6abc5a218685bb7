"""Counters of one DRAM rank for Python: commands in, counts and cycles out."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from pasralloc._core.boundary cimport as_int
from pasralloc._core.power cimport (
    PASR_CMD_ACT, PASR_CMD_NOP, PASR_CMD_PDN, PASR_CMD_PDN_F_ACT, PASR_CMD_PDN_F_PRE, PASR_CMD_PDN_S_ACT,
    PASR_CMD_PDN_S_PRE, PASR_CMD_PRE, PASR_CMD_PREA, PASR_CMD_PUP, PASR_CMD_PUP_ACT, PASR_CMD_PUP_PRE, PASR_CMD_RD,
    PASR_CMD_RDA, PASR_CMD_REF, PASR_CMD_REFB, PASR_CMD_REFSB, PASR_CMD_SREN, PASR_CMD_SREX, PASR_CMD_WR,
    PASR_CMD_WRA, PASR_CYC_ACT, PASR_CYC_BANKS, PASR_CYC_F_ACT_PD, PASR_CYC_F_PRE_PD, PASR_CYC_PRE,
    PASR_CYC_S_ACT_PD, PASR_CYC_S_PRE_PD, PASR_CYC_SPUP_REF_ACT, PASR_CYC_SPUP_REF_PRE, PASR_CYC_SREF,
    PASR_CYC_SREF_REF_ACT, PASR_CYC_SREF_REF_PRE, PASR_ENTRY_BEFORE, PASR_MAX_BANKS, PASR_NR_ACT, PASR_NR_PRE,
    PASR_NR_RD, PASR_NR_REF, PASR_NR_REFB, PASR_NR_REFSB, PASR_NR_SREF, PASR_NR_WR,
    PASR_RANK_EALLCLOSED, PASR_RANK_EBANK, PASR_RANK_ECLOSED, PASR_RANK_ECLOSING, PASR_RANK_ECOMMAND, PASR_RANK_EKIND,
    PASR_RANK_ELATE, PASR_RANK_ENOPOWERDOWN, PASR_RANK_ENOSELFREFRESH, PASR_RANK_EOPEN, PASR_RANK_EORDER,
    PASR_RANK_EPOWERDOWN, PASR_RANK_EREFRESH, PASR_RANK_ESELFREFRESH, pasr_command_t, pasr_rank_t, pasr_rank_timing_t,
    rank_init, rank_run,
)

import cython
import numpy as np

from pasralloc.errors import CommandError

COMMAND_DTYPE = np.dtype([("cycle", "u8"), ("command", "u1"), ("bank", "u1")], align=True)

# Name -> code. The first name of a code is the one in messages; the others are
# what DRAMPower 4 and 5, Ramulator and DRAMsim3 call the same command.
COMMANDS = {
    "NOP": PASR_CMD_NOP, "DES": PASR_CMD_NOP,
    "ACT": PASR_CMD_ACT, "ACTIVATE": PASR_CMD_ACT,
    "RD": PASR_CMD_RD, "READ": PASR_CMD_RD,
    "RDA": PASR_CMD_RDA, "READ_PRECHARGE": PASR_CMD_RDA,
    "WR": PASR_CMD_WR, "WRITE": PASR_CMD_WR,
    "WRA": PASR_CMD_WRA, "WRITE_PRECHARGE": PASR_CMD_WRA,
    "PRE": PASR_CMD_PRE, "PRECHARGE": PASR_CMD_PRE, "PREPB": PASR_CMD_PRE,
    "PREA": PASR_CMD_PREA, "PREAB": PASR_CMD_PREA, "PRE_ALL": PASR_CMD_PREA,
    "REF": PASR_CMD_REF, "REFA": PASR_CMD_REF, "REFAB": PASR_CMD_REF, "REFRESH": PASR_CMD_REF,
    "REFB": PASR_CMD_REFB, "REFPB": PASR_CMD_REFB, "REFRESH_BANK": PASR_CMD_REFB,
    "REFSB": PASR_CMD_REFSB,
    "PDN": PASR_CMD_PDN, "PDE": PASR_CMD_PDN,
    "PDN_F_ACT": PASR_CMD_PDN_F_ACT, "PDEA": PASR_CMD_PDN_F_ACT,
    "PDN_S_ACT": PASR_CMD_PDN_S_ACT,
    "PDN_F_PRE": PASR_CMD_PDN_F_PRE, "PDEP": PASR_CMD_PDN_F_PRE,
    "PDN_S_PRE": PASR_CMD_PDN_S_PRE,
    "PUP": PASR_CMD_PUP, "PDX": PASR_CMD_PUP,
    "PUP_ACT": PASR_CMD_PUP_ACT, "PDXA": PASR_CMD_PUP_ACT,
    "PUP_PRE": PASR_CMD_PUP_PRE, "PDXP": PASR_CMD_PUP_PRE,
    "SREN": PASR_CMD_SREN, "SREFEN": PASR_CMD_SREN, "SRE": PASR_CMD_SREN, "SREF_ENTER": PASR_CMD_SREN,
    "SREX": PASR_CMD_SREX, "SREFEX": PASR_CMD_SREX, "SRX": PASR_CMD_SREX, "SREF_EXIT": PASR_CMD_SREX,
}
cdef dict NAMES = {}
for _name, _code in COMMANDS.items():
    NAMES.setdefault(_code, _name)

# Name of a counter -> its place; commands first, then clock cycles.
COUNTERS = {
    "acts": PASR_NR_ACT, "pres": PASR_NR_PRE, "reads": PASR_NR_RD, "writes": PASR_NR_WR, "refs": PASR_NR_REF,
    "bank_refs": PASR_NR_REFB, "same_bank_refs": PASR_NR_REFSB, "srefs": PASR_NR_SREF,
    "act_cycles": PASR_CYC_ACT, "pre_cycles": PASR_CYC_PRE,
    "f_act_pd_cycles": PASR_CYC_F_ACT_PD, "s_act_pd_cycles": PASR_CYC_S_ACT_PD,
    "f_pre_pd_cycles": PASR_CYC_F_PRE_PD, "s_pre_pd_cycles": PASR_CYC_S_PRE_PD,
    "sref_cycles": PASR_CYC_SREF,
    "sref_ref_act_cycles": PASR_CYC_SREF_REF_ACT, "sref_ref_pre_cycles": PASR_CYC_SREF_REF_PRE,
    "spup_ref_act_cycles": PASR_CYC_SPUP_REF_ACT, "spup_ref_pre_cycles": PASR_CYC_SPUP_REF_PRE,
    "open_bank_cycles": PASR_CYC_BANKS,
}


cdef object refusal(
    const pasr_rank_t *r, pasr_command_t command, uint64_t index, int64_t until, int error, uint32_t banks
):
    """The exception for a command that cannot be executed."""
    name = NAMES.get(command.command, str(command.command))
    bank = r.bad_bank
    if error == PASR_RANK_ECLOSING:
        why = f"the auto-precharge of bank {bank} is under way until cycle {r.close_at[bank]}"
    elif error == PASR_RANK_EREFRESH:
        end = r.ref_end if r.ref_end > <int64_t> command.cycle else r.close_at[bank]
        why = f"a refresh is under way until cycle {end}"
    elif error == PASR_RANK_EOPEN:
        # Not in the table below: of a bank that does not exist there is no opened_at to look up.
        why = f"bank {bank} is open since cycle {r.opened_at[bank]}, expected it closed"
    else:
        why = {
            PASR_RANK_EORDER: f"expected no cycle below {r.now}, where the one before ended",
            PASR_RANK_ELATE: f"expected a cycle below the end of the window, {until}",
            PASR_RANK_ECOMMAND: f"expected a command code of COMMANDS, got {command.command}",
            PASR_RANK_EBANK: f"expected a bank below {banks}, got {command.bank}",
            PASR_RANK_ECLOSED: f"bank {bank} is closed, expected an open row",
            PASR_RANK_EPOWERDOWN: "the rank is in power-down, expected an exit first",
            PASR_RANK_ESELFREFRESH: "the rank is in self-refresh, expected an exit first",
            PASR_RANK_ENOPOWERDOWN: "the rank is not in power-down",
            PASR_RANK_ENOSELFREFRESH: "the rank is not in self-refresh",
            PASR_RANK_EKIND: "the rank is in the other power-down (active against precharge)",
            PASR_RANK_EALLCLOSED: "no bank stays open, expected one for active power-down",
        }[error]
    return CommandError(index, command.cycle, f"{name}: {why}")


@cython.final
cdef class RankMeter:
    """State and counters of one rank.

    Threading rule: a call that finds another one running on the same object is refused.
    """

    cdef pasr_rank_t rank
    cdef pasr_rank_timing_t timing
    cdef bint busy

    def __cinit__(
        self, banks, banks_per_group, entry, *, ras, rfc, ref_act, entry_act, rfcpb=0, rfcsb=0, read_close=0,
        write_close=0, act_to_pd=0, pre_to_pd=0,
    ):
        cdef int64_t high = 1 << 40
        self.timing.banks = as_int(banks, "banks", 1, PASR_MAX_BANKS)
        self.timing.banks_per_group = as_int(banks_per_group, "banks_per_group", 1, self.timing.banks)
        self.timing.entry = as_int(entry, "entry", 0, PASR_ENTRY_BEFORE)
        self.timing.ras = as_int(ras, "ras", 0, high)
        self.timing.rfc = as_int(rfc, "rfc", 0, high)
        self.timing.ref_act = as_int(ref_act, "ref_act", 0, self.timing.rfc)
        self.timing.entry_act = as_int(entry_act, "entry_act", 0, self.timing.rfc)
        self.timing.rfcpb = as_int(rfcpb, "rfcpb", 0, high)
        self.timing.rfcsb = as_int(rfcsb, "rfcsb", 0, high)
        self.timing.read_close = as_int(read_close, "read_close", 0, high)
        self.timing.write_close = as_int(write_close, "write_close", 0, high)
        self.timing.act_to_pd = as_int(act_to_pd, "act_to_pd", 0, high)
        self.timing.pre_to_pd = as_int(pre_to_pd, "pre_to_pd", 0, high)
        rank_init(&self.rank)

    @property
    def now(self):
        """Cycle up to which everything is counted."""
        return self.rank.now

    def run(self, const pasr_command_t[::1] commands not None, until_cycles):
        """Execute commands of COMMAND_DTYPE and count the time up to *until_cycles*.

        Raises
        ------
        CommandError
            If a command cannot be executed; nothing is counted then.
        """
        cdef pasr_rank_t rank = self.rank                 # a failure must leave no trace
        # Cycles times banks must fit the counters.
        cdef int64_t until = as_int(until_cycles, "until_cycles", rank.now, <int64_t> 1 << 56)
        cdef uint64_t nr = commands.shape[0], bad = 0
        cdef const pasr_command_t *first = &commands[0] if nr != 0 else NULL
        cdef int error
        if self.busy:
            raise RuntimeError("another thread is using this meter")
        self.busy = True
        try:
            with nogil:
                error = rank_run(&rank, &self.timing, first, nr, until, &bad)
        finally:
            self.busy = False
        if error != 0:
            raise refusal(&rank, commands[bad], bad, until, error, self.timing.banks)
        self.rank = rank

    def counters(self):
        """Counts of commands and clock cycles since cycle 0, by name."""
        cdef int place
        counts = {}
        for name, place in COUNTERS.items():
            counts[name] = self.rank.counters[place]
        return counts
