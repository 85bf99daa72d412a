from kdiag.procfs.pid_cgroup import CgroupLine, parse_pid_cgroup
from kdiag.procfs.text import Problem
from tests.procfs.contract import holds_for_any_bytes, holds_when_cut_anywhere

V2_6_1 = b"0::/user.slice/user-1000.slice/session-1.scope\n"
V1_3_10 = b"3:memory:/a\n2:cpu,cpuacct:/b\n1:name=systemd:/system.slice/sshd.service\n"
HYBRID_6_18 = b"9:name=systemd:/\n4:memory:/app/834e\n3:cpuset:/\n2:cpuacct:/\n1:cpu:/c\n0::/d\n"


def test_the_line_without_controllers_is_v2_wherever_it_stands() -> None:
    assert parse_pid_cgroup(V2_6_1).v2_path == "/user.slice/user-1000.slice/session-1.scope"
    assert parse_pid_cgroup(HYBRID_6_18).v2_path == "/d"
    assert parse_pid_cgroup(b"0::/d\n1:cpu:/c\n").v2_path == "/d"


def test_a_host_of_v1_alone_has_no_v2_path() -> None:
    parsed = parse_pid_cgroup(V1_3_10)
    assert parsed.v2_path is None
    assert [parsed.v1_path(name) for name in ("cpuacct", "memory", "name=systemd", "pids")] == [
        "/b",
        "/a",
        "/system.slice/sshd.service",
        None,
    ]


def test_on_a_hybrid_host_a_controller_is_found_in_its_v1_hierarchy() -> None:
    parsed = parse_pid_cgroup(HYBRID_6_18)
    assert parsed.v1_path("memory") == "/app/834e"
    assert parsed.v1_path("cpu") == "/c"
    assert parsed.v1_path("io") is None


def test_a_host_of_v2_alone_has_no_v1_path() -> None:
    assert parse_pid_cgroup(V2_6_1).v1_path("memory") is None


def test_lines_keep_the_order_of_the_file() -> None:
    assert parse_pid_cgroup(V1_3_10).lines == (
        CgroupLine(3, ("memory",), "/a"),
        CgroupLine(2, ("cpu", "cpuacct"), "/b"),
        CgroupLine(1, ("name=systemd",), "/system.slice/sshd.service"),
    )


def test_a_path_may_hold_colons_blanks_and_any_byte() -> None:
    path = b"/a:b 0::/c\t\x1b[2J<\xff/d (deleted)"
    parsed = parse_pid_cgroup(b"0::" + path + b"\n")
    assert parsed.v2_path is not None
    assert parsed.v2_path.encode("utf-8", "surrogateescape") == path
    assert parsed.problems == ()


def test_a_path_outside_of_the_readers_namespace_is_kept() -> None:
    assert parse_pid_cgroup(b"0::/../../x\n").v2_path == "/../../x"


def test_a_bad_line_is_named_and_the_others_survive() -> None:
    parsed = parse_pid_cgroup(b"x::/a\n0:/b\n2:cpu:\n1:memory:/c\n", "/proc/1/cgroup")
    assert parsed.lines == (CgroupLine(1, ("memory",), "/c"),)
    assert parsed.problems == tuple(
        Problem("/proc/1/cgroup", number, text, "id:controllers:/path")
        for number, text in ((1, "x::/a"), (2, "0:/b"), (3, "2:cpu:"))
    )


def test_it_survives_any_input() -> None:
    for sample in (V1_3_10, HYBRID_6_18):
        holds_when_cut_anywhere(parse_pid_cgroup, sample)
    holds_for_any_bytes(parse_pid_cgroup, HYBRID_6_18)
