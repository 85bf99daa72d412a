r"""``/proc/<pid>/status``: who a process is, what it may do, and what memory it has, by name.

Documented in proc_pid_status(5) and Documentation/filesystems/proc.rst, made by proc_pid_status() in
fs/proc/array.c. Memory is in KiB, though the file says kB; signal and capability sets are hexadecimal
masks.

By kernel: ``VmPin`` since 3.2, ``Seccomp`` since 3.8, ``Ngid`` since 3.13, ``NStgid`` and its kin since
4.1, ``CapAmb`` since 4.3, ``HugetlbPages`` since 4.4, ``RssAnon``, ``RssFile``, ``RssShmem`` since 4.5,
``Umask`` since 4.7, ``NoNewPrivs`` since 4.10, ``VmPMD`` from 4.0 to 4.14, ``CoreDumping`` since 4.15.

Traps. Kernel threads and zombies have no memory lines at all: absent, not 0. A zombie has no ``Umask``
either. The name has its newlines and backslashes escaped (``\n``, ``\\``), and nothing else, so ESC comes
raw. ``FDSize`` is the room for descriptors, not how many are open. ``Threads`` is 0 for a process that is
just going away. Context switches are of one thread, a process's main one. The manual calls the ``Rss``
values inexact. Older kernels list 32 groups at most, and print ids above 2^31 as negative numbers.
"""

import re
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from kdiag.procfs.text import Problem, complete_lines, decode, hexadecimal, problem, signed, unsigned
from kdiag.records import NamedTuple

__all__ = ["Ids", "PidStatus", "SignalQueue", "parse_pid_status"]

_ESCAPED = rb"\\([n\\])"


class Ids(NamedTuple):
    """The four ids of a task."""

    real: int
    effective: int
    saved: int
    filesystem: int


class SignalQueue(NamedTuple):
    """Signals queued for the task's real user, and how many may be."""

    queued: int
    limit: int


class PidStatus(NamedTuple):
    """A task's status. ``ns_*`` are the ids in the reader's namespace and in each one nested inside it."""

    name: Optional[str] = None
    umask: Optional[int] = None
    state: Optional[str] = None
    tgid: Optional[int] = None
    ngid: Optional[int] = None
    pid: Optional[int] = None
    ppid: Optional[int] = None
    tracer_pid: Optional[int] = None
    uid: Optional[Ids] = None
    gid: Optional[Ids] = None
    fd_size: Optional[int] = None
    groups: Optional[Tuple[int, ...]] = None
    ns_tgid: Optional[Tuple[int, ...]] = None
    ns_pid: Optional[Tuple[int, ...]] = None
    ns_pgid: Optional[Tuple[int, ...]] = None
    ns_sid: Optional[Tuple[int, ...]] = None
    kthread: Optional[bool] = None
    vm_peak_kib: Optional[int] = None
    vm_size_kib: Optional[int] = None
    vm_lck_kib: Optional[int] = None
    vm_pin_kib: Optional[int] = None
    vm_hwm_kib: Optional[int] = None
    vm_rss_kib: Optional[int] = None
    rss_anon_kib: Optional[int] = None
    rss_file_kib: Optional[int] = None
    rss_shmem_kib: Optional[int] = None
    vm_data_kib: Optional[int] = None
    vm_stk_kib: Optional[int] = None
    vm_exe_kib: Optional[int] = None
    vm_lib_kib: Optional[int] = None
    vm_pte_kib: Optional[int] = None
    vm_pmd_kib: Optional[int] = None
    vm_swap_kib: Optional[int] = None
    hugetlb_pages_kib: Optional[int] = None
    core_dumping: Optional[bool] = None
    threads: Optional[int] = None
    sig_queue: Optional[SignalQueue] = None
    sig_pnd: Optional[int] = None
    shd_pnd: Optional[int] = None
    sig_blk: Optional[int] = None
    sig_ign: Optional[int] = None
    sig_cgt: Optional[int] = None
    cap_inh: Optional[int] = None
    cap_prm: Optional[int] = None
    cap_eff: Optional[int] = None
    cap_bnd: Optional[int] = None
    cap_amb: Optional[int] = None
    no_new_privs: Optional[bool] = None
    seccomp: Optional[int] = None
    cpus_allowed_list: Optional[str] = None
    mems_allowed_list: Optional[str] = None
    voluntary_ctxt_switches: Optional[int] = None
    nonvoluntary_ctxt_switches: Optional[int] = None
    extra: Mapping[str, str] = {}
    problems: Tuple[Problem, ...] = ()


def parse_pid_status(data: bytes, path: str = "/proc/<pid>/status") -> PidStatus:
    r"""Parse a task's status file.

    >>> status = parse_pid_status(
    ...     b"Name:\ta\\nb\nState:\tD (disk sleep)\nUid:\t0\t1000\t0\t0\nVmRSS:\t   12780 kB\n")
    >>> status.name, status.state, status.uid.effective, status.vm_rss_kib, status.vm_swap_kib
    ('a\nb', 'D', 1000, 12780, None)
    """
    problems: List[Problem] = []
    found: Dict[str, Any] = {}
    extra: Dict[str, str] = {}
    for number, line in complete_lines(data, path, problems):
        key, colon, text = line.partition(b":")
        if not colon or not key:
            problems.append(problem(path, number, line, "key: value"))
        elif key not in _KEYS:
            extra[decode(key)] = decode(text.strip())
        else:
            field, convert = _KEYS[key]
            value = convert(text)
            if value is None:
                problems.append(problem(path, number, line, _WANTED[convert]))
            else:
                found[field] = value
    return PidStatus(**found, extra=extra, problems=tuple(problems))


