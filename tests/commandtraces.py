"""DRAM command traces that several test modules draw."""

from hypothesis import strategies as st

import pasralloc as pa


@st.composite
def traces(draw, banks=8):
    """Legal traces: a controller that knows the state of its banks picks what is allowed."""
    cycle, opened, rows, state, ready = 0, set(), [], "up", 0
    for _ in range(draw(st.integers(0, 25))):
        cycle += draw(st.sampled_from([1, 3, 20, 50, 87, 88, 100, 400]))
        bank = draw(st.integers(0, banks - 1))
        if state == "self":
            rows.append((cycle, "SREX", 0))
            state, ready = "up", cycle + 88
            continue
        if state == "down":
            rows.append((cycle, "PUP", 0))
            state = "up"
            continue
        cycle = max(cycle, ready)
        choice = draw(
            st.sampled_from(["row", "row", "row", "RD", "WR", "RDA", "PDN", "REF", "SREN"])
        )
        if choice == "row":
            rows.append((cycle, "PRE" if bank in opened else "ACT", bank))
            opened ^= {bank}
        elif choice in ("RD", "WR", "RDA"):
            if bank in opened:
                rows.append((cycle, choice, bank))
                if choice == "RDA":
                    opened.discard(bank)
                    ready = cycle + 50
        elif choice == "PDN":
            rows.append((cycle, "PDN", 0))
            state = "down"
        else:
            if opened:
                rows.append((cycle, "PREA", 0))
                opened.clear()
            rows.append((cycle, choice, 0))
            state, ready = ("self", cycle) if choice == "SREN" else ("up", cycle + 88)
    return pa.dram.command_array(rows), cycle + draw(st.integers(1, 300))


@st.composite
def bank_refreshes(draw):
    """Refreshes of single banks of an LPDDR4 part, some in use meanwhile, some followed by a power-down."""
    cycle, rows = 0, []
    for _ in range(draw(st.integers(1, 12))):
        cycle += draw(st.sampled_from([0, 1, 100, 300]))
        bank, other = draw(st.permutations(range(8)))[:2]
        rows.append((cycle, "REFB", bank))
        use = draw(st.sampled_from(["nothing", "row", "auto", "sleep", "active sleep"]))
        if use == "row":
            rows += [(cycle + 3, "ACT", other), (cycle + 90, "PRE", other)]
        elif use == "auto":
            rows += [(cycle + 3, "ACT", other), (cycle + 33, "RDA", other)]
        elif use == "sleep":
            rows += [(cycle + 7, "PDN", 0), (cycle + draw(st.integers(8, 299)), "PUP", 0)]
        elif use == "active sleep":
            rows += [(cycle + 3, "ACT", other), (cycle + 7, "PDEA", 0), (cycle + 280, "PDXA", 0)]
            rows += [(cycle + 290, "PRE", other)]
        cycle += 300  # tRFCpb is 224
    return pa.dram.command_array(rows), cycle + draw(st.integers(1, 300))
