import json

import jsonschema

from kdiag.report.stream import StreamJson, StreamText
from kdiag.report.terminal import Style
from kdiag.tools.stream import LostHere, StreamRow
from tests.report.test_json_envelope import schema
from tests.report.traced_samples import HOST

ROW = StreamRow(
    5_000_000_123,
    0.25,
    1,
    4711,
    "ca\x07t",
    "tracepoint:syscalls:sys_enter_openat",
    "sys_enter_openat",
    (("dfd", "AT_FDCWD"), ("name", '"a\nb"')),
    {"dfd": 4294967196, "name": "a\nb", "raw": b"\x01\xff"},
    ("do_syscall_64",),
)


def test_an_event_is_one_line_whatever_is_in_it_and_its_stack_stands_below() -> None:
    assert list(StreamText(Style()).row(ROW)) == [
        r'    0.250000   1 ca\x07t            4711 sys_enter_openat         dfd=AT_FDCWD name="a\x0ab"',
        "                 do_syscall_64",
    ]


def test_loss_is_told_where_it_happened() -> None:
    lines = [
        line
        for row in (LostHere(1, 0.5, 1, 12), LostHere(1, 0.5, 0, None, "a bad page"))
        for line in StreamText(Style()).row(row)
    ]
    assert lines == [
        "--- 12 events are missing here, of CPU 1 ---",
        "--- events are missing here, of CPU 0: a bad page ---",
    ]


def test_a_line_of_json_has_the_record_and_its_words() -> None:
    (line,) = StreamJson(HOST).row(ROW)
    document = json.loads(line)
    assert document["fields"] == {"dfd": 4294967196, "name": "a\nb", "raw": "01ff"}
    assert document["shown"] == {"dfd": "AT_FDCWD"}


def test_every_line_is_what_the_schema_says() -> None:
    printer = StreamJson(HOST)
    validator = jsonschema.Draft202012Validator(schema("stream"))
    for row in (ROW, ROW._replace(stack=None), LostHere(1, 0.5, 1, None)):
        for line in printer.row(row):
            validator.validate(json.loads(line))
    for line in printer.begin("all processes", 1_700_000_000 * 10**9):
        validator.validate(json.loads(line))
