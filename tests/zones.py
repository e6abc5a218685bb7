"""Zones that several test modules use."""

import pasralloc as pa
from pasralloc.testing import pcplists


def small_zone(nr_blocks=8, region_blocks=2, **options):
    return pa.Zone(nr_blocks * 1024, region_pages=region_blocks * 1024, **options)


def keeping(kernel="6.12", *, nr_blocks=4, batch=4, high=12, **options):
    """A zone with small pagesets that do not tune themselves."""
    more = {"high_max": high} if kernel == "6.12" else {}
    names = {name: options.pop(name) for name in ("nr_cpus", "by_region") if name in options}
    return small_zone(
        nr_blocks,
        1,
        kernel=kernel,
        pagesets=pa.Pagesets(batch=batch, high=high, **more, **names),
        **options,
    )


def movable_list(zone, cpu=0):
    """Pfns on the list of single movable pages of a pageset."""
    return pcplists(zone, cpu)[zone.migratetypes.index("movable")]
