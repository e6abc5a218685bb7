"""Rules of the tree: who may import whom, how large a module may be, what stays out."""

import ast
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pasralloc"

# Lower layers first; a module may import from its own layer's package and from lower ones.
LAYERS = [
    {"choices", "errors", "sizing", "units"},
    {"_core"},
    {"policy", "trace", "machine", "dram"},
    {"sim"},
    {"testing"},
    {"analysis"},
    {"workload"},
    {"comparison", "outcomes"},
    {"report", "sweep"},
    {"cli"},
    {"__init__", "__main__"},
]
LAYER = {name: rank for rank, names in enumerate(LAYERS) for name in names}

# cimports of the compiled kernel point down this list.
CORE = [
    "types",
    "events",
    "bits",
    "scan",
    "power",
    "freelist",
    "zone",
    "layout",
    "check",
    "image",
    "region_alloc",
    "ranges",
    "bulk",
    "reserves",
    "fallback",
    "rmqueue",
    "pcp",
    "stream",
    "batch",
    "nodetypes",
    "watermark",
    "lru",
    "reclaim",
    "moved",
    "compaction",
    "evacuation",
    "node",
    "nodestream",
    "memoryimage",
    "boundary",
    "rankmeter",
    "arena",
    "turn",
    "refusal",
    "geometry",
    "snapshot",
    "batchcalls",
    "rangecalls",
    "zonebase",
    "zoneranges",
    "zonepagesets",
    "zoneobject",
    "memorybase",
    "memoryhistory",
    "memory",
    "memoryranges",
    "views",
    "gfp",
    "text",
    "textparser",
    "replaytypes",
    "replayregions",
    "replayplaces",
    "replay",
    "replayer",
]


def part_of(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pasralloc"):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("pasralloc"))


def test_imports_point_down():
    for path in PACKAGE.rglob("*.py"):
        own = part_of(path)
        for module in imports_of(path):
            other = [*module.split("."), "__init__"][1]
            if other == "__init__":
                continue  # the version
            assert LAYER[other] < LAYER[own] or other == own, (
                f"{path.relative_to(ROOT)} imports {module}"
            )


def test_policy_never_imports_the_kernel():
    for path in (PACKAGE / "policy").rglob("*.py"):
        assert not [module for module in imports_of(path) if "_core" in module]


def test_a_machine_is_made_of_the_lowest_layer_only():
    for path in (PACKAGE / "machine").rglob("*.py"):
        others = {module.split(".")[1] for module in imports_of(path)} - {"machine"}
        assert others <= LAYERS[0], f"{path.name} imports {others - LAYERS[0]}"


def test_cimports_of_the_kernel_point_down():
    for path in [*PACKAGE.glob("_core/*.pyx"), *PACKAGE.glob("_core/*.pxd")]:
        for other in re.findall(
            r"^from pasralloc\._core\.(\w+) cimport", path.read_text(), re.MULTILINE
        ):
            assert CORE.index(other) <= CORE.index(path.stem), f"{path.name} cimports {other}"


def test_every_kernel_module_has_its_place():
    assert {path.stem for path in PACKAGE.glob("_core/*.p[yx]*")} - {
        "__init__",
        "generations",
        "records",
    } == set(CORE)


@pytest.mark.parametrize(
    ("pattern", "limit"),
    [
        ("pasralloc/**/*.pyx", 500),
        ("pasralloc/**/*.py", 400),
        ("tests/**/*.py", 600),
        ("benchmarks/**/*.py", 600),
    ],
)
def test_modules_stay_small(pattern, limit):
    sizes = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines())
        for path in ROOT.glob(pattern)
    }
    assert sizes
    assert {name: size for name, size in sizes.items() if size > limit} == {}


@pytest.mark.build
def test_no_python_call_hides_in_the_kernel(tmp_path):
    """Cython gives a performance hint where an exception check would take the GIL."""

    def compile_to_c(source):
        command = [sys.executable, "-m", "cython", "-3", "-I", str(ROOT)]
        command += ["-X", "cdivision=True,wraparound=False,auto_pickle=False"]
        command += ["-o", str(tmp_path / f"{source.stem}.c"), str(source)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(compile_to_c, sorted(PACKAGE.glob("_core/*.pyx"))):
            assert done.returncode == 0, done.stderr
            assert "performance hint" not in done.stderr, done.stderr


def test_importing_the_package_is_lazy():
    script = "import sys, pasralloc; print(sorted(m for m in sys.modules if m.split('.')[0] in ('numpy', 'rich', 'click')))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"


def test_help_needs_neither_numpy_nor_rich():
    script = (
        "import sys\nfrom pasralloc.cli.main import main\nsys.argv = ['pasralloc', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy', 'rich') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.endswith("[]\n")


def test_every_public_name_resolves_and_is_documented():
    import pasralloc

    names = [name for name in dir(pasralloc) if not name.startswith("_")]
    assert {"Zone", "Trace", "replay", "compare", "OP_DTYPE"} <= set(names)
    for package in (pasralloc, pasralloc.dram, pasralloc.machine):
        for name in package._WHERE:
            value = getattr(package, name)
            assert not callable(value) or value.__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'zone'"):
        _ = pasralloc.zone


def test_no_public_name_hides_a_submodule():
    import pasralloc

    submodules = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not submodules & pasralloc._WHERE.keys()


def test_the_example_of_the_zone_class_runs():
    import doctest

    import pasralloc

    finder = doctest.DocTestParser()
    test = finder.get_doctest(pasralloc.Zone.__doc__, {}, "Zone", None, 0)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0
