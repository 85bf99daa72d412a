"""``/proc/<pid>/cgroup``: the cgroups of a task, one line a hierarchy.

Documented in cgroups(7), made by proc_cgroup_show() in kernel/cgroup/cgroup.c. Lines are
``id:controllers:path``. The line of v2 has the id 0 and no controllers. A host may have v1 alone, v2 alone,
or both (hybrid), in any order; there the controllers are in either.

Traps. The path may hold ``:`` and any byte but a newline; nothing is escaped. It is relative to the
reader's cgroup namespace: ``/`` in a container is not the host's root, and ``/../x`` lies outside of what
the reader sees. The cgroup of a zombie on v2 may be gone: its path then ends in `` (deleted)``, which a
name may do too.
"""

from typing import List, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, problem, unsigned
from kdiag.records import NamedTuple

__all__ = ["CgroupLine", "PidCgroup", "parse_pid_cgroup"]


class CgroupLine(NamedTuple):
    """The task's cgroup in one hierarchy; a hierarchy without controllers of v1 is called ``name=...``."""

    hierarchy: int
    controllers: Tuple[str, ...]
    path: str


class PidCgroup(NamedTuple):
    """The task's cgroups in the file's order."""

    lines: Tuple[CgroupLine, ...]
    problems: Tuple[Problem, ...] = ()

    @property
    def v2_path(self) -> Optional[str]:
        """The task's cgroup in the hierarchy of v2; ``None`` if there is none."""
        for line in self.lines:
            if line.hierarchy == 0 and not line.controllers:
                return line.path
        return None

    def v1_path(self, controller: str) -> Optional[str]:
        """Return the task's cgroup in the v1 hierarchy of ``controller``; ``None`` if v1 does not have it."""
        for line in self.lines:
            if controller in line.controllers:
                return line.path
        return None


def parse_pid_cgroup(data: bytes, path: str = "/proc/<pid>/cgroup") -> PidCgroup:
    r"""Parse a task's cgroup file.

    >>> hybrid = parse_pid_cgroup(b"4:memory:/a\n3:cpu,cpuacct:/b:c\n0::/user.slice\n")
    >>> hybrid.v2_path, hybrid.v1_path("cpuacct"), hybrid.v1_path("io")
    ('/user.slice', '/b:c', None)
    """
    problems: List[Problem] = []
    lines: List[CgroupLine] = []
    for number, line in complete_lines(data, path, problems):
        token, _, rest = line.partition(b":")
        controllers, _, cgroup = rest.partition(b":")
        hierarchy = unsigned(token)
        if hierarchy is None or not cgroup.startswith(b"/"):
            problems.append(problem(path, number, line, "id:controllers:/path"))
        else:
            names = tuple(decode(controllers).split(",")) if controllers else ()
            lines.append(CgroupLine(hierarchy, names, decode(cgroup)))
    return PidCgroup(tuple(lines), tuple(problems))
