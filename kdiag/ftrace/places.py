"""From probes as users name them to places that the kernel has, and why others cannot be probed."""

import errno
import os
from difflib import get_close_matches
from typing import Dict, List, Optional, Sequence, Tuple

from kdiag.ftrace.dynamic_events import DynamicEvents
from kdiag.ftrace.elf_symbols import BadElf, Function, functions_of
from kdiag.ftrace.functions import Functions, denied, functions_of_kernel
from kdiag.ftrace.probe import KINDS, BadProbe, Probe, has_wildcard, is_offset, matches
from kdiag.ftrace.reap import group_of
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host
from kdiag.records import NamedTuple

__all__ = ["MOST_PROBES", "Catalogue", "Found", "Place", "attach", "define"]

#: Attaching and removing takes a grace period of RCU each; more than these are better counted otherwise.
MOST_PROBES = 200
_KERNEL_KINDS = ("kprobe", "kretprobe", "fprobe", "fretprobe")
_USER_KINDS = ("uprobe", "uretprobe")
_EVENT_KINDS = ("tracepoint", "eprobe")
#: What a kind needs: a file, what the README says where it is built in, and since when, with which option.
_NEEDS: Dict[str, Tuple[str, str, str]] = {
    "tracepoint": ("events", "", "CONFIG_EVENT_TRACING"),
    "kprobe": ("kprobe_events", "", "CONFIG_KPROBE_EVENTS"),
    "fprobe": ("dynamic_events", "f[:", "CONFIG_FPROBE_EVENTS (since 6.5)"),
    "eprobe": ("dynamic_events", "e[:", "CONFIG_EPROBE_EVENTS (since 5.15)"),
    "uprobe": ("uprobe_events", "", "CONFIG_UPROBE_EVENTS"),
}
_NEEDS["kretprobe"], _NEEDS["fretprobe"] = _NEEDS["kprobe"], _NEEDS["fprobe"]
_NEEDS["uretprobe"] = _NEEDS["uprobe"]
_MOST_NEAR = 5
_IFUNC = "it only chooses, once, the function that is then called (IFUNC)"


class Place(NamedTuple):
    """One place to be probed, without patterns; ``offset`` is that in the file of a uprobe."""

    probe: Probe
    offset: Optional[int] = None

    def __str__(self) -> str:
        return str(self.probe)


class Found(NamedTuple):
    """What a probe stands for, and what its pattern matched but was left out, with the reason."""

    places: Tuple[Place, ...]
    left_out: Tuple[Tuple[str, str], ...] = ()
    notes: Tuple[str, ...] = ()


