"""GFP flags from text: names or numbers to the bits of Linux 6.18.

Names come joined by ``|``, composites first, as ``show_gfp_flags()`` of the
kernel prints them; up to 4.4 single bits lack the leading underscores. Numbers
are taken as 6.18 ones: text alone does not say what else they might be.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr, memcmp, memcpy

from pasralloc._core.scan cimport is_digit, read_number


cdef enum:
    NR_ENTRIES = 512
    NR_NAMES = 64
    OTHER = 1 << 31

cdef dict BITS = {
    name: 1 << bit
    for name, bit in {
        "DMA": 0, "HIGHMEM": 1, "DMA32": 2, "MOVABLE": 3, "RECLAIMABLE": 4, "HIGH": 5, "IO": 6, "FS": 7,
        "ZERO": 8, "DIRECT_RECLAIM": 10, "KSWAPD_RECLAIM": 11, "WRITE": 12, "NOWARN": 13,
        "RETRY_MAYFAIL": 14, "NOFAIL": 15, "NORETRY": 16, "MEMALLOC": 17, "COMP": 18, "NOMEMALLOC": 19,
        "HARDWALL": 20, "THISNODE": 21, "ACCOUNT": 22, "ZEROTAGS": 23, "NO_OBJ_EXT": 24,
    }.items()
}


cdef dict all_names():
    """Every name that has printed flags of mm_page_alloc, with its bits."""
    cdef dict b = BITS
    reclaim = b["DIRECT_RECLAIM"] | b["KSWAPD_RECLAIM"]
    kernel = reclaim | b["IO"] | b["FS"]
    user = kernel | b["HARDWALL"]
    movable = user | b["HIGHMEM"] | b["MOVABLE"]
    light = (movable | b["COMP"] | b["NOMEMALLOC"] | b["NOWARN"]) & ~reclaim
    composites = {
        "GFP_TRANSHUGE": light | b["DIRECT_RECLAIM"],
        "GFP_TRANSHUGE_LIGHT": light,
        "GFP_HIGHUSER_MOVABLE": movable,
        "GFP_HIGHUSER": user | b["HIGHMEM"],
        "GFP_USER": user,
        "GFP_KERNEL_ACCOUNT": kernel | b["ACCOUNT"],
        "GFP_KERNEL": kernel,
        "GFP_TEMPORARY": kernel | b["RECLAIMABLE"],
        "GFP_NOFS": reclaim | b["IO"],
        "GFP_ATOMIC": b["HIGH"] | b["KSWAPD_RECLAIM"],
        "GFP_NOIO": reclaim,
        "GFP_NOWAIT": b["KSWAPD_RECLAIM"] | b["NOWARN"],
        "GFP_IOFS": b["IO"] | b["FS"],
        "__GFP_RECLAIM": reclaim,
        "GFP_WAIT": b["DIRECT_RECLAIM"],
        "GFP_REPEAT": b["RETRY_MAYFAIL"],
        "__GFP_REPEAT": b["RETRY_MAYFAIL"],
        "none": 0,
    }
    singles = {prefix + name: bits for name, bits in b.items() for prefix in ("GFP_", "__GFP_")}
    return {**singles, **composites}


ctypedef struct name_t:
    char text[24]
    uint8_t length
    uint32_t bits

cdef name_t[NR_NAMES + 16] NAMES
cdef uint32_t nr_names = 0


def _fill():
    global nr_names
    for name, bits in all_names().items():
        text = name.encode()
        memcpy(NAMES[nr_names].text, <const char *> text, len(text))
        NAMES[nr_names].length = len(text)
        NAMES[nr_names].bits = bits
        nr_names += 1


_fill()


cdef uint32_t bits_of_name(const char *text, size_t length) noexcept nogil:
    cdef uint32_t i
    for i in range(nr_names):
        if NAMES[i].length == length and memcmp(NAMES[i].text, text, length) == 0:
            return NAMES[i].bits
    return OTHER


cdef uint32_t bits_of_number(const char *text, size_t length) noexcept nogil:
    """Decimal, or hexadecimal after 0x; what does not fit 32 bits becomes OTHER."""
    cdef uint64_t value = 0
    cdef const char *end = text + length
    if not read_number(&text, end, False, &value) or text != end or value >> 32:
        return OTHER
    return <uint32_t> value


cdef uint32_t take_apart(const char *text, size_t length) noexcept nogil:
    cdef uint32_t bits = 0
    cdef const char *end = text + length
    cdef const char *bar
    while text < end:
        bar = <const char *> memchr(text, c'|', end - text)
        if bar == NULL:
            bar = end
        if is_digit(text[0]):
            bits |= bits_of_number(text, bar - text)
        else:
            bits |= bits_of_name(text, bar - text)
        text = bar + 1
    return bits


cdef inline uint64_t hash_of(const char *text, size_t length) noexcept nogil:
    cdef uint64_t word = 0, h = length * <uint64_t> 0x9E3779B97F4A7C15
    while length >= 8:
        memcpy(&word, text, 8)
        h = (h ^ word) * <uint64_t> 0x9E3779B97F4A7C15
        h ^= h >> 32
        text += 8
        length -= 8
    word = 0
    if length != 0:
        memcpy(&word, text, length)
    h = (h ^ word) * <uint64_t> 0x9E3779B97F4A7C15
    return h ^ h >> 29


cdef uint32_t gfp_parse(gfp_memo_t *memo, const char *text, size_t length) noexcept nogil:
    """Bits of a flag word; bit 31 is set if some of it has no number in 6.18."""
    cdef uint64_t h
    cdef uint32_t at, bits
    if length == 0 or length > 255:
        return take_apart(text, length)
    h = hash_of(text, length)
    at = h & (NR_ENTRIES - 1)
    while memo.lengths[at] != 0:
        if memo.hashes[at] == h and memo.lengths[at] == length:
            if memcmp(memo.texts + memo.starts[at], text, length) == 0:
                return memo.bits[at]
        at = (at + 1) & (NR_ENTRIES - 1)
    bits = take_apart(text, length)
    if memo.nr_entries < NR_ENTRIES // 2 and memo.nr_chars + length <= sizeof(memo.texts):
        memo.hashes[at] = h
        memo.lengths[at] = <uint8_t> length
        memo.bits[at] = bits
        memo.starts[at] = memo.nr_chars
        memcpy(memo.texts + memo.nr_chars, text, length)
        memo.nr_chars += <uint32_t> length
        memo.nr_entries += 1
    return bits
