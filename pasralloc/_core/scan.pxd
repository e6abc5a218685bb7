"""Scanning of text between two pointers; nothing is read at or beyond the second."""

from libc.stddef cimport size_t
from libc.stdint cimport UINT64_MAX, int8_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp


cdef inline bint is_blank(char c) noexcept nogil:
    return c == c' ' or c == c'\t'


cdef inline bint is_digit(char c) noexcept nogil:
    return c'0' <= c <= c'9'


cdef inline bint is_word(char c) noexcept nogil:
    return c'a' <= c <= c'z' or c == c'_' or is_digit(c) or c'A' <= c <= c'Z'


cdef inline bint matches(const char *text, size_t length, const char *name, size_t name_length) noexcept nogil:
    return length == name_length and memcmp(text, name, name_length) == 0


cdef inline bint starts_with(const char **at, const char *end, const char *text, size_t length) noexcept nogil:
    if <size_t> (end - at[0]) < length or memcmp(at[0], text, length) != 0:
        return False
    at[0] += length
    return True


cdef inline bint read_number(const char **at, const char *end, bint bare_is_hex, uint64_t *value) noexcept nogil:
    """Read an unsigned number, hexadecimal after 0x; False if there is none or it needs over 64 bits."""
    cdef const char *p = at[0]
    cdef uint64_t number = 0
    cdef uint32_t digit
    cdef const char *first
    if end - p > 2 and p[0] == c'0' and p[1] == c'x':
        p += 2
        bare_is_hex = True
    first = p
    if bare_is_hex:
        while p < end:
            digit = <uint8_t> p[0] - c'0'
            if digit > 9:
                digit = (<uint8_t> p[0] | 32) - c'a'
                if digit > 5:
                    break
                digit += 10
            if number >> 60:
                return False
            number = number << 4 | digit
            p += 1
    else:
        while p < end and is_digit(p[0]):
            digit = <uint8_t> p[0] - c'0'
            if number > (UINT64_MAX - digit) // 10:
                return False
            number = number * 10 + digit
            p += 1
    at[0] = p
    value[0] = number
    return p != first


cdef inline bint read_small(const char **at, const char *end, int8_t *value) noexcept nogil:
    """Read a signed number that fits eight bits."""
    cdef uint64_t number = 0
    cdef bint negative = at[0] < end and at[0][0] == c'-'
    if negative:
        at[0] += 1
    if not read_number(at, end, False, &number) or number > 127:
        return False
    value[0] = -<int8_t> number if negative else <int8_t> number
    return True


cdef inline const char *skip_value(const char *p, const char *end) noexcept nogil:
    while p < end and not is_blank(p[0]):
        p += 1
    return p


cdef inline const char *trim_right(const char *start, const char *end) noexcept nogil:
    while end > start and is_blank((end - 1)[0]):
        end -= 1
    return end


cdef inline const char *token_start(const char *start, const char *end) noexcept nogil:
    """Start of the run of non-blanks that ends at *end*."""
    while end > start and not is_blank((end - 1)[0]):
        end -= 1
    return end
