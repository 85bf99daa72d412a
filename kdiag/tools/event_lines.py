"""Event lines summed up: by event, by task, and the system calls whose begin and end are there."""

import re
from math import ceil
from typing import Dict, Iterable, List, Optional, Set, Tuple, Union

from kdiag.ftrace.retval import retval_errno, signed_64
from kdiag.ftrace.trace_text import Header, Mark, TextEvent
from kdiag.kernel import syscalls
from kdiag.procfs.text import Problem
from kdiag.tools.trace_summary import (
    EventRow,
    Loss,
    Problems,
    SyscallRow,
    TaskRow,
    TraceSummary,
    overwritten,
)

__all__ = ["EventLines"]

_NR_ENTER = re.compile(r"NR (\d{1,6}) \(").match
_NR_EXIT = re.compile(r"NR (\d{1,6}) = (-?\d{1,20})$").match


class _Syscall:
    """All calls of one system call."""

    def __init__(self) -> None:
        self.calls = 0
        self.errors: Dict[int, int] = {}
        self.total_ns = 0
        self.min_ns: Optional[int] = None
        self.max_ns = 0
        #: How often each time: few different ones even among many calls.
        self.times_ns: Dict[int, int] = {}

    def add(self, time_ns: int) -> None:
        """Take the time of one call."""
        self.total_ns += time_ns
        self.min_ns = time_ns if self.min_ns is None else min(self.min_ns, time_ns)
        self.max_ns = max(self.max_ns, time_ns)
        kept = time_ns if time_ns % 1000 == 0 else _three_digits(time_ns)
        self.times_ns[kept] = self.times_ns.get(kept, 0) + 1

    def row(self, name: str) -> SyscallRow:
        """Return the sums."""
        errors = tuple(sorted(self.errors.items(), key=lambda each: (-each[1], each[0])))
        timed = sum(self.times_ns.values())
        if self.min_ns is None:
            return SyscallRow(name, self.calls, 0, errors, None, None, None, None, None, None)
        ordered = sorted(self.times_ns.items())

        def at(share: float) -> float:
            """Return the time that this share of the calls did not exceed (nearest rank)."""
            wanted, seen = ceil(share * timed), 0
            for time_ns, times in ordered:
                seen += times
                if seen >= wanted:
                    return time_ns / 1000
            return ordered[-1][0] / 1000

        return SyscallRow(
            name,
            self.calls,
            timed,
            errors,
            self.total_ns / 1000,
            self.min_ns / 1000,
            self.total_ns / timed / 1000,
            at(0.5),
            at(0.99),
            self.max_ns / 1000,
        )

    @property
    def is_coarse(self) -> bool:
        """Whether all times are whole microseconds: those of a text without nanoseconds."""
        return all(time_ns % 1000 == 0 for time_ns in self.times_ns)


def _three_digits(number: int) -> int:
    """Return a number with its first three digits alone: there are too many times to the nanosecond to keep.

    >>> _three_digits(1_234_567), _three_digits(999)
    (1230000, 999)
    """
    step: int = 10 ** max(0, len(str(number)) - 3)
    return number // step * step


