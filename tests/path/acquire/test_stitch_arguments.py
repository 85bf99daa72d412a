"""Arguments of system calls in words."""

from kdiag.ftrace.event_format import EventFormat, parse_format
from kdiag.path.acquire.stitch_arguments import arguments_of, describer


def event(*fields: str) -> EventFormat:
    lines = ["name: sys_enter_openat", "ID: 9", "format:"]
    lines.append("\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n")
    for index, field in enumerate(("int __syscall_nr", *fields)):
        lines.append(f"\tfield:{field};\toffset:{8 + 8 * index};\tsize:8;\tsigned:0;")
    return parse_format("\n".join(lines).encode(), "events/syscalls/sys_enter_openat/format")


OPENAT = event("int dfd", "const char * filename", "int flags", "umode_t mode")


def test_values_whose_meaning_is_known_are_written_in_words() -> None:
    values = {"__syscall_nr": 257, "dfd": 0xFFFFFF9C, "filename": 0x7F00, "flags": 0o101, "mode": 0o644}
    told = describer(OPENAT, "openat", "x86_64")(values)
    assert told == "dfd=AT_FDCWD, filename=0x7f00, flags=O_WRONLY|O_CREAT, mode=0644"


def test_what_a_kernel_recorded_of_a_string_stands_for_its_address() -> None:
    with_text = event("const char * filename", "__data_loc char[] __filename_val")
    told = describer(with_text, "openat", "x86_64")({"filename": 0x7F00, "__filename_val": "/etc/passwd"})
    assert told == 'filename="/etc/passwd"'
    unread = describer(with_text, "openat", "x86_64")({"filename": 0x7F00, "__filename_val": None})
    assert unread == "filename=0x7f00"


def test_a_null_pointer_and_a_negative_number_are_written_so() -> None:
    fields = event("int fd", "char * buf", "pid_t pid")
    told = describer(fields, "made_up", "x86_64")({"fd": 3, "buf": 0, "pid": 0xFFFFFFFF})
    assert told == "fd=3, buf=0, pid=-1"


def test_names_come_in_the_order_of_the_arguments() -> None:
    assert arguments_of(OPENAT) == ("dfd", "filename", "flags", "mode") and arguments_of(None) == ()
