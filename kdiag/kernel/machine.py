"""The architecture of a host, as ``uname -m`` names it: which numbers its system calls have."""

import os
from typing import Optional

from kdiag.host.base import Host, ReadError

__all__ = ["machine_of"]

#: Since 6.1 (``kernel/utsname_sysctl.c``).
_ARCH = "/proc/sys/kernel/arch"
#: Words of ``/proc/version`` and of the kernel's release that tell it, where distributions put them.
_IN_VERSION = ("x86_64", "aarch64", "s390x", "ppc64le", "riscv64", "loongarch64")
_DEBIAN = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "ppc64el": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}


def machine_of(host: Host) -> Optional[str]:
    """Return the machine's name, ``None`` for a recording that does not tell it.

    The machine that kdiag runs on is never asked about a recording: they need not be alike.
    """
    try:
        return host.read(_ARCH).decode("ascii", "replace").strip() or None
    except ReadError:
        pass
    if host.kind == "live":
        return os.uname().machine
    try:
        release = host.read("/proc/sys/kernel/osrelease").decode("ascii", "replace")
    except ReadError:
        return None
    for word in _IN_VERSION:
        if word in release:
            return word
    return next((machine for word, machine in _DEBIAN.items() if release.rstrip().endswith(word)), None)
