import struct
from typing import List, Optional, Tuple

from kdiag.ftrace.event import Event, Lost
from kdiag.ftrace.event_format import EventFormat, Field, PageLayout
from kdiag.ftrace.events import EventReader, Rounds, live, recorded
from tests.ftrace.pages import head

LAYOUT = PageLayout(8, 16, 4080, big_endian=False)
MARK, STACK, USER, OTHER = 7, 4, 12, 99
COMMON = (Field("common_pid", "int", 4, 4, True, "integer", None, 4),)
FORMATS = (
    EventFormat("some", "mark", MARK, COMMON, (Field("n", "int", 8, 4, True, "integer", None, 4),)),
    EventFormat(
        "ftrace",
        "kernel_stack",
        STACK,
        COMMON,
        (
            Field("size", "int", 8, 4, True, "integer", None, 4),
            Field("caller", "unsigned long[8]", 16, 64, False, "rest", None, 8),
        ),
    ),
    EventFormat(
        "ftrace",
        "user_stack",
        USER,
        COMMON,
        (Field("caller", "unsigned long[8]", 16, 64, False, "array", 8, 8),),
    ),
)
HARDIRQ = 0x08


def record(type_id: int, body: bytes, flags: int = 0, pid: int = 1) -> bytes:
    return struct.pack("<HBBi", type_id, flags, 0, pid) + body


def mark(n: int, flags: int = 0, pid: int = 1) -> bytes:
    return record(MARK, struct.pack("<i", n), flags, pid)


def stack(*addresses: int, flags: int = 0, pid: int = 1) -> bytes:
    return record(STACK, struct.pack(f"<ii{len(addresses)}Q", len(addresses), 0, *addresses), flags, pid)


def user_stack(*addresses: int) -> bytes:
    return record(USER, struct.pack("<q8Q", 0, *addresses, *[0] * (8 - len(addresses))))