class Catalogue:
    """What this kernel and these files have; each source is read once, when it is first asked for."""

    def __init__(self, tracefs: TraceFs, host: Host) -> None:
        self.tracefs = tracefs.top
        self.host = host
        self._events: Optional[List[Tuple[str, str]]] = None
        self._functions: Optional[Functions] = None
        self._user: Dict[str, Dict[str, Function]] = {}
        self._readme: Optional[str] = None

    def missing(self, kind: str) -> str:
        """Return why a kind of probe is not to be had, nothing if it is."""
        file, mark, option = _NEEDS[kind]
        if not self.tracefs.exists(file):
            return f"no {self.tracefs.path(file)}: it takes a kernel with {option}"
        if mark:
            if self._readme is None:
                self._readme = self.tracefs.read("README")
            if mark not in self._readme:
                return f"{self.tracefs.path('README')} does not know it: it takes a kernel with {option}"
        return ""

    @property
    def events(self) -> List[Tuple[str, str]]:
        """All events as (system, event), but for those that kdiag defined itself."""
        if self._events is None:
            found: List[Tuple[str, str]] = []
            for system in self.tracefs.list("events"):
                if system == "ftrace" or not os.path.isdir(self.tracefs.open_path(f"events/{system}")):
                    continue
                found += [
                    (system, event)
                    for event in self.tracefs.list(f"events/{system}")
                    if event not in ("enable", "filter") and group_of(system, event) is None
                ]
            self._events = found
        return self._events

    @property
    def functions(self) -> Functions:
        """The kernel's functions."""
        if self._functions is None:
            self._functions = functions_of_kernel(self.tracefs, self.host)
        return self._functions

    def user_functions(self, path: str) -> Dict[str, Function]:
        """Return the functions of a program or library; :exc:`BadElf` also where it cannot be read."""
        if path not in self._user:
            try:
                self._user[path] = functions_of(self._local(path))
            except OSError as error:
                raise BadElf(f"{path}: {error.strerror}") from None
        return self._user[path]

    def find(self, probe: Probe) -> Found:
        """Return the places of a probe; :exc:`BadProbe` says why there are none, and what is near."""
        missing = self.missing(probe.kind)
        if missing:
            raise BadProbe(f"{probe}: {probe.kind} is not to be had here: {missing}")
        return self.look_up(probe)

    def look_up(self, probe: Probe) -> Found:
        """Do as :meth:`find`, for who does not probe through tracefs: its files may be missing."""
        if probe.kind in _EVENT_KINDS:
            found = self._find_events(probe)
        elif probe.kind in _KERNEL_KINDS:
            found = self._find_functions(probe)
        else:
            found = self._find_user_functions(probe)
        if len(found.places) > MOST_PROBES and probe.kind != "tracepoint":
            raise BadProbe(
                f"{probe}: {len(found.places)} functions match, and no more than {MOST_PROBES} are probed at "
                "a time, for each costs the whole machine a little: narrow the pattern"
            )
        return found

    def why_left_out(self, name: str) -> str:
        """Return why patterns leave a kernel function out, nothing if they do not."""
        return denied(name) or _why_not(self.functions, name) or ""

    def find_all_user_functions(self, probe: Probe) -> List[Tuple[Probe, str]]:
        """Return all functions of a program that match, however many, and why one cannot be probed."""
        path = self._program(probe)
        functions = self.user_functions(path)
        return [
            (probe._replace(where=path, what=name), _IFUNC if functions[name].indirect else "")
            for name in sorted(functions)
            if matches(name, probe.what)
        ]

    def _find_events(self, probe: Probe) -> Found:
        if probe.kind == "tracepoint" and probe.args:
            raise BadProbe(f"{probe}: a tracepoint has its own fields; what they point to shows an eprobe")
        if probe.kind == "eprobe" and not probe.args:
            raise BadProbe(f"{probe}: an eprobe needs what to show, such as: file=+0($filename):ustring")
        places = [
            Place(probe._replace(where=system, what=event))
            for system, event in self.events
            if matches(system, probe.where) and matches(event, probe.what)
        ]
        if not places:
            known = [f"{system}:{event}" for system, event in self.events]
            raise BadProbe(f"{probe}: this kernel has no such event{_near(probe.where, probe.what, known)}")
        return Found(tuple(places))

    def _find_functions(self, probe: Probe) -> Found:
        functions = self.functions
        if not functions.names:
            if probe.pattern:
                raise BadProbe(f"{probe}: the names of functions may not be read here: {functions.note}")
            return Found((Place(probe),), notes=(f"not looked up: {functions.note}",))
        if not probe.pattern:
            return self._one_function(probe, functions)
        places: List[Place] = []
        left_out: List[Tuple[str, str]] = []
        for name in functions.matching(probe.what):
            why = self.why_left_out(name)
            if why:
                left_out.append((name, why))
            else:
                places.append(Place(probe._replace(what=name)))
        if not places:
            why = f" but what is left out ({left_out[0][0]}: {left_out[0][1]})" if left_out else ""
            raise BadProbe(f"{probe}: no function matches{why}")
        notes = (functions.note,) if functions.note else ()
        return Found(tuple(places), tuple(left_out), notes)

    def _one_function(self, probe: Probe, functions: Functions) -> Found:
        name = probe.what.partition("+")[0].rpartition(":")[2]
        count = functions.names.get(name, 0)
        if not count:
            near = functions.near(name)
            told = f"; near it: {', '.join(near)}" if near else ""
            raise BadProbe(
                f"{probe}: no such function in {functions.source} (inlined or renamed in this kernel?){told}"
            )
        if count > 1 and ":" not in probe.what:
            raise BadProbe(
                f"{probe}: {count} functions of this kernel have that name, and a probe cannot say which; "
                "probe one that calls it, or use a tracepoint"
            )
        return Found((Place(probe),))

    def _find_user_functions(self, probe: Probe) -> Found:
        path = self._program(probe)
        probe = probe._replace(where=path)
        if is_offset(probe.what):
            return Found((Place(probe, int(probe.what, 0)),))
        functions = self.user_functions(path)
        name, _, more = probe.what.partition("+")
        if probe.pattern:
            names = sorted(each for each in functions if matches(each, probe.what))
        else:
            names = [name] if name in functions else []
        if not names:
            near = get_close_matches(name, functions, _MOST_NEAR)
            told = f"; near it: {', '.join(near)}" if near else ""
            few = "" if functions else " (it has no symbols at all: it was stripped)"
            raise BadProbe(f"{probe}: {path} has no such function{few}{told}")
        indirect = [each for each in names if functions[each].indirect]
        places = [
            Place(
                probe._replace(what=each + (f"+{more}" if more else "")),
                functions[each].offset + (int(more, 0) if more else 0),
            )
            for each in names
            if not functions[each].indirect
        ]
        left_out = tuple((each, _IFUNC) for each in indirect)
        if not places:
            raise BadProbe(f"{probe}: {left_out[0][0]}: {left_out[0][1]}; probe that one")
        return Found(tuple(places), left_out)

    def _program(self, probe: Probe) -> str:
        """Return the path of a program; a bare name is looked for as a shell does."""
        from shutil import which

        if "/" in probe.where:
            path = os.path.abspath(probe.where)
        else:
            found = which(probe.where)
            if found is None:
                raise BadProbe(f"{probe}: there is no program {probe.where!r}; write the path of the file")
            path = found
        if not os.path.exists(self._local(path)):
            raise BadProbe(f"{probe}: there is no file {path}")
        return path

    def _local(self, path: str) -> str:
        return self.host.root.rstrip("/") + path


