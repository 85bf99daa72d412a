"""Signs that whoever reads is in a container: what it then sees and may do is not the whole host.

No file tells it for sure. Each sign is named, so that a reader can judge; the namespaces are facts: those of
the initial system have fixed numbers (``include/linux/proc_ns.h``).
"""

from typing import List, Optional, Tuple

from kdiag.host.base import Host, ReadError
from kdiag.records import NamedTuple

__all__ = ["Container", "container_of"]

_FIRST_PID_NAMESPACE = 0xEFFFFFFC
_FIRST_USER_NAMESPACE = 0xEFFFFFFD

#: Files that runtimes leave, by what they mean.
_FILES = (
    ("/.dockerenv", "Docker"),
    ("/run/.containerenv", "Podman"),
    ("/run/systemd/container", "systemd"),
    ("/run/secrets/kubernetes.io/serviceaccount/namespace", "Kubernetes"),
)
#: Parts of the cgroup path of PID 1.
_CGROUPS = ("docker", "kubepods", "containerd", "lxc", "libpod", "crio")


class Container(NamedTuple):
    """``signs`` of a container; whether the namespaces are the initial ones (``None``: not shown)."""

    signs: Tuple[str, ...]
    initial_pid_namespace: Optional[bool]
    initial_user_namespace: Optional[bool]

    @property
    def is_likely(self) -> bool:
        """Whether anything speaks for a container."""
        return bool(self.signs) or False in (self.initial_pid_namespace, self.initial_user_namespace)


def container_of(host: Host) -> Container:
    """Return what this host's files say of a container around the reader."""
    signs: List[str] = []
    for path, name in _FILES:
        try:
            host.read(path)
        except ReadError as error:
            # An empty file is a failure to a Host, but a sign here.
            if error.failure.kind in ("absent", "not_recorded"):
                continue
        signs.append(f"{path} ({name})")
    try:
        groups = host.read("/proc/1/cgroup").decode("utf-8", "replace")
    except ReadError:
        groups = ""
    signs += [f"/proc/1/cgroup names {word}" for word in _CGROUPS if word in groups]
    return Container(
        tuple(signs),
        _is_namespace(host, "pid", _FIRST_PID_NAMESPACE),
        _is_namespace(host, "user", _FIRST_USER_NAMESPACE),
    )


def _is_namespace(host: Host, kind: str, number: int) -> Optional[bool]:
    try:
        link = host.readlink(f"/proc/self/ns/{kind}")
    except ReadError:
        return None
    return link == f"{kind}:[{number}]"
