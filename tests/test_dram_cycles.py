"""Counters of a rank against a model that looks at every clock cycle by itself."""

from collections import Counter

import pytest
from commandtraces import traces
from hypothesis import given
from hypothesis import strategies as st

import pasralloc as pa
from pasralloc.dram.energy import ENTRY_REFRESH
from pasralloc.dram.parameters import Parameters

PART = "ddr3_1600_1Gb_x8_G"
NAMES = {code: name for name, code in reversed(pa.dram.COMMANDS.items())}


class SlowRank:
    """A rank that is asked at every cycle what it is doing; as simple as it can be."""

    def __init__(self, entry, formulas):
        self.entry = entry
        spec = pa.dram.part(PART)
        names = ("tRAS", "tRFC", "tRP", "tRCD")
        self.ras, self.rfc, self.rp, self.rcd = map(Parameters(spec).cycles, names)
        self.read_close = Parameters(spec).read_close()
        self.nr_banks = spec.banks
        self.slow_start = formulas == "drampower5"  # power-down waits for rows to open and close
        self.ref_act = self.rfc if formulas == "drampower5" else self.rfc - self.rp
        self.counts = Counter()
        self.open = {}  # bank: (opened at, closes by itself at or None)
        self.refresh = None  # (begin, length of the active part, names of the parts)
        self.state, self.begins = None, 0
        self.last_act = self.last_pre = -1000

    def close_due(self, now):
        for bank, (_, closes) in list(self.open.items()):
            if closes is not None and closes <= now:
                del self.open[bank]
                self.counts["pres"] += 1
                self.last_pre = closes

    def execute(self, now, name, bank):
        if name == "ACT":
            self.open[bank] = (now, None)
            self.last_act = now
            self.counts["acts"] += 1
        elif name in ("RD", "WR", "RDA"):
            self.counts["writes" if name == "WR" else "reads"] += 1
            if name == "RDA":
                opened = self.open[bank][0]
                self.open[bank] = (opened, max(now + self.read_close, opened + self.ras))
        elif name in ("PRE", "PREA"):
            for b in [b for b, (_, closes) in self.open.items() if closes is None]:
                if name == "PREA" or b == bank:
                    del self.open[b]
                    self.counts["pres"] += 1
                    self.last_pre = now
        elif name == "REF":
            self.counts["refs"] += 1
            self.refresh = (now, self.ref_act, "act", "pre")
        elif name == "SREN":
            self.counts["srefs"] += 1
            self.state, self.begins = "sref", now
            if self.entry == "drampower4":
                self.refresh = (now, self.rfc - self.rp, "sref_ref_act", "sref_ref_pre")
            elif self.entry == "drampower5":
                self.counts["refs"] += 1
                self.refresh = (now, self.rfc, "act", "pre")
        elif name == "PDN":
            ends = [closes for _, closes in self.open.values()]
            self.state = "f_act_pd" if None in ends else "f_pre_pd"
            closing = [closes for closes in ends if closes is not None]
            waits = [now, *closing]
            if self.slow_start:
                waits += [self.last_act + self.rcd, self.last_pre + self.rp]
                waits += [closes + self.rp for closes in closing]
            self.begins = max(waits)
        else:
            assert name in ("PUP", "SREX")
            self.state = None
            if self.refresh and self.refresh[2] == "sref_ref_act":
                self.refresh = (*self.refresh[:2], "spup_ref_act", "spup_ref_pre")

    def doing(self, now):
        """Counter of this cycle, and how many banks are open in standby."""
        if self.refresh and now < self.refresh[0] + self.rfc:
            begin, active, first, last = self.refresh
            name = first if now < begin + active else last
            return name, self.nr_banks if name == "act" else 0
        if self.state and now >= self.begins:
            return self.state, 0
        return ("act", len(self.open)) if self.open else ("pre", 0)

    def run(self, commands, end):
        """Counters after *end* cycles."""
        left = [(int(c["cycle"]), NAMES[int(c["command"])], int(c["bank"])) for c in commands]
        for now in range(end):
            self.close_due(now)
            while left and left[0][0] == now:
                self.execute(*left.pop(0))
            name, nr_open = self.doing(now)
            self.counts[f"{name}_cycles"] += 1
            self.counts["open_bank_cycles"] += nr_open
        self.close_due(end)
        return self.counts


@pytest.mark.parametrize("formulas", ["drampower4", "drampower5"])
@pytest.mark.parametrize("entry", ENTRY_REFRESH)
@given(trace=traces(), data=st.data())
def test_every_cycle_is_counted_where_it_belongs(entry, formulas, trace, data):
    commands, end = trace
    end = data.draw(st.integers(int(commands["cycle"].max(initial=0)) + 1, max(end, 2)))
    predicted = SlowRank(entry, formulas).run(commands, end)
    if formulas == "drampower5":
        for kind in ("act_pd_cycles", "pre_pd_cycles"):
            predicted[kind] = predicted.pop(f"f_{kind}", 0)
    energy = pa.dram.command_energy(
        pa.dram.part(PART), commands, end, entry_refresh=entry, formulas=formulas
    )
    assert {name: n for name, n in energy.counters.items() if n} == {
        name: n for name, n in predicted.items() if n
    }
