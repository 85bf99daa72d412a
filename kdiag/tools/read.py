"""What is in a ``trace`` file that somebody else recorded: event lines, or the text of function_graph.

The whole is read line by line and summed up, so its size does not matter. Where events are missing (lost by
the ring buffer, or overwritten before the file was written), what was under way is dropped and counted: an
entry before the gap and an exit after it need not be the same call.

Traps. The text has microseconds, so that times below are whole ones. In it the CPU architecture is not told,
and raw_syscalls events give numbers only: they are named where ``machine`` says whose numbers they are. The
same call of function_graph that is cut at either end has no time, and is counted as cut.
"""

from typing import Iterable, Iterator, List, Optional

from kdiag.ftrace.function_graph import GraphLine, parse_graph
from kdiag.ftrace.trace_text import Header, Mark, TextEvent, parse_trace
from kdiag.procfs.text import decode
from kdiag.tools.event_lines import EventLines
from kdiag.tools.graph_lines import GraphLines
from kdiag.tools.trace_summary import TraceSummary

__all__ = ["NotATrace", "read_trace"]

_LOOKED_AT = 400
#: What other programs write; (first bytes, what it is, what makes text of it).
_OTHERS = (
    (b"\x17\x08Dtracing", "a recording of trace-cmd", "trace-cmd report FILE > trace.txt makes text of it"),
    (b"PERFILE2", "a recording of perf", "perf script -i FILE shows it; perf's text is not read here"),
    (b"\x1f\x8b", "compressed with gzip", "gzip -d makes text of it"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "zstd -d makes text of it"),
    (b"\xfd7zXZ", "compressed with xz", "xz -d makes text of it"),
)


class NotATrace(ValueError):
    """The file is something else; the message says what, and what can be done."""


def read_trace(lines: Iterable[bytes], path: str, machine: Optional[str] = None) -> TraceSummary:
    """Sum up a file, given as a file opened in binary mode gives its lines.

    ``machine`` (``x86_64``, ``aarch64``) names system calls that are numbers only. Raises :exc:`NotATrace`.
    """
    counted = _Counted(lines)
    head: List[bytes] = []
    for line in counted:
        head.append(line)
        if len(head) >= _LOOKED_AT:
            break
    kind = _kind(head, path)
    whole = _chain(head, counted)
    if kind == "function_graph":
        summary = GraphLines().read(parse_graph((decode(line) for line in whole), path), _header(head))
    else:
        summary = EventLines(machine).read(parse_trace(whole, path))
    return summary._replace(lines=counted.lines)


class _Counted:
    """Lines, and how many there were."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self.lines = 0
        self._lines = iter(lines)

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self.lines += 1
            yield line


def _chain(head: List[bytes], rest: Iterable[bytes]) -> Iterator[bytes]:
    yield from head
    yield from rest


def _header(head: List[bytes]) -> Header:
    return next((each for each in parse_trace(head) if isinstance(each, Header)), Header())


def _kind(head: List[bytes], path: str) -> str:
    """Return what the first lines are."""
    if not head:
        raise NotATrace(f"{path}: the file is empty")
    for magic, what, remedy in _OTHERS:
        if head[0].startswith(magic):
            raise NotATrace(f"{path}: {what}, not the text of a trace; {remedy}")
    tracer = _header(head).tracer
    if tracer is not None:
        return "function_graph" if tracer == "function_graph" else "events"
    graph = sum(isinstance(each, GraphLine) for each in parse_graph(map(decode, head), path))
    # An event without its context (context-info off) is `name: text`, as much else is: it takes a header.
    events = sum(
        isinstance(each, Mark) or (isinstance(each, TextEvent) and each.pid is not None)
        for each in parse_trace(head, path)
    )
    told = sum(bool(line.strip()) and not line.startswith(b"#") for line in head)
    if not told:
        raise NotATrace(f"{path}: there is no event in it, only comments")
    # Without the kernel's header, what is no trace may well have a line that looks like one.
    if max(graph, events) * 2 < told:
        shown = head[0][:40].decode("ascii", "backslashreplace").strip()
        raise NotATrace(
            f"{path}: not the text of a trace: it has no header (# tracer: ...), and of its first {told} "
            f"lines only {max(graph, events)} could be lines of one; it begins with {shown!r}"
        )
    return "function_graph" if graph > events else "events"
