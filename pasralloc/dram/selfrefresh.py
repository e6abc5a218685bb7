"""How the self-refresh current depends on the refreshed share of the array."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SigmaRange:
    """Range of sigma over the data sheets that have a table; dimensionless."""

    low: float
    median: float
    high: float


# Twelve columns of three mobile LPDDR data sheets (Micron MT46H64M16LF, Samsung
# K4X1G163PC and K4X56163PI) by temperature in C; see pasr_fit.
SIGMA_RANGES = {
    45: SigmaRange(0.60, 0.70, 0.82),
    85: SigmaRange(0.39, 0.52, 0.67),
}


def self_refresh_share(fraction: float, sigma: float | None) -> float:
    """Part of IDD6 that is left when a fraction of the array is refreshed.

    Parameters
    ----------
    fraction : float
        Refreshed share of the array, 0 to 1.
    sigma : float, optional
        Share of the current that does not depend on it; needed if *fraction* is below 1.

    Returns
    -------
    float
        ``sigma + (1 - sigma) * fraction``, dimensionless.

    Raises
    ------
    ValueError
        If a value is out of range, or sigma is missing.

    Notes
    -----
    A straight line fits the IDD6 tables of mobile LPDDR data sheets to 9 % of the
    full current, with sigma from 0.39 to 0.67 at 85 C and from 0.60 to 0.82 at 45 C.
    There are no such tables for LPDDR2 and later: sigma is an assumption there.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must be 0 to 1, got {fraction!r}")
    if sigma is not None and not 0 <= sigma <= 1:
        raise ValueError(f"sigma must be 0 to 1, got {sigma!r}")
    if fraction == 1:
        return 1.0
    if sigma is None:
        raise ValueError(f"sigma must be given for a refreshed fraction of {fraction!r}")
    return sigma + (1 - sigma) * fraction


@dataclass(frozen=True, slots=True)
class PasrFit:
    """Straight lines through a table of self-refresh currents, relative to the full array.

    Parameters
    ----------
    sigma, slope : float
        Least squares: ``IDD6(f) / IDD6(1) = sigma + slope * f``.
    max_residual : float
        Largest distance of the table from it.
    sigma_through_full, max_residual_through_full : float
        The same with ``slope = 1 - sigma``, as the energy model has it.
    """

    sigma: float
    slope: float
    max_residual: float
    sigma_through_full: float
    max_residual_through_full: float


def pasr_fit(table: Mapping[float, float]) -> PasrFit:
    """Fit a self-refresh current against the refreshed fraction.

    Parameters
    ----------
    table : mapping of float to float
        Current by refreshed fraction, in any unit; one column of ``spec.idd6_uA``.

    Returns
    -------
    PasrFit
        Both lines, dimensionless.

    Raises
    ------
    ValueError
        If it has fewer than two fractions or not that of the full array.

    Examples
    --------
    >>> import pasralloc as pa
    >>> fit = pasr_fit(pa.dram.part("lpddr_mobile_1Gb_x16_K4X1G163PC").idd6_uA["E_85C"])
    >>> round(fit.sigma, 3), round(fit.slope, 3)
    (0.5, 0.5)
    """
    if len(table) < 2 or 1 not in table or not table[1] > 0:
        raise ValueError(f"table must have the fraction 1 and another one, got {dict(table)!r}")
    points = [(fraction, current / table[1]) for fraction, current in table.items()]
    nr = len(points)
    mean_f = sum(f for f, _ in points) / nr
    mean_y = sum(y for _, y in points) / nr
    slope = sum((f - mean_f) * (y - mean_y) for f, y in points) / sum(
        (f - mean_f) ** 2 for f, _ in points
    )
    sigma = mean_y - slope * mean_f
    # y - f = sigma (1 - f): a line through the full array has one unknown.
    full = sum((y - f) * (1 - f) for f, y in points) / sum((1 - f) ** 2 for f, _ in points)
    return PasrFit(
        sigma,
        slope,
        max(abs(y - sigma - slope * f) for f, y in points),
        full,
        max(abs(y - full - (1 - full) * f) for f, y in points),
    )
