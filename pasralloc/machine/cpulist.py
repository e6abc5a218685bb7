"""Lists of CPUs as the kernel writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pasralloc.sizing import MAX_CPUS

_PART = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)


def parse_cpus(text: str) -> tuple[int, ...]:
    """Parse a list of CPUs.

    Raises
    ------
    ValueError
        If it is none, or a CPU is beyond 4095.

    Examples
    --------
    >>> parse_cpus("0-3,8")
    (0, 1, 2, 3, 8)
    """
    cpus: list[int] = []
    for part in text.strip().split(",") if text.strip() else ():
        match = _PART.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last < MAX_CPUS:
            raise ValueError(
                f'expected CPUs of 0 to {MAX_CPUS - 1} such as "0-7,16-23", got {text!r}'
            )
        cpus += range(first, last + 1)
    return tuple(cpus)


def format_cpus(cpus: Iterable[int]) -> str:
    """Write a list of CPUs.

    Examples
    --------
    >>> format_cpus([0, 1, 2, 3, 8])
    '0-3,8'
    """
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(f"{first}-{last}" if first < last else f"{first}" for first, last in runs)