def _name(text: bytes) -> Optional[str]:
    """Undo the escapes; blanks at either end belong to the name, only the one tab before it does not."""
    if not text.startswith(b"\t"):
        return None
    return decode(re.sub(_ESCAPED, lambda match: b"\n" if match.group(1) == b"n" else b"\\", text[1:]))


def _state(text: bytes) -> Optional[str]:
    """Take the letter of ``S (sleeping)``."""
    words = text.split(None, 1)
    return decode(words[0]) if words and len(words[0]) == 1 else None


def _number(text: bytes) -> Optional[int]:
    return unsigned(text.strip())


def _flag(text: bytes) -> Optional[bool]:
    return {b"0": False, b"1": True}.get(text.strip())


def _mask(text: bytes) -> Optional[int]:
    return hexadecimal(text.strip())


def _octal(text: bytes) -> Optional[int]:
    digits = text.strip()
    return int(digits, 8) if digits and not digits.strip(b"01234567") else None


def _kib(text: bytes) -> Optional[int]:
    words = text.split()
    return unsigned(words[0]) if len(words) == 2 and words[1] == b"kB" else None


def _numbers(text: bytes) -> Optional[Tuple[int, ...]]:
    numbers = [signed(word) for word in text.split()]
    known = tuple(number & 0xFFFFFFFF for number in numbers if number is not None)
    return known if len(known) == len(numbers) else None


def _ids(text: bytes) -> Optional[Ids]:
    numbers = _numbers(text)
    return Ids(*numbers) if numbers is not None and len(numbers) == 4 else None


def _queue(text: bytes) -> Optional[SignalQueue]:
    queued, limit = (unsigned(token) for token in text.strip().partition(b"/")[::2])
    return None if queued is None or limit is None else SignalQueue(queued, limit)


def _list(text: bytes) -> Optional[str]:
    return decode(text.strip())


_WANTED: Dict[Callable[[bytes], Any], str] = {
    _flag: "0|1",
    _ids: "real effective saved filesystem",
    _kib: "N kB",
    _mask: "hexadecimal digits",
    _name: "a tab and the name",
    _number: "N",
    _numbers: "N...",
    _octal: "octal digits",
    _queue: "N/N",
    _state: "letter (word)",
}

_KEYS: Dict[bytes, Tuple[str, Callable[[bytes], Any]]] = {
    b"CapAmb": ("cap_amb", _mask),
    b"CapBnd": ("cap_bnd", _mask),
    b"CapEff": ("cap_eff", _mask),
    b"CapInh": ("cap_inh", _mask),
    b"CapPrm": ("cap_prm", _mask),
    b"CoreDumping": ("core_dumping", _flag),
    b"Cpus_allowed_list": ("cpus_allowed_list", _list),
    b"FDSize": ("fd_size", _number),
    b"Gid": ("gid", _ids),
    b"Groups": ("groups", _numbers),
    b"HugetlbPages": ("hugetlb_pages_kib", _kib),
    b"Kthread": ("kthread", _flag),
    b"Mems_allowed_list": ("mems_allowed_list", _list),
    b"NSpgid": ("ns_pgid", _numbers),
    b"NSpid": ("ns_pid", _numbers),
    b"NSsid": ("ns_sid", _numbers),
    b"NStgid": ("ns_tgid", _numbers),
    b"Name": ("name", _name),
    b"Ngid": ("ngid", _number),
    b"NoNewPrivs": ("no_new_privs", _flag),
    b"PPid": ("ppid", _number),
    b"Pid": ("pid", _number),
    b"RssAnon": ("rss_anon_kib", _kib),
    b"RssFile": ("rss_file_kib", _kib),
    b"RssShmem": ("rss_shmem_kib", _kib),
    b"Seccomp": ("seccomp", _number),
    b"ShdPnd": ("shd_pnd", _mask),
    b"SigBlk": ("sig_blk", _mask),
    b"SigCgt": ("sig_cgt", _mask),
    b"SigIgn": ("sig_ign", _mask),
    b"SigPnd": ("sig_pnd", _mask),
    b"SigQ": ("sig_queue", _queue),
    b"State": ("state", _state),
    b"Tgid": ("tgid", _number),
    b"Threads": ("threads", _number),
    b"TracerPid": ("tracer_pid", _number),
    b"Uid": ("uid", _ids),
    b"Umask": ("umask", _octal),
    b"VmData": ("vm_data_kib", _kib),
    b"VmExe": ("vm_exe_kib", _kib),
    b"VmHWM": ("vm_hwm_kib", _kib),
    b"VmLck": ("vm_lck_kib", _kib),
    b"VmLib": ("vm_lib_kib", _kib),
    b"VmPMD": ("vm_pmd_kib", _kib),
    b"VmPTE": ("vm_pte_kib", _kib),
    b"VmPeak": ("vm_peak_kib", _kib),
    b"VmPin": ("vm_pin_kib", _kib),
    b"VmRSS": ("vm_rss_kib", _kib),
    b"VmSize": ("vm_size_kib", _kib),
    b"VmStk": ("vm_stk_kib", _kib),
    b"VmSwap": ("vm_swap_kib", _kib),
    b"nonvoluntary_ctxt_switches": ("nonvoluntary_ctxt_switches", _number),
    b"voluntary_ctxt_switches": ("voluntary_ctxt_switches", _number),
}
