"""A trace: its events, the memory it starts from, and what is known of its quality."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pasralloc.errors import TraceFormatError
from pasralloc.trace.migratetypes import Numbering, infer_numbering, parse_numbering
from pasralloc.trace.opening import open_bytes
from pasralloc.trace.samples import sample_paths
from pasralloc.trace.startmap import StartMap
from pasralloc.trace.store import EventStore
from pasralloc.trace.text import Progress, TextReader


class Trace:
    """A page-allocation trace, read once and kept for any number of replays.

    Use `Trace.open` or `Trace.sample`.

    Attributes
    ----------
    name : str
        Path, for messages.
    format : str
        Which tool seems to have written it.
    summary : dict of str to Any
        Counts of lines and events.
    numbering : Numbering
        What the trace's migratetype numbers mean, and how that is known.
    tasks : dict of int to str
        Latest name of each task, by pid.
    start_map : StartMap or None
        What each page held when the trace began.
    damage : str
        Complaint of the decompressor if the file ended early, or "".

    Notes
    -----
    Up to 16 Mi events are kept in memory, more in a temporary file. Threading
    rule: one thread at a time.
    """

    def __init__(
        self, reader: TextReader, start_map: StartMap | None, migratetypes: str | None
    ) -> None:
        self._store = EventStore()
        for events in reader:
            self._store.append(events)
        self.name = reader.name
        self.format = reader.format
        self.damage = reader.damage
        self.summary: dict[str, Any] = reader.summary()
        self.tasks = reader.tasks()
        self.start_map = start_map
        self._refuse_if_empty()
        self.numbering = self._find_numbering(migratetypes)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        start_map: str | os.PathLike[str] | StartMap | None = None,
        migratetypes: str | None = None,
        strict: bool = False,
        progress: Progress | None = None,
    ) -> Trace:
        """Read a trace.

        Parameters
        ----------
        path : path-like
            Text of ftrace (``trace`` or ``trace_pipe``), ``perf script`` or
            ``trace-cmd report``; plain or compressed with gzip, xz, bzip2 or
            zstd; ``-`` for standard input; ``sample:NAME`` for a trace that
            comes with the package.
        start_map : path-like or StartMap, optional
            What each page held when the trace began: a file written by
            `StartMap.save`, or a directory with the ``/proc`` files that
            `StartMap.from_proc` reads. A sample brings its own.
        migratetypes : str, optional
            Names joined by commas, in the traced kernel's order. By default the
            numbering is inferred.
        strict : bool, default False
            Refuse the trace if a line names a page event but does not parse.
        progress : callable, optional
            Called with the number of bytes read, now and then.

        Raises
        ------
        OSError
            If a file cannot be read.
        TraceFormatError
            If nothing in the file parses, or something does not and *strict* is set.
        ValueError
            If *migratetypes* or the sample's name is unknown.

        Notes
        -----
        About 900 MB/s of uncompressed text on one core.
        """
        name = os.fspath(path)
        is_sample = name.startswith("sample:")
        if is_sample:
            path, sample_map = sample_paths(name.removeprefix("sample:"))
            start_map = sample_map if start_map is None else start_map
        with open_bytes(path) as (opened, file):
            reader = TextReader(
                name if is_sample else opened, file, strict=strict, progress=progress
            )
            return cls(reader, _load_start_map(start_map), migratetypes)

    @classmethod
    def sample(cls, name: str = "demo") -> Trace:
        """Read a trace that comes with the package: "demo" or "t1"."""
        return cls.open(f"sample:{name}")

    def __len__(self) -> int:
        return len(self._store)

    def __iter__(self) -> Iterator[NDArray[np.void]]:
        """Arrays of EVENT_DTYPE in file order."""
        return iter(self._store)

    @property
    def end_pfn(self) -> int:
        """One more than the highest pfn that an allocation or a free names."""
        return int(self.summary["end_pfn"])

    @property
    def has_batched_frees_only(self) -> bool:
        """Whether ``mm_page_free_batched`` is the only record of frees."""
        kinds = self.summary["by_kind"]
        return bool(kinds[3] and not kinds[2])

    def _refuse_if_empty(self) -> None:
        if self.summary["events"]:
            return
        quotes = self.summary["bad_quotes"]
        if quotes:
            line, text = quotes[0]
            raise TraceFormatError(
                self.name, line, f"no line parses; the first bad one is {text!r}"
            )
        why = f"no page-allocation event in {self.summary['lines']:,} lines read as {self.format}"
        if self.summary["other_events"]:
            why += f" ({self.summary['other_events']:,} lines hold other events)"
        if self.damage:
            why += f"; the file is damaged: {self.damage}"
        raise TraceFormatError(
            self.name, 0, f"{why}; expected lines such as 'mm_page_free: pfn=0x12cc5d order=0'"
        )

    def _find_numbering(self, migratetypes: str | None) -> Numbering:
        if migratetypes is not None:
            return parse_numbering(migratetypes)
        if self.start_map is not None and self.start_map.migratetypes:
            return Numbering(self.start_map.migratetypes, "pagetypeinfo, kept with the start map")
        try:
            return infer_numbering(self.summary["types_by_gfp"])
        except ValueError as error:
            raise TraceFormatError(self.name, 0, f"{error} with --migratetypes") from None


def _load_start_map(source: str | os.PathLike[str] | StartMap | None) -> StartMap | None:
    if source is None or isinstance(source, StartMap):
        return source
    return StartMap.from_proc(source) if os.path.isdir(source) else StartMap.load(source)