def page(ts_ns: int, *records: bytes, commit: int = 0) -> bytes:
    """Return a page with records one nanosecond apart."""
    data = b""
    for each in records:
        if len(each) > 112:
            data += struct.pack("<II", head(0, 1, LAYOUT), len(each) + 4) + each
        else:
            data += struct.pack("<I", head(len(each) // 4, 1, LAYOUT)) + each
    return (struct.pack("<QQ", ts_ns, len(data) | commit) + data).ljust(4096, b"\0")


def reader() -> EventReader:
    return EventReader(FORMATS, LAYOUT)


Short = Tuple[int, int, Optional[int], Optional[Tuple[int, ...]]]


def short(items: "List[Event | Lost]") -> List[Short]:
    return [
        (each.ts_ns, each.cpu, each.fields["n"], each.stack)
        if isinstance(each, Event)
        else (each.ts_ns, each.cpu, each.events, None)
        for each in items
    ]


def test_a_stack_belongs_to_the_event_before_it() -> None:
    found = list(recorded(reader(), {0: [page(0, mark(1), stack(0xA, 0xB), mark(2), mark(3), stack(0xC))]}))
    assert short(found) == [(1, 0, 1, (0xA, 0xB)), (3, 0, 2, None), (4, 0, 3, (0xC,))]


def test_a_stack_may_have_more_functions_than_its_format_says() -> None:
    addresses = tuple(range(1, 25))
    (found,) = recorded(reader(), {0: [page(0, mark(1), stack(*addresses))]})
    assert isinstance(found, Event)
    assert found.stack == addresses


def test_events_of_an_interrupt_between_an_event_and_its_stack_keep_their_own() -> None:
    records = [mark(1), mark(2, HARDIRQ), stack(0x2, flags=HARDIRQ), mark(3, HARDIRQ), stack(0x1)]
    found = list(recorded(reader(), {0: [page(0, *records)]}))
    assert short(found) == [(1, 0, 1, (0x1,)), (2, 0, 2, (0x2,)), (4, 0, 3, None)]


def test_a_stack_whose_event_has_no_known_format_is_nobodys() -> None:
    each = reader()
    found = list(recorded(each, {0: [page(0, mark(1), record(OTHER, b"body"), stack(0x9), mark(2))]}))
    assert short(found) == [(1, 0, 1, None), (4, 0, 2, None)]
    assert each.unknown_types == {OTHER: 1}


def test_a_stack_without_an_event_is_counted() -> None:
    each = reader()
    assert list(recorded(each, {0: [page(0, stack(0x9))]})) == []
    assert each.orphan_stacks == 1


def test_the_programs_stack_and_the_kernels_belong_to_one_event() -> None:
    (found,) = recorded(reader(), {0: [page(0, mark(1), stack(0xA), user_stack(0xB, 0xC))]})
    assert isinstance(found, Event)
    assert (found.stack, found.user_stack) == ((0xA,), (0xB, 0xC))


def test_a_stack_on_the_next_page_is_found() -> None:
    found = list(recorded(reader(), {0: [page(0, mark(1)), page(10, stack(0xA), mark(2))]}))
    assert short(found) == [(1, 0, 1, (0xA,)), (12, 0, 2, None)]


def test_cpus_are_merged_by_time() -> None:
    cpus = {0: [page(10, mark(1)), page(40, mark(4))], 1: [page(20, mark(2), mark(3))]}
    assert [each[2] for each in short(list(recorded(reader(), cpus)))] == [1, 2, 3, 4]


def test_lost_events_come_before_the_page_and_end_what_was_held() -> None:
    commit = 1 << 31
    found = list(recorded(reader(), {3: [page(0, mark(1)), page(10, stack(0xA), mark(2), commit=commit)]}))
    assert short(found) == [(1, 3, 1, None), (10, 3, None, None), (12, 3, 2, None)]
    assert found[1] == Lost(10, 3, None)


def test_a_broken_page_is_a_loss_that_says_why() -> None:
    broken = page(1 << 60, mark(2))[:-4080] + b"\0" * 4080
    found = list(recorded(reader(), {0: [page(0, mark(1)), broken, page(20, mark(3))]}))
    assert [each[2] for each in short(found)] == [1, None, 3]
    assert isinstance(found[1], Lost)
    assert found[1].why == "page 0: its records do not add up to the length in its header"


def test_a_record_shorter_than_its_format_is_a_loss() -> None:
    found = list(recorded(reader(), {0: [page(0, record(MARK, b""), mark(2))]}))
    assert found[0] == Lost(1, 0, 1, "a record of some:mark has 8 bytes, its format needs 12")
    assert short(found)[1] == (2, 0, 2, None)


def test_what_a_round_shows_goes_out_when_the_next_one_ends() -> None:
    rounds = Rounds()
    each = reader()
    rounds.add([*each.read(0, page(10, mark(1))), *each.finish(0)])
    assert rounds.end() == []
    # CPU 1 had been written to before, and was read late.
    rounds.add([*each.read(1, page(5, mark(0))), *each.finish(1)])
    rounds.add([*each.read(0, page(20, mark(2))), *each.finish(0)])
    assert [event[2] for event in short(rounds.end())] == [0, 1]
    assert [event[2] for event in short(rounds.rest())] == [2]
    assert rounds.late == 0


def test_live_reading_merges_cpus_and_waits_for_stacks() -> None:
    chunks: List[Optional[Tuple[int, bytes]]] = [
        (0, page(10, mark(1))),
        None,
        (0, page(20, stack(0xA), mark(3))),
        (1, page(15, mark(2))),
        None,
        None,
        (1, page(30, mark(4))),
    ]
    found = list(live(reader(), chunks))
    assert short(found) == [(11, 0, 1, (0xA,)), (16, 1, 2, None), (22, 0, 3, None), (31, 1, 4, None)]


def test_what_comes_too_late_is_counted_and_not_dropped() -> None:
    rounds = Rounds()
    each = reader()
    rounds.add([*each.read(0, page(10, mark(1))), *each.finish(0)])
    rounds.end()
    rounds.end()
    rounds.add([*each.read(1, page(2, mark(0))), *each.finish(1)])
    assert short(rounds.end()) == [(3, 1, 0, None)]
    assert rounds.late == 1


def test_big_endian_records_are_read() -> None:
    layout = LAYOUT._replace(big_endian=True)
    data = struct.pack(">HBBii", MARK, 0, 0, 77, -5)
    body = struct.pack(">I", head(3, 4, layout)) + data
    whole = (struct.pack(">QQ", 100, len(body)) + body).ljust(4096, b"\0")
    (found,) = recorded(EventReader(FORMATS, layout), {0: [whole]})
    assert isinstance(found, Event)
    assert (found.ts_ns, found.pid, found.fields["n"]) == (104, 77, -5)
