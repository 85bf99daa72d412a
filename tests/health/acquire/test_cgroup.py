from typing import Dict, Optional

from kdiag.health.acquire.cgroup import read_cgroup
from kdiag.health.acquire.reader import Reader
from kdiag.health.own_cgroup import OwnCgroup, least_cpus, least_memory, least_pids
from kdiag.health.sample import Sample
from kdiag.host.memory import Content, MemoryHost
from kdiag.procfs.limit import Limit
from kdiag.procfs.mountinfo import parse_mountinfo
from kdiag.procfs.pid_cgroup import parse_pid_cgroup
from tests.health.windows import window_of

UNLIMITED = Limit(None, unlimited=True)
#: What v1 prints for no limit where a page has 4 KiB.
V1_UNLIMITED = b"9223372036854771712\n"


def sample_of(files: Dict[str, Content], own: bytes, *mounts: str, last: bool = True) -> Sample:
    """Read the groups of a host with these files, group lines and mounts."""
    table = "".join(f"{25 + n} 24 0:{25 + n} {mount}\n" for n, mount in enumerate(mounts)).encode()
    host = MemoryHost([{"/proc/self/mountinfo": table, **files}])
    sample = Sample(host.facts)
    sample.self_cgroup = parse_pid_cgroup(own)
    if last:
        sample.mountinfo = parse_mountinfo(table)
    read_cgroup(Reader(host, sample), last)
    return sample


def cgroup_of(files: Dict[str, Content], own: bytes, *mounts: str) -> OwnCgroup:
    found = sample_of(files, own, *mounts).cgroup
    assert found is not None
    return found


def v2_group(folder: str, **files: bytes) -> Dict[str, Content]:
    """Return the files of a group; ``memory_max`` is memory.max."""
    named = {f"{folder}/{name.replace('_', '.', 1)}": data for name, data in files.items()}
    return {f"{folder}/cgroup.controllers": b"cpu memory pids\n", **named}


V2_MOUNT = "/ /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate"
V2: Dict[str, Content] = {
    **v2_group("/sys/fs/cgroup"),
    **v2_group("/sys/fs/cgroup/a", cpu_max=b"150000 100000\n", memory_max=b"max\n", pids_max=b"100\n"),
    **v2_group("/sys/fs/cgroup/a/b", cpu_max=b"max 100000\n", memory_max=b"4096\n", pids_max=b"max\n"),
    "/sys/fs/cgroup/a/pids.current": b"7\n",
}


def test_on_v2_the_own_group_comes_first_and_the_root_without_limits_last() -> None:
    own = cgroup_of(dict(V2), b"0::/a/b\n", V2_MOUNT)
    assert own.layout == "v2"
    assert [(group.name, group.quota_cpus) for group in own.cpu] == [("/a/b", None), ("/a", 1.5), ("/", None)]
    assert [(group.name, group.limit) for group in own.memory] == [
        ("/a/b", Limit(4096)),
        ("/a", UNLIMITED),
        ("/", None),
    ]
    assert [(group.limit, group.current) for group in own.pids] == [
        (UNLIMITED, None),
        (Limit(100), 7),
        (None, None),
    ]
    assert own.memory[1].files["limit"] == "/sys/fs/cgroup/a/memory.max"
    assert own.out_of_reach == {}


def test_the_least_limit_is_found_wherever_it_is_set() -> None:
    own = cgroup_of(dict(V2), b"0::/a/b\n", V2_MOUNT)
    least = (least_cpus(own.cpu), least_memory(own.memory), least_pids(own.pids))
    assert [group.name for group in least if group is not None] == ["/a", "/a/b", "/a"]
    assert (least_cpus(own.cpu[2:]), least_memory(own.memory[1:]), least_pids(own.pids[:1])) == (None,) * 3


