"""The rules of a replay, each by an example that can be checked by reading."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pasralloc as pa
from pasralloc._core.replayer import Replayer

UNTIMED, FAILED, OLD_NAME = 16, 1, 8
# Every event of a trace is exactly one of these.
RECORDS = (
    "allocs", "frees", "failed_allocs", "bad_records", "batched", "lost_marks", "other_records",
)  # fmt: skip


def event(kind, pfn=-1, order=0, *, flags=0, at=0, type_=1):
    record = np.zeros((), pa.EVENT_DTYPE)
    for name, value in {
        "event": kind, "pfn": pfn, "order": order, "flags": flags, "time_ns": at, "migratetype": type_,
    }.items():  # fmt: skip
        record[name] = value
    return record[()]


def alloc(pfn, order=0, **options):
    return event(1, pfn, order, **options)


def free(pfn, order=0, **options):
    return event(2, pfn, order, **options)


def batched(pfn, **options):
    return event(3, pfn, 0, **options)


def lost(**options):
    return event(7, 0, 0, flags=UNTIMED, **options)


class Play:
    """A replay into two regions of 1024 pages, in region order unless told otherwise."""

    def __init__(self, *events, start=None, nr_traced=2048, absent=(), **options):
        self.zone = pa.Zone(2048, region_pages=1024, absent=absent)
        self.replayer = Replayer(self.zone, nr_traced, [0, 1, 2, *[0] * 13], **options)
        if start is not None:
            pfns, nrs, types = zip(*start, strict=True)
            self.replayer.seed(pfns, nrs, types, anew=False)
        self.feed(*events)

    def feed(self, *events):
        self.replayer.feed(np.array(list(events), pa.EVENT_DTYPE))
        self.zone.check()

    @property
    def result(self):
        return self.replayer.result()

    @property
    def counts(self):
        """The counters that are not zero."""
        return {name: nr for name, nr in self.result["counts"].items() if nr}

    @property
    def used(self):
        return self.zone.managed - self.zone.nr_free


# Frees


def test_a_free_of_what_was_allocated_leaves_nothing():
    play = Play(alloc(8, 3), alloc(100), free(8, 3), free(100))
    assert play.counts == {"allocs": 2, "frees": 2}
    assert play.used == 0


def test_a_free_of_a_page_never_seen_is_ignored():
    play = Play(free(8, 2))
    assert play.counts == {"frees": 1, "unknown_frees": 1, "unknown_free_pages": 4}
    assert play.used == 0


def test_a_page_freed_once_is_known():
    play = Play(free(8, 2), free(9), free(8, 2), free(8, 3))
    assert play.counts == {
        "frees": 4,
        "unknown_frees": 2,
        "unknown_free_pages": 4 + 4,  # pages 8 to 11 the first time, 12 to 15 the last
        "free_of_free": 2,
    }


def test_a_free_of_a_page_that_the_start_map_knows_frees_it():
    play = Play(free(8, 2), start=[(8, 4, 1), (12, 4, 255)])
    assert play.counts == {"frees": 1}
    assert play.used == 0
    play.feed(free(12, 2))
    assert play.counts == {"frees": 2, "free_of_free": 1}


def test_a_free_of_a_page_known_free_is_counted_and_changes_nothing():
    play = Play(alloc(8), free(8), free(8))
    assert play.counts == {"allocs": 1, "frees": 2, "free_of_free": 1}


def test_a_free_of_a_smaller_order_leaves_the_rest_live():
    play = Play(alloc(8, 3), free(10, 1))
    assert play.counts == {"allocs": 1, "frees": 1, "order_mismatches": 1}
    assert play.used == 6
    play.feed(free(8, 1), free(12, 2))  # pages 8 and 9 are two blocks now, 12 to 15 four
    assert play.counts == {"allocs": 1, "frees": 3, "order_mismatches": 3}
    assert play.used == 0


def test_a_free_of_a_larger_order_frees_every_piece_and_counts_what_is_missing():
    play = Play(alloc(8), alloc(10, 1), alloc(12, 1), free(8, 3))
    assert play.counts == {"allocs": 3, "frees": 1, "order_mismatches": 1, "missing_pages": 3}
    assert play.used == 0


def test_a_huge_page_can_be_freed_page_by_page():
    play = Play(alloc(512, 9), *(free(512 + page) for page in range(512)))
    assert play.counts == {"allocs": 1, "frees": 512, "order_mismatches": 1}
    assert play.used == 0


def test_a_free_may_take_the_end_of_a_block_and_the_block_after_it():
    play = Play(alloc(12, 2), alloc(16, 2), free(14, 1), free(16, 2), free(12, 1))
    assert play.counts == {"allocs": 2, "frees": 3, "order_mismatches": 2}
    assert play.used == 0


def test_single_pages_of_the_start_map_may_have_been_one_block():
    play = Play(free(8, 3), start=[(8, 6, 1)])
    assert play.counts == {"frees": 1, "missing_pages": 2}, "its order was never known"
    assert play.used == 0


# Allocations


def test_an_allocation_over_a_live_page_frees_that_first():
    play = Play(alloc(8), alloc(8))
    assert play.counts == {"allocs": 2, "implicit_frees": 1}
    assert play.used == 1


def test_an_allocation_over_part_of_a_live_block_frees_all_of_it():
    play = Play(alloc(8, 3), alloc(10))
    assert play.counts == {"allocs": 2, "implicit_frees": 1}
    assert play.used == 1
    play.feed(free(8))
    assert play.counts["free_of_free"] == 1


def test_an_allocation_over_several_live_blocks_frees_them_all():
    play = Play(alloc(9), alloc(12, 1), alloc(8, 3))
    assert play.counts == {"allocs": 3, "implicit_frees": 2}
    assert play.used == 8


def test_an_allocation_over_a_page_of_the_start_map_contradicts_it():
    play = Play(alloc(8, 1), alloc(8, 1), start=[(9, 1, 1)])
    assert play.counts == {"allocs": 2, "implicit_frees": 2, "start_contradictions": 1}
    assert play.used == 2


def test_an_allocation_that_failed_in_the_traced_kernel_takes_nothing():
    play = Play(alloc(-1, 9, flags=FAILED))
    assert play.counts == {"failed_allocs": 1}
    assert play.used == 0


def test_an_allocation_without_room_fails_and_its_free_frees_nothing():
    play = Play(alloc(0, 10), alloc(1024, 10), alloc(2048, 1), nr_traced=4096)
    assert play.counts == {"allocs": 3, "failures": 1}
    play.feed(free(2048, 1), free(0, 10))
    assert play.counts == {"allocs": 3, "frees": 2, "failures": 1, "unplaced_frees": 2}
    assert play.used == 1024


@pytest.mark.parametrize(
    ("pfn", "order"),
    [
        (2048, 0), (2047, 1), (2044, 3), (2**63 - 1, 0), (2**31, 0), (-1, 0), (-(2**63), 0),
        (0, 11), (0, 127), (0, -1), (0, -128), (1, 1), (6, 2), (512, 10),
    ],
)  # fmt: skip
@pytest.mark.parametrize("what", [alloc, free])
def test_impossible_records_are_counted_and_change_nothing(what, pfn, order):
    play = Play(what(pfn, order))
    assert play.counts == {"bad_records": 1}
    assert play.used == 0


def test_the_last_page_that_has_a_name_is_a_page():
    assert Play(alloc(2046, 1), free(2046, 1)).counts == {"allocs": 1, "frees": 1}


@pytest.mark.parametrize(
    ("number", "name"),
    [(0, "unmovable"), (1, "movable"), (2, "reclaimable"), (5, "unmovable"), (-1, "unmovable")],
)
def test_a_request_is_served_with_the_type_that_its_number_stands_for(number, name):
    play = Play(alloc(100, type_=number))
    assert play.zone.block_of(0) == (0, 0, "allocated", name)


# Batched records


def test_a_batched_record_of_a_freed_page_is_the_usual_second_one():
    play = Play(alloc(8, 3), free(8, 3), batched(8))
    assert play.counts == {"allocs": 1, "frees": 1, "batched": 1}


def test_a_batched_record_of_a_live_page_says_that_its_free_was_lost():
    play = Play(alloc(8, 3), batched(8))
    assert play.counts == {"allocs": 1, "batched": 1, "lost_frees": 1}
    assert play.used == 8


def test_batched_records_free_whole_blocks_where_there_are_no_others():
    play = Play(alloc(8, 3), batched(8), batched(8), batched(100), free_on_batched=True)
    assert play.counts == {"allocs": 1, "frees": 1, "batched": 2}
    assert play.used == 0


def test_up_to_linux_3_2_either_record_can_be_the_only_one():
    play = Play(alloc(8), batched(8, flags=OLD_NAME), batched(8, flags=OLD_NAME), free(8))
    assert play.counts == {"allocs": 1, "frees": 2, "batched": 1, "free_of_free": 1}


def test_a_batched_record_of_no_page_is_harmless():
    assert Play(batched(-1), batched(2**62), batched(2048)).counts == {"batched": 3}


def test_other_records_are_counted():
    assert Play(event(4, 8), event(5, 8), event(6, 8), event(0), event(255), lost()).counts == {
        "other_records": 5,
        "lost_marks": 1,
    }


# Memory that comes online


def test_absent_memory_comes_online_with_a_free_of_the_largest_order():
    play = Play(absent=[(1024, 1024)])
    assert (play.zone.managed, play.result["empty_end"], play.result["packed_end"]) == (1024, 1, 1)
    play.feed(free(1024, 10, at=5))
    assert play.counts == {"frees": 1, "added_pages": 1024}
    assert (play.zone.managed, play.result["empty_end"], play.result["packed_end"]) == (2048, 2, 2)
    assert play.result["transitions"].tolist() == [(5, 1, 1)]
    play.feed(free(1024, 10))
    assert play.counts == {"frees": 2, "added_pages": 1024, "free_of_free": 1}


@pytest.mark.parametrize("order", [0, 9])
def test_a_smaller_free_brings_nothing_online(order):
    play = Play(free(1024, order), absent=[(1024, 1024)])
    assert (play.zone.managed, play.counts["unknown_frees"]) == (1024, 1)


@pytest.mark.parametrize("absent", [(1024, 512), (1536, 512)])
def test_memory_of_which_some_is_managed_does_not_come_online(absent):
    play = Play(free(1024, 10), absent=[absent])
    assert (play.zone.managed, play.counts["unknown_frees"]) == (1536, 1)


# Time


def test_regions_change_and_their_mean_is_weighted_with_time():
    # Region order fills region 0 first; each region holds 1024 pages.
    play = Play(
        alloc(0, 9, at=10**9),
        alloc(512, 9, at=10**9 + 10),
        alloc(1024, at=10**9 + 20),
        free(1024, at=10**9 + 30),
        free(0, 9, at=10**9 + 35),
        free(512, 9, at=10**9 + 50),
    )
    result = play.result
    assert result["transitions"].tolist() == [
        (10**9, 0, 0), (10**9 + 20, 1, 0), (10**9 + 30, 1, 1), (10**9 + 50, 0, 1),
    ]  # fmt: skip
    assert (result["first_ns"], result["last_ns"]) == (10**9, 10**9 + 50)
    assert (result["empty_start"], result["empty_end"], result["regions_touched"]) == (2, 2, 2)
    assert result["empty_mean"] == pytest.approx((20 * 1 + 10 * 0 + 20 * 1) / 50)
    assert result["packed_mean"] == pytest.approx((20 * 1 + 10 * 0 + 20 * 1) / 50)


def test_a_free_and_an_allocation_at_once_are_no_transition():
    play = Play(alloc(0, 10, at=1), alloc(0, 10, at=2))
    assert [time for time, _, _ in play.result["transitions"].tolist()] == [1]


def test_the_packing_bound_fills_the_largest_regions_first():
    zone = pa.Zone(3072, region_pages=1024, absent=[(0, 1000)])
    replayer = Replayer(zone, 4096, [0] * 16)
    assert replayer.result()["packed_start"] == 3
    for used, bound in [(1, 2), (1024, 2), (1025, 1), (2048, 1), (2049, 0), (2072, 0)]:
        more = used - (zone.managed - zone.nr_free)
        pages = range(4096 - used, 4096 - used + more)
        replayer.feed(np.array([alloc(page) for page in pages], pa.EVENT_DTYPE))
        assert replayer.result()["packed_end"] == bound, used


def test_time_begins_with_the_first_event_that_has_a_time_stamp():
    # A buffer that ran over begins with a mark, which has no time.
    seconds = 413 * 10**9
    play = Play(
        lost(), alloc(0, 10, at=seconds), free(0, 10, at=seconds + 30), lost(at=seconds + 30)
    )
    play.feed(alloc(1024, at=seconds + 40))
    result = play.result
    assert (result["first_ns"], result["last_ns"]) == (seconds, seconds + 40)
    assert result["empty_mean"] == pytest.approx((30 * 1 + 10 * 2) / 40)


def test_without_time_stamps_the_mean_is_what_is_left():
    play = Play(alloc(0, flags=UNTIMED), alloc(1, flags=UNTIMED))
    assert (play.result["empty_mean"], play.result["packed_mean"]) == (1, 1)


def test_the_largest_span_of_time_does_not_overflow():
    play = Play(alloc(0, at=-(2**63)), alloc(1, at=2**63 - 1))
    assert play.result["empty_mean"] == pytest.approx(1)


def test_more_transitions_than_fit_in_memory_at_once_are_all_kept():
    zone = pa.Zone(4 * 1024, region_pages=1024)
    replayer = Replayer(zone, 1024, [1] * 16)
    events = np.array([alloc(0), free(0)] * 15_000, pa.EVENT_DTYPE)
    events["time_ns"] = np.arange(len(events))
    replayer.feed(events)
    transitions = replayer.result()["transitions"]
    assert transitions["time_ns"].tolist() == list(range(30_000))
    assert transitions["is_empty"].tolist() == [0, 1] * 15_000


@pytest.mark.parametrize("nr_toggles", range(8250, 8295, 5))
def test_an_event_that_changes_every_region_fits_whatever_was_kept_before(nr_toggles):
    nr = 64
    zone = pa.Zone((nr + 1) * 1024, region_pages=1024)
    replayer = Replayer(zone, 128 * 1024, [1] * 16)
    fillers = [[(1024 * (4 + i) + (1 << order), order) for order in range(10)] for i in range(nr)]
    events = []
    for page in range(nr):  # page i in region i, which is then filled up
        events += [alloc(page), *(alloc(*filler) for filler in fillers[page])]
    events += [free(*filler) for row in fillers for filler in row]
    events += [alloc(120 * 1024, 10), free(120 * 1024, 10)] * nr_toggles  # the last region
    events += [free(0, 10)]  # and now all others at once
    replayer.feed(np.array(events, pa.EVENT_DTYPE))
    zone.check()
    regions = [*range(nr), *[nr] * (2 * nr_toggles), *range(nr)]
    result = replayer.result()
    assert result["transitions"]["region"].tolist() == regions
    assert (result["empty_end"], result["packed_end"], result["regions_touched"]) == (65, 65, 65)


# The face of the replayer


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None, 1024, [0] * 16), TypeError, "memory must be a Zone or a Simulation, got None"),
        ((0, [0] * 16), ValueError, "nr_pages must be 1 to"),
        ((1 << 32, [0] * 16), ValueError, "nr_pages must be 1 to"),
        ((1024, [0] * 15), ValueError, "type_map must have 16 entries, got 15"),
        ((1024, [3] * 16), ValueError, r"type_map\[0\] must be 0 to 2, got 3"),
        ((1024, [0.5] * 16), TypeError, r"type_map\[0\] must be an integer"),
    ],
)
def test_a_replayer_that_makes_no_sense_is_refused(arguments, error, message):
    if arguments[0] is not None:
        arguments = (pa.Zone(1024, region_pages=1024), *arguments)
    with pytest.raises(error, match=message):
        Replayer(*arguments)


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        (([0], [1, 2], [0]), "equal lengths, got 1, 2 and 1"),
        (
            ([-1], [1], [0]),
            "range 0 of the start, 1 pages from pfn -0x1 of type 0, has pfns that do not fit",
        ),
        (([0, 2048], [1, 1], [0, 0]), "range 1 of the start.*pfns that do not fit"),
        (([2040], [9], [0]), "nrs that do not fit"),
        (([0], [0], [0]), "nrs that do not fit"),
        (([0], [1], [3]), "types that do not fit"),
    ],
)
def test_a_start_that_does_not_fit_is_refused_and_changes_nothing(ranges, message):
    play = Play()
    with pytest.raises(ValueError, match=message):
        play.replayer.seed(*ranges, anew=True)
    assert play.used == 0


def test_the_start_comes_before_the_first_event():
    play = Play(lost())
    with pytest.raises(RuntimeError, match="before the first event"):
        play.replayer.seed([0], [1], [0], anew=False)


@pytest.mark.parametrize("events", [None, np.zeros(3), np.zeros((2, 2), pa.EVENT_DTYPE)])
def test_what_is_no_array_of_events_is_refused(events):
    with pytest.raises((TypeError, ValueError), match="events must be a"):
        Play().replayer.feed(events)


def test_no_events_are_no_start():
    play = Play()
    play.replayer.seed([0], [1], [1], anew=False)
    assert play.used == 1


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=30))
def test_any_bytes_are_safe_as_events(records):
    zone = pa.Zone(2048, region_pages=1024)
    replayer = Replayer(zone, 3000, [1] * 16)
    replayer.feed(np.frombuffer(b"".join(records), pa.EVENT_DTYPE))
    zone.check()
    counts = replayer.result()["counts"]
    assert sum(counts[name] for name in RECORDS) == len(records)
