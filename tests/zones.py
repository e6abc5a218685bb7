"""Zones that several test modules use."""

import pasralloc as pa


def small_zone(nr_blocks=8, region_blocks=2, **options):
    return pa.Zone(nr_blocks * 1024, region_pages=region_blocks * 1024, **options)
