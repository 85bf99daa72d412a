"""Names of disks: of the whole ones, and by the number that events have.

The kernel's own device number is ``major << 20 | minor``.
"""

from typing import Dict, List, Optional

from kdiag.host.base import Host, ReadError
from kdiag.procfs.diskstats import parse_diskstats
from kdiag.tools.tool import BadOption

__all__ = ["DiskNames", "check_disk", "whole_disks"]

_MINOR_BITS = 20
_PATH, _WHOLE = "/proc/diskstats", "/sys/block"


def whole_disks(host: Host) -> List[str]:
    """Return the names of disks that are no partitions; raises :exc:`~kdiag.host.base.ReadError`."""
    # There, a / in a name is a !.
    return sorted(name.replace("!", "/") for name in host.list(_WHOLE))


def check_disk(host: Host, name: Optional[str]) -> None:
    """Raise :exc:`~kdiag.tools.tool.BadOption` for what is no whole disk: requests are those of disks."""
    if name is None:
        return
    try:
        known = whole_disks(host)
    except ReadError:
        return
    if name not in known:
        raise BadOption(f"{name} is no disk (partitions are not told apart): there are {', '.join(known)}")


class DiskNames:
    """Read anew when a number is asked for that was not there."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._names: Dict[int, str] = {}

    def of(self, dev: int) -> Optional[str]:
        """Return the name; ``major:minor`` where nobody knows it, ``None`` for 0, which is no disk.

        Paths of a multipath NVMe disk are hidden, and have no number: they are told apart by BPF only.
        """
        if dev not in self._names:
            self._read()
        if dev not in self._names:
            self._names[dev] = f"{dev >> _MINOR_BITS}:{dev & (1 << _MINOR_BITS) - 1}"
        return self._names[dev] if dev else None

    def _read(self) -> None:
        try:
            data = self._host.read(_PATH)
        except ReadError:
            return
        for disk in parse_diskstats(data).disks:
            self._names[disk.major << _MINOR_BITS | disk.minor] = disk.name
