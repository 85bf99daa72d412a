"""A check's test is data: a quiet host, an overlay of the few lines that matter, and the exact findings.

An overlay is a text file below ``fixtures/overlays/``. It begins with a comment that says what it shows,
then holds parts, each headed by a line ``=== WORD ...``:

- ``=== both|first|last PATH``: the whole file, in both samples, or in one of them;
- ``=== edit both|first|last PATH``: lines that replace those that begin with the same word (or are added);
- ``=== errno both|first|last PATH NAME``: reading it fails so;
- ``=== remove PATH``: the file is absent in both samples;
- ``=== statvfs PATH BLOCK_SIZE BLOCKS FREE AVAILABLE FILES FREE_FILES AVAILABLE_FILES`` or an errno's name;
- ``=== size PATH N``: its st_size (of ``/proc/PID/fd``: open descriptors);
- ``=== interval S``: seconds between the samples (1 if not given);
- ``=== once``: one reading only;
- ``=== expect``: every finding that is not ok, as ``STATUS ID [SUBJECT]``; nothing else may be found.
"""

import errno
from functools import lru_cache
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from kdiag.health.checks import CHECKS
from kdiag.health.finding import Finding
from kdiag.health.observe import Plan, observe
from kdiag.health.snapshot import Snapshot
from kdiag.health.table import TableOptions
from kdiag.health.tables import TABLES
from kdiag.host.base import FileSystemSize
from kdiag.host.memory import Content, MemoryHost

FIXTURES = Path(__file__).parents[2] / "fixtures"
OVERLAYS = FIXTURES / "overlays"

Files = Dict[str, Content]


class Overlay(NamedTuple):
    """A host made of the quiet one and an overlay, and what is to be found on it."""

    moments: List[Files]
    sizes: Dict[str, int]
    file_systems: Dict[str, Union[FileSystemSize, int]]
    interval_s: float
    expected: Tuple[str, ...]


@lru_cache(maxsize=1)
def quiet_files() -> Tuple[Files, Files]:
    """Return the files of the quiet host at both its moments."""
    first = dict(_files_below(FIXTURES / "quiet" / "root"))
    return first, {**first, **dict(_files_below(FIXTURES / "quiet" / "samples" / "1" / "root"))}


def _files_below(folder: Path) -> Iterator[Tuple[str, Content]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield "/" + str(path.relative_to(folder)), path.read_bytes()


def quiet_overlay() -> Overlay:
    """Return the quiet host itself."""
    moments = [dict(files) for files in quiet_files()]
    sizes = {
        f"{path[: -len('/stat')]}/fd": 9
        for path in moments[0]
        if path.endswith("/stat") and path != "/proc/stat"
    }
    roomy = FileSystemSize(4096, 26_214_400, 20_000_000, 19_000_000, 6_553_600, 6_000_000, 6_000_000)
    return Overlay(moments, sizes, {"/": roomy, "/data": roomy, "/dev/shm": roomy}, 1.0, ())


def read_overlay(path: Path) -> Overlay:
    """Read an overlay and lay it over the quiet host."""
    moments, sizes, file_systems, interval_s, expected = quiet_overlay()
    for words, body in _parts(path.read_bytes()):
        kind, *arguments = words
        if kind in ("both", "first", "last"):
            for files in _chosen(moments, kind):
                files[arguments[0]] = body
        elif kind == "edit":
            for files in _chosen(moments, arguments[0]):
                files[arguments[1]] = _edited(files[arguments[1]], body)
        elif kind == "errno":
            for files in _chosen(moments, arguments[0]):
                files[arguments[1]] = getattr(errno, arguments[2])
        elif kind == "remove":
            for files in moments:
                del files[arguments[0]]
        elif kind == "statvfs":
            file_systems[arguments[0]] = (
                FileSystemSize(*map(int, arguments[1:]))
                if len(arguments) > 2
                else getattr(errno, arguments[1])
            )
        elif kind == "size":
            sizes[arguments[0]] = int(arguments[1])
        elif kind == "interval":
            interval_s = float(arguments[0])
        elif kind == "once":
            moments = moments[1:]
        elif kind == "expect":
            expected = tuple(body.decode().split("\n")[:-1])
        else:
            raise ValueError(f"{path}: no such part: {kind}")
    return Overlay(moments, sizes, file_systems, interval_s, expected)


def _parts(text: bytes) -> Iterator[Tuple[List[str], bytes]]:
    for part in text.split(b"\n=== ")[1:]:
        head, _, body = part.partition(b"\n")
        yield head.decode().split(" "), body + b"\n" if body and not body.endswith(b"\n") else body


def _chosen(moments: List[Files], which: str) -> List[Files]:
    return {"both": moments, "first": moments[:1], "last": moments[-1:]}[which]


def _edited(content: Content, changes: bytes) -> bytes:
    assert isinstance(content, bytes)
    lines = content.split(b"\n")[:-1]
    for change in changes.split(b"\n")[:-1]:
        word = change.split(None, 1)[0]
        places = [index for index, line in enumerate(lines) if line.split(None, 1)[:1] == [word]]
        if places:
            lines[places[0]] = change
        else:
            lines.append(change)
    return b"\n".join(lines) + b"\n"


def host_of(overlay: Overlay) -> MemoryHost:
    """Return the host of an overlay."""
    return MemoryHost(
        overlay.moments,
        interval_s=overlay.interval_s,
        sizes=overlay.sizes,
        file_systems=overlay.file_systems,
        users={0: "root"},
    )


def snapshot_of(
    overlay: Overlay, sections: Optional[Tuple[str, ...]] = None, options: Optional[TableOptions] = None
) -> Snapshot:
    """Look at the host of an overlay as kdiag does."""
    plan = Plan(
        CHECKS,
        TABLES,
        interval_s=overlay.interval_s,
        once=len(overlay.moments) == 1,
        sections=sections,
        options=options or TableOptions(),
        strict=True,
    )
    return observe(host_of(overlay), plan)


def told(findings: Tuple[Finding, ...]) -> List[str]:
    """Return the findings that are not ok as an overlay writes them, sorted."""
    return sorted(
        " ".join(filter(None, (found.status, found.id, found.subject)))
        for found in findings
        if found.status != "ok"
    )
