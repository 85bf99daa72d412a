"""bpf(2) and perf_event_open(2), as far as trials need them: a map, a program of two instructions, an event.

Nothing is attached to anything, and whatever is made ends with its descriptor. Documented in man bpf(2), man
perf_event_open(2) and ``include/uapi/linux/{bpf,perf_event}.h``. Before 5.11, maps and programs count against
RLIMIT_MEMLOCK, and root too gets EPERM when it is used up; so it is raised around each call.
"""

import ctypes
import os
import resource
import struct
from contextlib import contextmanager
from typing import Iterator, Mapping

__all__ = ["PROGRAM_TYPES", "load_program", "make_map", "open_cpu_clock"]

#: Machine -> numbers of bpf(2) and perf_event_open(2).
_NUMBERS: Mapping[str, "tuple[int, int]"] = {
    "aarch64": (280, 241),
    "armv7l": (386, 364),
    "loongarch64": (280, 241),
    "ppc64le": (361, 319),
    "riscv64": (280, 241),
    "s390x": (351, 331),
    "x86_64": (321, 298),
}
#: Types of programs that a tracing tool loads.
PROGRAM_TYPES: Mapping[str, int] = {
    "kprobe": 2,
    "tracepoint": 5,
    "perf_event": 7,
    "raw_tracepoint": 17,
}
_MAP_CREATE, _PROG_LOAD = 0, 5
_ARRAY = 2
#: r0 = 0; exit
_NOTHING = struct.pack("=BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)
_ATTR_BYTES = 72
_PERF_ATTR_BYTES = 112
_SOFTWARE, _CPU_CLOCK = 1, 0
_DISABLED, _EXCLUDE_KERNEL, _EXCLUDE_HV = 1, 1 << 5, 1 << 6
_CLOSE_ON_EXEC = 8


def make_map() -> None:
    """Make a map of one entry and drop it; raises :exc:`OSError`."""
    _close(_bpf(_MAP_CREATE, struct.pack("=IIII", _ARRAY, 4, 8, 1)))


def load_program(kind: int) -> None:
    """Load a program that does nothing and drop it; raises :exc:`OSError`."""
    code = ctypes.create_string_buffer(_NOTHING, len(_NOTHING))
    licence = ctypes.create_string_buffer(b"GPL")
    attr = struct.pack("=IIQQ", kind, len(_NOTHING) // 8, ctypes.addressof(code), ctypes.addressof(licence))
    _close(_bpf(_PROG_LOAD, attr))


def open_cpu_clock(*, whole_system: bool) -> None:
    """Open a clock event, kernel included for the whole system, of this process's own code otherwise."""
    flags = _DISABLED if whole_system else _DISABLED | _EXCLUDE_KERNEL | _EXCLUDE_HV
    attr = struct.pack("=IIQQQQQ", _SOFTWARE, _PERF_ATTR_BYTES, _CPU_CLOCK, 10_000_000, 0, 0, flags)
    buffer = ctypes.create_string_buffer(attr, _PERF_ATTR_BYTES)
    pid, cpu = (-1, min(os.sched_getaffinity(0))) if whole_system else (0, -1)
    _close(
        _syscall(
            1,
            ctypes.byref(buffer),
            ctypes.c_int(pid),
            ctypes.c_int(cpu),
            ctypes.c_int(-1),
            ctypes.c_ulong(_CLOSE_ON_EXEC),
        )
    )


def _bpf(command: int, attr: bytes) -> int:
    buffer = ctypes.create_string_buffer(attr, _ATTR_BYTES)
    with _memlock():
        return _syscall(0, ctypes.c_int(command), ctypes.byref(buffer), ctypes.c_uint(_ATTR_BYTES))


def _syscall(which: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    machine = os.uname().machine
    if machine not in _NUMBERS:
        raise NotImplementedError(f"the number of this system call on {machine} is not known")
    result: int = libc.syscall(ctypes.c_long(_NUMBERS[machine][which]), *arguments)
    if result < 0:
        failed = ctypes.get_errno()
        raise OSError(failed, os.strerror(failed))
    return result


def _close(descriptor: int) -> None:
    os.close(descriptor)


@contextmanager
def _memlock() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    for wanted in ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), (before[1], before[1])):
        try:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, wanted)
            break
        except (OSError, ValueError):  # the hard limit needs CAP_SYS_RESOURCE; since 5.11 it does not matter
            continue
    try:
        yield
    finally:
        # A hard limit that was lowered could not be raised again, so it stays where it was at least.
        resource.setrlimit(resource.RLIMIT_MEMLOCK, before)
