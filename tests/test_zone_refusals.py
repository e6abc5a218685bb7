"""What a zone refuses, and that a refusal changes nothing."""

import pickle

import numpy as np
import pytest
from zones import small_zone

import pasralloc as pa


def refused(zone, error, match, call, *args):
    before = zone.digest()
    with pytest.raises(error, match=match):
        call(*args)
    assert zone.digest() == before
    zone.check()


@pytest.mark.parametrize(
    ("pfn", "order", "message"),
    [
        (1, None, "cannot free pfn 0x1: inside the block of order 2 at 0x0"),
        (0, 3, "cannot free pfn 0x0: it heads a block of order 2, not 3"),
        (4, None, "already free"),
        (1023, None, "already free"),
        (2000, None, "absent from the zone"),
        (8192, None, "outside the zone, which spans pfns 0x0 to 0x1fff"),
        (-1, None, "cannot free pfn -1: outside"),
        ((1 << 63) - 1, None, "outside"),
        (-(1 << 63), None, "outside"),
    ],
)
def test_invalid_frees(pfn, order, message, placement):
    zone = small_zone(absent=[(2000, 1)], placement=placement)
    zone.take_range(0, 4)
    refused(zone, pa.InvalidFree, message, zone.free, pfn, order)
    refused(
        zone,
        pa.InvalidFree,
        message,
        zone.free_batch,
        [0, pfn],
        None if order is None else [2, order],
    )


def test_a_double_free_is_refused_even_after_the_block_has_merged(placement):
    zone = small_zone(placement=placement)
    pfn = zone.alloc()
    zone.free(pfn)
    refused(zone, pa.InvalidFree, "already free", zone.free, pfn)


def test_a_batch_that_names_a_block_twice_frees_nothing(placement):
    zone = small_zone(placement=placement)
    a, b = zone.alloc(10), zone.alloc(3)
    message = r"an earlier entry frees the same block \(entry 2\)"
    refused(zone, pa.InvalidFree, message, zone.free_batch, [a, b, a])
    refused(zone, pa.InvalidFree, message, zone.free_batch, [b, a, b], [3, 10, 3])


@pytest.mark.parametrize("order", [-1, 11, 1 << 70])
def test_orders_out_of_range(order):
    zone = small_zone()
    message = f"order must be 0 to 10, got {order}"
    refused(zone, ValueError, message, zone.alloc, order)
    refused(zone, ValueError, message, zone.free, 0, order)
    refused(zone, ValueError, message, zone.split_allocated, 0, order)


@pytest.mark.parametrize("value", [2.7, "1", None])
def test_what_is_no_integer(value):
    zone = small_zone()
    refused(zone, TypeError, "order must be an integer", zone.alloc, value)
    refused(zone, TypeError, "pfn must be an integer", zone.free, value)
    refused(zone, TypeError, "pfn must be an integer", zone.take_range, value, 1)


def test_ranges_that_are_not_free():
    zone = small_zone(absent=[(5000, 10)])
    zone.take_range(100, 3)
    refuse = (zone, ValueError)
    refused(*refuse, "pfn 0x66 is allocated, expected free pages only", zone.take_range, 102, 5)
    refused(*refuse, "pfn 0x1388 is absent, expected free pages only", zone.take_range, 4990, 20)
    refused(*refuse, "9000 pages from pfn 0x0 do not lie in the zone", zone.take_range, 0, 9000)
    refused(*refuse, "nr must be 1 to .*, got 0", zone.take_range, 0, 0)
    refused(*refuse, "pfn 0x1392 is free, expected absent pages only", zone.add_pages, 5000, 11)
    refused(
        *refuse,
        "3 pages from pfn 0x0 are not whole pageblocks",
        zone.set_pageblocks,
        0,
        3,
        "movable",
    )
    refused(*refuse, "do not lie in the zone", zone.set_pageblocks, 0, 9 * 1024, "movable")
    refused(zone, pa.InvalidFree, "heads a block of order 1, not 2", zone.split_allocated, 100, 2)


def test_running_out_of_memory_changes_nothing(placement):
    zone = small_zone(2, 1, placement=placement)
    zone.alloc(0)
    zone.alloc(10)
    with pytest.raises(
        pa.OutOfMemory, match="no free block for a request of order 10, migratetype 'movable'"
    ) as e:
        zone.alloc(10)
    assert (e.value.order, e.value.migratetype) == (10, "movable")
    refused(zone, MemoryError, "order 10", zone.alloc, 10, "unmovable")


