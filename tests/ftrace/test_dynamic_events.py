import errno
from pathlib import Path
from typing import Iterator, Tuple

import pytest

from kdiag.ftrace.dynamic_events import DynamicEvents, remedy_for
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFsError
from tests.ftrace.tracefs_folder import FolderTraceFs, LiveMemoryHost, tracefs_in

GROUP = "kdiag_1000_4242"


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Tuple[FolderTraceFs, DynamicEvents]]:
    top = tracefs_in(tmp_path, kprobe_events="p:others/x vfs_read\n")
    with Session(top, LiveMemoryHost({})) as session:
        yield top, DynamicEvents(session)


def test_each_kind_is_defined_in_its_file_and_removed_from_it(tmp_path: Path) -> None:
    top = tracefs_in(tmp_path, kprobe_events="p:others/x vfs_read\n")
    with Session(top, LiveMemoryHost({})) as session:
        events = DynamicEvents(session)
        events.kernel_function("kprobe", "vfs_read", ["count=$arg3"])
        events.kernel_function("kretprobe", "vfs_read", max_active=9999)
        events.kernel_function("fprobe", "vfs_write")
        events.kernel_function("fretprobe", "vfs_write")
        events.event_probe("syscalls", "sys_enter_openat", ["f=+0($filename):ustring"])
        events.user_function("uretprobe", "/bin/bash", 0x1000, "readline")
        events.synthetic("lat", "u64 lat")
    own = "_1000_4242"
    assert top.read("kprobe_events").splitlines() == [
        "p:others/x vfs_read",
        f"p:{GROUP}/vfs_read{own} vfs_read count=$arg3",
        f"r4096:{GROUP}/vfs_read{own}_2 vfs_read ret=$retval:s64",
        f"-:{GROUP}/vfs_read{own}_2",
        f"-:{GROUP}/vfs_read{own}",
    ]
    assert top.read("dynamic_events").splitlines()[:3] == [
        f"f:{GROUP}/vfs_write{own} vfs_write",
        f"f:{GROUP}/vfs_write{own}_2 vfs_write%return ret=$retval:s64",
        f"e:{GROUP}/sys_enter_openat{own} syscalls.sys_enter_openat f=+0($filename):ustring",
    ]
    assert top.read("uprobe_events").splitlines() == [
        f"r:{GROUP}/readline{own} /bin/bash:0x1000 ret=$retval:s64",
        f"-:{GROUP}/readline{own}",
    ]
    assert top.read("synthetic_events").splitlines() == [f"{GROUP}_lat u64 lat", f"!{GROUP}_lat"]


@pytest.mark.parametrize(
    "name", ["scan.isra.0", "0x1234", "operator new(unsigned long)", "ü" * 200, "a" * 200]
)
def test_any_function_gets_a_name_that_the_kernel_takes(
    events: Tuple[FolderTraceFs, DynamicEvents], name: str
) -> None:
    _, event = events[1].user_function("uprobe", "/bin/bash", 1, name)
    assert event.isascii() and event.isidentifier() and len(event) < 64


def test_a_file_name_that_the_kernel_cannot_take_is_told(events: Tuple[FolderTraceFs, DynamicEvents]) -> None:
    with pytest.raises(TraceFsError, match="no file name with blanks"):
        events[1].user_function("uprobe", "/opt/my program", 1, "f")


def test_a_kernel_without_the_kind_is_told_with_its_option(tmp_path: Path) -> None:
    top = tracefs_in(tmp_path)
    (tmp_path / "kprobe_events").unlink()
    with (
        Session(top, LiveMemoryHost({})) as session,
        pytest.raises(TraceFsError, match="CONFIG_KPROBE_EVENTS"),
    ):
        DynamicEvents(session).kernel_function("kprobe", "vfs_read")


@pytest.mark.parametrize(
    ("log", "number", "told"),
    [
        ("the kernel says: Invalid probed address or symbol", errno.ENOENT, "no such function"),
        ("the kernel says: The symbol is not unique", errno.EADDRNOTAVAIL, "several functions"),
        ("the kernel says: Failed to register probe event", errno.EINVAL, "NOKPROBE"),
        ("the kernel says: Invalid register name", errno.EINVAL, "kprobetrace.rst"),
        ("", errno.EPERM, "locked down"),
        ("", errno.EINVAL, ""),
    ],
)
def test_what_to_try_follows_from_the_kernels_own_words(log: str, number: int, told: str) -> None:
    remedy = remedy_for(TraceFsError("/T/kprobe_events", number, "p:a/b c", log))
    assert told in remedy
    assert bool(remedy) == bool(told)
