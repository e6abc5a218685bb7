"""The seeded bugs still fit the code; `python tests/mutants/run.py` proves that tests notice them."""

from pathlib import Path

import pytest

from tests.mutants.mutants import MUTANTS

PACKAGE = Path(__file__).parent.parent / "pasralloc"


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.why[:60] for mutant in MUTANTS])
def test_a_mutant_applies(mutant):
    source = (PACKAGE / mutant.file).read_text()
    assert source.count(mutant.old) == 1
    for name in mutant.killer.split():
        assert (PACKAGE.parent / name).exists(), name
