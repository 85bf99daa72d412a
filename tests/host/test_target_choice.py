"""Whom a target is made of: one thread, or the processes of a control group. Without a kernel."""

from typing import Dict

import pytest

from kdiag.host.base import Facts
from kdiag.host.memory import Content, MemoryHost
from kdiag.host.target import NoSuchTarget, Target

STAT = b"%d (sh) S 1 " + b"0 " * 17 + b"%d" + b" 0" * 30 + b"\n"


def _process(pid: int, group: bytes, *threads: int) -> Dict[str, Content]:
    files: Dict[str, Content] = {f"/proc/{pid}/cgroup": group}
    for tid in (pid, *threads):
        files[f"/proc/{pid}/task/{tid}/comm"] = b"sh\n"
        files[f"/proc/{tid}/status"] = b"Name:\tsh\nTgid:\t%d\nPid:\t%d\n" % (pid, tid)
        files[f"/proc/{tid}/stat"] = STAT % (tid, 100 + tid)
    return files


def _host() -> MemoryHost:
    return MemoryHost(
        [
            {
                **_process(10, b"0::/system.slice/ssh.service\n", 11, 12),
                **_process(20, b"4:memory:/other\n0::/system.slice\n"),
                **_process(30, b"0::/system.slice-of-another\n"),
                **_process(40, b"7:cpu:/system.slice\n0::/\n"),
                **_process(50, b"0::/a:b/caf\xc3\xa9\n"),
                # kdiag itself is where it was started.
                **_process(60, b"0::/system.slice/ssh.service\n"),
            }
        ],
        facts=Facts(reader_pid=60),
    )


def test_a_thread_is_watched_alone_though_it_is_the_first_of_its_process() -> None:
    host = _host()
    assert Target.attach(host, 10).tids() == [10, 11, 12]
    first, other = Target.thread(host, 10), Target.thread(host, 12)
    assert (first.tids(), first.shown) == ([10], "thread 10")
    assert (other.tids(), other.shown) == ([12], "thread 12")
    assert not first.ended()


def test_a_thread_that_is_not_there_is_refused() -> None:
    with pytest.raises(NoSuchTarget, match="no process 99"):
        Target.thread(_host(), 99)


@pytest.mark.parametrize(
    ("path", "pids"),
    [
        ("/system.slice", (10, 20, 40)),
        ("/system.slice/", (10, 20, 40)),
        ("system.slice/ssh.service", (10,)),
        ("/sys/fs/cgroup/system.slice/ssh.service/", (10,)),
        ("/a:b/café", (50,)),
        ("/a:b", (50,)),
        ("/", (10, 20, 30, 40, 50)),
        ("/sys/fs/cgroup", (10, 20, 30, 40, 50)),
    ],
)
def test_a_control_group_has_those_below_it_too_in_any_hierarchy(path: str, pids: "tuple[int, ...]") -> None:
    target = Target.in_cgroup(_host(), path)
    assert target.pids == pids
    assert target.shown.startswith("control group /")


def test_of_an_empty_control_group_it_is_told() -> None:
    with pytest.raises(NoSuchTarget, match=r"no process is in the control group /system\.slic "):
        Target.in_cgroup(_host(), "/system.slic")