def test_use_is_read_of_the_own_group_and_of_those_with_a_limit_alone() -> None:
    files = {
        f"/sys/fs/cgroup{path}/{name}": b"nr_periods 1\n"
        for path in ("", "/a", "/a/b")
        for name in ("cpu.stat", "memory.stat", "memory.events")
    }
    own = cgroup_of({**V2, **files}, b"0::/a/b\n", V2_MOUNT)
    assert [group.stat is not None for group in own.cpu] == [True, True, False]
    assert [group.stat is not None for group in own.memory] == [True, False, False]
    assert [group.events is not None for group in own.memory] == [True, False, False]


def test_a_first_reading_takes_counters_and_finds_its_way_by_the_mounts_of_groups_alone() -> None:
    memory = {f"/sys/fs/cgroup/a/b/memory.{name}": b"1\n" for name in ("current", "stat")}
    files = {**V2, **memory, "/sys/fs/cgroup/a/b/memory.events": b"oom_kill 3\n"}
    sample = sample_of(files, b"0::/a/b\n", "/ / rw - ext4 /dev/vda rw", V2_MOUNT, last=False)
    assert sample.mountinfo is None
    assert sample.cgroup is not None and sample.cgroup.pids == ()
    (own, *_) = sample.cgroup.memory
    assert (own.current_bytes, own.stat) == (None, None)
    assert own.events is not None and own.events.oom_kill == 3
    assert not any(path.endswith(("memory.stat", "memory.current", "pids.max")) for path in sample.raw)


def test_pressure_is_that_of_the_own_group() -> None:
    path = "/sys/fs/cgroup/a/b/cpu.pressure"
    own = cgroup_of({**V2, path: b"some avg10=1.00 total=9\n"}, b"0::/a/b\n", V2_MOUNT)
    assert list(own.pressure) == [path] + [f"/sys/fs/cgroup/a/b/{name}.pressure" for name in ("memory", "io")]
    pressure = own.pressure[path]
    assert pressure is not None and pressure.some is not None and pressure.some.total_us == 9


V1_MOUNTS = (
    "/ /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755",
    "/ /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpuacct,cpu",
    "/ /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
    "/ /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd",
    "/ /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate",
)
HYBRID: Dict[str, Content] = {
    "/sys/fs/cgroup/cpu,cpuacct/notify_on_release": b"0\n",
    "/sys/fs/cgroup/cpu,cpuacct/c/notify_on_release": b"0\n",
    "/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us": b"50000\n",
    "/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us": b"100000\n",
    "/sys/fs/cgroup/memory/notify_on_release": b"0\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": V1_UNLIMITED,
    "/sys/fs/cgroup/memory/m/notify_on_release": b"0\n",
    "/sys/fs/cgroup/memory/m/memory.limit_in_bytes": V1_UNLIMITED,
    "/sys/fs/cgroup/memory/m/memory.usage_in_bytes": b"900\n",
    "/sys/fs/cgroup/memory/m/memory.stat": (
        b"inactive_file 0\nhierarchical_memory_limit 5000\ntotal_inactive_file 300\ntotal_swap 40\n"
    ),
    "/sys/fs/cgroup/unified/cgroup.controllers": b"\n",
    "/sys/fs/cgroup/unified/cpu.pressure": b"some avg10=0.00 total=1\n",
}
HYBRID_GROUPS = b"4:memory:/m\n3:cpuacct,cpu:/c\n1:name=systemd:/s\n0::/\n"


def test_on_a_hybrid_host_each_controller_is_where_it_is() -> None:
    own = cgroup_of(dict(HYBRID), HYBRID_GROUPS, *V1_MOUNTS)
    assert own.layout == "hybrid"
    assert [(group.name, group.quota_cpus) for group in own.cpu] == [("/c", 0.5), ("/", None)]
    assert [(group.name, group.limit) for group in own.memory] == [("/m", UNLIMITED), ("/", UNLIMITED)]
    assert (own.memory[0].working_set_bytes, own.memory[0].swap_bytes) == (600, 40)
    # The v2 hierarchy would have the pids controller, if this kernel had it.
    assert [(group.name, group.limit) for group in own.pids] == [("/", None)]
    assert "/sys/fs/cgroup/unified/cpu.pressure" in own.pressure


