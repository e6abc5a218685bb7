"""Sizes, counts and times as people write them: the only place that parses or prints them."""

from __future__ import annotations

import re

PAGE_BYTES = 4096
MAX_TIME_NS = 1 << 61  # the last moment of a simulation: leaves room to add any latency or interval

_FACTORS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"\s*(\d+)\s*([KMGT]?)(?:iB|B)?\s*", re.IGNORECASE | re.ASCII)


def parse_size(text: str) -> int:
    """Parse a size such as ``32MiB``, ``512M`` or ``4096`` into bytes.

    Suffixes are binary, as everywhere in the kernel: ``M``, ``MB`` and ``MiB``
    are 2**20 bytes.

    Raises
    ------
    ValueError
        If *text* is no size.

    Examples
    --------
    >>> parse_size("32MiB")
    33554432
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a size such as 32MiB, 512M or 2G, got {text!r}")
    return int(match[1]) * _FACTORS[match[2].upper()]


def parse_pages(text: str) -> int:
    """Parse a size into pages of 4 KiB; one that is no whole number of pages is refused.

    Raises
    ------
    ValueError
        If *text* is no size, or not one of whole pages.

    Examples
    --------
    >>> parse_pages("32MiB")
    8192
    """
    nr_bytes = parse_size(text)
    if nr_bytes == 0 or nr_bytes % PAGE_BYTES:
        raise ValueError(f"expected a whole number of 4 KiB pages, got {text!r}")
    return nr_bytes // PAGE_BYTES


def format_size(nr_bytes: float) -> str:
    """Write a size with a binary suffix, exact where it can be.

    Examples
    --------
    >>> format_size(33554432), format_size(1536), format_size(100)
    ('32 MiB', '1.5 KiB', '100 B')
    """
    for suffix in ("B", "KiB", "MiB", "GiB"):
        if abs(nr_bytes) < 1024:
            return f"{nr_bytes:.4g} {suffix}"
        nr_bytes /= 1024
    return f"{nr_bytes:.4g} TiB"


def format_pages(nr_pages: float) -> str:
    """Write the size of some pages.

    Examples
    --------
    >>> format_pages(8192)
    '32 MiB'
    """
    return format_size(nr_pages * PAGE_BYTES)


def format_count(number: float) -> str:
    """Write a count with groups of three digits.

    Examples
    --------
    >>> format_count(1234567)
    '1,234,567'
    """
    return f"{number:,.0f}"


def format_rate(per_second: float) -> str:
    """Write a number of events per second.

    Examples
    --------
    >>> format_rate(23_456_789), format_rate(1234)
    ('23.5 M/s', '1.2 k/s')
    """
    for factor, suffix in ((1e6, "M/s"), (1e3, "k/s")):
        if per_second >= factor:
            return f"{per_second / factor:.1f} {suffix}"
    return f"{per_second:.0f} /s"


def format_seconds(nr_ns: float) -> str:
    """Write a duration given in nanoseconds.

    Examples
    --------
    >>> format_seconds(2_944_150_000), format_seconds(1_500)
    ('2.944 s', '1.5 us')
    """
    for factor, suffix in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if abs(nr_ns) >= factor:
            return f"{nr_ns / factor:.4g} {suffix}"
    return f"{nr_ns:.4g} ns"


def format_power(watts: float) -> str:
    """Write a power in milliwatts, as data sheets of DRAM do.

    Examples
    --------
    >>> format_power(0.0483), format_power(8.7)
    ('48.30 mW', '8700.00 mW')
    """
    return f"{watts * 1e3:.2f} mW"


def percent(part: float, whole: float) -> str:
    """Write a share of a whole; empty if there is nothing to share.

    Examples
    --------
    >>> percent(1, 8), percent(0, 0)
    ('12.5 %', '')
    """
    return f"{100 * part / whole:.3g} %" if whole else ""
