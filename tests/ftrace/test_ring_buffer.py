import struct
from typing import Any, Callable, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdiag.ftrace import ring_buffer, ring_buffer_numpy
from kdiag.ftrace.event_format import PageLayout
from kdiag.ftrace.ring_buffer import Columns, Gap
from tests.ftrace.pages import LAYOUTS, PAGES, Discarded, Extend, Page, Record, Rest, Stamp, encode_all

PC = PageLayout(8, 16, 4080, big_endian=False)
Decode = Callable[[bytes, PageLayout], Columns]
BOTH = pytest.mark.parametrize(
    "decode", [ring_buffer.decode, ring_buffer_numpy.decode], ids=["pure", "numpy"]
)


def lists(columns: Columns) -> Tuple[List[Any], ...]:
    return (*([int(each) for each in column] for column in columns[:4]), list(columns.gaps))


@BOTH
def test_records_are_found_with_their_times_places_and_types(decode: Decode) -> None:
    data, _ = encode_all([Page(1000, (Record(5, 24, 15), Record(7, 25, 5)))], PC)
    found = decode(data, PC)
    assert lists(found) == ([1005, 1012], [20, 88], [64, 24], [24, 25], [])


@BOTH
def test_time_goes_on_by_extends_and_jumps_by_absolute_times(decode: Decode) -> None:
    items = (Record(1, 1, 1), Extend(1 << 40), Record(0, 1, 1), Stamp(1 << 45), Record(3, 1, 1))
    data, _ = encode_all([Page(10, items)], PC)
    assert lists(decode(data, PC))[0] == [11, 11 + (1 << 40), (1 << 45) + 3]


@BOTH
def test_discarded_records_and_the_padding_at_the_end_are_no_records(decode: Decode) -> None:
    items = (Record(1, 1, 1), Discarded(50, 3), Record(1, 2, 1), Discarded(1, 1), Record(1, 3, 1), Rest())
    data, _ = encode_all([Page(0, items)], PC)
    found = lists(decode(data, PC))
    # The time of a discarded record counts for those after it; 1 stands for none.
    assert (found[0], found[3], found[4]) == ([1, 52, 53], [1, 2, 3], [])


@BOTH
def test_missed_events_are_told_with_their_number_where_it_is_stored(decode: Decode) -> None:
    one = (Record(1, 1, 1),)
    pages = [Page(10, one), Page(20, one, True, 715), Page(30, one, True), Page(40, ())]
    data, _ = encode_all(pages, PC)
    assert decode(data, PC).gaps == (Gap(1, 1, 20, 715), Gap(2, 2, 30, None))


@BOTH
def test_a_missed_number_that_cannot_be_is_none(decode: Decode) -> None:
    commit = (-(1 << 31) + (1 << 30)) & (1 << 64) - 1
    for number in (0, (1 << 64) - 1):
        data = struct.pack("<QQQ", 5, commit, number).ljust(4096, b"\0")
        assert decode(data, PC).gaps == (Gap(0, 0, 5, None),)


@BOTH
def test_records_need_the_room_of_their_sub_buffer(decode: Decode) -> None:
    large = PageLayout(8, 16, 65520, big_endian=False)
    data, found = encode_all([Page(0, (Record(1, 1, 9000), *[Record(2, 2, 20)] * 300))] * 2, large)
    assert len(found.types) == 602
    assert lists(decode(data, large)) == tuple(found)


@BOTH
def test_nothing_is_found_on_nothing(decode: Decode) -> None:
    assert lists(decode(b"", PC)) == ([], [], [], [], [])
    assert lists(decode(bytes(4096), PC)) == ([], [], [], [], [])


@BOTH
def test_a_page_that_does_not_add_up_is_not_used_and_the_others_are(decode: Decode) -> None:
    good = Page(7, (Record(1, 1, 1), Record(1, 2, 1)))
    page, _ = encode_all([good], PC)
    length = len(page) and struct.unpack_from("<Q", page, 8)[0]
    short = page[:8] + struct.pack("<Q", length - 4) + page[16:]
    found = lists(decode(page + short + page, PC))
    assert found[3] == [1, 2, 1, 2]
    assert found[4] == [Gap(2, 1, 7, None, "its records do not add up to the length in its header")]