def test_batches_refuse_bad_elements_before_anything_happens():
    zone = small_zone()
    call = zone.alloc_batch
    refused(
        zone,
        ValueError,
        r"orders\[1\] must be 0 to 10, got 11",
        call,
        np.array([0, 11], np.uint8),
    )
    refused(zone, ValueError, r"orders\[1\] must be 0 to 10, got -1", call, [0, -1])
    refused(zone, TypeError, "orders must be integers, got an array of float64", call, [0.0])
    refused(zone, ValueError, "orders must have one dimension", call, [[0]])
    refused(zone, ValueError, r"migratetypes\[0\] must be 0 to 2, got 3", call, [0], [3])
    refused(zone, ValueError, "migratetypes must have 2 entries, got 1", call, [0, 0], [1])
    refused(
        zone,
        ValueError,
        "out must have 1 entries, got 2",
        call,
        [0],
        "movable",
        np.empty(2, np.int64),
    )
    refused(
        zone,
        ValueError,
        "out must be a one-dimensional, aligned, C-contiguous and writable array of int64",
        call,
        [0],
        1,
        np.empty(1, np.int32),
    )
    read_only = np.empty(1, np.int64)
    read_only.flags.writeable = False
    refused(zone, ValueError, "out must be .* writable", call, [0], 1, read_only)
    refused(
        zone,
        ValueError,
        r"pfns\[0\] must be -2\*\*63 to 2\*\*63 - 1, got 9223372036854775808",
        zone.free_batch,
        np.array([1 << 63], np.uint64),
    )


def test_run_refuses_malformed_operations_before_anything_happens():
    zone = small_zone()
    slots = np.zeros(4, np.int64)
    for field, value in (
        ("op", 2),
        ("order", 11),
        ("migratetype", 3),
        ("flags", 32),
        ("slot", 4),
    ):
        ops = np.zeros(3000, pa.OP_DTYPE)
        ops[2999][field] = value
        refused(zone, ValueError, rf"ops\[2999\] is .*{field}={value}", zone.run, ops, slots)
    refused(
        zone,
        ValueError,
        "ops must be a one-dimensional.* array of OP_DTYPE",
        zone.run,
        slots,
        slots,
    )
    refused(
        zone,
        TypeError,
        "ops must be .* array of OP_DTYPE, got list",
        zone.run,
        [(0, 0, 0, 0, 0)],
        slots,
    )


def test_a_zone_cannot_be_pickled_but_says_what_can():
    with pytest.raises(TypeError, match=r"pickle zone\.snapshot"):
        pickle.dumps(small_zone())


def test_misaligned_arrays_are_refused_or_copied():
    zone = small_zone()
    pfn = zone.alloc()
    raw = memoryview(bytearray(81))[1:].cast("q")
    with pytest.raises(ValueError, match="slots must be a one-dimensional, aligned"):
        zone.run(np.zeros(1, pa.OP_DTYPE), raw)
    odd = np.zeros(9, np.uint8)[1:].view(np.int64)
    odd[0] = pfn
    zone.free_batch(odd)
    assert zone.nr_free == zone.nr_pages


def test_native_int64_is_int64_however_it_is_spelled():
    import ctypes

    zone = small_zone()
    slots = (ctypes.c_int64 * 2)()
    assert zone.run(np.zeros(1, pa.OP_DTYPE), slots) == 0
    assert zone.block_of(slots[0]).state == "allocated"
    with pytest.raises(ValueError, match="of format '>q'"):
        zone.alloc_batch([0], out=np.zeros(1, ">i8"))


def test_integers_out_of_any_range_are_values_not_types():
    zone = small_zone()
    for bad in ([1 << 70], [-1, 1 << 63], np.array([1 << 63], np.uint64)):
        with pytest.raises(ValueError, match=r"pfns\[\d\] must be -2\*\*63"):
            zone.free_batch(bad)
    with pytest.raises(TypeError, match="pfns must be integers"):
        zone.free_batch([0.5])
    with pytest.raises(TypeError, match="buffer must be a writable, C-contiguous buffer, got int"):
        pa.Zone(1024, region_pages=1024, buffer=5)
    with pytest.raises(ValueError, match="buffer must be a writable, C-contiguous buffer: "):
        pa.Zone(1024, region_pages=1024, buffer=np.zeros(1 << 20, np.uint8)[::2])
    with pytest.raises(TypeError, match=r"absent must hold \(pfn, nr\) pairs, got 5"):
        pa.Zone(1024, region_pages=1024, absent=5)


def test_numpy_scalars_are_migratetypes_and_orders():
    zone = small_zone(1, 1)
    assert zone.alloc_batch([0], np.int64(1)).tolist() == [zone.alloc(np.int8(0), np.int64(1)) - 1]
    with pytest.raises(pa.OutOfMemory) as caught:
        zone.alloc(np.int8(10))
    assert type(caught.value.order) is int


def test_a_refused_split_says_so():
    zone = small_zone()
    zone.take_range(0, 2)
    with pytest.raises(
        pa.InvalidFree, match="cannot split pfn 0x0: it heads a block of order 1, not 2"
    ):
        zone.split_allocated(0, 2)


def test_a_number_that_has_a_length_is_no_migratetype_that_was_checked():
    class Odd(int):
        def __len__(self):
            return 1

    zone = pa.Zone(4096, region_pages=1024)
    for number in (3, 100, 255):
        with pytest.raises((ValueError, TypeError)):
            zone.alloc_batch(np.zeros(4, np.uint8), Odd(number))
