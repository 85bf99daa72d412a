"""The control group of this process and those above it, where the mount table says that they are.

``/proc/self/cgroup`` names the group in each hierarchy, and the mount of that hierarchy says which group its
folder shows: in a container without a cgroup namespace the mount's root is ``/docker/4f1c...``, and so is the
group. A root or a group with ``..`` lies above the reader's cgroup namespace, where no name leads.

Every folder of v2 has ``cgroup.controllers``, every one of v1 ``notify_on_release``. Where that file cannot
be read the folder is not the group, and a limit that is missing there would say nothing about limits.
"""

from typing import Dict, Iterator, List, Optional, Tuple

from kdiag.health.acquire.reader import Reader
from kdiag.health.own_cgroup import CpuGroup, MemoryGroup, OwnCgroup, PidsGroup
from kdiag.procfs.cgroup_cpu import CpuMax, parse_cgroup_cpu_stat, parse_cpu_max
from kdiag.procfs.cgroup_limit import CgroupLimit, parse_cgroup_limit
from kdiag.procfs.cgroup_memory import parse_cgroup_memory_stat, parse_memory_events
from kdiag.procfs.limit import Limit
from kdiag.procfs.mountinfo import Mount, parse_mountinfo
from kdiag.procfs.pid_cgroup import CgroupLine, PidCgroup
from kdiag.procfs.pressure import Pressure, parse_pressure
from kdiag.procfs.sysctl import Integer, parse_integer
from kdiag.procfs.word import parse_word
from kdiag.records import NamedTuple

__all__ = ["read_cgroup"]

_MOUNTINFO = "/proc/self/mountinfo"
_V1, _V2 = "cgroup", "cgroup2"
_MARKERS = {_V1: "notify_on_release", _V2: "cgroup.controllers"}

#: Files of a controller by what they hold, for each version.
_FILES: Dict[Tuple[str, str], Dict[str, str]] = {
    ("cpu", _V1): {"quota": "cpu.cfs_quota_us", "period": "cpu.cfs_period_us", "stat": "cpu.stat"},
    ("cpu", _V2): {"quota": "cpu.max", "stat": "cpu.stat"},
    ("memory", _V1): {
        "limit": "memory.limit_in_bytes",
        "current": "memory.usage_in_bytes",
        "stat": "memory.stat",
        "events": "memory.oom_control",
    },
    ("memory", _V2): {
        "limit": "memory.max",
        "high": "memory.high",
        "current": "memory.current",
        "swap": "memory.swap.current",
        "swap_limit": "memory.swap.max",
        "stat": "memory.stat",
        "events": "memory.events",
    },
    ("pids", _V1): {"limit": "pids.max", "current": "pids.current"},
    ("pids", _V2): {"limit": "pids.max", "current": "pids.current"},
}
_PRESSURE = ("cpu.pressure", "memory.pressure", "io.pressure")


class _Folder(NamedTuple):
    """A group of one hierarchy, and where its files are."""

    name: str
    folder: str
    version: str


class _OutOfReach(Exception):
    """The files of the own group cannot be read; the arguments are a path and the reason."""


def read_cgroup(reader: Reader, last: bool = True) -> None:
    """Read the groups of this process; a reading that is not the ``last`` one needs only their counters."""
    own = reader.sample.self_cgroup
    if own is None:
        return
    mounts = _cgroup_mounts(reader)
    out_of_reach: Dict[str, Tuple[str, str]] = {}

    found: Dict[CgroupLine, List[_Folder]] = {}

    def folders(controller: str) -> List[_Folder]:
        line = _line_of(own, controller)
        if line is None:
            return []
        if line not in found:
            try:
                found[line] = list(_folders(reader, line, mounts))
            except _OutOfReach as why:
                out_of_reach[controller] = (why.args[0], why.args[1])
                return []
        return found[line]

    versions = {_V1 if line.hierarchy else _V2 for line in own.lines}
    cpu = [_cpu_group(reader, each, index == 0) for index, each in enumerate(folders("cpu"))]
    memory = [_memory_group(reader, each, index == 0, last) for index, each in enumerate(folders("memory"))]
    pids = [_pids_group(reader, each) for each in folders("pids")] if last else []
    reader.sample.cgroup = OwnCgroup(
        "hybrid" if len(versions) == len(_MARKERS) else "v1" if _V1 in versions else "v2",
        tuple(cpu),
        tuple(memory),
        tuple(pids),
        _pressure(reader, folders("pressure")),
        out_of_reach,
    )


def _cgroup_mounts(reader: Reader) -> List[Mount]:
    """Return the mounts of hierarchies, from the whole table if it was read, else from those lines alone."""
    table = reader.sample.mountinfo
    if table is None:
        data = reader.bytes_of(_MOUNTINFO)
        lines = [line for line in (data or b"").splitlines(True) if b" - cgroup" in line]
        table = parse_mountinfo(b"".join(lines), _MOUNTINFO)
    return [mount for mount in table.mounts if mount.fs_type in _MARKERS]


