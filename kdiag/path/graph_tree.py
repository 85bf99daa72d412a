"""Lines of function_graph, as any kernel and any options print them, turned into calls.

For text that somebody recorded: columns may be missing, a trace begins and ends in the midst of calls. What
is known is kept: an end without its beginning has its duration and what it called, a beginning without its
end has what it called. Each thread has its own pile of open calls. Without the column of tasks a CPU's
lines belong to the task that the last ``=>`` line names, and before the first one to whoever that line says
was there.

After a loss nothing that was open on the CPU can be trusted: it is dropped and counted, and so are the ends
that still come of it. Interrupts are nested in what they interrupted, as the kernel prints them.
"""

from typing import Container, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from kdiag.ftrace.function_graph import GraphLine
from kdiag.ftrace.retval import retval_errno
from kdiag.kernel.syscall_symbol import syscall_of_symbol
from kdiag.path.call import Call, Lost, SyscallCall, Wait
from kdiag.path.interrupts import gives_cpu_away
from kdiag.procfs.text import Problem

__all__ = ["UNKNOWN_FUNCTION", "GraphTree", "waits_of"]

#: An end without its beginning, which the kernel did not name.
UNKNOWN_FUNCTION = "?"

#: ("task", pid, cpu of an idle task) or ("cpu", number, 0).
_Key = Tuple[str, int, int]


class _Pile:
    """What is open of one task: calls with their depths, and what has ended below each of them."""

    __slots__ = ("comm", "comment", "cpu", "lossy", "open", "pid", "stray")

    def __init__(self) -> None:
        self.open: List[Tuple[int, Call]] = []
        #: Calls that ended while nothing was open, with their depths: their caller's beginning is not there.
        self.stray: List[Tuple[int, Call]] = []
        self.comm = ""
        self.pid: Optional[int] = None
        self.cpu: Optional[int] = None
        self.comment = ""
        #: Something of this pile was lost: ends without a beginning are of calls that were counted already.
        self.lossy = False


