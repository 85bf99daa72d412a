"""Pages of ``per_cpu/cpuN/trace_pipe_raw``: the times and places of the records in them.

Laid out in include/linux/ring_buffer.h and kernel/trace/ring_buffer.c, printed in ``events/header_page`` and
``events/header_event``; read(2) returns whole pages (sub-buffers). A page is a u64 time stamp, a ``long``
called commit, and data. Commit is the length of the data; its bit 31 says that records were overwritten or
dropped before this page, its bit 30 that their number follows the data as another ``long``, if there was room
for it.

A record begins with a u32: 5 bits ``type_len`` (the low ones on little endian, the high ones on big endian)
and 27 bits of time since the record before.

========  ==========================================================================================
type_len  meaning
========  ==========================================================================================
1..28     data of 4 x type_len bytes follows
0         a u32 with the length of itself and the data follows, then the data
29        padding: with no time, to the end of the page; else a discarded record of 4 + u32 bytes
30        the time goes on by the 27 bits and the u32 << 27
31        the time becomes that: 59 bits, the top 5 are those of the time before (they may wrap)
========  ==========================================================================================

Traps. Bits 31 and 30 are added as an ``int``: a 64-bit commit has all its high bits set then. A discarded
record's time counts for those after it, but 1 stands for 0 (rb_event_discard()). A page that does not add up
is not used at all: where the walk went wrong cannot be known. :mod:`kdiag.ftrace.ring_buffer_numpy` does the
same faster.
"""

import struct
from typing import List, Optional, Sequence, Tuple

from kdiag.ftrace.event_format import PageLayout
from kdiag.records import NamedTuple

__all__ = ["Columns", "Gap", "PageHeader", "absolute_time", "decode", "page_header"]

MISSED_EVENTS = 1 << 31
MISSED_STORED = 1 << 30
DATA_MAX, LONG_DATA, PADDING, TIME_EXTEND, TIME_STAMP = 28, 0, 29, 30, 31
TIME_BITS = 27
#: An absolute time has 59 bits.
TOP_BITS = 0xF8 << 56
DOES_NOT_ADD_UP = "its records do not add up to the length in its header"


class Gap(NamedTuple):
    """Records are missing before that of the index ``before`` (which may be one after the last).

    ``events`` is their number, ``None`` where it is not known. ``why`` is empty where the kernel itself says
    that it dropped them, else what is wrong with the page. ``ts_ns`` is the time of the page.
    """

    before: int
    page: int
    ts_ns: int
    events: Optional[int]
    why: str = ""


class Columns(NamedTuple):
    """Records in the order of the pages: four columns of equal length (lists, or numpy's arrays).

    Times are nanoseconds of the trace clock (counts, for the clocks ``counter`` and ``x86-tsc``).
    ``offsets_bytes`` says where a record's own data begin in the bytes given, ``sizes_bytes`` how many there
    are (rounded up to 4), ``types`` the id of its format.
    """

    times_ns: Sequence[int]
    offsets_bytes: Sequence[int]
    sizes_bytes: Sequence[int]
    types: Sequence[int]
    gaps: Tuple[Gap, ...] = ()


def decode(data: bytes, layout: PageLayout) -> Columns:
    """Walk all pages in ``data``, one after the other; never raises: what cannot be read becomes a gap."""
    columns: _Lists = ([], [], [], [])
    gaps: List[Gap] = []
    order, walk = (">", _walk_big) if layout.big_endian else ("<", _walk_little)
    for page, start in enumerate(range(0, len(data), layout.page_bytes)):
        first = len(columns[0])
        header = page_header(data, start, layout)
        if header.missed:
            gaps.append(Gap(first, page, header.ts_ns, header.missed_events))
        begin = start + layout.data_offset_bytes
        words = (
            struct.unpack_from(f"{order}{header.length_bytes // 4}I", data, begin)
            if begin < len(data)
            else ()
        )
        at = walk(words, header.ts_ns, begin, columns)
        wrong = header.wrong
        if header.cut_off and at < _NOWHERE:
            if len(columns[0]) > first and columns[1][-1] + columns[2][-1] > begin + 4 * len(words):
                _cut(columns, len(columns[0]) - 1)  # the last record is not there in full
        elif wrong or at != len(words):
            wrong = wrong or DOES_NOT_ADD_UP
            _cut(columns, first)
        if wrong:
            gaps.append(Gap(len(columns[0]), page, header.ts_ns, None, wrong))
    return Columns(*columns, tuple(gaps))


class PageHeader(NamedTuple):
    """A page's time, how much data can be walked, and what was missed before it.

    ``wrong`` says what is wrong with the page; with ``cut_off`` what is there of it can be used all the same.
    """

    ts_ns: int
    length_bytes: int
    missed: bool
    missed_events: Optional[int]
    wrong: str
    cut_off: bool


