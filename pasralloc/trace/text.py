"""Reading the text traces of ftrace, perf script and trace-cmd report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pasralloc._core.textparser import EVENT_DTYPE, TextParser
from pasralloc.errors import TraceFormatError
from pasralloc.trace.opening import DAMAGE

BLOCK_BYTES = 1 << 22
ROOM_EVENTS = 1 << 17

Progress = Callable[[int], None]


class TextReader:
    """Stream of the events of one text trace, in bounded memory.

    Parameters
    ----------
    name : str
        For messages.
    file : binary file
        Decompressed text.
    strict : bool, default False
        Whether a line that names a page event but does not parse, or damaged
        compression, is an error rather than a count.
    progress : callable, optional
        Called with the number of bytes read so far, now and then.

    Attributes
    ----------
    damage : str
        What the decompressor complained of when the input ended early, or "".
    """

    def __init__(
        self, name: str, file: BinaryIO, *, strict: bool = False, progress: Progress | None = None
    ) -> None:
        self.name = name
        self.damage = ""
        self._file = file
        self._strict = strict
        self._progress = progress
        self._parser = TextParser()
        self._head = b""

    def __iter__(self) -> Iterator[NDArray[np.void]]:
        """Arrays of EVENT_DTYPE in file order; each is valid until the next one.

        Raises
        ------
        TraceFormatError
            If strict, with the number of the first bad line.
        """
        room = np.empty(ROOM_EVENTS, EVENT_DTYPE)
        block = memoryview(bytearray(BLOCK_BYTES))
        nr_kept = nr_read = 0  # the start of a line whose end has not been read yet
        at_end = False
        while not at_end:
            nr_new = self._read_into(block[nr_kept:])
            at_end = nr_new == 0
            nr_read += nr_new
            data = block[: nr_kept + nr_new]
            self._head = self._head or bytes(data[:4096])
            while True:
                nr_bytes, nr_events = self._parser.parse(data, room, at_end)
                data = data[nr_bytes:]
                self._refuse_bad_lines()
                if nr_events:
                    yield room[:nr_events]
                if nr_events < len(room):
                    break
            nr_kept = len(data)
            block[:nr_kept] = bytes(data)
            if self._progress is not None:
                self._progress(nr_read)

    def _read_into(self, room: memoryview) -> int:
        """Fill *room* as far as the input goes; return how many bytes were read."""
        nr_bytes = 0
        while nr_bytes < len(room) and not self.damage:
            try:
                # One piece at a time, so that what came before damage is not lost with it.
                nr_new = self._file.readinto1(room[nr_bytes:])  # type: ignore[attr-defined]
            except DAMAGE as error:
                if self._strict:
                    raise TraceFormatError(self.name, 0, f"damaged compression: {error}") from error
                self.damage = str(error) or type(error).__name__
            else:
                if nr_new == 0:
                    break
                nr_bytes += nr_new
        return nr_bytes

    def _refuse_bad_lines(self) -> None:
        if self._strict:
            quotes = self._parser.summary()["bad_quotes"]
            if quotes:
                line, text = quotes[0]
                raise TraceFormatError(
                    self.name, line, f"names a page event but does not parse: {text!r}"
                )

    @property
    def format(self) -> str:
        """Which tool seems to have written the text."""
        if self._parser.summary()["saw_system"]:
            return "perf script"
        if self._head.startswith((b"cpus=", b"version = ", b"trace-cmd")):
            return "trace-cmd report"
        if self._head.startswith(b"# tracer:"):
            return "ftrace (trace)"
        return "ftrace (trace_pipe)"

    def summary(self) -> dict[str, object]:
        """Return the counts of everything read so far."""
        return self._parser.summary()

    def tasks(self) -> dict[int, str]:
        """Latest name of each task, by pid."""
        return self._parser.tasks()
