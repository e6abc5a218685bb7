"""What each page of a machine held when a trace began."""

from __future__ import annotations

import lzma
import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pasralloc.errors import TraceFormatError
from pasralloc.trace.migratetypes import parse_numbering
from pasralloc.trace.opening import read_bytes
from pasralloc.trace.pageclasses import ABSENT, CLASSES
from pasralloc.trace.procfiles import classify_pages, read_migratetypes

_HEADER = "# pasralloc start map 1"
_LINE = re.compile(rf"([1-9]\d{{0,12}}) ({'|'.join(CLASSES)})")


class StartMap:
    """What each page held when a trace began, run by run from pfn 0 on.

    Parameters
    ----------
    nrs : array_like of int64, shape (n,)
        Pages of each run, at least 1.
    classes : array_like of uint8, shape (n,)
        Positions in `CLASSES`: free, movable, cache (clean page cache, which
        could be dropped), unmovable (pinned pages too) or absent (not managed by
        the allocator, perhaps not yet).
    migratetypes : tuple of str, default ()
        The kernel's migratetypes in the order of their numbers, if known.

    Raises
    ------
    ValueError
        If the runs are malformed or a migratetype is unknown.

    Attributes
    ----------
    pfns, nrs : ndarray of int64, shape (n,)
    classes : ndarray of uint8, shape (n,)
    migratetypes : tuple of str
    """

    def __init__(
        self, nrs: NDArray[np.int64], classes: NDArray[np.uint8], migratetypes: tuple[str, ...] = ()
    ) -> None:
        self.nrs = np.ascontiguousarray(nrs, dtype=np.int64)
        self.classes = np.ascontiguousarray(classes, dtype=np.uint8)
        self.migratetypes = migratetypes
        if self.nrs.ndim != 1 or self.nrs.shape != self.classes.shape or not len(self.nrs):
            raise ValueError(
                f"a start map needs as many classes as runs, got {self.nrs.shape} and {self.classes.shape}"
            )
        if self.nrs.min() < 1 or self.nrs.max() > 1 << 45 or self.classes.max() >= len(CLASSES):
            raise ValueError("runs of a start map must hold 1 to 2**45 pages of a known class")
        if migratetypes:
            parse_numbering(",".join(migratetypes))
        self.pfns = np.cumsum(self.nrs) - self.nrs

    @property
    def nr_pages(self) -> int:
        """Pages from pfn 0 to the end of the map."""
        return int(self.pfns[-1] + self.nrs[-1])

    def pages_by_class(self) -> dict[str, int]:
        """Pages of each class."""
        return {
            name: int(self.nrs[self.classes == number].sum()) for number, name in enumerate(CLASSES)
        }

    def absent_ranges(self) -> list[tuple[int, int]]:
        """(pfn, nr) of every run that holds no managed memory."""
        where = self.classes == ABSENT
        return list(zip(self.pfns[where].tolist(), self.nrs[where].tolist(), strict=True))

    @classmethod
    def from_classes(
        cls, classes: NDArray[np.uint8], migratetypes: tuple[str, ...] = ()
    ) -> StartMap:
        """Build a map from the class of every page, from pfn 0 on."""
        if not len(classes):
            raise ValueError("a start map needs at least one page")
        starts = np.flatnonzero(np.diff(classes, prepend=classes[0] + 1))
        nrs = np.diff(starts, append=len(classes))
        return cls(nrs, classes[starts], migratetypes)

    @classmethod
    def from_proc(cls, directory: str | os.PathLike[str]) -> StartMap:
        """Build a map from copies of files of ``/proc``.

        Parameters
        ----------
        directory : path-like
            Holds ``kpageflags``, ``kpagecount``, ``zoneinfo`` and ``iomem``, and
            perhaps ``pagetypeinfo``; each may be compressed with xz or gzip. Take
            them as close before the trace as possible.

        Raises
        ------
        OSError
            If a file is missing.
        TraceFormatError
            If one does not parse.

        Notes
        -----
        BUDDY pages are free. Pages outside System RAM, and pages without flags
        and mappings beyond what a zone manages, are absent. LRU pages are
        movable, or cache if they are clean and of a file. All others are
        unmovable: reserved, slab, page tables, unevictable, and those of which
        the kernel tells nothing, a few of which lie free on per-CPU lists.
        """
        return cls.from_classes(classify_pages(Path(directory)), read_migratetypes(Path(directory)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the map as text: a line per run, compressed if the name ends in ``.xz``."""
        lines = [_HEADER]
        if self.migratetypes:
            lines.append(f"# migratetypes: {' '.join(self.migratetypes)}")
        lines += [
            f"{nr} {CLASSES[number]}"
            for nr, number in zip(self.nrs.tolist(), self.classes.tolist(), strict=True)
        ]
        data = ("\n".join(lines) + "\n").encode()
        if os.fspath(path).endswith(".xz"):
            data = lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)
        Path(path).write_bytes(data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> StartMap:
        """Read a map that `save` wrote.

        Raises
        ------
        OSError
            If the file cannot be read.
        TraceFormatError
            If it is no start map, with the number of the line at fault.
        """
        name, data = read_bytes(path)
        lines = data.decode("ascii", "replace").splitlines()
        if not lines or lines[0] != _HEADER:
            raise TraceFormatError(
                name, 1, f"expected {_HEADER!r}, got {lines[0][:80] if lines else ''!r}"
            )
        migratetypes: tuple[str, ...] = ()
        nrs, classes = [], []
        numbers = {class_name: number for number, class_name in enumerate(CLASSES)}
        for number, line in enumerate(lines[1:], 2):
            match = _LINE.fullmatch(line)
            if match is not None:
                nrs.append(int(match[1]))
                classes.append(numbers[match[2]])
            elif line.startswith("# migratetypes: "):
                try:
                    migratetypes = parse_numbering(",".join(line.split()[2:])).names
                except ValueError as error:
                    raise TraceFormatError(name, number, str(error)) from None
            elif not line.startswith("#"):
                raise TraceFormatError(
                    name, number, f"expected a number of pages and a class, got {line[:80]!r}"
                )
        if not nrs:
            raise TraceFormatError(name, len(lines), "the file ends before the first run of pages")
        return cls(np.array(nrs, np.int64), np.array(classes, np.uint8), migratetypes)
