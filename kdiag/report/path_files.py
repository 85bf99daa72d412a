"""``-o FILE``: one call as a file for another program, which kind by the file's ending."""

import json
import os
from typing import Callable, Dict, Iterator

from kdiag.path.call import SyscallCall
from kdiag.path.result import PathResult

__all__ = ["ENDINGS", "CannotWrite", "ending_of", "write_file"]


class CannotWrite(Exception):
    """The file was not written: which, and why."""


def _svg(call: SyscallCall, result: PathResult) -> Iterator[str]:
    from kdiag.report.flame_graph import flame_graph

    who = f"{call.comm or '?'}-{call.tid}" if call.tid else call.comm or "?"
    return flame_graph(call, f"{call.name} of {who}, by {result.capture.mechanism.name} (kdiag path)")


def _json(call: SyscallCall, result: PathResult) -> Iterator[str]:
    from kdiag.report.trace_event_json import trace_event_document

    source = f"kdiag path, by {result.capture.mechanism.name}"
    yield json.dumps(trace_event_document(call, source), allow_nan=False)


def _folded(call: SyscallCall, result: PathResult) -> Iterator[str]:
    from kdiag.report.folded import folded_lines

    return folded_lines(call)


ENDINGS: Dict[str, Callable[[SyscallCall, PathResult], Iterator[str]]] = {
    ".svg": _svg,
    ".json": _json,
    ".folded": _folded,
}


def ending_of(path: str) -> str:
    """Return the ending if there is a format for it, else raise :exc:`CannotWrite`."""
    ending = os.path.splitext(path)[1].lower()
    if ending not in ENDINGS:
        raise CannotWrite(f"{path}: what to write is told by the ending: {', '.join(ENDINGS)}")
    return ending


def write_file(path: str, result: PathResult, force: bool = False) -> None:
    """Write the chosen call. A file that is there is replaced with ``force`` only, never through a link."""
    ending = ending_of(path)
    call = result.summary.chosen
    if call is None:
        raise CannotWrite(f"{path}: not written: there is no call to show")
    if call.root is None:
        raise CannotWrite(f"{path}: not written: nothing inside of the call was seen")
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_TRUNC if force else os.O_EXCL)
    try:
        # 0600: it holds names of files and processes, arguments of calls.
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in ENDINGS[ending](call, result))
    except FileExistsError:
        raise CannotWrite(f"{path}: it exists (--force replaces it)") from None
    except OSError as error:
        raise CannotWrite(f"{path}: {error.strerror}") from None