def _folders(reader: Reader, line: CgroupLine, mounts: List[Mount]) -> Iterator[_Folder]:
    """Yield the own group of a hierarchy and those above it."""
    version = _V1 if line.hierarchy else _V2
    shown = [mount for mount in mounts if mount.fs_type == version and _is_of(mount, line)]
    if not shown:
        raise _OutOfReach(_MOUNTINFO, f"the hierarchy of {line.path} is not mounted here")
    reaching = [mount for mount in shown if _below(mount.root, line.path) is not None]
    if not reaching:
        place = shown[0]
        raise _OutOfReach(
            _MOUNTINFO,
            f"{place.mount_point} shows {place.root} of the hierarchy, which {line.path} is not in",
        )
    # A mount whose root is further up shows more of the groups above.
    mount = min(reaching, key=lambda mount: len(mount.root))
    below = _below(mount.root, line.path) or []
    for depth in range(len(below), -1, -1):
        folder = "/".join((mount.mount_point.rstrip("/"), *below[:depth]))
        marker = f"{folder}/{_MARKERS[version]}"
        if reader.parse(marker, parse_word) is None:
            gone = "there is no such group" if reader.sample.absent(marker) else ""
            raise _OutOfReach(marker, gone or reader.sample.why_missing(marker))
        name = "/".join((mount.root.rstrip("/"), *below[:depth])) or "/"
        yield _Folder(name, folder, version)


def _line_of(own: PidCgroup, controller: str) -> Optional[CgroupLine]:
    """Return the line of a controller: a v1 hierarchy that has it, or else v2, which has all the others."""
    v2 = None
    for line in own.lines:
        if controller in line.controllers:
            return line
        if not line.hierarchy:
            v2 = line
    return v2


def _is_of(mount: Mount, line: CgroupLine) -> bool:
    return not line.controllers or set(line.controllers) <= set(mount.super_options)


def _below(root: str, path: str) -> Optional[List[str]]:
    """Return the names that lead from a mount's root down to a group; ``None`` if it is not below.

    >>> _below("/docker/4f1c", "/docker/4f1c/a"), _below("/", "/"), _below("/a", "/ab"), _below("/", "/../x")
    (['a'], [], None, None)
    """
    roots = [name for name in root.split("/") if name]
    names = [name for name in path.split("/") if name]
    below = names[len(roots) :]
    return below if names[: len(roots)] == roots and ".." not in names else None


def _paths(group: _Folder, controller: str) -> Dict[str, str]:
    return {field: f"{group.folder}/{name}" for field, name in _FILES[controller, group.version].items()}


def _cpu_group(reader: Reader, group: _Folder, own: bool) -> CpuGroup:
    files = _paths(group, "cpu")
    if group.version == _V2:
        quota: Optional[CpuMax] = reader.parse(files["quota"], parse_cpu_max)
    else:
        quota_us, period_us = _limit(reader, files["quota"]), _integer(reader, files["period"])
        known = quota_us is not None and (quota_us.unlimited or period_us is not None)
        quota = CpuMax(quota_us, period_us) if known else None
    counted = own or (quota is not None and quota.cpus is not None)
    stat = reader.parse(files["stat"], parse_cgroup_cpu_stat) if counted else None
    return CpuGroup(group.name, files, quota, stat)


def _memory_group(reader: Reader, group: _Folder, own: bool, last: bool) -> MemoryGroup:
    files = _paths(group, "memory")
    limit = _limit(reader, files["limit"])
    high = _limit(reader, files["high"]) if "high" in files else None
    found = MemoryGroup(group.name, files, limit, high)
    if not own and not any(each is not None and each.value is not None for each in (limit, high)):
        return found
    found = found._replace(events=reader.parse(files["events"], parse_memory_events))
    if not last:
        return found
    stat = reader.parse(files["stat"], parse_cgroup_memory_stat)
    found = found._replace(stat=stat, current_bytes=_integer(reader, files["current"]))
    if "swap" in files:
        return found._replace(
            swap_bytes=_integer(reader, files["swap"]), swap_limit=_limit(reader, files["swap_limit"])
        )
    return found._replace(swap_bytes=stat.values.get("total_swap") if stat is not None else None)


def _pids_group(reader: Reader, group: _Folder) -> PidsGroup:
    files = _paths(group, "pids")
    return PidsGroup(group.name, files, _limit(reader, files["limit"]), _integer(reader, files["current"]))


def _pressure(reader: Reader, folders: List[_Folder]) -> Dict[str, Optional[Pressure]]:
    if not folders or folders[0].version == _V1:
        return {}
    paths = [f"{folders[0].folder}/{name}" for name in _PRESSURE]
    return {path: reader.parse(path, parse_pressure) for path in paths}


def _limit(reader: Reader, path: str) -> Optional[Limit]:
    record: Optional[CgroupLimit] = reader.parse(path, parse_cgroup_limit)
    return None if record is None else record.limit


def _integer(reader: Reader, path: str) -> Optional[int]:
    record: Optional[Integer] = reader.parse(path, parse_integer)
    return None if record is None else record.value
