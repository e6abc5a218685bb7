"""GFP flags: names and numbers to the bits of Linux 6.18."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracelines import parse, read

OTHER_GFP = 1 << 31
BITS = {
    "DMA": 0, "HIGHMEM": 1, "DMA32": 2, "MOVABLE": 3, "RECLAIMABLE": 4, "HIGH": 5, "IO": 6, "FS": 7, "ZERO": 8,
    "DIRECT_RECLAIM": 10, "KSWAPD_RECLAIM": 11, "WRITE": 12, "NOWARN": 13, "RETRY_MAYFAIL": 14, "NOFAIL": 15,
    "NORETRY": 16, "MEMALLOC": 17, "COMP": 18, "NOMEMALLOC": 19, "HARDWALL": 20, "THISNODE": 21, "ACCOUNT": 22,
    "ZEROTAGS": 23, "NO_OBJ_EXT": 24,
}  # fmt: skip


def bits(*names):
    return sum(1 << BITS[name] for name in names)


KERNEL = ("DIRECT_RECLAIM", "KSWAPD_RECLAIM", "IO", "FS")
HIGHUSER_MOVABLE = (*KERNEL, "HARDWALL", "HIGHMEM", "MOVABLE")
# As gfp_types.h of Linux 6.18 defines them; the last four are of older kernels.
COMPOSITES = {
    "GFP_HIGHUSER_MOVABLE": bits(*HIGHUSER_MOVABLE),
    "GFP_TRANSHUGE_LIGHT": bits(
        "IO", "FS", "HARDWALL", "HIGHMEM", "MOVABLE", "COMP", "NOMEMALLOC", "NOWARN"
    ),
    "GFP_TRANSHUGE": bits(
        "DIRECT_RECLAIM",
        "IO",
        "FS",
        "HARDWALL",
        "HIGHMEM",
        "MOVABLE",
        "COMP",
        "NOMEMALLOC",
        "NOWARN",
    ),
    "GFP_HIGHUSER": bits(*KERNEL, "HARDWALL", "HIGHMEM"),
    "GFP_USER": bits(*KERNEL, "HARDWALL"),
    "GFP_KERNEL_ACCOUNT": bits(*KERNEL, "ACCOUNT"),
    "GFP_KERNEL": bits(*KERNEL),
    "GFP_NOFS": bits("DIRECT_RECLAIM", "KSWAPD_RECLAIM", "IO"),
    "GFP_ATOMIC": bits("HIGH", "KSWAPD_RECLAIM"),
    "GFP_NOIO": bits("DIRECT_RECLAIM", "KSWAPD_RECLAIM"),
    "GFP_NOWAIT": bits("KSWAPD_RECLAIM", "NOWARN"),
    "__GFP_RECLAIM": bits("DIRECT_RECLAIM", "KSWAPD_RECLAIM"),
    "none": 0,
    "GFP_TEMPORARY": bits(*KERNEL, "RECLAIMABLE"),
    "GFP_IOFS": bits("IO", "FS"),
    "GFP_WAIT": bits("DIRECT_RECLAIM"),
    "GFP_REPEAT": bits("RETRY_MAYFAIL"),
}
NAMES = {
    prefix + name: 1 << bit for name, bit in BITS.items() for prefix in ("GFP_", "__GFP_")
} | COMPOSITES


def gfp(text):
    return read(f"mm_page_alloc: page=1 pfn=1 order=0 migratetype=0 gfp_flags={text}")["gfp"]


@pytest.mark.parametrize("name", NAMES)
def test_every_gfp_name_stands_for_its_bits(name):
    assert gfp(name) == NAMES[name]


@given(st.lists(st.sampled_from(sorted(NAMES)), min_size=1, max_size=6))
def test_joined_gfp_names_are_joined_bits(names):
    expected = 0
    for name in names:
        expected |= NAMES[name]
    assert gfp("|".join(names)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0x140cca", 0x140CCA),
        ("0X10", OTHER_GFP),
        ("1313994", 1_313_994),
        ("0", 0),
        ("0x0", 0),
        ("", 0),
        ("GFP_KERNEL|0x4000000", COMPOSITES["GFP_KERNEL"] | 0x4000000),
        ("GFP_KERNEL|__GFP_CMA", COMPOSITES["GFP_KERNEL"] | OTHER_GFP),
        ("__GFP_ATOMIC", OTHER_GFP),
        ("gfp_kernel", OTHER_GFP),
        ("GFP_KERNEL_", OTHER_GFP),
        ("0x", OTHER_GFP),
        ("0x12z", OTHER_GFP),
        ("0x1@", OTHER_GFP),
        ("12a", OTHER_GFP),
        ("0x1ffffffff", OTHER_GFP),
        ("4294967296", OTHER_GFP),
        ("99999999999999999999999", OTHER_GFP),
        ("|".join(["__GFP_ZERO"] * 40), 1 << 8),  # longer than what is remembered
    ],
)
def test_gfp_numbers_and_unknown_names(text, expected):
    assert gfp(text) == expected


@pytest.mark.parametrize(
    "name",
    [
        "GFP_HIGHUSER_MOVABLE",
        "GFP_TRANSHUGE",
        "GFP_TRANSHUGE_LIGHT",
        "__GFP_MOVABLE",
        "GFP_MOVABLE",
    ],
)
def test_the_movable_bit_is_found_in_composites(name):
    assert gfp(f"{name}|__GFP_ZERO") & 1 << BITS["MOVABLE"]
    assert (
        parse(f"mm_page_alloc: page=1 pfn=1 order=0 migratetype=1 gfp_flags={name}")[0].summary()[
            "types_by_gfp"
        ][1, 1]
        == 1
    )


def test_more_flag_words_than_are_remembered_stay_right():
    words = [f"GFP_KERNEL|{number:#x}" for number in range(1 << 24, (1 << 24) + 700)] * 2
    _, events = parse(
        "".join(f"mm_page_alloc: pfn=1 order=0 migratetype=0 gfp_flags={word}\n" for word in words)
    )
    assert events["gfp"].tolist() == [
        COMPOSITES["GFP_KERNEL"] | int(word[11:], 16) for word in words
    ]
