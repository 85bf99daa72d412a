"""Defining probes and synthetic events in a group of the session's own, and removing them after use.

Documented in Documentation/trace/{kprobetrace,uprobetracer,fprobetrace,eprobetrace,histogram}.rst.
Everybody's definitions stand in the same few files, so commands are only ever appended, one at a write; the
group (``kdiag_PID_STARTTIME``, the instance's name) tells whose they are. A definition cannot be removed
while it is enabled in any instance, so a session removes them after its events were disabled.

What a kernel refuses, it explains in ``error_log``; what to try then is in :data:`REMEDIES`. The errno alone
differs: an unknown function is ENOENT on 5.10 and 6.1 and EINVAL on 6.12, one of several EADDRNOTAVAIL or
EINVAL.
"""

import errno
import re
from typing import Dict, Optional, Sequence, Tuple

from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFsError

__all__ = ["REMEDIES", "DynamicEvents", "remedy_for"]

#: What the kernel's own words mean for whoever wrote the probe. The first that is found counts.
REMEDIES: Tuple[Tuple[str, str], ...] = (
    (
        "not unique|non-unique|multiple",
        "several functions of this kernel have that name, and it does not say which is meant: "
        "probe one that calls it, or use a tracepoint",
    ),
    (
        "Invalid probed address or symbol|Failed to register probe event.*ENOENT|Given function not found",
        "this kernel has no such function, or it was inlined into its callers: "
        "`kdiag probes 'kprobe:*NAME*'` lists what there is",
    ),
    (
        "Failed to register probe event",
        "the kernel does not let this function be probed (it is marked notrace or NOKPROBE, or its code is "
        "special): probe one that calls it",
    ),
    ("Failed to find the given file", "there is no such file where kdiag runs"),
    ("BTF is not available|Failed to find BTF", "this kernel has no type information: use $arg1, $arg2, ..."),
    (
        "Invalid argument access|Invalid \\$arg|Cannot use \\$arg",
        "arguments are there only where a function begins",
    ),
    ("not found|Unknown|Invalid", "see Documentation/trace/kprobetrace.rst for how arguments are written"),
)
#: Where each kind is defined.
_FILES: Dict[str, str] = {
    "kprobe": "kprobe_events",
    "kretprobe": "kprobe_events",
    "uprobe": "uprobe_events",
    "uretprobe": "uprobe_events",
    "fprobe": "dynamic_events",
    "fretprobe": "dynamic_events",
    "eprobe": "dynamic_events",
}
#: Why a file is missing, for people who build or choose kernels.
_CONFIGS: Dict[str, str] = {
    "kprobe_events": "CONFIG_KPROBE_EVENTS",
    "uprobe_events": "CONFIG_UPROBE_EVENTS",
    "synthetic_events": "CONFIG_SYNTH_EVENTS and CONFIG_HIST_TRIGGERS",
    "dynamic_events": "CONFIG_DYNAMIC_EVENTS (5.0)",
}
#: Where the kernel says nothing at all, by the letter that a command begins with.
_UNSAID: Dict[str, str] = {
    "e": "the kernel does not say why: it may have no event probes (CONFIG_EPROBE_EVENTS, since 5.15)",
    "f": "the kernel does not say why: it may have no function probes (CONFIG_FPROBE_EVENTS, since 6.5)",
}
_LOCKDOWN = (
    "root may not do this here: the kernel is locked down, or a security module forbids it; "
    "`kdiag doctor` shows what works"
)
_MOST_NAME = 32  # the kernel takes 63, for group and event each
_MAX_ACTIVE = 4096  # KRETPROBE_MAXACTIVE_MAX


#: As a signed number, so that a filter `ret < 0` means what it says, at least for functions that return a
#: long; of one that returns an int, the upper half of the register may be anything.
_RETURNED = "ret=$retval:s64"


