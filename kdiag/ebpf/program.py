"""Programs: loaded, with the verifier's words where it refuses, and attached.

======================  =====================================================================================
kind                    attached to, and what the program finds behind r1
======================  =====================================================================================
``raw_tracepoint``      an event by its name; u64 arguments of the tracepoint (4.17). Pointers are numbers
``tp_btf``              the same with typed pointers: fields are loaded directly (5.5, BTF). Works under
                        lockdown=confidentiality, where everything that copies kernel memory is refused
``fentry`` ``fexit``    a function of the kernel; its arguments, then its result (5.5; arm64 6.0; BTF)
``kprobe`` ``kretprobe``  a function of the kernel; its registers (4.17, the kprobe PMU)
``kprobe_multi`` ``kretprobe_multi``  many functions at once, separated by blanks (5.18, fprobe)
``uprobe`` ``uretprobe``  ``PATH:OFFSET`` of a program or library; its registers
``sampling``            a clock, ``attach_to`` times a second on each CPU; ``struct bpf_perf_event_data``
======================  =====================================================================================

Traps. A refusal by the verifier (EACCES, EINVAL) comes with a log, one by capabilities, lockdown or a policy
(EPERM) without. A log buffer makes a good program fail with ENOSPC when it is too small, so the first try
has none; a used one would show the words of the program before.
"""

import ctypes
import errno
import fcntl
import os
import struct
from typing import Callable, Dict, List, Mapping, Optional

from kdiag.ebpf.assembler import Code
from kdiag.ebpf.btf import Btf
from kdiag.ebpf.syscall import PERF_IOC_ENABLE, PERF_IOC_SET_BPF, BpfError, bpf, perf_event_open
from kdiag.host.base import Host, ReadError
from kdiag.procfs.cpulist import parse_cpulist
from kdiag.records import NamedTuple

__all__ = ["KINDS", "ProgramSpec", "attach_program", "load_program"]


class _Kind(NamedTuple):
    program_type: int
    attach_type: int = 0
    btf: str = ""
    """What the attach_btf_id is of: ``event`` or ``function``."""


_KPROBE, _PERF_EVENT, _RAW_TRACEPOINT, _TRACING = 2, 7, 17, 26
_ATTACH_KPROBE_MULTI = 42
KINDS: Mapping[str, _Kind] = {
    "raw_tracepoint": _Kind(_RAW_TRACEPOINT),
    "tp_btf": _Kind(_TRACING, 23, "event"),
    "fentry": _Kind(_TRACING, 24, "function"),
    "fexit": _Kind(_TRACING, 25, "function"),
    "kprobe": _Kind(_KPROBE),
    "kretprobe": _Kind(_KPROBE),
    "kprobe_multi": _Kind(_KPROBE, _ATTACH_KPROBE_MULTI),
    "kretprobe_multi": _Kind(_KPROBE, _ATTACH_KPROBE_MULTI),
    "uprobe": _Kind(_KPROBE),
    "uretprobe": _Kind(_KPROBE),
    "sampling": _Kind(_PERF_EVENT),
}

_PROG_LOAD, _RAW_TRACEPOINT_OPEN, _LINK_CREATE = 5, 17, 28
_LOAD_BYTES, _NAME_BYTES = 116, 15
_LOG_BYTES, _LOG_LINES = 256 << 10, 12
_CONFIG_RETURN = 1
_ONLINE = "/sys/devices/system/cpu/online"
_MULTI_RETURN = 1
_SOFTWARE, _CPU_CLOCK, _FREQUENCY, _DISABLED = 1, 0, 1 << 10, 1


class ProgramSpec(NamedTuple):
    """A program: its name, a key of :data:`KINDS`, what it is attached to, its code.

    ``says`` tells in words what it does, for people who want to know what is loaded into their kernel.
    """

    name: str
    kind: str
    attach_to: str
    code: Code
    says: str


def load_program(spec: ProgramSpec, maps: Mapping[str, int], btf: Optional[Btf]) -> int:
    """Load a program and return its descriptor; ``maps`` are descriptors by name.

    Raises :exc:`~kdiag.ebpf.syscall.BpfError` with the verifier's log, and :exc:`~kdiag.ebpf.btf.NoBtf`.
    """
    kind = KINDS[spec.kind]
    btf_id = 0
    if kind.btf:
        if btf is None:
            raise ValueError(f"{spec.kind} needs BTF")
        btf_id = btf.tracepoint_id(spec.attach_to) if kind.btf == "event" else btf.func_id(spec.attach_to)
    code = spec.code.bind(maps)
    step = f"loading the program {spec.name} ({spec.kind})"
    try:
        return _load(spec, kind, btf_id, code, step)
    except BpfError as error:
        if error.errno not in (errno.EACCES, errno.EINVAL, errno.E2BIG):
            raise
        failed = error
    log = ctypes.create_string_buffer(_LOG_BYTES)
    try:
        return _load(spec, kind, btf_id, code, step, log)
    except BpfError:
        lines = log.value.decode("utf-8", "replace").strip().split("\n")
        raise BpfError(failed.errno or 0, step, "\n".join(lines[-_LOG_LINES:])) from None


