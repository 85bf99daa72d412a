"""Where threads are in the kernel, by looking again and again at ``stat syscall wchan stack`` in /proc/TID.

Needs no tracefs. A look shows where a thread sleeps; a thread that runs shows nothing but that. What comes
out are *samples*, not calls: in how many looks a thread was found at a place. Ten looks at one long call, and
one look at each of ten short ones, give the same.

``stack`` is for root alone (CAP_SYS_ADMIN), ``syscall`` for whoever may ptrace the thread, and ``wchan`` says
``0`` to others. The state is for everybody. The files are read one after the other, and the thread may move
on in between: what they say together counts only if ``syscall`` says the same before and after.
"""

import time
from typing import Callable, Dict, Iterator, List, Optional, Set, Tuple

from kdiag.doctor.mechanism import Choice
from kdiag.ftrace.tracefs import TraceFs
from kdiag.host.base import Host, ReadError
from kdiag.host.target import Target
from kdiag.kernel.machine import machine_of
from kdiag.kernel.syscalls import SYSCALLS, entry_name
from kdiag.path.call import Capture, Outcome, SyscallCall
from kdiag.path.mechanisms import EXACT, INFERRED
from kdiag.path.request import Request
from kdiag.procfs.pid_stack import parse_pid_stack
from kdiag.procfs.pid_stat import parse_pid_stat
from kdiag.procfs.pid_syscall import PidSyscall, parse_pid_syscall
from kdiag.procfs.pid_wchan import parse_pid_wchan
from kdiag.records import NamedTuple

__all__ = ["Place", "Sampler", "Samples", "acquire"]

#: How often to look, and what part of a CPU the looking may take at most.
INTERVAL_S = 0.02
_MOST_LOAD = 0.25
#: More threads than that are not looked at in one round.
MOST_THREADS = 5000
#: Entry and scheduler, which every stack has.
_OUTERMOST = ("do_syscall_64", "entry_SYSCALL_64_after_hwframe", "x64_sys_call", "el0t_64_sync", "el0_svc")
UNKNOWN_CALL, NO_CALL, RUNNING = "?", "", "running"


class Place(NamedTuple):
    """Where threads were found, and how often.

    ``syscall`` is the name of the call's events, ``"running"`` for a thread on a CPU (of which nothing else
    is known), ``""`` outside of any call, ``"?"`` where the kernel does not tell. ``state`` is the kernel's
    letter. ``wchan`` is the function that it sleeps in, ``stack`` the functions innermost first, empty where
    hidden.
    """

    syscall: str
    state: str
    wchan: Optional[str]
    stack: Tuple[str, ...]
    samples: int
    threads: int


class Samples(NamedTuple):
    """What was seen in so many ``rounds``: ``samples`` looks at threads, ``places`` the most frequent first.

    ``elsewhere`` counts looks at threads that were not in a call that was asked for, ``moved`` those whose
    files did not belong together, ``threads`` how many different threads were looked at. ``hidden`` says what
    could not be read, and why.
    """

    rounds: int
    samples: int
    threads: int
    elsewhere: int
    moved: int
    duration_s: float
    places: Tuple[Place, ...]
    hidden: Tuple[str, ...] = ()


def acquire(
    request: Request,
    host: Host,
    tracefs: Optional[TraceFs],
    target: Optional[Target],
    choice: Choice,
    stop: Callable[[], bool],
) -> Capture:
    """Return a capture without calls, whose outcome has :class:`Samples` (:mod:`kdiag.path.request`)."""
    outcome = Outcome()
    sampler = Sampler(host, request, with_stack=choice.name != "wchan")
    shown = "all processes" if target is None else target.shown
    calls = _look(sampler, host, target, request, stop, outcome)
    return Capture(choice, "mono", calls, shown, EXACT[choice.name], INFERRED[choice.name], outcome=outcome)


def _look(
    sampler: "Sampler",
    host: Host,
    target: Optional[Target],
    request: Request,
    stop: Callable[[], bool],
    outcome: Outcome,
) -> Iterator[SyscallCall]:
    began_s = time.monotonic()
    if target is not None:
        target.release()
    try:
        while True:
            round_s = time.monotonic()
            if target is not None and target.ended():
                outcome.ended = "the command ended" if target.started else "the target ended"
                break
            sampler.look(_threads(host) if target is None else target.tids())
            if stop():
                outcome.ended = "stopped"
                break
            now_s = time.monotonic()
            if request.for_s is not None and now_s - began_s >= request.for_s:
                outcome.ended = "the time was over"
                break
            wait_s = max(INTERVAL_S, (now_s - round_s) / _MOST_LOAD)
            if request.for_s is not None:
                wait_s = min(wait_s, max(0.001, began_s + request.for_s - now_s))
            if not host.advance(wait_s):
                outcome.ended = "the recording ended"
                break
    finally:
        outcome.ended = outcome.ended or "stopped"
        outcome.samples = sampler.result(time.monotonic() - began_s)
        outcome.events = outcome.samples.samples
        if sampler.too_many:
            outcome.notes.append(
                f"of {sampler.too_many} threads only {MOST_THREADS} were looked at in a round"
            )
        if not outcome.samples.places:
            outcome.nothing = _nothing(outcome.samples, request)
    return
    yield  # a generator, so that nothing begins before the first call is asked for


