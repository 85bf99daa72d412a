"""Names of disks by the kernel's own device number, as events have it: ``major << 20 | minor``."""

from typing import Dict, Optional

from kdiag.host.base import Host, ReadError
from kdiag.procfs.diskstats import parse_diskstats

__all__ = ["DiskNames"]

_MINOR_BITS = 20
_PATH = "/proc/diskstats"


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
