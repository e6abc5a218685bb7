"""A real trace over and over, for ageing that takes longer than anybody traces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pasralloc._core.textparser import EVENT_DTYPE
from pasralloc.sizing import check_range
from pasralloc.trace.trace import Trace

ALLOC, FREE, FREE_BATCHED = 1, 2, 3  # kinds of events
FAILED = 1  # flag of an event
TOP_PAGES = 1024
MOST_NAMES = 1 << 31  # pages that a replay can tell apart

# Of the summary: what every round has again.
COUNTED = (
    *("lines", "events", "other_events", "plain_lines", "bad_lines", "lost", "failed_allocs"),
    *("pages_allocated", "types_by_gfp", "backwards", "entries_in_buffer", "entries_written"),
)


class LoopedTrace(Trace):
    """A trace that repeats another one with fresh names.

    Parameters
    ----------
    trace : Trace
    times : int
        How often it is repeated, 1 or more.

    Raises
    ------
    ValueError, TypeError
        If *times* is no such number, or makes more names than a replay can hold.

    Notes
    -----
    Every round names its pages anew, so that its frees are of its own allocations; pages that were in
    use before the trace can only be freed in the first. What a round leaves allocated is freed at the end
    of the next one: the amount of memory in use stays, and what lives long changes places. Time goes on
    from round to round. `summary` is of all rounds: what is counted of the trace is counted again
    in each, quotes are those of the trace, and the frees between rounds are events without lines.

    Examples
    --------
    >>> import pasralloc as pa
    >>> trace = pa.Trace.sample("t1")
    >>> result = pa.replay(LoopedTrace(trace, 3), "sorted", region_pages=8192)
    >>> result.counts["allocs"] == 3 * trace.summary["by_kind"][1]
    True
    """

    def __init__(self, trace: Trace, times: int) -> None:
        check_range("times", times, 1, MOST_NAMES)
        self._trace = trace
        self._times = int(times)
        self._span = -(-max(trace.end_pfn, 1) // TOP_PAGES) * TOP_PAGES
        if self._span * self._times > MOST_NAMES:
            raise ValueError(
                f"{trace.name} names pages below pfn {trace.end_pfn:#x}: it can be repeated at most"
                f" {MOST_NAMES // self._span} times, got {times}"
            )
        self._left, self._duration_ns = _what_is_left(trace)
        self.name = f"{trace.name} x{self._times}"
        self.format = trace.format
        self.damage = trace.damage
        self.tasks = trace.tasks
        self.start_map = trace.start_map
        self.numbering = trace.numbering
        self.summary = self._summary()

    def _summary(self) -> dict[str, Any]:
        """Count what all rounds have together."""
        summary = dict(self._trace.summary)
        for name in COUNTED:
            summary[name] = summary[name] * self._times
        nr_more = len(self._left) * (self._times - 1)
        by_kind = [nr * self._times for nr in summary["by_kind"]]
        by_kind[self._kind_of_free] += nr_more
        return summary | {
            "events": summary["events"] + nr_more,
            "by_kind": by_kind,
            "end_pfn": self._span * (self._times - 1) + self._trace.end_pfn,
            "last_ns": self._trace.summary["last_ns"] + self._duration_ns * (self._times - 1),
        }

    @property
    def _kind_of_free(self) -> int:
        """Event that records a free in this trace."""
        return FREE_BATCHED if self._trace.has_batched_frees_only else FREE

    def __len__(self) -> int:
        return len(self._trace) * self._times + len(self._left) * (self._times - 1)

    def __iter__(self) -> Iterator[NDArray[np.void]]:
        """Arrays of EVENT_DTYPE, round after round."""
        for number in range(self._times):
            for events in self._trace:
                yield self._in_round(events, number) if number else events
            if number:
                left = self._in_round(self._left, number - 1)
                left["event"] = self._kind_of_free
                left["time_ns"] += self._duration_ns
                yield left

    def _in_round(self, events: NDArray[np.void], number: int) -> NDArray[np.void]:
        """Events with the names and the time of a round."""
        events = events.copy()
        named = events["pfn"] >= 0
        events["pfn"][named] += self._span * number
        events["time_ns"] += self._duration_ns * number
        return events


def _what_is_left(trace: Trace) -> tuple[NDArray[np.void], int]:
    """Allocations of blocks that are there at the end of a trace, with its last time; and how long it takes."""
    last = np.empty(0, EVENT_DTYPE)
    begin = end = None
    for events in trace:
        begin = int(events["time_ns"][0]) if begin is None else begin
        end = max(int(events["time_ns"].max()), end if end is not None else begin)
        kept = np.isin(events["event"], (ALLOC, FREE, FREE_BATCHED)) & (
            events["flags"] & FAILED == 0
        )
        merged = np.concatenate([last, events[kept]])
        # Of each pfn the latest event, found as the first of the reversed ones.
        _, at = np.unique(merged["pfn"][::-1], return_index=True)
        last = merged[len(merged) - 1 - at]
    left = last[last["event"] == ALLOC].copy()
    left["time_ns"] = end if end is not None else 0
    return left, (end - begin if begin is not None and end is not None else 0) + 1
