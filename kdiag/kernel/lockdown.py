"""The state of kernel lockdown: which of the kernel's interfaces even root may not use.

``/sys/kernel/security/lockdown`` reads ``none [integrity] confidentiality`` (man kernel_lockdown.7); it is in
securityfs, which need not be mounted. The state explains what fails. It never decides what is tried: some
kernels refuse more than their mode says, and integrity refuses next to nothing that kdiag uses.
"""

from typing import Mapping, Optional, Tuple

from kdiag.host.base import Host, ReadError
from kdiag.kernel.config import Config
from kdiag.records import NamedTuple

__all__ = ["BLOCKED", "LOCKDOWN", "Lockdown", "lockdown_of"]

LOCKDOWN = "/sys/kernel/security/lockdown"

#: What each mode blocks of what kdiag may use (``security/lockdown/lockdown.c`` and measured on 5.10 to 7.2).
BLOCKED: Mapping[str, str] = {
    "none": "blocks nothing",
    "integrity": "by itself blocks nothing that kdiag uses",
    "confidentiality": "blocks tracefs (it mounts, but is empty), kprobes, and BPF that reads the kernel",
}

_FORCED = {
    "CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY": "integrity",
    "CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY": "confidentiality",
}


class Lockdown(NamedTuple):
    """``state`` is a mode, ``None`` if not known; ``source`` tells it, ``why`` is what to know of it."""

    state: Optional[str]
    source: str
    why: str = ""


def lockdown_of(host: Host, config: Config, securityfs: Optional[str] = None) -> Lockdown:
    """Return the state; ``securityfs`` is where it can be read if not at the usual place.

    Without securityfs the boot parameters and the configuration tell the least that it is: it can be raised
    at run time, never lowered.
    """
    for path in (LOCKDOWN, *((f"{securityfs}/lockdown",) if securityfs else ())):
        try:
            state = _chosen(host.read(path))
        except ReadError as error:
            failure = error.failure
            continue
        return Lockdown(state, LOCKDOWN, BLOCKED.get(state or "", ""))
    if failure.kind != "absent":
        return Lockdown(None, LOCKDOWN, str(failure))
    if config.value("CONFIG_SECURITY_LOCKDOWN_LSM") == "n":
        return Lockdown("none", config.source or "", "this kernel was built without lockdown")
    if "lockdown" not in _modules_of(host, config, "lockdown"):
        return Lockdown("none", config.source or "", "lockdown is not among the security modules in use")
    state, source = _at_boot(host, config)
    if state is None:
        return Lockdown(None, LOCKDOWN, "securityfs is not mounted, and nothing else tells it")
    return Lockdown(state, source, "at least: securityfs, which tells it, is not mounted")


def _chosen(data: bytes) -> Optional[str]:
    text = data.decode("ascii", "replace")
    start, end = text.find("["), text.find("]")
    return text[start + 1 : end] if 0 <= start < end else None


def _modules_of(host: Host, config: Config, default: str) -> Tuple[str, ...]:
    """Return the security modules that the kernel starts (``lsm=``, else ``CONFIG_LSM``)."""
    for word in _command_line(host):
        if word.startswith("lsm="):
            return tuple(word[4:].split(","))
    if config.value("CONFIG_SECURITY_LOCKDOWN_LSM_EARLY") == "y":
        return ("lockdown",)
    named = config.value("CONFIG_LSM")
    return tuple(named.split(",")) if named not in (None, "n") and named else (default,)


def _at_boot(host: Host, config: Config) -> Tuple[Optional[str], str]:
    for word in _command_line(host):
        if word.startswith("lockdown="):
            return word[len("lockdown=") :], "/proc/cmdline"
    for option, state in _FORCED.items():
        if config.value(option) == "y":
            return state, config.source or ""
    if config.source is None:
        return None, ""
    return "none", config.source


def _command_line(host: Host) -> Tuple[str, ...]:
    try:
        return tuple(host.read("/proc/cmdline").decode("utf-8", "surrogateescape").split())
    except ReadError:
        return ()
