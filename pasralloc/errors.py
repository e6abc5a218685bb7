"""Exceptions. Each also inherits the built-in that a caller would expect."""

from __future__ import annotations

__all__ = ["CorruptZone", "InvalidFree", "OutOfMemory", "PasrallocError", "TraceFormatError"]


class PasrallocError(Exception):
    """Base of every exception that is specific to this package."""


class OutOfMemory(PasrallocError, MemoryError):
    """No free block is large enough for a request.

    Parameters
    ----------
    order : int
        Order of the request: ``2**order`` pages.
    migratetype : str
        Migratetype of the request.
    """

    def __init__(self, order: int, migratetype: str) -> None:
        super().__init__(order, migratetype)
        self.order = order
        self.migratetype = migratetype

    def __str__(self) -> str:
        return (
            f"no free block for a request of order {self.order}, migratetype {self.migratetype!r}"
        )


class InvalidFree(PasrallocError, ValueError):
    """A pfn that does not head an allocated block, or not one of the given order.

    Parameters
    ----------
    pfn : int
        The offending pfn.
    why : str
        What is wrong with it.
    verb : str, default "free"
        What was to be done with the block.
    """

    def __init__(self, pfn: int, why: str, verb: str = "free") -> None:
        super().__init__(pfn, why, verb)
        self.pfn = pfn
        self.why = why
        self.verb = verb

    def __str__(self) -> str:
        pfn = f"{self.pfn:#x}" if self.pfn >= 0 else str(self.pfn)
        return f"cannot {self.verb} pfn {pfn}: {self.why}"


class CorruptZone(PasrallocError, RuntimeError):
    """An invariant of a zone does not hold; the message names it and the place."""


class TraceFormatError(PasrallocError, ValueError):
    """A trace that cannot be read.

    Parameters
    ----------
    path : str
        Name of the trace.
    line : int
        Line number, counted from 1; 0 if the trace as a whole is at fault.
    why : str
        What was found and what was expected.
    """

    def __init__(self, path: str, line: int, why: str) -> None:
        super().__init__(path, line, why)
        self.path = path
        self.line = line
        self.why = why

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.why}" if self.line else f"{self.path}: {self.why}"