@BOTH
@pytest.mark.parametrize("length", [4081, 4084, 1 << 29, 6])
def test_a_length_that_cannot_be_is_said(decode: Decode, length: int) -> None:
    data = struct.pack("<QQ", 9, length).ljust(4096, b"\1")
    (gap,) = decode(data, PC).gaps
    assert gap == Gap(
        0, 0, 9, None, f"says that it has {length} bytes of data: more than 4080, or no multiple of 4"
    )


@BOTH
@pytest.mark.parametrize("words", [[0, 0], [0, 4], [29 | 1 << 5, 0], [30], [0], [1], [31]])
def test_a_length_of_nothing_or_a_header_alone_never_ends_in_a_loop(decode: Decode, words: List[int]) -> None:
    data = struct.pack(f"<QQ{len(words)}I", 9, 4 * len(words), *words).ljust(4096, b"\0")
    found = lists(decode(data, PC))
    assert found[3] == []
    assert found[4] == [Gap(0, 0, 9, None, ring_buffer.DOES_NOT_ADD_UP)]


@BOTH
def test_a_capture_cut_off_gives_the_whole_records_before_the_cut(decode: Decode) -> None:
    data, found = encode_all([Page(0, tuple(Record(1, number, 3) for number in range(9)))] * 2, PC)
    for cut in range(1, len(data)):
        times, offsets, sizes, types, gaps = lists(decode(data[:cut], PC))
        whole = [index for index, offset in enumerate(found.offsets_bytes) if offset + 16 <= cut]
        assert types == [found.types[index] for index in whole]
        assert len(times) == len(offsets) == len(sizes) == len(types)
        (gap,) = [each for each in gaps if each.why] or [None]
        used = 16 + 9 * 20
        assert (gap is not None) == (cut % 4096 != 0 and cut % 4096 < used)
        assert gap is None or (gap.page == cut // 4096 and "cut off after" in gap.why)


@BOTH
def test_a_cut_in_a_discarded_record_takes_no_record_from_the_page_before(decode: Decode) -> None:
    data, found = encode_all([Page(0, (Record(1, 7, 1),)), Page(0, (Discarded(2, 3),))], PC)
    for words in range(1, 4):
        assert lists(decode(data[: 4096 + 16 + 4 * words], PC))[3] == found.types == [7]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@BOTH
def test_whatever_the_pages_hold_is_found(decode: Decode, layout: PageLayout) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(PAGES, max_size=6))
    def holds(pages: List[Page]) -> None:
        data, found = encode_all(pages, layout)
        assert lists(decode(data, layout)) == tuple(found)

    holds()


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_both_decoders_agree_on_damaged_pages(layout: PageLayout) -> None:
    @settings(max_examples=100, deadline=None)
    @given(st.lists(PAGES, min_size=1, max_size=4), st.data())
    def agree(pages: List[Page], data: st.DataObject) -> None:
        intact, _ = encode_all(pages, layout)
        damaged = bytearray(intact)
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(damaged) - 1))
            damaged[at] = data.draw(st.integers(0, 255))
        cut = data.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged))))
        both = [
            lists(each(bytes(damaged[:cut]), layout))
            for each in (ring_buffer.decode, ring_buffer_numpy.decode)
        ]
        assert both[0] == both[1]

    agree()


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_both_decoders_agree_on_noise(layout: PageLayout) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=600), st.integers(0, layout.data_bytes // 4))
    def agree(noise: bytes, length: int) -> None:
        order = ">" if layout.big_endian else "<"
        header = struct.pack(f"{order}Q{'Q' if layout.long_bytes == 8 else 'I'}", 5, length * 4)
        data = (header + noise).ljust(layout.page_bytes, b"\x21")
        both = [lists(each(data, layout)) for each in (ring_buffer.decode, ring_buffer_numpy.decode)]
        assert both[0] == both[1]

    agree()


def test_numpy_walks_more_pages_than_fit_into_one_batch() -> None:
    pages = [Page(number, (Record(1, number % 999, number % 7),) * (number % 5)) for number in range(5000)]
    data, found = encode_all(pages, LAYOUTS[0])
    assert lists(ring_buffer_numpy.decode(data, LAYOUTS[0])) == tuple(found)
