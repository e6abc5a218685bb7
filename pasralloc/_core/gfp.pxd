"""GFP flags from text: names or numbers to the bits of Linux 6.18."""

from libc.stddef cimport size_t
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef enum:
    GFP_MOVABLE = 1 << 3
    GFP_RECLAIMABLE = 1 << 4


# A trace has a few dozen different flag words; each is taken apart once.
ctypedef struct gfp_memo_t:
    uint64_t hashes[512]
    uint32_t bits[512]
    uint32_t starts[512]                 # in `texts`
    uint8_t lengths[512]                 # 0: the entry is empty
    uint32_t nr_entries
    uint32_t nr_chars
    char texts[32768]


cdef uint32_t gfp_parse(gfp_memo_t *memo, const char *text, size_t length) noexcept nogil
