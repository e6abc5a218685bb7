"""Where a physical address lies in DRAM: bit lists and xor masks, one to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pasralloc.choices import unknown
from pasralloc.dram.geometry import LINE_BITS, SEGMENT_BITS, Geometry
from pasralloc.dram.gf2 import dependent_row, inverse, parity, span
from pasralloc.errors import DramError

_FIELDS = ("column", "bank_group", "bank", "row", "rank", "channel")

# The channel of two-channel Ivy Bridge and Haswell machines.
_CHANNEL_HASH = (7, 8, 9, 12, 13, 18, 19)

# Fields of each preset from the lowest address bit up; of "line" the columns of one cache line.
_LINE, _BANKS = ("column", "line"), [("bank_group", "all"), ("bank", "all")]
_INTERLEAVED = [
    _LINE,
    ("channel", "all"),
    ("column", "all"),
    *_BANKS,
    ("rank", "all"),
    ("row", "all"),
]
_ORDERS = {
    "linear": [
        ("column", "all"),
        ("row", "all"),
        ("bank", "all"),
        ("bank_group", "all"),
        ("rank", "all"),
        ("channel", "all"),
    ],
    "channel-interleaved": [
        _LINE,
        ("channel", "all"),
        ("column", "all"),
        *_BANKS,
        ("row", "all"),
        ("rank", "all"),
    ],
    "fully-interleaved": _INTERLEAVED,
    "hashed": _INTERLEAVED,
}


class Place(NamedTuple):
    """A part of DRAM that can be unused as a whole: a segment of a bank.

    ``bank`` is flat (bank group times banks per group, plus bank); ``segment`` is an
    eighth of the rows, by their three most significant bits.
    """

    channel: int
    rank: int
    bank: int
    segment: int


class AddressMap:
    """One-to-one map of physical addresses to places in DRAM.

    Threading rule: any number of threads; what it keeps inside is a cache.

    Parameters
    ----------
    geometry : Geometry
        What there is.
    masks : mapping of str to sequence of int
        For each of column, bank_group, bank, row, rank and channel, one mask per bit, least significant
        first: the bit is the parity of the address bits in its mask. The lowest
        ``log2(bus_bytes)`` address bits are the byte in a column and belong to no mask.

    Raises
    ------
    DramError
        If a field has the wrong number of masks, a mask reaches outside the address, or two addresses
        would share a place.

    Examples
    --------
    >>> import pasralloc as pa
    >>> geometry = pa.dram.Geometry.of(pa.dram.part("ddr3_1600_4Gb_x8"), channels=2, ranks=2)
    >>> mapping = AddressMap.preset("fully-interleaved", geometry)
    >>> {name: int(value) for name, value in mapping.decode(1 << 18).items() if value}
    {'bank': 1, 'row': 1}
    """

    def __init__(self, geometry: Geometry, masks: Mapping[str, Sequence[int]]) -> None:
        self.geometry = geometry
        self.nr_bits = geometry.nr_bytes.bit_length() - 1
        offset = geometry.bits("offset")
        problems: list[tuple[str, object, str]] = [
            (name, masks[name], f"left out, known being {', '.join(_FIELDS)}")
            for name in masks.keys() - set(_FIELDS)
        ]
        rows = [1 << bit for bit in range(offset)]
        self._masks: dict[str, tuple[int, ...]] = {"offset": tuple(rows)}
        for name in _FIELDS:
            field = tuple(masks.get(name, ()))
            if len(field) != geometry.bits(name):
                problems.append((name, [hex(m) for m in field], f"{geometry.bits(name)} masks"))
            problems += [
                (name, hex(mask), f"a mask of the address bits {offset} to {self.nr_bits - 1}")
                for mask in field
                if mask <= 0 or mask >> self.nr_bits or mask & (geometry.bus_bytes - 1)
            ]
            self._masks[name] = field
            rows += field
        if not problems and (bad := dependent_row(rows)) is not None:
            problems.append(
                ("masks", hex(rows[bad]), "independent of the others, or addresses share a place")
            )
        if problems:
            raise DramError("address map", problems)
        self._inverse = inverse(rows)
        top = self._masks["row"][-SEGMENT_BITS:]
        # Bits of a Place, least significant first.
        self._place_masks = [
            *top, *self._masks["bank"], *self._masks["bank_group"], *self._masks["rank"], *self._masks["channel"],
        ]  # fmt: skip
        # What each address bit does to a Place, and the places by image, of which there are few.
        self._images = [self._image(1 << bit) for bit in range(self.nr_bits)]
        self._places: dict[int, Place] = {}
        self._spans: dict[int, set[int]] = {}

    @classmethod
    def preset(cls, name: str, geometry: Geometry) -> AddressMap:
        """Map of a common kind.

        Parameters
        ----------
        name : str
            ``linear``: channel, rank, bank, row, column from the top; a range lies in one bank.
            ``channel-interleaved``: cache lines take turns on the channels; below the row are the
            banks, so that a range lies in one segment of all banks of a rank.
            ``fully-interleaved``: also the ranks, with banks and ranks hashed by the row four bits
            further up; with 2 channels, 2 ranks and 8 banks the bit lists of Sandy Bridge.
            ``hashed``: the same with the channel hash of Ivy Bridge and Haswell, for two channels.
        geometry : Geometry
            What there is.

        Returns
        -------
        AddressMap
            Of all bytes of the geometry.

        Raises
        ------
        DramError
            If the geometry is too small for a hash.
        ValueError
            If there is no such preset.

        References
        ----------
        .. [1] P. Pessl, D. Gruss, C. Maurice, M. Schwarz, S. Mangard, "DRAMA: Exploiting DRAM
           Addressing for Cross-CPU Attacks", USENIX Security 2016.
        """
        line = LINE_BITS - geometry.bits("offset") + (1 if name == "hashed" else 0)
        if name not in _ORDERS:
            raise ValueError(unknown("preset", name, _ORDERS))
        order = [(field, line if part == "line" else None) for field, part in _ORDERS[name]]
        bits = _lay_out(geometry, order)
        masks = {field: [1 << bit for bit in positions] for field, positions in bits.items()}
        if name in ("fully-interleaved", "hashed"):
            _hash_banks(geometry, bits, masks)
        if name == "hashed":
            _hash_channel(geometry, bits, masks)
        return cls(geometry, masks)

    def masks(self, field: str) -> tuple[int, ...]:
        """Return the masks of a field, least significant first.

        Parameters
        ----------
        field : str
            offset, column, bank_group, bank, row, rank or channel.
        """
        return self._masks[field]

    def decode(self, addresses: ArrayLike) -> dict[str, NDArray[np.int64]]:
        """Place of each address.

        Parameters
        ----------
        addresses : array_like of int, any shape
            Byte addresses, from 0 on and below the capacity.

        Returns
        -------
        dict of str to ndarray of int64, shape of *addresses*
            offset, column, bank_group, bank, row, rank, channel.

        Raises
        ------
        DramError
            If an address lies beyond the capacity, or is no integer.
        """
        x = _integers("address", addresses)
        beyond = x[(x < 0) | (x >= self.geometry.nr_bytes)]
        if beyond.size:
            limit = f"below {self.geometry.nr_bytes:#x}"
            raise DramError("address map", [("address", hex(int(beyond.flat[0])), limit)])
        return {name: _gather(x, masks) for name, masks in self._masks.items()}

    def encode(self, places: Mapping[str, ArrayLike]) -> NDArray[np.int64]:
        """Address of each place: the inverse of `decode`.

        Parameters
        ----------
        places : mapping of str to array_like of int
            Fields as `decode` returns them; one that is left out is 0.

        Returns
        -------
        ndarray of int64
            Byte addresses, in the common shape of the fields.

        Raises
        ------
        DramError
            If a field is unknown, out of range or no integer.
        """
        packed = np.zeros((), np.int64)
        shift = 0
        if unknown_fields := places.keys() - self._masks.keys():
            name = sorted(unknown_fields)[0]
            raise DramError(
                "address map",
                [(name, places[name], f"left out, known being {', '.join(self._masks)}")],
            )
        for name, masks in self._masks.items():
            value = _integers(name, places.get(name, 0))
            wrong = value[(value < 0) | (value >> len(masks) != 0)]
            if wrong.size:
                raise DramError(
                    "address map", [(name, int(wrong.flat[0]), f"0 to {(1 << len(masks)) - 1}")]
                )
            packed = packed | value << shift
            shift += len(masks)
        return _gather(packed, self._inverse)

    def touches(self, start: int, nr_bytes: int) -> frozenset[Place]:
        """Every place that a range of addresses has bytes in.

        Parameters
        ----------
        start, nr_bytes : int
            The range, in bytes.

        Returns
        -------
        frozenset of Place
            Empty for an empty range.

        Raises
        ------
        DramError
            If it does not lie in the capacity.

        Notes
        -----
        A block of a power of two at a multiple of it fills an affine subspace of the
        address bits, whose image is spanned by the images of single bits. A range is
        cut into such blocks, so that no address is looked at by itself.

        Cost: for each block, of which there are at most twice as many as address bits,
        its number of places.
        """
        end = start + nr_bytes
        if start < 0 or nr_bytes < 0 or end > self.geometry.nr_bytes:
            limit = f"inside a capacity of {self.geometry.nr_bytes:#x} bytes"
            raise DramError("address map", [("range", f"{start:#x} to {end:#x}", limit)])
        found: set[int] = set()
        while start < end:
            size = min(start & -start or 1 << self.nr_bits, 1 << ((end - start).bit_length() - 1))
            if size not in self._spans:
                self._spans[size] = span(self._images[: size.bit_length() - 1])
            base = self._image(start)
            found |= {base ^ vector for vector in self._spans[size]}
            start += size
        return frozenset(map(self._place, found))

    def _image(self, address: int) -> int:
        return sum(parity(address & mask) << bit for bit, mask in enumerate(self._place_masks))

    def _place(self, image: int) -> Place:
        if image not in self._places:
            self._places[image] = self._new_place(image)
        return self._places[image]

    def _new_place(self, image: int) -> Place:
        banks = self.geometry.bits("bank") + self.geometry.bits("bank_group")
        image, segment = image >> SEGMENT_BITS, image & ((1 << SEGMENT_BITS) - 1)
        image, bank = image >> banks, image & ((1 << banks) - 1)
        ranks = self.geometry.bits("rank")
        return Place(image >> ranks, image & ((1 << ranks) - 1), bank, segment)


def _integers(name: str, values: ArrayLike) -> NDArray[np.int64]:
    """Return *values* as int64; floats are refused, not cut."""
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        first = array.flat[0]
        raise DramError("address map", [(name, first, "integers that fit 64 bits")])
    if array.dtype.kind == "u" and array.size and int(array.max()) >> 63:
        raise DramError("address map", [(name, int(array.max()), "integers that fit 64 bits")])
    return array.astype(np.int64)


def _gather(x: NDArray[np.int64], masks: Sequence[int]) -> NDArray[np.int64]:
    """Parities of *x* under each mask, as the bits of one number."""
    out = np.zeros_like(x)
    for bit, mask in enumerate(masks):
        folded = x & mask
        for shift in (32, 16, 8, 4, 2, 1):
            folded = folded ^ (folded >> shift)
        out |= (folded & 1) << bit
    return out


def _lay_out(geometry: Geometry, order: Sequence[tuple[str, int | None]]) -> dict[str, list[int]]:
    """Address bits per field, fields in *order* from the lowest bit; None takes all that is left of a field."""
    bits: dict[str, list[int]] = {name: [] for name in _FIELDS}
    at = geometry.bits("offset")
    for name, count in order:
        left = geometry.bits(name) - len(bits[name])
        take = left if count is None else min(count, left)
        bits[name] += range(at, at + take)
        at += take
    return bits


def _hash_banks(
    geometry: Geometry, bits: dict[str, list[int]], masks: dict[str, list[int]]
) -> None:
    """Xor bank and rank bits with row bits, the lowest with the lowest."""
    rows = iter(bits["row"])
    for name in ("bank_group", "bank", "rank"):
        for place in range(len(masks[name])):
            row = next(rows, None)
            if row is None:
                raise DramError(
                    "geometry", [("rows", geometry.rows, "enough to hash banks and ranks")]
                )
            masks[name][place] |= 1 << row


def _hash_channel(
    geometry: Geometry, bits: dict[str, list[int]], masks: dict[str, list[int]]
) -> None:
    if geometry.channels != 2 or bits["channel"] != [_CHANNEL_HASH[0]]:
        raise DramError(
            "geometry", [("channels", geometry.channels, "2, with 8 bytes each, for this hash")]
        )
    masks["channel"] = [sum(1 << bit for bit in _CHANNEL_HASH)]
