"""The functions of this kernel that can be probed: their names, and which of them better are not.

``available_filter_functions`` names those that ftrace can hook (``name`` or ``name [module]``, repeated where
several functions share a name; ``__ftrace_invalid_address___N`` stands for code that is gone). Kernels that
are locked down may refuse it even to root; then the text symbols of ``/proc/kallsyms`` have to do, some of
which cannot be probed.

Static functions of one name are many: a kprobe on such a name is refused since 6.7 (and in stable kernels
since 5.15), and lands on any one of them before. So names are counted here before one is used.
"""

import re
from difflib import get_close_matches
from fnmatch import translate
from typing import Dict, List, Optional, Sequence, Tuple

from kdiag.ftrace.tracefs import TraceFs, TraceFsError
from kdiag.host.base import Host, ReadError
from kdiag.records import NamedTuple

__all__ = ["DENIED", "Functions", "denied", "functions_of_kernel", "parse_functions", "parse_text_symbols"]

#: What a pattern leaves out, and why: probing it on every CPU slows or hangs a machine (iovisor/bcc #2300,
#: bpftrace #3204), or the kernel itself uses it to serve the probe. By its whole name it is not refused.
DENIED: Tuple[Tuple[str, str], ...] = (
    ("*_spin_lock*", "locks are taken millions of times a second"),
    ("*_spin_unlock*", "locks are taken millions of times a second"),
    ("*spin_lock_slowpath*", "it runs while a CPU waits for a lock"),
    ("*_read_lock*", "locks are taken millions of times a second"),
    ("*_read_unlock*", "locks are taken millions of times a second"),
    ("*_write_lock*", "locks are taken millions of times a second"),
    ("*_write_unlock*", "locks are taken millions of times a second"),
    ("lock_acquire*", "lock checking calls it at every lock"),
    ("lock_release*", "lock checking calls it at every lock"),
    ("rcu_*", "the kernel uses it to serve probes"),
    ("__rcu_*", "the kernel uses it to serve probes"),
    ("preempt_*", "the kernel uses it to serve probes"),
    ("*irq_enter*", "it runs at the begin of every interrupt"),
    ("*irq_exit*", "it runs at the end of every interrupt"),
    ("*_nmi*", "it runs where nothing may be interrupted"),
    ("asm_*", "it runs before the kernel's own state is set up"),
    ("exc_*", "it runs before the kernel's own state is set up"),
    ("*trace_*", "the kernel uses it to trace"),
    ("*ftrace*", "the kernel uses it to trace"),
    ("ring_buffer_*", "the kernel uses it to trace"),
    ("rb_*", "the kernel uses it to trace"),
    ("*kprobe*", "the kernel uses it to serve probes"),
    ("perf_*", "the kernel uses it to trace"),
    ("*stack_unwind*", "the kernel uses it to record stacks"),
    ("unwind_*", "the kernel uses it to record stacks"),
    ("sched_clock*", "the kernel uses it to take times"),
    ("*ktime_get*", "the kernel uses it to take times"),
)
_NO_CODE = "__ftrace_invalid_address__"
_TEXT = "tT"
_MOST_NEAR = 5


class Functions(NamedTuple):
    """Functions by name, each with the number of them that have it and with its module ("" for the kernel's).

    ``source`` is the file that they come from, ``note`` what is to be known of it.
    """

    names: Dict[str, int]
    module: Dict[str, str]
    source: str
    note: str = ""

    def matching(self, pattern: str) -> List[str]:
        """Return the names that match, sorted."""
        match = re.compile(translate(pattern)).match
        return sorted(name for name in self.names if match(name))

    def near(self, name: str) -> List[str]:
        """Return names that somebody may have meant."""
        base = name.partition("+")[0].rpartition(":")[2]
        parts = [each for each in self.names if base and base in each][:200]
        return get_close_matches(base, parts or self._alike(base), _MOST_NEAR, 0.7)

    def _alike(self, name: str) -> Sequence[str]:
        """Return names of about the same length and the same begin: comparing with all takes seconds."""
        return [each for each in self.names if each[:2] == name[:2] and abs(len(each) - len(name)) <= 3]


def functions_of_kernel(tracefs: TraceFs, host: Host) -> Functions:
    """Return what can be probed; empty, with the reason in ``note``, where nothing may be read."""
    name = "available_filter_functions"
    refused = ""
    try:
        count, module = parse_functions(tracefs.top.read_bytes(name))
        if count:
            return Functions(count, module, tracefs.top.path(name))
    except TraceFsError as error:
        refused = str(error)
    try:
        count, module = parse_text_symbols(host.read("/proc/kallsyms"))
    except ReadError as error:
        return Functions({}, {}, "", f"{refused}; {error.failure}")
    note = "functions of /proc/kallsyms, some of which cannot be probed" + (
        f" ({refused})" if refused else ""
    )
    return Functions(count, module, "/proc/kallsyms", note)


def parse_functions(data: bytes) -> Tuple[Dict[str, int], Dict[str, str]]:
    r"""Parse ``available_filter_functions`` into counts and modules.

    >>> parse_functions(b"vfs_read\nscan [ext4]\nscan\n__ftrace_invalid_address___8\n")
    ({'vfs_read': 1, 'scan': 2}, {'scan': 'ext4'})
    """
    count: Dict[str, int] = {}
    module: Dict[str, str] = {}
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        name, _, rest = line.partition(" ")
        if not name or name.startswith(_NO_CODE):
            continue
        count[name] = count.get(name, 0) + 1
        if rest:
            module[name] = rest.strip("[] ")
    return count, module


def parse_text_symbols(data: bytes) -> Tuple[Dict[str, int], Dict[str, str]]:
    r"""Parse the functions in ``/proc/kallsyms`` into counts and modules.

    >>> parse_text_symbols(b"0000000000000000 T vfs_read\n0000000000000000 d data\n0 t scan\t[ext4]\n")
    ({'vfs_read': 1, 'scan': 1}, {'scan': 'ext4'})
    """
    count: Dict[str, int] = {}
    module: Dict[str, str] = {}
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        fields = line.split()
        if len(fields) < 3 or fields[1] not in _TEXT:
            continue
        name = fields[2]
        count[name] = count.get(name, 0) + 1
        if len(fields) > 3:
            module[name] = fields[3].strip("[]")
    return count, module


def denied(name: str) -> Optional[str]:
    """Return why a pattern leaves a function out, ``None`` if it does not.

    >>> denied("_raw_spin_lock_irqsave"), denied("vfs_read")
    ('locks are taken millions of times a second', None)
    """
    return next((why for pattern, why in _patterns() if pattern.match(name)), None)


_compiled: List[Tuple["re.Pattern[str]", str]] = []


def _patterns() -> List[Tuple["re.Pattern[str]", str]]:
    if not _compiled:
        _compiled.extend((re.compile(translate(pattern)), why) for pattern, why in DENIED)
    return _compiled
