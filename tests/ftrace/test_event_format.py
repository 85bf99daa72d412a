import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kdiag.ftrace.event_format import BadFormat, Field, PageLayout, argument, parse_format, parse_header_page
from tests.ftrace.captures import CAPTURES, formats, read

COMMON = """\
name: thing
ID: 7
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

"""


def field(declaration: str, offset: int = 8, size: int = 8, signed: int = 0, long_bytes: int = 8) -> Field:
    line = f'\tfield:{declaration};\toffset:{offset};\tsize:{size};\tsigned:{signed};\n\nprint fmt: ""\n'
    event = parse_format((COMMON + line).encode(), "/t/events/some/thing/format", long_bytes)
    assert event.problems == ()
    (found,) = event.fields
    return found


@pytest.mark.parametrize(
    ("declaration", "size", "signed", "kind", "length", "element_bytes"),
    [
        ("int common", 4, 1, "integer", None, 4),
        ("const char * filename", 8, 0, "integer", None, 8),
        ("enum zone_type zone", 1, 0, "integer", None, 1),
        ("char comm[16]", 16, 0, "string", 16, 1),
        ("char comm[TASK_COMM_LEN]", 16, 0, "string", 16, 1),
        ("unsigned long args[6]", 48, 0, "array", 6, 8),
        ("u8 saddr_v6[16]", 16, 0, "array", 16, 1),
        ("unsigned char dev_addr[6]", 6, 0, "array", 6, 1),
        ("__u8 saddr[sizeof(struct sockaddr_in6)]", 28, 0, "array", 28, 1),
        ("__data_loc char[] name", 4, 1, "dynamic", None, 1),
        ("__data_loc u64[] addrs", 4, 0, "dynamic", None, 8),
        ("__data_loc unsigned int[] lengths", 4, 0, "dynamic", None, 4),
        ("__data_loc cpumask_t mask", 4, 0, "dynamic", None, 1),
        ("__rel_loc char[] name", 4, 1, "relative", None, 1),
        ("char buf[]", 0, 0, "rest", None, 1),
        ("unsigned long args[]", 0, 0, "rest", None, 8),
        ("struct in6_addr addr", 16, 0, "opaque", None, 16),
    ],
)
def test_what_a_field_holds_follows_from_its_declaration(
    declaration: str, size: int, signed: int, kind: str, length: int, element_bytes: int
) -> None:
    found = field(declaration, 8, size, signed)
    assert (found.kind, found.length, found.element_bytes) == (kind, length, element_bytes)
    assert (found.offset_bytes, found.size_bytes, found.signed) == (8, size, bool(signed))


def test_longs_and_pointers_are_as_wide_as_the_kernels() -> None:
    assert field("__data_loc unsigned long[] stack", size=4, long_bytes=4).element_bytes == 4
    assert field("__data_loc unsigned long[] stack", size=4).element_bytes == 8
    assert field("__data_loc void *[] p", size=4, long_bytes=4).element_bytes == 4
    assert field("__data_loc unsigned long long[] stack", size=4, long_bytes=4).element_bytes == 8


def test_a_stack_goes_on_to_the_end_of_its_record_whatever_its_size_says() -> None:
    text = (
        "name: kernel_stack\nID: 4\nformat:\n"
        "\tfield:int size;\toffset:8;\tsize:4;\tsigned:1;\n"
        "\tfield:unsigned long caller[8];\toffset:16;\tsize:64;\tsigned:0;\n"
    )
    event = parse_format(text.encode(), "/t/events/ftrace/kernel_stack/format")
    assert event.field("caller").kind == "rest"
    assert event.least_bytes == 12


def test_name_system_and_id_are_read() -> None:
    event = parse_format(COMMON.encode(), "/sys/kernel/tracing/events/some/thing/format")
    assert (event.full_name, event.id) == ("some:thing", 7)
    assert [each.name for each in event.common] == [
        "common_type", "common_flags", "common_preempt_count", "common_pid",
    ]  # fmt: skip