def _load(
    spec: ProgramSpec,
    kind: _Kind,
    btf_id: int,
    code: bytes,
    step: str,
    log: "Optional[ctypes.Array[ctypes.c_char]]" = None,
) -> int:
    instructions = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"GPL")
    attr = bytearray(_LOAD_BYTES)
    struct.pack_into(
        "=IIQQ",
        attr,
        0,
        kind.program_type,
        len(code) // 8,
        ctypes.addressof(instructions),
        ctypes.addressof(licence),
    )
    if log is not None:
        struct.pack_into("=IIQ", attr, 24, 1, len(log), ctypes.addressof(log))
    struct.pack_into("=16s", attr, 48, spec.name.encode("ascii")[:_NAME_BYTES])
    struct.pack_into("=I", attr, 68, kind.attach_type)
    struct.pack_into("=I", attr, 108, btf_id)
    return bpf(_PROG_LOAD, bytes(attr), step)


def attach_program(spec: ProgramSpec, program: int, host: Host) -> List[int]:
    """Attach a loaded program and return the descriptors that hold it there."""
    return _ATTACH[spec.kind](spec, program, host)


def _attach_to_tracepoint(spec: ProgramSpec, program: int, host: Host) -> List[int]:
    name = ctypes.create_string_buffer(spec.attach_to.encode("ascii"))
    address = 0 if KINDS[spec.kind].btf else ctypes.addressof(name)
    attr = struct.pack("=QII", address, program, 0)
    return [bpf(_RAW_TRACEPOINT_OPEN, attr, f"attaching {spec.name} to {spec.attach_to}")]


def _attach_by_perf(spec: ProgramSpec, program: int, host: Host) -> List[int]:
    """Attach to a k(ret)probe or u(ret)probe; one event serves all CPUs and processes."""
    unit = "kprobe" if spec.kind in ("kprobe", "kretprobe") else "uprobe"
    where, offset = spec.attach_to, 0
    if unit == "uprobe":
        where, _, at = spec.attach_to.rpartition(":")
        offset = int(at, 0)
    step = f"attaching {spec.name} to {spec.attach_to}"
    kind = _pmu_type(host, unit, step)
    name = ctypes.create_string_buffer(os.fsencode(where))
    event = perf_event_open(
        kind,
        _CONFIG_RETURN if spec.kind in ("kretprobe", "uretprobe") else 0,
        step=step,
        cpu=0,
        config1=ctypes.addressof(name),
        config2=offset,
    )
    return [_connect(event, program, step)]


def _attach_to_many(spec: ProgramSpec, program: int, host: Host) -> List[int]:
    names = [ctypes.create_string_buffer(name.encode("ascii")) for name in spec.attach_to.split()]
    symbols = (ctypes.c_uint64 * len(names))(*map(ctypes.addressof, names))
    # A cookie tells the program which of the functions it is called for.
    cookies = (ctypes.c_uint64 * len(names))(*range(len(names)))
    flags = _MULTI_RETURN if spec.kind == "kretprobe_multi" else 0
    attr = struct.pack(
        "=IIIIIIQQQ",
        program,
        0,
        _ATTACH_KPROBE_MULTI,
        0,
        flags,
        len(names),
        ctypes.addressof(symbols),
        0,
        ctypes.addressof(cookies),
    )
    return [bpf(_LINK_CREATE, attr, f"attaching {spec.name} to {len(names)} functions")]


def _attach_to_clock(spec: ProgramSpec, program: int, host: Host) -> List[int]:
    held: List[int] = []
    try:
        for cpu in parse_cpulist(host.read(_ONLINE), _ONLINE).cpus or ():
            step = f"sampling CPU {cpu} {spec.attach_to} times a second"
            event = perf_event_open(
                _SOFTWARE,
                _CPU_CLOCK,
                step=step,
                cpu=cpu,
                period_or_hz=int(spec.attach_to),
                flags=_DISABLED | _FREQUENCY,
            )
            held.append(_connect(event, program, step))
    except BaseException:
        for each in held:
            os.close(each)
        raise
    return held


def _pmu_type(host: Host, unit: str, step: str) -> int:
    path = f"/sys/bus/event_source/devices/{unit}/type"
    try:
        return int(host.read(path))
    except ReadError as error:
        raise BpfError(error.failure.errno or errno.ENOENT, f"{step}: {path}") from None


def _connect(event: int, program: int, step: str) -> int:
    try:
        fcntl.ioctl(event, PERF_IOC_SET_BPF, program)
        fcntl.ioctl(event, PERF_IOC_ENABLE, 0)
    except OSError as error:
        os.close(event)
        raise BpfError(error.errno or 0, step) from None
    return event


_ATTACH: Dict[str, Callable[[ProgramSpec, int, Host], List[int]]] = {
    "raw_tracepoint": _attach_to_tracepoint,
    "tp_btf": _attach_to_tracepoint,
    "fentry": _attach_to_tracepoint,
    "fexit": _attach_to_tracepoint,
    "kprobe": _attach_by_perf,
    "kretprobe": _attach_by_perf,
    "kprobe_multi": _attach_to_many,
    "kretprobe_multi": _attach_to_many,
    "uprobe": _attach_by_perf,
    "uretprobe": _attach_by_perf,
    "sampling": _attach_to_clock,
}
