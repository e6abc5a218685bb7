"""Build every mutant and see the tests fail.

    python tests/mutants/run.py [TEXT ...]

With words, only mutants whose file or description holds one of them. Works on a
copy of the tree; exit status 1 if a mutant survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.mutants.mutants import MUTANTS  # noqa: E402


def build(tree: Path) -> bool:
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    return subprocess.run(command, cwd=tree, capture_output=True, check=False).returncode == 0


def tests_pass(tree: Path, killer: str) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", *killer.split()]
    env = os.environ | {"PYTHONPATH": str(tree), "HYPOTHESIS_PROFILE": "mutants"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=env, capture_output=True, timeout=900, check=False
        )
    except subprocess.TimeoutExpired:
        return False  # an endless loop is noticed as well
    return done.returncode == 0


def main() -> int:
    chosen = [
        mutant
        for mutant in MUTANTS
        if not sys.argv[1:]
        or any(word in mutant.file or word in mutant.why for word in sys.argv[1:])
    ]
    survivors = []
    with tempfile.TemporaryDirectory() as tmp:
        tree = Path(tmp) / "tree"
        shutil.copytree(
            ROOT, tree, ignore=shutil.ignore_patterns(".git", ".hypothesis", "__pycache__")
        )
        if not build(tree) or not tests_pass(tree, f"{MUTANTS[0].killer}"):
            print("the tree itself does not build and pass")
            return 1
        for mutant in chosen:
            path = tree / "pasralloc" / mutant.file
            source = path.read_text()
            assert source.count(mutant.old) == 1, mutant
            path.write_text(source.replace(mutant.old, mutant.new))
            if not build(tree):
                print(f"does not compile: {mutant.why}")
                return 1
            killed = not tests_pass(tree, mutant.killer)
            print(f"{'killed  ' if killed else 'SURVIVED'} {mutant.file}: {mutant.why}", flush=True)
            if not killed:
                survivors.append(mutant)
            path.write_text(source)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
