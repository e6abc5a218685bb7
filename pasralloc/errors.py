"""Exceptions. Each also inherits the built-in that a caller would expect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "CommandError",
    "CorruptZone",
    "DramError",
    "InvalidFree",
    "MachineError",
    "MissingValue",
    "MoveRefused",
    "OutOfMemory",
    "PasrallocError",
    "TraceFormatError",
]


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


class MoveRefused(PasrallocError, RuntimeError):
    """The sink of a simulation has refused a move, and the evacuation that was asked for ended there.

    Parameters
    ----------
    old_pfn, new_pfn : int
        Where the block is, and where it was to go.
    order : int
        Of the block.
    answer : int
        What the sink returned.
    result : Evacuated
        What was done before, which stands.
    """

    def __init__(self, old_pfn: int, new_pfn: int, order: int, answer: int, result: Any) -> None:
        super().__init__(old_pfn, new_pfn, order, answer, result)
        self.old_pfn = old_pfn
        self.new_pfn = new_pfn
        self.order = order
        self.answer = answer
        self.result = result

    def __str__(self) -> str:
        return (
            f"the sink refused to move the block of order {self.order} at pfn {self.old_pfn:#x} to pfn"
            f" {self.new_pfn:#x}: it returned {self.answer}, expected 0; {self.result.moved} pages were moved before"
        )


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


class DramError(PasrallocError, ValueError):
    """A DRAM part, setting or geometry that cannot be used.

    Parameters
    ----------
    part : str
        Id of the part, or another name of what is at fault.
    problems : sequence of (field, value, expected)
        Every problem found: the field, what it is, and what it should be.
    """

    def __init__(self, part: str, problems: Sequence[tuple[str, object, str]]) -> None:
        super().__init__(part, tuple(problems))
        self.part = part
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "; ".join(
            f"{self.part}: {field} must be {expected}, got {value!r}"
            for field, value, expected in self.problems
        )


class MissingValue(DramError):
    """A current or timing that is needed and that the part does not give.

    Parameters
    ----------
    part : str
        Id of the part.
    field : str
        The missing field, such as ``vpp.IPP5``.
    hint : str, default ""
        What would help, such as the name of an assumption.
    """

    def __init__(self, part: str, field: str, hint: str = "") -> None:
        super().__init__(part, [(field, None, "given")])
        self.field = field
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.part}: {self.field} is not given{f'; {self.hint}' if self.hint else ''}"


class CommandError(PasrallocError, ValueError):
    """A DRAM command that cannot be executed where it stands.

    Parameters
    ----------
    index : int
        Position in the command array.
    cycle : int
        Its clock cycle.
    why : str
        The command, what is wrong with it and what was expected.
    """

    def __init__(self, index: int, cycle: int, why: str) -> None:
        super().__init__(index, cycle, why)
        self.index = index
        self.cycle = cycle
        self.why = why

    def __str__(self) -> str:
        return f"command {self.index} at cycle {self.cycle}: {self.why}"


class MachineError(PasrallocError, ValueError):
    """A description of a machine that cannot be used.

    Parameters
    ----------
    source : str
        File, table or machine that is at fault.
    problems : sequence of (place, why)
        Every problem found: where it is, such as ``node[1].memory[0]``, or "" for
        the whole; and what is wrong there.
    """

    def __init__(self, source: str, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__(source, tuple(problems))
        self.source = source
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(
            f"{self.source}: {place}: {why}" if place else f"{self.source}: {why}"
            for place, why in self.problems
        )
