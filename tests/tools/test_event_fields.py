from typing import Any, Dict, List, Tuple

import pytest

from kdiag.ftrace.event import Event
from kdiag.ftrace.event_format import EventFormat, parse_format
from kdiag.tools.event_fields import FieldNames

_COMMON = "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"


def _format(system: str, name: str, *fields: str) -> EventFormat:
    lines = []
    for number, field in enumerate(fields):
        lines.append(
            f"\tfield:{field};\toffset:{8 + 8 * number};\tsize:8;\tsigned:{int(field.startswith('long'))};\n"
        )
    text = f'name: {name}\nID: 7\nformat:\n{_COMMON}{"".join(lines)}\nprint fmt: ""\n'
    return parse_format(text.encode(), f"events/{system}/{name}/format")


def _shown(made: EventFormat, values: Dict[str, Any]) -> List[Tuple[str, str]]:
    names = FieldNames({made.id: made}, "x86_64")
    return names.shown(Event(0, 0, 1, made.full_name, values))


def test_arguments_of_a_system_call_are_in_words() -> None:
    made = _format(
        "syscalls",
        "sys_enter_openat",
        "int __syscall_nr",
        "int dfd",
        "const char * filename",
        "int flags",
        "umode_t mode",
    )
    values = {"__syscall_nr": 257, "dfd": 0xFFFFFF9C, "filename": 0x7FFF0000, "flags": 0x80241, "mode": 0o644}
    assert _shown(made, values) == [
        ("dfd", "AT_FDCWD"),
        ("filename", "0x7fff0000"),
        ("flags", "O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC"),
        ("mode", "0644"),
    ]


def test_a_string_that_the_kernel_recorded_stands_in_place_of_its_pointer() -> None:
    made = _format(
        "syscalls", "sys_enter_unlink", "const char * pathname", "__data_loc char[] __pathname_val"
    )
    values = {"pathname": 0x7FFF0000, "__pathname_val": "/tmp/x"}
    assert _shown(made, values) == [("pathname", '"/tmp/x"')]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3, "3"), (-2, "-2 ENOENT"), (0xFFFFFFFFFFFFFFFE, "-2 ENOENT"), (-512, "-512 ERESTARTSYS"),
     (-4096, "-4096"), (0x7F0012340000, "0x7f0012340000")],
)  # fmt: skip
def test_what_a_call_returned_has_its_error_by_name(value: int, shown: str) -> None:
    for made in (_format("syscalls", "sys_exit_x", "long ret"), _format("kdiag_1_2", "vfs_read", "u64 ret")):
        assert _shown(made, {"ret": value}) == [("ret", shown)]


def test_a_raw_system_call_has_its_name() -> None:
    made = _format("raw_syscalls", "sys_enter", "long id")
    assert _shown(made, {"id": 257}) == [("id", "257 openat")]
    assert _shown(made, {"id": 9999}) == [("id", "9999")]


def test_states_and_devices_are_as_people_know_them() -> None:
    assert _shown(_format("sched", "sched_switch", "long prev_state"), {"prev_state": 2}) == [
        ("prev_state", "D")
    ]
    made = _format("block", "x", "dev_t dev")
    made = made._replace(fields=tuple(each._replace(size_bytes=4) for each in made.fields))
    assert _shown(made, {"dev": 0x800011}) == [("dev", "8:17")]


def test_what_has_no_word_stays_as_it_is() -> None:
    made = _format("a", "b", "void * ptr", "int n", "char text[8]", "u8 raw[8]", "int gone")
    values = {"ptr": 0xFFFF000000000010, "n": -5, "text": 'a"b', "raw": b"\x01\x02", "gone": None}
    assert _shown(made, values) == [
        ("ptr", "0xffff000000000010"), ("n", "-5"), ("text", '"a"b"'), ("raw", "0102"), ("gone", "(fault)"),
    ]  # fmt: skip


def test_numbers_of_an_array_stand_in_braces() -> None:
    made = _format("a", "b", "unsigned long args[6]")
    assert _shown(made, {"args": (1, 2)}) == [("args", "{1,2}")]
