"""Opening trace files: plain or compressed, by path or from standard input."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import importlib
import io
import lzma
import os
import sys
import zlib
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, cast

from pasralloc.errors import TraceFormatError

# Binary traces by their first bytes, with what turns them into text.
_BINARY = {
    b"\x17\x08\x44tracing": "a trace.dat file; `trace-cmd report` turns it into text",
    b"PERFILE2": "a perf.data file; `perf script` turns it into text",
    b"2ELIFREP": "a perf.data file; `perf script` turns it into text",
    b"\xc1\x1f\xfc\xc1": "a CTF stream, which cannot be read yet",
    b"\xc1\xfc\x1f\xc1": "a CTF stream, which cannot be read yet",
    b"\x57\x1d\xd1\x75": "the metadata of a CTF trace, which cannot be read yet",
    b"\x75\xd1\x1d\x57": "the metadata of a CTF trace, which cannot be read yet",
}


def _import_zstd() -> Any:
    # Part of the standard library from Python 3.14 on, a backport before.
    for module in ("compression.zstd", "backports.zstd"):
        with contextlib.suppress(ImportError):
            return importlib.import_module(module)
    return None


_ZSTD = _import_zstd()

# What the decompressors raise when their input is damaged or cut short.
DAMAGE: tuple[type[Exception], ...] = (EOFError, OSError, ValueError, lzma.LZMAError, zlib.error)
if _ZSTD is not None:
    DAMAGE += (_ZSTD.ZstdError,)


@contextlib.contextmanager
def open_bytes(path: str | os.PathLike[str]) -> Iterator[tuple[str, BinaryIO]]:
    """Open a trace for reading, decompressed, while a with statement lasts.

    Parameters
    ----------
    path : path-like
        ``-`` is standard input, which stays open.

    Yields
    ------
    name : str
        For messages.
    file : binary file

    Raises
    ------
    OSError
        If the file cannot be opened.
    TraceFormatError
        If it is of a binary format, or compressed in a way that this Python cannot read.
    """
    name = os.fspath(path)
    with contextlib.ExitStack() as stack:
        if name == "-":
            name = "<stdin>"
            raw: IO[bytes] = sys.stdin.buffer
        else:
            raw = stack.enter_context(open(name, "rb"))
        buffered = cast(io.BufferedReader, raw)
        if not hasattr(raw, "peek"):
            buffered = io.BufferedReader(cast(io.RawIOBase, raw))
            stack.callback(buffered.detach)  # or it would close standard input with itself
        head = buffered.peek(16)[:16]
        for magic, what in _BINARY.items():
            if head.startswith(magic):
                raise TraceFormatError(name, 0, f"this is {what}")
        file: Any = buffered
        if head.startswith(b"\x1f\x8b"):
            file = stack.enter_context(gzip.open(buffered))
        elif head.startswith(b"\xfd7zXZ\x00"):
            file = stack.enter_context(lzma.open(buffered))
        elif head.startswith(b"BZh"):
            file = stack.enter_context(bz2.open(buffered))
        elif head.startswith(b"\x28\xb5\x2f\xfd"):
            if _ZSTD is None:
                raise TraceFormatError(
                    name,
                    0,
                    "this is compressed with zstd, which needs Python 3.14 or the package"
                    f" backports.zstd; or: zstd -dc {name} | pasralloc compare -",
                )
            file = stack.enter_context(_ZSTD.open(buffered))
        yield name, file


def read_bytes(path: str | os.PathLike[str]) -> tuple[str, bytes]:
    """Name and content of a file, decompressed.

    Raises
    ------
    OSError, TraceFormatError
        As `open_bytes`, and TraceFormatError if the compression is damaged.
    """
    with open_bytes(path) as (name, file):
        try:
            return name, file.read()
        except DAMAGE as error:
            raise TraceFormatError(name, 0, f"damaged compression: {error}") from error
