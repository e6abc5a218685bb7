"""Sizes of pagesets: the kernel's formulas, and what is refused."""

import numpy as np
import pytest
from zones import keeping, small_zone

import pasralloc as pa
from pasralloc.sizing import low_watermark, min_watermark

GIB = 1 << 18


class TestSizes:
    @pytest.mark.parametrize(
        ("kernel", "gib", "nr_cpus", "expected"),
        [
            ("6.12", 16, 1, (63, 8290, 524288)),
            ("6.12", 16, 8, (63, 1036, 65536)),
            ("6.12", 1, 64, (63, 252, 512)),
            ("3.9", 16, 1, (31, 186, 186)),
            ("3.9", 16, 16, (31, 186, 186)),
        ],
    )
    def test_of_large_zones(self, kernel, gib, nr_cpus, expected):
        """6.12 from the watermark of 16384 kB that its source gives for 16 GB; 3.9: 31 and 186."""
        zone = pa.Zone(
            gib * GIB, region_pages=GIB, kernel=kernel, pagesets=pa.Pagesets(nr_cpus=nr_cpus)
        )
        pageset = zone.pageset(nr_cpus - 1)
        assert (pageset.batch, pageset.high_min, pageset.high_max) == expected

    @pytest.mark.parametrize(("gib", "kbytes"), [(4, 8192), (16, 16384), (64, 32768)])
    def test_min_free_kbytes_is_the_root_of_sixteen_times_the_memory(self, gib, kbytes):
        assert min_watermark(gib * GIB, 262144) == kbytes // 4
        assert min_watermark(1 << 40, 65536) == 65536 // 4, "3.9 stops earlier"
        assert low_watermark(gib * GIB) == kbytes // 4 + gib * GIB // 1000, "the scale factor wins"

    def test_absent_pages_do_not_count(self):
        holes = [(1024, 15 * GIB)]
        zone = pa.Zone(16 * GIB, region_pages=GIB, absent=holes, pagesets=pa.Pagesets(nr_cpus=1))
        assert zone.pageset().high_max == (GIB * 1) // 8

    def test_a_zone_too_small_for_batches_keeps_nothing(self):
        zone = small_zone(1, 1, kernel="3.9", pagesets=pa.Pagesets())
        zone.free(zone.alloc())
        assert zone.nr_cached == 0
        assert zone.nr_free == 1024

    def test_the_tables_stay_below_13_bytes_a_page(self):
        for nr_cpus in (1, 16, 256):
            zone = pa.Zone(64 * GIB, region_pages=GIB, pagesets=pa.Pagesets(nr_cpus=nr_cpus))
            assert zone.nr_bytes / zone.nr_pages < 13

    @pytest.mark.parametrize(
        ("kernel", "options", "message"),
        [
            ("6.12", {"nr_cpus": 0}, "nr_cpus must be 1 to 4096, got 0"),
            ("6.12", {"nr_cpus": 2.5}, "nr_cpus must be an integer, got 2.5"),
            ("6.12", {"batch": 0}, "batch must be 1 to 32768, got 0"),
            ("6.12", {"batch": 8, "high": 8}, "high must be at least two batches of 8 .* got 8"),
            (
                "6.12",
                {"batch": 8, "high": 20, "high_max": 19},
                "high_max must be at least the high of 20 pages, got 19",
            ),
            ("6.12", {"high": 1 << 25}, "high must be 0 to 16777216, got 33554432"),
            (
                "6.12",
                {"batch": 8, "high": 0, "high_max": 64},
                "high_max must be the high of 0 pages where that is less than the batch of 8 .* got 64",
            ),
            ("6.12", {"batch": 8, "high": 0, "high_max": 3}, "then nothing is tuned; got 3"),
            ("6.12", {"by_region": 1}, "by_region must be True or False, got 1"),
            ("6.12", {"batch": "8"}, "batch must be an integer, got '8'"),
            ("3.9", {"batch": 8, "high": 7}, "high must be at least the batch of 8 .* got 7"),
            ("3.9", {"high_max": 9}, "high_max needs kernel='6.12'"),
            ("6.12", {"by_region": True, "placement": "linux"}, "need lists in region order"),
        ],
    )
    def test_sizes_that_cannot_work_are_refused(self, kernel, options, message):
        more = {"placement": options.pop("placement")} if "placement" in options else {}
        for make in (pa.Zone, pa.Zone.buffer_size):
            with pytest.raises((ValueError, TypeError), match=message):
                make(
                    4096, region_pages=1024, kernel=kernel, pagesets=pa.Pagesets(**options), **more
                )

    def test_other_kinds_of_description_are_refused(self):
        with pytest.raises(TypeError, match="pagesets must be a Pagesets or None, got 4"):
            small_zone(pagesets=4)

    def test_no_other_cpu(self):
        zone = keeping(nr_cpus=2)
        ops = np.zeros(1, pa.OP_DTYPE)
        for call in (
            lambda: zone.alloc(cpu=2),
            lambda: zone.free(0, cpu=-1),
            lambda: zone.alloc_batch([0], cpu=2),
            lambda: zone.free_batch([0], cpu=2),
            lambda: zone.run(ops, np.zeros(1, np.int64), cpu=2),
            lambda: zone.drain(2),
            lambda: zone.decay(2),
            lambda: zone.pageset(2),
        ):
            with pytest.raises(ValueError, match="cpu must be 0 to 1, got"):
                call()
        with pytest.raises(ValueError, match="cpu must be 0 to 0, got 1"):
            small_zone().alloc(cpu=1)
        with pytest.raises(ValueError, match="no pagesets"):
            small_zone().pageset()


def test_sizes_become_plain_integers():
    given = pa.Pagesets(nr_cpus=np.uint8(4), batch=np.int8(63))
    assert type(given.nr_cpus) is type(given.batch) is int
    assert given.sizes("3.9", 1 << 22) == (63, 378, 378)


def test_only_pagesets_themselves_decide_how_large_tables_are():
    class Mine(pa.Pagesets):
        def sizes(self, kernel, managed):
            return 5, 100_000, 10

    with pytest.raises(TypeError, match="pagesets must be a Pagesets or None"):
        pa.Zone(1 << 18, region_pages=1 << 16, pagesets=Mine(nr_cpus=2))
