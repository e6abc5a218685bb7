"""When and how regions are evacuated."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from pasralloc.choices import unknown
from pasralloc.sizing import check_range
from pasralloc.units import MAX_TIME_NS

TRIGGERS = ("manual", "free", "handshake", "periodic")
TARGETS = ("lower-regions", "other-regions")
ORDERS = ("descending", "ascending")
MAX_USED = 1 << 20  # what the logs of moved and of reclaimed blocks hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Evacuation:
    """When the last pages in use of a region are moved elsewhere, and how.

    Parameters
    ----------
    trigger : {"free", "handshake", "periodic", "manual"}
        What has a worker look at a region: a free that leaves few of its pages in use (v4 of the series,
        kmempowerd); that it was the last one to be opened, and something was freed since (v2); the time;
        nothing but a call. The first two spare the first region of a zone, "free" also zones of type DMA
        and blocks in pageblocks that are not movable or reclaimable.
    max_used : int, default 32
        Regions with more pages in use are left alone; at most 1,048,576, which is what a log of moves holds.
    targets : {"lower-regions", "other-regions"}
        Where pages may go. With "lower-regions" an evacuation ends as soon as the page that would be allocated next
        does not lie lower down. Without bias (placement "sorted") that may be one of the region itself, although
        there are free pages below.
    order : {"descending", "ascending"}
        Which of several regions goes first. The series describes the former, and kmempowerd does the latter.
    drop_clean : bool, default True
        Whether clean page cache is dropped instead of moved.
    move_unevictable : bool, default False
        Whether mlocked pages are moved as well.
    drain : bool, default False
        Whether pagesets are drained before each evacuation.
    max_tries : int, default 1
        How often it is tried to move a block; before each further try pagesets are drained.
    latency_ns : int, default 0
        Time from the trigger to the evacuation. 0: when time passes next.
    period_ns : int, default 1 s
        Of "periodic".

    Raises
    ------
    ValueError
        If a field is none of the values that it can have; every problem is named.

    References
    ----------
    S. S. Bhat, "[RFC PATCH v2 14/15] mm: Add alloc-free handshake to trigger memory region compaction", linux-mm, 9
    April 2013, <20130409214853.4500.63619.stgit@srivatsabhat.in.ibm.com>; "[RFC PATCH v4 37/40] mm: Add a kthread to
    perform targeted compaction for memory power management", linux-mm, 26 September 2013,
    <20130925232208.26184.58122.stgit@srivatsabhat.in.ibm.com>.
    """

    trigger: str = "free"
    max_used: int = 32
    targets: str = "lower-regions"
    order: str = "descending"
    drop_clean: bool = True
    move_unevictable: bool = False
    drain: bool = False
    max_tries: int = 1
    latency_ns: int = 0
    period_ns: int = 1_000_000_000

    def __post_init__(self) -> None:
        problems = [
            unknown(name, getattr(self, name), choices)
            for name, choices in (("trigger", TRIGGERS), ("targets", TARGETS), ("order", ORDERS))
            if not isinstance(getattr(self, name), str) or getattr(self, name) not in choices
        ]
        problems += [
            f"{name} must be True or False, got {getattr(self, name)!r}"
            for name in ("drop_clean", "move_unevictable", "drain")
            if not isinstance(getattr(self, name), bool)
        ]
        for name, lowest, highest in (
            ("max_used", 1, MAX_USED),
            ("max_tries", 1, 255),
            ("latency_ns", 0, MAX_TIME_NS),
            ("period_ns", 1, MAX_TIME_NS),
        ):
            try:
                check_range(name, getattr(self, name), lowest, highest)
            except (TypeError, ValueError) as error:
                problems.append(str(error))
        if problems:
            raise ValueError("; ".join(problems))


def _value_of(name: str, text: str, kind: type) -> bool | int | str:
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError(f"{name} must be true or false, got {text!r}")
        return text == "true"
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise ValueError(f"{name} must be a whole number, got {text!r}") from None
    return text


def changed(evacuation: Evacuation, text: str) -> Evacuation:
    """Change fields as ``name=value,name=value`` says.

    Raises
    ------
    ValueError
        If there is no such field, or a field is none of the values that it can have; every problem is named.

    Examples
    --------
    >>> changed(Evacuation(), "max_used=4096,drain=true").max_used
    4096
    """
    kinds = {field.name: type(field.default) for field in fields(Evacuation)}
    problems: list[str] = []
    values: dict[str, Any] = {}
    for item in text.split(","):
        name, equals, value = item.strip().partition("=")
        if not equals:
            problems.append(f"expected name=value, got {item.strip()!r}")
        elif name not in kinds:
            problems.append(unknown("field of an evacuation", name, kinds))
        elif name in values:
            problems.append(f"{name} is given twice")
        else:
            try:
                values[name] = _value_of(name, value, kinds[name])
            except ValueError as error:
                problems.append(str(error))
    try:
        evacuation = replace(evacuation, **values)
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))
    return evacuation
