"""The package as a stranger gets it: built from the source distribution, installed elsewhere."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.build


def run(*command, cwd, **environment):
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | environment
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Source distribution from a copy of the tree, and the wheel built from that; with what the build said."""
    tmp = tmp_path_factory.mktemp("dist")
    ignore = shutil.ignore_patterns(
        ".git", "build", "*.so", "*.egg-info", "__pycache__", "dist", ".*cache*", ".hypothesis"
    )
    shutil.copytree(ROOT, tmp / "tree", ignore=ignore)
    # No isolation: the tools are those that the test extra installed.
    done = run(
        sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp), cwd=tmp / "tree"
    )
    return next(tmp.glob("*.whl")), next(tmp.glob("*.tar.gz")), done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """Directory that holds the installed wheel and nothing else."""
    target = tmp_path_factory.mktemp("site")
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
        str(built[0]),
        cwd=target,
    )
    return target


def names_in_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_what_users_build_on(built):
    names = names_in_wheel(built[0])
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pasralloc").rglob("*")
        if path.is_file()
    }
    for suffix in (".pxd", ".pyi", ".h", ".py", ".xz", ".toml"):
        wanted = {name for name in sources if name.endswith(suffix)}
        assert wanted, suffix
        assert wanted <= names, suffix
    assert "pasralloc/py.typed" in names


def test_the_wheel_holds_one_extension_per_module_and_no_sources(built):
    names = names_in_wheel(built[0])
    modules = {path.stem for path in (ROOT / "pasralloc" / "_core").glob("*.pyx")}
    extensions = [Path(name).name.split(".")[0] for name in names if name.endswith(".so")]
    assert sorted(extensions) == sorted(modules)
    assert not [name for name in names if name.endswith((".c", ".pyx", ".html"))]


def test_the_source_distribution_holds_the_tests_and_nothing_that_was_built(built):
    with tarfile.open(built[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "setup.py",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "tests/test_wheel.py",
        "tests/embed/embedded.pyx",
        "benchmarks/streams.py",
        "benchmarks/plain.c",
        "pasralloc/_core/zone.pyx",
    } <= names
    assert not [name for name in names if name.endswith((".so", ".o"))]
    assert [name for name in names if name.endswith(".c")] == ["benchmarks/plain.c"]


def test_the_compiler_has_nothing_to_say_about_our_code(built):
    said = [line for line in built[2].splitlines() if "warning:" in line and "-W" in line]
    assert said == []


def test_the_installed_wheel_works_outside_the_checkout(installed):
    script = (
        "import pasralloc as pa, sys\n"
        "assert pa.__file__.startswith(sys.argv[1]), pa.__file__\n"
        "zone = pa.Zone(1 << 16, region_pages=1 << 13)\n"
        "zone.free(zone.alloc(3)); zone.check()\n"
        "assert len(pa.dram.part_ids()) == 16 and pa.dram.part('ddr3_1600_4Gb_x8').banks == 8\n"
        "assert pa.Machine.preset('phone-8g').nr_cpus == 8\n"
        "print(len(pa.Trace.sample('t1')))\n"
    )
    done = run(
        sys.executable, "-c", script, str(installed), cwd=installed, PYTHONPATH=str(installed)
    )
    assert done.stdout == "120000\n"


def test_the_command_line_works_from_the_installed_wheel(installed):
    done = run(
        sys.executable,
        "-m",
        "pasralloc",
        "compare",
        "sample:t1",
        "--json",
        cwd=installed,
        PYTHONPATH=str(installed),
    )
    assert '"policies"' in done.stdout
    assert done.stderr == ""


def test_the_headers_are_valid_c_and_cpp(installed, tmp_path):
    for compiler, standard, suffix in (("gcc", "c11", "c"), ("g++", "c++17", "cpp")):
        source = tmp_path / f"headers.{suffix}"
        source.write_text(
            '#include "pasralloc/trace.h"\n#include "pasralloc/power.h"\n'
            "int main(void) { return sizeof(pasr_zone_t) + sizeof(pasr_rank_t) == 0; }\n"
        )
        include = installed / "pasralloc" / "include"
        run(
            compiler,
            f"-std={standard}",
            "-pedantic-errors",
            "-Wall",
            "-Wextra",
            "-Werror",
            f"-I{include}",
            "-fsyntax-only",
            str(source),
            cwd=tmp_path,
        )


def test_a_downstream_extension_builds_against_the_wheel_and_drives_a_zone(installed, tmp_path):
    shutil.copytree(ROOT / "tests" / "embed", tmp_path / "embed")
    run(
        sys.executable,
        "setup.py",
        "build_ext",
        "--inplace",
        cwd=tmp_path / "embed",
        PYTHONPATH=str(installed),
    )
    script = (
        "import threading, embedded, pasralloc as pa\n"
        "zone, twin = (pa.Zone(1 << 14, region_pages=1 << 12) for _ in range(2))\n"
        "total = 0\n"
        "for _ in range(1001): pfn = twin.alloc(2); twin.free(pfn); total += pfn\n"
        "assert embedded.churn(zone, 2, 1001) == total > 0\n"
        "assert zone.digest() == twin.digest()\n"
        "assert embedded.free_error(zone, -7, -1) == -34\n"
        "assert embedded.free_error(zone, 0, 0) == -114\n"
        "assert embedded.refresh_cycles(6240, 16, 99840) == (17, 16 * 78 + 1, 16 * 6162, 0)\n"
        "assert embedded.refresh_cycles(6240, 16, 99839) == (16, 16 * 78, 16 * 6162, -1)\n"
        "refused = 0\n"
        "thread = threading.Thread(target=embedded.churn, args=(zone, 0, 50_000_000))\n"
        "thread.start()\n"
        "while thread.is_alive():\n"
        "    try: zone.free(zone.alloc())\n"
        "    except RuntimeError: refused += 1; break\n"
        "thread.join()\n"
        "zone.check()\n"
        "print('refused' if refused else 'never busy')\n"
    )
    done = run(sys.executable, "-c", script, cwd=tmp_path / "embed", PYTHONPATH=str(installed))
    assert done.stdout == "refused\n"
