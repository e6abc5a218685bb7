"""Seeded bugs in the DRAM model."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

COMMANDS = "tests/test_dram_cases.py tests/test_dram_commands.py"
STATES = "tests/test_dram_states.py"

MUTANTS = [
    Mutant(
        "_core/power.pyx",
        "        r.counters[PASR_CYC_BANKS] += cycles * r.nr_open",
        "        r.counters[PASR_CYC_BANKS] += cycles",
        "the background of open banks is that of one",
        COMMANDS,
    ),
    Mutant(
        "_core/power.pyx",
        "        settle(r, banks, r.next_close)\n",
        "        settle(r, banks, to)\n",
        "an auto-precharge counts only at the next command",
        COMMANDS,
    ),
    Mutant(
        "_core/power.pyx",
        "        if r.ref_act_counter == PASR_CYC_ACT:\n            r.counters[PASR_CYC_BANKS] += part * banks",
        "        pass",
        "a refresh has no open banks",
        COMMANDS,
    ),
    Mutant(
        "_core/power.pyx",
        "    banks &= r.open & ~r.closing\n",
        "    banks &= r.open\n",
        "a precharge cuts an auto-precharge short",
        COMMANDS,
    ),
    Mutant(
        "_core/power.pyx",
        ", r.opened_at[bank] + tm.ras))",
        ", 0))",
        "an auto-precharge does not wait for tRAS",
        COMMANDS,
    ),
    Mutant(
        "_core/power.pyx",
        "        r.ref_act_counter = PASR_CYC_SPUP_REF_ACT\n",
        "",
        "what is left of a refresh after an early exit has power-down background",
        COMMANDS,
    ),
    Mutant(
        "_core/power.pyx",
        "        begin = max(begin, r.close_at[bank] + (0 if r.refreshing >> bank & 1 else tm.pre_to_pd))\n",
        "        pass\n",
        "a power-down does not wait for an auto-precharge",
        COMMANDS,
    ),
    Mutant(
        "_core/power.pyx",
        "(0 if r.refreshing >> bank & 1 else tm.pre_to_pd)",
        "tm.pre_to_pd",
        "a power-down waits tRP after a bank refresh",
        COMMANDS,
    ),
    Mutant(
        "_core/power.pyx",
        "    if r.refreshing & bit:\n        r.refreshing &= ~bit\n    else:\n        r.counters",
        "    if True:\n        r.counters",
        "the end of a bank refresh counts as a precharge",
        COMMANDS,
    ),
    Mutant(
        "_core/rankmeter.pyx",
        "        cdef pasr_rank_t rank = self.rank ",
        "        cdef pasr_rank_t rank\n        rank_init(&rank) ",
        "every window begins with a new rank",
        COMMANDS,
    ),
    Mutant(
        "dram/equations.py",
        "        if self._rho() == 1:",
        "        if True:",
        "rho has no effect",
        COMMANDS,
    ),
    Mutant(
        "dram/commands.py",
        "    return commands[order], order",
        "    return commands[order], None",
        "an error names the index after sorting",
        COMMANDS,
    ),
    Mutant(
        "dram/states.py",
        "        return max(cost / (other - own), self.refresh_seconds)",
        "        return cost / (other - own) + self.refresh_seconds",
        "a break-even time begins after the refresh",
        STATES,
    ),
    Mutant(
        "dram/states.py",
        "        if point.celsius >= celsius:",
        "        if point.celsius > celsius:",
        "at the temperature of a point the next one is taken",
        STATES,
    ),
    Mutant(
        "dram/parameters.py",
        '            if "IPP3N" in currents and self._assume("ipp_missing"):',
        '            if "IPP3N" in currents:',
        "a missing VPP current is filled in without being asked",
        COMMANDS,
    ),
    Mutant(
        "dram/pasr.py",
        "                code.refreshes(bank, segment) or bank in banks or segment in segments\n",
        "                code.refreshes(bank, 0) or bank in banks\n",
        "a code may leave a segment with content unrefreshed",
        "tests/test_dram_pasr.py",
    ),
    Mutant(
        "dram/pasr.py",
        "    if rounded:\n",
        "    if len(rounded) > 1:\n",
        "a mask that is rounded passes for exact",
        "tests/test_dram_pasr.py",
    ),
    Mutant(
        "dram/states.py",
        '        if read_seconds is None and spec.standard.startswith("LPDDR"):',
        "        if read_seconds is None:",
        "a DLL of which nothing is known locks at once",
        STATES,
    ),
    Mutant(
        "dram/cases.py",
        "    if not counters and not checks:",
        "    if False:",
        "a case that expects nothing is met",
        COMMANDS,
    ),
    Mutant(
        "dram/spec.py",
        'self.timing_cycles, ""), (both, " ns")):',
        'self.timing_cycles, "")):',
        "timings in different units are not compared",
        "tests/test_dram_parts.py",
    ),
    Mutant(
        "dram/mapping.py",
        "span(self._images[: size.bit_length() - 1])",
        "span(self._images[: size.bit_length() - 2])",
        "a region touches what half of it touches",
        "tests/test_dram_mapping.py",
    ),
]
