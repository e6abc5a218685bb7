"""Platform tables of memory power states."""

import math

import pytest

import pasralloc as pa

GOOD = """
name = "server"
watts = 4.0
[[states]]
name = "MPS0"
saving = 0
exit_seconds = 0
preserves_content = true
auto_entry = true
auto_exit = true
[[states]]
name = "MPS1"
saving = 0.25
exit_seconds = 1e-6
preserves_content = true
auto_entry = true
auto_exit = true
[[states]]
name = "MPS3"
saving = 0.75
exit_seconds = 1e-3
preserves_content = false
auto_entry = false
auto_exit = true
"""


def write(tmp_path, text):
    path = tmp_path / "table.toml"
    path.write_text(text)
    return path


def test_a_table_is_read(tmp_path):
    table = pa.dram.read_platform(write(tmp_path, GOOD))
    assert [table.watts_in(state.name) for state in table.states] == [4.0, 3.0, 1.0]
    assert table.state("MPS3").auto_entry is False
    assert math.isclose(table.break_even("MPS1", transition_joules=2e-6), 2e-6)
    assert table.break_even("MPS0", transition_joules=2e-6) is None


@pytest.mark.parametrize(
    ("exit_seconds", "content", "name"),
    [
        (0, True, "MPS0"),
        (1e-6, True, "MPS1"),
        (1, True, "MPS1"),
        (1, False, "MPS3"),
        (1e-4, False, "MPS1"),
    ],
)
def test_the_deepest_state_within_a_latency(tmp_path, exit_seconds, content, name):
    table = pa.dram.read_platform(write(tmp_path, GOOD))
    assert table.deepest(exit_seconds=exit_seconds, content=content).name == name


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("watts = 4.0", "watts = 0", "server: watts must be positive, got 0"),
        ("watts = 4.0", "", "watts must be a number, got None"),
        ("watts = 4.0", "watts = true", "watts must be a number, got True"),
        (
            "watts = 4.0",
            "watts = 4.0\nvolts = 1",
            "volts must be left out, known being name, watts, states",
        ),
        ("saving = 0.25", "saving = 1.25", "states.MPS1.saving must be 0 to 1, got 1.25"),
        (
            "saving = 0.25",
            "saving = 0.8",
            "states.MPS3.saving must be at least that of MPS1, 0.8, got 0.75",
        ),
        (
            "exit_seconds = 1e-6",
            "exit_seconds = 1e-2",
            "states.MPS3.exit_seconds must be at least that of MPS1",
        ),
        ("saving = 0\n", "saving = 0.1\n", "states.MPS0 must be without saving and latency"),
        ('name = "MPS1"', 'name = "MPS0"', "states.name must be unique, got 'MPS0'"),
        ("auto_entry = false", "auto_entry = 0", "states[2].auto_entry must be bool, got 0"),
        ("auto_entry = false", "auto_enter = false", "states[2].auto_entry must be bool, got None"),
        ("[[states]]", "[[state]]", "states must be list, got None"),
        ("[[states]]", "[[states", "file must be TOML in UTF-8"),
    ],
)
def test_a_broken_table_is_refused(tmp_path, old, new, problem):
    assert old in GOOD
    text = GOOD.replace(old, new) if old == "[[states]]" else GOOD.replace(old, new, 1)
    with pytest.raises(pa.DramError) as error:
        pa.dram.read_platform(write(tmp_path, text))
    assert problem in str(error.value)


def test_unknown_states_and_negative_energies_are_refused(tmp_path):
    table = pa.dram.read_platform(write(tmp_path, GOOD))
    with pytest.raises(pa.DramError, match="state must be one of MPS0, MPS1, MPS3, got 'MPS2'"):
        table.watts_in("MPS2")
    with pytest.raises(pa.DramError, match="transition_joules must be 0 or more, got -1"):
        table.break_even("MPS1", transition_joules=-1)