def test_a_field_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    event = parse_format(
        (COMMON + "\tfield:int a;\toffset:8;\tsize:4;\tsigned:1;\n").encode(), "events/some/thing/format"
    )
    with pytest.raises(
        BadFormat, match=re.escape("event some:thing has no field 'b' on this kernel; it has: a")
    ):
        event.field("b")


def test_a_bad_line_is_a_problem_and_the_others_survive() -> None:
    text = COMMON + "\tfield:int a;\toffset:x;\n\tfield:int b;\toffset:8;\tsize:4;\tsigned:1;\n"
    event = parse_format(text.encode(), "/t/format")
    assert [each.name for each in event.fields] == ["b"]
    assert [(each.path, each.line) for each in event.problems] == [("/t/format", 9)]


@pytest.mark.parametrize("text", [b"", b"name: x\n", b"ID: 4\n", b"\0" * 50])
def test_what_is_no_format_is_said(text: bytes) -> None:
    with pytest.raises(BadFormat, match="no name and ID of an event"):
        parse_format(text, "/t/format")


def test_every_recorded_format_is_read_whole() -> None:
    files = sorted(CAPTURES.glob("*/*formats.txt"))
    assert len(files) > 5
    for path in files:
        text = read(path.parent.name, path.name)
        found = formats(path.parent.name, path.name)
        assert len(found) == text.count(b"\nID:")
        assert sum(len(each.fields) + len(each.common) for each in found) == text.count(b"\tfield:")
        assert not [each.problems for each in found if each.problems]


def test_the_page_layout_is_read() -> None:
    text = read("6.12-retval", "raw.header_page.txt")
    assert parse_header_page(text, big_endian=False) == PageLayout(8, 16, 4080, False)
    assert parse_header_page(text, big_endian=True).page_bytes == 4096


def test_the_page_layout_of_a_32_bit_kernel_is_read() -> None:
    text = (
        b"\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
        b"\tfield: local_t commit;\toffset:8;\tsize:4;\tsigned:1;\n"
        b"\tfield: char data;\toffset:12;\tsize:4084;\tsigned:0;\n"
    )
    assert parse_header_page(text, big_endian=True) == PageLayout(4, 12, 4084, True)


@pytest.mark.parametrize(
    ("old", "new"), [(b"commit", b"omit"), (b"size:4080", b"size:3"), (b"offset:8", b"offset:9")]
)
def test_a_page_layout_that_cannot_be_is_refused(old: bytes, new: bytes) -> None:
    text = read("6.12-retval", "raw.header_page.txt").replace(old, new)
    with pytest.raises(BadFormat, match="a page header with timestamp, commit and data was expected"):
        parse_header_page(text)


def test_arguments_of_system_calls_are_as_their_c_type_has_them() -> None:
    def as_type(c_type: str, value: int) -> int:
        return argument(Field("x", c_type, 16, 8, False, "integer", None, 8), value)

    assert as_type("int", 0xFFFFFF9C) == -100
    assert as_type("int", 0xFFFFFFFFFFFFFF9C) == -100
    assert as_type("const clockid_t", 0xFFFFFFFA) == -6
    assert as_type("unsigned int", 0xABCD_0000_0001) == 1
    assert as_type("long", 0xFFFFFFFFFFFFFFFF) == -1
    assert as_type("size_t", 0xFFFFFFFFFFFFFFFF) == 0xFFFFFFFFFFFFFFFF
    assert as_type("const char *", 0x7FFC8AD6DF96) == 0x7FFC8AD6DF96


def test_an_id_longer_than_a_number_is_none() -> None:
    with pytest.raises(BadFormat):
        parse_format(b"name: x\nID: " + b"9" * 5000 + b"\n", "/t/format")


@given(st.binary(max_size=300))
@example(b"name:")
@example(b"ID: 9\n")
def test_noise_is_refused_or_read_and_nothing_else(noise: bytes) -> None:
    for text in (noise, COMMON.encode() + noise):
        try:
            parse_format(text, "events/a/b/format")
        except BadFormat:
            assert text is noise
