"""A capture in a folder, to be looked at again elsewhere: ``kdiag path --save DIR`` and ``--root DIR``.

::

    meta.json       how it was made, of whom, what was lost; "complete" once it is
    calls.jsonl.gz  a line for each call, its tree as a list of [depth, function, ...] in the order of begins
    raw/            what the kernel gave: text of function_graph, pages of events, formats, symbols

What is read again is ``calls.jsonl.gz``: all that a summary and a tree are made from, so the answer is the
same. The folder is made anew and for its owner alone: it holds names of files and processes. Reading trusts
nothing: sizes are bounded, types are checked, and what is cut off or damaged is said with its line.
"""

import gzip
import json
import os
import shutil
import zlib
from typing import Any, BinaryIO, Dict, FrozenSet, Iterator, List, Mapping, Optional, Sequence, TextIO, Tuple

from kdiag.doctor.mechanism import Choice, PassedOver
from kdiag.ftrace.function_graph import GraphLine, parse_graph
from kdiag.ftrace.syscall_sums import SyscallSum
from kdiag.kernel.syscall_symbol import syscall_of_symbol
from kdiag.path.call import Call, Capture, Lost, Outcome, SyscallCall, Wait
from kdiag.path.graph_tree import GraphTree
from kdiag.path.mechanisms import EXACT

__all__ = ["BadCapture", "SavedCapture", "Saver", "is_saved", "open_saved"]

_FORMAT = "kdiag/path-capture/1"
_META = "meta.json"
_CALLS = "calls.jsonl.gz"
_RAW = "raw"
_MOST_META_BYTES = 1 << 20
_MOST_LINE_BYTES = 256 << 20
#: Of a text that is given in place of a folder.
_MOST_TEXT_BYTES = 4 << 30
_NAME_OK = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class BadCapture(Exception):
    """A folder or file is no capture, or is damaged: which file, what is wrong with it."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(f"{path}: {what}")


class Saver:
    """Writes a capture as it comes. The folder must not exist; it is complete only after :meth:`finish`."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        os.mkdir(folder, 0o700)
        os.mkdir(os.path.join(folder, _RAW), 0o700)
        self._file = _new_file(os.path.join(folder, _CALLS))
        self._calls = gzip.GzipFile(fileobj=self._file, mode="wb", compresslevel=3, mtime=0)
        self._raw: Dict[str, BinaryIO] = {}
        self._count = 0
        self._finished = False

    def call(self, call: SyscallCall) -> None:
        """Keep a call."""
        line = json.dumps(_call_to_json(call), separators=(",", ":"))
        self._calls.write(line.encode("ascii") + b"\n")
        self._count += 1

    def raw(self, name: str, data: bytes) -> None:
        """Append to a file of the raw capture."""
        file = self._raw.get(name)
        if file is None:
            if not name or not _NAME_OK.issuperset(name) or name.startswith("."):
                raise ValueError(name)
            file = self._raw[name] = _new_file(os.path.join(self.folder, _RAW, name))
        file.write(data)

    def finish(
        self,
        asked: str,
        capture: Capture,
        *,
        started_ns: Optional[int],
        duration_s: Optional[float],
        host: Mapping[str, Any],
    ) -> None:
        """Write how it was made, and close everything."""
        outcome = capture.outcome or Outcome()
        meta = {
            "format": _FORMAT,
            "complete": True,
            "asked": asked,
            "mechanism": {
                "name": capture.mechanism.name,
                "gives": capture.mechanism.gives,
                "passed_over": [each._asdict() for each in capture.mechanism.passed_over],
            },
            "clock": capture.clock,
            "target": capture.target,
            "exact": capture.exact,
            "inferred": capture.inferred,
            "notes": list(capture.notes) + outcome.notes,
            "facts": dict(capture.facts),
            "lost": outcome.lost._asdict(),
            "ended": outcome.ended,
            "nothing": outcome.nothing,
            "events": outcome.events,
            "samples": None if outcome.samples is None else outcome.samples._asdict(),
            "sums": {name: _sum_to_json(each) for name, each in outcome.sums.items()},
            "calls": self._count,
            "started_ns": started_ns,
            "duration_s": duration_s,
            "host": dict(host),
        }
        self.close()
        with _new_file(os.path.join(self.folder, _META)) as file:
            file.write(json.dumps(meta, indent=2).encode("ascii") + b"\n")
        self._finished = True

    def close(self) -> None:
        """Close the files; without :meth:`finish` the folder has no ``meta.json`` and says so when read."""
        self._calls.close()
        self._file.close()
        for file in self._raw.values():
            file.close()

    def discard(self) -> None:
        """Remove the folder, unless it is finished: a run that failed leaves nothing behind."""
        self.close()
        if not self._finished:
            shutil.rmtree(self.folder, ignore_errors=True)


