"""runqlat by programs of kdiag's own: typed pointers to tasks, as lockdown allows them, too."""

import struct
from typing import Dict, Iterator

from kdiag.ebpf import pieces
from kdiag.ebpf.assembler import R0, R1, R6, R7, R8, R9, R10, Assembler, Code
from kdiag.ebpf.collector import Collector
from kdiag.ebpf.maps import MapSpec
from kdiag.ebpf.program import ProgramSpec
from kdiag.host.base import ReadError
from kdiag.tools.bpf_run import BpfPlan, Request, collecting
from kdiag.tools.duration_programs import VALUE_BYTES, add_duration, durations_in
from kdiag.tools.durations import NONE, Durations
from kdiag.tools.run import Run
from kdiag.tools.runqlat import UNIT_NS
from kdiag.tools.runqlat.summary import summary_of
from kdiag.tools.tool import Item

__all__ = ["NAMES", "SINCE", "WAITS", "run", "summaries"]

#: Since when a thread could run, by its id, in ns.
SINCE = MapSpec("since", "hash", 4, 8, 65536)
#: By process or thread, as :mod:`kdiag.tools.duration_programs` has them; and their names.
WAITS = MapSpec("waits", "percpu_hash", 4, VALUE_BYTES, 4096)
NAMES = MapSpec("names", "hash", 4, 16, 4096)
#: What new waits are made of: zeros, too many for the stack of a program.
NOTHING = MapSpec("nothing", "array", 4, VALUE_BYTES, 1)
_WAKEUPS = ("sched_wakeup", "sched_wakeup_new")
#: On the stack: a key, another one, a time, a name.
_KEY, _LOSS, _TIME, _NAME = -4, -8, -16, -32
_ONLY_THERE = 2


def run(run: Run) -> Iterator[Item]:
    """Sum up until it ends."""
    with collecting(run, _plan) as collector:
        yield from summaries(run, collector)


def summaries(run: Run, collector: Collector) -> Iterator[Item]:
    """Yield what each interval gave."""
    begun_s = 0.0
    past: Dict[int, Durations] = {}
    for last in run.ticks():
        if last:
            collector.stop()
        now = {
            int.from_bytes(key, "little"): durations_in(values)
            for key, values in collector.maps[WAITS.name].items()
        }
        found = now
        if run.interval_s is not None:
            found = {key: each.since(past.get(key, NONE)) for key, each in now.items()}

        def comm_of(pid: int) -> str:
            return _name(run, collector, pid)

        yield summary_of(found, comm_of, run.options, begun_s, run.duration_s)
        begun_s, past = run.duration_s, now


def _name(run: Run, collector: Collector, pid: int) -> str:
    try:
        name = run.host.read(f"/proc/{pid}/comm").rstrip(b"\n")
    except ReadError:
        values = collector.maps[NAMES.name].lookup(struct.pack("=I", pid))
        name = b"?" if values is None else values[0].partition(b"\0")[0]
    return name.decode("utf-8", "surrogateescape")


def _plan(request: Request) -> BpfPlan:
    woken = _woken(request)
    programs = [
        ProgramSpec(event, "tp_btf", event, woken, "keeps since when a woken thread could run")
        for event in _WAKEUPS
    ]
    says = "adds how long the next thread waited, and keeps since when one that lost its CPU could run"
    programs.append(ProgramSpec("sched_switch", "tp_btf", "sched_switch", _switch(request), says))
    programs.append(_renamed(request))
    return BpfPlan((SINCE, WAITS, NAMES, NOTHING), tuple(programs))


def _renamed(request: Request) -> ProgramSpec:
    """Keep the new name of a process that executes a program, if it has waited before."""
    btf = request.btf
    a = Assembler()
    pieces.begin(a)
    a.load(R7, R6, 0)
    key = "tgid" if request.options["by"] == "process" else "pid"
    a.load(R8, R7, btf.offset("task_struct", key), 4)
    a.store(R10, _KEY, R8, 4)
    _keep_name(a, btf.offset("task_struct", "comm"), _ONLY_THERE)
    pieces.end(a)
    says = "keeps the new name of a process that executes a program"
    return ProgramSpec("sched_process_exec", "tp_btf", "sched_process_exec", a.code(), says)


