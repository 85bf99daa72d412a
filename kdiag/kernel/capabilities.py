"""Names of capabilities (``include/uapi/linux/capability.h``, up to 7.2), and what a process has of them."""

from typing import Optional, Tuple

from kdiag.host.base import Host
from kdiag.records import NamedTuple

__all__ = ["NAMES", "Privilege", "names_of", "privilege_of_reader"]

#: By bit, from 0.
NAMES: Tuple[str, ...] = tuple(
    f"CAP_{name}"
    for name in (
        "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE"
        " NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT"
        " SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE"
        " AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ"
        " PERFMON BPF CHECKPOINT_RESTORE"
    ).split()
)


class Privilege(NamedTuple):
    """What the process that reads the host may do: effective user, capabilities, and the seccomp mode.

    ``seccomp``: 0 none, 1 strict, 2 a filter; ``None`` where the kernel does not show it. ``no_new_privs``
    keeps programs that it starts from getting more.
    """

    euid: Optional[int]
    effective: Tuple[str, ...]
    has_all: bool
    seccomp: Optional[int]
    no_new_privs: Optional[bool]

    def has(self, name: str) -> bool:
        """Tell whether a capability is effective."""
        return name in self.effective


def names_of(mask: int) -> Tuple[str, ...]:
    """Return the names in a mask; a bit that has none yet is ``CAP_41``.

    >>> names_of(0x3), names_of(1 << 41)
    (('CAP_CHOWN', 'CAP_DAC_OVERRIDE'), ('CAP_41',))
    """
    bits = [bit for bit in range(mask.bit_length()) if mask >> bit & 1]
    return tuple(NAMES[bit] if bit < len(NAMES) else f"CAP_{bit}" for bit in bits)


def privilege_of_reader(host: Host) -> Privilege:
    """Read what the reader of this host has; raises :class:`~kdiag.host.base.ReadError`.

    "All" is all that the kernel knows: the bounding set may be smaller, so root in a container has not all.
    """
    fields = {}
    for line in host.read("/proc/self/status").decode("ascii", "replace").split("\n"):
        key, _, value = line.partition(":")
        fields[key] = value.strip()
    mask = int(fields.get("CapEff") or "0", 16)
    last = host.read("/proc/sys/kernel/cap_last_cap")
    every = (1 << (int(last) + 1)) - 1
    uids = fields.get("Uid", "").split()
    return Privilege(
        int(uids[1]) if len(uids) > 1 else host.facts.reader_euid,
        names_of(mask),
        mask & every == every,
        int(fields["Seccomp"]) if "Seccomp" in fields else None,
        fields["NoNewPrivs"] == "1" if "NoNewPrivs" in fields else None,
    )
