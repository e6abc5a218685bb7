"""What a seeded bug is."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One seeded bug.

    Attributes
    ----------
    file : str
        Below ``pasralloc/``.
    old, new : str
        *old* occurs exactly once in the file.
    why : str
        What the bug does.
    killer : str
        Tests that must notice: arguments of pytest.
    """

    file: str
    old: str
    new: str
    why: str
    killer: str


MACHINE = "tests/test_zone_machine.py"