class EventLines:
    """Sums up event lines."""

    def __init__(self, machine: Optional[str]) -> None:
        self.machine = machine
        self.problems = Problems()
        self.loss = Loss()
        self.by_event: Dict[str, List[int]] = {}
        self.by_task: Dict[Tuple[Optional[str], Optional[int]], int] = {}
        self.syscalls: Dict[str, _Syscall] = {}
        self.entered: Dict[Optional[int], Tuple[str, Optional[int]]] = {}
        self.notes: List[str] = []

    def read(self, items: Iterable[Union[Header, TextEvent, Mark, Problem]]) -> TraceSummary:
        """Sum up what a file's lines are."""
        header = Header()
        cpus: Set[int] = set()
        first: Optional[int] = None
        last: Optional[int] = None
        events, ticks = 0, False
        for each in items:
            if isinstance(each, TextEvent):
                events += 1
                if each.cpu is not None:
                    cpus.add(each.cpu)
                if each.ts_ns is not None:
                    first = each.ts_ns if first is None else min(first, each.ts_ns)
                    last = each.ts_ns if last is None else max(last, each.ts_ns)
                ticks = ticks or each.ticks is not None
                self._event(each)
            elif isinstance(each, Mark):
                if each.kind == "lost":
                    self.loss.add(each.events, len(self.entered))
                    self.entered.clear()
                else:
                    # Events of this CPU before here were overwritten; how many, the header tells for all.
                    self.loss.dropped += len(self.entered)
                    self.entered.clear()
            elif isinstance(each, Header):
                header = each
            else:
                self.problems.add(each)
        if ticks:
            self.notes.append(
                "the clock of this trace counts no time (counter, x86-tsc): there are no durations"
            )
        if any(name.startswith("NR ") for name in self.syscalls):
            self.notes.append(
                "raw_syscalls tells numbers only; --machine x86_64 (or aarch64) names them as there"
            )
        if self.problems.count and not events:
            self.notes.append(
                "no line could be read: with the options raw, hex or bin the kernel prints events without "
                "their names; record again without them"
            )
        timed = [each for each in self.syscalls.values() if each.times_ns]
        if timed and all(each.is_coarse for each in timed):
            self.notes.append(
                "this text has whole microseconds: a time of 0 is one of less than a microsecond"
            )
        tasks = sorted(self.by_task.items(), key=lambda each: (-each[1], str(each[0])))
        kinds = sorted(self.by_event.items(), key=lambda each: (-each[1][0], each[0]))
        calls = sorted(
            (each.row(name) for name, each in self.syscalls.items()),
            key=lambda row: (-(row.total_us or 0), -row.calls, row.syscall),
        )
        return TraceSummary(
            "events",
            header.tracer,
            0,
            None if first is None else first / 1e9,
            None if last is None else last / 1e9,
            len(cpus),
            events,
            self.loss.events,
            self.loss.unknown,
            overwritten(header),
            self.loss.dropped,
            tuple(EventRow(name, counts[0], counts[1]) for name, counts in kinds),
            tuple(TaskRow(comm, pid, number) for (comm, pid), number in tasks),
            tuple(calls),
            problems=tuple(self.problems.kept),
            problem_count=self.problems.count,
            notes=tuple(self.notes),
        )

    def _event(self, event: TextEvent) -> None:
        counts = self.by_event.setdefault(event.name, [0, 0])
        counts[0] += 1
        counts[1] += bool(event.stack)
        task = (event.comm, event.pid)
        self.by_task[task] = self.by_task.get(task, 0) + 1
        found = self._syscall(event)
        if found is None:
            return
        name, begins, retval = found
        if begins:
            self.syscalls.setdefault(name, _Syscall()).calls += 1
            self.entered[event.pid] = (name, event.ts_ns)
            return
        entered = self.entered.pop(event.pid, None)
        known = self.syscalls.setdefault(name, _Syscall())
        if entered is None or entered[0] != name:
            known.calls += 1  # its begin is not in the file
        elif entered[1] is not None and event.ts_ns is not None:
            known.add(event.ts_ns - entered[1])
        errno = None if retval is None else retval_errno(retval)
        if errno is not None:
            known.errors[errno] = known.errors.get(errno, 0) + 1

    def _syscall(self, event: TextEvent) -> Optional[Tuple[str, bool, Optional[int]]]:
        """Return the system call's name, whether it begins here, and what it returns."""
        if event.name == "sys_enter":
            match = _NR_ENTER(event.payload)
            return None if match is None else (self._name(int(match[1])), True, None)
        if event.name == "sys_exit":
            match = _NR_EXIT(event.payload)
            return None if match is None else (self._name(int(match[1])), False, int(match[2]))
        if event.name.startswith("sys_enter_"):
            return event.name[10:], True, None
        if event.name.startswith("sys_exit_"):
            value = event.payload
            retval = int(value, 16) if re.fullmatch("0x[0-9a-f]{1,16}", value) else None
            return event.name[9:], False, None if retval is None else signed_64(retval)
        return None

    def _name(self, number: int) -> str:
        name = None if self.machine is None else syscalls.name_of(number, self.machine)
        return name or f"NR {number}"
