"""What every mechanism turns a system call into: a tree of calls, where it slept, and what it returned.

function_graph gives every call with exact times. Stitched stacks and boundary probes give a part of them: a
node that was seen on a stack has no times of its own, only those of what was seen inside it, and says so.
"""

from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

from kdiag.doctor.mechanism import Choice
from kdiag.records import NamedTuple

__all__ = ["Call", "Capture", "Lost", "Outcome", "SyscallCall", "Wait"]


class Call:
    """One call of a kernel function, and what it called.

    Times are nanoseconds of the trace clock; ``None`` where they were not seen. ``inferred`` marks a call
    whose existence was seen (on a stack) but whose begin and end were not: ``start_ns`` and ``end_ns`` then
    enclose what was seen inside it. ``module`` is ``None`` for the kernel proper. ``retval`` is the register
    as a signed 64-bit number, garbage for functions that return void. ``begin_lost``/``end_lost``: that end
    of the call is not in the trace. ``hits`` counts how often a point was
    seen where calls cannot be told apart.
    """

    __slots__ = (
        "args",
        "begin_lost",
        "caller",
        "children",
        "duration_ns",
        "end_lost",
        "end_ns",
        "function",
        "hits",
        "inferred",
        "module",
        "notes",
        "retval",
        "start_ns",
    )

    def __init__(
        self,
        function: str,
        module: Optional[str] = None,
        start_ns: Optional[int] = None,
        end_ns: Optional[int] = None,
        duration_ns: Optional[int] = None,
        retval: Optional[int] = None,
        args: str = "",
        inferred: bool = False,
    ) -> None:
        self.function = function
        self.module = module
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.duration_ns = duration_ns
        self.retval = retval
        self.args = args
        self.inferred = inferred
        self.caller: Optional[str] = None
        self.children: List[Call] = []
        self.notes: List[str] = []
        self.begin_lost = False
        self.end_lost = False
        self.hits = 1

    @property
    def self_ns(self) -> Optional[int]:
        """Time in the function itself, without what it called; ``None`` where a time is missing."""
        if self.duration_ns is None:
            return None
        inside = 0
        for child in self.children:
            if child.duration_ns is None:
                return None
            inside += child.duration_ns
        return max(0, self.duration_ns - inside)

    def walk(self) -> Iterator[Tuple[int, "Call"]]:
        """Yield every call of the tree with its depth, callers before what they call."""
        stack = [(0, self)]
        while stack:
            depth, call = stack.pop()
            yield depth, call
            stack.extend((depth + 1, child) for child in reversed(call.children))

    def __repr__(self) -> str:
        return f"Call({self.function!r}, duration_ns={self.duration_ns}, children={len(self.children)})"


class Wait(NamedTuple):
    """A time off the CPU: begin, length (``None``: still asleep at the end), and what the task waited for.

    ``state`` is the kernel's letter (S, D, R for preempted, ...); ``stack`` the functions, innermost first,
    empty where it was not seen; ``waker`` is who woke it ("comm-pid"), if that was seen.
    """

    start_ns: int
    duration_ns: Optional[int]
    state: str
    stack: Tuple[str, ...] = ()
    waker: str = ""


class SyscallCall(NamedTuple):
    """One system call (or one call of a function, with ``--function``) of one task.

    ``retval`` is ``None`` where the end was not seen; ``errno`` is positive, ``None`` for success. ``root``
    is ``None`` where only begin and end were seen. ``duration_ns`` is wall time, sleep included.
    """

    name: str
    tid: int
    comm: str
    start_ns: int
    duration_ns: Optional[int]
    retval: Optional[int]
    errno: Optional[int]
    args: str
    root: Optional[Call]
    waits: Tuple[Wait, ...] = ()
    pid: Optional[int] = None
    cpu: Optional[int] = None


class Lost(NamedTuple):
    """Events lost: by the ring buffer, and calls dropped because a loss left them incomplete."""

    events: int = 0
    calls: int = 0
    unknown: bool = False
    """The kernel said that events were lost, but not how many."""


class Outcome:
    """What is known of a run only when it is over; whoever makes the calls fills it in on the way.

    ``ended`` says why it ended, in words ("the command ended"). ``events`` counts everything that was read.
    ``sums`` are system calls summed up by name (:class:`kdiag.ftrace.syscall_sums.SyscallSum`), in place of
    calls, and ``samples`` is what sampling gives. ``nothing`` says why there is no call, where there is none:
    what was tried to tell "nobody called it" from "it cannot be seen". ``plan`` is what a dry run would do to
    the kernel beside what it would write to tracefs.
    """

    def __init__(self) -> None:
        self.lost = Lost()
        self.notes: List[str] = []
        self.ended = ""
        self.events: Optional[int] = None
        self.nothing = ""
        self.samples: Any = None
        self.sums: Dict[str, Any] = {}
        self.plan: List[str] = []


class Capture(NamedTuple):
    """What one run sees: how, which calls, in the order of their ends.

    ``calls`` may be lazy: everything is set up when the first call is asked for, and undone when the iterator
    ends or is closed; only then is ``outcome`` complete. ``exact`` says in words what is measured,
    ``inferred`` what is concluded from it.
    """

    mechanism: Choice
    clock: str
    calls: "Iterator[SyscallCall]"
    target: str
    exact: str = ""
    inferred: str = ""
    notes: Tuple[str, ...] = ()
    facts: Mapping[str, str] = {}
    outcome: Optional[Outcome] = None