def test_a_quota_without_its_period_is_not_known() -> None:
    files = {**HYBRID, "/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us": 13}
    (own, _) = cgroup_of(files, HYBRID_GROUPS, *V1_MOUNTS).cpu
    assert (own.quota, own.limit) == (None, None)


def test_on_v1_alone_there_is_no_pressure_and_a_controller_may_be_missing() -> None:
    own = cgroup_of(dict(HYBRID), b"4:memory:/m\n", *V1_MOUNTS)
    assert (own.layout, own.cpu, own.pids, own.pressure) == ("v1", (), (), {})
    assert own.out_of_reach == {}


def test_a_container_without_a_cgroup_namespace_sees_its_own_group_at_the_mount() -> None:
    files: Dict[str, Content] = {
        "/sys/fs/cgroup/memory/notify_on_release": b"0\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": b"4096\n",
    }
    own = cgroup_of(
        files, b"4:memory:/docker/4f1c\n", "/docker/4f1c /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory"
    )
    assert [(group.name, group.limit) for group in own.memory] == [("/docker/4f1c", Limit(4096))]


def test_of_several_mounts_the_one_that_shows_more_of_the_groups_above_is_taken() -> None:
    below = "/a /mnt/a rw - cgroup2 cgroup2 rw"
    above = "/../.. /host/cgroup rw - cgroup2 cgroup2 rw"
    own = cgroup_of(dict(V2), b"0::/a/b\n", below, above, V2_MOUNT)
    assert own.cpu[0].files["quota"] == "/sys/fs/cgroup/a/b/cpu.max"


def why(files: Dict[str, Content], own: bytes, *mounts: str) -> Optional["tuple[str, str]"]:
    found = cgroup_of(files, own, *mounts)
    assert found.memory == ()
    return found.out_of_reach.get("memory")


def test_a_group_out_of_reach_is_told_with_the_reason() -> None:
    v2 = dict(V2)
    mountinfo = "/proc/self/mountinfo"
    assert why(v2, b"0::/a\n") == (mountinfo, "the hierarchy of /a is not mounted here")
    assert why(v2, b"0::/\n", "/../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw") == (
        mountinfo,
        "/sys/fs/cgroup shows /../.. of the hierarchy, which / is not in",
    )
    assert why(v2, b"0::/../x\n", V2_MOUNT) == (
        mountinfo,
        "/sys/fs/cgroup shows / of the hierarchy, which /../x is not in",
    )
    assert why(v2, b"0::/gone\n", V2_MOUNT) == (
        "/sys/fs/cgroup/gone/cgroup.controllers",
        "there is no such group",
    )
    marker = "/sys/fs/cgroup/a/cgroup.controllers"
    assert why({**v2, marker: 13}, b"0::/a/b\n", V2_MOUNT) == (marker, "not permitted (EACCES)")


def test_a_name_of_any_bytes_leads_to_its_folder() -> None:
    name = b"/caf\xe9 \\x2d:1".decode("utf-8", "surrogateescape")
    files = v2_group(f"/sys/fs/cgroup{name}", memory_max=b"4096\n")
    own = cgroup_of(
        {**files, **v2_group("/sys/fs/cgroup")},
        b"0::" + name.encode("utf-8", "surrogateescape") + b"\n",
        V2_MOUNT,
    )
    assert (own.memory[0].name, own.memory[0].limit) == (name, Limit(4096))


def test_without_a_group_of_its_own_a_host_has_none() -> None:
    sample = Sample(MemoryHost([{}]).facts)
    read_cgroup(Reader(MemoryHost([{}]), sample))
    assert sample.cgroup is None


def test_both_samples_of_a_window_have_the_groups() -> None:
    window = window_of()
    assert window.before is not None and window.before.cgroup is not None
    assert window.after.cgroup is not None
    assert [group.name for group in window.after.cgroup.pids] == [
        "/user.slice/user-0.slice/session-1.scope",
        "/user.slice/user-0.slice",
        "/user.slice",
        "/",
    ]
