import struct
from typing import Tuple

import pytest

from kdiag.ftrace.event_format import EventFormat, Field, PageLayout
from kdiag.ftrace.processes import Processes
from kdiag.host.memory import MemoryHost

NEW, RENAME = 11, 12
LAYOUT = PageLayout(8, 16, 4080, big_endian=False)
COMMON = (Field("common_pid", "int", 4, 4, True, "integer", None, 4),)
NEWTASK = EventFormat(
    "task",
    "task_newtask",
    NEW,
    COMMON,
    (
        Field("pid", "pid_t", 8, 4, True, "integer", None, 4),
        Field("comm", "char[16]", 12, 16, False, "string", 16, 1),
        Field("clone_flags", "unsigned long", 32, 8, False, "integer", None, 8),
    ),
)
THREAD = 0x10000


def renaming(with_pid: bool) -> EventFormat:
    """Return the format before 6.15 or so, which has the pid, or the newer one."""
    pid = (Field("pid", "pid_t", 8, 4, True, "integer", None, 4),) if with_pid else ()
    return EventFormat(
        "task",
        "task_rename",
        RENAME,
        COMMON,
        (*pid, Field("newcomm", "char[16]", 28, 16, False, "string", 16, 1)),
    )


def processes(with_pid: bool = True, namespace: str = "pid:[4026531836]") -> Processes:
    host = MemoryHost(
        [
            {
                "/proc/7/status": b"Name:\tmain\nTgid:\t7\nPid:\t7\n",
                "/proc/7/comm": b"main\n",
                "/proc/8/status": b"Name:\tworker\nTgid:\t7\nPid:\t8\n",
                "/proc/8/comm": b"worker\n",
            }
        ],
        links={"/proc/1/ns/pid": namespace},
    )
    return Processes(host, {NEW: NEWTASK, RENAME: renaming(with_pid)}, LAYOUT)


def made(parent: int, child: int, flags: int, comm: bytes = b"sh") -> Tuple[bytes, int, int]:
    data = struct.pack("<HBBii16s4xQ", NEW, 0, 0, parent, child, comm, flags)
    return b"\xff" * 4 + data, 4, NEW


def renamed(pid: int, name: bytes) -> Tuple[bytes, int, int]:
    return struct.pack("<HBBii16s16s", RENAME, 0, 0, pid, pid, b"old", name), 0, RENAME


def test_a_thread_belongs_to_the_process_of_its_maker() -> None:
    found = processes()
    found.record(*made(8, 20, THREAD))
    found.record(*made(20, 21, THREAD))
    found.record(*made(21, 30, 0, b"child"))
    assert [found.of(tid) for tid in (20, 21, 30)] == [7, 7, 30]
    assert (found.comm(7), found.comm(30)) == ("main", "child")


@pytest.mark.parametrize("with_pid", [True, False])
def test_a_new_name_counts(with_pid: bool) -> None:
    found = processes(with_pid)
    found.record(*made(7, 30, 0))
    found.record(*renamed(30, b"n\xffw\0rest"))
    assert found.comm(30) == "n\udcffw"


def test_what_no_record_told_is_looked_up_while_it_is_there() -> None:
    found = processes()
    for tid in (8, 99):
        found.seen(tid)
    assert (found.of(8), found.of(99), found.comm(99)) == (7, 99, None)


def test_ids_of_another_namespace_are_not_looked_up() -> None:
    found = processes(namespace="pid:[4026532000]")
    found.seen(8)
    assert (found.of(8), found.comm(7)) == (8, None)


def test_an_id_that_is_used_again_is_the_latest_ones() -> None:
    found = processes()
    found.record(*made(7, 20, THREAD))
    found.record(*made(7, 20, 0))
    assert found.of(20) == 20


def test_records_of_other_events_tell_nothing() -> None:
    found = processes()
    found.record(b"\0" * 8, 0, 77)
    assert found.of(1) == 1
