"""Events that are kept for several replays: in memory, or on disk when there are many."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from pasralloc._core.textparser import EVENT_DTYPE

CHUNK_EVENTS = 1 << 17
MAX_IN_MEMORY = 1 << 24  # 512 MiB of events


class EventStore:
    """Append-only sequence of events that is read from the start as often as needed.

    Parameters
    ----------
    max_in_memory : int
        With more events than this, all go to a temporary file.

    Notes
    -----
    Threading rule: one thread at a time.
    """

    def __init__(self, max_in_memory: int = MAX_IN_MEMORY) -> None:
        self._max_in_memory = max_in_memory
        self._chunks: list[NDArray[np.void]] = []
        self._file: IO[bytes] | None = None
        self._nr_events = 0

    def __len__(self) -> int:
        return self._nr_events

    def append(self, events: NDArray[np.void]) -> None:
        """Add events; the array is copied."""
        self._nr_events += len(events)
        if self._file is None and self._nr_events > self._max_in_memory:
            self._file = tempfile.TemporaryFile(prefix="pasralloc-")  # noqa: SIM115
            weakref.finalize(self, self._file.close)
            for chunk in self._chunks:
                self._file.write(chunk.tobytes())
            self._chunks.clear()
        if self._file is not None:
            self._file.seek(0, 2)
            self._file.write(events.tobytes())
        else:
            self._chunks.append(events.copy())

    def __iter__(self) -> Iterator[NDArray[np.void]]:
        """Arrays of EVENT_DTYPE, of up to 128 Ki events each."""
        yield from self._chunks
        if self._file is not None:
            done = 0
            while done < self._nr_events:
                self._file.seek(done * EVENT_DTYPE.itemsize)
                data = self._file.read(CHUNK_EVENTS * EVENT_DTYPE.itemsize)
                events = np.frombuffer(data, EVENT_DTYPE)
                done += len(events)
                yield events