class SavedCapture:
    """A capture that was saved: ``capture.calls`` reads it; ``meta`` is what is known of the run."""

    def __init__(self, asked: str, capture: Capture, meta: Mapping[str, Any]) -> None:
        self.asked = asked
        self.capture = capture
        self.started_ns: Optional[int] = _optional_int(meta.get("started_ns"))
        duration = meta.get("duration_s")
        self.duration_s = float(duration) if isinstance(duration, (int, float)) else None
        host = meta.get("host")
        self.host: Dict[str, Any] = host if isinstance(host, dict) else {}


def is_saved(path: str) -> bool:
    """Tell whether this looks like a capture: a folder with its files, or a text of function_graph."""
    return os.path.isfile(path) or any(os.path.exists(os.path.join(path, name)) for name in (_META, _CALLS))


def open_saved(path: str) -> SavedCapture:
    """Open a folder that :class:`Saver` wrote, or a text of function_graph as ``trace`` shows it."""
    if os.path.isfile(path):
        return _open_text(path)
    meta_path = os.path.join(path, _META)
    try:
        with open(meta_path, "rb") as file:
            data = file.read(_MOST_META_BYTES + 1)
    except FileNotFoundError:
        what = "it is not there: this is no capture of `kdiag path --save`, or it was not finished"
        raise BadCapture(meta_path, what) from None
    except OSError as error:
        raise BadCapture(meta_path, error.strerror or str(error)) from None
    try:
        if len(data) > _MOST_META_BYTES:
            raise ValueError("it is too long")
        meta = json.loads(data)
        if not isinstance(meta, dict) or meta.get("format") != _FORMAT:
            raise ValueError(f"its format is not {_FORMAT}")
        return _capture(path, meta)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadCapture(meta_path, f"it is damaged: {error}") from None


def _capture(path: str, meta: Mapping[str, Any]) -> SavedCapture:
    mechanism = meta["mechanism"]
    choice = Choice(
        _str(mechanism["name"]),
        _str(mechanism["gives"]),
        tuple(
            PassedOver(_str(each["name"]), _str(each["reason"]), _str(each["remedy"]))
            for each in _list(mechanism["passed_over"])
        ),
    )
    outcome = Outcome()
    lost = meta["lost"]
    outcome.lost = Lost(_int(lost["events"]), _int(lost["calls"]), bool(lost["unknown"]))
    outcome.ended, outcome.nothing = _str(meta["ended"]), _str(meta["nothing"])
    outcome.notes = [_str(note) for note in _list(meta["notes"])]
    outcome.events = _optional_int(meta.get("events"))
    outcome.sums = {_str(name): _sum_from_json(each) for name, each in meta["sums"].items()}
    if meta["samples"] is not None:
        outcome.samples = _samples_from_json(meta["samples"])
    capture = Capture(
        choice,
        _str(meta["clock"]),
        _read_calls(os.path.join(path, _CALLS), _int(meta["calls"])),
        _str(meta["target"]),
        _str(meta["exact"]),
        _str(meta["inferred"]),
        facts={_str(name): _str(value) for name, value in meta["facts"].items()},
        outcome=outcome,
    )
    return SavedCapture(_str(meta["asked"]), capture, meta)


