"""Functions as users of funccount and funclatency name them: ``vfs_*``, ``/bin/bash:readline``, ``c:malloc``.

A name alone is a kernel function's. One with a colon is a function of a program or library: its path, a
program's name, or a library's without ``lib`` and ``.so`` (``c:malloc``), as for bcc's tools.
"""

import os
from glob import glob
from typing import List, Sequence, Tuple

from kdiag.ftrace.elf_symbols import BadElf
from kdiag.ftrace.places import Catalogue, Place
from kdiag.ftrace.probe import KINDS, BadProbe, Probe, parse_probe
from kdiag.ftrace.tracefs import NoTraceFs, find_tracefs
from kdiag.host.base import Host
from kdiag.tools.tool import BadOption, CannotUse

__all__ = ["function_places", "probe_of"]

_LIBRARY_FOLDERS = ("/lib/*-linux-gnu", "/usr/lib/*-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib")


def probe_of(text: str, root: str = "/") -> Probe:
    """Return the probe at the entry of a function (or of those that match a pattern).

    >>> str(probe_of("vfs_*")), str(probe_of("/bin/bash:readline")), str(probe_of("kprobe:vfs_read"))
    ('kprobe:vfs_*', 'uprobe:/bin/bash:readline', 'kprobe:vfs_read')
    """
    head, colon, _ = text.partition(":")
    if not colon:
        return parse_probe(f"kprobe:{text}")
    if head in KINDS or head in ("k", "u"):
        probe = parse_probe(text)
        if probe.kind not in ("kprobe", "uprobe"):
            raise BadProbe(f"{text!r}: this takes functions, kprobe:FUNCTION or uprobe:FILE:FUNCTION")
        return probe
    where, _, what = text.rpartition(":")
    return parse_probe(f"uprobe:{_library(where, root) or where}:{what}")


def function_places(host: Host, texts: Sequence[str]) -> Tuple[List[Place], List[str]]:
    """Return each function once, in the order in which they are named, and what a user should know.

    Raises :exc:`~kdiag.tools.tool.BadOption` where there is none of that name, and
    :exc:`~kdiag.tools.tool.CannotUse` where the names of functions cannot be read.
    """
    try:
        catalogue = Catalogue(find_tracefs(host), host)
    except NoTraceFs as error:
        raise CannotUse(error.reason, error.remedy) from None
    places: List[Place] = []
    notes: List[str] = []
    for text in texts:
        try:
            found = catalogue.look_up(probe_of(text, host.root))
        except (BadProbe, BadElf) as error:
            raise BadOption(str(error)) from None
        places += [place for place in found.places if place not in places]
        notes += [note for note in found.notes if note not in notes]
        if found.left_out:
            name, why = found.left_out[0]
            more = len(found.left_out) - 1
            notes.append(f"{text}: left out {name} ({why})" + (f" and {more} more" if more else ""))
    return places, notes


def _library(name: str, root: str) -> str:
    """Return the path of a library that is named as the linker names it, nothing if there is none."""
    if "/" in name:
        return ""
    prefix = root.rstrip("/")
    for folder in _LIBRARY_FOLDERS:
        found = sorted(glob(f"{prefix}{folder}/lib{name}.so*"))
        usable = [path for path in found if os.path.isfile(path) and _is_elf(path)]
        if usable:
            return usable[0][len(prefix) :]
    return ""


def _is_elf(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"