def page_header(data: bytes, start: int, layout: PageLayout) -> PageHeader:
    """Read the header of the page that begins at ``start``."""
    order, long_code = ">" if layout.big_endian else "<", "Q" if layout.long_bytes == 8 else "I"
    here = len(data) - start - layout.data_offset_bytes
    if here < 0:
        wrong = f"cut off after {len(data) - start} bytes of {layout.page_bytes}, in its header"
        return PageHeader(0, 0, False, None, wrong, True)
    ts_ns, commit = struct.unpack_from(f"{order}Q{long_code}", data, start)
    length = commit & (MISSED_STORED - 1)
    if length > layout.data_bytes or length % 4:
        wrong = f"says that it has {length} bytes of data: more than {layout.data_bytes}, or no multiple of 4"
        return PageHeader(ts_ns, 0, False, None, wrong, False)
    events = None
    if commit & MISSED_STORED and length + layout.long_bytes <= min(here, layout.data_bytes):
        at = start + layout.data_offset_bytes + length
        (count,) = struct.unpack_from(order + long_code, data, at)
        events = count if 0 < count < 1 << 8 * layout.long_bytes - 1 else None
    wrong, cut_off = "", here < length
    if cut_off:
        wrong, length = f"cut off after {here} bytes of {length} of its data", here // 4 * 4
    return PageHeader(ts_ns, length, bool(commit & MISSED_EVENTS), events, wrong, cut_off)


_Lists = Tuple[List[int], List[int], List[int], List[int]]
#: Where a walk ends that found a length which cannot be.
_NOWHERE = 1 << 40
#: The same for a header that is not there in full: nothing was added for it.
_HEADER_CUT = -1


def _cut(columns: _Lists, length: int) -> None:
    for column in columns:
        del column[length:]


def _walk_little(words: Tuple[int, ...], ts_ns: int, start: int, columns: _Lists) -> int:
    """Add the records of one page to the columns; return the word after the last one, ``_NOWHERE`` if
    lost."""
    add_time, add_offset, add_size, add_type = (column.append for column in columns)
    at, end = 0, len(words)
    try:
        while at < end:
            head = words[at]
            type_len = head & 31
            if 0 < type_len < 29:
                ts_ns += head >> 5
                at += 1
                add_type(words[at] & 0xFFFF)
                add_time(ts_ns)
                add_offset(start + at * 4)
                add_size(type_len * 4)
                at += type_len
            else:
                at, ts_ns = _step(words, at, ts_ns, start, (type_len, head >> 5, 0), columns)
    except IndexError:
        return _HEADER_CUT
    return at


def _walk_big(words: Tuple[int, ...], ts_ns: int, start: int, columns: _Lists) -> int:
    """Do the same where the bits lie the other way round."""
    add_time, add_offset, add_size, add_type = (column.append for column in columns)
    at, end = 0, len(words)
    try:
        while at < end:
            head = words[at]
            type_len = head >> 27
            if 0 < type_len < 29:
                ts_ns += head & 0x7FFFFFF
                at += 1
                add_type(words[at] >> 16)
                add_time(ts_ns)
                add_offset(start + at * 4)
                add_size(type_len * 4)
                at += type_len
            else:
                at, ts_ns = _step(words, at, ts_ns, start, (type_len, head & 0x7FFFFFF, 16), columns)
    except IndexError:
        return _HEADER_CUT
    return at


def _step(
    words: Tuple[int, ...], at: int, ts_ns: int, start: int, head: Tuple[int, int, int], columns: _Lists
) -> Tuple[int, int]:
    """Deal with a header that is not that of a plain record; return where to go on, and the time there."""
    type_len, delta, id_shift = head
    if type_len == PADDING and not delta:
        return len(words), ts_ns
    word = words[at + 1]
    if type_len == TIME_EXTEND:
        return at + 2, ts_ns + delta + (word << TIME_BITS)
    if type_len == TIME_STAMP:
        return at + 2, absolute_time(delta + (word << TIME_BITS), ts_ns)
    length = (word + 3) // 4
    if type_len == PADDING:
        return (at + 1 + length, ts_ns + (delta if delta > 1 else 0)) if length else (_NOWHERE, ts_ns)
    if length < 2:
        return _NOWHERE, ts_ns
    times, offsets, sizes, types = columns
    types.append(words[at + 2] >> id_shift & 0xFFFF)
    times.append(ts_ns + delta)
    offsets.append(start + at * 4 + 8)
    sizes.append(length * 4 - 4)
    return at + 1 + length, ts_ns + delta


def absolute_time(time_ns: int, before_ns: int) -> int:
    """Complete a time of 59 bits with the top bits of the time before it (rb_fix_abs_ts(), which see).

    >>> hex(absolute_time(0x10, 0x0FFF_FFFF_FFFF_FFF0))
    '0x1000000000000010'
    """
    if before_ns & TOP_BITS:
        time_ns |= before_ns & TOP_BITS
        if time_ns < before_ns:
            time_ns += 1 << 59
    return time_ns
