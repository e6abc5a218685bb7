"""Bit searches, and the two-level region bitmap with its find-previous.

A bitmap of up to 4096 regions is one root word and up to 64 leaf words: bit *w*
of the root says that leaf word *w* is not zero. Every search reads at most two
words (Srivatsa S. Bhat, "A new optimized O(log n) sorting algo to speed up
buddy-sorting", linux-mm, 30 August 2013,
<20130830131746.4947.94934.stgit@srivatsabhat.in.ibm.com>).
"""

from libc.stdint cimport int32_t, uint32_t, uint64_t


cdef extern from * nogil:
    int __builtin_clzll(unsigned long long word)
    int __builtin_ctzll(unsigned long long word)
    void __builtin_prefetch(const void *address)


cdef inline uint32_t highest_bit(uint64_t word) noexcept nogil:
    """Position of the highest set bit, from 0; *word* must not be 0."""
    return 63 - <uint32_t> __builtin_clzll(word)


cdef inline uint32_t lowest_bit(uint64_t word) noexcept nogil:
    """Position of the lowest set bit, from 0; *word* must not be 0."""
    return <uint32_t> __builtin_ctzll(word)


cdef inline uint64_t bits_below(uint32_t bit) noexcept nogil:
    """Mask of the bits below *bit*, which must be less than 64."""
    return (<uint64_t> 1 << bit) - 1


cdef inline void regionmap_set(uint64_t *root, uint64_t *leaf, uint32_t region) noexcept nogil:
    leaf[region >> 6] |= <uint64_t> 1 << (region & 63)
    root[0] |= <uint64_t> 1 << (region >> 6)


cdef inline void regionmap_clear(uint64_t *root, uint64_t *leaf, uint32_t region) noexcept nogil:
    leaf[region >> 6] &= ~(<uint64_t> 1 << (region & 63))
    if leaf[region >> 6] == 0:
        root[0] &= ~(<uint64_t> 1 << (region >> 6))


cdef inline int32_t regionmap_prev(uint64_t root, const uint64_t *leaf, uint32_t region) noexcept nogil:
    """Highest region in the map below *region*, or -1. Costs at most two word searches."""
    cdef uint32_t w = region >> 6
    cdef uint64_t word = leaf[w] & bits_below(region & 63)
    if word == 0:
        root &= bits_below(w)
        if root == 0:
            return -1
        w = highest_bit(root)
        word = leaf[w]
    return <int32_t> (w * 64 + highest_bit(word))