def _read_calls(path: str, wanted: int) -> Iterator[SyscallCall]:
    """Yield the calls of a file; fail with the line at which it is damaged or cut off."""
    number = 0
    try:
        with gzip.open(path, "rb") as file:
            while True:
                line = file.readline(_MOST_LINE_BYTES)
                if not line:
                    break
                number += 1
                if not line.endswith(b"\n"):
                    raise BadCapture(path, f"line {number} is cut off or too long")
                yield _call_from_json(json.loads(line))
    except FileNotFoundError:
        raise BadCapture(path, "it is not there") from None
    except (EOFError, zlib.error, OSError) as error:
        raise BadCapture(
            path, f"it is cut off or damaged after {number} of {wanted} calls ({error})"
        ) from None
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise BadCapture(path, f"line {number} is damaged: {error}") from None
    if number != wanted:
        raise BadCapture(path, f"it has {number} calls, {_META} says {wanted}")


# Records and JSON

_FLAGS = (("inferred", 1), ("begin_lost", 2), ("end_lost", 4))


def _call_to_json(call: SyscallCall) -> Dict[str, Any]:
    record = call._asdict()
    record["root"] = None if call.root is None else _tree_to_json(call.root)
    record["waits"] = [[*wait[:3], list(wait.stack), wait.waker] for wait in call.waits]
    return record


def _tree_to_json(root: Call) -> List[List[Any]]:
    rows = []
    for depth, call in root.walk():
        flags = sum(bit for name, bit in _FLAGS if getattr(call, name))
        row: List[Any] = [depth, call.function, call.module, call.start_ns, call.end_ns, call.duration_ns]
        row += [call.retval, call.args, flags, call.caller, call.hits, call.notes]
        # What is at its default need not be written.
        while row and row[-1] in (None, 0, 1, "", []) and _DEFAULTS[len(row) - 1] == row[-1]:
            row.pop()
        rows.append(row)
    return rows


_DEFAULTS: Tuple[Any, ...] = (-1, None, None, None, None, None, None, "", 0, None, 1, [])


def _call_from_json(record: Any) -> SyscallCall:
    waits = tuple(
        Wait(_int(row[0]), _optional_int(row[1]), _str(row[2]), tuple(map(_str, _list(row[3]))), _str(row[4]))
        for row in _list(record["waits"])
    )
    return SyscallCall(
        _str(record["name"]),
        _int(record["tid"]),
        _str(record["comm"]),
        _int(record["start_ns"]),
        _optional_int(record["duration_ns"]),
        _optional_int(record["retval"]),
        _optional_int(record["errno"]),
        _str(record["args"]),
        None if record["root"] is None else _tree_from_json(_list(record["root"])),
        waits,
        _optional_int(record["pid"]),
        _optional_int(record["cpu"]),
    )


def _tree_from_json(rows: Sequence[Any]) -> Call:
    if not rows:
        raise ValueError("a tree without a root")
    pile: List[Call] = []
    root: Optional[Call] = None
    for row in rows:
        full = [*_list(row), *_DEFAULTS[len(row) :]]
        depth, function, module, start_ns, end_ns, duration_ns, retval, args, flags, caller, hits, notes = (
            full
        )
        call = Call(
            _str(function),
            _optional_str(module),
            _optional_int(start_ns),
            _optional_int(end_ns),
            _optional_int(duration_ns),
            _optional_int(retval),
            _str(args),
            bool(_int(flags) & 1),
        )
        call.begin_lost, call.end_lost = bool(flags & 2), bool(flags & 4)
        call.caller, call.hits = _optional_str(caller), _int(hits)
        call.notes = [_str(note) for note in _list(notes)]
        if not isinstance(depth, int) or not 0 <= depth <= len(pile) or (depth == 0) != (root is None):
            raise ValueError(f"a call at depth {depth}")
        if root is None:
            root = call
        else:
            pile[depth - 1].children.append(call)
        del pile[depth:]
        pile.append(call)
    assert root is not None  # noqa: S101 - there is a row
    return root


