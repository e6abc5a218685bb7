"""Numbers that were published, as they were published.

Sources, all linux-mm:

v1         S. S. Bhat, "[RFC PATCH 0/8][Sorted-buddy] mm: Linux VM Infrastructure to support Memory
           Power Management", 7 November 2012, <20121106195026.6941.24662.stgit@srivatsabhat.in.ibm.com>
v2         the same, "[RFC PATCH v2 00/15][Sorted-buddy] mm: Memory Power Management", 9 April 2013,
           <20130409214443.4500.44168.stgit@srivatsabhat.in.ibm.com>
search     the same, v3 13/35, 30 August 2013, <20130830131746.4947.94934.stgit@srivatsabhat.in.ibm.com>
v3         the same, results of v3, 30 August 2013, <52209D95.10808@linux.vnet.ibm.com>
v4         the same, results of v4, 26 September 2013, <52437128.7030402@linux.vnet.ibm.com>
hierarchy  A. Garg, "[PATCH 00/10] mm: Linux VM Infrastructure to support Memory Power Management", 27 May
           2011, <1306499498-14263-1-git-send-email-ankita@in.ibm.com>
"""

from __future__ import annotations

REGION_PAGES = 131072

# Free pages of the regions of ZONE_NORMAL: at the start, and with 512, 1024 and 2048 MiB allocated.
PAGETEST: dict[str, list[list[int]]] = {
    "v1": [
        [0, 87219, *[REGION_PAGES] * 6, 105475],
        [0, 8066, 79036, *[REGION_PAGES] * 5, 105472],
        [0, 7892, 0, 79061, *[REGION_PAGES] * 4, 105472],
        [0, 7387, 0, 0, 0, 79051, *[REGION_PAGES] * 2, 105472],
    ],
    "v2": [
        [0, 41537, *[REGION_PAGES] * 6, 72704],
        [0, 13858, 26839, *[REGION_PAGES] * 5, 72704],
        [0, 13790, 82, 26624, *[REGION_PAGES] * 4, 72704],
        [0, 13334, 122, 0, 0, 26624, *[REGION_PAGES] * 2, 72704],
    ],
}
PAGETEST_REQUESTS = (131072, 262144, 524288)

# Free pages of the regions at the start, at about 480 MiB, and later.
HIERARCHY = [
    [124013, 131072, 131072, 57332],
    [1129, 131072, 131072, 57332],
    [484, 130824, 131072, 57332],
]


def _runs(text: str) -> list[int]:
    """Expand "242x5 239" to the samples it stands for."""
    samples = []
    for word in text.split():
        value, _, nr = word.partition("x")
        samples += [int(value)] * int(nr or 1)
    return samples


# Completely free regions, one sample per second.
CURVES = {
    "v3 vanilla": _runs("242x5 239 221 196 171 144 117 69 49 27 15x30 16 17x30 18"),
    "v3 patched": _runs(
        "238x5 236 215 181 139 112 78 48 24 21x7 22x2 23x2 27 29x2 30x7 32 33x4 36 42x2 44 48 111"
        " 114x3 115x15 116x12 121"
    ),
    "v4 vanilla": _runs("214x5 210 194 165 117 87 34 21 11 4x62 8"),
    "v4 patched": _runs(
        "210x5 208 194 165 145 115 82 57 37 27 13 9 5x9 6 7 9x4 13 15 18 19 21 22x2 25 26x2 28x2 29x3 31 75"
        " 144 150x2 154x3 156 157x3 162 163x6 164 166x4 167x5 202"
    ),
}

# The policy that is nearest to the kernel of each curve; v4 evacuates regions.
MEASURED_WITH = {
    "v3 vanilla": "linux",
    "v3 patched": "sorted-v3",
    "v4 vanilla": "linux",
    "v4 patched": "sorted-v4",
}

# Free blocks of orders 0 to 10 at the end, in ZONE_NORMAL of node 0. Parked blocks are inferred: the lists that
# v4 prints for the patched kernel lack the pages of 95 regions, as many as are completely free.
END_LISTS = {
    "v3 vanilla": {
        "movable": [2349, 4937, 5264, 3716, 2323, 1859, 1689, 1602, 1412, 1310, 13826],
        "unmovable": [8982, 9711, 5941, 2108, 611, 189, 9, 0, 1, 1, 0],
        "reclaimable": [0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0],
        "reserve": [*[0] * 10, 2],
        "parked": [0] * 11,
    },
    "v4 vanilla": {
        "movable": [8383, 13055, 14648, 13112, 11081, 9161, 7898, 6882, 5694, 4630, 9660],
        "unmovable": [567, 1880, 2103, 849, 276, 34, 0, 0, 0, 0, 0],
        "reclaimable": [1, 512, 363, 237, 97, 16, 7, 1, 0, 0, 0],
        "reserve": [*[0] * 10, 2],
        "parked": [0] * 11,
    },
    "v4 patched": {
        "movable": [207, 272, 566, 504, 482, 503, 456, 303, 189, 120, 2676],
        "unmovable": [4357, 4070, 4542, 3024, 1866, 955, 385, 92, 8, 1, 110],
        "reclaimable": [11, 0, 1, 1, 0, 0, 0, 0, 1, 1, 82],
        "reserve": [*[0] * 10, 2],
        "parked": [*[0] * 10, 95 * 128],
    },
}

# Free pages of ZONE_NORMAL of node 0 at the end.
END_FREE = {"v3 vanilla": 15_751_188, "v4 vanilla": 15_808_914, "v4 patched": 15_754_148}
NODE_0_REGIONS = (1, *[REGION_PAGES] * 123, REGION_PAGES - 1)

# Free pages at the end of regions of ZONE_NORMAL of node 0 that were used before ebizzy began.
START_OF_USE = {
    "v3 vanilla": {118: 129860, 119: 125402, 120: 63109, 121: 84301, 122: 17009, 123: 0, 124: 0},
    "v4 vanilla": {119: 98662, 120: 115369, 121: 107352, 122: 33060, 123: 0, 124: 67},
    "v4 patched": {
        **{1: 24206, 2: 85728, 3: 69362, 4: 120699, 5: 121015},
        **{122: 128722, 123: 0, 124: 10},
    },
}

# Pages missing at the end from other regions, as far as they were printed. (Of region 110 of v4 vanilla
# the mail prints more free pages than a region has.) Of v4 patched all regions are known: those that are not
# among the incomplete ones are complete.
MISSING: dict[str, dict[int, int]] = {
    "v3 vanilla": dict.fromkeys((1, 2, 3, 4, 116, 117), 0),
    "v4 vanilla": {1: 137, 2: 83, 11: 1065, 49: 1083, 91: 1175},
    "v4 patched": {
        **{region: 0 for region in range(1, 125) if region not in START_OF_USE["v4 patched"]},
        **{6: 19, 10: 3, 11: 84, 12: 71, 13: 5, 28: 41, 34: 36, 37: 8, 38: 1, 40: 36, 41: 1},
        **{45: 65, 48: 36, 55: 34, 58: 1, 60: 36, 61: 7, 64: 1, 81: 5, 84: 220, 86: 1},
    },
}

# Pages of the watermarks min, low and high of ZONE_NORMAL of node 0.
WATERMARKS = {"v3": [5575, 6968, 8362], "v4": [5960, 7450, 8940]}

# Regions, word searches and steps to find the region before another one.
REGION_SEARCH = {"nr_regions": 4096, "word_searches": 2, "steps": 12}
