"""A simulation that writes down what is allocated and freed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pasralloc._core.snapshot import MemorySnapshot
from pasralloc.sim.simulation import Simulation
from pasralloc.trace.writer import TraceWriter

IN_USE = 6  # `Zone.blocks` tells migratetypes from here on of what is neither free nor allocated
PART = 1 << 14  # requests at a time: the simulation names the last 65536 blocks that were reclaimed


class RecordedSimulation(Simulation):
    """A `Simulation` whose allocations and frees are written as a trace.

    Parameters
    ----------
    writer : TraceWriter
    machine, policy, **options
        As for `Simulation`.

    Raises
    ------
    ValueError
        If the policy evacuates regions on its own: a trace cannot say that a block has moved.

    Notes
    -----
    Blocks that reclaim frees are written as freed before the requests of the call that reclaimed them; what
    `restore` undoes, as frees and allocations. Pages that are taken by `take_range` count as allocated.
    Streams (`run`) are not recorded: they are refused.
    """

    def __init__(self, writer: TraceWriter, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        evacuation = self.policy.evacuation
        if evacuation is not None and evacuation.trigger != "manual":
            raise ValueError(
                f"policy {self.policy.name!r} moves blocks, which no trace can say: it cannot be recorded"
            )
        self._writer = writer
        self._orders: dict[int, int] = {}  # of blocks of more than a page
        self._nr_reclaimed = 0

    def _note_reclaimed(self, cpu: int) -> None:
        nr = self.counters()["reclaimed_blocks"] - self._nr_reclaimed
        if not nr:
            return
        blocks = self.reclaimed()
        if nr > len(blocks):
            raise RuntimeError(f"{nr} blocks were reclaimed at once, and {len(blocks)} are known")
        self._nr_reclaimed += nr
        self._note_frees(cpu, blocks["pfn"][-nr:].tolist())

    def _note_frees(self, cpu: int, pfns: list[int]) -> None:
        orders = [self._orders.pop(pfn, 0) for pfn in pfns]
        self._writer.frees(self.now_ns, cpu, pfns, orders)

    def _note_allocs(self, cpu: int, pfns: list[int], orders: list[int], types: list[str]) -> None:
        self._note_reclaimed(cpu)
        self._orders.update(
            (pfn, order) for pfn, order in zip(pfns, orders, strict=True) if order and pfn >= 0
        )
        self._writer.allocs(self.now_ns, cpu, pfns, orders, types)

    def alloc(
        self,
        order: Any = 0,
        migratetype: Any = "movable",
        zone: Any = None,
        nid: Any = 0,
        cpu: Any = 0,
        flags: Any = 0,
        now_ns: Any = None,
    ) -> int:
        """Allocate a block."""
        pfn = -1
        try:
            pfn = super().alloc(order, migratetype, zone, nid, cpu, flags, now_ns)
        finally:
            self._note_allocs(cpu, [pfn], [order], [migratetype])
        return pfn

    def free(self, pfn: Any, order: Any = None, *, cpu: Any = 0, now_ns: Any = None) -> None:
        """Free a block."""
        super().free(pfn, order, cpu=cpu, now_ns=now_ns)
        self._note_frees(cpu, [int(pfn)])

    def alloc_batch(
        self, orders: Any, migratetypes: Any = "movable", out: Any = None, **where: Any
    ) -> NDArray[np.int64]:
        """Allocate blocks."""
        orders = np.asarray(orders, np.uint8)
        pfns: NDArray[np.int64] = np.empty(len(orders), np.int64) if out is None else out
        names = self.zones[0].migratetypes
        for start in range(0, len(orders), PART):
            part = slice(start, start + PART)
            kinds = migratetypes if isinstance(migratetypes, str) else migratetypes[part]
            super().alloc_batch(orders[part], kinds, pfns[part], **where)
            nr = len(orders[part])
            self._note_allocs(
                where.get("cpu", 0),
                pfns[part].tolist(),
                orders[part].tolist(),
                [kinds] * nr if isinstance(kinds, str) else [names[kind] for kind in kinds],
            )
        return pfns

    def free_batch(
        self, pfns: Any, orders: Any = None, *, cpu: Any = 0, now_ns: Any = None
    ) -> None:
        """Free blocks."""
        super().free_batch(pfns, orders, cpu=cpu, now_ns=now_ns)
        self._note_frees(cpu, np.asarray(pfns).tolist())

    def run(self, *arguments: Any, **options: Any) -> int:
        """Refuse streams: only whole calls are seen here, not what each operation of one did."""
        raise NotImplementedError("a recorded simulation runs no streams")

    def advance(self, now_ns: Any) -> None:
        """Let time pass."""
        super().advance(now_ns)
        self._note_reclaimed(0)

    def take_range(self, pfn: Any, nr: Any, migratetype: Any = "movable") -> int:
        """Allocate a range of pages."""
        nr_blocks = super().take_range(pfn, nr, migratetype)
        zone = self.zone_of(pfn)
        assert zone is not None
        pfns, orders, at = [], [], int(pfn)
        while at < pfn + nr:
            pfns.append(at)
            orders.append(zone.block_of(at).order)
            at += 1 << orders[-1]
        self._note_allocs(0, pfns, orders, [migratetype] * len(pfns))
        return nr_blocks

    def restore(self, snapshot: MemorySnapshot) -> None:
        """Go back to a snapshot: what has come since is freed, what has gone is allocated."""
        before = dict(self._in_use())
        super().restore(snapshot)
        after = dict(self._in_use())
        # What is reclaimed counts on from here.
        self._nr_reclaimed = self.counters()["reclaimed_blocks"]
        gone = [pfn for pfn, block in before.items() if after.get(pfn) != block]
        self._note_frees(0, gone)
        come = [(pfn, *block) for pfn, block in after.items() if before.get(pfn) != block]
        if come:
            names = self.zones[0].migratetypes
            pfns, orders, kinds = (list(column) for column in zip(*come, strict=True))
            self._note_allocs(0, pfns, orders, [names[kind] for kind in kinds])

    def _in_use(self) -> Iterator[tuple[int, tuple[int, int]]]:
        """Pfn, order and migratetype of what is allocated."""
        for zone in self.zones:
            blocks = zone.blocks()
            blocks = blocks[~blocks["is_free"] & (blocks["migratetype"] < IN_USE)]
            for pfn, order, kind in zip(
                blocks["pfn"].tolist(),
                blocks["order"].tolist(),
                blocks["migratetype"].tolist(),
                strict=True,
            ):
                yield pfn, (order, kind)