def _woken(request: Request) -> Code:
    a = Assembler()
    pieces.begin(a)
    a.load(R7, R6, 0)
    a.load(R8, R7, request.btf.offset("task_struct", "pid"), 4)
    pieces.unless_watched(a, request.watch, "out", _KEY, R8)
    _could_run(a)
    pieces.end(a)
    return a.code()


def _could_run(a: Assembler) -> None:
    """Keep that the thread r8 can run from now on; r9 is set to the time."""
    a.call("ktime_get_ns")
    a.mov(R9, R0)
    a.store(R10, _TIME, R9)
    a.store(R10, _KEY, R8, 4)
    kept = a.unique("kept")
    pieces.update(a, SINCE.name, _KEY, _TIME)
    a.jump_if(R0, "==", 0, kept)
    pieces.count_loss(a, pieces.NO_ROOM_IN_MAP, _LOSS)
    a.label(kept)


def _switch(request: Request) -> Code:
    btf = request.btf
    pid_at, group_at = btf.offset("task_struct", "pid"), btf.offset("task_struct", "tgid")
    state = btf.field("task_struct", "__state", "state")
    a = Assembler()
    pieces.begin(a)
    # The thread that leaves: it could go on if it was preempted, or did not want to sleep.
    a.load(R7, R6, 8)
    a.load(R8, R7, pid_at, 4)
    a.jump_if(R8, "==", 0, "next")
    pieces.unless_watched(a, request.watch, "next", _KEY, R8)
    a.load(R1, R6, 0)
    a.alu("and", R1, 0xFF)
    a.jump_if(R1, "!=", 0, "could_run")
    a.load(R1, R7, state.offset_bytes, state.size_bytes)
    a.jump_if(R1, "!=", 0, "next")
    a.label("could_run")
    _could_run(a)
    # The thread that gets the CPU: since when could it run?
    a.label("next")
    a.load(R7, R6, 16)
    a.load(R8, R7, pid_at, 4)
    a.jump_if(R8, "==", 0, "out")
    a.store(R10, _KEY, R8, 4)
    pieces.lookup(a, SINCE.name, _KEY)
    a.jump_if(R0, "==", 0, "out")
    a.load(R9, R0, 0)
    pieces.delete(a, SINCE.name, _KEY)
    a.call("ktime_get_ns")
    a.alu("sub", R0, R9)
    a.mov(R9, R0)
    # A clock of another CPU may be some ns ahead.
    a.jump_if(R9, "s<", 0, "out")
    if request.options["by"] == "process":
        a.load(R8, R7, group_at, 4)
    a.store(R10, _KEY, R8, 4)
    pieces.lookup(a, WAITS.name, _KEY)
    a.jump_if(R0, "!=", 0, "known")
    _new(a, btf.offset("task_struct", "comm"))
    a.label("known")
    a.mov(R6, R0)
    add_duration(a, UNIT_NS)
    pieces.end(a)
    return a.code()


def _keep_name(a: Assembler, comm_at: int, flags: int = 0) -> None:
    """Keep the name of the task r7 for the key."""
    for half in (0, 8):
        a.load(R1, R7, comm_at + half)
        a.store(R10, _NAME + half, R1)
    pieces.update(a, NAMES.name, _KEY, _NAME, flags)


def _new(a: Assembler, comm_at: int) -> None:
    """Make waits for the key, and keep the name of the task r7; r0 is their address."""
    _keep_name(a, comm_at)
    a.store(R10, _LOSS, 0, 4)
    pieces.lookup(a, NOTHING.name, _LOSS)
    a.jump_if(R0, "==", 0, "out")
    pieces.update_from(a, WAITS.name, _KEY, R0, flags=1)  # unless another CPU has made them
    pieces.lookup(a, WAITS.name, _KEY)
    a.jump_if(R0, "!=", 0, "known")
    pieces.count_loss(a, pieces.NO_ROOM_IN_MAP, _LOSS)
    a.jump("out")