class DynamicEvents:
    """The definitions of one session. Each method returns (system, event) to be enabled."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.group = session.name.replace("-", "_")
        self._names: Dict[str, int] = {}

    def kernel_function(
        self, kind: str, symbol: str, args: Sequence[str] = (), *, max_active: Optional[int] = None
    ) -> Tuple[str, str]:
        """Define a ``kprobe``, ``kretprobe``, ``fprobe`` or ``fretprobe``; by default a return has ``ret``.

        ``max_active`` bounds how many calls of a kretprobe are waited for at a time; what is beyond is missed
        (``kprobe_profile`` counts it).
        """
        event = self._name(symbol)
        args = args or ((_RETURNED,) if kind in ("kretprobe", "fretprobe") else ())
        if kind == "kprobe":
            head, place = "p", symbol
        elif kind == "kretprobe":
            active = "" if max_active is None else str(min(max_active, _MAX_ACTIVE))
            head, place = f"r{active}", symbol
        else:
            head, place = "f", symbol + ("%return" if kind == "fretprobe" else "")
        return self._define(kind, event, f"{head}:{self.group}/{event} {place}", args)

    def user_function(
        self, kind: str, path: str, offset: int, name: str, args: Sequence[str] = ()
    ) -> Tuple[str, str]:
        """Define a ``uprobe`` or ``uretprobe`` at an offset in a file."""
        if any(char.isspace() for char in path):
            raise TraceFsError(
                self.session.tracefs.path("uprobe_events"),
                errno.EINVAL,
                path,
                remedy="the kernel takes no file name with blanks here: make a link to it, and use that",
            )
        event = self._name(name)
        args = args or ((_RETURNED,) if kind == "uretprobe" else ())
        head = "r" if kind == "uretprobe" else "p"
        return self._define(kind, event, f"{head}:{self.group}/{event} {path}:{offset:#x}", args)

    def event_probe(self, system: str, name: str, args: Sequence[str]) -> Tuple[str, str]:
        """Define an eprobe: an event of its own with what fields of another event point to."""
        event = self._name(name)
        return self._define("eprobe", event, f"e:{self.group}/{event} {system}.{name}", args)

    def synthetic(self, name: str, fields: str) -> Tuple[str, str]:
        """Define a synthetic event (``u64 lat; pid_t pid``), whose name begins with the group."""
        event = f"{self.group}_{name}"
        self._append("synthetic_events", f"{event} {fields}")
        self.session.on_close(lambda: self._append("synthetic_events", f"!{event}"))
        return "synthetic", event

    def _define(self, kind: str, event: str, command: str, args: Sequence[str]) -> Tuple[str, str]:
        file = _FILES[kind]
        try:
            self._append(file, " ".join((command, *args)))
        except TraceFsError as error:
            if tuple(args) != (_RETURNED,) or "'void'" not in error.kernel_log:
                raise
            self._append(file, command)  # since 6.5 the kernel may know that a function returns nothing
        self.session.on_close(lambda: self._append(file, f"-:{self.group}/{event}"))
        return self.group, event

    def _append(self, file: str, text: str) -> None:
        top = self.session.tracefs
        if not top.exists(file):
            raise TraceFsError(
                top.path(file), errno.ENOENT, remedy=f"it takes a kernel with {_CONFIGS[file]}"
            )
        try:
            top.append(file, text + "\n")
        except TraceFsError as error:
            remedy = remedy_for(error)
            if not error.kernel_log and not remedy:
                remedy = _UNSAID.get(text[:1], "")
            raise TraceFsError(error.path, error.errno, error.written, error.kernel_log, remedy) from None

    def _name(self, base: str) -> str:
        """Return a name for an event that the kernel takes and this group does not have yet."""
        plain = re.sub(r"\W", "_", base, flags=re.ASCII)[:_MOST_NAME]
        plain = plain if not plain[:1].isdigit() else f"_{plain}"
        count = self._names[plain] = self._names.get(plain, 0) + 1
        # Profiles of probes do not name the group, so the name alone has to be this session's only.
        own = plain + self.group[len("kdiag") :]
        return own if count == 1 else f"{own}_{count}"


def remedy_for(error: TraceFsError) -> str:
    """Return what to try after a refused definition."""
    if not error.kernel_log and error.errno in (errno.EPERM, errno.EACCES):
        return _LOCKDOWN
    said = f"{error.kernel_log}\n{errno.errorcode.get(error.errno, '')}"
    return next((remedy for pattern, remedy in REMEDIES if re.search(pattern, said, re.DOTALL)), "")