def define(session: Session, places: Sequence[Place], catalogue: Catalogue) -> Dict[str, Place]:
    """Define what needs a definition; return the places by the event that stands for each."""
    events = DynamicEvents(session)
    found: Dict[str, Place] = {}
    for place in places:
        probe = place.probe
        if probe.kind == "tracepoint":
            system, event = probe.where, probe.what
        elif probe.kind == "eprobe":
            system, event = events.event_probe(probe.where, probe.what, probe.args)
        elif place.offset is not None:
            path = catalogue.host.root.rstrip("/") + probe.where
            system, event = events.user_function(probe.kind, path, place.offset, _symbol(probe), probe.args)
        else:
            system, event = events.kernel_function(probe.kind, probe.what, probe.args)
        found[f"{system}:{event}"] = place
    return found


def attach(
    session: Session,
    places: Sequence[Place],
    catalogue: Catalogue,
    filter: Optional[str] = None,
) -> Dict[str, Place]:
    """Define and enable places in a session; return them by the event that stands for each."""
    found = define(session, places, catalogue)
    for name, place in found.items():
        system, _, event = name.partition(":")
        try:
            session.enable(system, event, filter)
        except TraceFsError as error:
            if error.errno == errno.ENOENT and not error.kernel_log:
                raise BadProbe(f"{place}: this kernel has no such event") from None
            raise
    return found


def _symbol(probe: Probe) -> str:
    name = os.path.basename(probe.where)
    return f"{name}_{probe.what}" if is_offset(probe.what) else probe.what


def _why_not(functions: Functions, name: str) -> Optional[str]:
    if functions.names[name] > 1:
        return "several functions have that name"
    if any(mark in name for mark in (".cold", ".part.", "__cfi_", "__pfx_")):
        return "it is a part of a function, made by the compiler"
    return None


def _near(system: str, event: str, known: List[str]) -> str:
    if has_wildcard(system) or has_wildcard(event):
        return ""
    near = get_close_matches(f"{system}:{event}", known, _MOST_NEAR, 0.7)
    return f"; near it: {', '.join(near)}" if near else ""


assert set(_NEEDS) == set(KINDS)  # noqa: S101 - a table of all kinds
