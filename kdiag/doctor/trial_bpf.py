"""Trials of BPF and perf events: something is loaded or opened, and dropped.

No lockdown mode decides here: integrity refuses nothing of this, confidentiality not everything, and local
policies more than both.
"""

import errno
import os
from typing import TYPE_CHECKING, List, Optional

from kdiag.doctor import bpf_calls
from kdiag.doctor.outcome import NotTried, Refused, refused_by_errno

if TYPE_CHECKING:
    from kdiag.doctor.trials import Bench

__all__ = ["bpf", "perf_events"]


def bpf(bench: "Bench") -> str:
    """Make a map, and load a program of each type that traces."""
    _of_this_machine(bench)
    try:
        bpf_calls.make_map()
    except NotImplementedError as error:
        raise NotTried("not tried", str(error)) from None
    except OSError as error:
        why = "built without CONFIG_BPF_SYSCALL" if error.errno == errno.ENOSYS else ""
        raise refused_by_errno("bpf(BPF_MAP_CREATE)", error.errno, bench.euid, why) from None
    loaded: List[str] = []
    refused: Optional[Refused] = None
    for name, kind in bpf_calls.PROGRAM_TYPES.items():
        try:
            bpf_calls.load_program(kind)
            loaded.append(name)
        except OSError as error:
            refused = refused or refused_by_errno(f"bpf(BPF_PROG_LOAD, {name})", error.errno, bench.euid)
    if refused is not None and not loaded:
        raise refused
    btf = "BTF" if _has_btf() else "no BTF"
    return f"maps; programs: {', '.join(loaded)}; {btf}" + (f"; {refused.detail}" if refused else "")


def perf_events(bench: "Bench") -> str:
    """Open a clock event for the kernel and all processes of a CPU."""
    _of_this_machine(bench)
    try:
        bpf_calls.open_cpu_clock(whole_system=True)
        return ""
    except NotImplementedError as error:
        raise NotTried("not tried", str(error)) from None
    except OSError as error:
        refused = refused_by_errno("perf_event_open(cpu-clock, all processes)", error.errno, bench.euid)
    try:
        bpf_calls.open_cpu_clock(whole_system=False)
        refused.detail += "; allowed for own code"
    except OSError as error:
        refused.detail += f"; {errno.errorcode.get(error.errno or 0)} for own code, too"
    raise refused


def _of_this_machine(bench: "Bench") -> None:
    # A system call asks the kernel that runs this process, which a mount below --root belongs to as well.
    if bench.host.kind != "live":
        raise NotTried("not tried", "a recording has no system calls")


def _has_btf() -> bool:
    return os.path.exists("/sys/kernel/btf/vmlinux")
