"""Kernels that read text formats: numbers and words out of byte buffers of ARPA and count files.

`_parse_ngrams` returns where it stopped and why; row r of its output belongs to line `line_of[r]`, counted
from the first line of the buffer. Words come out as spans of bytes, which the text kernels look up.
"""

from __future__ import annotations

import numpy as np

from lmmix.parallel import kernel

# Why parsing stopped.
END_OF_DATA, SECTION, BAD_NUMBER, WRONG_WORDS, BAD_COUNT, TOO_LONG = range(6)

LARGEST_COUNT = 2**31 - 1

POWERS = 10.0 ** np.arange(23)

TAB, NEWLINE, SPACE, MINUS, PLUS, POINT, ZERO, BACKSLASH = 9, 10, 32, 45, 43, 46, 48, 92


@kernel("b1(u1)")
def _is_space(byte):
    return byte == SPACE or (TAB <= byte <= 13) or byte == 0


@kernel("i8(u1[::1], i8)")
def _skip_blanks(data, at):
    """The next place from `at` on that is no white space or is a line end."""
    place = np.uint64(at)
    while data[place] <= SPACE and data[place] != NEWLINE and _is_space(data[place]):
        place += np.uint64(1)
    return np.int64(place)


@kernel("i8(u1[::1], i8)")
def _token_end(data, at):
    place = np.uint64(at)
    while data[place] > SPACE or not _is_space(data[place]):
        place += np.uint64(1)
    return np.int64(place)


@kernel("b1(u1[::1], i8, i8, i8, i8, i8)")
def _spells(data, lo, hi, a, b, c):
    """Whether the three letters at lo…hi are those with the given lower-case codes."""
    return hi - lo == 3 and (data[lo] | 32) == a and (data[lo + 1] | 32) == b and (data[lo + 2] | 32) == c


@kernel("Tuple((f8, b1))(u1[::1], i8, i8)")
def _parse_number(data, lo, hi):
    """(value, whether data[lo:hi] is a number); `inf` is a number, and so is `nan`, for the caller to judge."""
    sign = 1.0
    at = lo
    if at < hi and (data[at] == MINUS or data[at] == PLUS):
        sign = -1.0 if data[at] == MINUS else 1.0
        at += 1
    if _spells(data, at, hi, 105, 110, 102):
        return sign * np.inf, True
    if _spells(data, at, hi, 110, 97, 110):
        return np.nan, True
    mantissa = np.int64(0)
    exponent = 0
    digits = 0
    point = False
    while at < hi:
        byte = data[np.uint64(at)]
        if ZERO <= byte <= ZERO + 9:
            digits += 1
            if mantissa < 10**17:
                mantissa = mantissa * 10 + (byte - ZERO)
                exponent -= point
            else:
                exponent += not point
        elif byte == POINT and not point:
            point = True
        elif byte == POINT:
            return 0.0, False
        else:
            break
        at += 1
    if digits == 0:
        return 0.0, False
    if at < hi and (data[at] | 32) == 101:
        at += 1
        negative = at < hi and data[at] == MINUS
        if at < hi and (data[at] == MINUS or data[at] == PLUS):
            at += 1
        if at == hi:
            return 0.0, False
        power = 0
        while at < hi and ZERO <= data[at] <= ZERO + 9:
            power = min(power * 10 + (data[at] - ZERO), 9999)
            at += 1
        exponent += -power if negative else power
    if at != hi:
        return 0.0, False
    if mantissa == 0:
        return sign * 0.0, True
    # Powers of ten up to 22 are exact in float64, so the usual case is correctly rounded.
    if -POWERS.size < exponent <= 0:
        return sign * (mantissa / POWERS[np.uint64(-exponent)]), True
    if exponent < 0:
        return sign * (mantissa / 10.0**-exponent), True
    return sign * (mantissa * 10.0**exponent), True


@kernel("Tuple((i8, i8, i8, i8))(u1[::1], i8, i8, i8[:, ::1], i8[:, ::1], f8[::1], f8[::1], i4[::1])")
def _parse_ngrams(data, at, order, word_lo, word_hi, log10p, log10bow, line_of):
    """Parse lines `log10p w1 … wn [log10bow]` until data ends or a line starts with a backslash.

    Returns (why it stopped, where, rows, lines passed). A missing back-off is nan, a back-off that reads nan is
    inf. On an error, the place is the start of the bad line.
    """
    row = 0
    line = 0
    while at < data.size:
        start = at
        at = _skip_blanks(data, at)
        if data[at] == NEWLINE:
            at += 1
            line += 1
            continue
        if data[at] == BACKSLASH:
            return SECTION, start, row, line
        end = _token_end(data, at)
        value, good = _parse_number(data, at, end)
        if not good:
            return BAD_NUMBER, start, row, line
        log10p[row] = value
        for k in range(order):
            at = _skip_blanks(data, end)
            end = _token_end(data, at)
            if at == end:
                return WRONG_WORDS, start, row, line
            word_lo[row, k] = at
            word_hi[row, k] = end
        at = _skip_blanks(data, end)
        log10bow[row] = np.nan
        if data[at] != NEWLINE:
            end = _token_end(data, at)
            value, good = _parse_number(data, at, end)
            at = _skip_blanks(data, end)
            if not good or data[at] != NEWLINE:
                return WRONG_WORDS, start, row, line
            log10bow[row] = np.inf if np.isnan(value) else value
        line_of[row] = line
        row += 1
        line += 1
        at += 1
    return END_OF_DATA, at, row, line


@kernel("Tuple((i8, i8, i8, i8))(u1[::1], i8, i8[::1], i8[::1], i8[::1], f8[::1], i8[::1])")
def _parse_counts(data, order, lo, hi, first, count, line_of):
    """Parse lines `w1 … wn count` with n ≤ order; the words of row r are the spans first[r] … first[r + 1].

    Returns (why it stopped, rows, words, line). On an error, the line is the bad one.
    """
    at = 0
    row = 0
    words = 0
    line = 0
    first[0] = 0
    while at < data.size:
        at = _skip_blanks(data, at)
        while data[at] != NEWLINE:
            lo[words] = at
            at = _token_end(data, at)
            hi[words] = at
            words += 1
            at = _skip_blanks(data, at)
        at += 1
        found = words - first[row]
        if found > 0:
            words -= 1
            if found == 1:
                return WRONG_WORDS, row, words, line
            if found > order + 1:
                return TOO_LONG, row, words, line
            value, good = _parse_number(data, lo[words], hi[words])
            if not good:
                return BAD_NUMBER, row, words, line
            if not 0.0 <= value <= LARGEST_COUNT:
                return BAD_COUNT, row, words, line
            count[row] = value
            line_of[row] = line
            row += 1
            first[row] = words
        line += 1
    return END_OF_DATA, row, words, line
