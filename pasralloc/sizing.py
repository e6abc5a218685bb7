"""What the kernel computes from the size of a zone: watermarks, and sizes of pagesets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_CPUS = 4096
MAX_BATCH = 1 << 15
MAX_HIGH = 1 << 24
MAX_HIGH_FRACTION = 8  # a pageset of 6.12 may grow to this fraction of its CPU's share


@dataclass(frozen=True, slots=True, kw_only=True)
class Pagesets:
    """Per-CPU pagesets: how many, and of what size.

    Parameters
    ----------
    nr_cpus : int, default 1
        CPUs with a pageset each; at most 4096.
    batch : int, optional
        Pages moved at a time between a pageset and the zone.
    high : int, optional
        Pages at which a pageset gives some back; in 6.12, where it is tuned, the
        least value of it (``high_min``).
    high_max : int, optional
        6.12 only: the largest value of it; equal to `high`, nothing is tuned.
    by_region : bool, default False
        Refill from the lowest region that has a block, whatever its order, and
        give back from the highest regions on the list, an eighth of what the
        pageset holds at least; the series left this open. Otherwise as in the kernel: refill as single requests are
        served, give back what has lain longest.

    Raises
    ------
    ValueError, TypeError
        If a field is out of range or of another kind. Whether sizes work together
        depends on the generation: that is refused when a zone is made.

    Notes
    -----
    What is not given follows from the managed pages of the zone as in the
    kernel, with the zone taken for all of the memory. 6.12: `batch` is a quarter
    of the lesser of managed / 1024 and 256, times 1.5, rounded down to a power
    of two, less 1; `high` the low watermark over the CPUs and at least four
    batches; `high_max` an eighth of the managed pages over the CPUs, likewise.
    3.9: the same with 128 for 256, and `high` six times that. Sizes stay when
    the zone grows. With less than a batch for `high` refills and returns are of
    one page, and nothing is tuned. In a simulation pagesets of 6.12 that are tuned (`high`
    is less than `high_max`) become smaller while their zone is below its high watermark; a
    zone alone has no watermarks. Differs from Linux: many frees of high order in a row make
    a pageset give back from one batch on, which the kernel does where a CPU has a large
    share of the caches (``PCPF_FREE_HIGH_BATCH``), and without that at once. Immutable; may
    be shared by threads.

    References
    ----------
    Linux v6.12 and v3.9, mm/page_alloc.c: ``zone_batchsize()``,
    ``zone_highsize()``, ``setup_pageset()``.

    Examples
    --------
    >>> import pasralloc as pa
    >>> zone = pa.Zone(1 << 22, region_pages=1 << 16, pagesets=pa.Pagesets(nr_cpus=4))
    >>> zone.pageset(cpu=3).batch
    63
    """

    nr_cpus: int = 1
    batch: int | None = None
    high: int | None = None
    high_max: int | None = None
    by_region: bool = False

    def __post_init__(self) -> None:
        check_range("nr_cpus", self.nr_cpus, 1, MAX_CPUS)
        object.__setattr__(self, "nr_cpus", index(self.nr_cpus))
        for name, most in (("batch", MAX_BATCH), ("high", MAX_HIGH), ("high_max", MAX_HIGH)):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 1 if name == "batch" else 0, most)
                object.__setattr__(self, name, index(getattr(self, name)))
        if not isinstance(self.by_region, bool):
            raise TypeError(f"by_region must be True or False, got {self.by_region!r}")

    def sizes(self, kernel: str, managed: int) -> tuple[int, int, int]:
        """Batch, high and high_max of a zone of so many managed pages.

        Parameters
        ----------
        kernel : {"6.12", "3.9"}
        managed : int
            Pages.

        Returns
        -------
        batch, high, high_max : int
            Pages; *high_max* is *high* in 3.9.

        Raises
        ------
        ValueError
            If the sizes cannot work together in that generation.
        """
        claims = kernel != "3.9"
        raw = raw_batch(managed, 256 if claims else 128)
        batch = max(raw, 1) if self.batch is None else self.batch
        return self._of_claims(batch, managed) if claims else self._of_steals(batch, raw)

    def _of_steals(self, batch: int, raw: int) -> tuple[int, int, int]:
        """Sizes of 3.9."""
        if self.high_max is not None:
            raise ValueError("high_max needs kernel='6.12'; 3.9 has one high")
        high = self.high
        if high is None:
            high = 6 * (raw if self.batch is None else batch)
        if max(high, 1) < batch:
            raise ValueError(
                f"high must be at least the batch of {batch} pages that is given back at a time, got {high}"
            )
        return batch, high, high

    def _of_claims(self, batch: int, managed: int) -> tuple[int, int, int]:
        """Sizes of 6.12."""
        high, high_max = self.high, self.high_max
        if high_max is None:
            high_max = max(managed // MAX_HIGH_FRACTION // self.nr_cpus, 4 * batch, high or 0)
            high_max = high if high is not None and high < batch else high_max
        if high is None:
            high = min(max(low_watermark(managed) // self.nr_cpus, 4 * batch), high_max)
        if high > high_max:
            raise ValueError(f"high_max must be at least the high of {high} pages, got {high_max}")
        for name, value in (("high", high), ("high_max", high_max)):
            if batch <= value < 2 * batch:
                raise ValueError(
                    f"{name} must be at least two batches of {batch} pages, one to keep and one to give back, or"
                    f" less than one batch (then pages are moved one at a time); got {value}"
                )
        if high < batch and high != high_max:
            raise ValueError(
                f"high_max must be the high of {high} pages where that is less than the batch of {batch} pages,"
                f" for then nothing is tuned; got {high_max}"
            )
        return batch, high, high_max


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pageset:
    """What a CPU keeps for itself.

    Attributes
    ----------
    count : int
        Pages on its lists.
    high : int
        Pages at which it gives some back.
    high_min, high_max : int
        Limits of `high`.
    batch : int
        Pages moved at a time.
    alloc_factor : int
        The next refill is *batch* shifted left by this.
    free_count : int
        Pages freed lately; every allocation halves it.
    lengths : ndarray of int64, shape (14,)
        Blocks per list: number order * 3 + migratetype for orders 0 to 3; of the
        pageblock order 12 for what is not movable and 13 for what is. 3.9 has the
        first three; `alloc_factor` and `free_count` are 0 there.
    """

    count: int
    high: int
    high_min: int
    high_max: int
    batch: int
    alloc_factor: int
    free_count: int
    lengths: NDArray[np.int64]


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Refuse what is no integer from *low* to *high*."""
    try:
        fits = low <= index(value) <= high and not isinstance(value, bool)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if not fits:
        raise ValueError(f"{name} must be {low} to {high}, got {value}")


def raw_batch(managed: int, most: int) -> int:
    """``zone_batchsize()``: 0 for a zone too small for more than single pages."""
    batch = max(min(managed // 1024, most) // 4, 1)
    batch += batch // 2
    return (1 << (batch.bit_length() - 1)) - 1


def min_watermark(managed: int, most_kbytes: int) -> int:
    """Pages of the min watermark of a zone that is all of the memory."""
    kbytes = min(max(math.isqrt(managed * 4 * 16), 128), most_kbytes)
    return kbytes // 4


def low_watermark(managed: int) -> int:
    """Low watermark of 6.12 of a zone that is all of the memory."""
    least = min_watermark(managed, 262144)
    return least + max(least // 4, managed * 10 // 10000)