def _nothing(samples: Samples, request: Request) -> str:
    if not samples.samples:
        return "there was no thread to look at"
    return (
        f"in {samples.samples} looks no thread was found in {request.shown}:"
        " its calls may be shorter than the time between looks"
    )


def _threads(host: Host) -> List[int]:
    """Return the threads of all processes but kdiag."""
    found: List[int] = []
    for pid in host.list("/proc"):
        if not pid.isdigit() or int(pid) == host.facts.reader_pid:
            continue
        try:
            found += [int(tid) for tid in host.list(f"/proc/{pid}/task")]
        except ReadError:  # it is gone
            continue
    return found


_Key = Tuple[str, str, Optional[str], Tuple[str, ...]]


class Sampler:
    """Counts where threads are found."""

    def __init__(self, host: Host, request: Request, with_stack: bool = True) -> None:
        self.too_many = 0
        self._host = host
        self._with_stack = with_stack
        self._function = request.function
        self._wanted = set(request.syscalls)
        machine = request.machine or machine_of(host) or ""
        self._names = {
            number: entry_name(name, machine) for number, name in SYSCALLS.get(machine, {}).items()
        }
        self._rounds = self._samples = self._elsewhere = self._moved = 0
        self._tids: Set[int] = set()
        self._counts: Dict[_Key, int] = {}
        self._of: Dict[_Key, Set[int]] = {}
        self._hidden: Dict[str, str] = {}

    def look(self, tids: List[int]) -> None:
        """Look at each thread once."""
        self._rounds += 1
        if len(tids) > MOST_THREADS:
            self.too_many = max(self.too_many, len(tids))
            tids = tids[:MOST_THREADS]
        for tid in tids:
            try:
                key = self._look_at(tid)
            except ReadError:  # it is gone
                continue
            self._samples += 1
            self._tids.add(tid)
            if key is None:
                self._moved += 1
            elif not self._is_wanted(key):
                self._elsewhere += 1
            else:
                self._counts[key] = self._counts.get(key, 0) + 1
                self._of.setdefault(key, set()).add(tid)

    def result(self, duration_s: float) -> Samples:
        """Return what was seen so far."""
        places = [Place(*key, count, len(self._of[key])) for key, count in self._counts.items()]
        places.sort(key=lambda each: (-each.samples, each.syscall, each.stack))
        hidden = tuple(f"{name}: {why}" for name, why in sorted(self._hidden.items()))
        return Samples(
            self._rounds,
            self._samples,
            len(self._tids),
            self._elsewhere,
            self._moved,
            duration_s,
            tuple(places),
            hidden,
        )

    def _is_wanted(self, key: _Key) -> bool:
        syscall, _, wchan, stack = key
        if self._function:
            return self._function in stack or self._function == wchan
        if not self._wanted:
            return True
        # What the kernel does not tell may be a wanted call.
        return syscall in self._wanted or syscall == UNKNOWN_CALL

    def _look_at(self, tid: int) -> Optional[_Key]:
        before = self._syscall(tid)
        state = parse_pid_stat(self._host.read(f"/proc/{tid}/stat")).state or "?"
        if before is not None and before.running:
            return (RUNNING, "R", None, ()) if state == "R" else None
        wchan = self._wchan(tid)
        stack = self._stack(tid) if self._with_stack else ()
        if wchan is None and before is None and state in ("S", "D"):
            self._hidden.setdefault("wchan", "0, which is what it says to whoever may not trace the thread")
        if before is None:
            return (RUNNING if state == "R" else UNKNOWN_CALL, state, wchan, stack)
        if self._syscall(tid) != before:
            return None
        return (self._name(before), state, wchan, stack)

    def _name(self, call: PidSyscall) -> str:
        if call.number is None:
            return NO_CALL
        pointer = call.stack_pointer
        if not pointer:
            return NO_CALL  # a kernel thread
        if pointer >> 32 == 0 and (call.program_counter or 0) >> 32 == 0:
            return f"32-bit call {call.number}"  # another table
        return self._names.get(call.number, f"call {call.number}")

    def _syscall(self, tid: int) -> Optional[PidSyscall]:
        data = self._read(tid, "syscall")
        if data is None:
            return None
        call = parse_pid_syscall(data)
        return None if call.running is None else call

    def _wchan(self, tid: int) -> Optional[str]:
        data = self._read(tid, "wchan")
        return None if data is None else parse_pid_wchan(data).symbol

    def _stack(self, tid: int) -> Tuple[str, ...]:
        data = self._read(tid, "stack")
        if data is None:
            return ()
        names = [frame.symbol or hex(frame.address or 0) for frame in parse_pid_stack(data).frames]
        while names and names[-1] in _OUTERMOST:
            names.pop()
        return tuple(names)

    def _read(self, tid: int, name: str) -> Optional[bytes]:
        """Read one of the files that may be refused; raise only if the thread is gone."""
        try:
            return self._host.read(f"/proc/{tid}/{name}")
        except ReadError as error:
            kind = error.failure.kind
            if kind == "vanished":
                raise
            if kind == "absent" and not self._is_there(tid):
                raise
            self._hidden.setdefault(name, str(error.failure).partition(": ")[2])
            return None

    def _is_there(self, tid: int) -> bool:
        try:
            self._host.read(f"/proc/{tid}/stat")
        except ReadError:
            return False
        return True
