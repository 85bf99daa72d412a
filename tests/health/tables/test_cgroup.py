from typing import Dict

from kdiag.health.table import fill
from kdiag.health.tables.cgroup import TABLES, CgroupPressureRow, CgroupRow
from kdiag.host.memory import Content
from tests.health.windows import window_of

GROUPS, PRESSURE = TABLES
SLICE = "/sys/fs/cgroup/user.slice"
SCOPE = f"{SLICE}/user-0.slice/session-1.scope"
NAME = "/user.slice/user-0.slice/session-1.scope"


def test_without_limits_the_own_group_is_the_only_row() -> None:
    table = fill(GROUPS, window_of())
    assert table.rows == [CgroupRow(NAME, 0.0, None, None, 123456789, 73456789, None, 12, None, 0)]
    assert table.notes == ("cgroup v2; no limit in sight of CPU time, memory, tasks",)


def test_groups_with_limits_follow_and_the_least_limit_is_named() -> None:
    limits: Dict[str, Content] = {
        f"{SCOPE}/cpu.max": b"200000 100000\n",
        f"{SLICE}/cpu.max": b"150000 100000\n",
        f"{SLICE}/memory.max": b"1073741824\n",
        f"{SCOPE}/pids.max": b"500\n",
    }

    def stat(used_us: int, periods: int, throttled: int) -> bytes:
        return b"usage_usec %d\nnr_periods %d\nnr_throttled %d\n" % (used_us, periods, throttled)

    first = {**limits, f"{SCOPE}/cpu.stat": stat(0, 0, 0), f"{SLICE}/cpu.stat": stat(0, 0, 0)}
    last = {**limits, f"{SCOPE}/cpu.stat": stat(500_000, 20, 0), f"{SLICE}/cpu.stat": stat(3_000_000, 20, 5)}
    table = fill(GROUPS, window_of(first, last, interval_s=2.0))
    assert table.rows == [
        CgroupRow(NAME, 0.25, 2.0, 0.0, 123456789, 73456789, None, 12, 500, 0),
        CgroupRow("/user.slice", 1.5, 1.5, 25.0, 123456789, 73456789, 1073741824, 12, None, 0),
    ]
    assert table.notes == (
        "cgroup v2; the least limit of CPU time is set by /user.slice; "
        "the least limit of memory is set by /user.slice",
    )


def test_a_group_of_which_nothing_is_known_is_a_row_only_if_there_is_no_other() -> None:
    root = "/sys/fs/cgroup"
    mounts = b"30 24 0:30 / %s/cpu rw - cgroup cgroup rw,cpu\n" % root.encode()
    mounts += b"31 24 0:31 / %s/memory rw - cgroup cgroup rw,memory\n" % root.encode()
    files: Dict[str, Content] = {
        "/proc/self/mountinfo": mounts,
        f"{root}/cpu/notify_on_release": b"0\n",
        f"{root}/memory/notify_on_release": b"0\n",
        f"{root}/memory/a/notify_on_release": b"0\n",
        f"{root}/memory/a/memory.usage_in_bytes": b"900\n",
    }
    files["/proc/self/cgroup"] = b"4:memory:/a\n3:cpu:/\n"
    assert [row[0] for row in fill(GROUPS, window_of(files, files)).rows] == ["/a"]
    files["/proc/self/cgroup"] = b"3:cpu:/\n"
    assert [row[0] for row in fill(GROUPS, window_of(files, files)).rows] == ["/"]


def test_one_reading_gives_no_rates_of_a_group_that_may_be_a_moment_old() -> None:
    (row,) = fill(GROUPS, window_of(once=True)).rows
    assert (row[1], row[3], row[4]) == (None, None, 123456789)


def test_a_limit_out_of_sight_is_told() -> None:
    folder = "/sys/fs/cgroup/memory"
    files: Dict[str, Content] = {
        "/proc/self/cgroup": b"4:memory:/docker/4f1c\n",
        "/proc/self/mountinfo": b"31 25 0:27 /docker/4f1c %s ro - cgroup cgroup rw,memory\n"
        % folder.encode(),
        f"{folder}/notify_on_release": b"0\n",
        f"{folder}/memory.limit_in_bytes": b"9223372036854771712\n",
        f"{folder}/memory.usage_in_bytes": b"900\n",
        f"{folder}/memory.stat": b"hierarchical_memory_limit 1073741824\ntotal_inactive_file 300\n",
    }
    table = fill(GROUPS, window_of(files, files))
    assert table.rows == [CgroupRow("/docker/4f1c", None, None, None, 900, 600, None, None, None, None)]
    assert table.notes == (
        "cgroup v1; no limit in sight of memory; a group out of sight limits memory to 1024 MiB",
    )


def test_groups_out_of_reach_are_said_with_the_reason() -> None:
    gone: Dict[str, Content] = {"/proc/self/cgroup": b"0::/gone\n"}
    table = fill(GROUPS, window_of(gone, gone))
    assert table.rows == []
    reason = "/sys/fs/cgroup/gone/cgroup.controllers: there is no such group"
    assert table.notes == (
        "cgroup v2",
        *(f"{name}: {reason}" for name in ("cpu", "memory", "pids", "pressure")),
    )
    assert fill(PRESSURE, window_of(gone, gone)).missing == reason


def test_without_control_groups_both_tables_say_so() -> None:
    none: Dict[str, Content] = {"/proc/self/cgroup": 2}
    for table in TABLES:
        assert fill(table, window_of(none, none)).missing == "/proc/self/cgroup: not on this kernel (ENOENT)"


def test_pressure_of_the_own_group_has_its_exact_share_of_the_window() -> None:
    def pressure(some: bytes, full: bytes) -> Dict[str, Content]:
        return {f"{SCOPE}/cpu.pressure": b"some %s\nfull %s\n" % (some, full)}

    first = pressure(b"avg10=0.00 total=100", b"avg10=0.00 total=100")
    last = pressure(b"avg10=9.50 avg60=2.00 total=500100", b"avg10=4.00 avg60=1.00 total=250100")
    table = fill(PRESSURE, window_of(first, last, interval_s=2.0))
    assert table.rows == [
        CgroupPressureRow("cpu", 9.5, 2.0, 25.0, 4.0, 1.0, 12.5),
        CgroupPressureRow("memory", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        CgroupPressureRow("io", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    ]


def test_a_group_that_does_not_account_pressure_says_so() -> None:
    off: Dict[str, Content] = {f"{SCOPE}/{name}.pressure": 95 for name in ("cpu", "memory", "io")}
    assert fill(PRESSURE, window_of(off, off)).missing == (
        f"{SCOPE}/cpu.pressure: switched off in this kernel (EOPNOTSUPP)"
    )


def test_v1_has_no_pressure() -> None:
    v1: Dict[str, Content] = {"/proc/self/cgroup": b"4:memory:/\n"}
    assert fill(PRESSURE, window_of(v1, v1)).missing == "cgroup v1 does not have it"
