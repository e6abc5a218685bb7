"""Commands of one DRAM rank and the time they make it spend in each state.

Counters are integers and a window may end anywhere, so that what is counted
does not depend on how time is cut into windows: a rank goes on where the last
window ended, in the middle of a refresh, a power-down or a self-refresh stay.
Energies follow from the counters alone and are not computed here.

Timing constraints between commands (tRCD, tRP, tFAW and so on) are the business
of a controller and are not checked; what the state of a bank forbids is.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from pasralloc._core.bits cimport lowest_bit


cdef void rank_init(pasr_rank_t *r) noexcept nogil:
    """A rank at cycle 0: every bank closed, in standby, nothing counted."""
    memset(r, 0, sizeof(pasr_rank_t))
    r.next_close = INT64_MAX
    # So long ago that no delay of a power-down reaches to cycle 0.
    r.last_act = r.last_pre = -(<int64_t> 1 << 62)


cdef inline void spend(pasr_rank_t *r, int64_t cycles) noexcept nogil:
    """Count *cycles* of standby, as the banks are."""
    if r.nr_open != 0:
        r.counters[PASR_CYC_ACT] += cycles
        r.counters[PASR_CYC_BANKS] += cycles * r.nr_open
    else:
        r.counters[PASR_CYC_PRE] += cycles
    r.now += cycles


cdef void spend_refreshing(pasr_rank_t *r, uint32_t banks, int64_t to) noexcept nogil:
    """Count the running refresh, as far as it goes before *to*."""
    cdef int64_t part = min(to, r.ref_act_end) - r.now
    if part > 0:
        r.counters[r.ref_act_counter] += part
        if r.ref_act_counter == PASR_CYC_ACT:
            r.counters[PASR_CYC_BANKS] += part * banks
        r.now += part
    part = min(to, r.ref_end) - r.now
    if part > 0:
        r.counters[r.ref_pre_counter] += part
        r.now += part


cdef inline void settle(pasr_rank_t *r, uint32_t banks, int64_t to) noexcept nogil:
    """Count the time up to *to*; no bank may open or close before then."""
    if r.now < r.ref_end:
        spend_refreshing(r, banks, to)
    if r.now >= to:
        return
    if r.state == 0:
        spend(r, to - r.now)
        return
    if r.now < r.state_from:
        spend(r, min(to, r.state_from) - r.now)
    r.counters[r.state] += to - r.now
    r.now = to


cdef inline void shut(pasr_rank_t *r, uint64_t bit) noexcept nogil:
    r.open &= ~bit
    r.closing &= ~bit
    r.nr_open -= 1
    if r.refreshing & bit:
        r.refreshing &= ~bit
    else:
        r.counters[PASR_NR_PRE] += 1


cdef void find_next_close(pasr_rank_t *r) noexcept nogil:
    cdef uint64_t left = r.closing
    r.next_close = INT64_MAX
    while left != 0:
        r.next_close = min(r.next_close, r.close_at[lowest_bit(left)])
        left &= left - 1


cdef void close_due(pasr_rank_t *r, uint32_t banks, int64_t to) noexcept nogil:
    """Close the banks that close by themselves until *to*, each in its time."""
    cdef uint64_t left
    cdef uint32_t bank
    while r.next_close <= to:
        settle(r, banks, r.next_close)
        left = r.closing
        while left != 0:
            bank = lowest_bit(left)
            left &= left - 1
            if r.close_at[bank] <= r.now:
                if not r.refreshing & (<uint64_t> 1 << bank):
                    r.last_pre = r.close_at[bank]
                shut(r, <uint64_t> 1 << bank)
        find_next_close(r)


cdef inline void advance(pasr_rank_t *r, uint32_t banks, int64_t to) noexcept nogil:
    if r.next_close <= to:
        close_due(r, banks, to)
    settle(r, banks, to)


cdef inline void close_later(pasr_rank_t *r, uint32_t bank, int64_t at) noexcept nogil:
    r.closing |= <uint64_t> 1 << bank
    r.close_at[bank] = at
    r.next_close = min(r.next_close, at)


cdef inline void open_bank(pasr_rank_t *r, uint32_t bank, int64_t at) noexcept nogil:
    r.open |= <uint64_t> 1 << bank
    r.opened_at[bank] = at
    r.nr_open += 1


cdef inline void begin_refresh(
    pasr_rank_t *r, int64_t at, int64_t act, int64_t length, uint8_t act_counter, uint8_t pre_counter
) noexcept nogil:
    r.ref_act_end = at + act
    r.ref_end = at + length
    r.ref_act_counter = act_counter
    r.ref_pre_counter = pre_counter


cdef int none_open(pasr_rank_t *r) noexcept nogil:
    """0 if every bank is closed; otherwise why not, with a bank that shows it."""
    if r.open == 0:
        return 0
    r.bad_bank = <uint8_t> lowest_bit(r.open)
    if r.refreshing & (<uint64_t> 1 << r.bad_bank):
        return PASR_RANK_EREFRESH
    return PASR_RANK_ECLOSING if r.closing & (<uint64_t> 1 << r.bad_bank) else PASR_RANK_EOPEN


cdef inline int column(
    pasr_rank_t *r, const pasr_rank_timing_t *tm, int64_t at, uint8_t code, uint32_t bank
) noexcept nogil:
    """A read or write, which needs an open row that stays open."""
    cdef uint64_t bit = <uint64_t> 1 << bank
    cdef bint read = code == PASR_CMD_RD or code == PASR_CMD_RDA
    if not r.open & bit:
        return PASR_RANK_ECLOSED
    if r.closing & bit:
        return PASR_RANK_EREFRESH if r.refreshing & bit else PASR_RANK_ECLOSING
    r.counters[PASR_NR_RD if read else PASR_NR_WR] += 1
    if code == PASR_CMD_RDA or code == PASR_CMD_WRA:
        close_later(r, bank, max(
            at + (tm.read_close if read else tm.write_close), r.opened_at[bank] + tm.ras))
    return 0


cdef inline void precharge(pasr_rank_t *r, int64_t at, uint64_t banks) noexcept nogil:
    """Close *banks*; those that are closed or close by themselves are left alone."""
    banks &= r.open & ~r.closing
    while banks != 0:
        shut(r, banks & (~banks + 1))
        r.last_pre = at
        banks &= banks - 1


cdef int refresh_banks(
    pasr_rank_t *r, const pasr_rank_timing_t *tm, int64_t at, uint8_t code, uint32_t bank
) noexcept nogil:
    cdef uint32_t step = tm.banks if code == PASR_CMD_REFB else tm.banks_per_group
    cdef uint32_t first = bank if code == PASR_CMD_REFB else bank % step
    cdef uint32_t b = first
    while b < tm.banks:
        if r.open >> b & 1:
            r.bad_bank = <uint8_t> b
            return PASR_RANK_EREFRESH if r.refreshing >> b & 1 else PASR_RANK_EOPEN
        b += step
    b = first
    while b < tm.banks:
        open_bank(r, b, at)
        r.refreshing |= <uint64_t> 1 << b
        close_later(r, b, at + (tm.rfcpb if code == PASR_CMD_REFB else tm.rfcsb))
        b += step
    r.counters[PASR_NR_REFB if code == PASR_CMD_REFB else PASR_NR_REFSB] += 1
    return 0


cdef int power_down(pasr_rank_t *r, const pasr_rank_timing_t *tm, int64_t at, uint8_t code) noexcept nogil:
    """Enter power-down once nothing is under way; until then the rank is in standby.

    A running refresh needs no care: its cycles are counted before those of a state.
    """
    cdef int64_t begin = at
    cdef uint64_t left = r.closing
    cdef uint32_t bank
    cdef bint active = r.open != r.closing                # a bank stays open
    if code == PASR_CMD_PDN:
        code = PASR_CMD_PDN_F_ACT if active else PASR_CMD_PDN_F_PRE
    if code == PASR_CMD_PDN_F_ACT or code == PASR_CMD_PDN_S_ACT:
        if not active:
            return PASR_RANK_EALLCLOSED
        r.state = PASR_CYC_F_ACT_PD if code == PASR_CMD_PDN_F_ACT else PASR_CYC_S_ACT_PD
    else:
        if active:
            r.bad_bank = <uint8_t> lowest_bit(r.open & ~r.closing)
            return PASR_RANK_EOPEN
        r.state = PASR_CYC_F_PRE_PD if code == PASR_CMD_PDN_F_PRE else PASR_CYC_S_PRE_PD
    begin = max(begin, max(r.last_act + tm.act_to_pd, r.last_pre + tm.pre_to_pd))
    while left != 0:
        bank = lowest_bit(left)
        # A bank that refreshes itself ends without a precharge to wait for.
        begin = max(begin, r.close_at[bank] + (0 if r.refreshing >> bank & 1 else tm.pre_to_pd))
        left &= left - 1
    r.state_from = begin
    return 0


cdef int power_up(pasr_rank_t *r, uint8_t code) noexcept nogil:
    cdef bint active = r.state == PASR_CYC_F_ACT_PD or r.state == PASR_CYC_S_ACT_PD
    if r.state == 0 or r.state == PASR_CYC_SREF:
        return PASR_RANK_ENOPOWERDOWN
    if (code == PASR_CMD_PUP_ACT and not active) or (code == PASR_CMD_PUP_PRE and active):
        return PASR_RANK_EKIND
    r.state = 0
    return 0


cdef void enter_self_refresh(pasr_rank_t *r, const pasr_rank_timing_t *tm, int64_t at) noexcept nogil:
    r.counters[PASR_NR_SREF] += 1
    r.state = PASR_CYC_SREF
    r.state_from = at
    if tm.entry == PASR_ENTRY_INSIDE:
        begin_refresh(r, at, tm.entry_act, tm.rfc, PASR_CYC_SREF_REF_ACT, PASR_CYC_SREF_REF_PRE)
    elif tm.entry == PASR_ENTRY_BEFORE:
        r.counters[PASR_NR_REF] += 1
        begin_refresh(r, at, tm.rfc, tm.rfc, PASR_CYC_ACT, PASR_CYC_PRE)


cdef int leave_self_refresh(pasr_rank_t *r) noexcept nogil:
    if r.state != PASR_CYC_SREF:
        return PASR_RANK_ENOSELFREFRESH
    r.state = 0
    # What is left of the refresh at entry is finished outside.
    if r.ref_act_counter == PASR_CYC_SREF_REF_ACT:
        r.ref_act_counter = PASR_CYC_SPUP_REF_ACT
        r.ref_pre_counter = PASR_CYC_SPUP_REF_PRE
    return 0


cdef int all_banks(pasr_rank_t *r, const pasr_rank_timing_t *tm, int64_t at, uint8_t code) noexcept nogil:
    """Auto-refresh and self-refresh entry: every bank must be closed."""
    cdef int error = none_open(r)
    if error != 0:
        return error
    if code == PASR_CMD_SREN:
        enter_self_refresh(r, tm, at)
    else:
        r.counters[PASR_NR_REF] += 1
        begin_refresh(r, at, tm.ref_act, tm.rfc, PASR_CYC_ACT, PASR_CYC_PRE)
    return 0


cdef inline int execute(
    pasr_rank_t *r, const pasr_rank_timing_t *tm, int64_t at, uint8_t code, uint32_t bank
) noexcept nogil:
    """Execute one command at the time that is counted up to."""
    if code == PASR_CMD_NOP:
        return 0
    if code == PASR_CMD_SREX:
        return leave_self_refresh(r)
    if PASR_CMD_PUP <= code <= PASR_CMD_PUP_PRE:
        return power_up(r, code)
    if r.state != 0:
        return PASR_RANK_ESELFREFRESH if r.state == PASR_CYC_SREF else PASR_RANK_EPOWERDOWN
    if PASR_CMD_PDN <= code <= PASR_CMD_PDN_S_PRE:
        return power_down(r, tm, at, code)
    if code == PASR_CMD_PREA:
        precharge(r, at, r.open)
        return 0
    r.bad_bank = <uint8_t> bank
    if bank >= tm.banks and code != PASR_CMD_REF and code != PASR_CMD_SREN:
        return PASR_RANK_EBANK
    if code == PASR_CMD_PRE:
        precharge(r, at, <uint64_t> 1 << bank)
        return 0
    if at < r.ref_end:
        return PASR_RANK_EREFRESH
    if PASR_CMD_RD <= code <= PASR_CMD_WRA:
        return column(r, tm, at, code, bank)
    if code == PASR_CMD_REF or code == PASR_CMD_SREN:
        return all_banks(r, tm, at, code)
    if code != PASR_CMD_ACT:
        return refresh_banks(r, tm, at, code, bank)
    if r.open >> bank & 1:
        if r.refreshing >> bank & 1:
            return PASR_RANK_EREFRESH
        return PASR_RANK_ECLOSING if r.closing >> bank & 1 else PASR_RANK_EOPEN
    open_bank(r, bank, at)
    r.last_act = at
    r.counters[PASR_NR_ACT] += 1
    return 0


cdef int rank_run(
    pasr_rank_t *r, const pasr_rank_timing_t *tm, const pasr_command_t *commands, uint64_t nr, int64_t until,
    uint64_t *bad,
) noexcept nogil:
    """Execute *commands*, sorted by cycle, and count the time up to *until*.

    The caller owns everything. *tm* must have 1 to PASR_MAX_BANKS banks, of which
    banks_per_group (at least 1) make a group, no negative timing, ref_act and
    entry_act of at most rfc, and the same values in every call for one rank.
    *until* must not lie before r.now, nor beyond 2**56, so that cycles times
    banks fit the counters. A command at or after *until* belongs to the next call.

    Returns 0, or a pasr_rank_error with the index of the command at fault in
    *bad*; the rank is then in the state before that command, time counted up to
    it. Whoever wants the rank as it was copies it first.

    Cost: some nanoseconds per command, and per command that closes several banks
    or finds some closing by themselves a few more for each of these.
    """
    cdef pasr_command_t command
    cdef uint64_t i
    cdef int error
    for i in range(nr):
        command = commands[i]
        bad[0] = i
        if command.cycle >= <uint64_t> until:
            return PASR_RANK_ELATE
        if <int64_t> command.cycle < r.now:
            return PASR_RANK_EORDER
        if command.command >= PASR_NR_COMMANDS:
            return PASR_RANK_ECOMMAND
        advance(r, tm.banks, <int64_t> command.cycle)
        error = execute(r, tm, <int64_t> command.cycle, command.command, command.bank)
        if error != 0:
            return error
    advance(r, tm.banks, until)
    return 0
