"""What a ``trace`` file holds, summed up: the rows of ``kdiag read``."""

from typing import List, Optional, Tuple

from kdiag.ftrace.trace_text import Header
from kdiag.procfs.text import Problem
from kdiag.records import NamedTuple

__all__ = [
    "CallNode",
    "EventRow",
    "FunctionRow",
    "Loss",
    "Problems",
    "SyscallRow",
    "TaskRow",
    "TraceSummary",
    "overwritten",
]

#: So many problems are kept; all are counted.
_MOST_PROBLEMS = 20


class EventRow(NamedTuple):
    """How often an event came."""

    event: str
    events: int
    stacks: int


class TaskRow(NamedTuple):
    """How many events came while a thread ran; ``pid`` is the thread's id."""

    comm: Optional[str]
    pid: Optional[int]
    events: int


class SyscallRow(NamedTuple):
    """All calls of one system call; times of those whose begin and end are both there (``timed``)."""

    syscall: str
    calls: int
    timed: int
    errors: Tuple[Tuple[int, int], ...]
    """(errno, how often), most first."""
    total_us: Optional[float]
    min_us: Optional[float]
    avg_us: Optional[float]
    p50_us: Optional[float]
    p99_us: Optional[float]
    max_us: Optional[float]


class FunctionRow(NamedTuple):
    """All calls of one kernel function. ``total_us`` counts calls within calls of itself once.

    ``self_us`` is without what it called; ``None`` where no call is there from begin to end. ``cut`` counts
    the calls with one end missing.
    """

    function: str
    calls: int
    cut: int
    total_us: Optional[float]
    self_us: Optional[float]
    avg_us: Optional[float]
    max_us: Optional[float]


class CallNode(NamedTuple):
    """One call of the slowest tree, in the order of the calls; ``None`` where it is not known."""

    depth: int
    function: str
    duration_us: Optional[float]
    self_us: Optional[float]
    retval: Optional[int]
    caller: Optional[str]


class TraceSummary(NamedTuple):
    """What a file holds.

    ``kind`` is ``events`` or ``function_graph``. ``lost`` counts what the ring buffer says that it lost while
    it was read; ``lost_unknown`` is true where it does not say how much. ``overwritten`` were gone before the
    file was written (``None``: not told). ``dropped`` counts calls that were under way at a gap.
    """

    kind: str
    tracer: Optional[str]
    lines: int
    first_s: Optional[float]
    last_s: Optional[float]
    cpus: int
    events: int
    lost: int
    lost_unknown: bool
    overwritten: Optional[int]
    dropped: int
    by_event: Tuple[EventRow, ...] = ()
    by_task: Tuple[TaskRow, ...] = ()
    syscalls: Tuple[SyscallRow, ...] = ()
    functions: Tuple[FunctionRow, ...] = ()
    slowest: Tuple[CallNode, ...] = ()
    roots: int = 0
    problems: Tuple[Problem, ...] = ()
    problem_count: int = 0
    notes: Tuple[str, ...] = ()


class Problems:
    """The first problems, and how many there were."""

    def __init__(self) -> None:
        self.kept: List[Problem] = []
        self.count = 0

    def add(self, found: Problem) -> None:
        """Take one."""
        self.count += 1
        if len(self.kept) < _MOST_PROBLEMS:
            self.kept.append(found)


class Loss:
    """What is missing."""

    def __init__(self) -> None:
        self.events = 0
        self.unknown = False
        self.dropped = 0

    def add(self, events: Optional[int], dropped: int) -> None:
        """Count a gap, and the calls that were under way at it."""
        self.events += events or 0
        self.unknown = self.unknown or events is None
        self.dropped += dropped


def overwritten(header: Header) -> Optional[int]:
    """Return how many events were gone before the file was written, where its header tells."""
    if header.written is None or header.in_buffer is None:
        return None
    return header.written - header.in_buffer
