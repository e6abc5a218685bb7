"""Opening trace files: plain or compressed, by path or from standard input."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import os
import sys
from typing import IO, BinaryIO, cast

from pasralloc.errors import TraceFormatError

# Binary traces by their first bytes, with what turns them into text.
_BINARY = {
    b"\x17\x08\x44tracing": "a trace.dat file; `trace-cmd report` turns it into text",
    b"PERFILE2": "a perf.data file; `perf script` turns it into text",
    b"2ELIFREP": "a perf.data file; `perf script` turns it into text",
    b"\x75\xd1\x1d\xc1": "a CTF stream; `babeltrace2` turns it into text",
    b"\xc1\x1f\xfc\xc1": "a CTF stream; `babeltrace2` turns it into text",
}

# What the decompressors raise when their input is damaged or cut short.
DAMAGE = (EOFError, OSError, lzma.LZMAError, ValueError)


def open_bytes(path: str | os.PathLike[str]) -> tuple[str, BinaryIO, int]:
    """Open a trace for reading, decompressed.

    Parameters
    ----------
    path : path-like
        ``-`` is standard input.

    Returns
    -------
    name : str
        For messages.
    file : binary file
    nr_bytes : int
        Size of the file as stored, 0 if unknown.

    Raises
    ------
    OSError
        If the file cannot be opened.
    TraceFormatError
        If it is of a binary format, or compressed in a way that this Python cannot read.
    """
    name = os.fspath(path)
    if name == "-":
        raw: IO[bytes] = sys.stdin.buffer
        name, nr_bytes = "<stdin>", 0
    else:
        raw = open(name, "rb")  # noqa: SIM115  (the caller closes what is returned)
        nr_bytes = os.fstat(raw.fileno()).st_size
    buffered = raw if hasattr(raw, "peek") else io.BufferedReader(cast(io.RawIOBase, raw))
    head = cast(io.BufferedReader, buffered).peek(16)[:16]
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise TraceFormatError(name, 0, f"this is {what}")
    if head.startswith(b"\x1f\x8b"):
        return name, cast(BinaryIO, gzip.open(buffered)), nr_bytes
    if head.startswith(b"\xfd7zXZ\x00"):
        return name, cast(BinaryIO, lzma.open(buffered)), nr_bytes
    if head.startswith(b"BZh"):
        return name, cast(BinaryIO, bz2.open(buffered)), nr_bytes
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return name, _open_zstd(name, cast(BinaryIO, buffered)), nr_bytes
    return name, cast(BinaryIO, buffered), nr_bytes


def _open_zstd(name: str, file: BinaryIO) -> BinaryIO:
    # Part of the standard library from Python 3.14 on, a backport before.
    for module in ("compression.zstd", "backports.zstd"):
        try:
            return cast(BinaryIO, importlib.import_module(module).open(file))
        except ImportError:
            continue
    raise TraceFormatError(
        name,
        0,
        "this is compressed with zstd, which needs Python 3.14 or the package backports.zstd; "
        f"or: zstd -dc {name} | pasralloc compare -",
    )
