"""Extensions and build switches; everything else is in pyproject.toml.

Switches, each an environment variable set to 1:

PASRALLOC_DEBUG     bounds checks and annotated sources under build/cython
PASRALLOC_TRACE     line tracing, for coverage
PASRALLOC_SANITIZE  address and undefined-behaviour sanitizers
PASRALLOC_ABI3      one stable-ABI extension for Python 3.11 and newer
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup


def is_set(name: str) -> bool:
    value = os.environ.get(f"PASRALLOC_{name}", "")
    if value not in ("", "0", "1"):
        raise SystemExit(f"PASRALLOC_{name} must be 0 or 1, got {value!r}")
    return value == "1"


DEBUG, TRACE, SANITIZE, ABI3 = map(is_set, ("DEBUG", "TRACE", "SANITIZE", "ABI3"))
if TRACE and ABI3:
    raise SystemExit("PASRALLOC_TRACE needs internals that PASRALLOC_ABI3 gives up")

# No -march=native and no -ffast-math: results must not depend on the host.
compile_args = ["-std=c11", "-O3", "-Wall", "-Wextra", "-fno-strict-aliasing"]
# What Cython and the CPython headers write themselves.
compile_args += ["-Wno-unused-function", "-Wno-unused-parameter", "-Wno-missing-field-initializers"]
link_args = []
if SANITIZE:
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    compile_args += [*sanitizers, "-g", "-O1", "-fno-omit-frame-pointer"]
    link_args += sanitizers

macros = []
if ABI3:
    macros.append(("Py_LIMITED_API", "0x030B0000"))
if TRACE:
    macros += [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")]

# Modules whose inline functions take a literal mode: they must be inlined for it to fold.
HOT = {
    f"pasralloc._core.{name}"
    for name in ("nodestream", "pcp", "replay", "replayplaces", "rmqueue", "stream")
}
INLINE = ("CYTHON_INLINE", "__inline__ __attribute__((always_inline))")

modules = [
    ".".join(path.with_suffix("").parts) for path in sorted(Path("pasralloc").rglob("*.pyx"))
]
extensions = [
    Extension(
        module,
        [module.replace(".", "/") + ".pyx"],
        include_dirs=["pasralloc/include"],
        define_macros=[*macros, INLINE] if module in HOT else macros,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
        py_limited_api=ABI3,
    )
    for module in modules
]

setup(
    ext_modules=cythonize(
        extensions,
        build_dir=None if TRACE else "build/cython",  # Cython.Coverage wants zone.c beside zone.pyx
        annotate=DEBUG,
        force=DEBUG or TRACE or SANITIZE,
        compiler_directives={
            "language_level": 3,
            "boundscheck": DEBUG or SANITIZE,
            "wraparound": False,
            "initializedcheck": DEBUG,
            "cdivision": True,
            "embedsignature": False,  # binding=True already gives inspect.signature()
            "auto_pickle": False,  # state moves by snapshot(), never by pickled pointers
            "linetrace": TRACE,
            "freethreading_compatible": False,
            "warn.unused": True,
            "warn.maybe_uninitialized": True,
        },
    ),
    options={
        "build_ext": {"parallel": os.cpu_count() or 1},
        **({"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {}),
    },
)
