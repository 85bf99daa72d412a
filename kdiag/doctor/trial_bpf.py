"""Trials of BPF and perf events: something is loaded, attached or opened, and dropped.

No lockdown mode decides here: integrity refuses nothing of this, confidentiality not everything, and local
policies more than both.
"""

import errno
import os
from typing import TYPE_CHECKING, List, Optional

from kdiag.doctor.outcome import NotTried, Refused, refused_by_errno
from kdiag.ebpf.assembler import R0, Assembler
from kdiag.ebpf.btf import NoBtf, read_btf
from kdiag.ebpf.collector import possible_cpus
from kdiag.ebpf.maps import MapSpec, create_map
from kdiag.ebpf.program import ProgramSpec, attach_program, load_program
from kdiag.ebpf.syscall import BpfError, perf_event_open, raise_memlock

if TYPE_CHECKING:
    from kdiag.doctor.trials import Bench

__all__ = ["bpf", "perf_events"]

#: What is loaded: the kind, what it is attached to, and whether that is tried.
_PROGRAMS = (
    ("raw_tracepoint", "sched_switch", True),
    ("tp_btf", "sched_switch", True),
    ("fentry", "do_nanosleep", False),
    ("kprobe", "", False),
    ("sampling", "", False),
)
_SOFTWARE, _CPU_CLOCK = 1, 0
_DISABLED, _EXCLUDE_KERNEL, _EXCLUDE_HV = 1, 1 << 5, 1 << 6


def bpf(bench: "Bench") -> str:
    """Make a map and a ring buffer, load a program of each type that tools use, attach the first ones."""
    _of_this_machine(bench)
    raise_memlock()
    cpus = possible_cpus(bench.host)
    try:
        create_map(MapSpec("trial", "array", 4, 8, 1), cpus).close()
    except NotImplementedError as error:
        raise NotTried("not tried", str(error)) from None
    except BpfError as error:
        why = "built without CONFIG_BPF_SYSCALL" if error.errno == errno.ENOSYS else ""
        raise refused_by_errno("bpf(BPF_MAP_CREATE)", error.errno, bench.euid, why) from None
    loaded: List[str] = []
    refused: Optional[Refused] = None
    details: List[str] = []
    for kind, place, attaches in _PROGRAMS:
        try:
            _try(bench, kind, place, attaches)
            loaded.append(kind)
        except BpfError as error:
            refused = refused or refused_by_errno(error.step, error.errno, bench.euid)
            details.append(f"{kind}: {errno.errorcode.get(error.errno or 0, error.errno)}")
        except NoBtf as error:
            details.append(f"{kind}: {error}")
    if refused is not None and not loaded:
        raise refused
    try:
        create_map(MapSpec("trial", "ringbuf", 0, 0, os.sysconf("SC_PAGE_SIZE")), cpus).close()
        loaded.append("ring buffer")
    except BpfError:
        details.append("no ring buffer")
    return "; ".join([f"maps; {', '.join(loaded)}", *details])


def _try(bench: "Bench", kind: str, place: str, attaches: bool) -> None:
    """Load a program of two instructions, attach it if that is to be tried, and drop it."""
    a = Assembler()
    a.mov(R0, 0)
    a.exit()
    spec = ProgramSpec("trial", kind, place, a.code(), "does nothing")
    program = load_program(spec, {}, read_btf(bench.host) if kind in ("tp_btf", "fentry") else None)
    try:
        for held in attach_program(spec, program, bench.host) if attaches else ():
            os.close(held)
    finally:
        os.close(program)


def perf_events(bench: "Bench") -> str:
    """Open a clock event for the kernel and all processes of a CPU."""
    _of_this_machine(bench)
    cpu = min(os.sched_getaffinity(0))
    try:
        os.close(_clock(-1, cpu, _DISABLED))
        return ""
    except NotImplementedError as error:
        raise NotTried("not tried", str(error)) from None
    except BpfError as error:
        refused = refused_by_errno("perf_event_open(cpu-clock, all processes)", error.errno, bench.euid)
    try:
        os.close(_clock(0, -1, _DISABLED | _EXCLUDE_KERNEL | _EXCLUDE_HV))
        refused.detail += "; allowed for own code"
    except BpfError as error:
        refused.detail += f"; {errno.errorcode.get(error.errno or 0)} for own code, too"
    raise refused


def _clock(pid: int, cpu: int, flags: int) -> int:
    return perf_event_open(
        _SOFTWARE, _CPU_CLOCK, step="a clock", pid=pid, cpu=cpu, period_or_hz=10_000_000, flags=flags
    )


def _of_this_machine(bench: "Bench") -> None:
    # A system call asks the kernel that runs this process, which a mount below --root belongs to as well.
    if bench.host.kind != "live":
        raise NotTried("not tried", "a recording has no system calls")
