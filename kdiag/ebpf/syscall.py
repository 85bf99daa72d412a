"""bpf(2) and perf_event_open(2) through ctypes: nothing but the C library is needed.

Whatever is made lives as long as its descriptor: closing it, or the end of this process in any way, detaches
and frees everything. Documented in man bpf(2), man perf_event_open(2),
``include/uapi/linux/{bpf,perf_event}.h``.

Traps. An attribute longer than the kernel knows is accepted as long as the rest is zero (E2BIG else).
Addresses in it are 64 bit wide on every machine. Before 5.11, maps and programs count against
RLIMIT_MEMLOCK, and root too gets EPERM when it is used up, exactly as under lockdown.
"""

import ctypes
import os
import resource
import struct
from contextlib import suppress
from functools import cache
from typing import Mapping, Tuple

__all__ = [
    "PERF_IOC_ENABLE",
    "PERF_IOC_SET_BPF",
    "SUPPORTED_MACHINES",
    "BpfError",
    "bpf",
    "perf_event_open",
    "raise_memlock",
]

#: Machine -> numbers of bpf(2) and perf_event_open(2).
_NUMBERS: Mapping[str, Tuple[int, int]] = {
    "aarch64": (280, 241),
    "armv7l": (386, 364),
    "loongarch64": (280, 241),
    "ppc64le": (361, 319),
    "riscv64": (280, 241),
    "s390x": (351, 331),
    "x86_64": (321, 298),
}
#: Where the numbers are known; programs that read registers know fewer (:mod:`kdiag.ebpf.registers`).
SUPPORTED_MACHINES = tuple(_NUMBERS)

PERF_IOC_ENABLE = 0x2400
PERF_IOC_SET_BPF = 0x40042408
_PERF_ATTR_BYTES = 128
_FD_CLOEXEC = 8
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class BpfError(OSError):
    """A refusal: ``errno``, the ``step`` that was refused, and the verifier's ``log`` where there is one."""

    def __init__(self, number: int, step: str, log: str = "") -> None:
        super().__init__(number, f"{step}: {os.strerror(number)}")
        self.step = step
        self.log = log

    def __str__(self) -> str:
        """Return the step and the reason, with the end of the verifier's log."""
        told = str(self.strerror)
        return f"{told}\nthe verifier said:\n{self.log}" if self.log else told


def bpf(command: int, attr: bytes, step: str) -> int:
    """Make one bpf(2) call and return its result; raises :exc:`BpfError`, which names the ``step``.

    Buffers whose addresses stand in ``attr`` must be kept by the caller until this returns.
    """
    buffer = ctypes.create_string_buffer(attr, len(attr))
    return _call(0, step, ctypes.c_int(command), ctypes.byref(buffer), ctypes.c_uint(len(attr)))


def perf_event_open(
    kind: int,
    config: int,
    *,
    step: str,
    pid: int = -1,
    cpu: int = -1,
    period_or_hz: int = 0,
    sample_type: int = 0,
    flags: int = 1,
    wakeup_events: int = 0,
    config1: int = 0,
    config2: int = 0,
) -> int:
    """Open an event and return its descriptor, which is closed on exec; raises :exc:`BpfError`.

    ``flags`` are the bits of perf_event_attr: 1 disabled, 1 << 5 exclude_kernel, 1 << 10 the period is in Hz.
    """
    attr = bytearray(_PERF_ATTR_BYTES)
    struct.pack_into("=IIQQQQQ", attr, 0, kind, _PERF_ATTR_BYTES, config, period_or_hz, sample_type, 0, flags)
    struct.pack_into("=IIQQ", attr, 48, wakeup_events, 0, config1, config2)
    buffer = ctypes.create_string_buffer(bytes(attr), _PERF_ATTR_BYTES)
    return _call(
        1,
        step,
        ctypes.byref(buffer),
        ctypes.c_int(pid),
        ctypes.c_int(cpu),
        ctypes.c_int(-1),
        ctypes.c_ulong(_FD_CLOEXEC),
    )


def raise_memlock() -> None:
    """Lift RLIMIT_MEMLOCK as far as allowed, for kernels before 5.11; later ones do not look at it."""
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    for wanted in (resource.RLIM_INFINITY, hard):
        with suppress(OSError, ValueError):  # the hard limit needs CAP_SYS_RESOURCE
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (wanted, wanted if wanted != hard else hard))
            return


@cache
def _machine() -> str:
    return os.uname().machine


def _call(which: int, step: str, *arguments: object) -> int:
    machine = _machine()
    if machine not in _NUMBERS:
        raise NotImplementedError(f"the number of this system call on {machine} is not known")
    result: int = _libc.syscall(ctypes.c_long(_NUMBERS[machine][which]), *arguments)
    if result < 0:
        raise BpfError(ctypes.get_errno(), step)
    return result