def _sum_to_json(summed: SyscallSum) -> Dict[str, Any]:
    return {name: getattr(summed, name) for name in SyscallSum.__slots__}


def _sum_from_json(record: Any) -> SyscallSum:
    summed = SyscallSum()
    for name in SyscallSum.__slots__:
        value = record[name]
        if isinstance(value, dict):
            setattr(summed, name, {int(key): _int(each) for key, each in value.items()})
        else:
            setattr(summed, name, _int(value))
    return summed


def _samples_from_json(record: Any) -> Any:
    from kdiag.path.acquire.sampling import Place, Samples

    places = tuple(
        Place(
            _str(row[0]),
            _str(row[1]),
            _optional_str(row[2]),
            tuple(map(_str, _list(row[3]))),
            _int(row[4]),
            _int(row[5]),
        )
        for row in _list(record["places"])
    )
    numbers = [_int(record[name]) for name in ("rounds", "samples", "threads", "elsewhere", "moved")]
    hidden = tuple(map(_str, _list(record["hidden"])))
    rounds, samples, threads, elsewhere, moved = numbers
    took_s = float(record["duration_s"])
    return Samples(rounds, samples, threads, elsewhere, moved, took_s, places, hidden)


def _int(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _list(value: Any) -> List[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list")
    return value


def _optional_int(value: Any) -> Optional[int]:
    return None if value is None else _int(value)


def _optional_str(value: Any) -> Optional[str]:
    return None if value is None else _str(value)


# Text of function_graph that somebody recorded


def _open_text(path: str) -> SavedCapture:
    outcome = Outcome()
    roots, shown = _roots(path)
    capture = Capture(
        Choice("function_graph", f"read from {os.path.basename(path)}"),
        "",
        _read_text(path, roots, outcome),
        "whoever was traced",
        EXACT["function_graph"],
        outcome=outcome,
    )
    return SavedCapture(shown, capture, {})


def _roots(path: str) -> Tuple[FrozenSet[str], str]:
    """Return the functions that the text has trees of: system calls, or else whatever stands at depth 0."""
    calls: Dict[str, None] = {}
    others: Dict[str, None] = {}
    found = False
    with _open_lines(path) as file:
        for line in parse_graph(file, path):
            if not isinstance(line, GraphLine):
                continue
            found = found or line.function is not None
            if line.depth == 0 and line.function is not None:
                if syscall_of_symbol(line.function) is not None:
                    calls[line.function] = None
                elif line.kind != "leaf":
                    others[line.function] = None
    if not found:
        raise BadCapture(path, "it has no line of function_graph (for other traces: kdiag read)")
    names = list(calls or others)
    shown = ", ".join(syscall_of_symbol(name) or name for name in names[:5])
    return frozenset(names), shown or "functions"


def _read_text(path: str, roots: FrozenSet[str], outcome: Outcome) -> Iterator[SyscallCall]:
    tree = GraphTree(roots)
    with _open_lines(path) as file:
        yield from tree.feed(parse_graph(file, path))
    yield from tree.finish()
    outcome.lost = tree.lost
    outcome.events = tree.lines
    if tree.problem_count:
        first = tree.problems[0]
        outcome.notes.append(
            f"{tree.problem_count} lines could not be read, the first: line {first.line}: {first.text!r}"
        )
    if tree.strays:
        outcome.notes.append(f"calls outside of these are left out: {tree.strays}")


def _open_lines(path: str) -> TextIO:
    try:
        if os.stat(path).st_size > _MOST_TEXT_BYTES:
            raise BadCapture(path, f"it is larger than {_MOST_TEXT_BYTES >> 30} GiB")
        return open(path, encoding="utf-8", errors="surrogateescape", newline="\n")
    except OSError as error:
        raise BadCapture(path, error.strerror or str(error)) from None


def _new_file(path: str) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "wb")
