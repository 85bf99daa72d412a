"""Pages of the ring buffer made by hand, and what a decoder has to find on them."""

import struct
from typing import List, NamedTuple, Sequence, Tuple, Union

from hypothesis import strategies as st

from kdiag.ftrace.event_format import PageLayout
from kdiag.ftrace.ring_buffer import Gap

LAYOUTS = tuple(
    PageLayout(long_bytes, 8 + long_bytes, data_bytes, big_endian)
    for long_bytes in (4, 8)
    for data_bytes in (64, 4088 - long_bytes)
    for big_endian in (False, True)
)


class Record(NamedTuple):
    """A record with ``words`` u32 of data after its first one; ``long``: its length is a word of its own."""

    delta: int
    type_id: int
    words: int
    long: bool = False


class Extend(NamedTuple):
    """``time_extend``: the time goes on by so much."""

    delta: int


class Stamp(NamedTuple):
    """An absolute time of 59 bits."""

    time: int


class Discarded(NamedTuple):
    """Padding where a record was, with ``words`` u32 after its length."""

    delta: int
    words: int


class Rest(NamedTuple):
    """Padding to the end of the page."""


Item = Union[Record, Extend, Stamp, Discarded, Rest]


class Page(NamedTuple):
    ts_ns: int
    items: Tuple[Item, ...]
    missed: bool = False
    missed_events: int = 0
    """0: their number is not stored."""


class Found(NamedTuple):
    times_ns: List[int]
    offsets_bytes: List[int]
    sizes_bytes: List[int]
    types: List[int]
    gaps: List[Gap]


def head(type_len: int, delta: int, layout: PageLayout) -> int:
    """Return the first word of a record."""
    return type_len << 27 | delta if layout.big_endian else delta << 5 | type_len


def encode(page: Page, layout: PageLayout, start: int, found: Found, number: int = 0) -> bytes:
    """Return the bytes of a page that begins at ``start``, and add what is on it to ``found``.

    Items that do not fit are left out.
    """
    words: List[int] = []
    ts_ns = page.ts_ns
    stored = layout.long_bytes // 4 if page.missed_events else 0
    if page.missed:
        found.gaps.append(Gap(len(found.types), number, ts_ns, page.missed_events or None))
    for item in page.items:
        new, offset, ts_ns = _words(item, ts_ns, layout)
        if len(words) + len(new) + stored > layout.data_bytes // 4:
            break
        if isinstance(item, Record):
            found.times_ns.append(ts_ns)
            found.types.append(item.type_id)
            found.offsets_bytes.append(start + layout.data_offset_bytes + (len(words) + offset) * 4)
            found.sizes_bytes.append((item.words + 1) * 4)
        words += new
        if isinstance(item, Rest):
            break
    order = ">" if layout.big_endian else "<"
    commit = len(words) * 4
    tail = b""
    if page.missed:
        # The kernel adds the bits as a negative int.
        commit += -(1 << 31)
        if page.missed_events:
            commit += 1 << 30
            tail = struct.pack(order + ("q" if layout.long_bytes == 8 else "i"), page.missed_events)
    header = struct.pack(f"{order}Q{'q' if layout.long_bytes == 8 else 'i'}", page.ts_ns, commit)
    body = header + struct.pack(f"{order}{len(words)}I", *words) + tail
    return body + bytes(layout.page_bytes - len(body))


def _words(item: Item, ts_ns: int, layout: PageLayout) -> Tuple[List[int], int, int]:
    """Return the words of an item, the word at which its data begin, and the time after it."""
    if isinstance(item, Record):
        first = item.type_id << 16 | 0x5A5A if layout.big_endian else 0x5A5A << 16 | item.type_id
        data = [first, *range(7, 7 + item.words)]
        if item.long or len(data) > 28:
            return [head(0, item.delta, layout), 4 + 4 * len(data), *data], 2, ts_ns + item.delta
        return [head(len(data), item.delta, layout), *data], 1, ts_ns + item.delta
    if isinstance(item, Extend):
        return [head(30, item.delta & 0x7FFFFFF, layout), item.delta >> 27], 0, ts_ns + item.delta
    if isinstance(item, Stamp):
        time = item.time | (ts_ns & 0xF8 << 56)
        if ts_ns & 0xF8 << 56 and time < ts_ns:
            time += 1 << 59
        return [head(31, item.time & 0x7FFFFFF, layout), item.time >> 27], 0, time
    if isinstance(item, Discarded):
        after = ts_ns + (item.delta if item.delta > 1 else 0)
        return [head(29, item.delta, layout), 4 + 4 * item.words, *range(item.words)], 0, after
    return [head(29, 0, layout)], 0, ts_ns


def encode_all(pages: Sequence[Page], layout: PageLayout) -> Tuple[bytes, Found]:
    """Return pages one after the other, and what is on them."""
    found = Found([], [], [], [], [])
    data = b""
    for number, page in enumerate(pages):
        data += encode(page, layout, len(data), found, number)
    return data, found


_DELTAS = st.one_of(st.integers(0, 3), st.integers(0, (1 << 27) - 1))
_TYPES = st.integers(0, 0xFFFF)
RECORDS = st.builds(Record, _DELTAS, _TYPES, st.integers(0, 27))
ITEMS = st.one_of(
    RECORDS,
    RECORDS,
    st.builds(Record, _DELTAS, _TYPES, st.integers(0, 60), st.booleans()),
    st.builds(Extend, st.integers(0, (1 << 59) - 1)),
    st.builds(Stamp, st.integers(0, (1 << 59) - 1)),
    st.builds(Discarded, st.integers(1, 5), st.integers(0, 5)),
    st.builds(Rest),
)
#: Around the time at which the top bits of an absolute time change, too.
_PAGE_TIMES = st.one_of(
    st.integers(0, 1 << 40), st.integers(0, 1 << 61), st.integers((1 << 59) - 99, (1 << 59) + 99)
)
PAGES = st.builds(
    Page,
    _PAGE_TIMES,
    st.lists(ITEMS, max_size=30).map(tuple),
    st.booleans(),
    st.one_of(st.just(0), st.integers(1, 1 << 30)),
).map(lambda page: page if page.missed else page._replace(missed_events=0))
