"""Linear algebra over bits: rows of a matrix are integers, addition is xor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def parity(word: int) -> int:
    """1 if an odd number of bits is set."""
    return word.bit_count() & 1


def dependent_row(rows: Sequence[int]) -> int | None:
    """Index of the first row that is the sum of earlier ones, or None."""
    pivots: dict[int, int] = {}
    for index, row in enumerate(rows):
        while row and row.bit_length() in pivots:
            row ^= pivots[row.bit_length()]
        if not row:
            return index
        pivots[row.bit_length()] = row
    return None


def inverse(rows: Sequence[int]) -> list[int]:
    """Rows of the inverse of a square matrix with independent rows."""
    nr = len(rows)
    work = [(row, 1 << index) for index, row in enumerate(rows)]
    for column in range(nr):
        pivot = next(i for i in range(column, nr) if work[i][0] >> column & 1)
        work[column], work[pivot] = work[pivot], work[column]
        head, combination = work[column]
        for i in range(nr):
            if i != column and work[i][0] >> column & 1:
                work[i] = (work[i][0] ^ head, work[i][1] ^ combination)
    return [combination for _, combination in work]


def span(vectors: Iterable[int]) -> set[int]:
    """Every sum of some of the vectors, the empty one included."""
    found = {0}
    for vector in vectors:
        if vector not in found:
            found |= {vector ^ other for other in found}
    return found
