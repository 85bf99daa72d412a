"""The path of a call by function_graph: every function, with exact times.

Two buffers are recorded at once, with one clock: the text of the graph, filtered by thread and root, and a
private session of events for what the graph does not show (begin, end, arguments and result of the call,
sleeps, return values from probes). What is global in tracefs is taken under a lock and put back.

The trace is narrowed on the way (:mod:`kdiag.path.acquire.graph_learn`), and where the kernel shows no return
values, the functions of a failing call get probes for them (:mod:`kdiag.path.acquire.graph_births`).
"""

import os
from contextlib import ExitStack
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

from kdiag.doctor.mechanism import Choice
from kdiag.ftrace.global_state import GlobalState
from kdiag.ftrace.session import Session
from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host
from kdiag.host.target import Target
from kdiag.kernel.kallsyms import read_symbols
from kdiag.kernel.machine import machine_of
from kdiag.kernel.syscall_symbol import PREFIXES, symbols_of_syscall
from kdiag.path.acquire.graph_names import NoSuchFunction, Traceable
from kdiag.path.acquire.graph_run import GraphRun
from kdiag.path.acquire.graph_setup import CannotGraph, GraphSetup, graph_in_instances
from kdiag.path.call import Capture, Outcome, SyscallCall
from kdiag.path.mechanisms import EXACT, INFERRED
from kdiag.path.request import Request

__all__ = ["CannotGraph", "NoSuchFunction", "acquire", "roots_of"]

CLOCK = "mono"


def acquire(
    request: Request,
    host: Host,
    tracefs: Optional[TraceFs],
    target: Optional[Target],
    choice: Choice,
    stop: Callable[[], bool],
) -> Capture:
    """Return a capture whose calls are traced when they are asked for (:mod:`kdiag.path.request`).

    The first of them raises :exc:`CannotGraph`, :exc:`NoSuchFunction`, :exc:`GlobalBusy` where it cannot be.
    """
    if tracefs is None:
        raise CannotGraph("function_graph needs tracefs")
    outcome = Outcome()
    trace = _Trace(request, host, tracefs.top, target, stop, outcome)
    shown = "all processes" if target is None else target.shown
    exact, inferred = EXACT["function_graph"], INFERRED["function_graph"]
    return Capture(choice, CLOCK, trace.calls(), shown, exact, inferred, outcome=outcome)


class _Trace:
    """Everything set up, in the order in which it is undone."""

    def __init__(
        self,
        request: Request,
        host: Host,
        tracefs: TraceFs,
        target: Optional[Target],
        stop: Callable[[], bool],
        outcome: Outcome,
    ) -> None:
        self.request = request
        self.host = host
        self.tracefs = tracefs
        self.target = target
        self.stop = stop
        self.outcome = outcome

    def calls(self) -> Iterator[SyscallCall]:
        """Set up, let the target go, yield its calls in the order of their ends, undo everything."""
        request, tracefs, host = self.request, self.tracefs, self.host
        machine = request.machine or machine_of(host) or ""
        traceable = _traceable(tracefs)
        globs, roots = roots_of(request, machine, traceable, host)
        with ExitStack() as undo:
            state = undo.enter_context(GlobalState(tracefs, host))
            size = request.buffer_kib_per_cpu
            events = undo.enter_context(
                Session(tracefs, host, clock=CLOCK, buffer_kib_per_cpu=size, user_data=True)
            )
            text: Optional[Session] = None
            if graph_in_instances(events.instance):
                text = undo.enter_context(Session(tracefs, host, clock=CLOCK, buffer_kib_per_cpu=size))
            for each in (events, text):
                self.outcome.notes += [] if each is None else each.notes
            setup = GraphSetup(state, text, host)
            undo.callback(setup.close)
            run = GraphRun(
                request, machine, host, self.target, self.stop, self.outcome, setup, events, traceable, roots
            )
            setup.prepare(
                globs, buffer_kib_per_cpu=events.buffer_kib_per_cpu, clock=CLOCK, max_depth=request.most_depth
            )
            self._follow(setup, events)
            if not run.narrow_at_once():
                setup.arm()
            run.enable()
            setup.start()
            if tracefs.planned:
                self.outcome.notes.append(_LATER)
            else:
                yield from run.calls()

    def _follow(self, setup: GraphSetup, events: Session) -> None:
        if self.target is None:
            events.exclude_self()
            own = self.host.facts.reader_pid or os.getpid()
            setup.leave_out([int(name) for name in self.host.list(f"/proc/{own}/task")])
            return
        setup.follow(self.target.tids())
        events.follow(self.target.tids)
        # Threads that were born since the list was read, before function-fork was set.
        setup.follow(self.target.tids())


_LATER = (
    "while it runs, set_ftrace_filter is narrowed to the functions that were learnt, and where the kernel "
    "shows no return values, return probes in kdiag's own group are added to kprobe_events for failing calls"
)


def _traceable(tracefs: TraceFs) -> Traceable:
    try:
        return Traceable(tracefs.read("available_filter_functions"))
    except TraceFsError as error:
        raise CannotGraph(
            f"which functions can be traced may not be read: {error}",
            "this takes root, and a kernel that allows function tracing",
        ) from None


def roots_of(
    request: Request, machine: str, traceable: Traceable, host: Optional[Host] = None
) -> Tuple[List[str], List[str]]:
    """Return what to write into ``set_graph_function``, and the functions that this stands for.

    Raises :exc:`NoSuchFunction` where one cannot be traced.

    >>> roots_of(Request(("openat",)), "x86_64", Traceable("__x64_sys_openat\\n__ia32_sys_openat\\n"))
    (['__x64_sys_openat', '__ia32_sys_openat'], ['__x64_sys_openat', '__ia32_sys_openat'])
    >>> roots_of(Request(everything=True), "x86_64", Traceable("__x64_sys_read\\nvfs_read\\n"))
    (['__x64_sys_*'], ['__x64_sys_read'])
    """
    if request.function:
        if request.function not in traceable:
            traceable.require(request.function, None if host is None else _symbols(host, request.function))
        return [request.function], [request.function]
    if request.everything:
        prefix = PREFIXES.get(machine, ("sys_",))[0]
        found = [name for name in traceable if name.startswith(prefix)]
        if not found:
            raise CannotGraph(f"no function of this kernel begins with {prefix}")
        return [f"{prefix}*"], found
    roots: List[str] = []
    for syscall in request.syscalls:
        names = symbols_of_syscall(syscall, machine, compat=True)
        wrappers = [name for name in names if name in traceable]
        if not wrappers:
            traceable.require(names[0])
        # One that another wraps would only be a root where nothing calls it by that.
        kept = [name for name in wrappers if name.startswith(PREFIXES.get(machine, ("sys_",)))] or wrappers[
            :1
        ]
        roots += kept
    return roots, roots


def _symbols(host: Host, name: str) -> Sequence[str]:
    """Return the name if kallsyms has it."""
    return [name] if read_symbols(host).addresses(name) else []
