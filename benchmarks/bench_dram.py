"""How many DRAM commands a second are turned into energy, closed page and with refresh and self-refresh?"""

import numpy as np
import pytest

import pasralloc as pa

NR_COMMANDS = 1_000_000

# Command and clock cycles since the pattern began; every pattern leaves the rank as it found it.
PATTERNS = {
    "closed_page": ([("ACT", 0), ("RD", 10), ("RD", 14), ("PRE", 28)], 38),
    "auto_precharge": ([("ACT", 0), ("RDA", 10)], 38),
    "sleepy": ([("REF", 0), ("PDN", 100), ("PUP", 200), ("SREN", 210), ("SREX", 900)], 1000),
}


def trace(name):
    pattern, period = PATTERNS[name]
    rounds = np.arange(NR_COMMANDS // len(pattern))
    commands = np.zeros(len(rounds) * len(pattern), pa.dram.COMMAND_DTYPE)
    for place, (command, cycle) in enumerate(pattern):
        commands["cycle"][place :: len(pattern)] = rounds * period + cycle
        commands["command"][place :: len(pattern)] = pa.dram.COMMANDS[command]
        commands["bank"][place :: len(pattern)] = rounds % 8
    return commands, len(rounds) * period


@pytest.mark.parametrize("name", PATTERNS)
def bench_command_energy(benchmark, name):
    commands, end = trace(name)
    spec = pa.dram.part("ddr3_1600_1Gb_x8_G")
    energy = benchmark(pa.dram.command_energy, spec, commands, end)
    cycles = [n for key, n in energy.counters.items() if key.endswith("_cycles")]
    assert sum(cycles) - energy.counters["open_bank_cycles"] == end
    benchmark.extra_info["pattern"] = name
    if benchmark.stats:
        benchmark.extra_info["ns_per_op"] = benchmark.stats.stats.median / len(commands) * 1e9
