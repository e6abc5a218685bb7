"""Address maps: one to one, exact about which places a region touches, and what interleaving costs."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pasralloc as pa
from pasralloc.dram.mapping import _FIELDS

DDR3 = pa.dram.Geometry.of(pa.dram.part("ddr3_1600_4Gb_x8"), channels=2, ranks=2)
DDR4 = pa.dram.Geometry.of(pa.dram.part("ddr4_2400_8Gb_x8"), channels=2, ranks=2)
TINY = pa.dram.Geometry(
    channels=2, ranks=2, bank_groups=2, banks=2, rows=64, columns=16, bus_bytes=8
)
PRESETS = ["linear", "channel-interleaved", "fully-interleaved", "hashed"]


def maps_of(geometry):
    return [pa.dram.AddressMap.preset(name, geometry) for name in PRESETS[:3]]


@st.composite
def random_maps(draw):
    """A map of TINY that mixes address bits at random: unit lower times upper triangles stay invertible."""
    offset, nr = 3, TINY.nr_bytes.bit_length() - 1
    free = range(offset, nr)
    order = draw(st.permutations(list(free)))
    rows = [1 << bit for bit in order]
    for i in range(1, len(rows)):
        for j in draw(st.sets(st.integers(0, i - 1), max_size=4)):
            rows[i] ^= rows[j]
    masks, at = {}, 0
    for name in _FIELDS:
        masks[name] = rows[at : at + TINY.bits(name)]
        at += TINY.bits(name)
    return pa.dram.AddressMap(TINY, masks)


any_map = st.one_of(
    st.sampled_from(
        [*maps_of(DDR3), *maps_of(DDR4), *maps_of(TINY), pa.dram.AddressMap.preset("hashed", DDR3)]
    ),
    random_maps(),
)


@given(mapping=any_map, data=st.data())
def test_encode_undoes_decode(mapping, data):
    addresses = data.draw(
        st.lists(st.integers(0, mapping.geometry.nr_bytes - 1), min_size=1, max_size=20)
    )
    places = mapping.decode(addresses)
    assert mapping.encode(places).tolist() == addresses
    for name, values in places.items():
        assert values.min() >= 0
        assert values.max() < 1 << mapping.geometry.bits(name)


@given(mapping=random_maps())
def test_every_place_has_one_address(mapping):
    places = mapping.decode(np.arange(TINY.nr_bytes))
    packed = np.zeros(TINY.nr_bytes, np.int64)
    for name, values in places.items():
        packed = packed << TINY.bits(name) | values
    assert np.array_equal(np.sort(packed), np.arange(TINY.nr_bytes))


@given(mapping=st.one_of(random_maps(), st.sampled_from(maps_of(TINY))), data=st.data())
def test_a_range_touches_what_its_addresses_decode_to(mapping, data):
    start = data.draw(st.integers(0, TINY.nr_bytes - 1))
    end = data.draw(st.integers(start, min(TINY.nr_bytes, start + 5000)))
    places = mapping.decode(np.arange(start, end))
    flat = places["bank_group"] * TINY.banks + places["bank"]
    segment = places["row"] >> (TINY.bits("row") - 3)
    seen = set(
        zip(*(v.tolist() for v in (places["channel"], places["rank"], flat, segment)), strict=True)
    )
    assert mapping.touches(start, end - start) == seen


def test_fully_interleaved_is_sandy_bridge_where_the_geometry_is():
    mapping = pa.dram.AddressMap.preset("fully-interleaved", DDR3)
    assert mapping.masks("channel") == (1 << 6,)
    assert mapping.masks("bank") == (1 << 14 | 1 << 18, 1 << 15 | 1 << 19, 1 << 16 | 1 << 20)
    assert mapping.masks("rank") == (1 << 17 | 1 << 21,)
    assert mapping.masks("row") == tuple(1 << bit for bit in range(18, 34))


def test_hashed_has_the_channel_of_ivy_bridge():
    mapping = pa.dram.AddressMap.preset("hashed", DDR3)
    assert mapping.masks("channel") == (sum(1 << bit for bit in (7, 8, 9, 12, 13, 18, 19)),)


@pytest.mark.parametrize("name", PRESETS[1:])
def test_an_interleaved_page_touches_every_channel(name):
    mapping = pa.dram.AddressMap.preset(name, DDR3)
    assert {place.channel for place in mapping.touches(0x1234000, 4096)} == {0, 1}


@pytest.mark.parametrize(
    ("name", "ranks", "banks", "segments"),
    [
        ("linear", 1, 1, 1),
        ("channel-interleaved", 2, 8, 1),
        ("fully-interleaved", 4, 8, 1),
        ("hashed", 4, 8, 1),
    ],
)
def test_what_a_region_of_two_megabytes_touches(name, ranks, banks, segments):
    """With a rank bit such as 17 xor 21 a block of 2 MiB touches every rank."""
    places = pa.dram.AddressMap.preset(name, DDR3).touches(6 << 20, 2 << 20)
    assert len({(p.channel, p.rank) for p in places}) == ranks
    assert len({p.bank for p in places}) == banks
    assert len({p.segment for p in places}) == segments


def test_an_eighth_of_an_interleaved_machine_is_one_segment_everywhere():
    mapping = pa.dram.AddressMap.preset("fully-interleaved", DDR4)
    places = pa.dram.region_places(mapping, DDR4.nr_bytes, DDR4.nr_bytes // 8)
    for number, region in enumerate(places):
        assert {place.segment for place in region} == {number}
        assert len(region) == 2 * 2 * 16


def test_linear_regions_fill_one_rank_after_the_other():
    mapping = pa.dram.AddressMap.preset("linear", DDR4)
    places = pa.dram.region_places(mapping, DDR4.nr_bytes, DDR4.nr_bytes // 4)
    domains, touches = pa.dram.domain_table(places, pa.dram.by_rank)
    assert domains == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert touches.tolist() == np.eye(4, dtype=bool).tolist()


@given(
    mapping=st.sampled_from(maps_of(DDR3)),
    nr_regions=st.sampled_from([4, 16, 32]),
    seed=st.integers(0, 1 << 30),
    share=st.floats(0, 1),
)
def test_coarser_domains_are_never_idle_for_longer(mapping, nr_regions, seed, share):
    random = np.random.default_rng(seed)
    places = pa.dram.region_places(mapping, DDR3.nr_bytes, DDR3.nr_bytes // nr_regions)
    in_use = random.random((20, nr_regions)) < share
    seconds = random.random(20)
    shares = []
    for domain_of in (
        tuple,
        pa.dram.by_segment,
        pa.dram.by_rank,
        lambda place: place.channel,
        lambda place: 0,
    ):
        # All domains of a kind have the same size, so the mean is the share of memory that is idle.
        _, touches = pa.dram.domain_table(places, domain_of)
        shares.append(pa.dram.idle_seconds(in_use, seconds, touches).mean())
    for finer, coarser in itertools.pairwise(shares):
        assert coarser <= finer + 1e-12


def test_idle_time_of_four_regions_in_two_domains():
    touches = np.array([[1, 0], [1, 0], [0, 1], [1, 1]], bool)
    in_use = [[0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert pa.dram.idle_seconds(in_use, [1.0, 2.0, 4.0, 8.0], touches).tolist() == [5.0, 3.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channel": []}, r"channel must be 1 masks, got \[\]"),
        ({"channel": [1 << 40]}, "channel must be a mask of the address bits 3 to"),
        ({"channel": [1]}, "channel must be a mask of the address bits 3 to"),
        ({"rank": [1 << 6]}, "masks must be independent of the others, or addresses share a place"),
        ({"socket": [1]}, "socket must be left out, known being column, bank_group"),
    ],
)
def test_a_map_that_is_not_one_to_one_is_refused(change, message):
    good = pa.dram.AddressMap.preset("channel-interleaved", TINY)
    masks = {name: good.masks(name) for name in _FIELDS} | change
    with pytest.raises(pa.DramError, match=message):
        pa.dram.AddressMap(TINY, masks)


def test_geometry_must_hold_the_machine():
    mapping = pa.dram.AddressMap.preset("linear", TINY)
    with pytest.raises(
        pa.DramError, match=f"memory_bytes must be at most the capacity {TINY.nr_bytes}, got"
    ):
        pa.dram.region_places(mapping, TINY.nr_bytes + 1, 4096)
    with pytest.raises(pa.DramError, match="region_bytes must be at least 1, got 0"):
        pa.dram.region_places(mapping, 4096, 0)
    with pytest.raises(pa.DramError, match="address must be below"):
        mapping.decode([0, TINY.nr_bytes])
    with pytest.raises(pa.DramError, match="range must be inside a capacity"):
        mapping.touches(0, TINY.nr_bytes + 1)
    with pytest.raises(pa.DramError, match="rank must be 0 to 1, got 2"):
        mapping.encode({"rank": 2})
    with pytest.raises(pa.DramError, match="socket must be left out"):
        mapping.encode({"socket": 0})


@pytest.mark.parametrize("odd", [2.7, "2", 1 << 70, np.uint64(1 << 63), [1, 2.5]])
def test_addresses_that_are_no_integers_are_refused(odd):
    mapping = pa.dram.AddressMap.preset("linear", TINY)
    with pytest.raises(pa.DramError, match="address must be integers that fit 64 bits"):
        mapping.decode(odd)
    with pytest.raises(pa.DramError, match="row must be integers that fit 64 bits"):
        mapping.encode({"row": odd})
    assert mapping.decode([])["row"].tolist() == []


def test_places_are_shared_between_regions():
    mapping = pa.dram.AddressMap.preset("fully-interleaved", DDR4)
    regions = pa.dram.region_places(mapping, DDR4.nr_bytes, DDR4.nr_bytes // 64)
    assert sum(map(len, regions)) == 64 * 64
    assert len({id(place) for region in regions for place in region}) == 8 * 64


def test_geometries_without_bit_lists_are_refused():
    with pytest.raises(pa.DramError, match="rows must be a power of two, got 49152"):
        pa.dram.Geometry.of(pa.dram.part("lpddr4_3200_6Gb_per_channel_x16"))
    with pytest.raises(pa.DramError, match=r"lpddr2_s4_1066_4Gb_x32: device\.rows must be given"):
        pa.dram.Geometry.of(pa.dram.part("lpddr2_s4_1066_4Gb_x32"))
    with pytest.raises(pa.DramError, match="ranks must be a power of two, got 3"):
        pa.dram.Geometry.of(pa.dram.part("ddr3_1600_4Gb_x8"), ranks=3)
    with pytest.raises(pa.DramError, match=r"channels must be a power of two, got 2\.0"):
        pa.dram.Geometry.of(pa.dram.part("ddr3_1600_4Gb_x8"), channels=2.0)
    one = pa.dram.Geometry.of(pa.dram.part("ddr3_1600_4Gb_x8"))
    with pytest.raises(pa.DramError, match="channels must be 2"):
        pa.dram.AddressMap.preset("hashed", one)
    with pytest.raises(ValueError, match="preset must be one of 'linear'"):
        pa.dram.AddressMap.preset("diagonal", DDR3)
