"""Sums of calls by system call and process, whoever summed them up, and the rows that they make."""

from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from kdiag.ftrace.syscall_sums import bucket_top_ns
from kdiag.kernel import errno_names
from kdiag.kernel.syscalls import name_of
from kdiag.records import NamedTuple
from kdiag.tools.run import Run
from kdiag.tools.syscall_programs import COMPAT, NO_NUMBER
from kdiag.tools.syscount import SyscallRow

__all__ = ["Key", "Sum", "added", "less", "rows_of", "since", "syscall_name", "tell_missing"]

#: (process, number of the call); ``None`` for what was not asked for.
Key = Tuple[Optional[int], Optional[int]]


class Sum(NamedTuple):
    """Calls that came back. ``errors`` by errno; ``buckets`` of times as in :mod:`kdiag.ftrace.syscall_sums`.

    ``max_ns`` is ``None`` where it is not known; ``buckets`` are empty where some times had no room in them.
    """

    calls: int
    errors: Mapping[int, int]
    total_ns: int
    max_ns: Optional[int]
    buckets: Mapping[int, int]

    def at_share(self, share: float) -> Optional[int]:
        """Return the nanoseconds that this share of the calls did not exceed, rounded up to a bucket.

        >>> Sum(2, {}, 300, 200, {16: 1, 96: 1}).at_share(0.99)
        33
        """
        if not self.buckets:
            return None
        # Read while calls go on, they may be some more or fewer than ``calls``.
        wanted, seen = share * sum(self.buckets.values()), 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                top_ns = bucket_top_ns(bucket)
                return top_ns if self.max_ns is None else min(top_ns, self.max_ns)
        return self.max_ns


def since(now: Mapping[Key, Sum], past: Mapping[Key, Sum]) -> Dict[Key, Sum]:
    """Return what was added after ``past``."""
    found = {}
    for key, each in now.items():
        was = past.get(key, Sum(0, {}, 0, None, {}))
        if each.calls == was.calls:
            continue
        found[key] = Sum(
            each.calls - was.calls,
            less(each.errors, was.errors),
            each.total_ns - was.total_ns,
            None,
            less(each.buckets, was.buckets),
        )
    return found


def added(one: Sum, other: Sum) -> Sum:
    """Return both together."""
    most = None if one.max_ns is None or other.max_ns is None else max(one.max_ns, other.max_ns)
    return Sum(
        one.calls + other.calls,
        _more(one.errors, other.errors),
        one.total_ns + other.total_ns,
        most,
        _more(one.buckets, other.buckets),
    )


def _more(one: Mapping[int, int], other: Mapping[int, int]) -> Dict[int, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def less(now: Mapping[int, int], was: Mapping[int, int]) -> Dict[int, int]:
    """Return what counts have more than before."""
    rest = {key: count - was.get(key, 0) for key, count in now.items()}
    return {key: count for key, count in rest.items() if count}


def syscall_name(number: int, machine: str) -> str:
    """Return the name of a call by its number in :data:`Key`.

    >>> syscall_name(0, "x86_64"), syscall_name(500, "x86_64"), syscall_name(511, "x86_64")
    ('read', 'call 500', 'call 511 and above')
    >>> syscall_name(COMPAT + 4, "x86_64")
    '32-bit call 4'
    """
    if number >= COMPAT:
        return f"32-bit {syscall_name(number - COMPAT, '')}"
    if number == NO_NUMBER:
        return f"call {NO_NUMBER} and above"
    return name_of(number, machine) or f"call {number}"


def tell_missing(run: Run) -> None:
    """Say what rows of intervals do not have, before anything is shown."""
    if run.interval_s is not None and not run.options["counts_only"]:
        run.missing["max_ns"] = "of an interval it is not known: only the longest of all is kept"


def rows_of(
    found: Mapping[Key, Sum],
    options: Mapping[str, Any],
    machine: str,
    comm_of: Callable[[int], Optional[str]],
) -> Tuple[SyscallRow, ...]:
    """Return the rows, in the order that is asked for."""
    counts_only: bool = options["counts_only"]
    rows = []
    for (pid, number), each in found.items():
        row = SyscallRow(
            None if number is None else syscall_name(number, machine),
            pid,
            None if pid is None else comm_of(pid),
            each.calls,
            *([None] * 7 if counts_only else _times(each)),
        )
        rows.append(row)
    order = _ORDER[options["sort"] or ("calls" if counts_only else "total")]
    rows.sort(key=lambda row: (order(row), -row.calls, row.syscall or "", row.pid or 0))
    return tuple(rows)


def _times(each: Sum) -> List[Any]:
    errors = sorted(each.errors.items(), key=lambda error: (-error[1], error[0]))
    return [
        sum(each.errors.values()),
        each.total_ns,
        each.total_ns / each.calls,
        each.at_share(0.5),
        each.at_share(0.99),
        each.max_ns,
        ", ".join(f"{errno_names.name_of(number)} {count}" for number, count in errors),
    ]


#: What is least comes first.
_ORDER: Mapping[str, Callable[[SyscallRow], Any]] = {
    "calls": lambda row: -row.calls,
    "errors": lambda row: -(row.errors or 0),
    "total": lambda row: -(row.total_ns or 0),
    "avg": lambda row: -(row.avg_ns or 0),
    "max": lambda row: -(row.max_ns or 0),
    "name": lambda row: (row.syscall or "", row.comm or ""),
}
