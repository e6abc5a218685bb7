"""How many channels, ranks, banks, rows and columns a machine has."""

from __future__ import annotations

from dataclasses import dataclass

from pasralloc.dram.spec import DramSpec
from pasralloc.errors import DramError

LINE_BITS = 6  # 64-byte cache lines
SEGMENT_BITS = 3  # a segment is an eighth of the rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Numbers of everything in a machine's DRAM; each a power of two.

    Parameters
    ----------
    channels, ranks : int
        Channels of the machine, ranks per channel.
    bank_groups, banks : int
        Bank groups, and banks of one group.
    rows, columns : int
        Rows of a bank, columns of a row.
    bus_bytes : int
        Bytes that one column of a rank holds: the width of the channel.

    Raises
    ------
    DramError
        If a number is no power of two, or too small for the map.
    """

    channels: int
    ranks: int
    bank_groups: int
    banks: int
    rows: int
    columns: int
    bus_bytes: int

    def __post_init__(self) -> None:
        names = ("channels", "ranks", "bank_groups", "banks", "rows", "columns", "bus_bytes")
        problems = [
            (name, value, "a power of two")
            for name, value in ((name, getattr(self, name)) for name in names)
            if not isinstance(value, int) or value < 1 or value & (value - 1)
        ]
        if problems:
            raise DramError("geometry", problems)
        if self.rows < 1 << SEGMENT_BITS:
            problems.append(("rows", self.rows, f"at least {1 << SEGMENT_BITS}"))
        if self.columns * self.bus_bytes < 1 << LINE_BITS:
            problems.append(("columns", self.columns, "enough for a cache line in a row"))
        if self.bus_bytes > 1 << LINE_BITS:
            problems.append(("bus_bytes", self.bus_bytes, "at most a cache line"))
        if problems:
            raise DramError("geometry", problems)

    @classmethod
    def of(cls, spec: DramSpec, *, channels: int = 1, ranks: int = 1) -> Geometry:
        """Geometry of a machine with so many channels and ranks of one part.

        Parameters
        ----------
        spec : DramSpec
            The part; a rank has ``spec.devices`` of them side by side.
        channels, ranks : int
            Channels of the machine, ranks per channel.

        Returns
        -------
        Geometry
            With the banks, rows and columns of the part.

        Raises
        ------
        DramError
            If the part does not give its rows and columns, or one is no power of two.
        """
        missing = [
            (f"device.{n}", None, "given") for n in ("rows", "columns") if not getattr(spec, n)
        ]
        if missing or spec.rows is None or spec.columns is None:
            raise DramError(spec.id, missing)
        return cls(
            channels=channels,
            ranks=ranks,
            bank_groups=spec.bank_groups,
            banks=spec.banks // spec.bank_groups,
            rows=spec.rows,
            columns=spec.columns,
            bus_bytes=spec.devices * spec.width // 8,
        )

    @property
    def nr_bytes(self) -> int:
        """Capacity."""
        cells = (
            self.channels * self.ranks * self.bank_groups * self.banks * self.rows * self.columns
        )
        return cells * self.bus_bytes

    def bits(self, field: str) -> int:
        """Return the address bits of a field: column, bank_group, bank, row, rank, channel or offset."""
        names = {"bank_group": "bank_groups", "offset": "bus_bytes"}
        value: int = getattr(self, names.get(field, f"{field}s"))
        return value.bit_length() - 1
