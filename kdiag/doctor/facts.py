"""Facts about a host that explain what works there: they are told beside the trials, and decide nothing."""

import os
from contextlib import contextmanager
from typing import Callable, Iterator, List, Optional, Tuple

from kdiag.ftrace.private_mount import mount_privately
from kdiag.host.base import Host, ReadError
from kdiag.kernel.capabilities import privilege_of_reader
from kdiag.kernel.config import Config
from kdiag.kernel.container import container_of
from kdiag.kernel.lockdown import lockdown_of
from kdiag.kernel.machine import machine_of
from kdiag.records import NamedTuple

__all__ = ["OPTIONS", "Fact", "OptionFact", "facts_of", "options_of"]

_SECURITYFS = "/sys/kernel/security"


class Fact(NamedTuple):
    """What is so, where it was read, and what it means for tracing; ``value`` is ``None`` if not known."""

    id: str
    title: str
    value: Optional[str]
    means: str = ""
    source: str = ""


class OptionFact(NamedTuple):
    """A kernel option: ``y``, ``m``, ``n``, ``None`` if the configuration could not be read."""

    name: str
    value: Optional[str]


#: Options that decide what kdiag can do, beside those that the capabilities name.
OPTIONS: Tuple[str, ...] = (
    "CONFIG_DEBUG_FS",
    "CONFIG_FUNCTION_GRAPH_RETADDR",
    "CONFIG_FUNCTION_PROFILER",
    "CONFIG_IKHEADERS",
    "CONFIG_KALLSYMS_ALL",
    "CONFIG_SCHEDSTATS",
    "CONFIG_SECURITY_LOCKDOWN_LSM",
    "CONFIG_STACK_TRACER",
    "CONFIG_TASK_DELAY_ACCT",
    "CONFIG_TRACER_SNAPSHOT",
)

_SYSCTLS: Tuple[Tuple[str, str, str, Callable[[str], str]], ...] = (
    (
        "kptr_restrict",
        "kernel.kptr_restrict",
        "/proc/sys/kernel/kptr_restrict",
        lambda value: {
            "0": "kallsyms shows addresses to CAP_SYSLOG, and with perf_event_paranoid up to 1 to all",
            "1": "kallsyms shows addresses to CAP_SYSLOG",
            "2": "kallsyms hides addresses from everybody, so binary stacks have no names",
        }.get(value, ""),
    ),
    (
        "perf_event_paranoid",
        "kernel.perf_event_paranoid",
        "/proc/sys/kernel/perf_event_paranoid",
        lambda value: {
            "-1": "perf events for everybody",
            "0": "perf events for everybody, raw tracepoints not",
            "1": "users may look at their own processes, kernel included",
            "2": "users may look at their own processes, kernel excluded",
            "3": "perf events for root alone (Debian's and Ubuntu's own value)",
            "4": "perf events for root alone (Debian's and Ubuntu's own value)",
        }.get(value, ""),
    ),
    (
        "unprivileged_bpf_disabled",
        "kernel.unprivileged_bpf_disabled",
        "/proc/sys/kernel/unprivileged_bpf_disabled",
        lambda value: {"0": "users may load socket filters"}.get(value, "bpf(2) takes privilege"),
    ),
    (
        "ftrace_enabled",
        "kernel.ftrace_enabled",
        "/proc/sys/kernel/ftrace_enabled",
        lambda value: {
            "0": "somebody switched function tracing off for all: sysctl kernel.ftrace_enabled=1",
            "1": "function tracers are not switched off",
        }.get(value, ""),
    ),
)


def facts_of(host: Host, config: Config) -> List[Fact]:
    """Return all facts, those first that explain most."""
    found = [
        Fact("kernel", "kernel", _word(host, "/proc/sys/kernel/osrelease")),
        Fact("machine", "machine", machine_of(host)),
        *_user(host),
        *_security(host, config),
        *_container(host),
    ]
    for id, title, path, means in _SYSCTLS:
        value = _word(host, path)
        found.append(Fact(id, title, value, "" if value is None else means(value), path))
    return found


def options_of(config: Config, names: Tuple[str, ...]) -> List[OptionFact]:
    """Return the options of a configuration, sorted by name."""
    return [OptionFact(name, config.value(name)) for name in sorted({*OPTIONS, *names})]


def _user(host: Host) -> Iterator[Fact]:
    if host.kind == "recorded":
        yield Fact("user", "user", None, "not those of whoever recorded this")
        return
    try:
        privilege = privilege_of_reader(host)
    except (ReadError, ValueError) as error:
        yield Fact("user", "user", None, str(error))
        return
    name = None if privilege.euid is None else host.user_name(privilege.euid)
    yield Fact(
        "user", "user", name or str(privilege.euid), "" if privilege.euid == 0 else "tracing takes root"
    )
    count = len(privilege.effective)
    needed = [each for each in _NEEDED if not privilege.has(each)]
    lacks = f"lacks {', '.join(needed)}" if needed else ""
    value = "all" if privilege.has_all else f"{count}" if count else "none"
    yield Fact("capabilities", "capabilities", value, lacks, "/proc/self/status")
    if privilege.seccomp:
        yield Fact(
            "seccomp",
            "seccomp",
            str(privilege.seccomp),
            "a filter may refuse system calls",
            "/proc/self/status",
        )


#: What tracing, symbols, BPF and perf events may take.
_NEEDED = ("CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYSLOG", "CAP_PERFMON", "CAP_BPF", "CAP_SYS_RESOURCE")


def _security(host: Host, config: Config) -> List[Fact]:
    with _securityfs(host) as place:
        found = lockdown_of(host, config, place)
        modules = _word(host, f"{place or _SECURITYFS}/lsm")
    return [
        Fact("lockdown", "kernel lockdown", found.state, found.why, found.source),
        Fact("lsm", "security modules", _count(modules), modules or "", f"{_SECURITYFS}/lsm"),
    ]


def _count(modules: Optional[str]) -> Optional[str]:
    return None if modules is None else str(len(modules.split(",")))


@contextmanager
def _securityfs(host: Host) -> Iterator[Optional[str]]:
    """Give a place where securityfs can be read: mounted where nobody sees it, if it is not mounted."""
    if host.kind != "live" or host.root != "/" or host.facts.reader_euid != 0:
        yield None
        return
    try:
        mounted = bool(host.list(_SECURITYFS))
    except ReadError:
        mounted = False
    if mounted:
        yield None
        return
    try:
        descriptor = mount_privately("securityfs")
    except OSError:  # then the boot parameters have to do, and the fact says so
        yield None
        return
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _container(host: Host) -> Iterator[Fact]:
    if host.kind == "recorded":
        return
    found = container_of(host)
    value = "likely" if found.is_likely else "no sign of one"
    means = "; ".join(found.signs)
    yield Fact("container", "container", value, means)
    if found.initial_pid_namespace is False:
        yield Fact(
            "pid_namespace",
            "PID namespace",
            "its own",
            "tracefs knows tasks by their numbers on the host: run with the host's PID namespace",
            "/proc/self/ns/pid",
        )
    if found.initial_user_namespace is False:
        yield Fact(
            "user_namespace",
            "user namespace",
            "its own",
            "root here is not root of the host",
            "/proc/self/ns/user",
        )


def _word(host: Host, path: str) -> Optional[str]:
    try:
        return host.read(path).decode("utf-8", "surrogateescape").strip()
    except ReadError:
        return None