class GraphTree:
    """:meth:`feed` takes lines in their order and yields calls of the roots as they end.

    ``roots`` are the functions that were asked for (``set_graph_function``). Without them every call at depth
    0 that is a system call counts, and any other that called something: a lone leaf there is what a thread
    runs after tracing was switched on in the midst of a call.
    """

    def __init__(self, roots: Optional[Container[str]] = None) -> None:
        self._roots = roots
        self._piles: Dict[_Key, _Pile] = {}
        self._running: Dict[int, _Key] = {}
        self.lost_events = 0
        self.lost_unknown = False
        self.dropped = 0
        """Calls of the roots that a loss left incomplete."""
        self.strays = 0
        """Calls outside of any root."""
        self.lines = 0
        self.problems: List[Problem] = []
        self.problem_count = 0

    @property
    def lost(self) -> Lost:
        """What is missing."""
        return Lost(self.lost_events, self.dropped, self.lost_unknown)

    def feed(self, lines: Iterable[Union[GraphLine, Problem]]) -> Iterator[SyscallCall]:
        """Take lines; yield the calls that end with them."""
        for line in lines:
            self.lines += 1
            if isinstance(line, Problem):
                self.problem_count += 1
                if len(self.problems) < 5:
                    self.problems.append(line)
                continue
            kind = line.kind
            if kind == "entry":
                yield from self._entry(self._pile(line), line)
            elif kind == "leaf":
                yield from self._leaf(self._pile(line), line)
            elif kind == "return":
                yield from self._return(self._pile(line), line)
            elif kind == "comment":
                self._comment(self._pile(line), line)
            elif kind == "switch":
                self._switch(line)
            elif kind == "lost":
                self._loss(line)

    def finish(self) -> Iterator[SyscallCall]:
        """Yield the calls whose end is not there."""
        for pile in self._piles.values():
            yield from self._give_up(pile, 0)
            self.strays += len(pile.stray)
            pile.stray = []

    # Whose line it is

    def _pile(self, line: GraphLine) -> _Pile:
        cpu = -1 if line.cpu is None else line.cpu
        if line.pid is not None:
            key: _Key = ("task", line.pid, 0 if line.pid else cpu)
        else:
            key = self._running.get(cpu, ("cpu", cpu, 0))
        pile = self._piles.get(key)
        if pile is None:
            pile = self._piles[key] = _Pile()
        if line.comm:
            pile.comm = line.comm
        if line.pid is not None:
            pile.pid = line.pid
        pile.cpu = line.cpu
        return pile

    def _switch(self, line: GraphLine) -> None:
        cpu = -1 if line.cpu is None else line.cpu
        before, _, number = (line.text or "").rpartition("-")
        nameless = self._piles.pop(("cpu", cpu, 0), None)
        if nameless is not None and number.isdigit():
            nameless.comm, nameless.pid = before, int(number)
            self._piles.setdefault(("task", int(number), 0 if int(number) else cpu), nameless)
        pid = line.pid or 0
        key = self._running[cpu] = ("task", pid, 0 if pid else cpu)
        pile = self._piles.setdefault(key, _Pile())
        pile.comm, pile.pid = line.comm or "", line.pid

    # What it says

    def _entry(self, pile: _Pile, line: GraphLine) -> Iterator[SyscallCall]:
        depth = line.depth or 0
        # What is still open as deep or deeper has ended without being seen to.
        yield from self._give_up(pile, depth)
        if not pile.open and pile.stray:
            self._forget_strays(pile, depth)
        call = _call(line)
        if not pile.open and pile.comment:
            call.notes.append(pile.comment)
            pile.comment = ""
        pile.open.append((depth, call))

    def _leaf(self, pile: _Pile, line: GraphLine) -> Iterator[SyscallCall]:
        depth = line.depth or 0
        yield from self._give_up(pile, depth)
        call = _call(line)
        call.duration_ns, call.retval = line.duration_ns, line.retval
        if call.start_ns is not None and call.duration_ns is not None:
            call.end_ns = call.start_ns + call.duration_ns
        yield from self._ended(pile, depth, call, leaf=True)

    def _return(self, pile: _Pile, line: GraphLine) -> Iterator[SyscallCall]:
        depth = line.depth or 0
        yield from self._give_up(pile, depth + 1)
        top = pile.open[-1] if pile.open else None
        named = line.function
        if top is not None and top[0] == depth and named not in (None, top[1].function):
            # Its end is missing, and so is the beginning of this one.
            yield from self._give_up(pile, depth)
            top = None
        if top is not None and top[0] == depth:
            pile.open.pop()
            call = top[1]
        else:
            call = Call(named or UNKNOWN_FUNCTION, line.module)
            call.begin_lost = True
            self._adopt(pile, depth, call)
        call.duration_ns, call.retval, call.end_ns = line.duration_ns, line.retval, line.ts_ns
        if call.begin_lost and call.end_ns is not None and call.duration_ns is not None:
            call.start_ns = call.end_ns - call.duration_ns
        yield from self._ended(pile, depth, call)

    def _comment(self, pile: _Pile, line: GraphLine) -> None:
        text = line.text or ""
        if pile.open:
            notes = pile.open[-1][1].notes
            if len(notes) < 100:
                notes.append(text)
        elif " -> " not in text:  # of a system call that ended: its root has said so
            pile.comment = text

    def _loss(self, line: GraphLine) -> None:
        if line.lost_events is None:
            self.lost_unknown = True
        else:
            self.lost_events += line.lost_events
        # A task may have been on that CPU when it happened, whatever CPU it is on now.
        for pile in self._piles.values():
            if pile.open and self._is_root(pile.open[0][1], pile.open[0][0], leaf=False):
                self.dropped += 1
            pile.open, pile.stray, pile.comment, pile.lossy = [], [], "", True

    # Calls

    def _ended(self, pile: _Pile, depth: int, call: Call, leaf: bool = False) -> Iterator[SyscallCall]:
        if pile.open:
            pile.open[-1][1].children.append(call)
            return
        if self._is_root(call, depth, leaf):
            pile.stray = []
            if call.begin_lost and pile.lossy:
                return  # it was counted when the loss was seen
            yield _syscall(call, pile)
            return
        self._forget_strays(pile, depth)
        if depth:
            pile.stray.append((depth, call))
        else:
            self.strays += 1

    def _adopt(self, pile: _Pile, depth: int, call: Call) -> None:
        """Give a call whose beginning is not there what ended before it, and deeper."""
        if pile.open:
            # Its caller is open: what it called has been taken for the caller's; nobody can tell.
            return
        at = len(pile.stray)
        while at and pile.stray[at - 1][0] > depth:
            at -= 1
        call.children = [each for _, each in pile.stray[at:]]
        del pile.stray[at:]

    def _give_up(self, pile: _Pile, depth: int) -> Iterator[SyscallCall]:
        """Close what is open at ``depth`` and deeper, its end not being there; yield the roots among it."""
        while pile.open and pile.open[-1][0] >= depth:
            at, call = pile.open.pop()
            call.end_lost = True
            if pile.open:
                pile.open[-1][1].children.append(call)
            elif self._is_root(call, at, leaf=False):
                yield _syscall(call, pile)

    def _forget_strays(self, pile: _Pile, depth: int) -> None:
        """Drop what ended deeper than where the trace is now: the end of its caller is not there."""
        kept = [(at, call) for at, call in pile.stray if at <= depth] if depth else []
        self.strays += len(pile.stray) - len(kept)
        pile.stray = kept

    def _is_root(self, call: Call, depth: int, leaf: bool) -> bool:
        if self._roots is not None:
            return call.function in self._roots
        if depth:
            return False
        return not leaf or syscall_of_symbol(call.function) is not None


def _call(line: GraphLine) -> Call:
    call = Call(line.function or UNKNOWN_FUNCTION, line.module, line.ts_ns, args=line.args or "")
    call.caller = line.caller
    return call


def _syscall(root: Call, pile: _Pile) -> SyscallCall:
    errno = None if root.retval is None else retval_errno(root.retval)
    return SyscallCall(
        name=syscall_of_symbol(root.function) or root.function,
        tid=pile.pid or 0,
        comm=pile.comm,
        start_ns=root.start_ns or 0,
        duration_ns=root.duration_ns,
        retval=root.retval,
        errno=errno,
        args=_args(root),
        root=root,
        waits=tuple(waits_of(root)),
        cpu=pile.cpu,
    )


def _args(root: Call) -> str:
    """Return the arguments of a system call: from an event before it, else those of the function."""
    for note in root.notes:
        name, bracket, rest = note.partition("(")
        if bracket and name.startswith("sys_") and rest.endswith(")"):
            return rest[:-1]
    return "" if root.args.startswith("regs=") else root.args


def waits_of(root: Call) -> Iterator[Wait]:
    """Yield the times in which the call gave its CPU away, as far as a graph alone shows them.

    The state is not known, but for being preempted (R).
    """
    stack: List[Tuple[Call, Tuple[str, ...]]] = [(root, ())]
    while stack:
        call, callers = stack.pop()
        inner = (call.function, *callers)
        if gives_cpu_away(call.function):
            state = "R" if call.function.startswith("preempt") else ""
            yield Wait(call.start_ns or 0, call.duration_ns, state, inner)
        else:
            stack.extend((child, inner) for child in reversed(call.children))
